#!/bin/sh
# Everything that must pass: formatting, lints, unit and snapshot tests, tests on a real engine, the speed bars.
#   ./test.sh          all of it
#   ./test.sh quick    without engine and network
set -eu
cd "$(dirname "$0")"
quick="${1:-}"

step() { printf '\n=== %s\n' "$*"; }

./scripts/rust.sh
step formatting
cargo fmt --check
step lints
cargo clippy --locked --all-targets --quiet -- -D warnings

if [ "$quick" = quick ]; then
    step "tests without engine and network"
    SILO_TEST_OFFLINE=1 cargo test --locked --quiet
    exit 0
fi

./scripts/engine.sh
./scripts/hadolint.sh
for tool in npm python3 git setpriv; do
    command -v "$tool" >/dev/null || { echo "the tests ask $tool; install it (Debian: npm, python3, git, util-linux)" >&2; exit 1; }
done
step "release build"
cargo build --locked --release --quiet
step tests
PATH="$PWD/target/tools/bin:$PATH" cargo test --locked --quiet
step "README, as a stranger runs it"
SILO_TRY=$(mktemp -d) ./try.sh
step speed
./scripts/speed.py --check
