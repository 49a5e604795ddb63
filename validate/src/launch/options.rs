//! How servers are started, as users say it.

use super::local::ServerOptions;
use super::{
    DEFAULT_IMAGE, Device, DockerLauncher, ExternalLauncher, LaunchError, Launcher, LocalLauncher,
    ModelSource, ServerSpec, find_triton, in_path,
};
use crate::gpu::{GpuFacts, GpuProbe, Nvml, Recording};
use crate::guard::Scratch;
use clap::{Args, ValueEnum};
use igniter::domain::Plan;
use igniter::fit::CoefficientsFile;
use igniter::predictor::{Member, Predictor};
use igniter::run::Study;
use igniter::units::BatchSize;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where servers run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Where {
    /// Processes of this machine
    Local,
    /// Containers of NVIDIA's image on this machine
    Docker,
    /// Servers that others run, listed in the file of --servers
    External,
}

/// Whether shares of the SMs are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mps {
    /// Where there is a GPU
    Auto,
    /// Always; without a GPU that is an error
    On,
    /// Never: all servers take turns on the whole GPU
    Off,
}

/// The flags of every command that starts servers.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Servers")]
pub struct LaunchArgs {
    /// Where the servers run
    #[arg(long, value_enum, default_value = "local")]
    pub launcher: Where,
    /// What they serve: `emulated` (takes the predicted time of each batch; needs no GPU), `torchvision`,
    /// `torchvision-fp16`, or a folder of ready model repositories, one folder for each model
    #[arg(long, value_name = "WHAT", default_value = "emulated")]
    pub models: String,
    /// Emulated models take their times from this coefficients file of `igniter fit`, a GPU that the predictor
    /// does not know, instead of from the predictor itself
    #[arg(long, value_name = "FILE")]
    pub emulate: Option<PathBuf>,
    /// The GPUs that stand for those of the plan, in its order [default: all of this machine]
    #[arg(long, value_name = "INDEX", value_delimiter = ',')]
    pub gpus: Option<Vec<u32>>,
    /// Whether shares of the SMs are applied by NVIDIA MPS, with a daemon of our own for each GPU
    #[arg(long, value_enum, default_value = "auto")]
    pub mps: Mps,
    /// The program `tritonserver` [default: .triton/tritonserver, triton/ beside this program, PATH; also
    /// VALIDATE_TRITON]
    #[arg(long, value_name = "FILE")]
    pub triton: Option<PathBuf>,
    /// The image, with --launcher docker
    #[arg(long, value_name = "IMAGE", default_value = DEFAULT_IMAGE)]
    pub image: String,
    /// The servers, with --launcher external (TOML: `[[server]]` workload, url, model)
    #[arg(long, value_name = "FILE")]
    pub servers: Option<PathBuf>,
    /// The first port; each server takes the next [default: free ones]
    #[arg(long, value_name = "PORT")]
    pub first_port: Option<u16>,
    /// How long a server may take to load its model, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    pub start_limit_s: u64,
    /// Take what the GPUs say of themselves from this recording instead of the driver
    #[arg(long, value_name = "FILE", hide = true)]
    pub gpu_recording: Option<PathBuf>,
    /// Let the servers record the times of every request (for calibration: it costs some CPU)
    #[arg(long)]
    pub traces: bool,
}

impl LaunchArgs {
    /// The GPUs of this machine that may be used: none where servers run elsewhere or models need none.
    ///
    /// # Errors
    /// When a GPU is asked for that is not there.
    pub fn devices(&self) -> Result<Vec<Device>, LaunchError> {
        if self.launcher == Where::External {
            return Ok(Vec::new());
        }
        let there = match &self.gpu_recording {
            Some(file) => Recording::read(file).and_then(|recording| recording.gpus()),
            None => Nvml::load().and_then(|nvml| nvml.gpus()),
        };
        self.devices_among(there.as_deref().unwrap_or(&[]))
    }

    fn devices_among(&self, there: &[GpuFacts]) -> Result<Vec<Device>, LaunchError> {
        let device = |facts: &GpuFacts| Device {
            index: facts.index,
            uuid: facts.uuid.clone(),
            sms: facts.sms,
        };
        let Some(asked) = &self.gpus else {
            return Ok(there.iter().map(device).collect());
        };
        let find = |&index: &u32| {
            there.iter().find(|facts| facts.index == index).map(device).ok_or_else(|| {
                let indices: Vec<String> = there.iter().map(|f| f.index.to_string()).collect();
                LaunchError::Mps {
                    reason: format!("there is no GPU {index}"),
                    fix: if indices.is_empty() {
                        "this machine has none that answers: see `validate doctor`".to_owned()
                    } else {
                        format!("give --gpus of {}", indices.join(", "))
                    },
                }
            })
        };
        asked.iter().map(find).collect()
    }

