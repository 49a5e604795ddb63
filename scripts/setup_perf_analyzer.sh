#!/usr/bin/env bash
# Puts NVIDIA's load generator perf_analyzer into .triton/perf_analyzer (which git ignores), to compare our
# client with it. It comes from PyPI (the wheel tritonclient 2.41.0 holds the program) and Debian (libb64).
# Running it again does nothing. Needs scripts/setup_triton.sh before, for its Python.
#
# What it leaves: .triton/perf_analyzer/perf_analyzer, a command with the flags of perf_analyzer.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

TRITONCLIENT=2.41.0
CUDA_RUNTIME=12.6.77

target=$PWD/.triton/perf_analyzer
if [[ -x $target/perf_analyzer ]]; then
    echo "already installed: $target/perf_analyzer"
    exit
fi
[[ -x .triton/venv/bin/python ]] || {
    echo "error: run scripts/setup_triton.sh first" >&2
    exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
.triton/venv/bin/pip download --quiet --disable-pip-version-check --no-deps -d "$work" \
    "tritonclient==$TRITONCLIENT" "nvidia-cuda-runtime-cu12==$CUDA_RUNTIME"
mkdir -p "$work/wheels"
for wheel in "$work"/*.whl; do
    .triton/venv/bin/python -m zipfile -e "$wheel" "$work/wheels"
done
if ! ldconfig -p | grep -q 'libb64\.so\.0d'; then
    # Only the file is needed: taken out of Debian's package, nothing is installed.
    (cd "$work" && apt-get download libb64-0d >/dev/null && dpkg-deb -x libb64-0d_*.deb "$work/debian")
fi
mkdir -p "$target/lib"
find "$work" -name 'libcudart.so.12' -exec cp {} "$target/lib/" \;
find "$work" -name 'libb64.so.0d*' -exec cp {} "$target/lib/" \;
program=$(find "$work/wheels" -type f -name perf_analyzer | head -n 1)
[[ -n $program ]] || {
    echo "error: the wheel holds no perf_analyzer" >&2
    exit 1
}
cp "$program" "$target/program"
chmod +x "$target/program"
cat >"$target/perf_analyzer" <<SH
#!/bin/sh
export LD_LIBRARY_PATH='$target/lib'
exec '$target/program' "\$@"
SH
chmod +x "$target/perf_analyzer"
"$target/perf_analyzer" --help >/dev/null 2>&1 || [[ $? -lt 126 ]] || {
    echo "error: perf_analyzer does not start:" >&2
    LD_LIBRARY_PATH="$target/lib" ldd "$target/program" | grep 'not found' >&2
    rm -rf "$target"
    exit 1
}
echo "installed: $target/perf_analyzer"
