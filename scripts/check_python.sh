#!/usr/bin/env bash
# Runs the Python snippets of docs/python.md that need no package of ours on a small sweep, in a virtual environment with packages from PyPI.
#
#   scripts/check_python.sh PATH/TO/igniter
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
igniter=$(realpath "${1:?usage: scripts/check_python.sh PATH/TO/igniter}")
if ! python3 -m venv --help >/dev/null 2>&1; then
    echo "skipped: no python3 with venv (Debian: apt-get install python3-venv)"
    exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if ! python3 -m venv "$work/venv" >/dev/null 2>&1; then
    echo "skipped: python3 cannot make a virtual environment (Debian: apt-get install python3-venv)"
    exit 0
fi
"$work/venv/bin/pip" install --quiet --disable-pip-version-check -r scripts/python-requirements.txt
cat >"$work/sweep.toml" <<TOML
version = 1
scenario = "$PWD/scenarios/paper-12-bursty.toml"
[set]
duration_s = 5
warmup_s = 1
cooldown_s = 1
[seeds]
count = 3
[[axis]]
path = "rate_scale"
values = [0.2, 0.6]
[[axis]]
name = "cv"
path = "workload.*.arrival.cv"
values = [0.5, 2]
TOML
"$igniter" sweep "$work/sweep.toml" -o "$work/results" --quiet
"$work/venv/bin/python" - docs/python.md "$work" <<'PY'
import os, re, sys

text = open(sys.argv[1]).read()
snippets = re.findall(r"```python\n(.*?)```", text, re.S)
# Those that need the package are run by scripts/check_wheel.sh.
snippets = [snippet for snippet in snippets if "igniter." not in snippet]
assert len(snippets) >= 4, "docs/python.md has lost its snippets"
os.chdir(sys.argv[2])
for number, snippet in enumerate(snippets, 1):
    print(f"--- snippet {number}", flush=True)
    exec(compile(snippet, f"docs/python.md, snippet {number}", "exec"), {})

# Both tables hold the same, with the types that the manifest says.
import json
import pandas as pd
parquet, csv = pd.read_parquet("results/rows.parquet"), pd.read_csv("results/rows.csv")
columns = json.load(open("results/manifest.json"))["sweep"]["columns"]
assert list(parquet) == list(csv) == [name for name, _ in columns]
for name, kind in columns:
    same = parquet[name].isna() == csv[name].isna()
    assert same.all(), name
    if kind == "float":
        both = parquet[name].notna()
        assert (parquet[name][both].astype(float) == csv[name][both].astype(float)).all(), name
print(f"{len(parquet)} rows, {len(columns)} columns: CSV and Parquet agree")
PY