    /// A temporary folder for a launcher and its servers; it has to outlive them.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn scratch(&self, prefix: &str) -> Result<Scratch, LaunchError> {
        Scratch::create(&this_program()?, prefix).map_err(LaunchError::file(&std::env::temp_dir()))
    }

    /// The launcher that was asked for, with the GPUs that it may use. `scratch` is the folder of
    /// [`LaunchArgs::scratch`].
    ///
    /// # Errors
    /// When what it needs is not there.
    pub fn launcher(
        &self,
        devices: &[Device],
        scratch: &Path,
    ) -> Result<Box<dyn Launcher>, LaunchError> {
        if self.launcher == Where::External {
            let file = self.servers.as_deref().ok_or_else(|| LaunchError::ServerFile {
                path: "--servers".into(),
                reason: "not given; fix: list the servers in a file and give it with --servers"
                    .into(),
            })?;
            return Ok(Box::new(ExternalLauncher::read(file)?));
        }
        if self.mps == Mps::On && devices.is_empty() {
            return Err(LaunchError::Mps {
                reason: "there is no GPU whose SMs could be shared".to_owned(),
                fix: "see `validate doctor`, or leave --mps out".to_owned(),
            });
        }
        let options = ServerOptions {
            devices: devices.to_vec(),
            mps: self.mps != Mps::Off && !devices.is_empty(),
            first_port: self.first_port,
            start_limit: Duration::from_secs(self.start_limit_s),
            traces: self.traces,
            exit_limit: Duration::from_secs(5),
            guard: this_program()?,
            scratch: scratch.to_owned(),
        };
        if self.launcher == Where::Local {
            let triton = find_triton(self.triton.as_deref())?;
            return Ok(Box::new(LocalLauncher { triton, options }));
        }
        let docker = in_path("docker").or_else(|| in_path("podman")).ok_or_else(|| {
            let source = std::io::Error::from(std::io::ErrorKind::NotFound);
            LaunchError::Start { what: "docker (or podman)".to_owned(), source }
        })?;
        let user = format!("{}:{}", nix::unistd::getuid(), nix::unistd::getgid());
        Ok(Box::new(DockerLauncher { docker, image: self.image.clone(), user, options }))
    }

    /// The GPU that emulated models stand for, where it is another than the predictor's.
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

    /// The servers of a plan: one for each placement, GPU by GPU.
    ///
    /// # Errors
    /// When the plan needs more GPUs than there are, or `--emulate` is for another GPU kind.
    pub fn specs(
        &self,
        study: &Study,
        plan: &Plan,
        devices: &[Device],
    ) -> Result<Vec<ServerSpec>, LaunchError> {
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
        let emulated = self.emulated()?;
        let predictor = emulated.as_ref().map_or_else(|| study.simulated(), |e| e.as_ref());
        let mut specs = plan_specs(study, plan, predictor)?;
        for spec in &mut specs {
            spec.device = devices.get(spec.gpu).map(|device| device.index);
            spec.source = match self.models.as_str() {
                "emulated" => continue,
                "torchvision" => ModelSource::Torchvision { half: false },
                "torchvision-fp16" => ModelSource::Torchvision { half: true },
                folder => ModelSource::Ready(PathBuf::from(folder).join(spec.model.as_str())),
            };
        }
        Ok(specs)
    }
}

/// This program, which has the hidden commands of guards.
fn this_program() -> Result<PathBuf, LaunchError> {
    std::env::current_exe()
        .map_err(|source| LaunchError::Start { what: "the guard".to_owned(), source })
}

/// The dimensions of an emulated model's input: small, so that one machine can carry client and servers.
const EMULATED_INPUT: [u32; 1] = [4];

/// One emulated server for each placement of a plan, on no GPU.
///
/// A batch takes as long as the predictor says for it while the other members of its GPU run with their planned
/// batch sizes: the paper's static worst case, as `[engine] interference = "static"` simulates it.
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
) -> Result<Vec<ServerSpec>, LaunchError> {
    let refused = |reason| LaunchError::Emulated { path: "--emulate".into(), reason };
    let (units, own) = (predictor.kind().units.get(), study.kind().units.get());
    if units != own {
        let reason = format!("its GPU has {units} allocation units, that of the plan {own}");
        return Err(refused(reason));
    }
    let mut specs: Vec<ServerSpec> = Vec::new();
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
            specs.push(ServerSpec {
                gpu,
                device: None,
                workload: placement.workload.clone(),
                model: placement.model.clone(),
                batch: placement.batch,
                sm: members[position].sm,
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

/// The predicted latency of each batch size of one member, in ms, rounded to µs.
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
