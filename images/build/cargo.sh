#!/bin/sh
# Compiles programs from crates into bin/ of the folder that it is started in. It runs for the processor that the image is for.
# What to do is data beside this script, fields separated by tabs: a line of `crates` is name, version and SHA-256 of an archive; a line of
# `programs` is name and version of one whose programs are installed, `default` or `-`, and the features asked for, or `-`.
# An archive may lie in vendor/ under its hash. It is checked like a download.
#
# Crates bring programs that run while they are compiled. Those run as nobody, who can read none of the logins that downloads are made with,
# and have no place to write to that root reads links from.
set -eu
data=${0%/*}
own=$(pwd)
tab=$(printf '\t')
nobody=65534
# Paths are in what is compiled: they are the same everywhere.
work=/silo-cargo
mirrors=/dev/silo.mirrors
told=/dev/silo.crates

fail() {
    printf 'silo: %s\n' "$*" >&2
    exit 1
}

# Where URL is fetched from. Each line of the mirrors is the beginning of a URL and what takes its place; the longest comes first.
address() {
    address=$1
    [ -s "$mirrors" ] || return 0
    while IFS="$tab" read -r from to; do
        case $1 in
        "$from"*)
            address=$to${1#"$from"}
            return 0
            ;;
        esac
    done <"$mirrors"
}

# A word of a curl configuration.
quoted() { printf '"%s"\n' "$(printf '%s' "$1" | sed 's/[\\"]/\\&/g')"; }

get() { curl -fsSL --globoff --netrc-optional --proto '=http,https' --retry 5 --retry-connrefused --connect-timeout 20 "$@"; }

# Runs a program as nobody, with nothing of the build's variables.
without_rights() {
    setpriv --reuid="$nobody" --regid="$nobody" --clear-groups --no-new-privs \
        env -i PATH="$PATH:$work/out/bin" HOME="$work/home" TMPDIR="$work/tmp" LC_ALL=C SOURCE_DATE_EPOCH=1 "$@"
}

# Sets `index`: what the host knows, else what the image's own Cargo says when it cannot reach it.
find_index() {
    index=
    [ ! -s "$told" ] || index=$(sed -n "s/^index$tab//p" "$told")
    [ -n "$index" ] || index=$(
        CARGO_HOME="$work/ask" CARGO_HTTP_PROXY=http://127.0.0.1:1 CARGO_NET_RETRY=0 CARGO_REGISTRIES_CRATES_IO_PROTOCOL=sparse \
            CARGO_LOG=network=debug cargo search x 2>&1 |
            grep -o 'https\{0,1\}://[^ `"]*/config\.json' | head -n 1 | sed 's/config\.json$//'
    )
    [ -n "$index" ] || fail 'nothing says where crates are: name a sparse index with mirror crates "URL", or in the configuration of Cargo on the host'
}

# Sets `template`: where archives are, by the index. Leaves in `$work/login` the token that they are asked with, for curl.
find_template() {
    find_index
    token=
    [ ! -s "$told" ] || token=$(sed -n "s/^token$tab//p" "$told")
    : >"$work/login"
    address "${index}config.json"
    # What is meant for a server is nothing for its mirror.
    [ "$address" = "${index}config.json" ] || token=
    get -o "$work/config.json" --url "$address" 2>"$work/said" || {
        [ -n "$token" ] || fail "cannot download $address: $(cat "$work/said")"
        printf 'header = %s\n' "$(quoted "Authorization: $token")" >"$work/login"
        get -K "$work/login" -o "$work/config.json" --url "$address" || fail "cannot download $address"
    }
    text=$(tr -d '\n\r' <"$work/config.json")
    template=$(printf '%s' "$text" | sed -n 's/.*"dl"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p' | sed 's|\\/|/|g')
    [ -n "$template" ] || fail "$address does not say where crates are"
    case $template in
    *'{crate}'* | *'{version}'* | *'{prefix}'* | *'{lowerprefix}'* | *'{sha256-checksum}'*) ;;
    *) template="$template/{crate}/{version}/download" ;;
    esac
    if [ -n "$token" ] && printf '%s' "$text" | grep -q '"auth-required"[[:space:]]*:[[:space:]]*true'; then
        printf 'header = %s\n' "$(quoted "Authorization: $token")" >"$work/login"
    fi
}

rm -rf "$work"
mkdir -p "$work/archives" "$work/vendor" "$work/home" "$work/tmp" "$work/out" "$work/target" "$work/ask"
chmod 0700 "$work/archives" "$work/ask"

