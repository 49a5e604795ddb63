//! The specifications of a plan's servers, from the user's options.

use super::{Device, Endpoint, LaunchArgs, LaunchError, LaunchSpec, ModelSource, Sharing, Where};
use igniter::domain::{GpuKind, Plan};
use igniter::fit::CoefficientsFile;
use igniter::predictor::{Member, Predictor};
use igniter::run::Study;
use igniter::units::{BatchSize, SmUnits};
use std::path::PathBuf;

impl LaunchArgs {
    /// Returns the predictor of the GPU that emulated models stand for, where it differs from the study's
    /// predictor.
    ///
    /// # Errors
    /// When its file cannot be used.
    pub fn emulated(&self) -> Result<Option<Box<dyn Predictor>>, LaunchError> {
        let Some(path) = &self.emulate else { return Ok(None) };
        let refused = |reason| LaunchError::Emulated { path: path.clone(), reason };
        if self.models != "emulated" {
            return Err(refused(format!("models are {}, not emulated", self.models)));
        }
        match CoefficientsFile::read(path) {
            Ok(file) => Ok(Some(file.predictor())),
            Err(error) => Err(refused(error.to_string())),
        }
    }

    /// Returns the servers of a plan: one for each placement, GPU by GPU.
    ///
    /// # Errors
    /// When the plan needs more GPUs than there are, or `--emulate` is for another GPU kind.
    pub fn specs(
        &self,
        study: &Study,
        plan: &Plan,
        devices: &[Device],
    ) -> Result<Vec<LaunchSpec>, LaunchError> {
        if !devices.is_empty() && plan.gpus.len() > devices.len() {
            return Err(LaunchError::Mps {
                reason: format!(
                    "the plan needs {} GPUs, and {} may be used",
                    plan.gpus.len(),
                    devices.len()
                ),
                fix: "choose a smaller scenario, or a machine with more GPUs".to_owned(),
            });
        }
        self.check_modes(plan, devices)?;
        if !devices.is_empty() {
            check_mechanism(study.kind(), self.sharing())?;
        }
        let emulated = self.emulated()?;
        let predictor = emulated.as_ref().map_or_else(|| study.simulated(), |e| e.as_ref());
        let mut specs = plan_specs(study, plan, predictor)?;
        for spec in &mut specs {
            self.check_threads(spec)?;
            spec.device = devices.get(spec.gpu).map(|device| device.number);
            spec.source = match self.models.as_str() {
                "emulated" => continue,
                "torchvision" => ModelSource::Torchvision { half: false },
                "torchvision-fp16" => ModelSource::Torchvision { half: true },
                folder => {
                    // The folders in the artifact have names from its plans, such as alexnet_dynamic.
                    let own = PathBuf::from(folder).join(spec.model.as_str());
                    let dynamic = PathBuf::from(folder).join(format!("{}_dynamic", spec.model));
                    let plain = spec.model.as_str().strip_suffix("_dynamic");
                    let plain = plain.map(|plain| PathBuf::from(folder).join(plain));
                    let found = [Some(own.clone()), Some(dynamic), plain];
                    let found = found.into_iter().flatten().find(|path| path.is_dir());
                    ModelSource::Ready(found.unwrap_or(own))
                }
            };
        }
        Ok(specs)
    }
}

impl LaunchArgs {
    /// Instances of the Python backend, which serves this program's own models, are processes: none waits for
    /// another.
    fn check_threads(&self, spec: &LaunchSpec) -> Result<(), LaunchError> {
        let own = matches!(self.models.as_str(), "emulated" | "torchvision" | "torchvision-fp16");
        let shared = spec.batching.shared_thread && spec.batching.instances > 1;
        if !shared || !own || self.launcher == Where::External {
            return Ok(());
        }
        Err(LaunchError::Model {
            model: spec.model.clone(),
            reason: format!(
                "batching.shared_thread: given true; allowed: false for --models {}, whose instances have processes of their own",
                self.models
            ),
            fix: "give a folder of TensorRT models with --models, or leave shared_thread out"
                .to_owned(),
        })
    }

    /// In compute mode `EXCLUSIVE_PROCESS` a GPU accepts one process; with MPS that is the MPS server.
    fn check_modes(&self, plan: &Plan, devices: &[Device]) -> Result<(), LaunchError> {
        if self.sharing() != Sharing::Off {
            return Ok(());
        }
        for (gpu, device) in plan.gpus.iter().zip(devices) {
            let mode = device.facts.as_ref().and_then(|facts| facts.compute_mode.as_deref());
            if mode == Some("ExclusiveProcess") && gpu.placements.len() > 1 {
                return Err(LaunchError::Gpu {
                    reason: format!(
                        "{} has compute mode EXCLUSIVE_PROCESS: without MPS only one of its {} servers could use it",
                        device.uuid,
                        gpu.placements.len()
                    ),
                    fix: "leave --mps off out, or as root: nvidia-smi -c DEFAULT".to_owned(),
                });
            }
        }
        Ok(())
    }
}

