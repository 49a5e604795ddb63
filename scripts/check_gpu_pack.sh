#!/usr/bin/env bash
# Checks that a pack of pack_gpu_campaign.sh runs from a bare folder, with nothing of this repository and no
# network: the doctor with a real server, then the first steps of the campaign with emulated models. As root.
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
    triton/prepare.sh
    VALIDATE_TRITON=$PWD/triton/tritonserver ./validate doctor --need cpu
    MODELS=emulated MINUTES=6 POINT_S=1 SERVE_S=5 ./gpu_campaign.sh "$1/results" || [[ $? == 1 ]]
    test -s "$1/results/overhead/report.md"
    test -s "$1/results/done/profile" -o -s "$1/results/profile/journal.jsonl"
' check "$bare"
echo "the pack runs from a bare folder without network"
