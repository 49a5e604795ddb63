//! Command-line options for starting servers.

use super::{
    DEFAULT_IMAGE, Device, DockerLauncher, ExternalLauncher, LaunchError, Launcher, LocalLauncher,
    Release, ServerOptions, Sharing, find_triton, in_path, triton,
};
use crate::guard::ScratchFolder;
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where servers run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Where {
    /// As processes on this machine
    Local,
    /// As containers of NVIDIA's image on this machine
    Docker,
    /// Elsewhere: they already run, and the file of --servers lists them
    External,
}

/// Whether shares of the SMs are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Mps {
    /// As the profile was measured, if models use a GPU; by percentages where it does not say
    Auto,
    /// By percentages, which limit each server; the SMs of two servers may overlap. An error without a GPU
    #[value(alias = "on")]
    Percentage,
    /// By static partitions, whose SMs no other server can use (CUDA 13.1, Ampere and later)
    Static,
    /// Not at all: all servers take turns on the whole GPU
    Off,
}

impl Mps {
    /// Returns whether shares are requested, with or without a GPU.
    pub(super) fn is_on(self) -> bool {
        matches!(self, Self::Percentage | Self::Static)
    }
}

/// The flags of every command that starts servers.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Servers")]
pub struct LaunchArgs {
    /// Where the servers run
    #[arg(long, value_enum, default_value = "local")]
    pub launcher: Where,
    /// What the servers serve: `emulated` (takes the predicted time of each batch; needs no GPU), `torchvision`,
    /// `torchvision-fp16`, or a folder of ready model repositories, one folder for each model
    #[arg(long, value_name = "WHAT", default_value = "emulated")]
    pub models: String,
    /// Let emulated models take their times from this coefficients file of `igniter fit`, as a GPU that the predictor
    /// does not know, instead of from the predictor
    #[arg(long, value_name = "FILE")]
    pub emulate: Option<PathBuf>,
    /// The GPUs to use for those of the plan, in its order: `nvidia-smi` indices or UUIDs, also of MIG slices
    /// [default: all that CUDA_VISIBLE_DEVICES shows; none for emulated models]
    #[arg(long, value_name = "INDEX|UUID", value_delimiter = ',')]
    pub gpus: Option<Vec<String>>,
    /// How NVIDIA MPS shares the SMs; the program starts one daemon for each GPU
    #[arg(long, value_enum, default_value = "auto")]
    pub mps: Mps,
    /// How shares were applied when the profile was measured.
    #[arg(skip)]
    pub measured: Sharing,
    /// The program `tritonserver` [default: that of VALIDATE_TRITON, .triton/tritonserver, triton/ beside this program
    /// or PATH]
    #[arg(long, value_name = "FILE")]
    pub triton: Option<PathBuf>,
    /// With --launcher docker: the container image
    #[arg(long, value_name = "IMAGE", default_value = DEFAULT_IMAGE)]
    pub image: String,
    /// With --launcher external: a TOML file of the servers (`[[server]]` workload, url, model; url is http://, https://,
    /// grpc:// or grpcs://)
    #[arg(long, value_name = "FILE")]
    pub servers: Option<PathBuf>,
    /// With --launcher external: a header to send with every request, such as 'X-Key: 1'; you can repeat it. Secrets are
    /// better in the file of --servers (`headers = ["Authorization: …"]`): a command line can be seen by others
    #[arg(long = "header", value_name = "NAME: VALUE", requires = "servers")]
    pub headers: Vec<String>,
    /// With --launcher external: a PEM file of certificates to trust beside the system's
    #[arg(long, value_name = "FILE", requires = "servers")]
    pub ca_certificate: Option<PathBuf>,
    /// The first port; each further server takes the next one [default: free ports]
    #[arg(long, value_name = "PORT")]
    pub first_port: Option<u16>,
    /// How long a server may take to load its model, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    pub start_limit_s: u64,
    /// Read GPU data from this recording instead of the driver
    #[arg(long, value_name = "FILE", hide = true)]
    pub gpu_recording: Option<PathBuf>,
    /// Let the servers record the times of every request, which costs some CPU
    #[arg(long)]
    pub traces: bool,
}

