//! Published tables of Triton servers, compared with simulations.
//!
//! NVIDIA's DeepLearningExamples publish, for many models, what a server does with static batches of one client (*offline*)
//! and with 1 to 256 clients whose requests the server batches (*online*). [`compare`] takes the execution time of each batch
//! size from the offline table of a model, simulates each row of its online table as a closed loop, and compares throughput,
//! mean and P99 latency. Nothing is fitted to online rows but the two numbers of [`Assumed`].
//!
//! What is taken from the row itself: how many clients there are, and how long a request spends outside of the server
//! (client and network), since neither is a part of the simulation.

mod read;

pub use read::{Offline, Online, Section, read_sections};

use crate::domain::{CoLocation, GpuKind, GpuKindName, ModelName, Placement, Plan, WorkloadName};
use crate::fit::{FitData, FitError, fit_predictor};
use crate::profile::{ModelProfile, Profile, SoloPoint, SoloRow, SoloTable};
use crate::run::{KindPredictors, LoadedPredictor, RunError, Study};
use crate::scenario::{Scenario, ScenarioError};
use crate::units::{
    BatchSize, Bytes, Dollars, Megahertz, Milliseconds, SmPercent, SmUnits, UnitError, Watts,
};
use rayon::prelude::*;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;

/// What every simulation assumes, whatever its table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Assumed {
    /// How many times as long a batch takes while a second instance executes, too.
    pub instance_slowdown: f64,
    /// What a request adds to the input copy of a batch that was formed of several, in ms: the server gathers their
    /// tensors one by one, where a static batch is one tensor.
    pub gather_ms: f64,
    /// Coefficient of variation of the time outside of the server.
    pub outside_cv: f64,
    /// Whose batcher (`[batching] triton`).
    pub triton: String,
}

impl Default for Assumed {
    /// Slowdown and gathering fitted together to the published rows of seven image networks on V100 and A100.
    fn default() -> Self {
        Self {
            instance_slowdown: 2.1,
            gather_ms: 0.03,
            outside_cv: 0.3,
            triton: "21.12".to_owned(),
        }
    }
}

/// Why a table cannot be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServersError {
    /// A file cannot be read, or a value in it not be used.
    #[error("{0}")]
    Table(String),
    /// An offline table determines no execution time.
    #[error("section {section:?}: {source}")]
    Fit {
        /// The section.
        section: String,
        /// Why.
        source: FitError,
    },
    /// A number of a table is no time or size.
    #[error("section {section:?}: {source}")]
    Unit {
        /// The section.
        section: String,
        /// Why.
        source: UnitError,
    },
    /// A simulation cannot be set up.
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
    /// A simulation fails.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// A published row beside its simulation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedRow {
    /// The section of the tables.
    pub section: String,
    /// Clients.
    pub clients: u32,
    /// Requests per second, published and simulated.
    pub published_rps: f64,
    /// The simulated one.
    pub simulated_rps: f64,
    /// Mean latency in ms.
    pub published_mean_ms: f64,
    /// The simulated one.
    pub simulated_mean_ms: f64,
    /// 99th percentile of latency in ms.
    pub published_p99_ms: f64,
    /// The simulated one.
    pub simulated_p99_ms: f64,
    /// Mean time in the server's queue in ms, where published.
    pub published_queue_ms: Option<f64>,
    /// The simulated one.
    pub simulated_queue_ms: f64,
    /// Requests per simulated batch.
    pub simulated_batch: f64,
}

/// Mean absolute error and bias of one quantity in percent of the published value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Deviation {
    /// Mean absolute error.
    pub mape_pct: f64,
    /// Mean error; positive where simulations are higher.
    pub bias_pct: f64,
}

/// The errors of all rows of one section, or of all sections.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SectionErrors {
    /// Which.
    pub of: String,
    /// How many rows.
    pub n: usize,
    /// Requests per second.
    pub throughput: Deviation,
    /// Mean latency.
    pub mean: Deviation,
    /// P99 latency.
    pub p99: Deviation,
}

