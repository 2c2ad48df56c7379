#!/bin/sh
# Puts what the recipe in /dev/silo says under ROOT, for one architecture.
#     install.sh ROOT build|target
# The recipe is data: one step a line, fields separated by tabs, `-` for none. The first line is the name of the folder in /opt/silo;
# of the others the first field is the step, the second the architecture or `any`.
# What a step would download may lie in vendor/ beside the recipe: HASH is a file, HASH/NAME.whl a wheel, HASH.tgz a package of npm, where
# the hash is that of the lock in hexadecimal. It is checked like a download.
set -eu
data=/dev/silo
root=${1%/}
case $2 in
build) arch=${BUILDARCH:-} ;;
*) arch=${TARGETARCH:-} ;;
esac
tab=$(printf '\t')
certificates=/etc/ssl/certs/ca-certificates.crt
mirrors=/dev/silo.mirrors

fail() {
    printf 'silo: %s\n' "$*" >&2
    exit 1
}

case $arch in
amd64 | arm64) ;;
*) fail "cannot install for the architecture '$arch' (is BuildKit enabled?)" ;;
esac
if [ -s "$certificates" ]; then
    export NODE_EXTRA_CA_CERTS="$certificates" PIP_CERT="$certificates"
fi
export PIP_ROOT_USER_ACTION=ignore
work=$(mktemp -d)
exec 3<"$data/recipe"
IFS= read -r name <&3
own=$root/opt/silo/$name

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

