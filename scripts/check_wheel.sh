#!/usr/bin/env bash
# Builds the Python wheel, installs it into an empty environment without a compiler, and runs its tests, the notebooks and the
# snippets of docs/python.md there.
#
#   scripts/check_wheel.sh [WHEEL]
#
# With a WHEEL, that one is tested. Everything is compiled in the workspace's own target directory, with the release profile:
# after a release build of the programs, little is left to do. It needs the network for PyPI.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if ! "$python" -m venv "$work/venv" >/dev/null 2>&1; then
    echo "skipped: $python cannot make a virtual environment (Debian: apt-get install python3-venv)"
    exit 0
fi
pip() { "$1" -m pip install --quiet --disable-pip-version-check "${@:2}"; }

wheel=${1:-}
if [[ -z $wheel ]]; then
    "$python" -m venv "$work/tools"
    pip "$work/tools/bin/python" -r scripts/wheel-requirements.txt
    "$work/tools/bin/maturin" build --release --strip --locked --manifest-path python/Cargo.toml --out "$work/dist" \
        --compatibility linux --interpreter "$python"
    wheel=$(ls "$work"/dist/*.whl)
fi
wheel=$(realpath "$wheel")
printf 'wheel: %s, %s bytes\n' "$(basename "$wheel")" "$(stat -c %s "$wheel")"
# What is handed out is built with the dist profile, and smaller than what is built here.
[[ $# == 0 || $(stat -c %s "$wheel") -le 15728640 ]] || { echo "the wheel is larger than 15 MB" >&2; exit 1; }

# From here on there is no compiler of ours, and no source of the package: the tests lie elsewhere.
cp -r python/tests python/notebooks docs/python.md scripts/run_notebooks.py scripts/run_snippets.py "$work"
mkdir "$work/docs" && cp docs/strategy-command.schema.json "$work/docs"
requirements=(-r "$PWD/scripts/python-requirements.txt" -r "$PWD/scripts/wheel-test-requirements.txt")
cd "$work"
PATH="$work/venv/bin:/usr/bin:/bin"
export PATH
[[ -z $(command -v cargo rustc) ]] || echo "note: there is a Rust compiler in /usr/bin"
start=$(date +%s%N)
pip python "$wheel"
python - <<'PY'
import igniter

print(igniter.compare("paper-12"))
PY
printf 'pip install and the first comparison: %d ms\n' $((($(date +%s%N) - start) / 1000000))
igniter --version
validate --version
pip python "${requirements[@]}"
python -m pytest -q -p no:cacheprovider tests
python -m mypy --strict -p igniter
python run_snippets.py python.md
python run_notebooks.py notebooks/*.py