/// A comparison of published tables.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Servers {
    /// What was assumed.
    pub assumed: Assumed,
    /// All sections together, then each.
    pub errors: Vec<SectionErrors>,
    /// Every row.
    pub rows: Vec<ComparedRow>,
    /// Sections that could not be compared, with the reason.
    pub skipped: Vec<(String, String)>,
}

/// Simulates every online row of sections that have an offline table.
///
/// # Errors
/// When an offline table determines no execution time, or a simulation fails.
pub fn compare(sections: &[Section], assumed: &Assumed) -> Result<Servers, ServersError> {
    let mut skipped = Vec::new();
    let mut work = Vec::new();
    for section in sections {
        match section.unusable() {
            Some(reason) => skipped.push((section.name.clone(), reason.to_owned())),
            None => work.push(section),
        }
    }
    let compared: Vec<Vec<ComparedRow>> = work
        .par_iter()
        .map(|section| compare_section(section, assumed))
        .collect::<Result<_, ServersError>>()?;
    let rows: Vec<ComparedRow> = compared.into_iter().flatten().collect();
    let mut errors = Vec::new();
    errors.extend(SectionErrors::of("all", &rows.iter().collect::<Vec<_>>()));
    for section in &work {
        let own: Vec<&ComparedRow> = rows.iter().filter(|r| r.section == section.name).collect();
        errors.extend(SectionErrors::of(&section.name, &own));
    }
    Ok(Servers { assumed: assumed.clone(), errors, rows, skipped })
}

impl SectionErrors {
    fn of(name: &str, rows: &[&ComparedRow]) -> Option<Self> {
        let deviation = |of: fn(&ComparedRow) -> (f64, f64)| {
            let (simulated, published): (Vec<f64>, Vec<f64>) =
                rows.iter().map(|row| of(row)).unzip();
            Some(Deviation {
                mape_pct: crate::stats::mape_pct(&simulated, &published)?,
                bias_pct: crate::stats::bias_pct(&simulated, &published)?,
            })
        };
        Some(Self {
            of: name.to_owned(),
            n: rows.len(),
            throughput: deviation(|r| (r.simulated_rps, r.published_rps))?,
            mean: deviation(|r| (r.simulated_mean_ms, r.published_mean_ms))?,
            p99: deviation(|r| (r.simulated_p99_ms, r.published_p99_ms))?,
        })
    }
}

/// The one GPU kind, model and workload of a simulation.
const NAME: &str = "published";

fn compare_section(section: &Section, assumed: &Assumed) -> Result<Vec<ComparedRow>, ServersError> {
    let unit = |source| ServersError::Unit { section: section.name.clone(), source };
    let profile = profile_of(section, assumed).map_err(unit)?;
    let fitted = fit_predictor("contention", &FitData::of(&profile));
    let (predictor, file) =
        fitted.map_err(|source| ServersError::Fit { section: section.name.clone(), source })?;
    let predictors = KindPredictors {
        source: Arc::new(LoadedPredictor { predictor, file, inputs: Vec::new() }),
        truth: None,
    };
    let plan = plan_of(section, &profile.kind).map_err(unit)?;
    let mut rows = Vec::new();
    for online in &section.online {
        let text = scenario_of(section, online, assumed);
        let scenario = Scenario::parse(&text, Path::new("(published)"))?;
        let study = Study::with_predictors(scenario, vec![predictors.clone()])?;
        let result = study.simulate(&plan)?;
        let Some(summary) = result.workloads.first() else { continue };
        let (Some(mean), Some(p99)) = (summary.mean_ms, summary.p99_ms) else { continue };
        rows.push(ComparedRow {
            section: section.name.clone(),
            clients: online.clients,
            published_rps: online.rps,
            simulated_rps: summary.throughput_rps,
            published_mean_ms: online.mean_ms,
            simulated_mean_ms: mean,
            published_p99_ms: online.p99_ms,
            simulated_p99_ms: p99,
            published_queue_ms: online.queue_ms,
            simulated_queue_ms: summary.queue_ms.unwrap_or(0.0),
            simulated_batch: summary.mean_batch.unwrap_or(0.0),
        });
    }
    Ok(rows)
}

