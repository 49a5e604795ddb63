//! How well a predictor meets measured co-locations, and how well one would do without it.

use crate::domain::ModelName;
use crate::fit;
use crate::predictor::{Member, Predictor};
use crate::profile::{ColocatedRun, SoloTable};
use crate::stats;
use serde::Serialize;
use std::collections::BTreeMap;

/// Why predictions could not be compared with measurements.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccuracyError {
    /// A measured model is not in the profile.
    #[error("run {run}: model {model:?} is not in the profile, which has: {known}")]
    UnknownModel {
        /// The run.
        run: u64,
        /// The model.
        model: String,
        /// The models of the profile.
        known: String,
    },
    /// A member of a run has no solo measurement.
    #[error(
        "run {run}: the solo table has no row for {model}, batch {batch}, {sm_pct} %; every measured \
         configuration needs one"
    )]
    NoSolo {
        /// The run.
        run: u64,
        /// The model.
        model: String,
        /// Batch size.
        batch: u32,
        /// SM share in percent.
        sm_pct: f64,
    },
}

/// Relative errors of predicted latencies against measured ones.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ErrorSummary {
    /// How many latencies.
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

/// A simpler way to predict, for comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NullModel {
    /// Its short name.
    pub name: &'static str,
    /// What it does.
    pub description: &'static str,
    /// How it errs.
    #[serde(flatten)]
    pub errors: ErrorSummary,
}

/// The errors of one model of the data.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelErrors {
    /// The model.
    pub model: ModelName,
    /// How its latencies are predicted.
    #[serde(flatten)]
    pub errors: ErrorSummary,
}

/// One measured latency beside its prediction.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AccuracyPoint {
    /// The run.
    pub run: u64,
    /// The member's place in it.
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
}

/// The outcome of a comparison.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AccuracyReport {
    /// The predictor.
    pub predictor: &'static str,
    /// Over all latencies.
    #[serde(flatten)]
    pub errors: ErrorSummary,
    /// Pearson's correlation of predicted and measured slowdown (latency together / latency alone);
    /// absent without a solo table.
    pub slowdown_correlation: Option<f64>,
    /// For each model.
    pub per_model: Vec<ModelErrors>,
    /// For comparison.
    pub null_models: Vec<NullModel>,
    /// Every latency.
    #[serde(skip)]
    pub points: Vec<AccuracyPoint>,
}

/// Predicts every measured co-location and compares. With a solo table (a measured latency alone for
/// every configuration) the slowdown and the measured null models are compared too.
///
/// # Errors
/// When a run has a model that the predictor does not know, or a configuration that is not in the solo
/// table.
///
/// # Panics
/// When `runs` is empty, which the reader of runs excludes.
pub fn accuracy(
    predictor: &dyn Predictor,
    runs: &[ColocatedRun],
    solo: Option<&SoloTable>,
) -> Result<AccuracyReport, AccuracyError> {
    let mut points = Vec::new();
    let mut alone_predicted = Vec::new();
    for run in runs {
        let members = members_of(predictor, run)?;
        let together = predictor.predict(&members);
        for (index, (measured, predicted)) in run.members.iter().zip(&together.members).enumerate()
        {
            let (predicted_ms, measured_ms) = (predicted.latency_ms(), measured.latency.get());
            points.push(AccuracyPoint {
                run: run.run,
                member: index,
                model: measured.model.clone(),
                batch: measured.batch.get(),
                sm_pct: measured.sm.get(),
                predicted_ms,
                measured_ms,
                error_pct: (predicted_ms / measured_ms - 1.0) * 100.0,
            });
            alone_predicted.push(predictor.predict(&[members[index]]).members[0].latency_ms());
        }
    }
    let measured: Vec<f64> = points.iter().map(|p| p.measured_ms).collect();
    let predicted: Vec<f64> = points.iter().map(|p| p.predicted_ms).collect();
    let mut null_models = vec![NullModel {
        name: "predicted_alone",
        description: "the predictor's own latency alone on the GPU: no interference",
        errors: summarise(&alone_predicted, &measured),
    }];
    let mut slowdown_correlation = None;
    if let Some(table) = solo {
        let alone_measured = measured_alone(runs, table)?;
        null_models.push(NullModel {
            name: "measured_alone",
            description: "the measured latency alone on the GPU: no interference",
            errors: summarise(&alone_measured, &measured),
        });
        null_models.push(NullModel {
            name: "measured_alone_scaled",
            description: "the measured latency alone times one constant, the mean slowdown of all runs \
                          of other model combinations",
            errors: summarise(&scaled(runs, &alone_measured, &measured), &measured),
        });
        let ratio = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a / b).collect::<Vec<_>>();
        slowdown_correlation = stats::pearson(
            &ratio(&predicted, &alone_predicted),
            &ratio(&measured, &alone_measured),
        );
    }
    Ok(AccuracyReport {
        predictor: predictor.name(),
        errors: summarise(&predicted, &measured),
        slowdown_correlation,
        per_model: per_model(&points),
        null_models,
        points,
    })
}

fn members_of(predictor: &dyn Predictor, run: &ColocatedRun) -> Result<Vec<Member>, AccuracyError> {
    fit::members_of(predictor, run).map_err(|model| {
        let known: Vec<&str> = predictor.models().iter().map(|m| m.as_str()).collect();
        let (model, known) = (model.to_string(), known.join(", "));
        AccuracyError::UnknownModel { run: run.run, model, known }
    })
}

/// The measured latency alone of every member of every run.
fn measured_alone(runs: &[ColocatedRun], table: &SoloTable) -> Result<Vec<f64>, AccuracyError> {
    let by_configuration: BTreeMap<(&ModelName, u32, u64), f64> = table
        .rows
        .iter()
        .map(|row| ((&row.model, row.batch.get(), row.sm.get().to_bits()), row.latency.get()))
        .collect();
    let members = runs.iter().flat_map(|run| run.members.iter().map(move |m| (run.run, m)));
    members
        .map(|(run, m)| {
            let key = (&m.model, m.batch.get(), m.sm.get().to_bits());
            by_configuration.get(&key).copied().ok_or_else(|| AccuracyError::NoSolo {
                run,
                model: m.model.to_string(),
                batch: m.batch.get(),
                sm_pct: m.sm.get(),
            })
        })
        .collect()
}

/// Scales each latency alone by the mean slowdown of the runs whose combination of models is another
/// one: a constant that has not seen what it predicts.
fn scaled(runs: &[ColocatedRun], alone: &[f64], measured: &[f64]) -> Vec<f64> {
    let combinations: Vec<Vec<&ModelName>> = runs
        .iter()
        .flat_map(|run| {
            let mut models: Vec<&ModelName> = run.members.iter().map(|m| &m.model).collect();
            models.sort();
            std::iter::repeat_n(models, run.members.len())
        })
        .collect();
    let mut sums: BTreeMap<&[&ModelName], (f64, f64)> = BTreeMap::new();
    let mut all = (0.0, 0.0);
    for (combination, (alone, measured)) in combinations.iter().zip(alone.iter().zip(measured)) {
        let sum = sums.entry(combination).or_default();
        sum.0 += measured / alone;
        sum.1 += 1.0;
        all.0 += measured / alone;
        all.1 += 1.0;
    }
    let scale = |combination: &Vec<&ModelName>| {
        let own = sums[combination.as_slice()];
        // With a single combination there are no others to learn from: no slowdown is assumed.
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
