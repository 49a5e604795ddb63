//! Compares a predictor with measured co-locations, and with simpler ways to predict them.

use crate::domain::ModelName;
use crate::fit;
use crate::predictor::{BadPrediction, Lead, Member, Predictor, check_prediction};
use crate::profile::{ColocatedRun, SoloTable};
use crate::stats;
use serde::Serialize;
use std::collections::BTreeMap;

/// The reasons why predictions cannot be compared with measurements.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "messages name the fields")]
#[non_exhaustive]
pub enum AccuracyError {
    /// A measured model is not in the profile.
    #[error("run {run}: model {model:?} is not in the profile, which has: {known}")]
    UnknownModel { run: u64, model: String, known: String },
    /// A prediction is invalid.
    #[error("run {run}: {source}")]
    Prediction { run: u64, source: BadPrediction },
}

/// Relative errors of predicted latencies against measured ones.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ErrorSummary {
    /// Number of latencies.
    pub n: usize,
    /// Mean absolute error in percent of the measured latency.
    pub mape_pct: f64,
    /// 95th percentile (nearest rank) of the absolute error in percent.
    pub p95_pct: f64,
    /// Largest absolute error in percent.
    pub max_pct: f64,
    /// Mean error in percent; positive when predictions are too slow.
    pub bias_pct: f64,
}

/// A simpler prediction method, for comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NullModel {
    /// The short name of the method.
    pub name: &'static str,
    /// A description of the method.
    pub description: &'static str,
    /// The errors of the method.
    #[serde(flatten)]
    pub errors: ErrorSummary,
}

/// The errors of one model of the data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelErrors {
    /// The model.
    pub model: ModelName,
    /// The errors of the predicted latencies.
    #[serde(flatten)]
    pub errors: ErrorSummary,
}

/// The errors of one part of the data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartErrors {
    /// The name of the part.
    pub of: String,
    /// The errors of the predicted latencies.
    #[serde(flatten)]
    pub errors: ErrorSummary,
    /// Percentage of the latencies that lie in the predictor's own 95 % interval; absent where it gives none.
    pub covered_pct: Option<f64>,
    /// The mean half-width of that interval in percent of the prediction.
    pub two_sided_pct: Option<f64>,
}

/// One measured makespan beside its prediction.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MakespanPoint {
    /// The number of the run.
    pub run: u64,
    /// Number of members in the run.
    pub members: usize,
    /// Predicted time from the common start to the end of the last batch, in ms.
    pub predicted_ms: f64,
    /// Measured makespan in ms.
    pub measured_ms: f64,
}

/// One measured latency beside its prediction.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AccuracyPoint {
    /// The number of the run.
    pub run: u64,
    /// The index of the member in the run.
    pub member: usize,
    /// The model.
    pub model: ModelName,
    /// Batch size.
    pub batch: u32,
    /// SM share in percent.
    pub sm_pct: f64,
    /// Predicted latency of a batch in ms.
    pub predicted_ms: f64,
    /// Measured latency of a batch in ms.
    pub measured_ms: f64,
    /// Error in percent of the measured latency.
    pub error_pct: f64,
    /// Number of members in the run.
    pub members: usize,
    /// Whether the GPU or the launching of kernels takes longer, according to the predictor.
    pub lead: Lead,
    /// Half-width of the predictor's 95 % interval in percent of the prediction, where it gives one.
    pub two_sided_pct: Option<f64>,
}

