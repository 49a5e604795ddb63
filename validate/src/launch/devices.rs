//! The GPUs of this machine that servers may use.

use super::{Device, LaunchArgs, LaunchError, Sharing, Where};
use crate::gpu::{
    DriverFacts, GpuError, GpuProbe, Inventory, Nvml, Recording, VisibleGpu, traces_of_a_gpu,
    visible,
};
use std::env;

/// The GPUs of this machine that servers may use.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Devices {
    /// The devices, in the order of the plan's GPUs; empty where models run on the CPU, or elsewhere.
    pub list: Vec<Device>,
    /// Facts about the driver, where there are any devices.
    pub machine: Option<DriverFacts>,
    /// The reason why models that could use a GPU run on the CPU.
    pub on_cpu: Option<String>,
    /// GPUs that were left out, and why.
    pub left_out: Vec<String>,
}

/// The parts of the program's environment that affect the choice of GPUs.
#[derive(Debug, Clone, Default)]
struct GpuEnvironment {
    /// `CUDA_VISIBLE_DEVICES`.
    visible: Option<String>,
    /// `CUDA_DEVICE_ORDER`.
    order: Option<String>,
    /// Whether the machine appears to have a GPU, even if no driver answers.
    has_one: bool,
}

impl LaunchArgs {
    /// Returns the GPUs of this machine that may be used; none where servers run elsewhere. Emulated models
    /// need none, and get one only where a flag refers to GPUs. GPUs hidden by `CUDA_VISIBLE_DEVICES` are not
    /// used.
    ///
    /// # Errors
    /// When a requested GPU does not exist, or the machine has one and its driver does not answer.
    pub fn devices(&self) -> Result<Devices, LaunchError> {
        if self.launcher == Where::External || !self.may_use_a_gpu() {
            return Ok(Devices::default());
        }
        let ask = |probe: &dyn GpuProbe| Ok((probe.inventory()?, probe.machine().ok()));
        let there = match &self.gpu_recording {
            Some(file) => Recording::read(file).and_then(|recording| ask(&recording)),
            None => Nvml::load().and_then(|nvml| ask(&nvml)),
        };
        let around = GpuEnvironment {
            visible: env::var("CUDA_VISIBLE_DEVICES").ok(),
            order: env::var("CUDA_DEVICE_ORDER").ok(),
            has_one: self.gpu_recording.is_some() || traces_of_a_gpu(),
        };
        self.devices_among(there, &around)
    }

    fn may_use_a_gpu(&self) -> bool {
        self.models != "emulated"
            || self.gpus.is_some()
            || self.mps.is_on()
            || self.gpu_recording.is_some()
    }

