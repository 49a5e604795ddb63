//! The accuracy of predictions, over SM shares and batch sizes.

use super::context::Context;
use super::{Numbers, ReproduceError, ReproducedFigure};
use crate::figures::{Marks, Named, PointsFigure, PointsPanel, PredictedMark, experiment_figures};
use crate::fit::{FitData, fit_predictor};
use crate::predictor::{Member, Predictor};
use crate::profile::{self, Profile, SoloPoint, SoloTable};
use crate::results::or_empty;
use crate::study::{ExperimentRow, StudyData, experiments as study_experiments};
use crate::units::{BatchSize, SmPercent};
use std::collections::BTreeSet;

/// The predictors in the table; the figure shows the first.
const PREDICTORS: [&str; 2] = ["igniter", "contention"];

/// Plots the measured and predicted latency of each model alone, over shares and batch sizes.
pub(super) fn solo(_: &Context) -> Result<ReproducedFigure, ReproduceError> {
    let profile = profile::load("v100")?;
    let mut fitted: Vec<Box<dyn Predictor>> = Vec::new();
    for name in PREDICTORS {
        fitted.push(fit_predictor(name, &FitData::of(&profile))?.0);
    }
    let sizes: BTreeSet<BatchSize> =
        profile.models.iter().flat_map(|m| m.solo.iter().map(|p| p.batch)).collect();
    let mut series = Vec::new();
    for (look, size) in sizes.iter().enumerate() {
        let named = |what: &str, marks| Named { name: format!("batch {size} {what}"), look, marks };
        series.push(named("predicted", Marks::Line));
        series.push(named("measured", Marks::Symbols));
    }
    let panels = profile.models.iter().map(|model| {
        let mut points = Vec::new();
        for size in &sizes {
            let own = || model.solo.iter().filter(|p| p.batch == *size);
            let shares = (4..=40).map(|units| 2.5 * f64::from(units));
            let line = shares.filter_map(|share| {
                let ms = alone(fitted[0].as_ref(), model.name.as_str(), *size, share)?;
                Some((share, ms))
            });
            points.push(if own().next().is_some() { line.collect() } else { Vec::new() });
            points.push(own().map(|p| (p.sm.get(), measured(p))).collect());
        }
        PointsPanel { title: model.name.to_string(), series: points }
    });
    let figure = PointsFigure {
        stem: "accuracy".to_owned(),
        caption: "Latency of each model alone on a V100 over its SM share and batch size: measured by the \
                  authors of the paper (symbols), and predicted by the performance model that is fitted to \
                  these points (lines)."
            .to_owned(),
        panels: panels.collect(),
        series,
        axes: ("SM share (%)".to_owned(), "Latency (ms)".to_owned()),
        log: (true, true),
    }
    .draw()?;
    Ok(ReproducedFigure {
        name: "accuracy",
        title: "Accuracy over shares and batch sizes",
        basis: "Latencies are measured (profile) and predicted; the fit saw these points, so the errors are \
                residuals. On runs that a fit did not see: `docs/predictor.md`."
            .to_owned(),
        figures: vec![figure],
        numbers: vec![numbers(&profile, &fitted)],
    })
}

fn numbers(profile: &Profile, fitted: &[Box<dyn Predictor>]) -> Numbers {
    let mut rows = Vec::new();
    for model in &profile.models {
        for point in &model.solo {
            for predictor in fitted {
                let name = model.name.as_str();
                let predicted = alone(predictor.as_ref(), name, point.batch, point.sm.get());
                let Some(ms) = predicted else { continue };
                rows.push(vec![
                    name.to_owned(),
                    point.batch.to_string(),
                    point.sm.to_string(),
                    predictor.name().to_owned(),
                    measured(point).to_string(),
                    ms.to_string(),
                    (100.0 * (ms / measured(point) - 1.0)).to_string(),
                ]);
            }
        }
    }
    Numbers {
        stem: "accuracy".to_owned(),
        header: vec![
            "model",
            "batch",
            "sm_pct",
            "predictor",
            "measured_ms",
            "predicted_ms",
            "error_pct",
        ],
        rows,
    }
}

/// Returns the latency of the whole inference where it was measured, else the time on the GPU.
fn measured(point: &SoloPoint) -> f64 {
    point.latency.unwrap_or(point.gpu).get()
}

fn alone(predictor: &dyn Predictor, model: &str, batch: BatchSize, share: f64) -> Option<f64> {
    let model = predictor.models().iter().position(|m| m.as_str() == model)?;
    let member = Member {
        model: crate::domain::ModelId::new(model),
        batch,
        sm: SmPercent::new(share).ok()?,
    };
    Some(predictor.predict(&[member]).members[0].latency_ms())
}

/// Plots the paper's accuracy experiments with two co-located models.
pub(super) fn experiments(_: &Context) -> Result<ReproducedFigure, ReproduceError> {
    let profile = profile::load("v100")?;
    let solo = SoloTable::default();
    let data = StudyData {
        profile: &profile,
        solo: &solo,
        colocated: &profile.colocated,
        pressure: None,
        other: None,
    };
    let rows = study_experiments(&data)?;
    let marks: Vec<PredictedMark> = rows.iter().map(predicted_mark).collect();
    let rows = rows.iter().map(|row| {
        vec![
            row.experiment.to_string(),
            row.setting.clone(),
            row.model.to_string(),
            row.batch.to_string(),
            row.sm.to_string(),
            row.predictor.to_owned(),
            row.predicted_ms.to_string(),
            or_empty(row.two_sided_pct),
            or_empty(row.measured_ms),
        ]
    });
    Ok(ReproducedFigure {
        name: "experiments",
        title: "Two models beside each other, over shares and batch sizes",
        basis: "Latencies are predicted; the profile that comes with the program has no measurement of these \
                settings, so nothing can be said of errors here. `igniter study` with measured co-locations \
                draws them too."
            .to_owned(),
        figures: experiment_figures(&marks)?,
        numbers: vec![Numbers {
            stem: "experiments".to_owned(),
            header: vec![
                "experiment",
                "setting",
                "model",
                "batch",
                "sm_pct",
                "predictor",
                "predicted_ms",
                "two_sided_95_pct",
                "measured_ms",
            ],
            rows: rows.collect(),
        }],
    })
}

/// Converts the prediction of an experiment into the mark that a figure draws.
pub(crate) fn predicted_mark(row: &ExperimentRow) -> PredictedMark {
    PredictedMark {
        experiment: row.experiment,
        setting: row.setting.clone(),
        predictor: row.predictor.to_owned(),
        model: row.model.clone(),
        predicted_ms: row.predicted_ms,
        error_pct: row.two_sided_pct,
        measured_ms: row.measured_ms,
    }
}
