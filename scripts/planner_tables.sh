#!/bin/sh
# Makes every table and figure of docs/planners.md into a folder (default: results/planners).
# Planning times are of one thread of this machine; everything else is the same on every machine.
#
#   scripts/planner_tables.sh [FOLDER] [PART…]        parts: strategies gaps scaling; all by default
set -eu
out=${1:-results/planners}
test $# -eq 0 || shift
parts=${*:-strategies gaps scaling}
mkdir -p "$out"
cargo build --release --locked --bin igniter --example plan_gaps --example plan_scaling
bin=${CARGO_TARGET_DIR:-target}/release
all=igniter,ffd,gpulets,gpulets-atc,gslice,nexus,infless,parvagpu,dedicated,mps-default,greedy,exact,optimal

strategies() {
    for arrivals in paper-12 paper-12-poisson paper-12-bursty; do
        for replicas in "" --replicas; do
            # With replicas, only those that use them are of interest.
            test -z "$replicas" && chosen=$all || chosen=gpulets,optimal
            "$bin/igniter" compare "scenarios/$arrivals.toml" --strategies "$chosen" --refine simulate $replicas \
                --quiet -o "$out/.run" || [ $? -eq 1 ]
            cp "$out/.run/summary.json" "$out/$arrivals${replicas:+-replicas}.json"
            rm -r "$out/.run"
        done
    done
    python3 scripts/planner_table.py "$out" > "$out/strategies.md"
    rm "$out"/paper-12*.json
}

gaps() {
    "$bin/examples/plan_gaps" > "$out/gaps.md"
}

measure() { "$bin/examples/plan_scaling" "$@" -o "$out"; }
scaling() {
    rm -f "$out/scaling.csv"
    measure igniter greedy ffd infless nexus --types all --most 10000
    measure gpulets --types all --most 3000
    measure greedy ffd --types all --least 30000 --most 100000
    measure optimal --types 12 --most 100000
    for count in 100 1000 10000 100000; do measure optimal --types 60 --least $count --most $count; done
    for count in 1000 10000 100000; do measure optimal --types 120 --least $count --most $count; done
    measure optimal --types all --most 10000
    RAYON_NUM_THREADS=2 measure optimal --types all --least 100000 --most 100000
}

for part in $parts; do
    "$part"
done
