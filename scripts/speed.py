#!/usr/bin/env python3
"""Times silo as its users see it, against its bars, and prints each figure with its ratio to the bar.

    scripts/speed.py [--check]      with --check, exit 1 when a bar is missed

Needs a release build and a Docker engine. Every figure is a median of interleaved runs of whole processes.
"""

import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SILO = os.path.join(ROOT, "target/release/silo")
PROJECT = """\
silo edition="2026"
base "debian:bookworm" from=bootstrap
define agent entry {
    doc "Runs what it is told: a container with nothing to start."
    install apt { apt "coreutils" }
    command "env"
}
agent entry
"""


def run(argv, cwd, env):
    start = time.perf_counter()
    done = subprocess.run(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True)
    took = time.perf_counter() - start
    if done.returncode != 0:
        sys.exit(f"{' '.join(argv)} failed with {done.returncode}:\n{done.stderr.decode()}")
    return took, done.stdout


def medians(commands, cwd, env, runs):
    """Runs the commands in turn, `runs` times after a warm-up; returns the median of each, in seconds."""
    times = [[] for _ in commands]
    for count in range(runs + 1):
        for index, argv in enumerate(commands):
            took, _ = run(argv, cwd, env)
            if count:
                times[index].append(took)
    return [statistics.median(each) for each in times]


def docker_twin(project, env):
    """The `docker run` with the options that silo uses, read from what silo itself says of the launch."""
    _, text = run([SILO, "compile", "--to", "json"], project, env)
    compiled = json.loads(text)
    launch = compiled["launch"]
    argv = ["docker", "run", "--rm", "--init", "--network", "bridge", "--read-only", "--cap-drop", "ALL"]
    argv += ["--security-opt", "no-new-privileges", "--user", "{}:{}".format(*launch["user"])]
    argv += ["--workdir", launch["workdir"], "--pids-limit", str(launch["limits"]["pids"])]
    for mount in launch["mounts"]:
        if "source" in mount:
            mode = ",readonly" if mount.get("access") == "ro" else ""
            if not os.path.exists(mount["source"]):
                os.makedirs(mount["source"])
            argv += ["--mount", f"type=bind,source={mount['source']},target={mount['target']}{mode}"]
    for path, options in launch["tmpfs"].items():
        argv += ["--tmpfs", f"{path}:{options}"]
    for name, value in launch["env"].items():
        argv += ["--env", f"{name}={value}"]
    return argv + ["--entrypoint", "", compiled["image"], *launch["argv"], "true"]


def layer(number, first):
    """One file of 52 KiB; a third of what it says, the other files say as well."""
    text = 'silo edition="2026"\nbase "debian:bookworm" from=bootstrap\nagent claude\n' if first else ""
    count = 0
    while len(text) < 52 * 1024:
        name = f"{count}" if count % 3 == 0 else f"{number}_{count}"
        text += f"""\
// What the {count}th thing is for, in a sentence.
env V{name}="value {number}"
cache c{name} to="/srv/c{name}"
post_build "echo {number} $HOME" id=s{name}
layer l{name} {{
    apt "curl" "p{count}"
    run "make -C /srv/c{name} all" id=make
}}
"""
        count += 1
    return text


def large(home):
    """A quarter of a megabyte of configuration in five layers: a user's own file, and a repository's, four folders deep. Returns the last."""
    own = os.path.join(home, ".config/silo")
    folder = os.path.join(home, "large")
    os.makedirs(own)
    os.makedirs(os.path.join(folder, ".git"))
    for number in range(5):
        with open(os.path.join(folder if number else own, "silo.kdl"), "w", encoding="utf-8") as file:
            file.write(layer(number, number == 1))
        if number in range(1, 4):
            folder = os.path.join(folder, "below")
            os.makedirs(folder)
    return folder


def main():
    check = "--check" in sys.argv[1:]
    home = tempfile.mkdtemp(prefix="silo-speed-")
    try:
        env = dict(os.environ, HOME=home)
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
            env.pop(name, None)
        project = os.path.join(home, "project")
        os.makedirs(project)
        with open(os.path.join(project, "silo.kdl"), "w", encoding="utf-8") as file:
            file.write(PROJECT)
        run([SILO, "build"], project, env)
        deep = large(os.path.join(home, "other"))
        other = dict(env, HOME=os.path.join(home, "other"))
        polyglot = os.path.join(ROOT, "examples/polyglot")
        # The same project in a folder of its own, where a lock is written from nothing each time.
        again = os.path.join(home, "polyglot")
        os.makedirs(again)
        shutil.copy(os.path.join(polyglot, "silo.kdl"), again)
        twin = docker_twin(project, env)

        # A busy machine can make anything slow once; a bar is missed when it is missed every time.
        for _ in range(3 if check else 1):
            (help_time,) = medians([[SILO, "--help"]], project, env, 20)
            (compile_time,) = medians([[SILO, "hash", "claude"]], polyglot, env, 20)
            (check_time,) = medians([[SILO, "lock", "--check"]], polyglot, env, 20)
            (lock_time,) = medians([["sh", "-c", 'rm -f silo.lock; exec "$0" lock', SILO]], again, env, 10)
            (large_time,) = medians([[SILO, "check"]], deep, other, 20)
            (build_time,) = medians([[SILO, "build"]], project, env, 20)
            silo_run, docker_run = medians([[SILO, "run", "entry", "--", "true"], twin], project, env, 15)
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024

            rows = [
                ("silo --help", help_time * 1000, 10, "ms"),
                ("silo hash claude, polyglot example, start included", compile_time * 1000, 25, "ms"),
                ("silo lock --check, polyglot example", check_time * 1000, 20, "ms"),
                ("silo lock, polyglot, no lock, warm HTTP cache", lock_time * 1000, 300, "ms"),
                ("silo check, 256 KiB in five layers", large_time * 1000, 150, "ms"),
                ("silo build, image exists", build_time * 1000, 100, "ms"),
                ("silo run ENTRY -- true / docker run", silo_run / docker_run, 1.10, ""),
            ]
            print(f"{'figure':<50} {'median':>10} {'bar':>8} {'ratio':>7}")
            missed = False
            for name, value, bar, unit in rows:
                missed |= value > bar
                print(f"{name:<50} {value:>8.2f}{unit:<2} {bar:>6g}{unit:<2} {value / bar:>7.2f}")
            print(f"(docker run: {docker_run * 1000:.0f} ms, silo run: {silo_run * 1000:.0f} ms; peak memory of any process here: {peak:.0f} MB)")
            if not missed:
                break
        sys.exit(1 if check and missed else 0)
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
