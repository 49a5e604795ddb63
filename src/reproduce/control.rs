//! Controllers during a run: GSLICE's tuning, and the iGniter paper's shadow processes.

use super::context::{Context, motivating};
use super::{Numbers, ReproduceError, ReproducedFigure};
use crate::domain::ServerWindow;
use crate::figures::{Marks, Named, PointsFigure, PointsPanel};
use crate::plan::strategy;
use crate::results::or_empty;
use crate::run::{Overrides, Study};
use crate::scenario::Scenario;
use crate::sim::{ControllerSpec, Fault, FaultKind, FaultyGpu, GsliceSpec, ShadowSpec};
use crate::units::Nanoseconds;

/// A value of a window that is drawn over time.
type WindowValue<'a> = &'a dyn Fn(&Study, &ServerWindow) -> Option<f64>;

fn p99_of_slo(study: &Study, window: &ServerWindow) -> Option<f64> {
    let slo = study.workloads()[window.workload.index()].slo.get();
    Some(window.p99?.as_ms() / slo)
}

/// Runs the iGniter strategy's plan of a scenario and returns its windows.
fn windows(scenario: Scenario) -> Result<(Study, Vec<ServerWindow>), ReproduceError> {
    let study = Study::new(scenario, &Overrides::default())?;
    let plan = study.plan(strategy("igniter")?.as_ref());
    let windows = study.windows(&plan)?;
    Ok((study, windows))
}

fn panel(title: &str, run: &(Study, Vec<ServerWindow>), value: WindowValue<'_>) -> PointsPanel {
    let (study, windows) = run;
    let of = |workload: usize| {
        let own = windows.iter().filter(|w| w.workload.index() == workload);
        own.filter_map(|w| Some((w.end.as_seconds(), value(study, w)?))).collect()
    };
    PointsPanel { title: title.to_owned(), series: (0..study.workloads().len()).map(of).collect() }
}

fn series(study: &Study) -> Vec<Named> {
    let named = |(look, w): (usize, &crate::domain::Workload)| Named {
        name: format!("{} ({})", w.name, w.model),
        look,
        marks: Marks::Line,
    };
    study.workloads().iter().enumerate().map(named).collect()
}

const HEADER: [&str; 8] =
    ["run", "start_s", "end_s", "workload", "sm_pct", "batch", "completed", "p99_over_slo"];

fn rows(name: &str, run: &(Study, Vec<ServerWindow>)) -> Vec<Vec<String>> {
    let row = |w: &ServerWindow| {
        vec![
            name.to_owned(),
            w.start.as_seconds().to_string(),
            w.end.as_seconds().to_string(),
            run.0.workloads()[w.workload.index()].name.to_string(),
            w.sm_pct.to_string(),
            w.batch.to_string(),
            w.completed.to_string(),
            or_empty(p99_of_slo(&run.0, w)),
        ]
    };
    run.1.iter().map(row).collect()
}

/// Shows GSLICE's tuning from a fresh start.
pub(super) fn adaptation(_: &Context) -> Result<ReproducedFigure, ReproduceError> {
    let mut scenario = motivating()?;
    let spec = GsliceSpec { fresh_start: true, ..GsliceSpec::default() };
    scenario.control.controller = ControllerSpec::Gslice(spec);
    let run = windows(scenario)?;
    let figure = PointsFigure {
        stem: "adaptation".to_owned(),
        caption: "GSLICE tunes batch sizes and SM shares of the paper's three workloads on one V100, from 30 % \
                  and batches of 1, in windows of 2 s: shares, batch sizes, and P99 of each window over the \
                  SLO."
            .to_owned(),
        series: series(&run.0),
        panels: vec![
            panel("SM share (%)", &run, &|_, w| Some(w.sm_pct)),
            panel("Largest batch", &run, &|_, w| Some(f64::from(w.batch))),
            panel("P99 / SLO", &run, &p99_of_slo),
        ],
        axes: ("Time (s)".to_owned(), String::new()),
        log: (false, false),
    }
    .draw()?;
    Ok(ReproducedFigure {
        name: "adaptation",
        title: "GSLICE's adaptation over time",
        basis: "Latencies are simulated; the tuner sees them as it would see measured ones."
            .to_owned(),
        figures: vec![figure],
        numbers: vec![Numbers {
            stem: "adaptation".to_owned(),
            header: HEADER.to_vec(),
            rows: rows("gslice", &run),
        }],
    })
}

/// Shows a GPU that is slower than predicted, without and with shadow processes.
pub(super) fn shadow(_: &Context) -> Result<ReproducedFigure, ReproduceError> {
    const SLOWER: f64 = 1.15;
    let second = Nanoseconds::new(1_000_000_000);
    let slow = |controller: ControllerSpec| -> Result<_, ReproduceError> {
        let mut scenario = motivating()?;
        scenario.control.controller = controller;
        scenario.control.faults = vec![Fault {
            at: Nanoseconds::new(20 * second.get()),
            lasts: None,
            what: FaultKind::GpuSlows { gpu: FaultyGpu::Number(0), factor: SLOWER },
        }];
        windows(scenario)
    };
    let without = slow(ControllerSpec::None)?;
    let with = slow(ControllerSpec::Shadow(ShadowSpec::default()))?;
    let figure = PointsFigure {
        stem: "shadow".to_owned(),
        caption: "After 20 s everything on the GPU takes 15 % longer than predicted. Without shadow processes \
                  queues may grow; with them a standby with 10 % more of the SMs takes over from a workload \
                  whose P99 exceeds its SLO. P99 is that of windows of 1 s."
            .to_owned(),
        series: series(&with.0),
        panels: vec![
            panel("P99 / SLO, no controller", &without, &p99_of_slo),
            panel("P99 / SLO, shadow processes", &with, &p99_of_slo),
            panel("SM share (%), shadow processes", &with, &|_, w| Some(w.sm_pct)),
        ],
        axes: ("Time (s)".to_owned(), String::new()),
        log: (false, false),
    }
    .draw()?;
    Ok(ReproducedFigure {
        name: "shadow",
        title: "Shadow processes under a mis-prediction",
        basis: "Latencies are simulated; the slow GPU is a fault of the scenario.".to_owned(),
        figures: vec![figure],
        numbers: vec![Numbers {
            stem: "shadow".to_owned(),
            header: HEADER.to_vec(),
            rows: [rows("none", &without), rows("shadow", &with)].concat(),
        }],
    })
}
