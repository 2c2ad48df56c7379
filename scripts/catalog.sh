#!/bin/sh
# Installs each entry of the catalog alone in an image, runs its smoke test, and writes what came of it to docs/catalog-report.md.
#   ./scripts/catalog.sh                  everything
#   ./scripts/catalog.sh tool/jq lsp      some entries, or all of a kind; the rows of others stay as they are
#   ./scripts/catalog.sh --prune …        empties the engine's build cache whenever the disk gets short: for an engine of one's own
#   ./scripts/catalog.sh --merge FILE…    installs nothing: takes the newer rows of other reports
# SILO names the program to use; otherwise it is built.
set -eu
cd "$(dirname "$0")/.."
[ "${1:-}" = --merge ] || ./scripts/engine.sh
if [ -z "${SILO:-}" ]; then
    ./scripts/rust.sh
    cargo build --release --locked --quiet
    SILO="$PWD/target/release/silo"
fi
export SILO
exec nice python3 scripts/catalog.py "$@"