/// Refuses a sharing mechanism other than the one with which the profile was measured. The profile's units
/// may not exist in the other mechanism, and its numbers are of servers that share in another way. Without
/// shares anything is allowed; a run reports it.
fn check_mechanism(kind: &GpuKind, sharing: Sharing) -> Result<(), LaunchError> {
    if sharing == Sharing::Off || sharing == kind.mps {
        return Ok(());
    }
    let allowed = match kind.mps {
        Sharing::Off => "off".to_owned(),
        other => format!("{other} or off"),
    };
    Err(LaunchError::Mps {
        reason: format!(
            "--mps: given {sharing}; allowed: {allowed}, as the profile of {} was measured with mps = \"{}\"",
            kind.name, kind.mps
        ),
        fix: format!(
            "leave --mps out, or plan with a profile that was measured with --mps {sharing} (`validate facts`, `validate \
             profile`)"
        ),
    })
}

/// The dimensions of an emulated model's input: small, so that one machine can run both client and servers.
const EMULATED_INPUT: [u32; 1] = [4];

/// Returns one emulated server for each placement of a plan, without a GPU.
///
/// A batch takes as long as the predictor predicts while the other members of its GPU run with their planned
/// batch sizes: the paper's static worst case, as simulated with `[engine] interference = "static"`.
///
/// # Errors
/// When `predictor` is for a GPU with other allocation units, or does not know a model.
///
/// # Panics
/// When the plan was not made or checked for this study.
pub fn plan_specs(
    study: &Study,
    plan: &Plan,
    predictor: &dyn Predictor,
) -> Result<Vec<LaunchSpec>, LaunchError> {
    let refused = |reason| LaunchError::Emulated { path: "--emulate".into(), reason };
    let (units, own) = (predictor.kind().units.get(), study.kind().units.get());
    if units != own {
        let reason = format!("its GPU has {units} allocation units, that of the plan {own}");
        return Err(refused(reason));
    }
    let mut specs: Vec<LaunchSpec> = Vec::new();
    for (gpu, co_location) in plan.gpus.iter().enumerate() {
        let members: Vec<Member> = (co_location.placements.iter())
            .map(|placement| {
                let model = predictor.model_id(&placement.model);
                let unknown = || refused(format!("it has no model {}", placement.model));
                Ok(Member {
                    model: model.ok_or_else(unknown)?,
                    batch: placement.batch,
                    sm: placement
                        .sm
                        .to_percent(study.kind().units)
                        .expect("shares of plans are not empty"),
                })
            })
            .collect::<Result<_, LaunchError>>()?;
        for (position, placement) in co_location.placements.iter().enumerate() {
            let batching = (study.scenario().workloads.iter())
                .find(|entry| entry.workload.name == placement.workload)
                .map(|entry| entry.batching.clone())
                .expect("the plan serves workloads of the scenario");
            let largest = batching.max_batch.unwrap_or(placement.batch);
            specs.push(LaunchSpec {
                gpu,
                device: None,
                workload: placement.workload.clone(),
                model: placement.model.clone(),
                batch: placement.batch,
                sm: members[position].sm,
                unit: SmUnits::new(1).to_percent(study.kind().units).expect("a kind has units"),
                source: ModelSource::Emulated {
                    times_ms: batch_times(predictor, &members, position, largest),
                    input_dims: EMULATED_INPUT.to_vec(),
                },
                batching,
                active: true,
                replica: specs.iter().filter(|s| s.workload == placement.workload).count(),
            });
        }
    }
    Ok(specs)
}

/// Sets the durations of an emulated model's batches from now on, in ms by batch size from 1; other models
/// ignore them.
///
/// # Errors
/// When its file cannot be written.
pub fn set_times(endpoint: &Endpoint, times_ms: &[f64]) -> std::io::Result<()> {
    let Some(path) = &endpoint.times_file else { return Ok(()) };
    let times: Vec<String> = times_ms.iter().map(ToString::to_string).collect();
    // The model watches for a new file, and must not read an incomplete one.
    let part = path.with_extension("part");
    std::fs::write(&part, times.join(","))?;
    std::fs::rename(&part, path)
}

/// Returns the predicted latency of each batch size of one member, in ms, rounded to µs.
#[must_use]
pub fn batch_times(
    predictor: &dyn Predictor,
    members: &[Member],
    position: usize,
    largest: BatchSize,
) -> Vec<f64> {
    let mut members = members.to_vec();
    let mut time = |batch: u32| {
        members[position].batch = BatchSize::new(batch).expect("batches count from 1");
        let ms = predictor.predict(&members).members[position].latency_ms();
        (ms * 1e3).round() / 1e3
    };
    (1..=largest.get()).map(&mut time).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_applied_as_they_were_measured() {
        let mut kind = igniter::profile::load("v100").unwrap().kind;
        for (measured, given, fits) in [
            (Sharing::Percentage, Sharing::Percentage, true),
            (Sharing::Percentage, Sharing::Static, false),
            (Sharing::Static, Sharing::Static, true),
            (Sharing::Static, Sharing::Percentage, false),
            (Sharing::Off, Sharing::Percentage, false),
            (Sharing::Static, Sharing::Off, true),
        ] {
            kind.mps = measured;
            let checked = check_mechanism(&kind, given).map_err(|error| error.to_string());
            assert_eq!(checked.is_ok(), fits, "{measured} {given}");
            if let Err(error) = checked {
                let words = format!("given {given}; allowed: {measured}");
                assert!(error.contains(&words) && error.contains("fix: "), "{error}");
            }
        }
    }
}
