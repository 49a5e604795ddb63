//! Checks of the driver, GPUs and MPS.

use super::{DoctorCheck, DoctorOptions, MachineNeed};
use crate::facts::{ShareTrial, default_python, try_client};
use crate::gpu::{
    DriverFacts, GpuFacts, GpuProbe, Inventory, THROTTLED, VisibleGpu, throttle_reasons,
    traces_of_a_gpu, visible,
};
use crate::guard::ScratchFolder;
use crate::launch::{Device, MPS_CONTROL, MpsDaemon, Sharing, find_control};
use std::path::Path;

pub(super) fn check(
    options: &mut DoctorOptions,
    need: MachineNeed,
    checks: &mut Vec<DoctorCheck>,
) -> (Option<DriverFacts>, Vec<GpuFacts>) {
    let answer = match &options.probe {
        Ok(probe) => probe
            .machine()
            .and_then(|machine| Ok((machine, probe.inventory()?)))
            .map_err(|error| error.to_string()),
        Err(reason) => Err(reason.clone()),
    };
    let (machine, inventory) = match answer {
        Ok((machine, inventory)) => {
            checks.push(DoctorCheck::ok(
                "driver",
                format!("{}, CUDA {}", machine.driver, machine.cuda),
            ));
            (Some(machine), inventory)
        }
        Err(reason) => {
            let fix = if traces_of_a_gpu() {
                "a GPU's device files are there: install or mount the driver's libraries (libnvidia-ml.so.1, \
                 libcuda.so.1), in a container with NVIDIA's container toolkit"
            } else {
                "to measure GPUs, use a machine with an NVIDIA GPU and its driver; emulated models need none"
            };
            checks.push(DoctorCheck::missing("driver", reason, fix).for_gpus(need));
            (None, Inventory::default())
        }
    };
    for (_, error) in &inventory.silent {
        checks.push(DoctorCheck::warning(
            "GPU",
            error.to_string(),
            "it is left out; see `nvidia-smi`, and who may use it",
        ));
    }
    let first = check_visible(&inventory, need, checks);
    let gpus = inventory.gpus;
    if machine.is_some() && gpus.is_empty() {
        checks.push(
            DoctorCheck::missing(
                "GPU",
                "the driver sees none",
                "let this machine or container have a GPU",
            )
            .for_gpus(need),
        );
    }
    if let Ok(probe) = &mut options.probe {
        for gpu in &gpus {
            check_gpu(gpu, probe.as_mut(), checks);
        }
    }
    check_mps(options, need, first.as_ref(), checks);
    (machine, gpus)
}

/// Checks which GPUs `CUDA_VISIBLE_DEVICES` shows; returns the first GPU that would be used.
fn check_visible(
    inventory: &Inventory,
    need: MachineNeed,
    checks: &mut Vec<DoctorCheck>,
) -> Option<Device> {
    let [list, order] =
        ["CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"].map(|name| std::env::var(name).ok());
    let fix = "set it to the UUIDs of GPUs of this machine (`nvidia-smi -L`), or unset it";
    let chosen = match visible(inventory, list.as_deref(), order.as_deref()) {
        Ok(chosen) => chosen,
        Err(reason) => {
            checks.push(DoctorCheck::missing("visible GPUs", reason, fix).for_gpus(need));
            return None;
        }
    };
    if let Some(list) = list.filter(|_| !inventory.gpus.is_empty()) {
        let uuids: Vec<&str> = chosen.iter().map(VisibleGpu::uuid).collect();
        let found = format!("CUDA_VISIBLE_DEVICES={list}: {}", uuids.join(", "));
        checks.push(if uuids.is_empty() {
            DoctorCheck::missing("visible GPUs", found + "none", fix).for_gpus(need)
        } else {
            DoctorCheck::ok("visible GPUs", found)
        });
    }
    let first = chosen.first()?;
    Some(Device {
        number: 0,
        index: first.gpu.index,
        uuid: first.uuid().to_owned(),
        sms: first.sms(),
        facts: Some(Box::new(first.gpu.clone())),
    })
}

