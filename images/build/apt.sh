#!/bin/sh
# Installs exactly the files of the distribution's archive that the list beside this script names, and leaves nothing else behind.
# Each line: architecture or `any`, package, version, path below the archive's address, SHA-256; separated by tabs. What the base has in
# that version already is left alone. No index is read: the list is all there is. A file may lie in vendor/ beside the list, under its hash.
set -eu
list=${0%/*}/packages
arch=$(dpkg --print-architecture)
tab=$(printf '\t')
stamp=$(mktemp /dev/shm/silo.XXXXXX)
work=$(mktemp -d /tmp/silo.XXXXXX)
mkdir -p "$work/debs" "$work/lists/partial" "$work/cache/archives/partial"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
cat >"$stamp" <<END
Acquire::Retries "3";
APT::Install-Recommends "false";
APT::Sandbox::User "root";
Dir::Cache "$work/cache";
Dir::State::Lists "$work/lists";
Dpkg::Options:: "--force-unsafe-io";
Dpkg::Use-Pty "false";
END
# Mounted, when there is one, where no package's own scripts replace it.
[ ! -s /dev/silo.ca ] || printf '%s\n' 'Acquire::https::CaInfo "/dev/silo.ca";' >>"$stamp"
[ ! -s /dev/silo.netrc ] || printf '%s\n' 'Dir::Etc::netrc "/dev/silo.netrc";' >>"$stamp"
export APT_CONFIG="$stamp"

# Of this architecture, and not there yet.
dpkg-query -W -f '${db:Status-Status}\t${Package}\t${Version}\n' | sed -n "s/^installed$tab//p" >"$work/there"
awk -F '\t' -v arch="$arch" 'NR == FNR { there[$1 FS $2]; next } ($1 == "any" || $1 == arch) && !(($2 FS $3) in there)' \
    "$work/there" "$list" >"$work/left"

# What is here is not downloaded, and checked as well.
beside=${0%/*}/vendor
while IFS="$tab" read -r which name version path sha256; do
    if [ ! -f "$beside/$sha256" ]; then
        printf '%s\t%s\t%s\t%s\t%s\n' "$which" "$name" "$version" "$path" "$sha256"
        continue
    fi
    found=$(sha256sum <"$beside/$sha256" | cut -c 1-64)
    if [ "$found" != "$sha256" ]; then
        echo "silo: the vendored file of $name $version is not the one that silo.lock names: expected SHA-256 $sha256, found $found" >&2
        exit 1
    fi
    cp "$beside/$sha256" "$work/debs/$name.deb"
done <"$work/left" >"$work/later"
mv "$work/later" "$work/left"

# The host's mirror, what the image's own sources name, and last what keeps old files.
from() { [ ! -s /dev/silo.apt ] || sed -n "s/^$1 //p" /dev/silo.apt; }
{
    from mirror
    apt-get update --print-uris | sed -n "s|^'\(.*\)/dists/.*|\1|p"
    from snapshot
} | sed 's|/*$||' | awk '!seen[$0]++' >"$work/archives"

# Takes from the archives of a list, one after the other, what is left.
take() {
    while [ -s "$work/left" ] && read -r archive <&3; do
        set --
        while IFS="$tab" read -r _ name version path sha256; do
            set -- "$@" "$archive/$path" "$work/debs/$name.deb" "SHA256:$sha256"
        done <"$work/left"
        /usr/lib/apt/apt-helper -q download-file "$@" >"$work/log" 2>&1 || true
        while IFS="$tab" read -r which name version path sha256; do
            if [ -e "$work/debs/$name.deb.FAILED" ]; then
                found=$(sha256sum "$work/debs/$name.deb.FAILED" | cut -c 1-64)
                echo "silo: $archive/$path is not the file of $name $version that silo.lock names: expected SHA-256 $sha256, found $found" >&2
                exit 1
            fi
            [ -e "$work/debs/$name.deb" ] || printf '%s\t%s\t%s\t%s\t%s\n' "$which" "$name" "$version" "$path" "$sha256"
        done <"$work/left" >"$work/later"
        mv "$work/later" "$work/left"
    done 3<"$1"
}
take "$work/archives"
if [ -s "$work/left" ]; then
    # Some distributions' own release files say where their older states are.
    apt-get update --print-uris | sed -n "s|^'\(.*/InRelease\)'.*|\1|p" | while read -r url; do
        /usr/lib/apt/apt-helper -q download-file "$url" "$work/release" >/dev/null 2>&1 || continue
        sed -n 's/^Snapshots: *\(http.*\)/\1/p' "$work/release"
        rm -f "$work/release"
    done | awk '!seen[$0]++' | while read -r pattern; do
        from moment | while read -r moment; do
            printf '%s\n' "$pattern" | sed "s|@SNAPSHOTID@|$moment|; s|/*\$||"
        done
    done >"$work/snapshots"
    take "$work/snapshots"
    cat "$work/snapshots" >>"$work/archives"
fi
if [ -s "$work/left" ]; then
    grep '^E: ' "$work/log" >&2 || true
    while IFS="$tab" read -r _ name version path _; do
        echo "silo: no archive has $path, the file of $name $version" >&2
    done <"$work/left"
    echo "silo: asked were $(tr '\n' ' ' <"$work/archives")- if they have gone on to newer versions: silo update packages" >&2
    exit 1
fi

set -- "$work/debs"/*.deb
if [ -e "$1" ]; then
    apt-get install -q -y --allow-downgrades --no-remove "$@" || {
        echo "silo: the packages of silo.lock do not fit the base; this looks them up again: silo update packages" >&2
        exit 1
    }
fi
rm -rf "$work"
# Only what this made: removing a file of the base leaves a mark in the layer, with the time of the day.
rm -f /var/cache/ldconfig/aux-cache /var/log/apt/* /var/log/dpkg.log /var/log/alternatives.log
find / -xdev -newer "$stamp" -exec touch -h -d @1 {} +
rm -f "$stamp"
