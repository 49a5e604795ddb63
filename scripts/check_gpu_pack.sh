#!/usr/bin/env bash
# Checks that a pack of pack_gpu_campaign.sh runs from a bare folder, with nothing of this repository and no
# network: the doctor with a real server, with the machine's Python and with that of the pack; then a shortened campaign
# with emulated models to its end, in two commands. As root.
#
#   scripts/check_gpu_pack.sh out/gpu-campaign.tar.xz [FOLDER-OF-PYTHON]    FOLDER: of an interpreter with a
#                                                                           shared libpython, default: PATH's
set -euo pipefail

pack=$(realpath "${1:?the pack}")
python=${2:-$(dirname "$(command -v python3)")}
[[ $(id -u) == 0 ]] || { echo "error: only root can take the network away" >&2; exit 2; }
bare=$(mktemp -d)
trap 'rm -rf "$bare"' EXIT
tar -C "$bare" -xf "$pack"

unshare --net env -i HOME="$bare" PATH="$python:/usr/bin:/bin:/usr/sbin:/sbin" bash -euc '
    ip link set lo up
    cd "$1/gpu-campaign"
    if python3 -c "import socket; socket.create_connection((\"192.0.2.1\", 80), 1)" 2>/dev/null; then
        echo "error: there is a network" >&2
        exit 1
    fi
    for packed in "" 1; do
        [[ -z $packed || -d triton/python ]] || continue
        PACKED=$packed triton/prepare.sh
        VALIDATE_TRITON=$PWD/triton/tritonserver ./validate doctor --need cpu
    done
    # Too little time for everything: the least valuable is left out. In two commands, the second goes on.
    export PACKED=1 MODELS=emulated MINUTES=6 POINT_S=0.5 GROUP_S=0.5 SERVE_S=5
    code=0
    ./gpu_campaign.sh "$1/results" --until 120 || code=$?
    [[ $code == 75 ]] || { echo "error: code $code in place of 75: go on" >&2; exit 1; }
    before=$(wc -l <"$1/results/profile/journal.jsonl")
    ./gpu_campaign.sh "$1/results" || [[ $? == 1 ]]
    after=$(sort -u "$1/results/profile/journal.jsonl" | wc -l)
    [[ $before -gt 0 && $after -gt $before && $after == $(wc -l <"$1/results/profile/journal.jsonl") ]]
    for file in README.md coefficients.json accuracy-unseen/accuracy.json selftest/selftest.json gpu-poisson/comparison.json; do
        test -s "$1/results/$file" || { echo "error: no $file" >&2; exit 1; }
    done
    du -sk "$1/results" | cut -f 1 | sed "s/$/ KiB of results/"
    sed -n "/^## Predictions/,/^## Served/p" "$1/results/README.md"
' check "$bare"
echo "the pack runs from a bare folder without network"
