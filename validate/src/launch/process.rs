//! What local and containerised servers have in common: options, files, flags and variables.

use super::{Device, LaunchSpec, Release, Sharing, mps, share};
use crate::guard::GuardOrder;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// What local and containerised servers have in common.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The devices that stand for the plan's GPUs, by the number in [`LaunchSpec::device`].
    pub devices: Vec<Device>,
    /// How the SMs of a GPU are shared.
    pub sharing: Sharing,
    /// Which release of Triton the servers are, where that is known; else the newest is assumed.
    pub release: Option<Release>,
    /// The first port; each server takes the next. `None`: free ports.
    pub first_port: Option<u16>,
    /// How long a server may take to become ready.
    pub start_limit: Duration,
    /// Whether servers record the times of every request.
    pub traces: bool,
    /// How long a server may take to finish its requests when it is asked to end.
    pub exit_limit: Duration,
    /// This program, which knows the hidden command of the guard.
    pub guard: PathBuf,
    /// The folder of a [`ScratchFolder`](crate::guard::ScratchFolder), for what must not outlive the servers.
    pub scratch: PathBuf,
}

/// A kind of process that serves a repository on a port of the loopback interface.
pub(super) trait ServerProcess {
    fn options(&self) -> &ServerOptions;
    /// What to start for a server whose files are in `place`.
    fn order(&self, place: &ServerFiles<'_>) -> GuardOrder;
}

/// Where a server's files are, and what it shall be.
#[derive(Debug)]
pub(super) struct ServerFiles<'a> {
    pub(super) spec: &'a LaunchSpec,
    pub(super) dir: PathBuf,
    pub(super) port: u16,
    pub(super) shared_memory: String,
    /// What a client of the GPU's MPS daemon needs; empty without MPS.
    pub(super) mps: BTreeMap<String, String>,
    /// The SMs of its partition; `None` without one.
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

    /// The flags of the server, in every way of running it.
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
        // Before, a server completes nothing unless it is asked to.
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

    /// The variables of the server, in every way of running it.
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

/// A server gets a little longer than it was told to take.
pub(super) fn grace_ms(options: &ServerOptions) -> u64 {
    u64::try_from(options.exit_limit.as_millis()).unwrap_or(u64::MAX).saturating_add(3000)
}

/// A name of a scenario as part of the name of a file or a region, and of a URL.
#[must_use]
pub fn plain(name: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' };
    name.chars().map(kept).collect()
}
