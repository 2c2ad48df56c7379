#!/bin/sh
# Writes tests/nickel/cases.jsonl anew: generated configurations, each with what Nickel makes of the same definitions. Some minutes.
# NICKEL names the program; without it, `nickel` of the PATH, or one that cargo installs into target/nickel.
set -eu
cd "$(dirname "$0")/.."
if [ -z "${NICKEL:-}" ]; then
    NICKEL=$(command -v nickel || true)
fi
if [ -z "$NICKEL" ]; then
    cargo install nickel-lang-cli --version '^1.18' --locked --root target/nickel
    NICKEL="$PWD/target/nickel/bin/nickel"
fi
export NICKEL
"$NICKEL" --version
SILO_BLESS_NICKEL=1 cargo test --quiet --locked --test main nickel::generate::
cargo test --quiet --locked --test main nickel::
