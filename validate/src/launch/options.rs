//! How servers are started, as users say it.

use super::{
    DEFAULT_IMAGE, Device, DockerLauncher, ExternalLauncher, LaunchError, Launcher, LocalLauncher,
    ServerOptions, find_triton, in_path,
};
use crate::guard::Scratch;
use clap::{Args, ValueEnum};
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
    /// Where models use a GPU
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
    /// The GPUs that stand for those of the plan, in its order [default: all of this machine; none for emulated
    /// models]
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
}

/// This program, which has the hidden commands of guards.
fn this_program() -> Result<PathBuf, LaunchError> {
    std::env::current_exe()
        .map_err(|source| LaunchError::Start { what: "the guard".to_owned(), source })
}