/// The outcome of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AccuracyReport {
    /// The predictor.
    pub predictor: &'static str,
    /// The errors over all latencies.
    #[serde(flatten)]
    pub errors: ErrorSummary,
    /// Pearson's correlation of predicted and measured slowdown (latency together / latency alone);
    /// absent without a solo table.
    pub slowdown_correlation: Option<f64>,
    /// The errors of each model.
    pub per_model: Vec<ModelErrors>,
    /// The errors where the GPU leads and where launching leads; in runs in which the GPU leads for every member; and
    /// for each number of members.
    pub parts: Vec<PartErrors>,
    /// The errors of the makespans, where runs have them.
    pub makespans: Option<ErrorSummary>,
    /// Number of members that ran but were not timed: they count as neighbours only.
    pub untimed: usize,
    /// Number of timed members whose configuration is missing in the solo table: they have no measured slowdown.
    pub without_solo: usize,
    /// The simpler prediction methods, for comparison.
    pub null_models: Vec<NullModel>,
    /// Every measured latency with its prediction.
    #[serde(skip)]
    pub points: Vec<AccuracyPoint>,
    /// Every measured makespan with its prediction.
    #[serde(skip)]
    pub makespan_points: Vec<MakespanPoint>,
}

/// Predicts every measured co-location and compares the predictions with the measurements. With a solo table (measured
/// latencies alone), the slowdown and the measured null models are also compared, on the configurations that the table
/// has.
///
/// # Errors
/// When a run has a model that the predictor does not know, or a prediction is invalid.
///
/// # Panics
/// When `runs` is empty, which the reader of runs excludes.
pub fn accuracy(
    predictor: &dyn Predictor,
    runs: &[ColocatedRun],
    solo: Option<&SoloTable>,
) -> Result<AccuracyReport, AccuracyError> {
    let mut points = Vec::new();
    let mut makespan_points = Vec::new();
    let mut alone_predicted = Vec::new();
    let mut alone_measured = Vec::new();
    let mut combinations = Vec::new();
    let mut untimed = 0;
    for run in runs {
        let members = members_of(predictor, run)?;
        if let Some(measured) = run.makespan {
            makespan_points.push(MakespanPoint {
                run: run.run,
                members: members.len(),
                predicted_ms: makespan_ms(predictor, &members),
                measured_ms: measured.get(),
            });
        }
        let together = predictor.predict(&members);
        check_prediction(predictor, &members, &together)
            .map_err(|source| AccuracyError::Prediction { run: run.run, source })?;
        for (index, (measured, predicted)) in run.members.iter().zip(&together.members).enumerate()
        {
            let Some(latency) = measured.latency else {
                untimed += usize::from(run.makespan.is_none());
                continue;
            };
            let (predicted_ms, measured_ms) = (predicted.latency_ms(), latency.get());
            let uncertainty = predictor.uncertainty(&members, index);
            points.push(AccuracyPoint {
                run: run.run,
                member: index,
                model: measured.model.clone(),
                batch: measured.batch.get(),
                sm_pct: measured.sm.get(),
                predicted_ms,
                measured_ms,
                error_pct: (predicted_ms / measured_ms - 1.0) * 100.0,
                members: members.len(),
                lead: uncertainty.map_or(Lead::Gpu, |u| u.lead),
                two_sided_pct: uncertainty.map(|u| u.two_sided_pct),
            });
            alone_predicted.push(predictor.predict(&[members[index]]).members[0].latency_ms());
            alone_measured.push(
                solo.and_then(|table| {
                    table.latency_ms(&measured.model, measured.batch, measured.sm)
                }),
            );
            let mut models: Vec<&ModelName> = run.members.iter().map(|m| &m.model).collect();
            models.sort();
            combinations.push(models);
        }
    }
    let measured: Vec<f64> = points.iter().map(|p| p.measured_ms).collect();
    let predicted: Vec<f64> = points.iter().map(|p| p.predicted_ms).collect();
    let mut null_models = Vec::new();
    if !points.is_empty() {
        null_models.push(NullModel {
            name: "predicted_alone",
            description: "the predictor's own latency alone on the GPU: no interference",
            errors: summarise(&alone_predicted, &measured),
        });
    }
    let mut slowdown_correlation = None;
    let known: Vec<usize> = (0..points.len()).filter(|i| alone_measured[*i].is_some()).collect();
    if !known.is_empty() {
        let of = |values: &[f64]| known.iter().map(|i| values[*i]).collect::<Vec<f64>>();
        let alone: Vec<f64> = known.iter().filter_map(|i| alone_measured[*i]).collect();
        let together = of(&measured);
        let combinations: Vec<&[&ModelName]> =
            known.iter().map(|i| combinations[*i].as_slice()).collect();
        null_models.push(NullModel {
            name: "measured_alone",
            description: "the measured latency alone on the GPU: no interference",
            errors: summarise(&alone, &together),
        });
        null_models.push(NullModel {
            name: "measured_alone_scaled",
            description: "the measured latency alone times one constant, the mean slowdown of all runs \
                          of other model combinations",
            errors: summarise(&scaled(&combinations, &alone, &together), &together),
        });
        let ratio = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a / b).collect::<Vec<_>>();
        slowdown_correlation = stats::pearson(
            &ratio(&of(&predicted), &of(&alone_predicted)),
            &ratio(&together, &alone),
        );
    }
    let makespans = (!makespan_points.is_empty()).then(|| {
        let of = |f: fn(&MakespanPoint) -> f64| makespan_points.iter().map(f).collect::<Vec<f64>>();
        summarise(&of(|p| p.predicted_ms), &of(|p| p.measured_ms))
    });
    let errors = match (&makespans, points.is_empty()) {
        (Some(makespans), true) => makespans.clone(),
        _ => summarise(&predicted, &measured),
    };
    Ok(AccuracyReport {
        predictor: predictor.name(),
        errors,
        slowdown_correlation,
        per_model: per_model(&points),
        parts: parts(&points),
        makespans,
        untimed,
        without_solo: if solo.is_some() { points.len() - known.len() } else { 0 },
        null_models,
        points,
        makespan_points,
    })
}

