#!/usr/bin/env bash
# A sweep on a real Slurm of one node: an array of shards, one of which is killed half-way and submitted again alone,
# merged, and compared byte for byte with the same sweep in one process.
#
#   tests/slurm/run.sh PATH/TO/igniter
#
# Needs root and Debian's packages of Slurm (which it installs); elsewhere it says so and ends with 0.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=tests/slurm/cluster.sh
source tests/slurm/cluster.sh

fail() {
    echo "error: $*" >&2
    tail -n 20 "$work"/*.log >&2 || true
    exit 1
}

IGNITER=$(realpath "${1:?usage: tests/slurm/run.sh PATH/TO/igniter}")
export IGNITER
if [[ $(id -u) != 0 ]]; then
    echo "skipped: a Slurm of one node needs root"
    exit 0
fi
if ! command -v slurmctld >/dev/null && ! command -v apt-get >/dev/null; then
    echo "skipped: there is no Slurm here, and no apt-get to install it"
    exit 0
fi
work=$(mktemp -d)
# Munge wants its socket to be within reach of everybody.
chmod 0755 "$work"
finish() {
    slurm_stop
    rm -rf "$work"
}
trap finish EXIT
slurm_install
slurm_start "$work/slurm" 8
echo "Slurm $(sinfo --version | cut -d' ' -f2) is up"

cat >"$work/sweep.toml" <<TOML
version = 1
name = "on-slurm"
scenario = "$PWD/scenarios/paper-12-poisson.toml"
[set]
duration_s = 600
warmup_s = 1
cooldown_s = 1
percentiles = "histogram"
[[axis]]
path = "rate_scale"
range = { from = 0.5, to = 1.49, step = 0.01 }
TOML
submit() { # ARRAY [SHARDS]
    SHARDS=${2:-} sbatch --parsable --array="$1" --cpus-per-task=2 --output="$work/%A_%a.log" \
        scripts/slurm/sweep.sbatch "$work/sweep.toml" "$work/sharded" --threads 1
}

"$IGNITER" sweep "$work/sweep.toml" -o "$work/whole" --quiet

# Shard 2 is killed as soon as it has finished some points. It has 25 of ten simulated minutes, and one thread: seconds of
# work, where the kill comes within a fraction of one.
job=$(submit 0-3)
victim=$work/sharded/shard-00002-of-00004/.sweep/progress
slurm_until 60 test -s "$victim" || fail "shard 2 never finished a point"
scancel --signal=KILL --full "${job}_2" || true
slurm_wait "$job" 120
codes=$(slurm_exit_codes "$job")
echo "first time, task=code:signal: $codes"
[[ $codes == *"0=0:0"* && $codes == *"3=0:0"* ]] || fail "shards that nobody killed did not end well"
[[ $codes != *"2=0:0"* ]] || fail "shard 2 was faster than its kill"
"$IGNITER" merge "$work/sharded" 2>"$work/merge.log" && fail "an unfinished shard was merged"
cat "$work/merge.log"

# Submitted again alone, Slurm says that the array has one task: without SHARDS that is refused.
job=$(submit 2)
slurm_wait "$job" 60
grep -- "--shards N" "$work/${job}_2.log" >/dev/null || fail "a lone task did not ask for its number of shards"
job=$(submit 2 4)
slurm_wait "$job" 120
codes=$(slurm_exit_codes "$job")
echo "again, task=code:signal: $codes"
[[ $codes == "2=0:0" ]] || fail "shard 2 did not finish"

"$IGNITER" merge "$work/sharded"
for table in rows.csv rows.parquet points.csv; do
    cmp "$work/whole/$table" "$work/sharded/$table" || fail "$table differs"
done
echo "rows.csv, rows.parquet and points.csv are those of one process, byte for byte"
