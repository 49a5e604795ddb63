//! The GPUs of this machine that servers may use.

use super::{Device, LaunchArgs, LaunchError, Mps, Where};
use crate::gpu::{GpuError, GpuFacts, GpuProbe, Nvml, Recording, traces_of_a_gpu};

/// The GPUs of this machine that servers may use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Devices {
    /// In the order of the plan's GPUs; empty: models run on the CPU, or elsewhere.
    pub list: Vec<Device>,
    /// Why models that could use a GPU run on the CPU.
    pub on_cpu: Option<String>,
}

impl LaunchArgs {
    /// The GPUs of this machine that may be used: none where servers run elsewhere. Emulated models need none, and
    /// get one only where a flag speaks of GPUs.
    ///
    /// # Errors
    /// When a GPU is asked for that is not there, or the machine has one and its driver does not answer.
    pub fn devices(&self) -> Result<Devices, LaunchError> {
        if self.launcher == Where::External || !self.may_use_a_gpu() {
            return Ok(Devices::default());
        }
        let there = match &self.gpu_recording {
            Some(file) => Recording::read(file).and_then(|recording| recording.gpus()),
            None => Nvml::load().and_then(|nvml| nvml.gpus()),
        };
        self.devices_among(there, self.gpu_recording.is_some() || traces_of_a_gpu())
    }

    fn may_use_a_gpu(&self) -> bool {
        self.models != "emulated"
            || self.gpus.is_some()
            || self.mps == Mps::On
            || self.gpu_recording.is_some()
    }

    /// `has_one`: whether the machine looks as if it had a GPU, even if no driver answers.
    fn devices_among(
        &self,
        there: Result<Vec<GpuFacts>, GpuError>,
        has_one: bool,
    ) -> Result<Devices, LaunchError> {
        let (there, silent) = match there {
            Ok(there) => (there, None),
            Err(error) if has_one => {
                return Err(LaunchError::Gpu {
                    reason: error.to_string(),
                    fix: "see `validate doctor`; models would silently run on the CPU otherwise"
                        .to_owned(),
                });
            }
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        let device = |facts: &GpuFacts| Device {
            index: facts.index,
            uuid: facts.uuid.clone(),
            sms: facts.sms,
        };
        let Some(asked) = &self.gpus else {
            let list: Vec<Device> = there.iter().map(device).collect();
            let could = self.models != "emulated" && list.is_empty();
            let why = || silent.unwrap_or_else(|| "the driver sees none".to_owned());
            return Ok(Devices { list, on_cpu: could.then(why) });
        };
        let find = |&index: &u32| {
            there.iter().find(|facts| facts.index == index).map(device).ok_or_else(|| {
                let indices: Vec<String> = there.iter().map(|f| f.index.to_string()).collect();
                LaunchError::Gpu {
                    reason: match &silent {
                        Some(silent) => format!("--gpus {index}: {silent}"),
                        None => format!("there is no GPU {index}"),
                    },
                    fix: if indices.is_empty() {
                        "this machine has none that answers: see `validate doctor`".to_owned()
                    } else {
                        format!("give --gpus of {}", indices.join(", "))
                    },
                }
            })
        };
        let list = asked.iter().map(find).collect::<Result<_, _>>()?;
        Ok(Devices { list, on_cpu: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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

    fn h200() -> Result<Vec<GpuFacts>, GpuError> {
        Recording::read(RECORDING.as_ref()).and_then(|recording| recording.gpus())
    }

    fn silent() -> Result<Vec<GpuFacts>, GpuError> {
        Err(GpuError::NoDriver { reason: "no library".to_owned() })
    }

    #[test]
    fn emulated_models_leave_the_gpus_alone_unless_a_flag_speaks_of_them() {
        assert!(!args(&[]).may_use_a_gpu());
        assert_eq!(args(&[]).devices().unwrap(), Devices::default());
        assert!(!args(&["--mps", "off"]).may_use_a_gpu());
        let used: [&[&str]; 4] = [
            &["--gpus", "0"],
            &["--mps", "on"],
            &["--gpu-recording", RECORDING],
            &["--models", "torchvision"],
        ];
        for flags in used {
            assert!(args(flags).may_use_a_gpu(), "{flags:?}");
        }
        let found = args(&["--gpu-recording", RECORDING]).devices().unwrap();
        assert_eq!((found.list.len(), found.list[0].sms), (1, Some(132)));
    }

    #[test]
    fn a_gpu_that_does_not_answer_is_no_machine_without_one() {
        let real = args(&["--models", "torchvision"]);
        assert_eq!(real.devices_among(h200(), true).unwrap().on_cpu, None);
        let error = real.devices_among(silent(), true).unwrap_err().to_string();
        assert!(error.contains("no library") && error.contains("fix: "), "{error}");
        let none = real.devices_among(silent(), false).unwrap();
        assert!(none.list.is_empty() && none.on_cpu.unwrap().contains("no library"));
        let none = real.devices_among(Ok(Vec::new()), false).unwrap();
        assert_eq!(none.on_cpu.as_deref(), Some("the driver sees none"));
    }

    #[test]
    fn gpus_that_are_asked_for_have_to_be_there() {
        let second = args(&["--gpus", "3"]);
        let error = second.devices_among(h200(), true).unwrap_err().to_string();
        assert!(error.contains("there is no GPU 3; fix: give --gpus of 0"), "{error}");
        let error = second.devices_among(silent(), false).unwrap_err().to_string();
        assert!(error.contains("--gpus 3") && error.contains("no library"), "{error}");
        let error = args(&["--gpu-recording", "/nowhere"]).devices().unwrap_err().to_string();
        assert!(error.contains("the recording /nowhere"), "{error}");
    }
}