/// A profile whose one model takes as long as the offline table says, with all SMs.
fn profile_of(section: &Section, assumed: &Assumed) -> Result<Profile, UnitError> {
    let whole = SmPercent::new(100.0)?;
    let model = ModelName::new(NAME).expect("a name");
    let mut points = Vec::new();
    let mut table = SoloTable::default();
    for offline in &section.offline {
        let batch = BatchSize::new(offline.batch)?;
        let gathering = assumed.gather_ms * f64::from(offline.batch);
        let latency = Milliseconds::new(offline.execution_ms + gathering)?;
        points.push(SoloPoint {
            batch,
            sm: whole,
            gpu: latency,
            with_copies: true,
            latency: None,
            power: None,
            clock: None,
            l2_pct: None,
            dram_pct: None,
            throughput_img_s: None,
        });
        table.rows.push(SoloRow {
            model: model.clone(),
            batch,
            sm: whole,
            latency,
            throughput_img_s: None,
            l2_pct: None,
            dram_pct: None,
        });
    }
    Ok(Profile {
        kind: GpuKind {
            name: GpuKindName::new(NAME).expect("a name"),
            units: SmUnits::new(1),
            max_clock: Megahertz::new(1.0)?,
            power_cap: Watts::new(1.0)?,
            idle_power: Watts::new(0.0)?,
            pcie_bytes_per_ms: 1.0,
            memory: None,
            price_per_hour: Dollars::ZERO,
            noise_cv: std::collections::BTreeMap::new(),
        },
        source: section.name.clone(),
        models: vec![ModelProfile {
            name: model,
            kernels: 0,
            idle: Milliseconds::ZERO,
            input: Bytes::new(0),
            output: Bytes::new(0),
            memory: None,
            launch_bound: Some(false),
            solo: points,
            self_pair: None,
            kernel_list: Vec::new(),
        }],
        colocation: Vec::new(),
        colocated: Vec::new(),
        solo_table: table,
        slice: None,
    })
}

fn plan_of(section: &Section, kind: &GpuKind) -> Result<Plan, UnitError> {
    Ok(Plan {
        strategy: NAME.to_owned(),
        gpus: vec![CoLocation {
            kind: kind.name.clone(),
            placements: vec![Placement {
                workload: WorkloadName::new(NAME).expect("a name"),
                model: ModelName::new(NAME).expect("a name"),
                batch: BatchSize::new(section.max_batch())?,
                sm: SmUnits::new(1),
                served: None,
                time_slot: None,
                predicted: None,
            }],
        }],
        infeasible: Vec::new(),
        bound: None,
    })
}

/// How many requests a simulation lasts, by the published rate; the first quarter does not count.
const REQUESTS: f64 = 6000.0;

fn scenario_of(section: &Section, online: &Online, assumed: &Assumed) -> String {
    let duration_s = (REQUESTS / online.rps).max(0.2);
    format!(
        "version = 1\nname = \"{NAME}\"\nseed = 1\nduration_s = {duration_s:?}\nwarmup_s = {:?}\n\
         cooldown_s = 0\n\n[[gpu]]\nkind = \"{NAME}\"\n\n[engine]\ninterference = \"none\"\n\
         request_overhead_ms = {:?}\nrequest_overhead_cv = {:?}\ninstance_slowdown = {:?}\n\n[batching]\n\
         instances = {}\nmax_batch = {}\ntriton = {:?}\n\n[[workload]]\nname = \"{NAME}\"\nmodel = \"{NAME}\"\n\
         slo_ms = 1000000\nrate_rps = {:?}\narrival = {{ process = \"closed_loop\", clients = {} }}\n",
        duration_s / 4.0,
        online.outside_ms,
        assumed.outside_cv,
        assumed.instance_slowdown,
        section.instances.unwrap_or(1),
        section.max_batch(),
        assumed.triton,
        online.rps,
        online.clients,
    )
}
