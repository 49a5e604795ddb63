//! The file format of plans: a JSON document.

use super::{PlanError, parse_igniter_plan};
use igniter_model::domain::{
    BoundMethod, CoLocation, GpuBound, GpuKind, GpuKindName, Infeasible, ModelName, Placement,
    Plan, PredictedService, Workload, WorkloadFix, WorkloadName,
};
use igniter_model::input::read_text;
use igniter_model::units::{
    BatchSize, Dollars, Milliseconds, RequestsPerSecond, SmPercent, SmUnits,
};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A plan in its file format.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanFile {
    strategy: String,
    gpus: Vec<GpuFile>,
    gpu_count: usize,
    cost_per_hour: Dollars,
    #[serde(default)]
    infeasible: Vec<InfeasibleFile>,
    /// Proven bound on every plan for the same request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bound: Option<BoundFile>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BoundFile {
    gpus: usize,
    fractional_gpus: f64,
    method: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    least_total_sm_pct: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    least_cost_per_hour: Option<Dollars>,
    /// Gap between the plan and the bound, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gap_pct: Option<f64>,
    /// Gap between its cost and the least cost, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cost_gap_pct: Option<f64>,
    note: String,
    /// Description of the plans that the bound covers.
    #[serde(default)]
    covers: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GpuFile {
    kind: GpuKindName,
    placements: Vec<PlacementFile>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlacementFile {
    workload: WorkloadName,
    model: ModelName,
    batch: BatchSize,
    sm_pct: SmPercent,
    /// The served part of the workload's rate, when several placements share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    served_rps: Option<RequestsPerSecond>,
    /// Placements with the same number on a GPU take turns on the same SMs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    time_slot: Option<u32>,
    predicted_latency_ms: Option<Milliseconds>,
    predicted_throughput_rps: Option<RequestsPerSecond>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InfeasibleFile {
    workload: WorkloadName,
    reason: String,
    /// The smallest SLO at which the rate could be served.
    #[serde(default)]
    feasible_slo_ms: Option<Milliseconds>,
    /// The highest rate that the SLO allows.
    #[serde(default)]
    feasible_rate_rps: Option<RequestsPerSecond>,
}

/// Returns the kind with a name, if there is one.
fn kind_of<'a>(kinds: &[&'a GpuKind], name: &GpuKindName) -> Option<&'a GpuKind> {
    kinds.iter().copied().find(|kind| kind.name == *name)
}

/// Converts a plan to its file format. `kinds` must contain the kinds of all its GPUs.
///
/// # Panics
/// If a placement has no SM share or a GPU is of another kind, which `super::check_plan` reports.
#[must_use]
pub fn plan_json(plan: &Plan, kinds: &[&GpuKind]) -> PlanFile {
    let fix = |infeasible: &Infeasible| {
        let mut file = InfeasibleFile {
            workload: infeasible.workload.clone(),
            reason: infeasible.reason.clone(),
            feasible_slo_ms: None,
            feasible_rate_rps: None,
        };
        for fix in &infeasible.fixes {
            match fix {
                WorkloadFix::Slo(slo) => file.feasible_slo_ms = Some(*slo),
                WorkloadFix::Rate(rate) => file.feasible_rate_rps = Some(*rate),
            }
        }
        file
    };
    let placement = |p: &Placement, kind: &GpuKind| PlacementFile {
        workload: p.workload.clone(),
        model: p.model.clone(),
        batch: p.batch,
        sm_pct: p.sm.to_percent(kind.units).expect("a placement has a share"),
        served_rps: p.served,
        time_slot: p.time_slot,
        predicted_latency_ms: p.predicted.map(|s| s.latency),
        predicted_throughput_rps: p.predicted.map(|s| s.throughput),
    };
    PlanFile {
        strategy: plan.strategy.clone(),
        gpus: plan
            .gpus
            .iter()
            .map(|gpu| GpuFile {
                kind: gpu.kind.clone(),
                placements: {
                    let kind = kind_of(kinds, &gpu.kind).expect("a kind of the plan");
                    gpu.placements.iter().map(|p| placement(p, kind)).collect()
                },
            })
            .collect(),
        gpu_count: plan.gpus.len(),
        cost_per_hour: plan.cost_per_hour(kinds),
        infeasible: plan.infeasible.iter().map(fix).collect(),
        bound: plan.bound.as_ref().map(|bound| BoundFile {
            gpus: bound.gpus,
            fractional_gpus: bound.fractional_gpus,
            method: bound.method.as_str().to_owned(),
            least_total_sm_pct: bound
                .least_total_sm
                .and_then(|sm| sm.to_percent(kinds.first()?.units))
                .map(SmPercent::get),
            least_cost_per_hour: bound.least_cost_per_hour,
            gap_pct: plan.gap_pct(),
            cost_gap_pct: plan.cost_gap_pct(kinds),
            note: bound.note.clone(),
            covers: bound.covers.clone(),
        }),
    }
}

