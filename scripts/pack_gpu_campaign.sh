#!/usr/bin/env bash
# Packs all that a measuring campaign needs on a machine with a GPU and no network: both programs, a trimmed
# Triton, NumPy, scripts and scenarios. The machine brings the driver, Python 3.9 to 3.12, PyTorch and
# torchvision. Where its Python has no shared libpython, that of the pack serves, if it is of the same version.
#
#   scripts/setup_triton.sh && scripts/pack_gpu_campaign.sh [OUT.tar.xz]     default: out/gpu-campaign.tar.xz
#   BINARIES=target/debug scripts/pack_gpu_campaign.sh …                     default: a release build
#   PACK_PYTHON=3.11 …      the Python whose NumPy is packed (default 3.12), and whose interpreter, where this
#                           machine has one with a shared libpython (PATH, pyenv, uv, conda)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

LIMIT_MIB=60
out=${1:-out/gpu-campaign.tar.xz}
numpy_python=${PACK_PYTHON:-3.12}

fail() {
    echo "error: $*" >&2
    exit 1
}

packages=$(echo .triton/venv/lib/python3.*/site-packages)
[[ -d $packages/pytriton ]] || fail "no Triton in .triton: run scripts/setup_triton.sh"
if [[ -z ${BINARIES:-} ]]; then
    cargo build --release --workspace --locked
    BINARIES=target/release
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
folder=$work/gpu-campaign
triton=$folder/triton
mkdir -p "$triton/pytriton/tritonserver/bin" "$triton/nvidia_pytriton.libs" "$triton/backends/python" \
    "$triton/stubs" "$folder/scenarios"

install -m 755 "$BINARIES/igniter" "$BINARIES/validate" "$folder/"
strip "$folder/igniter" "$folder/validate"
install -m 755 scripts/gpu_campaign.sh scripts/gpu_campaign.py "$folder/"
cp -r scripts/emulated_gpu "$folder/"
rm -rf "$folder/emulated_gpu/__pycache__"
# Its links lead to what is packed, or go.
sed -E 's#\(\.\./scripts/#(#g; s#\[([^]]+)\]\([a-z-]+\.md[^)]*\)#\1#g' docs/add-your-gpu.md >"$folder/README.md"
cp scenarios/validate-3.toml "$folder/scenarios/"

# The wheel's folders keep their places: the programs find their libraries by relative paths.
server=$packages/pytriton/tritonserver
install -m 755 "$server/bin/tritonserver" "$triton/pytriton/tritonserver/bin/"
# Only the stub of Python 3.13 needs the bundled interpreter library, the largest of all.
for library in "$packages"/nvidia_pytriton.libs/*; do
    [[ $library == */libpython3* ]] || cp "$library" "$triton/nvidia_pytriton.libs/"
done
cp "$server"/backends/python/{libtriton_python.so,triton_python_backend_utils.py} "$triton/backends/python/"
for version in 3.9 3.10 3.11 3.12; do
    install -m 755 "$server/python_backend_stubs/$version/triton_python_backend_stub" "$triton/stubs/$version"
done
strip --strip-unneeded "$triton/pytriton/tritonserver/bin/tritonserver" "$triton"/stubs/*

# NumPy 1: with NumPy 2 this Triton delivers empty tensors.
pip=.triton/venv/bin/pip
"$pip" download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$work/wheels" \
    --python-version "$numpy_python" --implementation cp --platform manylinux2014_x86_64 numpy==1.26.4
mkdir -p "$triton/numpy-$numpy_python"
python3 -m zipfile -e "$work"/wheels/numpy-*.whl "$triton/numpy-$numpy_python"
# Tests and headers of NumPy are of no use there.
find "$triton/numpy-$numpy_python" -type d \( -name tests -o -name include \) -prune -exec rm -rf {} +

# An interpreter that can be moved: its library is found by LD_LIBRARY_PATH, all else beside it.
own=""
for candidate in "$(command -v "python$numpy_python" || true)" "$HOME"/.pyenv/versions/"$numpy_python".*/bin/python"$numpy_python" \
    "$HOME"/.local/share/uv/python/cpython-"$numpy_python".*/bin/python"$numpy_python" /opt/conda/bin/python"$numpy_python"; do
    [[ -x $candidate ]] || continue
    prefix=$("$candidate" -c 'import sys; print(sys.base_prefix)' 2>/dev/null) || continue
    [[ -e $prefix/lib/libpython$numpy_python.so.1.0 && -e $prefix/lib/python$numpy_python/os.py ]] && own=$prefix && break
