//! The folder of a run: written by `validate run`, read by `validate compare`.

use crate::gpu::{DriverFacts, GpuFacts, GpuSample};
use crate::launch::InstanceReport;
use crate::measure::{HostOverhead, MeasuredRequest, ServerStatistics, Warning, read_requests};
use crate::run::{Happened, as_happened, followable};
use igniter::domain::{Plan, Timeline, WorkloadName};
use igniter::metrics::Window;
use igniter::plan::replan::read_plans_text;
use igniter::run::{Overrides, Study};
use igniter::scenario::Scenario;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The error for a run folder that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}; name a folder that `validate run` wrote", .path.display())]
pub struct FolderError {
    path: PathBuf,
    why: String,
}

/// The kind of models that were served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelKind {
    /// Emulated models, which take the predicted time of the planned co-location.
    Emulated,
    /// Networks from torchvision.
    Torchvision,
    /// A model repository.
    Ready,
}

impl ModelKind {
    /// The name in files and tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Emulated => "emulated",
            Self::Torchvision => "torchvision",
            Self::Ready => "ready",
        }
    }
}

/// The data of one workload of a run beyond its requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkloadRun {
    pub workload: WorkloadName,
    /// Number of requests to send.
    pub planned: u64,
    /// The execution times of an emulated model in ms, by batch size from 1: one table for each placement.
    #[serde(default)]
    pub tables_ms: Vec<Vec<f64>>,
    /// The overhead of the host, where it was measured.
    pub overhead: Option<HostOverhead>,
    /// The counters of the servers during the run, including those of the standby.
    pub statistics: Option<ServerStatistics>,
    /// Number of times that no connection was free.
    pub exhausted: u64,
    /// Number of connections that were open at the end.
    pub connections: u32,
    /// The maximum number of open connections; 0 where none was recorded.
    #[serde(default)]
    pub most_connections: u32,
    /// The reports of the instances of its servers; empty where they send none.
    #[serde(default)]
    pub instances: Vec<InstanceReport>,
    /// The time at which its first standby took over, in seconds since the start; `None` where none did.
    #[serde(default)]
    pub switched_s: Option<f64>,
}

impl WorkloadRun {
    /// Returns the entry of a workload that the plan does not serve.
    #[must_use]
    pub fn unserved(workload: WorkloadName) -> Self {
        Self {
            workload,
            planned: 0,
            tables_ms: Vec::new(),
            overhead: None,
            statistics: None,
            exhausted: 0,
            connections: 0,
            most_connections: 0,
            instances: Vec::new(),
            switched_s: None,
        }
    }
}

/// The data of a run beyond its requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// The launcher that started the servers.
    pub launcher: String,
    /// The kind of models that the servers served.
    pub models: ModelKind,
    /// Name and version of the first server.
    pub server: Option<String>,
    /// One entry for each workload, in the scenario's order.
    pub workloads: Vec<WorkloadRun>,
    /// The warnings raised during the run.
    pub warnings: Vec<Warning>,
    /// The GPUs that served, in the plan's order, as their driver described them; empty without a GPU.
    #[serde(default)]
    pub gpus: Vec<GpuRecord>,
    /// The image of the servers, where they ran in containers.
    #[serde(default)]
    pub image: Option<String>,
    /// Whether standbys were allowed to take over.
    #[serde(default)]
    pub shadow: bool,
    /// The part of the measured run in which some process of the machine waited for a processor, in percent;
    /// `None` where the system does not report it.
    #[serde(default)]
    pub cpu_wait_pct: Option<f64>,
    /// The actual start and end times of servers, where plans followed each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub happened: Option<Happened>,
    /// The part of the processors' time that the host of a virtual machine took for others during the measured
    /// run, in percent; `None` where the system does not report it.
    #[serde(default)]
    pub cpu_stolen_pct: Option<f64>,
}

