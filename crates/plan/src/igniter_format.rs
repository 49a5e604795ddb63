//! The plan format of the iGniter artifact: one JSON object of parallel lists per GPU.
//!
//! ```json
//! {"models": ["vgg19"], "rates": [200], "slos": [30.0], "resources": [37.5], "batches": [6]}
//! ```
//! `slos` holds half of each SLO (the execution budget), as the artifact's launcher expects; `resources`
//! are SM shares in percent.

use super::file::units_of;
use igniter_model::domain::{CoLocation, GpuKind, ModelName, Placement, Plan, Workload};
use igniter_model::rules::{execution_budget, slo_of_budget};
use igniter_model::units::{BatchSize, Milliseconds, RequestsPerSecond, SmPercent};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Suffix of the artifact's model names: `alexnet_dynamic` is alexnet with a batch size that is chosen at run time.
const SUFFIX: &str = "_dynamic";

/// Returns the model that an entry of a plan file refers to: its name without the suffix that the artifact adds to
/// all names.
#[must_use]
pub fn plain_model(name: &ModelName) -> ModelName {
    let plain = name.as_str().strip_suffix(SUFFIX).filter(|plain| !plain.is_empty());
    plain.and_then(|plain| ModelName::new(plain).ok()).unwrap_or_else(|| name.clone())
}

/// Returns the name under which the artifact looks up a model.
fn artifact_model(name: &ModelName) -> ModelName {
    if name.as_str().ends_with(SUFFIX) {
        return name.clone();
    }
    // A name that would be too long with the suffix stays as it is.
    ModelName::new(&format!("{name}{SUFFIX}")).unwrap_or_else(|_| name.clone())
}

/// One entry of a plan file: a model on a GPU.
#[derive(Debug, Clone, PartialEq)]
pub struct ArtifactEntry {
    /// The model, without the artifact's suffix.
    pub model: ModelName,
    /// Its rate, in requests/s.
    pub rate: RequestsPerSecond,
    /// Its SLO, which is twice the value in the file.
    pub slo: Milliseconds,
    /// Its SM share, in percent.
    pub sm: SmPercent,
    pub batch: BatchSize,
}

/// Reads the entries of plan files, grouped by GPU, without matching them to workloads.
///
/// # Errors
/// A message, if the text is not a sequence of such objects or the lists of an object differ in length.
pub fn artifact_entries(text: &str) -> Result<Vec<Vec<ArtifactEntry>>, String> {
    let mut gpus = Vec::new();
    for object in serde_json::Deserializer::from_str(text).into_iter::<GpuObject>() {
        let number = gpus.len() + 1;
        let object = object.map_err(|e| format!("GPU {number}: no plan of the artifact: {e}"))?;
        gpus.push(object.entries(number)?);
    }
    if gpus.is_empty() {
        return Err("holds no plan".to_owned());
    }
    Ok(gpus)
}

impl GpuObject {
    fn entries(&self, number: usize) -> Result<Vec<ArtifactEntry>, String> {
        let length = self.models.len();
        let lengths = [self.rates.len(), self.slos.len(), self.resources.len(), self.batches.len()];
        if lengths.iter().any(|l| *l != length) {
            return Err(format!(
                "GPU {number}: models, rates, slos, resources and batches must have the same length, \
                 not {length}, {lengths:?}"
            ));
        }
        let entry = |i: usize| {
            Ok(ArtifactEntry {
                model: plain_model(&self.models[i]),
                rate: self.rates[i],
                slo: slo_of_budget(self.slos[i]).map_err(|e| format!("GPU {number}: {e}"))?,
                sm: self.resources[i],
                batch: self.batches[i],
            })
        };
        (0..length).map(entry).collect()
    }
}

/// One GPU. Unknown keys are allowed, because versions of the artifact write different additional keys.
#[derive(Debug, Serialize, Deserialize)]
struct GpuObject {
    models: Vec<ModelName>,
    rates: Vec<RequestsPerSecond>,
    slos: Vec<Milliseconds>,
    resources: Vec<SmPercent>,
    batches: Vec<BatchSize>,
}

/// Converts a plan to one JSON text per GPU, in order: the contents of `config_gpu1.json`, ….
///
/// # Panics
/// If a placement names no workload of the list or has no SM share, or a GPU is of another kind; `super::check_plan`
/// reports all of these.
#[must_use]
pub fn write_igniter_plan(plan: &Plan, kinds: &[&GpuKind], workloads: &[Workload]) -> Vec<String> {
    let by_name: BTreeMap<_, _> = workloads.iter().map(|w| (&w.name, w)).collect();
    let text = |gpu: &CoLocation| {
        let kind = kinds.iter().find(|kind| kind.name == gpu.kind).expect("a kind of the plan");
        let mut object = GpuObject {
            models: Vec::new(),
            rates: Vec::new(),
            slos: Vec::new(),
            resources: Vec::new(),
            batches: Vec::new(),
        };
        for placement in &gpu.placements {
            let workload =
                by_name.get(&placement.workload).expect("a placement serves a known workload");
            object.models.push(artifact_model(&placement.model));
            object.rates.push(placement.served.unwrap_or(workload.rate));
            object.slos.push(execution_budget(workload.slo));
            object.resources.push(placement.sm.to_percent(kind.units).expect("it has a share"));
            object.batches.push(placement.batch);
        }
        serde_json::to_string(&object).expect("finite numbers and text")
    };
    plan.gpus.iter().map(text).collect()
}

/// Reads concatenated objects. The format has no workload names, so each entry is matched to the first unmatched
/// workload with the same model, rate and SLO.
///
/// # Errors
/// A message, if the text is not a sequence of such objects, the lists of an object differ in length, or no workload
/// fits an entry.
pub fn parse_igniter_plan(
    text: &str,
    kind: &GpuKind,
    workloads: &[Workload],
) -> Result<Plan, String> {
    let mut free: Vec<&Workload> = workloads.iter().collect();
    let mut gpus = Vec::new();
    for (entries, number) in artifact_entries(text)?.into_iter().zip(1..) {
        let mut placements = Vec::with_capacity(entries.len());
        for ArtifactEntry { model, rate, slo, sm, batch } in entries {
            let fits = |w: &&Workload| {
                plain_model(&w.model) == model
                    && near(w.rate.get(), rate.get())
                    && near(w.slo.get(), slo.get())
            };
            let position = free.iter().position(fits).ok_or_else(|| {
                format!(
                    "GPU {number}: no workload left with model {model}, {rate} requests/s and an SLO of \
                     {slo} ms (the file's `slos` hold half of it)"
                )
            })?;
            let sm = units_of(sm, kind).map_err(|e| format!("GPU {number}: {e}"))?;
            let workload = free.remove(position);
            placements.push(Placement {
                workload: workload.name.clone(),
                model: workload.model.clone(),
                batch,
                sm,
                served: None,
                time_slot: None,
                predicted: None,
            });
        }
        gpus.push(CoLocation { kind: kind.name.clone(), placements });
    }
    Ok(Plan { strategy: "file".to_owned(), gpus, infeasible: Vec::new(), bound: None })
}

/// Returns whether two numbers are equal up to the precision that printing in decimal can lose.
fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}
