#!/usr/bin/env bash
# Runs a shortened campaign with emulated models and a real Triton server to its end: in two commands, the first of
# which is killed. Nothing may be lost, nothing be measured twice, and all that a campaign leaves must be there.
#
#   scripts/check_campaign.sh RESULTS [FOLDER]    FOLDER: of gpu_campaign.sh, default: scripts
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
results=${1:?the folder for results}
campaign=${2:-$here}/gpu_campaign.sh
# Two models and one scenario; on an idle machine that is a fraction of the minutes.
export MODELS=emulated MINUTES=20 POINT_S=0.4 GROUP_S=0.4 SERVE_S=5 SERVE=gpu-poisson LARGER="--groups --repeats 1"
export PROFILE_FLAGS="--model alexnet,vgg19 --batches 1,16"

fail() {
    echo "error: $*" >&2
    exit 1
}
points() { grep -c '^{"run":' "$results/profile/journal.jsonl" 2>/dev/null || true; }

echo "== until some points are there; then kill"
"$campaign" "$results" &
first=$!
for ((second = 0; second < 400; second++)); do
    [[ $(points) -ge 10 ]] && break
    kill -0 "$first" 2>/dev/null || fail "the campaign ended before it was killed"
    sleep 1
done
kill -KILL "$first"
wait "$first" 2>/dev/null || true
before=$(points)
[[ $before -ge 10 ]] || fail "only $before points in 400 s"

echo "== $before points are there; the rest, in this command as far as there is time"
code=0
"$campaign" "$results" --until 60 || code=$?
[[ $code == 75 ]] || fail "code $code in place of 75, go on"
code=0
"$campaign" "$results" || code=$?
[[ $code -le 1 ]] || fail "code $code"

lines=$(points)
[[ $lines -gt $before ]] || fail "no point was added"
twice=$(sed 's/,"result".*//' "$results/profile/journal.jsonl" | sort | uniq -d)
[[ -z $twice ]] || fail "measured twice: $twice"

for file in README.md machine.txt facts/sm_table.csv facts/base/profile.toml profile/profile.toml profile/solo.csv \
    profile/colocated.csv coefficients.json coefficients-pairs.json accuracy/figures/accuracy.svg selftest/selftest.json \
    scenarios/gpu-poisson.toml gpu-poisson/comparison.json gpu-poisson/figures/agreement.svg; do
    [[ -s $results/$file ]] || fail "no $file"
done
grep -q '^| together, fitted to pairs |' "$results/README.md" || fail "the report lacks what was found"
echo "$lines points in $(du -sk "$results" | cut -f 1) KiB of results; by numbers:"
sed -n '/^## Predictions/,/^## Power/p' "$results/README.md"
