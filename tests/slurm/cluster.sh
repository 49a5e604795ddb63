# A throw-away Slurm of one node, from Debian's packages: no systemd, no cgroups, nothing in /etc. To be
# sourced; run as root.
#
#   slurm_install              the packages, where they are missing
#   slurm_start FOLDER CPUS    munged, slurmctld and slurmd, with all their files in FOLDER
#   slurm_wait JOB SECONDS     until a job has left the queue
#   slurm_exit_codes JOB       "task=code" of each task, sorted
#   slurm_stop                 ends the daemons that were started, each by its process id

slurm_pids=()

slurm_install() {
    local missing=()
    command -v munged >/dev/null || missing+=(munge)
    command -v slurmctld >/dev/null || missing+=(slurmctld)
    command -v slurmd >/dev/null || missing+=(slurmd)
    command -v sbatch >/dev/null || missing+=(slurm-client)
    [[ ${#missing[@]} == 0 ]] && return
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# Three ports that nobody listens on.
slurm_ports() {
    local port free=()
    for port in $(shuf -i 20000-29999 -n 200); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || free+=("$port")
        [[ ${#free[@]} == 2 ]] && break
    done
    echo "${free[@]}"
}

slurm_start() { # FOLDER CPUS
    local dir=$1 cpus=$2 host memory ports
    host=$(hostname -s)
    memory=$(($(awk '/^MemTotal/ {print $2}' /proc/meminfo) / 2048))
    read -r -a ports <<<"$(slurm_ports)"
    install -d -m 0755 "$dir" "$dir"/{log,state,spool,run,socket}
    install -d -m 0700 "$dir/munge"
    head -c 1024 /dev/urandom >"$dir/munge/key"
    chmod 0400 "$dir/munge/key"
    export SLURM_CONF=$dir/slurm.conf
    cat >"$SLURM_CONF" <<CONF
ClusterName=test
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=${ports[0]}
SlurmdPort=${ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/socket/munge
CredType=cred/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/run/slurmctld.pid
SlurmdPidFile=$dir/run/slurmd.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd.log
# Works in containers: no cgroups, no binding, no accounting.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerType=sched/builtin
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=1
MinJobAge=3600
KillWait=2
ReturnToService=2
# More CPUs than there are, so that many tasks run at once on a small machine.
SlurmdParameters=config_overrides
NodeName=$host NodeAddr=127.0.0.1 CPUs=$cpus RealMemory=$memory State=UNKNOWN
PartitionName=test Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
    slurm_daemon "$dir" munged --foreground --key-file="$dir/munge/key" --socket="$dir/socket/munge" \
        --pid-file="$dir/run/munged.pid" --log-file="$dir/log/munged.log" \
        --seed-file="$dir/munge/seed" --num-threads=2
    slurm_until 20 munge -n -S "$dir/socket/munge"
    slurm_daemon "$dir" slurmctld -D
    slurm_until 30 scontrol ping
    slurm_daemon "$dir" slurmd -D -N "$host"
    slurm_until 60 slurm_idle || {
        tail -n 20 "$dir"/log/* >&2
        return 1
    }
}

slurm_idle() { [[ $(sinfo -h -o %T) == idle ]]; }

slurm_daemon() { # FOLDER COMMAND...
    local dir=$1
    shift
    # A session of its own, so that Ctrl-C ends the test first, which then ends the daemons.
    setsid "$@" >"$dir/log/$1.out" 2>&1 </dev/null &
    slurm_pids+=($!)
}

slurm_until() { # SECONDS COMMAND...
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [[ $SECONDS -lt $end ]] || {
            echo "timed out: $*" >&2
            return 1
        }
        sleep 0.1
    done
}

slurm_wait() { # JOB SECONDS
    slurm_until "$2" slurm_gone "$1"
}

slurm_gone() { [[ -z $(squeue -h -j "$1" 2>/dev/null) ]]; }

slurm_exit_codes() { # JOB
    scontrol -o show job "$1" | sed -nE 's/.*ArrayTaskId=([0-9]+).* ExitCode=([0-9]+):([0-9]+).*/\1=\2:\3/p' |
        sort -n | paste -sd' '
}

slurm_stop() {
    local pid
    [[ ${#slurm_pids[@]} == 0 ]] && return
    scancel -u root >/dev/null 2>&1 || true
    for ((i = ${#slurm_pids[@]} - 1; i >= 0; i--)); do
        pid=${slurm_pids[$i]}
        kill "$pid" 2>/dev/null || true
        for _ in $(seq 100); do
            kill -0 "$pid" 2>/dev/null || break
            sleep 0.1
        done
        kill -9 "$pid" 2>/dev/null || true
    done
    slurm_pids=()
}