impl BoundFile {
    fn into_bound(self, kind: &GpuKind) -> Result<GpuBound, String> {
        let methods = [
            BoundMethod::ShareSum,
            BoundMethod::CuttingStock,
            BoundMethod::ConfigurationLp,
            BoundMethod::Exhaustive,
        ];
        let method = methods.into_iter().find(|method| method.as_str() == self.method);
        let method = method.ok_or_else(|| {
            let known = methods.map(BoundMethod::as_str).join(", ");
            format!("bound.method = {:?}: must be one of {known}", self.method)
        })?;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "`as` saturates"
        )]
        let units = |pct: f64| (pct * f64::from(kind.units.get()) / 100.0).round() as u32;
        Ok(GpuBound {
            gpus: self.gpus,
            fractional_gpus: self.fractional_gpus,
            method,
            least_total_sm: self.least_total_sm_pct.map(|pct| SmUnits::new(units(pct))),
            least_cost_per_hour: self.least_cost_per_hour,
            note: self.note,
            covers: self.covers,
        })
    }
}

impl PlanFile {
    /// Returns the price of all GPUs, in dollars per hour.
    #[must_use]
    pub fn cost_per_hour(&self) -> Dollars {
        self.cost_per_hour
    }

    fn into_plan(self, kinds: &[&GpuKind]) -> Result<Plan, String> {
        let bound = match (self.bound, kinds.first()) {
            (Some(bound), Some(kind)) => Some(bound.into_bound(kind)?),
            _ => None,
        };
        let mut gpus = Vec::with_capacity(self.gpus.len());
        for (index, gpu) in self.gpus.into_iter().enumerate() {
            let mut placements = Vec::with_capacity(gpu.placements.len());
            let kind = kind_of(kinds, &gpu.kind).ok_or_else(|| {
                let known: Vec<&str> = kinds.iter().map(|kind| kind.name.as_str()).collect();
                let known = known.join(", ");
                format!("gpus[{index}]: kind {} is none of the scenario's: {known}", gpu.kind)
            })?;
            for p in gpu.placements {
                let sm = units_of(p.sm_pct, kind)
                    .map_err(|e| format!("gpus[{index}], workload {}: {e}", p.workload))?;
                placements.push(Placement {
                    workload: p.workload,
                    model: p.model,
                    batch: p.batch,
                    sm,
                    served: p.served_rps,
                    time_slot: p.time_slot,
                    predicted: p
                        .predicted_latency_ms
                        .zip(p.predicted_throughput_rps)
                        .map(|(latency, throughput)| PredictedService { latency, throughput }),
                });
            }
            gpus.push(CoLocation { kind: gpu.kind, placements });
        }
        let infeasible = self.infeasible.into_iter().map(|i| Infeasible {
            workload: i.workload,
            reason: i.reason,
            fixes: [
                i.feasible_slo_ms.map(WorkloadFix::Slo),
                i.feasible_rate_rps.map(WorkloadFix::Rate),
            ]
            .into_iter()
            .flatten()
            .collect(),
        });
        Ok(Plan { strategy: self.strategy, gpus, infeasible: infeasible.collect(), bound })
    }
}

