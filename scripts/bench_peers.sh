#!/usr/bin/env bash
# Times the batched-serving workload in this engine, NeXosim, simcore, desru, a heap by hand and SimPy,
# checks that mean and p99 agree, and prints a table with the ratios (benches/peers).
#
#   scripts/bench_peers.sh [--seconds 300] [--repeats 5]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

SIMPY=4.1.2
venv=benches/peers/.venv
if [[ $("$venv/bin/python" -c 'import importlib.metadata as m; print(m.version("simpy"))' 2>/dev/null) != "$SIMPY" ]]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "simpy==$SIMPY"
fi

echo "$(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs), $(nproc) CPUs, $(rustc --version)," \
    "$("$venv/bin/python" --version), $(date -u +%F), load $(cut -d' ' -f1-3 /proc/loadavg)"
cargo run --release --locked --quiet --manifest-path benches/peers/Cargo.toml -- \
    --python "$PWD/$venv/bin/python" "$@"
