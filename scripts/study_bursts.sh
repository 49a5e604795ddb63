#!/usr/bin/env bash
# Makes the tables and figures of results/bursts and results/bursts-delay again: scripts/study_bursts.sh [PATH/TO/igniter] [DIR]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
igniter=${1:-}
dir=${2:-}
keep=
if [[ -z $dir ]]; then
    # What is committed, beside a README of its own: made elsewhere, then put in its place.
    keep=results
    dir=$(mktemp -d)/bursts
    trap 'rm -rf "$(dirname "$dir")"' EXIT
fi
if [[ -z $igniter ]]; then
    cargo build --release --locked
    igniter=${CARGO_TARGET_DIR:-target}/release/igniter
fi
"$igniter" sweep scenarios/sweeps/bursts.toml -o "$dir" --resume --quiet
plot() { "$igniter" plot "$dir" --quiet "$@"; }
plot --kind attainment --x load --panels cv --name attainment-load
plot --kind attainment --x cv --log --only load=0.5 --name attainment-cv
plot --kind attainment --y worst_attainment_pct --x load --only cv=1 --name worst-load
plot --kind heatmap --x cv --rows load
plot --kind pareto --only cv=1 --only load=0.6

"$igniter" sweep scenarios/sweeps/bursts-delay.toml -o "$dir-delay" --resume --quiet
"$igniter" plot "$dir-delay" --quiet --kind attainment --x delay --panels cv --only load=0.7 --name attainment-delay

if [[ -n $keep ]]; then
    for name in bursts bursts-delay; do
        from=$(dirname "$dir")/$name
        rm -rf "$keep/$name/figures"
        cp -r "$from"/{points.csv,manifest.json,figures} "$keep/$name/"
        sed -i "s#\"$from\"#\"$keep/$name\"#" "$keep/$name/manifest.json"
    done
fi
