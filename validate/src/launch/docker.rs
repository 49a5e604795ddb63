//! Servers in containers of NVIDIA's image.

use super::process::{ServerFiles, ServerOptions, ServerProcess, grace_ms};
use super::start::launch_all;
use super::{Deployment, LaunchError, LaunchSpec, Launcher, Release, mps};
use crate::guard::GuardOrder;
use std::path::{Path, PathBuf};

/// The default image: the release that `scripts/setup_triton.sh` installs.
pub const DEFAULT_IMAGE: &str = "nvcr.io/nvidia/tritonserver:24.10-py3";

/// Starts one container for each placement with `docker run` (or `podman run`), which needs NVIDIA's container
/// toolkit for GPUs.
///
/// Containers use the host's network, only on its loopback interface, and the host's shared memory. They run
/// as this user: a client of MPS must have the same user as the daemon, which runs on the host.
#[derive(Debug, Clone)]
pub struct DockerLauncher {
    /// The container program, such as `docker`.
    pub docker: PathBuf,
    pub image: String,
    /// User and group of the processes in the container, as in `1000:1000`.
    pub user: String,
    /// Whether the program is rootless podman, which maps users to other ids inside the container.
    pub rootless_podman: bool,
    /// All other options.
    pub options: ServerOptions,
}

impl ServerProcess for DockerLauncher {
    fn options(&self) -> &ServerOptions {
        &self.options
    }

    fn order(&self, place: &ServerFiles<'_>) -> GuardOrder {
        let docker = self.docker.display().to_string();
        let name = place.shared_memory.trim_end_matches('-').to_owned();
        let mut command = vec![docker.clone(), "run".to_owned(), "--rm".to_owned()];
        command.push(format!("--name={name}"));
        if let Some(device) = place.spec.device {
            let device =
                self.options.device(device).map_or_else(|| device.to_string(), |d| d.uuid.clone());
            command.push(format!("--gpus=device={device}"));
        }
        if self.options.release.unwrap_or_default() >= Release::HTTP_ADDRESS {
            command.push("--network=host".to_owned());
        } else {
            // Such a server listens on all addresses. It gets its own network, of which one port is published
            // on loopback.
            command.push(format!("--publish=127.0.0.1:{0}:{0}", place.port));
        }
        command.extend(
            ["--ipc=host", "--ulimit=memlock=-1", "--ulimit=stack=67108864"].map(str::to_owned),
        );
        command.push(format!("--user={}", self.user));
        if self.rootless_podman {
            // Otherwise this user would be another one inside the container, and MPS serves only one user.
            command.extend(["--userns=keep-id", "--security-opt=label=disable"].map(str::to_owned));
        }
        // Paths are the same inside and outside: repository, instance reports, traces.
        let mut folders = vec![place.dir.display().to_string()];
        folders.extend(place.mps.get(mps::PIPES).cloned());
        command.extend(folders.iter().map(|folder| format!("--volume={folder}:{folder}")));
        for (variable, value) in place.environment(&self.options) {
            command.push(format!("--env={variable}={value}"));
        }
        command.extend([self.image.clone(), "tritonserver".to_owned()]);
        command.extend(place.flags(&self.options));
        GuardOrder {
            command,
            environment: Default::default(),
            hidden_variables: Vec::new(),
            log: place.log(),
            grace_ms: grace_ms(&self.options),
            // `docker run` passes SIGTERM on to the server.
            stop_command: None,
            // Removes what `--rm` does not when the client was killed.
            cleaning: Some(vec![docker, "rm".to_owned(), "--force".to_owned(), name]),
            shared_memory: Some(place.shared_memory.clone()),
            holds: Some(self.options.scratch.clone()),
            // The processes of a container have other ids here; `docker run` passes SIGTERM on.
            mps: None,
        }
    }
}