fn check_gpu(gpu: &GpuFacts, probe: &mut dyn GpuProbe, checks: &mut Vec<DoctorCheck>) {
    let or_unknown = |value: Option<String>| value.unwrap_or_else(|| "?".to_owned());
    let found = format!(
        "{}: {}, {} SMs, {} GiB, compute capability {}, PCIe {} x{}",
        gpu.index,
        gpu.name,
        or_unknown(gpu.sms.map(|sms| sms.to_string())),
        or_unknown(gpu.memory_bytes.map(|bytes| (bytes >> 30).to_string())),
        or_unknown(gpu.compute_capability.clone()),
        or_unknown(gpu.pcie_generation.map(|generation| generation.to_string())),
        or_unknown(gpu.pcie_width.map(|width| width.to_string())),
    );
    checks.push(match (&gpu.compute_mode, gpu.mig) {
        (Some(mode), _) if mode == "Prohibited" => DoctorCheck::missing(
            "GPU",
            format!("{found}; compute mode Prohibited"),
            format!("as root: nvidia-smi -i {} -c DEFAULT", gpu.index),
        ),
        (_, Some(true)) => {
            let slices = gpu.mig_devices.iter().map(|slice| {
                format!("{} ({} SMs)", slice.uuid, or_unknown(slice.sms.map(|sms| sms.to_string())))
            });
            DoctorCheck::warning(
                "GPU",
                format!("{found}; cut into MIG slices: {}", slices.collect::<Vec<_>>().join(", ")),
                "name the slices that are to be used with --gpus; shares are of one slice then",
            )
        }
        _ => match gpu.limits_shares() {
            Some(true) => DoctorCheck::ok("GPU", found),
            Some(false) => DoctorCheck::warning(
                "GPU",
                found,
                "MPS cannot limit the SMs of a client before Volta (7.0): use --mps off",
            ),
            None => DoctorCheck::warning(
                "GPU",
                found,
                "it does not tell its compute capability: whether MPS can limit shares is not known",
            ),
        },
    });
    if gpu.compute_mode.as_deref() == Some("ExclusiveProcess") {
        checks.push(DoctorCheck::warning(
            "compute mode",
            format!("{}: EXCLUSIVE_PROCESS", gpu.index),
            "with MPS this is fine; with --mps off only one server can use the GPU (as root: nvidia-smi -c DEFAULT)",
        ));
    }
    checks.push(check_power(gpu));
    match probe.sample(gpu.index) {
        Err(error) => {
            checks.push(DoctorCheck::warning("clock", error.to_string(), "look at nvidia-smi -q"))
        }
        Ok(sample) => {
            let bits = sample.throttle.unwrap_or(0);
            let unknown = sample.throttle.is_none() || sample.sm_clock_mhz.is_none();
            let found = format!(
                "{}: {} of {} MHz, {} W, {} °C, {}",
                gpu.index,
                or_unknown(sample.sm_clock_mhz.map(|clock| clock.to_string())),
                or_unknown(gpu.max_sm_clock_mhz.map(|clock| clock.to_string())),
                or_unknown(sample.power_w.map(|power| format!("{power:.0}"))),
                or_unknown(sample.temperature_c.map(|temperature| temperature.to_string())),
                match sample.throttle {
                    None => "it does not say whether its clock is limited".to_owned(),
                    Some(0) => "not limited".to_owned(),
                    Some(bits) => throttle_reasons(bits).join(", "),
                },
            );
            checks.push(if unknown {
                DoctorCheck::warning(
                    "clock",
                    found,
                    "a clock that falls during a run would not be seen; look at `nvidia-smi -q -d PERFORMANCE` then",
                )
            } else if bits & THROTTLED == 0 {
                DoctorCheck::ok("clock", found)
            } else {
                DoctorCheck::warning(
                    "clock",
                    found,
                    "wait until the GPU is cool and idle; ask who else uses it",
                )
            });
            let Some(busy) = sample.busy_pct else {
                checks.push(DoctorCheck::warning(
                    "idle",
                    format!("{}: it does not say whether somebody uses it", gpu.index),
                    "make sure that nobody else uses this GPU: measurements would be of both",
                ));
                return;
            };
            if busy > 5 {
                checks.push(DoctorCheck::warning(
                    "idle",
                    format!("{}: busy {busy} % of the time", gpu.index),
                    "wait until nobody else uses this GPU: measurements would be of both",
                ));
            }
        }
    }
}