done
if [[ -n $own ]]; then
    mkdir -p "$triton/python/bin" "$triton/python/lib"
    install -m 755 "$own/bin/python$numpy_python" "$triton/python/bin/"
    install -m 755 "$own/lib/libpython$numpy_python.so.1.0" "$triton/python/lib/"
    tar -C "$own/lib" -c --exclude='__pycache__' --exclude='*/site-packages' --exclude='*/test' --exclude='*/tests' \
        --exclude='*/idlelib' --exclude='*/tkinter' --exclude='*/turtledemo' --exclude='*/ensurepip' --exclude='*/lib2to3' \
        --exclude='*/pydoc_data' --exclude='*/config-*' --exclude='*_test*.so' --exclude='*/_tkinter*' \
        "python$numpy_python" | tar -C "$triton/python/lib" -x
    find "$triton/python" -name '*.so*' -exec chmod u+w {} + -exec strip --strip-unneeded {} +
    echo "packs Python $numpy_python of $own for machines whose own has no shared library"
else
    echo "no Python $numpy_python with a shared library here: the machine has to have one" >&2
fi

cat >"$triton/prepare.sh" <<'SH'
#!/usr/bin/env bash
# Makes this Triton work with a Python of this machine: PYTHON=… triton/prepare.sh
# PACKED=1 takes the interpreter of the pack even where the machine's own has a shared library; packages are those
# of the machine either way.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python=$(command -v "${PYTHON:-python3}") || { echo "error: no ${PYTHON:-python3}" >&2; exit 2; }
version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
stub=$here/stubs/$version
[[ -x $stub ]] || { echo "error: Python $version has no stub here; set PYTHON to one of $(ls "$here/stubs" | tr '\n' ' ')" >&2; exit 2; }
library=$("$python" - <<'PY'
import glob, os, sys, sysconfig
name = "libpython%d.%d.so.1.0" % sys.version_info[:2]
places = [sysconfig.get_config_var("LIBDIR"), os.path.join(sys.base_prefix, "lib"),
          "/usr/lib/" + (sysconfig.get_config_var("MULTIARCH") or ""), "/usr/lib64", "/usr/local/lib"]
places += [os.path.dirname(path) for top in ("/opt", "/root", "/home", "/usr/local")
           for depth in ("*/lib", "*/*/lib", "*/*/*/lib", "*/*/*/*/lib", "*/*/*/*/*/lib")
           for path in glob.glob(os.path.join(top, depth, name))]
print(next((p for p in places if p and os.path.exists(os.path.join(p, name))), ""))
PY
)
interpreter=("$python")
if [[ (-z $library || -n ${PACKED:-}) && -x $here/python/bin/python$version ]]; then
    library=$here/python/lib
    interpreter=(env -u PYTHONHOME LD_LIBRARY_PATH="$library" "$here/python/bin/python$version")
fi
[[ -n $library ]] || { echo "error: $python has no libpython$version.so.1.0; install one (Debian: libpython$version), or set PYTHON to an interpreter of conda or uv" >&2; exit 2; }
install -m 755 "$stub" "$here/backends/python/triton_python_backend_stub"
rm -rf "$here/venv"
"${interpreter[@]}" -m venv --without-pip --system-site-packages "$here/venv"
if [[ -d $here/numpy-$version ]]; then
    # Found before the machine's own.
    ln -s "$here/numpy-$version"/* "$here/venv/lib/python$version/site-packages/"
fi
# What the interpreter sees beyond its own packages (a virtual environment does not see that of another).
"$python" -c 'import sys; print("\n".join(p for p in sys.path if p.endswith("-packages")))' \
    >"$here/venv/lib/python$version/site-packages/machine.pth"
cat >"$here/tritonserver" <<RUN
#!/bin/sh
export LD_LIBRARY_PATH='$here/nvidia_pytriton.libs:$library'"\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH}"
export PATH='$here/venv/bin':"\$PATH"
exec '$here/pytriton/tritonserver/bin/tritonserver' --backend-directory='$here/backends' "\$@"
RUN
chmod +x "$here/tritonserver"
echo "Triton uses Python $version of $python with $library"
SH
chmod +x "$triton/prepare.sh"

mkdir -p "$(dirname "$out")"
tar -C "$work" -c gpu-campaign | xz -T0 -6 >"$out.part"
mv "$out.part" "$out"
bytes=$(stat -c %s "$out")
echo "$out: $((bytes / 1024)) KiB packed, $(du -sm "$folder" | cut -f1) MiB unpacked"
[[ $bytes -le $((LIMIT_MIB << 20)) ]] || fail "$out is larger than $LIMIT_MIB MiB"
