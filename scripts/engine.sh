#!/bin/sh
# Makes sure that a Docker engine answers. On a bare Debian or Ubuntu, as root, it installs one and starts it; everywhere else it says what to do.
set -eu

if docker version >/dev/null 2>&1; then exit 0; fi

if [ "$(uname -s)" != Linux ]; then
    echo "No Docker engine answers. Start Docker Desktop, OrbStack or colima, then try again." >&2
    exit 1
fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "No Docker engine answers. Install and start one (https://docs.docker.com/engine/install/), or run this as root on Debian or Ubuntu." >&2
    exit 1
fi

missing=""
command -v dockerd >/dev/null || missing="docker.io iptables"
command -v mmdebstrap >/dev/null || missing="$missing mmdebstrap"
if [ -n "$missing" ]; then
    echo "installing $missing" >&2
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of packages
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

# systemd, where it runs, starts the engine with the package.
if ! docker version >/dev/null 2>&1; then
    echo "starting dockerd (its log: /var/log/dockerd.log)" >&2
    nohup dockerd >/var/log/dockerd.log 2>&1 &
fi
tries=0
until docker version >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -gt 60 ]; then
        echo "dockerd did not answer within 60 seconds; the end of its log:" >&2
        tail -n 20 /var/log/dockerd.log >&2
        exit 1
    fi
    sleep 1
done
