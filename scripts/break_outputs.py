#!/usr/bin/env python3
"""Kills runs at random moments, fills disks and devices, and checks what is left.

    python3 scripts/break_outputs.py [--igniter target/release/igniter] [--kills 200] [--seed 1]

Kills: `sweep --resume`, `compare`, `trace convert`, `merge` and `plot` get SIGKILL at random moments, the same command
then runs to its end, and its files must have the bytes of a run that nobody disturbed (but for times and the host in
manifests and pages). No folder of a killed run may stay. Full disks: each command writes into a tmpfs of every size
from a few KB up, in a mount namespace of its own; it must end with 0 and whole results, or with 2 and none. /dev/full:
each command that prints must end with 2. Prints a line for each kind; exits with 1 if anything is wrong.
"""

import argparse
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time

SCENARIO = """version = 1
name = "short"
duration_s = 3
warmup_s = 0.5
cooldown_s = 0.5
[[gpu]]
kind = "v100"
[[workload]]
name = "W1"
model = "alexnet"
slo_ms = 15
rate_rps = 500
arrival = { process = "poisson" }
[[workload]]
name = "W2"
model = "resnet50"
slo_ms = 40
rate_rps = 400
arrival = { process = "gamma", cv = 2.0 }
"""
SWEEP = """version = 1
scenario = "s.toml"
[set]
duration_s = 1
warmup_s = 0
cooldown_s = 0
[[axis]]
path = "rate_scale"
range = { from = 0.501, to = 0.8, step = 0.001 }
"""
# These name times and the host.
UNLIKE = {"manifest.json", "report.html"}

wrong = []


def complain(text):
    wrong.append(text)
    print("WRONG:", text, flush=True)


def hashes(path):
    """What a file, or each file of a folder, holds."""
    if os.path.isfile(path):
        return {os.path.basename(path): digest(path)}
    found = {}
    for folder, folders, names in os.walk(path):
        # What a killed run had not finished lies here until the next one.
        folders[:] = [name for name in folders if not name.startswith(".igniter-")]
        for name in names:
            if name not in UNLIKE:
                file = os.path.join(folder, name)
                found[os.path.relpath(file, path)] = digest(file)
    return found


