#!/usr/bin/env bash
# Runs two batched-serving workloads in this engine, NeXosim, simcore, desru, SimPy, a heap and a program by hand, checks
# that mean and p99 agree, and prints tables with the ratios (benches/peers).
#
#   scripts/bench_peers.sh [--instructions] [--seconds 300] [--repeats 5]
#
# --instructions counts instructions with callgrind, too: they are the same at each repeat, whatever else the machine does.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

count=
if [[ ${1:-} == --instructions ]]; then
    count=1
    shift
fi

SIMPY=4.1.2
venv=benches/peers/.venv
if [[ $("$venv/bin/python" -c 'import importlib.metadata as m; print(m.version("simpy"))' 2>/dev/null) != "$SIMPY" ]]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "simpy==$SIMPY"
fi

echo "$(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs), $(nproc) CPUs, $(rustc --version)," \
    "$("$venv/bin/python" --version), $(date -u +%F), load $(cut -d' ' -f1-3 /proc/loadavg)"
cargo build --release --locked --quiet --manifest-path benches/peers/Cargo.toml
peers=${CARGO_TARGET_DIR:-benches/peers/target}/release/peers
"$peers" --python "$PWD/$venv/bin/python" "$@"

# What one engine executes for so many simulated seconds: its requests, and the instructions of the process.
executed() {
    local out
    out=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null "$peers" --only "$1" "$2" --seconds "$3" 2>&1)
    echo "$(grep -E '^[0-9]+$' <<<"$out") $(sed -n 's/.*Collected *: *//p' <<<"$out")"
}

if [[ $count ]]; then
    echo
    echo "Instructions a request: the difference of 20 and 10 simulated seconds, over that of their requests"
    echo
    echo "| engine | alone | sharing |"
    echo "|---|---|---|"
    "$peers" --list | while IFS= read -r engine; do
        row="| $engine |"
        for workload in alone sharing; do
            read -r few least < <(executed "$workload" "$engine" 10)
            read -r many most < <(executed "$workload" "$engine" 20)
            row+=" $(((most - least + (many - few) / 2) / (many - few))) |"
        done
        echo "$row"
    done
fi