# What is not here: name, version and hash, the name in small letters, and the folder that it has in an index.
while IFS="$tab" read -r name version sha256; do
    if [ -f "$data/vendor/$sha256" ]; then
        cp "$data/vendor/$sha256" "$work/archives/$sha256"
    else
        printf '%s\t%s\t%s\n' "$name" "$version" "$sha256"
    fi
done <"$data/crates" >"$work/left"
if [ -s "$work/left" ]; then
    find_template
    awk -F '\t' -v template="$template" '
        function prefix(name) {
            if (length(name) < 3) return length(name)
            return length(name) == 3 ? "3/" substr(name, 1, 1) : substr(name, 1, 2) "/" substr(name, 3, 2)
        }
        {
            url = template
            gsub(/[{]crate[}]/, $1, url); gsub(/[{]version[}]/, $2, url); gsub(/[{]sha256-checksum[}]/, $3, url)
            gsub(/[{]prefix[}]/, prefix($1), url); gsub(/[{]lowerprefix[}]/, prefix(tolower($1)), url)
            print $3 "\t" url
        }' "$work/left" >"$work/urls"
    while IFS="$tab" read -r sha256 url; do
        address "$url"
        list=$work/own
        [ "$address" = "$url" ] || list=$work/mirrored
        printf 'url = %s\noutput = %s\n' "$(quoted "$address")" "$(quoted "$work/archives/$sha256")" >>"$list"
    done <"$work/urls"
    : >"$work/nobody"
    for list in own mirrored; do
        [ -s "$work/$list" ] || continue
        login=$work/nobody
        [ "$list" = mirrored ] || login=$work/login
        get --parallel --parallel-max 16 -K "$login" -K "$work/$list" 2>"$work/said" && continue
        while IFS="$tab" read -r sha256 url; do
            [ -f "$work/archives/$sha256" ] || fail "cannot download $url: $(grep '^curl:' "$work/said" | head -n 1)"
        done <"$work/urls"
        fail "cannot download the crates of the lock: $(grep '^curl:' "$work/said" | head -n 1)"
    done
fi

while IFS="$tab" read -r name version sha256; do
    found=$(sha256sum <"$work/archives/$sha256" | cut -c 1-64)
    [ "$found" = "$sha256" ] || {
        # For programs: what it is, what it should be, what it is in truth.
        printf 'silo-mismatch\t%s\t%s\t%s\n' "the crate $name $version" "sha256:$sha256" "sha256:$found" >&2
        fail "the checksum of the crate $name $version is sha256:$found, not sha256:$sha256"
    }
done <"$data/crates"

chown "$nobody:$nobody" "$work/vendor" "$work/home" "$work/tmp" "$work/out" "$work/target"
while IFS="$tab" read -r name version sha256; do
    folder=$work/vendor/$name-$version
    without_rights mkdir "$folder"
    without_rights tar -x -z -C "$folder" --strip-components=1 --no-same-owner <"$work/archives/$sha256" || fail "the crate $name $version cannot be unpacked"
    printf '{"files":{},"package":"%s"}\n' "$sha256" | without_rights sh -c 'cat >"$1"' - "$folder/.cargo-checksum.json"
done <"$data/crates"
cat >"$work/home/config.toml" <<END
[source.crates-io]
replace-with = "vendored"
[source.vendored]
directory = "$work/vendor"
END

while IFS="$tab" read -r name version default features; do
    set -- cargo install --path "$work/vendor/$name-$version" --root "$work/out" --locked --offline --no-track --force
    [ "$default" = default ] || set -- "$@" --no-default-features
    [ "$features" = - ] || set -- "$@" --features "$features"
    (
        cd "$work/vendor/$name-$version"
        without_rights env CARGO_HOME="$work/home" CARGO_TARGET_DIR="$work/target/$name" CARGO_INCREMENTAL=0 CARGO_TERM_COLOR=never \
            CARGO_PROFILE_RELEASE_STRIP=symbols RUSTFLAGS="--remap-path-prefix=$work=/crates" "$@"
    ) || fail "$name $version cannot be compiled"
done <"$data/programs"

# Read with nobody's rights: what a crate left there may be links.
[ -d "$work/out/bin" ] || fail "the crates that are asked for have no programs"
without_rights tar -c -C "$work/out" bin | tar -x -C "$own" --no-same-owner
rm -rf "$work"
