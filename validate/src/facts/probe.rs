//! Runs the probe program, with and without MPS.

use super::{Facts, PROBE, fit_transfers};
use crate::launch::{Device, MpsDaemon, Sharing};
use crate::signals::{self, Interrupted};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Time limit for one run of the probe program.
const LIMIT: Duration = Duration::from_secs(90);
/// Duration for which work is repeated when overlap is measured.
const WORK_S: f64 = 2.0;
/// Delay between starting the workers and their common begin, since CUDA needs time to initialise.
const HEAD_START_S: f64 = 4.0;

/// The number of SMs that a client with a given percentage gets.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShareRow {
    /// The percentage, as set in `CUDA_MPS_ACTIVE_THREAD_PERCENTAGE`.
    pub sm_pct: f64,
    /// The number of SMs that the device attribute reports.
    pub attribute: Option<u32>,
    /// The number of SMs that MPS reports as granted.
    pub affinity: Option<u32>,
    /// The number of SMs on which blocks actually ran.
    pub touched: Option<u32>,
}

/// The throughput of two concurrent processes, compared with one alone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Overlap {
    /// Whether MPS was used, with half of the SMs for each process.
    pub mps: bool,
    /// Rounds of work per second of one process alone.
    pub alone_per_s: f64,
    /// The mean of two concurrent processes, in rounds per second. If it equals the rate of one alone, they
    /// run at the same time; if it is half as high, they take turns.
    pub together_per_s: f64,
}

/// The measured duration of copies of one size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    /// `to_device` or `to_host`.
    pub direction: String,
    /// `pinned` or `pageable` memory of the host.
    pub memory: String,
    /// The size in bytes.
    pub bytes: u64,
    /// The median duration, in ms.
    pub ms: f64,
}

#[derive(Debug, Deserialize)]
struct Sms {
    attribute: Option<u32>,
    affinity: Option<u32>,
    touched: Option<u32>,
}

#[derive(Debug, Deserialize)]
struct Rounds {
    rounds_per_s: f64,
}

#[derive(Debug, Deserialize)]
struct Transfers {
    transfers: Vec<Transfer>,
}

/// Runs the probe program on one GPU.
#[derive(Debug)]
pub struct Prober {
    /// The Python interpreter.
    pub python: PathBuf,
    /// The GPU.
    pub device: Device,
    /// This program, which has the hidden command of the guard.
    pub guard: PathBuf,
    /// The folder for the probe program, and for the logs and pipes of MPS: the folder of a
    /// [`ScratchFolder`](crate::guard::ScratchFolder).
    pub dir: PathBuf,
}

impl Prober {
    /// Runs all measurements. A failure is recorded, and the other measurements still run.
    ///
    /// # Errors
    /// When the probe program cannot be written, or a signal ends the work.
    pub fn ask_all(&self, percentages: &[f64]) -> Result<Facts, FactsError> {
        std::fs::create_dir_all(&self.dir)?;
        std::fs::write(self.script(), PROBE)?;
        let mut facts = Facts {
            shares: Vec::new(),
            mps_error: None,
            overlap: Vec::new(),
            transfers: Vec::new(),
            transfer_fits: Vec::new(),
            failures: Vec::new(),
        };
        match self.ask::<Transfers>(&["transfers"], &BTreeMap::new())? {
            Ok(answer) => facts.transfers = answer.transfers,
            Err(reason) => facts.failures.push(format!("transfers: {reason}")),
        }
        facts.transfer_fits = fit_transfers(&facts.transfers);
        match self.overlap(&BTreeMap::new(), false)? {
            Ok(overlap) => facts.overlap.push(overlap),
            Err(reason) => facts.failures.push(format!("overlap without MPS: {reason}")),
        }
        let (device, dir) = (&self.device.uuid, &self.dir);
        match MpsDaemon::start(&self.guard, device, dir, dir, Sharing::Percentage) {
            Err(error) => facts.mps_error = Some(error.to_string()),
            Ok(daemon) => self.ask_mps(&daemon, percentages, &mut facts)?,
        }
        Ok(facts)
    }