/// Returns the time in ms until the last member has finished one batch, when all start together: members leave when
/// they finish, and the others continue at the pace that they have without them.
fn makespan_ms(predictor: &dyn Predictor, members: &[Member]) -> f64 {
    let mut running: Vec<(Member, f64)> = members.iter().map(|m| (*m, 1.0)).collect();
    let mut elapsed_ms = 0.0;
    while !running.is_empty() {
        let present: Vec<Member> = running.iter().map(|(member, _)| *member).collect();
        let latencies: Vec<f64> =
            predictor.predict(&present).members.iter().map(|m| m.latency_ms()).collect();
        let left = |(i, (_, left)): (usize, &(Member, f64))| left * latencies[i];
        let step = running.iter().enumerate().map(left).fold(f64::INFINITY, f64::min);
        elapsed_ms += step;
        for ((_, left), latency) in running.iter_mut().zip(&latencies) {
            *left -= step / latency;
        }
        let before = running.len();
        running.retain(|(_, left)| *left > 1e-9);
        if running.len() == before {
            break;
        }
    }
    elapsed_ms
}

/// Returns the errors of the parts of the data: where the GPU leads, where launching leads, and each number of members.
/// A part that is empty or contains all points is left out.
fn parts(points: &[AccuracyPoint]) -> Vec<PartErrors> {
    let mut found = Vec::new();
    let mut add = |of: String, chosen: Vec<&AccuracyPoint>| {
        if chosen.is_empty() || chosen.len() == points.len() {
            return;
        }
        let predicted: Vec<f64> = chosen.iter().map(|p| p.predicted_ms).collect();
        let measured: Vec<f64> = chosen.iter().map(|p| p.measured_ms).collect();
        let widths: Vec<f64> = chosen.iter().filter_map(|p| p.two_sided_pct).collect();
        let covered = chosen.iter().filter(|p| {
            let error = 100.0 * (p.measured_ms / p.predicted_ms - 1.0).abs();
            p.two_sided_pct.is_some_and(|width| error <= width)
        });
        let all_known = widths.len() == chosen.len();
        found.push(PartErrors {
            of,
            errors: summarise(&predicted, &measured),
            covered_pct: all_known.then(|| 100.0 * covered.count() as f64 / chosen.len() as f64),
            two_sided_pct: stats::mean(&widths).filter(|_| all_known),
        });
    };
    for (lead, name) in [(Lead::Gpu, "the GPU leads"), (Lead::Launch, "launching leads")] {
        add(name.to_owned(), points.iter().filter(|p| p.lead == lead).collect());
    }
    let launching: std::collections::BTreeSet<u64> =
        points.iter().filter(|p| p.lead == Lead::Launch).map(|p| p.run).collect();
    if !launching.is_empty() {
        let chosen = points.iter().filter(|p| !launching.contains(&p.run)).collect();
        add("the GPU leads for all of the run".to_owned(), chosen);
    }
    let sizes: std::collections::BTreeSet<usize> = points.iter().map(|p| p.members).collect();
    for size in sizes {
        let chosen = points.iter().filter(|p| p.members == size).collect();
        add(format!("{size} members"), chosen);
    }
    found
}

