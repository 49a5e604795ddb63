//! The folder of a run: what `validate run` keeps, and `validate compare` starts from.

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

/// A folder of a run that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {why}; name a folder that `validate run` wrote", .path.display())]
pub struct FolderError {
    path: PathBuf,
    why: String,
}

/// What kind of models were served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelKind {
    /// They take the predicted time of the planned co-location.
    Emulated,
    /// Networks of torchvision.
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

/// What is known of one workload beyond its requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkloadRun {
    pub workload: WorkloadName,
    /// How many requests were to be sent.
    pub planned: u64,
    /// The times of an emulated model in ms, by batch size from 1: one table for each placement.
    #[serde(default)]
    pub tables_ms: Vec<Vec<f64>>,
    /// What the host adds, where it was measured.
    pub overhead: Option<HostOverhead>,
    /// What the server counted during the run; of the standby's too.
    pub statistics: Option<ServerStatistics>,
    /// How often no connection was free.
    pub exhausted: u64,
    /// Connections that were open at the end.
    pub connections: u32,
    /// The most that might be open; 0 where nobody said.
    #[serde(default)]
    pub most_connections: u32,
    /// What the instances of its servers said of themselves; empty where they do not.
    #[serde(default)]
    pub instances: Vec<InstanceReport>,
    /// When its first standby took over, in seconds since the start; `None` where none did.
    #[serde(default)]
    pub switched_s: Option<f64>,
}

impl WorkloadRun {
    /// Of a workload that the plan does not serve.
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

/// What is known of a run beyond its requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunInfo {
    /// Which launcher started the servers.
    pub launcher: String,
    /// What they served.
    pub models: ModelKind,
    /// Name and version of the first server.
    pub server: Option<String>,
    /// One entry for each workload, in the scenario's order.
    pub workloads: Vec<WorkloadRun>,
    /// What happened during the run.
    pub warnings: Vec<Warning>,
    /// The GPUs that served, in the plan's order, as their driver described them; empty without any.
    #[serde(default)]
    pub gpus: Vec<GpuRecord>,
    /// The image of the servers, where they ran in containers.
    #[serde(default)]
    pub image: Option<String>,
    /// Whether standbys could take over.
    #[serde(default)]
    pub shadow: bool,
    /// For how much of the measured run some process of the machine waited for a processor, in percent;
    /// `None` where the system does not say.
    #[serde(default)]
    pub cpu_wait_pct: Option<f64>,
    /// Where plans followed each other: when servers really came and went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub happened: Option<Happened>,
    /// How much of the processors' time the host of a virtual machine took for others during the measured run, in
    /// percent; `None` where the system does not say.
    #[serde(default)]
    pub cpu_stolen_pct: Option<f64>,
}

/// A GPU of a run as it was at the start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GpuRecord {
    /// Which of the plan's GPUs it stood for.
    pub gpu: usize,
    /// What does not change.
    pub facts: GpuFacts,
    /// The driver.
    pub machine: DriverFacts,
    /// How its SMs were shared.
    pub sharing: String,
    /// Clocks, power and temperature right before the run; `None` where it did not say.
    pub at_start: Option<GpuSample>,
}

/// Plans that followed each other, as it came to be.
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

/// The files of a run.
#[derive(Debug)]
pub struct RunFolder {
    /// Where they are.
    pub path: PathBuf,
    /// The scenario with its predictor.
    pub study: Study,
    /// The plan that ran.
    pub plan: Plan,
    /// What is known beyond the requests.
    pub info: RunInfo,
    /// All requests.
    pub rows: Vec<MeasuredRequest>,
    /// Where plans followed each other: which servers were there when. The plan then lists all of them.
    pub timeline: Option<Timeline>,
}

impl RunFolder {
    /// The resolved scenario.
    pub const SCENARIO: &'static str = "scenario.toml";
    /// The plan.
    pub const PLAN: &'static str = "plan.json";
    /// In its place, plans that followed each other.
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
    /// When one is missing or wrong.
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
        // Paths in the resolved scenario are as seen from where the program runs.
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

    /// The stretch of the run that counts.
    ///
    /// # Errors
    /// When the scenario leaves nothing to measure.
    pub fn window(&self) -> anyhow::Result<Window> {
        let scenario = self.study.scenario();
        Ok(Window::new(scenario.duration, scenario.warmup, scenario.cooldown)?)
    }
}
