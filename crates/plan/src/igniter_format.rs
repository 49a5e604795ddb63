//! The plan format of the iGniter artifact: for each GPU one JSON object of parallel lists.
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

/// One GPU. Unknown keys are allowed: versions of the artifact differ in what else they write.
#[derive(Debug, Serialize, Deserialize)]
struct GpuObject {
    models: Vec<ModelName>,
    rates: Vec<RequestsPerSecond>,
    slos: Vec<Milliseconds>,
    resources: Vec<SmPercent>,
    batches: Vec<BatchSize>,
}

/// The plan as one JSON text for each GPU, in order: the contents of `config_gpu1.json`, ….
///
/// # Panics
/// When a placement names no workload of the list or has no SM share, or a GPU is of another kind;
/// `super::check_plan` reports all of these.
#[must_use]
pub fn write_igniter_plan(plan: &Plan, kinds: &[&GpuKind], workloads: &[Workload]) -> Vec<String> {
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
            let workload = workloads
                .iter()
                .find(|w| w.name == placement.workload)
                .expect("a placement serves a workload of the scenario");
            object.models.push(placement.model.clone());
            object.rates.push(placement.served.unwrap_or(workload.rate));
            object.slos.push(execution_budget(workload.slo));
            object.resources.push(placement.sm.to_percent(kind.units).expect("it has a share"));
            object.batches.push(placement.batch);
        }
        serde_json::to_string(&object).expect("finite numbers and text")
    };
    plan.gpus.iter().map(text).collect()
}

/// Reads objects that stand one after another. The format has no workload names: each entry takes the
/// first workload, not yet taken, with the same model, rate and SLO.
///
/// # Errors
/// In words, when the text is no such object, lists differ in length, or no workload fits an entry.
pub fn parse_igniter_plan(
    text: &str,
    kind: &GpuKind,
    workloads: &[Workload],
) -> Result<Plan, String> {
    let mut free: Vec<&Workload> = workloads.iter().collect();
    let mut gpus = Vec::new();
    for object in serde_json::Deserializer::from_str(text).into_iter::<GpuObject>() {
        let number = gpus.len() + 1;
        let object = object.map_err(|e| format!("GPU {number}: no plan of the artifact: {e}"))?;
        let length = object.models.len();
        let lengths =
            [object.rates.len(), object.slos.len(), object.resources.len(), object.batches.len()];
        if lengths.iter().any(|l| *l != length) {
            return Err(format!(
                "GPU {number}: models, rates, slos, resources and batches must have the same length, \
                 not {length}, {lengths:?}"
            ));
        }
        let mut placements = Vec::with_capacity(length);
        for i in 0..length {
            let (model, rate) = (&object.models[i], object.rates[i]);
            let slo = slo_of_budget(object.slos[i]).map_err(|e| format!("GPU {number}: {e}"))?;
            let fits = |w: &&Workload| {
                &w.model == model && near(w.rate.get(), rate.get()) && near(w.slo.get(), slo.get())
            };
            let position = free.iter().position(fits).ok_or_else(|| {
                format!(
                    "GPU {number}: no workload left with model {model}, {rate} requests/s and an SLO of \
                     {slo} ms (the file's `slos` hold half of it)"
                )
            })?;
            let sm =
                units_of(object.resources[i], kind).map_err(|e| format!("GPU {number}: {e}"))?;
            placements.push(Placement {
                workload: free.remove(position).name.clone(),
                model: model.clone(),
                batch: object.batches[i],
                sm,
                served: None,
                predicted: None,
            });
        }
        gpus.push(CoLocation { kind: kind.name.clone(), placements });
    }
    if gpus.is_empty() {
        return Err("holds no plan".to_owned());
    }
    Ok(Plan { strategy: "file".to_owned(), gpus, infeasible: Vec::new(), bound: None })
}

/// Equal up to what printing in decimal can lose.
fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
}