# download FORMAT STRIP TARGET SHA256 URL
download() {
    target=$own
    [ "$3" = - ] || target=$root$3
    from=$5
    file=$data/vendor/$4
    if [ ! -f "$file" ]; then
        file=$work/download
        address "$5"
        [ "$address" = "$5" ] || from="$address (the mirror of $5)"
        curl -fsSL --globoff --netrc-optional --proto '=http,https' --retry 5 --retry-connrefused --connect-timeout 20 -o "$file" --url "$address" ||
            fail "cannot download $from"
    fi
    found=$(sha256sum "$file")
    found=${found%% *}
    [ "$found" = "$4" ] || {
        # For programs: what it is, what it should be, what it is in truth.
        printf 'silo-mismatch\t%s\t%s\t%s\n' "$from" "sha256:$4" "sha256:$found" >&2
        fail "the checksum of $from is sha256:$found, not sha256:$4"
    }
    case $1 in
    tar | tar.gz | tar.xz | tar.bz2)
        mkdir -p "$target"
        case $1 in
        tar) how= ;;
        tar.gz) how=-z ;;
        tar.xz) how=-J ;;
        tar.bz2) how=-j ;;
        esac
        tar -x $how -f "$file" -C "$target" --strip-components="$2" --no-same-owner
        ;;
    zip)
        unzip -q "$file" -d "$work/0"
        depth=0
        while [ "$depth" -lt "$2" ]; do
            mkdir "$work/$((depth + 1))"
            find "$work/$depth" -mindepth 2 -maxdepth 2 -exec mv -t "$work/$((depth + 1))" {} +
            rm -rf "${work:?}/$depth"
            depth=$((depth + 1))
        done
        mkdir -p "$target"
        cp -R "$work/$depth/." "$target/"
        rm -rf "${work:?}/$depth"
        ;;
    gz | file)
        case $target in
        "$own" | */)
            base=${5%%[?#]*}
            target=${target%/}/${base##*/}
            [ "$1" = file ] || target=${target%.gz}
            ;;
        esac
        mkdir -p "${target%/*}"
        if [ "$1" = gz ]; then gzip -dc "$file" >"$target"; else cp "$file" "$target"; fi
        chmod 0755 "$target"
        ;;
    *) fail "unknown format $1" ;;
    esac
    rm -f "$work/download"
}

# Names the archives of a package-lock.json that are here, as npm itself names those that somebody installed from a file.
vendored='
const fs = require("fs"), [file, folder] = process.argv.slice(1), lock = JSON.parse(fs.readFileSync(file));
for (const entry of Object.values(lock.packages)) {
    for (const hash of (entry.integrity || "").split(/\s+/)) {
        const archive = `${folder}/${Buffer.from(hash.replace(/^[^-]*-/, ""), "base64").toString("hex")}.tgz`;
        if (hash && fs.existsSync(archive)) entry.resolved = `file:${archive}`;
    }
}
fs.writeFileSync(file, JSON.stringify(lock));'

# npm rewrites no addresses. So it is told of its registries, and of archives of their packages, as a mirror has them: where the registry says
# that they are is again an address of the registry itself. What npm is configured with comes on standard input, arguments for it go out.
mirrored='
const fs = require("fs"), [file, table] = process.argv.slice(1), lock = JSON.parse(fs.readFileSync(file));
const mirrors = fs.readFileSync(table, "utf8").split("\n").filter(Boolean).map((line) => line.split("\t"));
const registries = {};
for (const [key, value] of Object.entries(JSON.parse(fs.readFileSync(0)))) {
    if (key !== "registry" && !/^@.*:registry$/.test(key)) continue;
    const address = `${value}`.replace(/\/*$/, "/"), mirror = mirrors.find(([from]) => address.startsWith(from));
    registries[key] = mirror && mirror[1] + address.slice(mirror[0].length);
    if (mirror) console.log(`--${key}=${registries[key]}`);
}
for (const [path, entry] of Object.entries(lock.packages)) {
    const name = entry.name || path.split("node_modules/").pop(), [scope, bare] = name[0] === "@" ? name.split("/") : ["", name];
    const key = `${scope}:registry`, registry = key in registries ? registries[key] : registries.registry;
    if (path && registry && !entry.resolved) entry.resolved = `${registry}${name}/-/${bare}-${entry.version}.tgz`;
}
fs.writeFileSync(file, JSON.stringify(lock));'

# Installs what the lock in the folder names; with more arguments for npm.
npm_ci() {
    (cd "$own" && npm ci --ignore-scripts --omit=dev --no-audit --no-fund --no-update-notifier --loglevel=error --cache="$work/npm" "$@") 3<&-
}

# npm FOLDER
npm_packages() {
    folder=$data/$1
    mkdir -p "$own"
    cp "$folder/package.json" "$folder/package-lock.json" "$own/"
    [ ! -d "$data/vendor" ] || node -e "$vendored" "$own/package-lock.json" "$data/vendor" 3<&- || fail "npm could not install $name"
    set --
    if [ -s "$mirrors" ]; then
        cp "$own/package-lock.json" "$work/lock"
        npm config list --json >"$work/config" 3<&- && node -e "$mirrored" "$own/package-lock.json" "$mirrors" <"$work/config" >"$work/arguments" 3<&- ||
            fail "npm does not say where its registries are, so their mirrors cannot be asked"
        while IFS= read -r argument; do set -- "$@" "$argument"; done <"$work/arguments"
    fi
    # Where a mirror has archives is its own to say; most follow npm's own registry.
    if [ $# = 0 ] || ! npm_ci "$@" >"$work/log" 2>&1; then
        [ $# = 0 ] || cp "$work/lock" "$own/package-lock.json"
        npm_ci "$@" || fail "npm could not install $name"
    fi
    rm -f "$own/node_modules/.package-lock.json"
    cp "$folder/package-lock.json" "$own/"
}

# pip rewrites no addresses, neither those of pages nor of what they lead to: here whatever it asks for is asked for at the mirror.
mirrored_pip='
import sys
from pip._internal.cli.main import main
from pip._internal.network.session import PipSession

mirrors = [line.rstrip("\n").split("\t") for line in open(sys.argv[1])]
ask = PipSession.request

def request(self, method, url, *args, **more):
    for start, place in mirrors:
        if url.startswith(start):
            url = place + url[len(start):]
            break
    return ask(self, method, url, *args, **more)

PipSession.request = request
sys.exit(main(sys.argv[2:]))'

# pip REQUIREMENTS PYTHON PLATFORMS ABIS: the last two lists separated by commas
pip_packages() {
    requirements=$data/$1 python=$2 platforms=$3 abis=$4
    set -- install --quiet --disable-pip-version-check --no-input --no-cache-dir --no-deps --no-compile --require-hashes --only-binary=:all:
    # All wheels from here, or all from the index.
    folders=$(grep -o '[0-9a-f]\{64\}' "$requirements")
    for hash in $folders; do
        [ -d "$data/vendor/$hash" ] || folders=
    done
    [ -z "$folders" ] || set -- "$@" --no-index
    for hash in $folders; do set -- "$@" --find-links="$data/vendor/$hash"; done
    [ "$python" = - ] || set -- "$@" --python-version="$python" --implementation=cp
    IFS=,
    [ "$platforms" = - ] || for tag in $platforms; do set -- "$@" --platform="$tag"; done
    [ "$abis" = - ] || for tag in $abis; do set -- "$@" --abi="$tag"; done
    unset IFS
    mkdir -p "$own"
    set -- "$@" --target "$own" --requirement "$requirements"
    if [ -s "$mirrors" ]; then
        python3 -I -c "$mirrored_pip" "$mirrors" "$@" 3<&- || fail "pip could not install $name"
    else
        python3 -I -m pip "$@" 3<&- || fail "pip could not install $name"
    fi
    # Python's own commands look for their packages beside those of the distribution: the first thing they do is to learn where they are.
    for script in "$own"/bin/*; do
        if [ -f "$script" ] && head -n 1 "$script" | grep -aq '^#!.*python'; then
            sed -i "1s|.*|#!/usr/bin/python3|;1a import sys; sys.path.insert(0, \"/opt/silo/$name\")" "$script"
        fi
    done
}

# copy SOURCE TARGET
copy() {
    if [ -d "$data/$1" ]; then
        mkdir -p "$root$2"
        cp -R "$data/$1/." "$root$2/"
    else
        target=$root$2
        mkdir -p "${target%/*}"
        cp "$data/$1" "$target"
    fi
}

# link NAME TARGET check|-
link() {
    target=$2
    case $target in
    /*) ;;
    *)
        if [ "$3" = check ]; then
            [ -e "$own/$target" ] || fail "$name has no file $target to make the command $1 of"
            chmod a+x "$own/$target"
        fi
        target=../$name/$target
        ;;
    esac
    mkdir -p "$root/opt/silo/bin"
    ln -s "$target" "$root/opt/silo/bin/$1"
}

modes() {
    while IFS="$tab" read -r step which one two; do
        case $step in
        mode) chmod "$one" "$root$two" ;;
        esac
    done <"$data/recipe"
}

# Owner, modes and times that are the same wherever and whenever this ran.
seal() {
    mkdir -p "$root"
    chown -hR 0:0 "$root"
    chmod -R u=rwX,go=rX "$root"
    for folder in tmp var/tmp; do
        [ ! -d "$root/$folder" ] || chmod 1777 "$root/$folder"
    done
    [ ! -d "$root/root" ] || chmod 0700 "$root/root"
    modes
    find "$root" -depth -exec touch -h -d @1 {} +
}

while IFS="$tab" read -r step which one two three four five <&3; do
    case $which in
    any | "$arch") ;;
    *) continue ;;
    esac
    case $step in
    download) download "$one" "$two" "$three" "$four" "$five" ;;
    npm) npm_packages "$one" ;;
    pip) pip_packages "$one" "$two" "$three" "$four" ;;
    copy) copy "$one" "$two" ;;
    run)
        mkdir -p "$own"
        (cd "$own" && SILO_ROOT=$root SILO_ARCH=$arch /bin/sh -eu "$data/$one" </dev/null) 3<&- || fail "a script of $name failed"
        ;;
    link) link "$one" "$two" "$three" ;;
    mode) ;;
    *) fail "unknown step $step" ;;
    esac
done
exec 3<&-
rm -rf "$work"
[ -z "$root" ] || seal
