//! Plans under the prediction uncertainty that the predictor itself states.

use super::context::{Context, paper};
use super::{Numbers, ReproduceError, ReproducedFigure};
use crate::figures::BarsFigure;
use crate::plan::{Margin, PlanOptions, PlanRequest, strategy};
use crate::run::{Overrides, RunError, Study};
use rayon::prelude::*;

/// Number of draws of prediction errors.
const DRAWS: u64 = 20;
/// (name, strategy, latency margin in percent)
const PLANNED: [(&str, &str, f64); 4] = [
    ("igniter", "igniter", 0.0),
    ("igniter, 10 % margin", "igniter", 10.0),
    ("gpulets", "gpulets", 0.0),
    ("optimal", "optimal", 0.0),
];

/// Shows how often each workload misses its SLO when the GPU differs from the prediction.
pub(super) fn draws(_: &Context) -> Result<ReproducedFigure, ReproduceError> {
    let scenario = paper()?;
    let names: Vec<String> =
        scenario.workloads.iter().map(|w| w.workload.name.to_string()).collect();
    let one = |seed: u64| -> Result<Vec<(usize, Vec<bool>)>, ReproduceError> {
        let overrides = Overrides {
            seed: Some(seed),
            truth: Some("contention".to_owned()),
            prediction_error: true,
            ..Overrides::default()
        };
        let study = Study::new(scenario.clone(), &overrides)?;
        let planned = |(_, name, margin): &(&str, &str, f64)| {
            let options =
                PlanOptions { margin: Margin::Percent(*margin), ..PlanOptions::default() };
            let predictor = study.predictors()[0];
            let request = PlanRequest::with_options(study.workloads(), predictor, options)
                .map_err(RunError::from)?;
            let result = study.simulate(&strategy(name)?.plan(&request))?;
            let missed = result.workloads.iter().map(|w| w.verdict.is_miss()).collect();
            Ok((result.gpu_count, missed))
        };
        PLANNED.iter().map(planned).collect()
    };
    let draws = (1..=DRAWS).into_par_iter().map(one).collect::<Result<Vec<_>, ReproduceError>>()?;
    let mut series = Vec::new();
    let mut rows = Vec::new();
    for (index, (label, _, _)) in PLANNED.iter().enumerate() {
        let mut shares = Vec::new();
        for (workload, name) in names.iter().enumerate() {
            let missed = draws.iter().filter(|draw| draw[index].1[workload]).count();
            let percent = 100.0 * missed as f64 / DRAWS as f64;
            shares.push(Some(percent));
            rows.push(vec![
                (*label).to_owned(),
                draws[0][index].0.to_string(),
                name.clone(),
                DRAWS.to_string(),
                percent.to_string(),
            ]);
        }
        series.push(((*label).to_owned(), shares));
    }
    let figure = BarsFigure {
        stem: "uncertainty".to_owned(),
        caption: "How often a workload misses its SLO when the GPU differs from what plans were made with: 20 \
                  draws of one error for each model, from the uncertainty that the predictor `contention` \
                  states."
            .to_owned(),
        groups: names,
        series,
        y: "Draws with a missed SLO (%)".to_owned(),
        labels: None,
        across: None,
    }
    .draw()?;
    Ok(ReproducedFigure {
        name: "uncertainty",
        title: "Uncertainty",
        basis: "Plans are made with predictor `igniter`; latencies are simulated for 60 s with predictor \
                `contention` and drawn errors (`igniter compare --truth contention --prediction-error`)."
            .to_owned(),
        figures: vec![figure],
        numbers: vec![Numbers {
            stem: "uncertainty".to_owned(),
            header: vec!["plan", "gpus", "workload", "draws", "missed_pct"],
            rows,
        }],
    })
}
