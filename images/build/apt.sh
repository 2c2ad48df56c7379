#!/bin/sh
# Installs the packages named in the file beside this script at exact versions, and leaves nothing else behind.
#     apt.sh [SUITE]
# Each line: architecture or `any`, name, version; separated by tabs. What they need comes from the suite.
set -eu
arch=$(dpkg --print-architecture)
tab=$(printf '\t')
stamp=$(mktemp /dev/shm/silo.XXXXXX)
[ -z "${1:-}" ] || set -- "--target-release=$1"
while IFS="$tab" read -r which name version; do
    case $which in
    any | "$arch") set -- "$@" "$name=$version" ;;
    esac
done <"${0%/*}/packages"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
printf '%s\n' 'Acquire::Retries "3";' 'APT::Install-Recommends "false";' 'Dpkg::Use-Pty "false";' >"$stamp"
# Mounted, when there is one, where no package's own scripts replace it.
[ ! -s /dev/silo.ca ] || printf '%s\n' 'Acquire::https::CaInfo "/dev/silo.ca";' >>"$stamp"
[ ! -s /dev/silo.netrc ] || printf '%s\n' 'Dir::Etc::netrc "/dev/silo.netrc";' >>"$stamp"
export APT_CONFIG="$stamp"
apt-get update -q
apt-get install -q -y --allow-downgrades "$@" || {
    echo "silo: a pinned package could not be installed; if the archive no longer has that version, run: silo lock" >&2
    exit 1
}
apt-get clean
# Only what this made: removing a file of the base leaves a mark in the layer, with the time of the day.
find /var/lib/apt/lists -type f ! -name lock -exec rm -f {} +
rm -f /var/cache/apt/*.bin /var/cache/ldconfig/aux-cache /var/log/apt/* /var/log/dpkg.log /var/log/alternatives.log
find / -xdev -newer "$stamp" -exec touch -h -d @1 {} +
rm -f "$stamp"