/// The state of a GPU of a run at the start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GpuRecord {
    /// The index of the plan's GPU that it stood for.
    pub gpu: usize,
    /// The facts that do not change.
    pub facts: GpuFacts,
    /// The facts of the driver.
    pub machine: DriverFacts,
    /// The way in which its SMs were shared.
    pub sharing: String,
    /// Clocks, power and temperature right before the run; `None` where the GPU did not report them.
    pub at_start: Option<GpuSample>,
}

/// Returns the timeline of plans that followed each other, as it really happened.
fn followed(
    study: &Study,
    path: &Path,
    text: &str,
    info: &RunInfo,
) -> anyhow::Result<(Plan, Timeline)> {
    let (kinds, workloads) = (study.kinds(), study.workloads());
    let duration = study.scenario().duration;
    let (file, timeline) = read_plans_text(path, text, (&kinds, workloads), duration.as_seconds())
        .map_err(anyhow::Error::msg)?;
    let names: Vec<WorkloadName> = workloads.iter().map(|w| w.name.clone()).collect();
    let happened = info.happened.clone().unwrap_or_default();
    let timeline = as_happened(&followable(&timeline), &names, duration, &happened);
    Ok((timeline.plan(&file.strategy), timeline))
}

/// The files of a run, read into memory.
#[derive(Debug)]
pub struct RunFolder {
    /// The path of the folder.
    pub path: PathBuf,
    /// The scenario with its predictor.
    pub study: Study,
    /// The plan that ran.
    pub plan: Plan,
    /// The data beyond the requests.
    pub info: RunInfo,
    /// All requests.
    pub rows: Vec<MeasuredRequest>,
    /// Which servers existed when, where plans followed each other. The plan then lists all of them.
    pub timeline: Option<Timeline>,
}

impl RunFolder {
    /// The resolved scenario.
    pub const SCENARIO: &'static str = "scenario.toml";
    /// The plan.
    pub const PLAN: &'static str = "plan.json";
    /// Plans that followed each other; replaces the plan.
    pub const PLANS: &'static str = "plans.json";
    /// The coefficients of the predictor.
    pub const COEFFICIENTS: &'static str = "coefficients.json";
    /// [`RunInfo`].
    pub const INFO: &'static str = "run.json";
    /// All requests.
    pub const REQUESTS: &'static str = "requests.csv";

    /// Reads the files of a run.
    ///
    /// # Errors
    /// When a file is missing or invalid.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = |name: &str| {
            let file = path.join(name);
            std::fs::read_to_string(&file).map_err(|error| {
                let partial = path.join(crate::run::PARTIAL);
                let why = if partial.join(Self::REQUESTS).exists() {
                    format!(
                        "{error}; the records of a run that did not end are in {}",
                        partial.display()
                    )
                } else {
                    error.to_string()
                };
                FolderError { path: file, why }
            })
        };
        // Paths in the resolved scenario are relative to the working directory of the program.
        let scenario = Scenario::parse(&text(Self::SCENARIO)?, Path::new(Self::SCENARIO))?;
        let coefficients = path.join(Self::COEFFICIENTS).display().to_string();
        let overrides = Overrides { profile: Some(coefficients), ..Overrides::default() };
        let study = Study::new(scenario, &overrides)?;
        let info: RunInfo = serde_json::from_str(&text(Self::INFO)?)
            .map_err(|error| FolderError { path: path.join(Self::INFO), why: error.to_string() })?;
        let plans = path.join(Self::PLANS);
        let (plan, timeline) = if plans.exists() {
            let (plan, timeline) = followed(&study, &plans, &text(Self::PLANS)?, &info)?;
            (plan, Some(timeline))
        } else {
            (study.read_plan(&path.join(Self::PLAN))?, None)
        };
        let rows = read_requests(&path.join(Self::REQUESTS))?;
        Ok(Self { path: path.to_owned(), study, plan, info, rows, timeline })
    }

    /// Returns the measured window of the run.
    ///
    /// # Errors
    /// When the scenario leaves nothing to measure.
    pub fn window(&self) -> anyhow::Result<Window> {
        let scenario = self.study.scenario();
        Ok(Window::new(scenario.duration, scenario.warmup, scenario.cooldown)?)
    }
}
