#!/usr/bin/env python3
"""Installs entries of the catalog, each alone. See catalog.sh, which starts this."""

import datetime
import functools
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REPORT = ROOT / "docs/catalog-report.md"
KINDS = ["language", "tool", "lsp", "mcp", "agent"]
BASE = 'base "debian:bookworm" from=bootstrap'
SILO = os.environ["SILO"]
LIMIT = 1200  # seconds for one command
FREE = 6 << 30  # bytes of disk that stay free
COLUMNS = ["entry", "result", "source", "version", "platform", "smoke test", "seconds", "date"]


def entries():
    return [f"{kind}/{path.stem}" for kind in KINDS for path in sorted((ROOT / "images" / kind).glob("*.kdl"))]


def exact_versions():
    """Versions of what has no list of its versions: `KIND/NAME VERSION` lines."""
    lines = (ROOT / "scripts/catalog.versions").read_text().splitlines()
    return dict(line.split() for line in lines if line.strip() and not line.startswith("#"))


class Home:
    """A HOME for the whole run, with the clients' configuration, so that a base is bootstrapped once."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="silo-catalog-"))
        for file in [".npmrc", ".netrc", ".config/pip/pip.conf", ".cargo/config.toml"]:
            source = Path.home() / file
            if source.exists():
                target = self.folder / "home" / file
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)
        (self.folder / "home").mkdir(exist_ok=True)

    def project(self, name, text):
        folder = self.folder / name.replace("/", "-")
        folder.mkdir()
        (folder / "silo.kdl").write_text(text)
        return folder

    def run(self, folder, *args):
        environment = {**os.environ, "HOME": str(self.folder / "home"), "NO_COLOR": "1"}
        for name in ["XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"]:
            environment.pop(name, None)
        command = [SILO, *args]
        try:
            return subprocess.run(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, 124, "", f"× it took longer than {LIMIT} s")


def said(text, folder):
    """What a command complained about, in one line without paths and addresses of this machine."""
    start = re.search(r"×\s*|^error: ", text, re.M)
    words = text[start.end():] if start else text.strip().splitlines()[-1] if text.strip() else "no output"
    words = re.split(r"\n\s*(?:╭|help:|×)", words)[0]
    words = re.sub(r"[\s│]+", " ", words).strip()
    words = words.replace(str(folder), "…")
    return public(words)[:300]


def public(words):
    """Without addresses and paths of the machine that this runs on: they are of its mirrors and its folders."""
    words = re.sub(r"https?://[^\s`;,)]+", "its address", words)
    words = re.sub(r"\b(?:[\w-]+\.)+(?:org|com|net|io|dev)\b(?!/)(?::\d+)?", "its address", words)
    return re.sub(r"/(?:tmp|home|root|work)/[^\s`;,)]*", "…", words)


def last_words(text):
    """What the step that failed said at its end: silo shows its last lines before the message."""
    lines = [line.strip()[2:].strip() for line in text.splitlines() if line.startswith("  | ")]
    lines = [line for line in lines if line and not line.startswith("npm notice")]
    return public("; ".join(line[:160] for line in lines[-2:]))


def brief(output):
    """The beginning of what a program said; an answer of a protocol is no text for people."""
    output = re.sub(r"\x1b\[[0-9;]*m", "", output).strip()
    if output.startswith("{") or output == "capabilities":
        return "an answer of its protocol"
    return output if len(output) <= 80 else output[:79] + "…"


def message(kind):
    params = {"processId": None, "rootUri": None, "capabilities": {}}
    if kind == "mcp":
        params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "silo", "version": "0"}}
    text = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params})
    return text + "\n" if kind == "mcp" else f"Content-Length: {len(text)}\r\n\r\n{text}"


def answers(kind, name, image):
    """Whether a server answers the first question of its protocol, in a container without a network."""
    text = (ROOT / "images" / kind / f"{name}.kdl").read_text()
    line = next(line for line in text.splitlines() if line.strip().startswith("command "))
    argv = [word.replace("%{workspace}", "/tmp").replace("%{home}", "/tmp") for word in re.findall(r'"([^"]*)"', line)]
    argv = [re.sub(r"%\{option\.(\w+)\}", lambda found: re.search(rf'option {found[1]} .*default="([^"]*)"', text)[1], word) for word in argv]
    given = {word for line in text.splitlines() if line.startswith("    env ") for word in re.findall(r"\b([A-Z][A-Z_]+)\b(?!=)", line)}
    container = f"silo-catalog-{kind}-{name}"
    command = ["docker", "run", "--rm", "-i", "--init", "--name", container, "--network", "none", "--user", "1000:1000"]
    command += ["--tmpfs", "/tmp:exec,mode=1777", "--workdir", "/tmp", "--env", "HOME=/tmp"]
    for variable in sorted(given):
        command += ["--env", f"{variable}=x"]
    if "postgres" in name or "mongodb" in name:
        command += ["--env", "DATABASE_URI=postgresql://x@127.0.0.1/x", "--env", "MDB_MCP_CONNECTION_STRING=mongodb://127.0.0.1"]
    if name == "git":
        command += ["--entrypoint", "/bin/sh"]
        argv = ["-c", 'git init -q . && exec "$@"', "sh", *argv]
    else:
        command += ["--entrypoint", "env"]
    server = subprocess.Popen([*command, image, *argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    clock = threading.Timer(60, lambda: subprocess.run(["docker", "kill", container], capture_output=True))
    clock.start()
    seen = b""
    try:
        server.stdin.write(message(kind).encode())
        server.stdin.flush()
        while b'"capabilities"' not in seen:
            block = server.stdout.read1(65536)
            if not block:
                break
            seen += block
    except BrokenPipeError:
        pass
    clock.cancel()
    subprocess.run(["docker", "kill", container], capture_output=True)
    server.wait()
    return b'"capabilities"' in seen


@functools.cache
def platform():
    """What the engine builds for."""
    asked = subprocess.run(["docker", "version", "--format", "{{.Server.Os}}/{{.Server.Arch}}"], capture_output=True, text=True)
    return asked.stdout.strip()


def one(home, entry, versions):
    kind, name = entry.split("/")
    text = (ROOT / "images" / kind / f"{name}.kdl").read_text()
    row = dict.fromkeys(COLUMNS, "")
    row["entry"], row["date"] = f"`{kind} {name}`", str(datetime.date.today())
    if re.search(r'^    url "', text, re.M):
        row["result"] = "remote: nothing to install"
        return row
    wanted = f' version="{versions[entry]}"' if entry in versions else ""
    folder = home.project(entry, f'silo edition="2026"\n{BASE}\n{kind} {name}{wanted}\n')
    vendor = all("download" in block for block in re.findall(r"^    install \w+ \{\n(.*?)^    \}", text, re.M | re.S))
    started = time.monotonic()
    lock = home.run(folder, "lock")
    if lock.returncode != 0:
        row["result"] = "not here: it comes from its vendor's site alone" if vendor else f"**fails**: {said(lock.stderr, folder)}"
        return row
    locked = (folder / "silo.lock").read_text()
    found = re.search(rf'^{kind} "{re.escape(name)}" .*?source="([^"]*)" version="([^"]*)"', locked, re.M)
    row["source"], row["version"] = found.groups()
    row["platform"] = platform()
    build = home.run(folder, "build", "--locked", "--test", "--json")
    row["seconds"] = str(round(time.monotonic() - started))
    hashed = home.run(folder, "hash", "--json")
    try:
        image = json.loads(build.stdout)["images"][0]["image"]
    except (ValueError, KeyError, IndexError):
        identity = re.search(r"\b[0-9a-f]{64}\b", hashed.stdout)
        image = f"localhost/silo/{name if kind == 'agent' else 'environment'}:{identity[0]}" if identity else ""
    if build.returncode == 0:
        outputs = re.findall(rf": {kind} {re.escape(name)}: `.*?` works: ?(.*)", build.stderr)
        row["result"] = "works"
        row["smoke test"] = brief(next((output for output in outputs if output.strip()), "exit code 0"))
        if kind in ("lsp", "mcp"):
            greeted = answers(kind, name, image)
            row["smoke test"] += "; it answers `initialize`" if greeted else "; it does not answer `initialize` without an account"
    else:
        why = last_words(build.stderr)
        row["result"] = f"**fails**: {said(build.stderr, folder)}" + (f" ({why})" if why else "")
    home.run(folder, "rm", "--force", image)
    shutil.rmtree(folder, ignore_errors=True)
    return row


def known(report=REPORT):
    """The rows of a report, by entry."""
    rows, header = {}, []
    for line in report.read_text().splitlines() if report.exists() else []:
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells and cells[0] == "entry":
            header = cells
        elif cells and len(cells) == len(header) and cells[0].startswith("`"):
            rows[cells[0].strip("`").replace(" ", "/")] = {**dict.fromkeys(COLUMNS, ""), **dict(zip(header, cells))}
    return rows


def write(rows):
    version = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    order = [entry for entry in entries() if entry in rows]
    works = sum(rows[entry]["result"] == "works" for entry in order)
    count = lambda start: sum(rows[entry]["result"].startswith(start) for entry in order)
    lines = [
        "# What works",
        "",
        "Written by `scripts/catalog.sh`, which installs each entry of the catalog alone in an image of Debian bookworm, from whatever source of its",
        "answers, for the engine's own platform, and runs its smoke test there; a server is asked the first question of its protocol as well. The",
        "time is that of locking and building, with what the engine has kept of earlier entries. In the scheduled workflow it runs every week.",
        "",
        f"{datetime.date.today()}, silo {version}: {works} work, {count('**fails**')} fail, {count('not here')} could not be tried where this ran,"
        f" {count('remote')} are somewhere else, {len(entries()) - len(order)} have not been run yet.",
    ]
    for kind in KINDS:
        mine = [rows[entry] for entry in order if entry.startswith(f"{kind}/")]
        if mine:
            lines += ["", f"## {kind}", "", "| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
            lines += ["| " + " | ".join(row[column] for column in COLUMNS) + " |" for row in mine]
    REPORT.write_text("\n".join(lines) + "\n")


def main():
    arguments = sys.argv[1:]
    if arguments[:1] == ["--merge"]:
        rows = known()
        for report in arguments[1:]:
            for entry, row in known(Path(report)).items():
                # Each report has the rows of the others as they were before.
                if entry not in rows or row["date"] >= rows[entry]["date"]:
                    rows[entry] = row
        write(rows)
        return
    prune = "--prune" in arguments
    asked = [argument for argument in arguments if argument != "--prune"]
    chosen = [entry for word in asked or KINDS for entry in entries() if word in (entry, entry.split("/")[0])]
    unknown = [word for word in asked if word not in KINDS and word not in chosen]
    if unknown:
        sys.exit(f"there is no {', '.join(unknown)} in images/")
    rows, versions, home = known(), exact_versions(), Home()
    failed = []
    try:
        for entry in chosen:
            place = Path("/tmp")
            if prune and shutil.disk_usage(place).free < 2 * FREE:
                subprocess.run(["docker", "builder", "prune", "--all", "--force"], capture_output=True)
            if shutil.disk_usage(place).free < FREE:
                sys.exit("the disk is nearly full")
            row = one(home, entry, versions)
            for column in COLUMNS:
                row[column] = row[column].replace("|", "\\|")[:400]
            rows[entry] = row
            print(f"{entry}: {row['result']} {row['source']} {row['version']} {row['smoke test']} {row['seconds']}", flush=True)
            write(rows)
            if row["result"].startswith("**fails**"):
                failed.append(entry)
    finally:
        shutil.rmtree(home.folder, ignore_errors=True)
    if failed:
        sys.exit(f"{len(failed)} of {len(chosen)} fail: {', '.join(failed)}")


if __name__ == "__main__":
    main()