impl LaunchArgs {
    /// Returns how servers share the SMs where there is a GPU.
    #[must_use]
    pub fn sharing(&self) -> Sharing {
        match self.mps {
            Mps::Auto => self.measured,
            Mps::Percentage => Sharing::Percentage,
            Mps::Static => Sharing::Static,
            Mps::Off => Sharing::Off,
        }
    }

    /// Creates a temporary folder for a launcher and its servers; it has to outlive them.
    ///
    /// # Errors
    /// When the folder cannot be created.
    pub fn scratch(&self, prefix: &str) -> Result<ScratchFolder, LaunchError> {
        ScratchFolder::create(&this_program()?, prefix)
            .map_err(LaunchError::file(&std::env::temp_dir()))
    }

    /// Creates the chosen launcher, with the GPUs that it may use. `scratch` is the folder of
    /// [`LaunchArgs::scratch`].
    ///
    /// # Errors
    /// When something that the launcher needs is missing.
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
            return Ok(Box::new(ExternalLauncher::read(
                file,
                &self.headers,
                self.ca_certificate.as_deref(),
            )?));
        }
        if self.mps.is_on() && devices.is_empty() {
            return Err(LaunchError::Mps {
                reason: "there is no GPU whose SMs could be shared".to_owned(),
                fix: "see `validate doctor`, or leave --mps out".to_owned(),
            });
        }
        let mut options = ServerOptions {
            devices: devices.to_vec(),
            sharing: if devices.is_empty() { Sharing::Off } else { self.sharing() },
            release: None,
            first_port: self.first_port,
            start_limit: Duration::from_secs(self.start_limit_s),
            traces: self.traces,
            exit_limit: Duration::from_secs(5),
            guard: this_program()?,
            scratch: scratch.to_owned(),
        };
        if self.launcher == Where::Local {
            let triton = find_triton(self.triton.as_deref())?;
            options.release = Release::of_program(&triton);
            if let Some(release) =
                options.release.filter(|release| *release < Release::HTTP_ADDRESS)
            {
                eprintln!(
                    "validate: Triton {release} listens on every address of this machine, not on loopback alone"
                );
            }
            self.check_release(options.release, devices)?;
            return Ok(Box::new(LocalLauncher { triton, options }));
        }
        let docker = in_path("docker").or_else(|| in_path("podman")).ok_or_else(|| {
            let source = std::io::Error::from(std::io::ErrorKind::NotFound);
            LaunchError::Start { what: "docker (or podman)".to_owned(), source }
        })?;
        let user = format!("{}:{}", nix::unistd::getuid(), nix::unistd::getgid());
        if self.models.starts_with("torchvision") && triton::is_nvidias(&self.image) {
            return Err(LaunchError::Image {
                image: self.image.clone(),
                reason: "NVIDIA's images of Triton hold no PyTorch for --models torchvision".to_owned(),
                fix: "build one that does with `docker build -t igniter-triton docker/`, and give it with --image \
                      igniter-triton"
                    .to_owned(),
            });
        }
        options.release = Release::of_image(&self.image);
        self.check_release(options.release, devices)?;
        let rootless_podman = triton::is_rootless_podman(&docker);
        Ok(Box::new(DockerLauncher {
            docker,
            image: self.image.clone(),
            user,
            rootless_podman,
            options,
        }))
    }

    /// Refuses a release that cannot run on one of the GPUs.
    fn check_release(
        &self,
        release: Option<Release>,
        devices: &[Device],
    ) -> Result<(), LaunchError> {
        let Some(release) = release else { return Ok(()) };
        for facts in devices.iter().filter_map(|device| device.facts.as_ref()) {
            if let Some((reason, fix)) =
                facts.compute_capability.as_deref().and_then(|c| release.unfit(c))
            {
                return Err(LaunchError::Image {
                    image: format!("Triton {release}"),
                    reason: format!("{}: {reason}", facts.name),
                    fix,
                });
            }
        }
        Ok(())
    }
}

/// Returns the path of this program, which has the hidden commands of guards.
fn this_program() -> Result<PathBuf, LaunchError> {
    crate::guard::program()
        .map_err(|source| LaunchError::Start { what: "the guard".to_owned(), source })
}
