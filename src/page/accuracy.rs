//! The sections that compare predictions with measurements, from the output of `igniter accuracy`.

use super::charts::Chart;
use super::{Cell, FoundPage, SortableTable};
use crate::results::{Bars, LineChart, thinned};
use serde::Deserialize;
use std::io;
use std::path::Path;

/// The relative error that still counts as agreement: the band in the scatter chart, as a fraction
/// of the measured value.
const BAND: f64 = 0.1;
/// Maximum number of points of a model that a page draws.
const POINTS: usize = 1500;
/// Maximum number of points of a distribution.
const CDF_POINTS: usize = 200;

/// The parts of `accuracy.json` and `accuracy.csv` that a page shows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Accuracy {
    predictor: String,
    #[serde(flatten)]
    errors: PredictorErrors,
    per_model: Vec<OfModel>,
    null_models: Vec<OfRival>,
    #[serde(skip)]
    points: Vec<PlottedPoint>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct PredictorErrors {
    n: usize,
    mape_pct: f64,
    p95_pct: f64,
    max_pct: f64,
    bias_pct: f64,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct OfModel {
    model: String,
    #[serde(flatten)]
    errors: PredictorErrors,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct OfRival {
    name: String,
    description: String,
    #[serde(flatten)]
    errors: PredictorErrors,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
struct PlottedPoint {
    model: String,
    predicted_ms: f64,
    measured_ms: f64,
    error_pct: f64,
}

impl Accuracy {
    /// Reads the files of a folder; `None` where it holds none.
    pub(super) fn read(dir: &Path) -> io::Result<Option<Self>> {
        let Ok(text) = std::fs::read(dir.join("accuracy.json")) else { return Ok(None) };
        let Ok(mut found) = serde_json::from_slice::<Self>(&text) else { return Ok(None) };
        let table = dir.join("accuracy.csv");
        if table.exists() {
            let points: Result<Vec<PlottedPoint>, csv::Error> =
                csv::Reader::from_path(table)?.deserialize().collect();
            found.points = points?;
        }
        Ok(Some(found))
    }

    /// Returns the points of each model.
    fn by_model(&self) -> impl Iterator<Item = (&str, Vec<&PlottedPoint>)> {
        self.per_model.iter().map(|of| {
            let own = self.points.iter().filter(|point| point.model == of.model);
            (of.model.as_str(), own.collect())
        })
    }
}

pub(super) fn write(page: &mut FoundPage, accuracy: &Accuracy) {
    page.section("accuracy", "Predicted and measured");
    page.table(&table(accuracy));
    let points = accuracy.by_model().map(|(model, points)| {
        let pairs: Vec<_> = points.iter().map(|p| (p.measured_ms, p.predicted_ms)).collect();
        (model.to_owned(), thinned(&pairs, POINTS))
    });
    let scatter = LineChart {
        series: points.filter(|(_, points)| !points.is_empty()).collect(),
        axes: ("measured latency (ms)", "predicted latency (ms)"),
        log: (true, true),
        points_alone: true,
        band: Some(BAND),
        ..LineChart::default()
    };
    if !scatter.series.is_empty() {
        page.chart(
            Chart::Lines(scatter),
            "Predicted against measured latency of every member of every co-location. Between the dotted lines, \
             both agree within 10 %.",
        );
        page.chart(
            Chart::Lines(distribution(accuracy)),
            "Which share of the predictions errs by no more than so much, model by model.",
        );
    }
    let names = std::iter::once(accuracy.predictor.clone());
    let rivals = || accuracy.null_models.iter();
    let value = |of: fn(&PredictorErrors) -> f64| -> Vec<Option<f64>> {
        let own = std::iter::once(&accuracy.errors);
        own.chain(rivals().map(|rival| &rival.errors)).map(|errors| Some(of(errors))).collect()
    };
    let bars = Bars {
        groups: names.chain(rivals().map(|rival| rival.name.clone())).collect(),
        series: vec![
            ("mean".to_owned(), value(|errors| errors.mape_pct)),
            ("95th percentile".to_owned(), value(|errors| errors.p95_pct)),
        ],
        y: "absolute error (%)".to_owned(),
        ..Bars::default()
    };
    page.chart(Chart::Bars(bars), "The predictor beside simpler ways to predict.");
    page.body.raw("<dl>");
    for rival in rivals() {
        page.body.raw("<dt>").text(&rival.name).raw("</dt><dd>").text(&rival.description);
        page.body.raw("</dd>");
    }
    page.body.raw("</dl>\n");
    page.end_section();
}

/// Plots the distribution of the absolute error of each model.
fn distribution(accuracy: &Accuracy) -> LineChart {
    let series =
        accuracy.by_model().filter(|(_, points)| !points.is_empty()).map(|(model, points)| {
            let mut errors: Vec<f64> = points.iter().map(|point| point.error_pct.abs()).collect();
            errors.sort_by(f64::total_cmp);
            let n = errors.len() as f64;
            let points: Vec<_> =
                errors.iter().enumerate().map(|(i, error)| (*error, (i + 1) as f64 / n)).collect();
            (model.to_owned(), thinned(&points, CDF_POINTS))
        });
    LineChart {
        series: series.collect(),
        axes: ("absolute error (%)", "share of predictions"),
        steps: true,
        ..LineChart::default()
    }
}

fn table(accuracy: &Accuracy) -> SortableTable {
    let row = |what: &str, name: &str, errors: &PredictorErrors| -> Vec<Cell> {
        vec![
            what.into(),
            name.into(),
            Cell::Number(errors.n as f64),
            errors.mape_pct.into(),
            errors.p95_pct.into(),
            errors.max_pct.into(),
            errors.bias_pct.into(),
        ]
    };
    let mut rows = vec![row("predictor", &accuracy.predictor, &accuracy.errors)];
    rows.extend(accuracy.per_model.iter().map(|of| row("its model", &of.model, &of.errors)));
    rows.extend(accuracy.null_models.iter().map(|of| row("simpler", &of.name, &of.errors)));
    let names = ["what", "name", "latencies", "mean |error| (%)", "P95 (%)", "max (%)", "bias (%)"];
    let columns = names.map(str::to_owned).to_vec();
    SortableTable { title: "Errors".to_owned(), columns, rows, note: None }
}
