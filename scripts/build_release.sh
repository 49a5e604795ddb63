#!/usr/bin/env bash
# Makes everything that is handed out for a release: a wheel for any Linux with glibc 2.17 or later, tarballs of the programs
# with completions and man pages, and checksums. Nothing is published.
#
#   scripts/build_release.sh [FOLDER]                 default: dist
#   PROFILE=release scripts/build_release.sh          faster to build, a few percent slower to run
#   docker build -f docker/Dockerfile.release .       an image of what is in the tarball, of the same FOLDER
#
# The linker and C library come from PyPI (ziglang), so the machine's own may be newer. It needs Rust and the network.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=$(realpath -m "${1:-dist}")
profile=${PROFILE:-dist}
target=${TARGET:-$(uname -m)-unknown-linux-gnu}
glibc=2.17
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"

python3 -m venv "$work/tools"
"$work/tools/bin/pip" install --quiet --disable-pip-version-check -r scripts/wheel-requirements.txt ziglang cargo-zigbuild
export PATH="$work/tools/bin:$PATH"
rustup target add "$target" >/dev/null 2>&1 || true

# The wheel: library, igniter and validate.
maturin build --profile "$profile" --locked --manifest-path python/Cargo.toml --target "$target" --zig \
    --compatibility manylinux2014 --features remote --out "$out"

# The programs on their own, by the same linker.
cargo zigbuild --profile "$profile" --locked --target "$target.$glibc" -p igniter -p validate --bins --features validate/remote
built=${CARGO_TARGET_DIR:-target}/$target/$([[ $profile == dev ]] && echo debug || echo "$profile")
name=igniter-$version-$target
folder=$work/$name
mkdir -p "$folder/man" "$folder/completions"
cp "$built/igniter" "$built/validate" README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE "$folder"
strip "$folder/igniter" "$folder/validate"
"$folder/igniter" man --output "$folder/man" >/dev/null
"$folder/igniter" completions bash >"$folder/completions/igniter.bash"
"$folder/igniter" completions zsh >"$folder/completions/_igniter"
"$folder/igniter" completions fish >"$folder/completions/igniter.fish"
# The same bytes for the same files: no owner, no time of day.
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime='@0' -C "$work" -czf "$out/$name.tar.gz" "$name"
cp docker/Dockerfile.release "$out"
(cd "$out" && sha256sum ./*.whl ./*.tar.gz >SHA256SUMS)
ls -l "$out"
