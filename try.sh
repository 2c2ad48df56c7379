#!/bin/sh
# From nothing to an agent answering inside its image. Safe to run again: what is there is not made anew.
#   ./try.sh [ARGS of the agent, default --version]
set -eu
cd "$(dirname "$0")"

./scripts/engine.sh
./scripts/rust.sh
cargo build --release --locked --quiet
silo="$PWD/target/release/silo"

# A project of one's own, so that the checkout stays as it is.
project="${SILO_TRY:-$HOME/silo-try}"
mkdir -p "$project"
[ -e "$project/silo.kdl" ] || cp examples/minimal/silo.kdl examples/minimal/silo.lock "$project/"
cd "$project"

echo "--- silo.kdl"
cat silo.kdl
echo "--- identity"
"$silo" hash
echo "--- silo build"
"$silo" build --locked
# The project is one's own, so its agent may have the keys that are set here.
"$silo" trust --yes
echo "--- silo claude"
if [ "$#" = 0 ]; then set -- --version; fi
"$silo" claude -- "$@"
echo "--- that was an agent in its image; the project is $project, the program $silo"
