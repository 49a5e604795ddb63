//! Code shared by local and containerised servers: options, files, flags and variables.

use super::{Device, LaunchSpec, Release, Sharing, mps, share};
use crate::guard::GuardOrder;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Options shared by local and containerised servers.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The devices that stand for the plan's GPUs, by the number in [`LaunchSpec::device`].
    pub devices: Vec<Device>,
    /// How servers share the SMs of a GPU.
    pub sharing: Sharing,
    /// The Triton release of the servers, where it is known; otherwise the newest is assumed.
    pub release: Option<Release>,
    /// The first port; each server takes the next. `None`: free ports.
    pub first_port: Option<u16>,
    /// Maximum time for a server to become ready.
    pub start_limit: Duration,
    /// Whether servers record the times of every request.
    pub traces: bool,
    /// Maximum time for a server to finish its requests when it is asked to end.
    pub exit_limit: Duration,
    /// This program, which has the hidden command of the guard.
    pub guard: PathBuf,
    /// The folder of a [`ScratchFolder`](crate::guard::ScratchFolder), for files that must not outlive the
    /// servers.
    pub scratch: PathBuf,
}

/// A kind of process that serves a repository on a port of the loopback interface.
pub(super) trait ServerProcess {
    fn options(&self) -> &ServerOptions;
    /// Returns the instructions to start a server whose files are in `place`.
    fn order(&self, place: &ServerFiles<'_>) -> GuardOrder;
}

/// The files of a server, and its specification.
#[derive(Debug)]
pub(super) struct ServerFiles<'a> {
    pub(super) spec: &'a LaunchSpec,
    pub(super) dir: PathBuf,
    pub(super) port: u16,
    pub(super) shared_memory: String,
    /// Environment variables for a client of the GPU's MPS daemon; empty without MPS.
    pub(super) mps: BTreeMap<String, String>,
    /// Number of SMs of its partition; `None` without one.
    pub(super) sms: Option<u32>,
}

impl ServerFiles<'_> {
    pub(super) fn repository(&self) -> PathBuf {
        self.dir.join("repository")
    }

    pub(super) fn instances(&self) -> PathBuf {
        self.dir.join("instances")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("server.log")
    }

    pub(super) fn trace(&self) -> PathBuf {
        self.dir.join("trace.json")
    }

    /// Returns the command-line flags of the server, which are the same for every way of running it.
    pub(super) fn flags(&self, options: &ServerOptions) -> Vec<String> {
        let release = options.release.unwrap_or_default();
        let mut flags = vec![format!("--model-repository={}", self.repository().display())];
        if release >= Release::HTTP_ADDRESS {
            flags.push("--http-address=127.0.0.1".to_owned());
        }
        flags.extend([
            format!("--http-port={}", self.port),
            "--allow-grpc=false".to_owned(),
            "--allow-metrics=false".to_owned(),
            format!("--exit-timeout-secs={}", options.exit_limit.as_secs()),
        ]);
        // Earlier releases complete no configuration unless asked to.
        if release >= Release::AUTO_COMPLETE && !self.spec.completes() {
            flags.push("--disable-auto-complete-config".to_owned());
        } else if release < Release::AUTO_COMPLETE && self.spec.completes() {
            flags.push("--strict-model-config=false".to_owned());
        }
        flags.extend([
            format!(
                "--backend-config=python,shm-default-byte-size={}",
                self.spec.shared_memory_bytes()
            ),
            format!("--backend-config=python,shm-region-prefix-name={}", self.shared_memory),
            "--backend-config=python,stub-timeout-seconds=120".to_owned(),
        ]);
        if self.spec.device.is_some() {
            // Many servers share a GPU's memory.
            flags.push("--cuda-memory-pool-byte-size=0:0".to_owned());
        }
        if options.traces {
            let file = self.trace().display().to_string();
            if release >= Release::TRACE_CONFIG {
                let trace = format!("triton,file={file}");
                for setting in [&trace, "triton,log-frequency=0", "level=TIMESTAMPS", "rate=1"] {
                    flags.extend(["--trace-config".to_owned(), setting.to_owned()]);
                }
            } else {
                let level = if release >= Release::TRACE_LEVELS { "TIMESTAMPS" } else { "MAX" };
                flags.extend([
                    format!("--trace-file={file}"),
                    format!("--trace-level={level}"),
                    "--trace-rate=1".to_owned(),
                ]);
            }
        }
        flags
    }

    /// Returns the environment variables of the server, which are the same for every way of running it.
    pub(super) fn environment(&self, options: &ServerOptions) -> BTreeMap<String, String> {
        let mut environment = self.mps.clone();
        let mut set = |name: &str, value: String| environment.insert(name.to_owned(), value);
        set("IGNITER_INSTANCES", self.instances().display().to_string());
        // One thread for each instance: more would take cores from the other servers.
        set("OMP_NUM_THREADS", "1".to_owned());
        if self.spec.device.is_some() {
            set("IGNITER_CUDA", "1".to_owned());
        }
        if !self.mps.is_empty() && options.sharing == Sharing::Percentage {
            set(mps::SHARE, share::percentage(self.spec.sm.get()));
        }
        environment
    }
}

impl ServerOptions {
    pub(super) fn device(&self, device: u32) -> Option<&Device> {
        self.devices.iter().find(|known| known.number == device)
    }
}

/// Returns the grace period of a server in ms, which is slightly longer than its own exit limit.
pub(super) fn grace_ms(options: &ServerOptions) -> u64 {
    u64::try_from(options.exit_limit.as_millis()).unwrap_or(u64::MAX).saturating_add(3000)
}

/// Converts a name of a scenario so that it can be part of a file name, a region name or a URL.
#[must_use]
pub fn plain(name: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' };
    name.chars().map(kept).collect()
}
