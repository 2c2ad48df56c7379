#!/bin/sh
# Makes sure that cargo is new enough (Cargo.toml says which version that is), or says how to get it.
set -eu
wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
found=$(cargo --version 2>/dev/null | cut -d' ' -f2 || true)
if [ -z "$found" ] || [ "$(printf '%s\n%s\n' "$wanted" "$found" | sort -V | head -n 1)" != "$wanted" ]; then
    echo "silo needs Rust $wanted or newer (found: ${found:-none}); https://rustup.rs installs it." >&2
    exit 1
fi
if ! command -v cc >/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gcc libc6-dev >/dev/null
    else
        echo "a C compiler is needed to build silo: install gcc or clang" >&2
        exit 1
    fi
fi
