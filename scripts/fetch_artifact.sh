#!/usr/bin/env bash
# Fetches the iGniter artifact's own files (github.com/icloud-ecnu/igniter): its plans, its profile and its models' configs.
#
#   scripts/fetch_artifact.sh [-o FOLDER] [--models]     default: .artifact/
#   scripts/fetch_artifact.sh --from URL --sha256 HASH   another place or commit; URL of a .tar.gz, also file://
#
#   --models        also run the artifact's own script that fetches its TensorRT engines; they load only on the GPU and the
#                   TensorRT they were built with (V100, Triton 21.07): `validate models` makes others
#   --sha256 HASH   throw the archive away if it has another hash
#
# Nobody has noted a hash of the archive: what is fetched is printed, and belongs beside any result. The hashes of
# all files are in FOLDER/SHA256SUMS.
set -euo pipefail

COMMIT=b1ff2ab
address=https://github.com/icloud-ecnu/igniter/archive/$COMMIT.tar.gz
folder=.artifact
sha256=
models=

fail() {
    echo "fetch_artifact: $*" >&2
    exit 2
}

while (($#)); do
    case $1 in
        -o | --from | --sha256)
            [[ ${2-} && ${2-} != -* ]] || fail "$1 needs a value"
            case $1 in
                -o) folder=$2 ;;
                --from) address=$2 ;;
                --sha256) sha256=$2 ;;
            esac
            shift 2
            ;;
        --models) models=yes; shift ;;
        -h | --help) sed -n '2,12p' "$0" | cut -c3-; exit 0 ;;
        *) fail "unknown argument $1; see --help" ;;
    esac
done
[[ -z $sha256 || $sha256 =~ ^[0-9a-f]{64}$ ]] || fail "--sha256: given $sha256; allowed: 64 digits of 0-9 and a-f"
[[ ! -e $folder ]] || fail "$folder is there already; remove it, or name another folder with -o"

parent=$(dirname "$folder")
mkdir -p "$parent"
work=$(mktemp -d "$parent/.fetch-XXXXXX")
trap 'rm -rf "$work"' EXIT
echo "fetching $address"
curl --fail --location --silent --show-error --retry 2 -o "$work/archive" "$address" || fail "could not fetch it"
found=$(sha256sum "$work/archive" | cut -d' ' -f1)
[[ -z $sha256 || $found == "$sha256" ]] || fail "it has the sha256 $found, not $sha256: it was changed, or the transfer failed"
echo "  sha256 $found"
mkdir "$work/files"
tar -xzf "$work/archive" -C "$work/files" --strip-components=1 || fail "it is no archive (.tar.gz)"

if [[ $models ]]; then
    script=$(find "$work/files" -name 'fetch*.sh' -path '*odel*' -print -quit)
    [[ $script ]] || fail "the archive holds no script that fetches models (fetch*.sh in a folder of models)"
    echo "fetching models with ${script#"$work/files/"}"
    (cd "$(dirname "$script")" && bash "./$(basename "$script")") || fail "the artifact's script failed"
fi
(cd "$work/files" && find . -type f ! -name SHA256SUMS -print0 | LC_ALL=C sort -z | xargs -0 -r sha256sum >SHA256SUMS)
mv "$work/files" "$folder"

list() { # TITLE PATTERN…
    local title=$1 found
    shift
    found=$(cd "$folder" && find . "$@" -print | LC_ALL=C sort | sed 's/^/  /')
    [[ -z $found ]] || printf '%s:\n%s\n' "$title" "$found"
}
list "plans (igniter simulate --plan, validate run --plan)" -name 'config_gpu*.json'
list "models (validate run --models, the folder above)" -type d -name '*_dynamic'