    fn devices_among(
        &self,
        there: Result<(Inventory, Option<DriverFacts>), GpuError>,
        around: &GpuEnvironment,
    ) -> Result<Devices, LaunchError> {
        let (inventory, machine) = match there {
            Ok(there) => there,
            Err(error) if around.has_one => {
                return Err(LaunchError::Gpu {
                    reason: error.to_string(),
                    fix: "see `validate doctor`; models would silently run on the CPU otherwise"
                        .to_owned(),
                });
            }
            Err(error) if self.gpus.is_some() => {
                return Err(LaunchError::Gpu {
                    reason: format!(
                        "--gpus {}: {error}",
                        self.gpus.iter().flatten().next().map_or("", String::as_str)
                    ),
                    fix: "this machine has none that answers: see `validate doctor`".to_owned(),
                });
            }
            Err(error) => return Ok(Devices::without(self, error.to_string())),
        };
        let refused = |reason| LaunchError::Gpu {
            reason,
            fix: "see `validate doctor` and `nvidia-smi -L`".to_owned(),
        };
        let allowed = visible(&inventory, around.visible.as_deref(), around.order.as_deref())
            .map_err(refused)?;
        let mut left_out: Vec<String> =
            inventory.silent.iter().map(|(_, error)| error.to_string()).collect();
        let chosen = match &self.gpus {
            Some(asked) => asked
                .iter()
                .map(|asked| find(asked, &allowed, &inventory, around))
                .collect::<Result<Vec<_>, _>>()?,
            None if around.visible.is_some() => allowed,
            // The user has to state which slice is meant.
            None => {
                let (whole, slices): (Vec<_>, Vec<_>) =
                    allowed.into_iter().partition(|choice| choice.slice.is_none());
                let named: Vec<&str> = slices.iter().map(VisibleGpu::uuid).collect();
                if whole.is_empty() && !named.is_empty() {
                    return Err(LaunchError::Gpu {
                        reason: "the GPU is cut into MIG slices".to_owned(),
                        fix: format!("choose slices with --gpus, of {}", named.join(", ")),
                    });
                }
                left_out.extend(
                    named.iter().map(|uuid| format!("{uuid} is a MIG slice; --gpus takes it")),
                );
                whole
            }
        };
        if chosen.is_empty() {
            let why = if around.visible.is_some() {
                "CUDA_VISIBLE_DEVICES hides them all".to_owned()
            } else if left_out.is_empty() {
                "the driver sees none".to_owned()
            } else {
                left_out.join("; ")
            };
            if around.visible.is_none() && !left_out.is_empty() {
                return Err(refused(why));
            }
            return Ok(Devices { left_out, ..Devices::without(self, why) });
        }
        let list: Vec<Device> =
            (0..).zip(&chosen).map(|(number, choice)| Device::of(number, choice)).collect();
        if let Some(twice) =
            list.iter().find(|d| list.iter().filter(|o| o.uuid == d.uuid).count() > 1)
        {
            return Err(LaunchError::Gpu {
                reason: format!("--gpus: {} is given twice", twice.uuid),
                fix: "give each GPU once".to_owned(),
            });
        }
        for device in &list {
            self.check_device(device)?;
        }
        Ok(Devices { list, machine, on_cpu: None, left_out })
    }

    /// Refuses a GPU that cannot do what the options require.
    fn check_device(&self, device: &Device) -> Result<(), LaunchError> {
        let wrong =
            |reason: String, fix: &str| Err(LaunchError::Gpu { reason, fix: fix.to_owned() });
        let Some(facts) = &device.facts else { return Ok(()) };
        let called = format!("{} ({})", facts.name, device.uuid);
        if facts.compute_mode.as_deref() == Some("Prohibited") {
            return wrong(
                format!("{called} has compute mode Prohibited, which lets nobody use it"),
                "as root: nvidia-smi -c DEFAULT; or choose another one with --gpus",
            );
        }
        if self.sharing() != Sharing::Off && facts.limits_shares() == Some(false) {
            return wrong(
                format!(
                    "{called} has compute capability {}, whose MPS cannot limit the SMs of a client",
                    facts.compute_capability.as_deref().unwrap_or("?")
                ),
                "shares of SMs need Volta (7.0) or later; without them: --mps off",
            );
        }
        Ok(())
    }
}

impl Devices {
    fn without(args: &LaunchArgs, why: String) -> Self {
        let could = args.models != "emulated";
        Self { on_cpu: could.then_some(why), ..Self::default() }
    }
}

impl Device {
    fn of(number: u32, choice: &VisibleGpu) -> Self {
        Self {
            number,
            index: choice.gpu.index,
            uuid: choice.uuid().to_owned(),
            sms: choice.sms(),
            facts: Some(Box::new(choice.gpu.clone())),
        }
    }
}

