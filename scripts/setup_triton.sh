#!/usr/bin/env bash
# Puts a real NVIDIA Triton server, for the CPU, into .triton/ (which git ignores) and checks it by one
# inference. It comes from PyPI: the wheel nvidia-pytriton holds the server of Triton 24.10 with its
# Python backend. No root, no GPU, no container. Running it again only repeats the check.
#
#   scripts/setup_triton.sh                  any python3 from 3.9 to 3.12 with a shared libpython
#   PYTHON=/usr/bin/python3 scripts/setup_triton.sh
#   scripts/setup_triton.sh --onnx           with onnxruntime, for models of `validate models --backend python`
#
# What it leaves: .triton/tritonserver, a command that takes the flags of tritonserver and dies with
# the process that started it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

PYTRITON=0.7.0
# numpy 2 makes this release deliver empty tensors without an error (triton-inference-server/server#8301).
NUMPY=1.26.4
ONNXRUNTIME=1.20.1

target=$PWD/.triton
venv=$target/venv
stamp=$target/installed
want="nvidia-pytriton $PYTRITON, numpy $NUMPY, in $target, layout 2"

case ${1-} in
    '') onnx= ;;
    --onnx) onnx=yes ;;
    *) echo "error: unknown argument $1; allowed: --onnx" >&2 && exit 2 ;;
esac

fail() {
    echo "error: $*" >&2
    exit 1
}

# Prints the folder of a Python's shared library; fails where the backend cannot use that Python.
shared_library() { # PYTHON
    "$1" - <<'PY'
import os, sys, sysconfig
import ensurepip, venv
if not (3, 9) <= sys.version_info[:2] <= (3, 12):
    sys.exit(1)
name = "libpython%d.%d.so.1.0" % sys.version_info[:2]
folders = [sysconfig.get_config_var("LIBDIR"), "/usr/lib/" + (sysconfig.get_config_var("MULTIARCH") or "")]
found = [folder for folder in folders if folder and os.path.exists(os.path.join(folder, name))]
print(found[0] if found else sys.exit(1))
PY
}

usable_python() { # sets python and library
    for python in ${PYTHON:+"$PYTHON"} python3 /usr/bin/python3; do
        python=$(command -v "$python") && library=$(shared_library "$python" 2>/dev/null) && return
    done
    return 1
}

install() {
    [[ $(uname -sm) == "Linux x86_64" ]] || fail "the wheel is for Linux on x86-64 only"
    if ! usable_python; then
        [[ $(id -u) == 0 ]] || fail "no Python with venv and a shared library:" \
            "install them with 'apt-get install python3-venv libpython3-dev'"
        apt-get update
        apt-get install --yes --no-install-recommends python3 python3-venv libpython3-dev
        usable_python || fail "python3 has no shared library even now; set PYTHON to one that has"
    fi
    rm -rf "$target"
    "$python" -m venv "$venv"
    # The server needs nothing but numpy; the wheel's other requirements are for its Python API.
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps \
        "nvidia-pytriton==$PYTRITON" "numpy==$NUMPY"

    local version packages server
    version=$("$venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    packages=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("platlib"))')
    server=$packages/pytriton/tritonserver
    mkdir -p "$target/backends/python"
    cp "$server"/backends/python/{libtriton_python.so,triton_python_backend_utils.py} \
        "$server/python_backend_stubs/$version/triton_python_backend_stub" \
        "$target/backends/python/"
    chmod +x "$server/bin/tritonserver" "$target/backends/python/triton_python_backend_stub"
    cat >"$target/tritonserver" <<SH
#!/bin/sh
export LD_LIBRARY_PATH='$packages/nvidia_pytriton.libs:$library'"\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
export PATH='$venv/bin':"\$PATH"
exec setpriv --pdeathsig TERM -- '$server/bin/tritonserver' --backend-directory='$target/backends' "\$@"
SH
    chmod +x "$target/tritonserver"
    echo "$want" >"$stamp"
}

if [[ $(cat "$stamp" 2>/dev/null) == "$want" ]]; then
    echo "already installed: $want"
else
    install
    echo "installed: $want"
fi
if [[ $onnx ]] && ! "$venv/bin/python" -c 'import onnxruntime' 2>/dev/null; then
    # What else it names serves its tools.
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps "onnxruntime==$ONNXRUNTIME"
    echo "installed: onnxruntime $ONNXRUNTIME"
fi
"$venv/bin/python" scripts/check_triton.py "$target/tritonserver"
