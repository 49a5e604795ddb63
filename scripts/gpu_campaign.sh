#!/usr/bin/env bash
# A whole measuring campaign on a machine with one GPU: facts, profile, predictions, served scenarios. It runs
# unattended, goes on where it was interrupted, and needs no network. docs/add-your-gpu.md says more.
#
#   ./gpu_campaign.sh OUT                  in the folder of pack_gpu_campaign.sh, or scripts/ of a clone
#   MODELS=emulated ./gpu_campaign.sh OUT  the same steps and files without a GPU, to try it out
#
# Variables: KIND (name of the GPU kind, default: from the GPU's name), MODELS (torchvision), MINUTES (25: steps
# begin only while the rest of the time is enough), POINT_S (2: seconds of each point), SERVE_S (30), PYTHON,
# VALIDATE, IGNITER (programs), VALIDATE_TRITON (server).
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:?the folder for results}
mkdir -p "$out/logs" "$out/done"
out=$(cd "$out" && pwd)
models=${MODELS:-torchvision}
minutes=${MINUTES:-25}
point_s=${POINT_S:-2}
serve_s=${SERVE_S:-30}

first_of() { for path in "$@"; do [[ -x $path ]] && { echo "$path"; return; }; done; }
validate=${VALIDATE:-$(first_of "$here/validate" "$here/../target/release/validate" "$here/../target/debug/validate")}
igniter=${IGNITER:-$(first_of "$here/igniter" "$here/../target/release/igniter" "$here/../target/debug/igniter")}
scenarios=$here/scenarios
[[ -d $scenarios ]] || scenarios=$here/../scenarios
[[ -n $validate && -n $igniter ]] || { echo "error: build validate and igniter first: cargo build --release --workspace" >&2; exit 2; }
if [[ -x $here/triton/prepare.sh ]]; then
    "$here/triton/prepare.sh" || exit 2
    export VALIDATE_TRITON=${VALIDATE_TRITON:-$here/triton/tritonserver}
fi
case ${VALIDATE_TRITON:-} in '' | /*) ;; *) VALIDATE_TRITON=$PWD/$VALIDATE_TRITON ;; esac
cd "$here/.." 2>/dev/null || cd "$here" || exit 2
[[ -d $here/triton ]] && cd "$here"

started=$SECONDS
failed=()
left() { echo $((minutes * 60 - (SECONDS - started))); }
say() { printf '[%4d s] %s\n' $((SECONDS - started)) "$*" | tee -a "$out/campaign.log"; }

# Runs a step once; what it printed is in logs/, how it ended in done/. Exit code 1 is a finding (a check
# failed), not a failure of the step.
step() { # NAME SECONDS-THAT-IT-NEEDS COMMAND…
    local name=$1 needs=$2
    shift 2
    if [[ -e $out/done/$name ]]; then
        say "$name: done before"
        return 0
    fi
    if [[ $(left) -lt $needs ]]; then
        say "$name: left out, $(left) s are left and it needs $needs; run the campaign again to go on"
        failed+=("$name")
        return 1
    fi
    say "$name: $*"
    local from=$SECONDS code=0
    timeout --foreground --signal=TERM --kill-after=60 "$(left)" "$@" \
        >"$out/logs/$name.out" 2>"$out/logs/$name.err" || code=$?
    if [[ $code == 130 || $code == 143 ]]; then
        say "$name: interrupted"
        exit 130
    elif [[ $code -gt 1 ]]; then
        say "$name: failed with code $code after $((SECONDS - from)) s: $(tail -n 1 "$out/logs/$name.err")"
        failed+=("$name")
        return 1
    fi
    say "$name: done in $((SECONDS - from)) s$([[ $code == 1 ]] && echo ', with findings')"
    echo "$code" >"$out/done/$name"
}
trap 'say "interrupted"; exit 130' INT TERM

# 1. Facts, 2. MPS
if [[ ! -e $out/machine.txt ]]; then
    {
        date -u +'date: %Y-%m-%dT%H:%M:%SZ'
        uname -srm
        "$validate" --version
        "$igniter" --version
        "${PYTHON:-python3}" --version
        grep -m 1 'model name' /proc/cpuinfo
        nvidia-smi -q 2>/dev/null | grep -vE 'Serial|UUID'
    } >"$out/machine.txt" 2>&1
fi
step doctor 30 "$validate" doctor --json
from=v100
kind=${KIND:-$(sed -n 's/.*"name": "NVIDIA \([A-Za-z0-9]*\).*/\1/p' "$out/logs/doctor.out" | head -n 1 | tr '[:upper:]' '[:lower:]')}
kind=${kind:-emulated}
say "GPU kind: $kind; models: $models"
if [[ $models != emulated ]]; then
    step facts 240 "$validate" facts --kind "$kind" -o "$out/facts"
    [[ -d $out/facts/base ]] && from=$out/facts/base
fi

# 3. What the server itself costs, with models that take a known time
step overhead 60 "$validate" run "$scenarios/validate-3.toml" --duration-s 15 -o "$out/overhead" --quiet

# 4. and 5. Solo grid, pairs and more: the journal keeps every point
step profile 300 "$validate" profile --from "$from" --kind "$kind" --models "$models" --seconds "$point_s" \
    -o "$out/profile" ${PROFILE_FLAGS:-} --quiet
profile=$out/profile
[[ -e $profile/profile.toml ]] || profile=$from

# 6. Predict before looking
step fit 10 "$igniter" fit "$profile" -o "$out/coefficients.json"
if [[ -e $profile/colocated.csv ]]; then
    step accuracy 10 "$igniter" accuracy --profile "$profile" --colocated "$profile/colocated.csv" --json
fi

# 7. Serve a plan: evenly spaced and random arrivals, at the planned load and at 1.2 times that
for scenario in gpu-constant gpu-poisson gpu-constant-120 gpu-poisson-120; do
    planned=$scenarios/${scenario%-120}.toml
    step "plan-$scenario" 10 "$igniter" plan "$planned" --profile "$profile" -o "$out/plan-$scenario.json"
    [[ -e $out/plan-$scenario.json ]] || continue
    step "$scenario" $((serve_s + 90)) "$validate" run "$scenarios/$scenario.toml" --profile "$profile" \
        --plan "$out/plan-$scenario.json" --models "$models" --duration-s "$((serve_s + 5))" \
        -o "$out/$scenario" --quiet
done

if [[ ${#failed[@]} -gt 0 ]]; then
    say "not done: ${failed[*]}"
    exit 1
fi
say "complete: $out"
