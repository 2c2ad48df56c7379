#!/bin/sh
# Compiles packages of Go into `bin` of the folder that it is started in, for SILO_ARCH, from exactly the modules that are locked.
# Beside it are go.sum, which has every module, and go.packages, a line for each package: PATH@VERSION. In vendor/ may lie HASH.zip and
# HASH.mod, where the hash is that of go.sum in hexadecimal. /dev/silo.go may say where modules are fetched from: GOPROXY=URL.
# The go command itself checks each module against go.sum, wherever it comes from; what is not in there is not to be had.
set -eu
export LC_ALL=C
data=/dev/silo
settings=/dev/silo.go
certificates=/etc/ssl/certs/ca-certificates.crt
target=$PWD

fail() {
    printf 'silo: %s\n' "$*" >&2
    exit 1
}

# What decides about a build is said here and nowhere else.
for variable in $(env | sed -n 's/^\(C\{0,1\}GO[A-Z0-9_]*\)=.*/\1/p'); do
    unset "$variable"
done
work=$(mktemp -d)
export HOME=/root GOENV=off GOTOOLCHAIN=local GOSUMDB=off GOPATH="$work/path" GOMODCACHE="$work/modules" GOCACHE="$work/cache"
export GOOS=linux CGO_ENABLED=0 GOFLAGS='-mod=mod -modcacherw'
[ ! -s "$certificates" ] || export SSL_CERT_FILE="$certificates"
proxy=$(sed -n 's/^GOPROXY=//p' "$settings" 2>/dev/null || true)
[ -n "$proxy" ] || proxy=$(go env GOPROXY)
# Repositories themselves are not asked: what comes from them is not what a proxy has, and there is nothing here to ask them with.
proxy=${proxy%[,|]direct}

# A path or a version as it stands in an address: a capital letter is a `!` and the small one.
escaped() {
    printf '%s' "$1" | sed 's/\([A-Z]\)/!\L\1/g'
}

# vendored PATH VERSION ENDING SUM
vendored() {
    hash=$(printf '%s' "${4#h1:}" | base64 -d | od -An -v -tx1 | tr -d ' \n')
    [ -f "$data/vendor/$hash.$3" ] || return 0
    folder=$work/proxy/$(escaped "$1")/@v version=$(escaped "$2")
    mkdir -p "$folder"
    cp "$data/vendor/$hash.$3" "$folder/$version.$3"
    printf '{"Version":"%s"}\n' "$2" >"$folder/$version.info"
}

: >"$work/archives"
: >"$work/files"
while read -r path version sum; do
    case $version in
    */go.mod)
        version=${version%/go.mod}
        printf '%s@%s\n' "$path" "$version" >>"$work/files"
        vendored "$path" "$version" mod "$sum"
        ;;
    *)
        printf '%s@%s\n' "$path" "$version" >>"$work/archives"
        vendored "$path" "$version" zip "$sum"
        ;;
    esac
done <"$data/go.sum"
[ ! -d "$work/proxy" ] || proxy=file://$work/proxy,$proxy

mkdir "$work/locked"
printf 'module silo.invalid/locked\n\ngo 1.17\n' >"$work/locked/go.mod"
cp "$data/go.sum" "$work/locked/go.sum"
(
    cd "$work/locked"
    export GOPROXY="$proxy"
    xargs -n 100 go list -m <"$work/files" >"$work/listed" && xargs -n 100 go mod download <"$work/archives"
) || fail "the modules of ${target##*/} could not be downloaded"

# From here on there is what was downloaded, and nothing else.
export GOPROXY="file://$work/modules/cache/download" GOFLAGS='-mod=mod -modcacherw -trimpath' GOARCH="$SILO_ARCH"
while read -r package; do
    (cd "$work" && go install "$package" </dev/null) || fail "go could not compile $package"
done <"$data/go.packages"
mkdir -p "$target/bin"
find "$GOPATH/bin" -type f -exec cp -t "$target/bin" {} +
rm -rf "$work"
