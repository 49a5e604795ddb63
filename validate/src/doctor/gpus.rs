//! Driver, GPUs and MPS.

use super::{Check, Need, Patient};
use crate::gpu::{GpuFacts, GpuProbe, Machine, THROTTLED, throttle_reasons, traces_of_a_gpu};
use crate::guard::Scratch;
use crate::launch::{MPS_CONTROL, MpsDaemon, find_control};
use std::path::Path;

pub(super) fn check(
    patient: &mut Patient,
    need: Need,
    checks: &mut Vec<Check>,
) -> (Option<Machine>, Vec<GpuFacts>) {
    let answer = match &patient.probe {
        Ok(probe) => probe
            .machine()
            .and_then(|machine| Ok((machine, probe.gpus()?)))
            .map_err(|error| error.to_string()),
        Err(reason) => Err(reason.clone()),
    };
    let (machine, gpus) = match answer {
        Ok((machine, gpus)) => {
            checks.push(Check::ok("driver", format!("{}, CUDA {}", machine.driver, machine.cuda)));
            (Some(machine), gpus)
        }
        Err(reason) => {
            let fix = if traces_of_a_gpu() {
                "a GPU's device files are there: install or mount the driver's libraries (libnvidia-ml.so.1, \
                 libcuda.so.1), in a container with NVIDIA's container toolkit"
            } else {
                "to measure GPUs, use a machine with an NVIDIA GPU and its driver; emulated models need none"
            };
            checks.push(Check::missing("driver", reason, fix).for_gpus(need));
            (None, Vec::new())
        }
    };
    if machine.is_some() && gpus.is_empty() {
        checks.push(
            Check::missing(
                "GPU",
                "the driver sees none",
                "let this machine or container have a GPU",
            )
            .for_gpus(need),
        );
    }
    if let Ok(probe) = &mut patient.probe {
        for gpu in &gpus {
            check_gpu(gpu, probe.as_mut(), checks);
        }
    }
    check_mps(patient, need, &gpus, checks);
    (machine, gpus)
}

fn check_gpu(gpu: &GpuFacts, probe: &mut dyn GpuProbe, checks: &mut Vec<Check>) {
    let told = |value: Option<String>| value.unwrap_or_else(|| "?".to_owned());
    let found = format!(
        "{}: {}, {} SMs, {} GiB, compute capability {}, PCIe {} x{}",
        gpu.index,
        gpu.name,
        told(gpu.sms.map(|sms| sms.to_string())),
        told(gpu.memory_bytes.map(|bytes| (bytes >> 30).to_string())),
        told(gpu.compute_capability.clone()),
        told(gpu.pcie_generation.map(|generation| generation.to_string())),
        told(gpu.pcie_width.map(|width| width.to_string())),
    );
    checks.push(match (&gpu.compute_mode, gpu.mig) {
        (Some(mode), _) if mode == "Prohibited" => Check::missing(
            "GPU",
            format!("{found}; compute mode Prohibited"),
            format!("as root: nvidia-smi -i {} -c DEFAULT", gpu.index),
        ),
        (_, Some(true)) => Check::warning(
            "GPU",
            format!("{found}; cut into MIG slices"),
            "shares are of one slice then; ask the owner for a GPU without MIG",
        ),
        _ => Check::ok("GPU", found),
    });
    checks.push(check_power(gpu));
    match probe.sample(gpu.index) {
        Err(error) => {
            checks.push(Check::warning("clock", error.to_string(), "look at nvidia-smi -q"))
        }
        Ok(sample) => {
            let bits = sample.throttle.unwrap_or(0);
            let found = format!(
                "{}: {} of {} MHz, {} W, {} °C, {}",
                gpu.index,
                told(sample.sm_clock_mhz.map(|clock| clock.to_string())),
                told(gpu.max_sm_clock_mhz.map(|clock| clock.to_string())),
                told(sample.power_w.map(|power| format!("{power:.0}"))),
                told(sample.temperature_c.map(|temperature| temperature.to_string())),
                if bits == 0 {
                    "not limited".to_owned()
                } else {
                    throttle_reasons(bits).join(", ")
                },
            );
            checks.push(if bits & THROTTLED == 0 {
                Check::ok("clock", found)
            } else {
                Check::warning(
                    "clock",
                    found,
                    "wait until the GPU is cool and idle; ask who else uses it",
                )
            });
            let busy = sample.busy_pct.unwrap_or(0);
            if busy > 5 {
                checks.push(Check::warning(
                    "idle",
                    format!("{}: busy {busy} % of the time", gpu.index),
                    "wait until nobody else uses this GPU: measurements would be of both",
                ));
            }
        }
    }
}

fn check_power(gpu: &GpuFacts) -> Check {
    let Some(limit) = gpu.power_limit_w else {
        return Check::warning(
            "power limit",
            format!("{}: it does not say", gpu.index),
            "power stays unmeasured in results",
        );
    };
    let found = format!("{}: {limit} W", gpu.index);
    match gpu.default_power_limit_w {
        Some(default) if limit < default - 0.5 => Check::warning(
            "power limit",
            format!("{found}, lowered from {default} W"),
            "results are for this limit; note it with them",
        ),
        _ => Check::ok("power limit", found),
    }
}

fn check_mps(patient: &Patient, need: Need, gpus: &[GpuFacts], checks: &mut Vec<Check>) {
    let Some(control) = find_control() else {
        let fix = "install the driver's compute utilities (Debian: nvidia-cuda-mps; in a container the toolkit \
            brings them with the capability `compute`); without MPS, servers take turns on the whole GPU (--mps off)";
        checks.push(
            Check::missing("MPS control", format!("no {MPS_CONTROL} in PATH"), fix).for_gpus(need),
        );
        return;
    };
    checks.push(Check::ok("MPS control", control.display().to_string()));
    if Path::new("/tmp/nvidia-mps/control").exists() {
        checks.push(Check::warning(
            "other MPS",
            "a daemon has its pipes in /tmp/nvidia-mps",
            "ours uses folders of its own, but a GPU serves the MPS clients of one user at a time: end the other",
        ));
    }
    let Some(gpu) = gpus.first().filter(|_| patient.start) else { return };
    let scratch = Scratch::create(&patient.guard, "igniter-doctor-");
    let started = scratch.map_err(|error| error.to_string()).and_then(|folder| {
        MpsDaemon::start(&patient.guard, &gpu.uuid, folder.path(), folder.path())
            .map(drop)
            .map_err(|error| error.to_string())
    });
    checks.push(match started {
        Ok(()) => Check::ok("MPS daemon", "it starts and ends"),
        Err(reason) => Check::missing(
            "MPS daemon",
            reason,
            "without MPS, servers take turns on the whole GPU (--mps off)",
        )
        .for_gpus(need),
    });
}
