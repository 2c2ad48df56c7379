#!/bin/sh
# Makes sure that a Docker engine answers and that bases can be bootstrapped. On a bare Debian or Ubuntu, as root, it installs what is missing
# and starts the engine; everywhere else it says what to do.
set -eu

answers() { docker version >/dev/null 2>&1; }

if [ "$(uname -s)" != Linux ]; then
    answers && exit 0
    echo "No Docker engine answers. Start Docker Desktop, OrbStack or colima, then try again." >&2
    exit 1
fi

missing=""
answers || command -v dockerd >/dev/null || missing="docker.io iptables"
command -v mmdebstrap >/dev/null || missing="$missing mmdebstrap"
if [ -n "$missing" ]; then
    if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "Missing: $missing. Install them (https://docs.docker.com/engine/install/), or run this as root on Debian or Ubuntu." >&2
        exit 1
    fi
    echo "installing $missing" >&2
    apt-get update -qq
    # shellcheck disable=SC2086 # a list of packages
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

answers && exit 0
if [ "$(id -u)" != 0 ]; then
    echo "No Docker engine answers. Start it: sudo systemctl start docker" >&2
    exit 1
fi
# An engine that was killed left the number of its process, which may be another's by now, or that of one that only waits to be buried.
if pid=$(cat /var/run/docker.pid 2>/dev/null); then
    if ! grep -qsx dockerd "/proc/$pid/comm" || grep -qs '^State:.Z' "/proc/$pid/status"; then rm -f /var/run/docker.pid; fi
fi
# Where systemd runs, it started the engine with the package.
echo "starting dockerd (its log: /var/log/dockerd.log)" >&2
nohup dockerd >/var/log/dockerd.log 2>&1 &
tries=0
until answers; do
    tries=$((tries + 1))
    if [ "$tries" -gt 60 ]; then
        echo "dockerd did not answer within 60 seconds; the end of its log:" >&2
        tail -n 20 /var/log/dockerd.log >&2
        exit 1
    fi
    sleep 1
done
