#!/usr/bin/env bash
# A whole measuring campaign on a machine with one GPU: facts, profile, predictions, served scenarios. It runs
# unattended, goes on where it was interrupted, and needs no network. docs/add-your-gpu.md says more.
#
#   ./gpu_campaign.sh OUT                  in the folder of pack_gpu_campaign.sh, or scripts/ of a clone
#   ./gpu_campaign.sh OUT --until 570      ends after 570 s at most; the same command goes on (code 75: more to do)
#   MODELS=emulated ./gpu_campaign.sh OUT  the same steps and files without a GPU, to try it out
#
# Variables: KIND (name of the GPU kind, default: from the GPU's name), MODELS (torchvision; or torchvision-fp16, emulated,
# a folder of ready model repositories), MOST_RPS (400; emulated 60: highest rate of a served workload), MINUTES (25: for all
# commands together; what does not fit is left out, the least valuable first), POINT_S and GROUP_S (2 and 5: seconds
# of a point alone and of a co-location), SERVE_S (30), SERVE (the scenarios that are served, all four), PYTHON (with PyTorch),
# VALIDATE, IGNITER (programs), VALIDATE_TRITON (server), PROFILE_FLAGS (more flags of `validate profile`),
# LARGER (what is measured beyond pairs: --groups --copies 5 --repeats 3).
#
# Exit codes: 0 complete; 1 complete, but steps failed or were left out; 2 could not begin; 75 go on with the same
# command; 130 interrupted.
set -uo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[[ $# -eq 1 || ($# -eq 3 && $2 == --until && $3 =~ ^[0-9]+$) ]] || {
    echo "usage: $0 OUT [--until SECONDS]" >&2
    exit 2
}
mkdir -p "$1/logs" "$1/done" || exit 2
out=$(cd "$1" && pwd)
models=${MODELS:-torchvision}
minutes=${MINUTES:-25}
point_s=${POINT_S:-2}
group_s=${GROUP_S:-5}
serve_s=${SERVE_S:-30}
serve=${SERVE:-gpu-poisson gpu-constant gpu-poisson-120 gpu-constant-120}

# One at a time: a campaign that was killed may have left a step that still ends. Its steps hold the lock too.
exec 9>"$out/lock"
flock --wait 90 9 || { echo "error: another campaign works in $out" >&2; exit 2; }
# All time of earlier commands counts, until their last step began or ended.
spent=$(cat "$out/spent" 2>/dev/null || echo 0)
until=${3:-$((minutes * 60))}
failed=()
later=()
budget_left() { echo $((minutes * 60 - spent - SECONDS)); }
left() { # also in this command
    local budget here_left=$((until - SECONDS))
    budget=$(budget_left)
    echo $((budget < here_left ? budget : here_left))
}
keep_time() { echo $((spent + SECONDS)) >"$out/spent"; }
say() { printf '[%4d s] %s\n' $((spent + SECONDS)) "$*" | tee -a "$out/campaign.log"; }
trap 'say "interrupted"; keep_time; exit 130' INT TERM HUP

first_of() { for path in "$@"; do [[ -x $path ]] && { echo "$path"; return; }; done; }
target=${CARGO_TARGET_DIR:-$here/../target}
validate=${VALIDATE:-$(first_of "$here/validate" "$target/release/validate" "$target/debug/validate")}
export IGNITER=${IGNITER:-$(first_of "$here/igniter" "$target/release/igniter" "$target/debug/igniter")}
[[ -n $validate && -n $IGNITER ]] || { echo "error: build validate and igniter first: cargo build --release --workspace" >&2; exit 2; }
python=${PYTHON:-python3}
helper=$here/gpu_campaign.py
if [[ -x $here/triton/prepare.sh ]]; then
    "$here/triton/prepare.sh" >"$out/logs/prepare.out" 2>&1 || { cat "$out/logs/prepare.out" >&2; exit 2; }
    export VALIDATE_TRITON=${VALIDATE_TRITON:-$here/triton/tritonserver}
fi
case ${VALIDATE_TRITON:-} in '' | /*) ;; *) VALIDATE_TRITON=$PWD/$VALIDATE_TRITON ;; esac
cd "$here" || exit 2
[[ -d $here/triton ]] || cd ..
# Where this shell is killed, its step ends too.
dies_with_us=()
setpriv --pdeathsig TERM true 2>/dev/null && dies_with_us=(setpriv --pdeathsig TERM --)

# Runs a step once; what it printed is in logs/, how it ended in done/. Exit code 1 is a finding (a check
# failed), not a failure of the step.
step() { # NAME SECONDS-THAT-IT-NEEDS COMMAND…
    local name=$1 needs=$2
    shift 2
    [[ -e $out/done/$name ]] && return 0
    if [[ $(budget_left) -lt $needs ]]; then
        say "$name: left out: it needs about $needs s, and $(budget_left) s of $minutes min are left"
        failed+=("$name")
        return 1
    fi
    if [[ $(left) -lt $needs ]]; then
        later+=("$name")
        return 1
    fi
    keep_time
    local from=$SECONDS code=0
    "${dies_with_us[@]}" timeout --foreground --signal=TERM --kill-after=60 "$(left)" "$@" \
        >"$out/logs/$name.out" 2>"$out/logs/$name.err" || code=$?
    keep_time
    local took=$((SECONDS - from))
    if [[ $code == 130 || $code == 143 ]]; then
        say "$name: interrupted after $took s"
        exit 130
    elif [[ $code == 124 && $(budget_left) -ge $needs ]]; then
        say "$name: not finished in the $took s that this command had"
        later+=("$name")
        return 1
    elif [[ $code -gt 1 ]]; then
        say "$name: failed with code $code after $took s: $(tail -n 1 "$out/logs/$name.err")"
        failed+=("$name")
        return 1
    fi
    say "$name: $took s (about ${planned:-$needs} s planned)$([[ $code == 1 ]] && echo ', with findings')"
    echo "$code $took" >"$out/done/$name"
}

# How long steps take, about: servers with PyTorch need their time.
if [[ $models == emulated ]]; then
    start_s=15 facts_s=60 sessions=14
    touch "$out/emulated"
else
    start_s=40 facts_s=180 sessions=14
fi
serve_needs=$((serve_s + 15 + start_s))
overhead_s=$((serve_s + 30))
after_s=$(($(wc -w <<<"$serve") * serve_needs + 60))

# 1. Facts, 2. MPS
if [[ ! -e $out/machine.txt ]]; then
    {
        date -u +'date: %Y-%m-%dT%H:%M:%SZ'
        uname -srm
        "$validate" --version
        "$IGNITER" --version
        "$python" --version
        "$python" -c 'import torch, torchvision; print("torch", torch.__version__, "torchvision", torchvision.__version__)' 2>&1 | tail -n 1
        grep -m 1 'model name' /proc/cpuinfo
        nproc
        nvidia-smi -q 2>/dev/null | grep -vE 'Serial|UUID|PDI|Bus Id|GUID'
    } >"$out/machine.txt.part" 2>&1
    mv "$out/machine.txt.part" "$out/machine.txt"
fi
facts_flags=() profile_flags=() run_flags=()
if [[ $models == emulated ]]; then
    emulated=$here/emulated_gpu
    export PATH=$emulated:$PATH
    facts_flags=(--gpu-recording "$emulated/gpu.json" --python "$emulated/probe.py" --percentages "1,10,12.5,25,37.5,50,75,100")
    profile_flags=(--emulate "$emulated/truth.json")
    run_flags=(--emulate "$emulated/truth.json")
    step doctor 30 "$validate" doctor --need cpu --json
    kind=${KIND:-emulated}
    most_rps=${MOST_RPS:-60}
else
    run_flags=(--shared-memory)
    profile_flags=(--shared-memory)
    step doctor 60 "$validate" doctor --json
    kind=${KIND:-$("$python" "$helper" kind "$out/logs/doctor.out")}
    most_rps=${MOST_RPS:-400}
fi
echo "$kind" >"$out/kind"
say "GPU kind $kind, models $models; $(budget_left) s of $minutes min are left, $(left) s in this command"
if [[ ! -e $out/done/facts ]]; then
    say "plan: facts $facts_s s, serving $(wc -w <<<"$serve") x $serve_needs s, overhead $overhead_s s, the rest for the profile"
fi
step facts "$facts_s" "$validate" facts --kind "$kind" -o "$out/facts" "${facts_flags[@]}"
if [[ -e $out/done/facts ]]; then
    from=$out/facts/base
    without_mps=$("$python" "$helper" mps "$out")
    together=$("$python" "$helper" together "$out")
    if [[ -n $without_mps ]]; then
        say "no shares, hence no co-locations: $without_mps"
        profile_flags+=(--mps off --shares 100 --no-pairs --batches "1,2,4,8,16,32")
    else
        # shellcheck disable=SC2206 # the flags are words
        profile_flags+=(${LARGER:---groups --copies 5 --repeats 3})
    fi

    # 3. Solo grid, pairs and more: the journal keeps every point. It takes what later steps leave, and measures
    # the most valuable points first.
    if [[ ! -e $out/done/profile ]]; then
        for_profile=$(($(budget_left) - after_s))
        in_command=$(($(left) - 15))
        limit=$((for_profile < in_command ? for_profile : in_command))
        # shellcheck disable=SC2086 # the flags are words
        estimate=$("$validate" profile --from "$from" --output "$out/profile" --dry-run "${profile_flags[@]}" ${PROFILE_FLAGS:-} | awk '
            { n++; s += 1 + (NF > 1 ? group : point) } END { printf "%d %d\n", n, s + starts }' \
            point="$point_s" group="$group_s" starts=$((sessions * start_s)) -)
        read -r all estimate <<<"$estimate"
        measured=0
        [[ -e $out/profile/journal.jsonl ]] && measured=$(grep -c '^{"run":' "$out/profile/journal.jsonl")
        say "profile: $measured of $all points are done; all take about $estimate s, and there are $limit s"
        if [[ $limit -lt 60 && $for_profile -ge 60 ]]; then
            later+=(profile)
        else
            [[ $limit -lt 60 ]] && limit=60
            # shellcheck disable=SC2086 # the flags are words
            planned=$estimate step profile 60 "$validate" profile --from "$from" --kind "$kind" --models "$models" --seconds "$point_s" \
                --colocated-seconds "$group_s" --together "$together" --limit-s "$limit" -o "$out/profile" \
                "${profile_flags[@]}" ${PROFILE_FLAGS:-} --quiet
            if [[ $(cut -d ' ' -f 1 "$out/done/profile" 2>/dev/null) == 1 ]]; then
                say "$(tail -n 1 "$out/logs/profile.err")"
                if [[ $in_command -lt $for_profile ]]; then
                    rm "$out/done/profile"
                    later+=(profile)
                fi
            fi
        fi
    fi
fi

# 4. Predict before looking: fitted to what is simple, compared with what is not.
if [[ -e $out/done/profile ]]; then
    step split 5 "$python" "$helper" split "$out"
    step fit 20 "$IGNITER" fit "$out/profile" --predictor contention -o "$out/coefficients.json"
    if [[ -e $out/profile/colocated.csv ]]; then
        step fit-pairs 20 "$IGNITER" fit "$out/fit/pairs" --predictor contention -o "$out/coefficients-pairs.json"
        solo=(--solo "$out/profile/solo_table.csv")
        [[ -e $out/fit/unseen.csv ]] && step accuracy-unseen 10 "$IGNITER" accuracy "${solo[@]}" \
            --profile "$out/coefficients-pairs.json" --colocated "$out/fit/unseen.csv" -o "$out/accuracy-unseen"
        step accuracy 10 "$IGNITER" accuracy "${solo[@]}" --profile "$out/coefficients.json" \
            --colocated "$out/profile/colocated.csv" -o "$out/accuracy"
    fi
fi

# 5. Serve a plan: evenly spaced and random arrivals, at the planned load and at 1.2 times that
if [[ -e $out/done/fit && -z ${without_mps:-} ]]; then
    step scenarios 10 "$python" "$helper" scenarios "$out" "$most_rps"
    for scenario in $serve; do
        [[ -e $out/done/scenarios ]] || continue
        plan=$out/plans/${scenario%-120}.json
        mkdir -p "$out/plans"
        step "plan-${scenario%-120}" 10 "$IGNITER" plan "$out/scenarios/${scenario%-120}.toml" -o "$plan"
        [[ -e $plan ]] || continue
        step "$scenario" "$serve_needs" "$validate" run "$out/scenarios/$scenario.toml" --plan "$plan" \
            --models "$models" --duration-s "$((serve_s + 5))" -o "$out/$scenario" "${run_flags[@]}" --quiet
    done
fi

# 6. What the server itself costs, with models that take a known time
scenarios=$here/scenarios
[[ -d $scenarios ]] || scenarios=$here/../scenarios
step overhead "$overhead_s" "$validate" run "$scenarios/validate-3.toml" --gpu-recording "$here/emulated_gpu/none.json" \
    --duration-s 15 -o "$out/overhead" --quiet

# 7. What came of it
if [[ $models == emulated && -e $out/done/fit ]]; then
    step selftest 20 "$python" "$helper" selftest "$out" "$emulated/truth.json"
fi
if [[ ${#later[@]} -gt 0 ]]; then
    say "to be done by the same command: ${later[*]}"
    keep_time
    exit 75
fi
[[ ${#failed[@]} -gt 0 ]] && say "not done: ${failed[*]}"
say "complete after $((spent + SECONDS)) s: $out"
keep_time
"$python" "$helper" report "$out" || exit 1
[[ ${#failed[@]} -eq 0 ]]