impl Launcher for DockerLauncher {
    fn name(&self) -> &'static str {
        "docker"
    }

    fn launch(&mut self, specs: &[LaunchSpec], dir: &Path) -> Result<Deployment, LaunchError> {
        launch_all(self, specs, dir)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{options, spec};
    use super::*;
    use crate::launch::{Device, Sharing};

    fn place(spec: &LaunchSpec, mps: bool) -> ServerFiles<'_> {
        let pipes = ("CUDA_MPS_PIPE_DIRECTORY".to_owned(), "/tmp/igniter-mps-x".to_owned());
        ServerFiles {
            spec,
            dir: "/runs/1/servers/0-W1".into(),
            port: 8000,
            shared_memory: "igniter-7-0-".to_owned(),
            mps: if mps { [pipes].into() } else { Default::default() },
            sms: None,
        }
    }

    fn launcher() -> DockerLauncher {
        let mut options = options();
        options.sharing = Sharing::Percentage;
        options.devices = vec![Device {
            number: 1,
            index: 1,
            uuid: "GPU-abc".into(),
            sms: Some(132),
            facts: None,
        }];
        DockerLauncher {
            docker: "docker".into(),
            image: DEFAULT_IMAGE.to_owned(),
            user: "1000:1000".to_owned(),
            rootless_podman: false,
            options,
        }
    }

    #[test]
    fn the_command_line_on_a_gpu_with_mps() {
        let mut spec = spec("alexnet", 4);
        spec.device = Some(1);
        let order = launcher().order(&place(&spec, true));
        let expected = "docker run --rm --name=igniter-7-0 --gpus=device=GPU-abc --network=host --ipc=host \
            --ulimit=memlock=-1 --ulimit=stack=67108864 --user=1000:1000 \
            --volume=/runs/1/servers/0-W1:/runs/1/servers/0-W1 \
            --volume=/tmp/igniter-mps-x:/tmp/igniter-mps-x \
            --env=CUDA_MPS_ACTIVE_THREAD_PERCENTAGE=37.5 \
            --env=CUDA_MPS_PIPE_DIRECTORY=/tmp/igniter-mps-x --env=IGNITER_CUDA=1 \
            --env=IGNITER_INSTANCES=/runs/1/servers/0-W1/instances --env=OMP_NUM_THREADS=1 \
            nvcr.io/nvidia/tritonserver:24.10-py3 tritonserver \
            --model-repository=/runs/1/servers/0-W1/repository --http-address=127.0.0.1 --http-port=8000 \
            --allow-grpc=false --allow-metrics=false --exit-timeout-secs=5 \
            --disable-auto-complete-config --backend-config=python,shm-default-byte-size=5242880 \
            --backend-config=python,shm-region-prefix-name=igniter-7-0- \
            --backend-config=python,stub-timeout-seconds=120 --cuda-memory-pool-byte-size=0:0 \
            --trace-config triton,file=/runs/1/servers/0-W1/trace.json \
            --trace-config triton,log-frequency=0 --trace-config level=TIMESTAMPS --trace-config rate=1";
        assert_eq!(order.command.join(" "), expected);
        assert_eq!(order.cleaning.unwrap().join(" "), "docker rm --force igniter-7-0");
    }

    #[test]
    fn the_command_line_without_a_gpu() {
        let spec = spec("alexnet", 4);
        let mut launcher = launcher();
        launcher.options.traces = false;
        let order = launcher.order(&place(&spec, false));
        let expected = "docker run --rm --name=igniter-7-0 --network=host --ipc=host \
            --ulimit=memlock=-1 --ulimit=stack=67108864 --user=1000:1000 \
            --volume=/runs/1/servers/0-W1:/runs/1/servers/0-W1 \
            --env=IGNITER_INSTANCES=/runs/1/servers/0-W1/instances --env=OMP_NUM_THREADS=1 \
            nvcr.io/nvidia/tritonserver:24.10-py3 tritonserver \
            --model-repository=/runs/1/servers/0-W1/repository --http-address=127.0.0.1 --http-port=8000 \
            --allow-grpc=false --allow-metrics=false --exit-timeout-secs=5 \
            --disable-auto-complete-config --backend-config=python,shm-default-byte-size=5242880 \
            --backend-config=python,shm-region-prefix-name=igniter-7-0- \
            --backend-config=python,stub-timeout-seconds=120";
        assert_eq!(order.command.join(" "), expected);
    }
}