    fn ask_mps(
        &self,
        daemon: &MpsDaemon,
        percentages: &[f64],
        facts: &mut Facts,
    ) -> Result<(), FactsError> {
        for &sm_pct in percentages {
            let environment = client(daemon, sm_pct);
            // `touched` runs a kernel; where that is refused, the reported numbers are better than none.
            let answer = match self.ask::<Sms>(&["touched"], &environment)? {
                Ok(answer) => Ok(answer),
                Err(_) => self.ask::<Sms>(&["sms"], &environment)?,
            };
            match answer {
                Ok(Sms { attribute, affinity, touched }) => {
                    facts.shares.push(ShareRow { sm_pct, attribute, affinity, touched });
                }
                Err(reason) => {
                    facts.failures.push(format!("{sm_pct} %: {reason}"));
                    if facts.shares.is_empty() {
                        facts.mps_error = Some(reason);
                        return Ok(());
                    }
                }
            }
        }
        match self.overlap(&client(daemon, 50.0), true)? {
            Ok(overlap) => facts.overlap.push(overlap),
            Err(reason) => facts.failures.push(format!("overlap with MPS: {reason}")),
        }
        Ok(())
    }

    fn overlap(
        &self,
        environment: &BTreeMap<String, String>,
        mps: bool,
    ) -> Result<Result<Overlap, String>, FactsError> {
        let mut rates = Vec::new();
        for workers in [1_u32, 2] {
            let begin =
                SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
                    + HEAD_START_S;
            let arguments = ["work".to_owned(), begin.to_string(), WORK_S.to_string()];
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            // If one worker fails, the others end with it.
            let started: Vec<Worker> = (0..workers)
                .map(|_| self.start(&arguments, environment))
                .collect::<io::Result<_>>()?;
            let mut sum = 0.0;
            for child in started {
                match parse::<Rounds>(child.wait()?) {
                    Ok(answer) => sum += answer.rounds_per_s,
                    Err(reason) => return Ok(Err(reason)),
                }
            }
            rates.push(sum / f64::from(workers));
        }
        Ok(Ok(Overlap { mps, alone_per_s: rates[0], together_per_s: rates[1] }))
    }

    fn script(&self) -> PathBuf {
        self.dir.join("probe.py")
    }

    fn ask<T: serde::de::DeserializeOwned>(
        &self,
        arguments: &[&str],
        environment: &BTreeMap<String, String>,
    ) -> Result<Result<T, String>, FactsError> {
        Ok(parse(self.start(arguments, environment)?.wait()?))
    }

    fn start(
        &self,
        arguments: &[&str],
        environment: &BTreeMap<String, String>,
    ) -> io::Result<Worker> {
        let mut command = Command::new(&self.python);
        command.arg(self.script()).args(arguments);
        if environment.is_empty() {
            // This keeps it from being a client of MPS, whatever the environment says: an empty folder has no
            // daemon.
            command.env("CUDA_MPS_PIPE_DIRECTORY", self.dir.join("none"));
            command.env("CUDA_VISIBLE_DEVICES", &self.device.uuid);
        } else {
            command.env_remove("CUDA_VISIBLE_DEVICES");
        }
        command.env_remove("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE");
        command.env_remove("CUDA_MPS_SM_PARTITION").envs(environment);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(Worker(Some(command.spawn()?)))
    }
}