fn members_of(predictor: &dyn Predictor, run: &ColocatedRun) -> Result<Vec<Member>, AccuracyError> {
    fit::members_of(predictor, run).map_err(|model| {
        let known: Vec<&str> = predictor.models().iter().map(|m| m.as_str()).collect();
        let (model, known) = (model.to_string(), known.join(", "));
        AccuracyError::UnknownModel { run: run.run, model, known }
    })
}

/// Scales each latency alone by the mean slowdown of the runs with other combinations of models, so that the constant
/// has not seen the latencies that it predicts.
fn scaled(combinations: &[&[&ModelName]], alone: &[f64], measured: &[f64]) -> Vec<f64> {
    let mut sums: BTreeMap<&[&ModelName], (f64, f64)> = BTreeMap::new();
    let mut all = (0.0, 0.0);
    for (combination, (alone, measured)) in combinations.iter().zip(alone.iter().zip(measured)) {
        let sum = sums.entry(combination).or_default();
        sum.0 += measured / alone;
        sum.1 += 1.0;
        all.0 += measured / alone;
        all.1 += 1.0;
    }
    let scale = |combination: &[&ModelName]| {
        let own = sums[combination];
        // With a single combination there are no other runs to learn from, so no slowdown is assumed.
        if all.1 > own.1 { (all.0 - own.0) / (all.1 - own.1) } else { 1.0 }
    };
    combinations.iter().zip(alone).map(|(combination, alone)| alone * scale(combination)).collect()
}

fn per_model(points: &[AccuracyPoint]) -> Vec<ModelErrors> {
    let mut by_model: BTreeMap<&ModelName, (Vec<f64>, Vec<f64>)> = BTreeMap::new();
    for point in points {
        let (predicted, measured) = by_model.entry(&point.model).or_default();
        predicted.push(point.predicted_ms);
        measured.push(point.measured_ms);
    }
    by_model
        .into_iter()
        .map(|(model, (predicted, measured))| ModelErrors {
            model: model.clone(),
            errors: summarise(&predicted, &measured),
        })
        .collect()
}

fn summarise(predicted: &[f64], measured: &[f64]) -> ErrorSummary {
    let mut errors: Vec<f64> =
        predicted.iter().zip(measured).map(|(p, m)| (p / m - 1.0).abs() * 100.0).collect();
    errors.sort_by(f64::total_cmp);
    ErrorSummary {
        n: errors.len(),
        mape_pct: stats::mape_pct(predicted, measured).expect("latencies are positive"),
        p95_pct: stats::percentile(&errors, 0.95).expect("there is at least one latency"),
        max_pct: *errors.last().expect("there is at least one latency"),
        bias_pct: stats::bias_pct(predicted, measured).expect("latencies are positive"),
    }
}
