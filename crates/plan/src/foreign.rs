//! Strategies outside of this program: their input as JSON, and the conversion of their answer to a plan.
//!
//! `docs/strategy-command.schema.json` describes both documents.

use super::{Margin, PlanError, PlanOptions, PlanRequest, Replicas, parse_plan};
use igniter_model::domain::{GpuKind, Infeasible, ModelId, Plan, PredictedService, Workload};
use igniter_model::predictor::{CoLocationPrediction, Member, Predictor};
use igniter_model::units::{BatchSize, Milliseconds, RequestsPerSecond, SmUnits};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;

/// Value of the key `schema` in a request document.
pub const FOREIGN_REQUEST: &str = "igniter/strategy-request/v1";

/// The input of a foreign strategy, as a document.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ForeignRequest {
    schema: &'static str,
    workloads: Vec<WorkloadDocument>,
    /// The GPU kinds that a plan may use.
    kinds: Vec<KindDocument>,
    options: OptionsDocument,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct WorkloadDocument {
    name: String,
    model: String,
    slo_ms: f64,
    rate_rps: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct KindDocument {
    name: String,
    /// Number of allocation units of SMs on a GPU.
    units: u32,
    /// Shares are multiples of this, in percent.
    unit_pct: f64,
    memory_bytes: Option<u64>,
    price_per_hour: f64,
    power_cap_w: f64,
    idle_power_w: f64,
    max_clock_mhz: f64,
    predictor: &'static str,
    models: Vec<ModelDocument>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct ModelDocument {
    name: String,
    /// The largest measured batch.
    max_batch: u32,
    /// Device memory of one process.
    memory_bytes: Option<u64>,
    /// Predictions of the model alone on a GPU; absent where a strategy can request predictions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    alone: Vec<AloneDocument>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct AloneDocument {
    batch: u32,
    sm_pct: f64,
    load_ms: f64,
    gpu_ms: f64,
    feedback_ms: f64,
    latency_ms: f64,
    throughput_rps: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
struct OptionsDocument {
    /// A percentage, or `predictor`.
    margin_pct: Value,
    headroom_pct: f64,
    process_limit: usize,
    /// Whether workloads may be replicated; null where the strategy decides.
    replicas: Option<bool>,
    attainment_pct: f64,
    confidence_pct: f64,
    seed: u64,
}

/// Builds the input of a foreign strategy: the workloads, and each GPU kind with the predictor to plan with.
///
/// With `alone`, the document includes predictions of each model of the workloads alone, at every share, for batches of
/// 1, 2, 4 and so on up to the largest measured one. This is for strategies that cannot query the predictor.
#[must_use]
pub fn foreign_request(
    workloads: &[Workload],
    predictors: &[&dyn Predictor],
    options: &PlanOptions,
    alone: bool,
) -> ForeignRequest {
    let workload = |w: &Workload| WorkloadDocument {
        name: w.name.to_string(),
        model: w.model.to_string(),
        slo_ms: w.slo.get(),
        rate_rps: w.rate.get(),
    };
    ForeignRequest {
        schema: FOREIGN_REQUEST,
        workloads: workloads.iter().map(workload).collect(),
        kinds: predictors.iter().map(|p| kind_document(*p, workloads, alone)).collect(),
        options: OptionsDocument {
            margin_pct: match options.margin {
                Margin::Percent(percent) => json!(percent),
                Margin::Predictor => json!("predictor"),
            },
            headroom_pct: options.throughput_headroom_pct,
            process_limit: options.process_limit,
            replicas: match options.replicas {
                Replicas::ByStrategy => None,
                Replicas::Forbidden => Some(false),
                Replicas::Allowed => Some(true),
            },
            attainment_pct: options.attainment_pct,
            confidence_pct: options.confidence_pct,
            seed: options.seed,
        },
    }
}

fn kind_document(predictor: &dyn Predictor, workloads: &[Workload], alone: bool) -> KindDocument {
    let kind = predictor.kind();
    let models = predictor.models().iter().enumerate().map(|(index, name)| {
        let model = ModelId::new(index);
        let wanted = alone && workloads.iter().any(|w| w.model == *name);
        ModelDocument {
            name: name.to_string(),
            max_batch: predictor.max_batch(model).get(),
            memory_bytes: predictor.memory(model).map(|bytes| bytes.get()),
            alone: if wanted { alone_documents(predictor, model) } else { Vec::new() },
        }
    });
    KindDocument {
        name: kind.name.to_string(),
        units: kind.units.get(),
        unit_pct: 100.0 / f64::from(kind.units.get()),
        memory_bytes: kind.memory.map(|bytes| bytes.get()),
        price_per_hour: kind.price_per_hour.get(),
        power_cap_w: kind.power_cap.get(),
        idle_power_w: kind.idle_power.get(),
        max_clock_mhz: kind.max_clock.get(),
        predictor: predictor.name(),
        models: models.collect(),
    }
}

fn alone_documents(predictor: &dyn Predictor, model: ModelId) -> Vec<AloneDocument> {
    let kind = predictor.kind();
    let most = predictor.max_batch(model).get();
    let powers = std::iter::successors(Some(1_u32), |batch| batch.checked_mul(2));
    let mut batches: Vec<u32> = powers.take_while(|batch| *batch < most).collect();
    batches.push(most);
    let mut found = Vec::new();
    for batch in batches.into_iter().filter_map(|batch| BatchSize::new(batch).ok()) {
        for units in 1..=kind.units.get() {
            let Some(sm) = SmUnits::new(units).to_percent(kind.units) else { continue };
            let prediction = predictor.predict(&[Member { model, batch, sm }]);
            let p = prediction.members[0];
            found.push(AloneDocument {
                batch: batch.get(),
                sm_pct: sm.get(),
                load_ms: p.load_ms,
                gpu_ms: p.gpu_ms,
                feedback_ms: p.feedback_ms,
                latency_ms: p.latency_ms(),
                throughput_rps: p.throughput_rps,
            });
        }
    }
    found
}

/// Converts the answer of a foreign strategy to a plan. The answer is a document of [`super::plan_json`] that may omit
/// the name of the strategy, the number of GPUs and their cost, the models of placements, and the kind where there is
/// only one. Missing predictions are added, and workloads that the answer does not mention are listed as infeasible.
/// Whether the plan can run is checked by `super::check_plan`.
///
/// # Errors
/// If the answer is not a plan, or asks for shares that a kind cannot give.
pub fn foreign_plan(
    strategy: &str,
    mut answer: Value,
    workloads: &[Workload],
    predictors: &[&dyn Predictor],
) -> Result<Plan, PlanError> {
    let wrong = |message: String| PlanError::File {
        path: Path::new("the plan of strategy").join(strategy),
        message,
    };
    complete(strategy, &mut answer, workloads, predictors).map_err(wrong)?;
    let kinds: Vec<&GpuKind> = predictors.iter().map(|predictor| predictor.kind()).collect();
    let mut plan = parse_plan(&answer.to_string(), &kinds, workloads).map_err(wrong)?;
    predict(&mut plan, predictors);
    let forgotten = workloads.iter().filter(|workload| {
        plan.placements().all(|(_, placement)| placement.workload != workload.name)
            && plan.infeasible.iter().all(|refused| refused.workload != workload.name)
    });
    let forgotten: Vec<Infeasible> = forgotten
        .map(|workload| Infeasible {
            workload: workload.name.clone(),
            reason: format!("strategy {strategy} gave it no place and no reason"),
            fixes: Vec::new(),
        })
        .collect();
    plan.infeasible.extend(forgotten);
    Ok(plan)
}

/// Fills in the keys that an answer may omit.
fn complete(
    strategy: &str,
    answer: &mut Value,
    workloads: &[Workload],
    predictors: &[&dyn Predictor],
) -> Result<(), String> {
    let Some(plan) = answer.as_object_mut() else {
        return Err("is no object with the key gpus".to_owned());
    };
    plan.insert("strategy".to_owned(), json!(strategy));
    plan.insert("cost_per_hour".to_owned(), json!(0.0));
    let gpus = plan.get_mut("gpus").and_then(Value::as_array_mut);
    let Some(gpus) = gpus else { return Err("lacks the list gpus".to_owned()) };
    let count = gpus.len();
    for gpu in gpus.iter_mut().filter_map(Value::as_object_mut) {
        if let ([only], false) = (predictors, gpu.contains_key("kind")) {
            gpu.insert("kind".to_owned(), json!(only.kind().name.as_str()));
        }
        let placements = gpu.get_mut("placements").and_then(Value::as_array_mut);
        for placement in placements.into_iter().flatten().filter_map(Value::as_object_mut) {
            let name = placement.get("workload").and_then(Value::as_str);
            let Some(workload) = workloads.iter().find(|w| Some(w.name.as_str()) == name) else {
                let known: Vec<&str> = workloads.iter().map(|w| w.name.as_str()).collect();
                let (given, known) = (name.unwrap_or("nothing"), known.join(", "));
                return Err(format!("places {given:?}; the workloads of the request are: {known}"));
            };
            if !placement.contains_key("model") {
                placement.insert("model".to_owned(), json!(workload.model.as_str()));
            }
        }
    }
    plan.insert("gpu_count".to_owned(), json!(count));
    Ok(())
}

/// Predicts the placements that lack a prediction, except on GPUs with time slots, whose placements take turns.
fn predict(plan: &mut Plan, predictors: &[&dyn Predictor]) {
    let mut out = CoLocationPrediction::default();
    for gpu in &mut plan.gpus {
        let Some(predictor) = predictors.iter().find(|p| p.kind().name == gpu.kind) else {
            continue;
        };
        let units = predictor.kind().units;
        let member = |p: &igniter_model::domain::Placement| {
            let model = predictor.model_id(&p.model)?;
            Some(Member { model, batch: p.batch, sm: p.sm.to_percent(units)? })
        };
        let members: Option<Vec<Member>> = gpu.placements.iter().map(member).collect();
        let Some(members) = members.filter(|_| !gpu.takes_turns()) else { continue };
        predictor.predict_into(&members, &mut out);
        for (placement, predicted) in gpu.placements.iter_mut().zip(&out.members) {
            let latency = Milliseconds::new(predicted.latency_ms()).ok();
            let throughput = RequestsPerSecond::new(predicted.throughput_rps).ok();
            let service = latency
                .zip(throughput)
                .map(|(latency, throughput)| PredictedService { latency, throughput });
            placement.predicted = placement.predicted.or(service);
        }
    }
}

impl ForeignRequest {
    /// Builds the document of one request of a strategy, without predictions of models alone.
    #[must_use]
    pub fn of(request: &PlanRequest<'_>) -> Self {
        foreign_request(request.workloads(), &[request.predictor()], request.options(), false)
    }
}