/// The errors of measuring facts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FactsError {
    #[error("cannot ask: {0}")]
    Io(#[from] io::Error),
    /// A signal ended the work.
    #[error(transparent)]
    Interrupted(#[from] Interrupted),
}

/// The outcome of a trial with one client of MPS.
#[derive(Debug, Clone, PartialEq)]
pub enum ShareTrial {
    /// The client is limited to its share.
    Limited {
        /// The requested share, in percent.
        pct: f64,
        /// The number of SMs that the client sees.
        seen: u32,
        /// The number of SMs of the GPU.
        total: u32,
        /// Whether the daemon had a server for the client.
        attached: bool,
    },
    /// The client sees the whole GPU: without a daemon CUDA continues without MPS, and reports nothing.
    Unlimited {
        /// The requested share, in percent.
        pct: f64,
        /// The number of SMs that the client sees.
        seen: u32,
        /// The number of SMs of the GPU.
        total: u32,
    },
    /// The outcome is unknown; the text is the reason.
    Unknown(String),
}

/// The share of the client in the trial, in percent.
const TRIED_PCT: f64 = 50.0;

/// Starts a daemon and connects one client to it, as a server would connect.
///
/// # Errors
/// When the daemon does not start or the client cannot use the GPU through it; the error is text.
pub fn try_client(
    python: Option<&Path>,
    device: &Device,
    guard: &Path,
    dir: &Path,
) -> Result<ShareTrial, String> {
    let daemon = MpsDaemon::start(guard, &device.uuid, dir, dir, Sharing::Percentage)
        .map_err(|error| error.to_string())?;
    let Some(python) = python else {
        return Ok(ShareTrial::Unknown("there is no python3 to be one".to_owned()));
    };
    let prober = Prober {
        python: python.to_owned(),
        device: device.clone(),
        guard: guard.to_owned(),
        dir: dir.to_owned(),
    };
    std::fs::write(prober.script(), PROBE).map_err(|error| error.to_string())?;
    let ask = |environment: &BTreeMap<String, String>| {
        let answer = prober.ask::<Sms>(&["sms"], environment);
        answer.map_err(|error| error.to_string()).and_then(|answer| answer)
    };
    let least = |sms: &Sms| [sms.attribute, sms.affinity].into_iter().flatten().min();
    // The first client makes the daemon start its server.
    let answer = ask(&client(&daemon, TRIED_PCT));
    let logged = || super::probe_log(dir);
    let seen = answer
        .map_err(|error| format!("a client of it cannot use the GPU: {error}{}", logged()))?;
    let attached = daemon.say("get_server_list").is_ok_and(|list| !list.is_empty());
    let total = match device.sms {
        Some(total) => Some(total),
        None => ask(&BTreeMap::new()).ok().and_then(|sms| least(&sms)),
    };
    let (Some(seen), Some(total)) = (least(&seen), total) else {
        return Ok(ShareTrial::Unknown("it does not say how many SMs it sees".to_owned()));
    };
    let pct = TRIED_PCT;
    Ok(if seen < total {
        ShareTrial::Limited { pct, seen, total, attached }
    } else {
        ShareTrial::Unlimited { pct, seen, total }
    })
}

fn client(daemon: &MpsDaemon, sm_pct: f64) -> BTreeMap<String, String> {
    let mut environment = daemon.environment().clone();
    environment.insert("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE".to_owned(), sm_pct.to_string());
    environment
}

/// A running program. Dropping it ends it.
#[derive(Debug)]
struct Worker(Option<Child>);

impl Worker {
    /// Waits for a short program, whose output must fit into the buffer of a pipe.
    fn wait(mut self) -> Result<Output, FactsError> {
        let deadline = Instant::now() + LIMIT;
        while let Some(child) = &mut self.0
            && child.try_wait()?.is_none()
        {
            signals::sleep(Duration::from_millis(5))?;
            if Instant::now() > deadline {
                child.kill()?;
                break;
            }
        }
        let child = self.0.take().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        Ok(child.wait_with_output()?)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            // A program that has already ended cannot be killed.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn parse<T: serde::de::DeserializeOwned>(output: Output) -> Result<T, String> {
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
        return Err(format!("{}: {last}", output.status));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}

/// Returns the default Python interpreter.
#[must_use]
pub fn default_python() -> Option<PathBuf> {
    crate::launch::in_path("python3")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_does_not_outlive_the_failure_of_another() {
        let child = Command::new("sleep").arg("600").spawn().unwrap();
        let process = format!("/proc/{}", child.id());
        assert!(Path::new(&process).exists());
        drop(Worker(Some(child)));
        assert!(!Path::new(&process).exists(), "killed, and waited for");
        let quick = Command::new("echo").arg("7").stdout(Stdio::piped()).spawn().unwrap();
        assert_eq!(parse::<u32>(Worker(Some(quick)).wait().unwrap()), Ok(7));
    }
}
