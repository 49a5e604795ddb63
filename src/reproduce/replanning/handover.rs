//! The effect of a hand-over on requests.

use super::{STRATEGY, spec};
use crate::arrivals::{ArrivalSpec, RateShape, RateStep};
use crate::domain::{
    BatchRecord, FailedRequest, GpuInterval, RecordSink, RequestRecord, WorkloadId,
};
use crate::figures::{Figure, Marks, Named, PointsFigure, PointsPanel};
use crate::plan::replan::{Act, ForecastKind, HandoverMode, Policy};
use crate::plan::strategy;
use crate::reproduce::{Numbers, ReproduceError};
use crate::run::{Overrides, Study};
use crate::scenario::Scenario;
use crate::stats::nearest_rank;
use crate::units::Nanoseconds;
use std::path::Path;
use std::sync::Arc;

/// The length of an epoch, in s, and when rates fall by half: within the first one.
const EPOCH_S: f64 = 180.0;
const FALL_S: f64 = 100.0;

/// The time of the plan that reacts, in s: the forecast looks at the previous epoch.
const PLANNED_S: f64 = 2.0 * EPOCH_S;

/// The observed interval before and after the plan, and its resolution, in s.
const BEFORE_S: f64 = 20.0;
const AFTER_S: f64 = 100.0;
const BIN_S: f64 = 2.0;

/// Latencies of some workloads around a point in time, as fractions of their SLOs.
#[derive(Debug, Clone)]
struct Around {
    /// The SLO of each workload, or `None` where it is not observed.
    slos: Arc<[Option<Nanoseconds>]>,
    bins: Vec<Vec<f64>>,
}

impl Around {
    fn add(&mut self, workload: WorkloadId, arrival: Nanoseconds, done: Nanoseconds) {
        let Some(slo) = self.slos[workload.index()] else { return };
        let after_s = arrival.as_seconds() - (PLANNED_S - BEFORE_S);
        #[expect(clippy::cast_possible_truncation, reason = "saturates")]
        let bin = usize::try_from((after_s / BIN_S).floor() as i64);
        if let Some(bin) = bin.ok().and_then(|bin| self.bins.get_mut(bin)) {
            bin.push((done - arrival).as_f64() / slo.as_f64());
        }
    }
}

impl RecordSink for Around {
    fn request(&mut self, record: &RequestRecord) {
        self.add(record.workload, record.arrival, record.done);
    }

    fn batch(&mut self, batch: &BatchRecord, arrivals: &[Nanoseconds]) {
        arrivals.iter().for_each(|arrival| self.add(batch.workload, *arrival, batch.done));
    }

    fn failed(&mut self, _: &FailedRequest) {}

    fn gpu_interval(&mut self, _: &GpuInterval) {}
}

/// Builds the workloads of the day, with the paper's rates until these fall by half.
fn study() -> Result<Study, ReproduceError> {
    let mut scenario = Scenario::parse(super::DAY, Path::new("scenarios/day.toml"))?;
    let seconds = |s| Nanoseconds::from_seconds(s).unwrap_or(Nanoseconds::ZERO);
    let step = |duration, factor| RateStep { duration: seconds(duration), factor };
    for entry in &mut scenario.workloads {
        let steps = vec![step(FALL_S, 1.5), step(EPOCH_S, 0.75)];
        let shape = RateShape::Steps { steps, repeat: false };
        entry.arrival = ArrivalSpec::Shaped { gaps: Box::new(ArrivalSpec::Poisson), shape };
    }
    scenario.duration = seconds(PLANNED_S + EPOCH_S);
    Ok(Study::new(scenario, &Overrides::default())?)
}

/// Plots the P99 of requests around a plan that moves their servers, for each kind of hand-over.
pub(super) fn around() -> Result<(Figure, Numbers), ReproduceError> {
    let study = study()?;
    let strategy = strategy(STRATEGY)?;
    let (mut series, mut rows) = (Vec::new(), Vec::new());
    for (word, mode) in HandoverMode::ALL {
        let mut spec = spec(Policy::Sticky, ForecastKind::Last, EPOCH_S);
        (spec.handover.mode, spec.handover.load_s, spec.handover.boot_s) = (mode, 20.0, 120.0);
        let done = study.replan(strategy.as_ref(), &spec)?;
        let plan = done.replanned.epochs.iter().find(|e| (e.at_s - PLANNED_S).abs() < 1e-9);
        let mut slos = vec![None; study.workloads().len()];
        for action in plan.iter().flat_map(|plan| &plan.actions) {
            if let (Act::Move | Act::Restart, Some(workload)) = (action.act, action.workload) {
                slos[workload] = Some(study.workloads()[workload].slo.to_nanoseconds());
            }
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
        let bins = ((BEFORE_S + AFTER_S) / BIN_S) as usize;
        let empty = Around { slos: slos.into(), bins: vec![Vec::new(); bins] };
        let sinks = study.follow_into(&done.replanned.timeline, |_| empty.clone())?;
        let mut points = Vec::new();
        for bin in 0..bins {
            let mut parts: Vec<f64> =
                sinks.iter().flat_map(|sink| &sink.bins[bin]).copied().collect();
            parts.sort_by(f64::total_cmp);
            let Some(p99) = nearest_rank(parts.len(), 0.99).map(|rank| parts[rank]) else {
                continue;
            };
            let late = parts.len() - parts.partition_point(|part| *part <= 1.0);
            #[expect(clippy::cast_precision_loss, reason = "counts")]
            let (from_s, late_pct) =
                (bin as f64 * BIN_S - BEFORE_S, 100.0 * late as f64 / parts.len() as f64);
            points.push((from_s, p99));
            rows.push(vec![
                word.to_owned(),
                from_s.to_string(),
                parts.len().to_string(),
                format!("{p99:.4}"),
                format!("{late_pct:.3}"),
            ]);
        }
        series.push(points);
    }
    let end = (-BEFORE_S, AFTER_S);
    series.push(vec![(end.0, 1.0), (end.1, 1.0)]);
    let names = HandoverMode::ALL.map(|(word, _)| word).into_iter().chain(["SLO"]).enumerate();
    let figure = PointsFigure {
        stem: "replan-handover".to_owned(),
        caption: "The P99 of requests, as a multiple of their SLO, of the workloads whose servers a new plan moves or restarts, by \
                  when they arrived; servers load for 20 s. The rates have fallen by half before, so the hand-over is all that \
                  disturbs."
            .to_owned(),
        series: names
            .map(|(look, name)| Named { name: name.to_owned(), look, marks: Marks::Line })
            .collect(),
        panels: vec![PointsPanel { title: String::new(), series }],
        axes: ("Seconds since the new plan".to_owned(), "P99 / SLO".to_owned()),
        log: (false, true),
    }
    .draw()?;
    let header = vec!["mode", "from_s", "requests", "p99_of_slo", "late_pct"];
    Ok((figure, Numbers { stem: "replan-handover".to_owned(), header, rows }))
}