fn check_power(gpu: &GpuFacts) -> DoctorCheck {
    let Some(limit) = gpu.power_limit_w else {
        return DoctorCheck::warning(
            "power limit",
            format!("{}: it does not say", gpu.index),
            "power stays unmeasured in results",
        );
    };
    let found = format!("{}: {limit} W", gpu.index);
    match gpu.default_power_limit_w {
        None => DoctorCheck::warning(
            "power limit",
            format!("{found}; it does not say whether that was lowered"),
            "results are for this limit; note it with them",
        ),
        Some(default) if limit < default - 0.5 => DoctorCheck::warning(
            "power limit",
            format!("{found}, lowered from {default} W"),
            "results are for this limit; note it with them",
        ),
        _ => DoctorCheck::ok("power limit", found),
    }
}

fn check_mps(
    options: &DoctorOptions,
    need: MachineNeed,
    gpu: Option<&Device>,
    checks: &mut Vec<DoctorCheck>,
) {
    let Some(control) = find_control() else {
        let fix = "install the driver's compute utilities (Debian: nvidia-cuda-mps; in a container the toolkit \
            brings them with the capability `compute`); without MPS, servers take turns on the whole GPU (--mps off)";
        checks.push(
            DoctorCheck::missing("MPS control", format!("no {MPS_CONTROL} in PATH"), fix)
                .for_gpus(need),
        );
        return;
    };
    checks.push(DoctorCheck::ok("MPS control", control.display().to_string()));
    if Path::new("/tmp/nvidia-mps/control").exists() {
        checks.push(DoctorCheck::warning(
            "other MPS",
            "a daemon has its pipes in /tmp/nvidia-mps",
            "ours uses folders of its own, but a GPU serves the MPS clients of one user at a time: end the other",
        ));
    }
    let Some(gpu) = gpu.filter(|_| options.start) else { return };
    let scratch = ScratchFolder::create(&options.guard, "igniter-doctor-");
    let tried = scratch.map_err(|error| error.to_string()).and_then(|folder| {
        let python = default_python();
        try_client(python.as_deref(), gpu, &options.guard, folder.path())
    });
    let fix = "see the reason; without MPS, servers take turns on the whole GPU (--mps off)";
    checks.push(match tried {
        Ok(ShareTrial::Limited { pct, seen, total, attached }) => {
            let found = format!("a client with {pct} % sees {seen} of {total} SMs");
            if attached {
                DoctorCheck::ok("MPS daemon", found)
            } else {
                DoctorCheck::warning(
                    "MPS daemon",
                    format!("{found}, but the daemon does not list it as a client"),
                    "run `validate facts`: it shows what shares really do here",
                )
            }
        }
        Ok(ShareTrial::Unlimited { pct, seen, total }) => DoctorCheck::missing(
            "MPS daemon",
            format!("it starts, but a client with {pct} % sees {seen} of {total} SMs: no share is applied"),
            fix,
        )
        .for_gpus(need),
        Ok(ShareTrial::Unknown(reason)) => DoctorCheck::warning(
            "MPS daemon",
            format!("it starts; whether a client can use it is not known: {reason}"),
            "install python3 for this check, or run `validate facts --python FILE`",
        ),
        Err(reason) => DoctorCheck::missing("MPS daemon", reason, fix).for_gpus(need),
    });
    checks.push(static_partitions(options, gpu));
}

/// Checks by trial whether the daemon can create static partitions.
fn static_partitions(options: &DoctorOptions, gpu: &Device) -> DoctorCheck {
    let unneeded = |found: String| DoctorCheck {
        status: super::Status::Unneeded,
        ..DoctorCheck::missing("static partitions", found, "--mps percentage does without")
    };
    let scratch = match ScratchFolder::create(&options.guard, "igniter-doctor-") {
        Ok(scratch) => scratch,
        Err(error) => return unneeded(error.to_string()),
    };
    let daemon = MpsDaemon::start(
        &options.guard,
        &gpu.uuid,
        scratch.path(),
        scratch.path(),
        Sharing::Static,
    );
    match daemon.and_then(|daemon| daemon.table()) {
        Ok(table) => DoctorCheck::ok(
            "static partitions",
            format!("{} chunks, {} SMs free (--mps static)", table.chunks(), table.free_sms),
        ),
        Err(error) => {
            let reason = error.to_string();
            unneeded(reason.split("; fix: ").next().unwrap_or_default().to_owned())
        }
    }
}
