#!/usr/bin/env bash
# Packs all that a measuring campaign needs on a machine with a GPU and no network: both programs, a trimmed
# Triton, NumPy, scripts and scenarios. The machine brings the driver, Python 3.9 to 3.12 with a shared
# libpython, PyTorch and torchvision.
#
#   scripts/setup_triton.sh && scripts/pack_gpu_campaign.sh [OUT.tar.xz]     default: out/gpu-campaign.tar.xz
#   BINARIES=target/debug scripts/pack_gpu_campaign.sh …                     default: a release build
#   NUMPY_PYTHON=3.11 …     the Python whose NumPy is packed (default 3.12); others use the machine's own
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

LIMIT_MIB=60
out=${1:-out/gpu-campaign.tar.xz}
numpy_python=${NUMPY_PYTHON:-3.12}

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
install -m 755 scripts/gpu_campaign.sh "$folder/"
cp docs/add-your-gpu.md "$folder/README.md"
cp scenarios/gpu-*.toml scenarios/validate-3.toml "$folder/scenarios/"

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
pip=$(echo .triton/venv/bin/pip)
"$pip" download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$work/wheels" \
    --python-version "$numpy_python" --implementation cp --platform manylinux2014_x86_64 numpy==1.26.4
mkdir -p "$triton/numpy-$numpy_python"
python3 -m zipfile -e "$work"/wheels/numpy-*.whl "$triton/numpy-$numpy_python"
# Tests and headers of NumPy are of no use there.
find "$triton/numpy-$numpy_python" -type d \( -name tests -o -name include \) -prune -exec rm -rf {} +

cat >"$triton/prepare.sh" <<'SH'
#!/usr/bin/env bash
# Makes this Triton work with a Python of this machine: PYTHON=… triton/prepare.sh
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
[[ -n $library ]] || { echo "error: $python has no libpython$version.so.1.0; install one (Debian: libpython$version), or set PYTHON to an interpreter of conda or uv" >&2; exit 2; }
install -m 755 "$stub" "$here/backends/python/triton_python_backend_stub"
rm -rf "$here/venv"
"$python" -m venv --without-pip --system-site-packages "$here/venv"
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
