#!/usr/bin/env bash
# Checks that a pack of pack_gpu_campaign.sh runs from a bare folder, with nothing of this repository and no
# network: the doctor with a real server, with the machine's Python and with that of the pack; then a shortened campaign
# with emulated models, interrupted and to its end (check_campaign.sh). As root.
#
#   scripts/check_gpu_pack.sh out/gpu-campaign.tar.xz [FOLDER-OF-PYTHON]    FOLDER: of an interpreter with a
#                                                                           shared libpython, default: PATH's
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
pack=$(realpath "${1:?the pack}")
python=${2:-$(dirname "$(command -v python3)")}
[[ $(id -u) == 0 ]] || { echo "error: only root can take the network away" >&2; exit 2; }
bare=$(mktemp -d)
trap 'rm -rf "$bare"' EXIT
tar -C "$bare" -xf "$pack"
# The check itself must find nothing of the repository beside it.
cp "$here/check_campaign.sh" "$bare/"

# shellcheck disable=SC2016 # the inner shell expands
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
    PACKED=1 "$1/check_campaign.sh" "$1/results" "$1/gpu-campaign"
' check "$bare"
echo "the pack runs from a bare folder without network"