def digest(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def remove(path):
    if os.path.isdir(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def hidden(folder):
    return [name for name in os.listdir(folder) if name.startswith(".igniter-")]


class Kind:
    """A command, and where it writes."""

    def __init__(self, name, arguments, output):
        self.name, self.arguments, self.output = name, arguments, output

    def start(self, program, root):
        return subprocess.Popen(
            [program, *self.arguments], cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )


def kinds():
    return [
        Kind("sweep", ["sweep", "-q", "--resume", "k.toml", "-o", "sweep"], "sweep"),
        Kind("compare", ["compare", "-q", "s.toml", "-o", "compared"], "compared"),
        Kind("convert", ["trace", "convert", "-q", "t.csv", "-o", "out.csv.gz"], "out.csv.gz"),
        Kind("merge", ["merge", "-q", "shards", "-o", "merged"], "merged"),
        Kind("plot", ["plot", "-q", "plotted"], "plotted"),
    ]


def prepare(program, root):
    def write(name, text):
        with open(os.path.join(root, name), "w", encoding="utf-8") as file:
            file.write(text)

    write("s.toml", SCENARIO)
    write("k.toml", SWEEP)
    draw = random.Random(1)
    times = sorted(draw.uniform(0, 1000) for _ in range(400_000))
    write("t.csv", "arrival_s,workload\n" + "".join(f"{t:.6f},W{i % 7}\n" for i, t in enumerate(times)))
    for shard in ("0/2", "1/2"):
        run(program, root, ["sweep", "-q", "k.toml", "-o", "shards", "--shard", shard])
    run(program, root, ["merge", "-q", "shards", "-o", "plain"])


def run(program, root, arguments):
    done = subprocess.run([program, *arguments], cwd=root, capture_output=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{arguments}: {done.stderr.decode()}")


def taken(program, output):
    """Whether a part of the results passes for results."""
    if not os.path.isdir(output):
        return True
    return any(
        subprocess.run([program, *command, output], capture_output=True, check=False).returncode != 2
        for command in (["report", "-o", os.devnull], ["table"], ["plot"])
    )


def kill(program, root, kind, kills, draw):
    output = os.path.join(root, kind.output)

    def fresh():
        remove(output)
        if kind.name == "plot":
            shutil.copytree(os.path.join(root, "plain"), output)

    fresh()
    begun = time.monotonic()
    run(program, root, kind.arguments)
    longest = time.monotonic() - begun
    expected = hashes(output)
    fresh()
    killed = finished = 0
    while killed < kills:
        process = kind.start(program, root)
        time.sleep(draw.uniform(0, longest))
        process.kill()
        code = process.wait()
        process.stderr.close()
        if code == -9:
            killed += 1
        else:
            finished += 1
            if code != 0:
                complain(f"{kind.name}: exit {code}")
            fresh()
        # What is there is whole, or not there at all; of a sweep also its unfinished points. A run that is killed while
        # its files get their names leaves some of them, which nobody may take for results.
        if kind.name != "sweep" and os.path.exists(output):
            left = hashes(output)
            whole = left == expected or (kind.name == "plot" and left == hashes(os.path.join(root, "plain")))
            if not whole and left and taken(program, output):
                complain(f"{kind.name}: a part of the results after a kill")
    run(program, root, kind.arguments)
    if hashes(output) != expected:
        complain(f"{kind.name}: other bytes after {killed} kills")
    parent = os.path.dirname(output)
    for folder in {parent, output if os.path.isdir(output) else parent}:
        if hidden(folder):
            complain(f"{kind.name}: {hidden(folder)} stay in {folder}")
    print(f"kills: {kind.name}: {killed} kills, {finished} finished before", flush=True)


FULL = r"""mount -t tmpfs -o size=$2k tmpfs "$1" || exit 77
shift 2; "$@"; code=$?; find disk -mindepth 1 | sort; exit $code"""


def fill(program, root, kind):
    """Runs a command on a disk of each size."""
    disk = os.path.join(root, "disk")
    os.makedirs(disk, exist_ok=True)
    full = written = 0
    if kind.name == "plot":
        return
    arguments = list(kind.arguments)
    arguments[arguments.index("-o") + 1] = os.path.join("disk", kind.output)
    for size in [4, 8, 16, 32, 64, 100, 150, 200, 300, 400, 600, 800, 1000, 1500, 2000, 3000, 5000]:
        done = subprocess.run(
            ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", FULL, "sh", disk,
             str(size), program, *arguments],
            cwd=root, capture_output=True, check=False, text=True,
        )
        if done.returncode == 77 or "unshare:" in done.stderr:
            print("skipped: no private mounts here:", done.stderr.strip())
            return
        left = [line for line in done.stdout.splitlines() if "/.sweep" not in line]
        if done.returncode == 0:
            written += 1
        elif done.returncode == 2 and "No space left" in done.stderr:
            full += 1
            # A sweep keeps its complete points, to be resumed.
            if left and kind.name != "sweep":
                complain(f"{kind.name}: {left} stay on a full disk of {size} KB")
        else:
            complain(f"{kind.name}: exit {done.returncode} on {size} KB: {done.stderr[:300]}")
    print(f"full disks: {kind.name}: {full} full, {written} with room", flush=True)


def full_device(program, root):
    count = 0
    commands = [
        ["--help"], ["--version"], ["schema"], ["completions", "bash"], ["check", "s.toml"],
        ["plan", "s.toml"], ["simulate", "s.toml"], ["simulate", "--json", "s.toml"],
        ["compare", "s.toml"], ["predict", "alexnet:4:10"], ["trace", "inspect", "t.csv"],
        ["trace", "fit", "t.csv"], ["sweep", "--dry-run", "k.toml"], ["capacity", "--help"],
        ["fit", "v100"], ["report", "plain"],
    ]
    for arguments in commands:
        with open("/dev/full", "wb") as device:
            done = subprocess.run(
                [program, *arguments], cwd=root, stdout=device, stderr=subprocess.PIPE, check=False
            )
        count += 1
        if done.returncode != 2 or b"No space left" not in done.stderr:
            complain(f"{arguments} > /dev/full: exit {done.returncode}: {done.stderr[:200]!r}")
    files = [
        ["plan", "s.toml", "-q", "-o", "/dev/full"],
        ["trace", "convert", "t.csv", "-q", "-o", "/dev/full"],
        ["trace", "generate", "s.toml", "-q", "-o", "/dev/full"],
        ["fit", "v100", "-q", "-o", "/dev/full"],
        ["report", "plain", "-q", "-o", "/dev/full"],
    ]
    for arguments in files:
        done = subprocess.run([program, *arguments], cwd=root, capture_output=True, check=False)
        count += 1
        if done.returncode != 2 or b"No space left" not in done.stderr:
            complain(f"{arguments}: exit {done.returncode}: {done.stderr[:200]!r}")
    print(f"/dev/full: {count} commands", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--igniter", default="target/release/igniter")
    parser.add_argument("--kills", type=int, default=200, help="for each command")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    program = os.path.abspath(args.igniter)
    draw = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as root:
        prepare(program, root)
        for kind in kinds():
            kill(program, root, kind, args.kills, draw)
        for kind in kinds():
            fill(program, root, kind)
        full_device(program, root)
    print("all as it should be" if not wrong else f"{len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