/// Finds a GPU by its `nvidia-smi` index or its UUID.
fn find(
    asked: &str,
    allowed: &[VisibleGpu],
    inventory: &Inventory,
    around: &GpuEnvironment,
) -> Result<VisibleGpu, LaunchError> {
    let asked = asked.trim();
    let wrong = |reason: String, fix: String| LaunchError::Gpu { reason, fix };
    let known = || {
        allowed.iter().map(|choice| match choice.slice {
            Some(_) => choice.uuid().to_owned(),
            None => choice.gpu.index.to_string(),
        })
    };
    let index = asked.parse::<u32>().ok();
    let fits = |choice: &&VisibleGpu| match index {
        Some(index) => choice.gpu.index == index,
        None => !asked.is_empty() && choice.uuid().starts_with(asked),
    };
    let found: Vec<&VisibleGpu> = allowed.iter().filter(fits).collect();
    if index.is_some() && found.iter().any(|choice| choice.slice.is_some()) {
        let slices: Vec<&str> = found.iter().map(|choice| choice.uuid()).collect();
        return Err(wrong(
            format!("GPU {asked} is cut into MIG slices"),
            format!("choose slices with --gpus, of {}", slices.join(", ")),
        ));
    }
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => {
            let there = |gpu: &crate::gpu::GpuFacts| {
                Some(gpu.index) == index || gpu.uuid.starts_with(asked)
            };
            let silent = inventory.silent.iter().find(|(silent, _)| Some(*silent) == index);
            if let Some((_, error)) = silent {
                let known: Vec<String> = known().collect();
                return Err(wrong(
                    error.to_string(),
                    format!("give --gpus of {}", known.join(", ")),
                ));
            }
            if let Some(list) =
                around.visible.as_deref().filter(|_| inventory.gpus.iter().any(there))
            {
                return Err(wrong(
                    format!("--gpus {asked}: CUDA_VISIBLE_DEVICES={list} hides this GPU"),
                    "give --gpus of what it shows, by UUID, or unset CUDA_VISIBLE_DEVICES"
                        .to_owned(),
                ));
            }
            let known: Vec<String> = known().collect();
            Err(wrong(
                format!("there is no GPU {asked}"),
                format!("give --gpus of {}", known.join(", ")),
            ))
        }
        several => {
            let uuids: Vec<&str> = several.iter().map(|choice| choice.uuid()).collect();
            Err(wrong(
                format!("--gpus {asked} is the beginning of several UUIDs"),
                format!("give one of {}", uuids.join(", ")),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::{GpuFacts, MigDevice};
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Flags {
        #[command(flatten)]
        launch: LaunchArgs,
    }

    fn args(flags: &[&str]) -> LaunchArgs {
        Flags::parse_from([&["validate"], flags].concat()).launch
    }

    const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/nvml_h200.json");

    type There = Result<(Inventory, Option<DriverFacts>), GpuError>;

    fn h200() -> There {
        let recording = Recording::read(RECORDING.as_ref())?;
        Ok((recording.inventory()?, recording.machine().ok()))
    }

    fn gpus(change: impl FnOnce(&mut Vec<GpuFacts>)) -> There {
        let (mut inventory, machine) = h200()?;
        let mut second = inventory.gpus[0].clone();
        (second.index, second.uuid) = (1, "GPU-11111111-1".to_owned());
        inventory.gpus.push(second);
        change(&mut inventory.gpus);
        Ok((inventory, machine))
    }

    fn silent() -> There {
        Err(GpuError::NoDriver { reason: "no library".to_owned() })
    }

    fn around(visible: Option<&str>) -> GpuEnvironment {
        GpuEnvironment { visible: visible.map(str::to_owned), order: None, has_one: true }
    }

    #[test]
    fn emulated_models_leave_the_gpus_alone_unless_a_flag_speaks_of_them() {
        assert!(!args(&[]).may_use_a_gpu());
        assert_eq!(args(&[]).devices().unwrap(), Devices::default());
        assert!(!args(&["--mps", "off"]).may_use_a_gpu());
        let used: [&[&str]; 5] = [
            &["--gpus", "0"],
            &["--mps", "on"],
            &["--mps", "static"],
            &["--gpu-recording", RECORDING],
            &["--models", "torchvision"],
        ];
        for flags in used {
            assert!(args(flags).may_use_a_gpu(), "{flags:?}");
        }
    }

    #[test]
    fn a_gpu_that_does_not_answer_is_no_machine_without_one() {
        let real = args(&["--models", "torchvision"]);
        assert_eq!(real.devices_among(h200(), &around(None)).unwrap().on_cpu, None);
        let error = real.devices_among(silent(), &around(None)).unwrap_err().to_string();
        assert!(error.contains("no library") && error.contains("fix: "), "{error}");
        let nowhere = GpuEnvironment::default();
        let none = real.devices_among(silent(), &nowhere).unwrap();
        assert!(none.list.is_empty() && none.on_cpu.unwrap().contains("no library"));
        let none = real.devices_among(Ok((Inventory::default(), None)), &nowhere).unwrap();
        assert_eq!(none.on_cpu.as_deref(), Some("the driver sees none"));
    }

    #[test]
    fn gpus_that_are_asked_for_have_to_be_there() {
        let second = args(&["--gpus", "3"]);
        let error = second.devices_among(h200(), &around(None)).unwrap_err().to_string();
        assert!(error.contains("there is no GPU 3; fix: give --gpus of 0"), "{error}");
        let error =
            second.devices_among(silent(), &GpuEnvironment::default()).unwrap_err().to_string();
        assert!(error.contains("--gpus 3") && error.contains("no library"), "{error}");
        let error = args(&["--gpu-recording", "/nowhere"]).devices().unwrap_err().to_string();
        assert!(error.contains("the recording /nowhere"), "{error}");
    }

    #[test]
    fn what_the_environment_hides_is_not_used() {
        let uuids = |flags: &[&str], visible| -> Result<Vec<String>, String> {
            let devices = args(flags).devices_among(gpus(|_| {}), &around(visible));
            let devices = devices.map_err(|error| error.to_string())?;
            Ok(devices.list.iter().map(|device| device.uuid[..6].to_owned()).collect())
        };
        let torch = ["--models", "torchvision"];
        assert_eq!(uuids(&torch, None).unwrap(), ["GPU-00", "GPU-11"]);
        assert_eq!(uuids(&torch, Some("1")).unwrap(), ["GPU-11"]);
        assert_eq!(uuids(&["--gpus", "1,0"], None).unwrap(), ["GPU-11", "GPU-00"]);
        assert_eq!(uuids(&["--gpus", "GPU-11"], None).unwrap(), ["GPU-11"]);
        let hidden = uuids(&["--gpus", "0"], Some("1")).unwrap_err();
        assert!(hidden.contains("CUDA_VISIBLE_DEVICES=1 hides this GPU"), "{hidden}");
        assert!(uuids(&["--gpus", "GPU"], None).unwrap_err().contains("several UUIDs"));
        assert!(uuids(&["--gpus", "1,GPU-11"], None).unwrap_err().contains("given twice"));
        let all = args(&torch).devices_among(gpus(|_| {}), &around(Some(""))).unwrap();
        assert_eq!(all.on_cpu.as_deref(), Some("CUDA_VISIBLE_DEVICES hides them all"));
    }

    #[test]
    fn slices_are_used_where_they_are_named() {
        let slice =
            |n: u32| MigDevice { uuid: format!("MIG-{n}"), sms: Some(16), memory_bytes: None };
        let cut = || {
            gpus(|gpus| {
                gpus.truncate(1);
                gpus[0].mig = Some(true);
                gpus[0].mig_devices = vec![slice(0), slice(1)];
            })
        };
        let said = |flags: &[&str]| {
            args(flags).devices_among(cut(), &around(None)).unwrap_err().to_string()
        };
        for flags in [&["--models", "torchvision"][..], &["--gpus", "0"]] {
            let error = said(flags);
            assert!(
                error.contains("cut into MIG slices") && error.contains("MIG-0, MIG-1"),
                "{error}"
            );
        }
        let used = args(&["--gpus", "MIG-1,MIG-0"]).devices_among(cut(), &around(None)).unwrap();
        let facts: Vec<_> = used.list.iter().map(|d| (d.number, d.index, d.sms)).collect();
        assert_eq!(facts, [(0, 0, Some(16)), (1, 0, Some(16))]);
    }

    #[test]
    fn gpus_that_cannot_do_it_are_refused() {
        let error = |flags: &[&str], change: fn(&mut GpuFacts)| {
            let there = gpus(|gpus| change(&mut gpus[0]));
            args(flags).devices_among(there, &around(None)).map_err(|error| error.to_string())
        };
        let torch = ["--models", "torchvision"];
        let old = error(&torch, |gpu| gpu.compute_capability = Some("6.1".to_owned()));
        assert!(old.unwrap_err().contains("cannot limit the SMs"));
        let off = ["--models", "torchvision", "--mps", "off"];
        assert!(error(&off, |gpu| gpu.compute_capability = Some("6.1".to_owned())).is_ok());
        let closed = error(&torch, |gpu| gpu.compute_mode = Some("Prohibited".to_owned()));
        assert!(closed.unwrap_err().contains("Prohibited"));
    }
}