/// Converts a percentage to whole allocation units.
pub(super) fn units_of(sm: SmPercent, kind: &GpuKind) -> Result<SmUnits, String> {
    let exact = sm.get() * f64::from(kind.units.get()) / 100.0;
    let rounded = exact.round();
    if sm.get() > 100.0 {
        return Err(format!("sm_pct = {sm}: must be at most 100"));
    }
    if rounded < 1.0 || (exact - rounded).abs() > 1e-6 * exact {
        let unit = 100.0 / f64::from(kind.units.get());
        return Err(format!(
            "sm_pct = {sm}: must be a multiple of {unit} %, the allocation unit of {}",
            kind.name
        ));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to units")]
    Ok(SmUnits::new(rounded as u32))
}

fn of_igniter(text: &str, kind: Option<&GpuKind>, workloads: &[Workload]) -> Result<Plan, String> {
    parse_igniter_plan(text, kind.ok_or("no GPU kind is known")?, workloads)
}

/// Maximum size of a plan file, in bytes.
const LONGEST: u64 = 1 << 30;

/// Reads a plan: either the file format of [`plan_json`] or iGniter's format (a file of one object per GPU,
/// or the folder that holds `config_gpu1.json`, …), recognised by its content. iGniter's format names no
/// kinds, so its GPUs are of the first kind.
///
/// # Errors
/// If the file cannot be read, is not a plan, or asks for shares that the kind cannot give. Whether the
/// plan suits the workloads is checked by `super::check_plan`.
pub fn read_plan(
    path: &Path,
    kinds: &[&GpuKind],
    workloads: &[Workload],
) -> Result<Plan, PlanError> {
    let kind = kinds.first().copied();
    let error = |message: String| PlanError::File { path: path.to_owned(), message };
    if path.is_dir() {
        return of_igniter(&artifact_text(path)?, kind, workloads).map_err(error);
    }
    if path.exists() && !path.is_file() {
        let what =
            "is a pipe or a device, and a plan is read more than once; save it in a file first";
        return Err(error(what.to_owned()));
    }
    let text = read_text(path, LONGEST).map_err(|e| error(e.to_string()))?;
    parse_plan(&text, kinds, workloads).map_err(error)
}

/// Reads a plan from the text of a file, as [`read_plan`] does.
///
/// # Errors
/// Describes what is wrong with the text.
pub fn parse_plan(text: &str, kinds: &[&GpuKind], workloads: &[Workload]) -> Result<Plan, String> {
    let first = serde_json::Deserializer::from_str(text).into_iter::<serde_json::Value>().next();
    match first {
        Some(Ok(value)) if value.get("resources").is_some() => {
            of_igniter(text, kinds.first().copied(), workloads)
        }
        _ => {
            let file: PlanFile = serde_json::from_str(text)
                .map_err(|e| format!("is no plan of `igniter plan`: {e}"))?;
            file.into_plan(kinds)
        }
    }
}

/// Reads a plan from one file, or from several files in iGniter's format; each file adds the next GPUs.
///
/// # Errors
/// Those of [`read_plan`]; also if one of several files has another format.
pub fn read_plans(
    paths: &[std::path::PathBuf],
    kinds: &[&GpuKind],
    workloads: &[Workload],
) -> Result<Plan, PlanError> {
    if let [one] = paths {
        return read_plan(one, kinds, workloads);
    }
    let mut text = String::new();
    for path in paths {
        if !is_artifact_plan(path) {
            return Err(PlanError::File {
                path: path.clone(),
                message:
                    "is no plan of the iGniter artifact, of which alone several files make one plan"
                        .to_owned(),
            });
        }
        text += &artifact_text(path)?;
        text.push('\n');
    }
    let error =
        |message| PlanError::File { path: paths.first().cloned().unwrap_or_default(), message };
    of_igniter(&text, kinds.first().copied(), workloads).map_err(error)
}

/// Returns whether a file or folder holds a plan in iGniter's format, judged by its content.
#[must_use]
pub fn is_artifact_plan(path: &Path) -> bool {
    // Reading from a pipe would consume its content.
    if !path.is_file() && !path.is_dir() {
        return false;
    }
    let Ok(text) = artifact_text(path) else { return false };
    let first = serde_json::Deserializer::from_str(&text).into_iter::<serde_json::Value>().next();
    matches!(first, Some(Ok(value)) if value.get("resources").is_some())
}

/// Returns the text of a file, or of the files `config_gpu1.json`, … of a folder joined.
///
/// # Errors
/// If a file cannot be read.
pub fn artifact_text(path: &Path) -> Result<String, PlanError> {
    let read = |file: &Path| {
        read_text(file, LONGEST)
            .map_err(|e| PlanError::File { path: file.to_owned(), message: e.to_string() })
    };
    if !path.is_dir() {
        return read(path);
    }
    let mut text = String::new();
    for number in 1.. {
        let file = path.join(format!("config_gpu{number}.json"));
        if number > 1 && !file.exists() {
            break;
        }
        text += &read(&file)?;
        text.push('\n');
    }
    Ok(text)
}
