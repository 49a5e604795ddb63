//! Measurements that the authors took with Triton on a V100 and published with the artifact, beside predicted and
//! simulated values.

use super::context::Context;
use super::{Numbers, ReproduceError, ReproducedFigure};
use crate::figures::BarsFigure;
use crate::predictor::Member;
use crate::results::or_empty;
use crate::run::{ArtifactStudy, Overrides};

/// A measurement of the artifact's README: latencies in ms, violations in percent.
struct Published {
    model: &'static str,
    /// Triton's execution time of a batch.
    gpu_ms: f64,
    /// The same with the copies of inputs and outputs, but without queueing.
    average_ms: Option<f64>,
    violations_pct: f64,
}

/// A plan from the artifact's README, as its launcher reads it, with its measurements.
struct PublishedSetting {
    name: &'static str,
    plan: &'static str,
    measured: [Published; 3],
}

const SETTINGS: [PublishedSetting; 2] = [
    PublishedSetting {
        name: "motivating",
        plan: r#"{"models": ["alexnet_dynamic", "resnet50_dynamic", "vgg19_dynamic"], "rates": [500, 400, 200],
            "slos": [7.5, 20, 30], "resources": [10, 30, 37.5], "batches": [4, 8, 6]}"#,
        measured: [
            Published { model: "alexnet", gpu_ms: 6.612, average_ms: None, violations_pct: 0.05 },
            Published { model: "resnet50", gpu_ms: 18.458, average_ms: None, violations_pct: 0.01 },
            Published { model: "vgg19", gpu_ms: 27.702, average_ms: None, violations_pct: 0.0 },
        ],
    },
    PublishedSetting {
        name: "evaluation",
        plan: r#"{"models": ["alexnet_dynamic", "resnet50_dynamic", "ssd_dynamic"], "rates": [1200, 600, 50],
            "slos": [5, 15, 20], "resources": [30, 45, 15], "batches": [6, 9, 1]}"#,
        measured: [
            Published {
                model: "alexnet",
                gpu_ms: 3.027,
                average_ms: Some(4.216),
                violations_pct: 0.15,
            },
            Published {
                model: "resnet50",
                gpu_ms: 13.999,
                average_ms: Some(16.078),
                violations_pct: 1.44,
            },
            Published {
                model: "ssd",
                gpu_ms: 17.954,
                average_ms: Some(19.178),
                violations_pct: 0.0,
            },
        ],
    },
];

/// Makes the figure of the six published measurements and the shipped profile's values for them.
pub(super) fn published(_: &Context) -> Result<ReproducedFigure, ReproduceError> {
    let (mut rows, mut groups) = (Vec::new(), Vec::new());
    let mut series: [Vec<Option<f64>>; 3] = Default::default();
    for setting in &SETTINGS {
        let read = ArtifactStudy::of_text(setting.plan, setting.name, &Overrides::default())?;
        let (study, plan) = (&read.study, &read.plan);
        let result = study.simulate(plan)?;
        let predictor = study.predictors()[0];
        let placements = &plan.gpus[0].placements;
        let members: Vec<Member> = placements
            .iter()
            .map(|placement| Member {
                model: predictor
                    .model_id(&placement.model)
                    .expect("the profile has the artifact's models"),
                batch: placement.batch,
                sm: placement.sm.to_percent(study.kind().units).expect("it has a share"),
            })
            .collect();
        let predicted = predictor.predict(&members).members;
        for ((placement, predicted), measured) in
            placements.iter().zip(predicted).zip(&setting.measured)
        {
            let simulated = result.workloads.iter().find(|w| w.workload == placement.workload);
            let share = placement.sm.to_percent(study.kind().units).expect("it has a share");
            let exec_ms = simulated.and_then(|w| w.exec_ms);
            rows.push(vec![
                setting.name.to_owned(),
                measured.model.to_owned(),
                share.to_string(),
                placement.batch.to_string(),
                measured.gpu_ms.to_string(),
                predicted.gpu_ms.to_string(),
                or_empty(exec_ms),
                ((predicted.gpu_ms / measured.gpu_ms - 1.0) * 100.0).to_string(),
                or_empty(measured.average_ms),
                predicted.latency_ms().to_string(),
                or_empty(measured.average_ms.map(|ms| ms - measured.gpu_ms)),
                (predicted.load_ms + predicted.feedback_ms).to_string(),
                measured.violations_pct.to_string(),
                or_empty(simulated.and_then(|w| w.slo_violation_pct)),
            ]);
            groups.push(format!("{} {share} %", measured.model));
            series[0].push(Some(measured.gpu_ms));
            series[1].push(Some(predicted.gpu_ms));
            series[2].push(exec_ms);
        }
    }
    let names = ["measured (published)", "predicted", "simulated"].map(str::to_owned);
    let figure = BarsFigure {
        stem: "published".to_owned(),
        caption: "GPU latency of a batch: as the artifact's authors measured it with Triton 21.07 on a V100, as predicted \
                  with the shipped profile, and as simulated. Two plans of three models each."
            .to_owned(),
        groups,
        series: names.into_iter().zip(series).collect(),
        y: "GPU latency (ms)".to_owned(),
        labels: None,
        across: None,
    }
    .draw()?;
    Ok(ReproducedFigure {
        name: "published",
        title: "The published measurements",
        basis: "Measured columns are those of the artifact's README; its average latency is compute input, infer and output \
                of a batch, without any waiting. Predicted and simulated times of the copies are those of the profile, \
                which does not know what Triton adds to them."
            .to_owned(),
        figures: vec![figure],
        numbers: vec![Numbers {
            stem: "published".to_owned(),
            header: vec![
                "plan",
                "model",
                "sm_pct",
                "batch",
                "measured_gpu_ms",
                "predicted_gpu_ms",
                "simulated_gpu_ms",
                "gpu_error_pct",
                "measured_average_ms",
                "predicted_average_ms",
                "measured_copies_ms",
                "predicted_copies_ms",
                "measured_violations_pct",
                "simulated_violations_pct",
            ],
            rows,
        }],
    })
}
