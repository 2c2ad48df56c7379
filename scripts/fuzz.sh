#!/bin/sh
# Fuzzes silo from text to Dockerfile for some seconds, and fails when an input makes it panic, hang or eat memory.
#   scripts/fuzz.sh [SECONDS]      60 unless told otherwise
# Stable Rust and a C++ compiler are enough. What is found lies in fuzz/found/; `fuzz/target/*/release/compile FILE` runs it again.
set -eu
cd "$(dirname "$0")/../fuzz"
seconds="${1:-60}"
host=$(rustc -vV | sed -n 's/^host: //p')
passes="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
passes="$passes -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares"
# With --target, programs that run while building are built without counters. What is built here is of use to nothing else, and stays here.
export CARGO_TARGET_DIR=target
RUSTFLAGS="$passes --cfg fuzzing" cargo build --quiet --release --locked --target "$host"

# Every case of the tests is a seed: its files in the order of the target's layers, a byte 0x1f between them.
seeds=target/seeds
rm -rf "$seeds" && mkdir -p "$seeds" target/corpus found
for case in ../tests/cases/*/; do
    name=$(basename "$case")
    for file in silo.kdl user.kdl silo.local.kdl command-line.kdl team.kdl; do
        [ -f "$case$file" ] && cat "$case$file"
        printf '\037'
    done >"$seeds/$name"
done
for file in ../schemas/examples/*.kdl ../examples/*/silo.kdl ../images/*/*.kdl; do
    cp "$file" "$seeds/$(echo "$file" | tr / _)"
done

exec "target/$host/release/compile" target/corpus "$seeds" -max_total_time="$seconds" -timeout=5 -rss_limit_mb=1024 -max_len=8192 \
    -use_value_profile=0 -dict=words.txt -artifact_prefix=found/ -print_final_stats=1
