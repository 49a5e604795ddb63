//! The service time of full batches: as predicted, and as measured on the servers.

use super::RunFolder;
use crate::measure::{MeasuredRequest, batches};
use igniter::domain::{Placement, Timeline};
use igniter::metrics::Window;
use igniter::predictor::{Member, Predictor};
use igniter::stats::mean;
use igniter::units::{Nanoseconds, SmPercent};

/// The full batches of one placement.
pub(super) struct FullBatches<'a> {
    pub(super) gpu: usize,
    pub(super) placement: &'a Placement,
    pub(super) replicas: usize,
    pub(super) predicted_ms: f64,
    pub(super) predicted_capacity_rps: f64,
    pub(super) hosted_ms: f64,
    pub(super) measured_ms: Option<f64>,
}

/// Returns the full batches of a workload, for the placement with the worst prediction error; `None` where
/// the plan does not serve it.
pub(super) fn full_batches<'a>(
    run: &'a RunFolder,
    predictor: &dyn Predictor,
    index: usize,
    own: &[MeasuredRequest],
    window: Window,
) -> Option<FullBatches<'a>> {
    let name = &run.study.workloads()[index].name;
    let placements: Vec<_> = run.plan.placements().filter(|(_, p)| p.workload == *name).collect();
    let replicas = placements.len();
    let overhead = run.info.workloads[index].overhead.unwrap_or_default();
    let of = |(replica, (gpu, placement)): (usize, (usize, &'a Placement))| {
        let (predicted_ms, predicted_capacity_rps) = in_plan(run, predictor, gpu, placement);
        let size = placement.batch.get() as usize;
        let served: Vec<MeasuredRequest> =
            own.iter().filter(|row| usize::from(row.server) == replica).cloned().collect();
        let full: Vec<f64> = batches(&served)
            .iter()
            .filter(|batch| batch.size() == size)
            .filter(|batch| window.contains(Nanoseconds::new(batch.start_ns)))
            .map(|batch| batch.service_ms())
            .collect();
        FullBatches {
            gpu,
            placement,
            replicas,
            predicted_ms,
            predicted_capacity_rps,
            hosted_ms: predicted_ms + overhead.of_batch_ms(size),
            measured_ms: mean(&full),
        }
    };
    let error = |batches: &FullBatches<'_>| {
        error_pct(Some(batches.hosted_ms), batches.measured_ms).map_or(-1.0, f64::abs)
    };
    // Of equal errors `max_by` returns the last, so the first placement is visited last.
    placements.into_iter().enumerate().rev().map(of).max_by(|a, b| error(a).total_cmp(&error(b)))
}

pub(super) fn share(run: &RunFolder, placement: &Placement) -> SmPercent {
    placement.sm.to_percent(run.study.kind().units).expect("the plan was checked when it was read")
}

/// Returns the time and throughput of a full batch in the planned co-location.
fn in_plan(
    run: &RunFolder,
    predictor: &dyn Predictor,
    gpu: usize,
    placement: &Placement,
) -> (f64, f64) {
    let all = &run.plan.gpus[gpu].placements;
    let at = all.iter().position(|p| std::ptr::eq(p, placement)).unwrap_or(0);
    let placements: Vec<&Placement> = match &run.timeline {
        None => all.iter().collect(),
        Some(timeline) => beside(timeline, gpu, at).map(|place| &all[place]).collect(),
    };
    let members: Vec<Member> = placements
        .iter()
        .map(|p| Member {
            model: predictor.model_id(&p.model).expect("the plan was checked when it was read"),
            batch: p.batch,
            sm: share(run, p),
        })
        .collect();
    let own = placements.iter().position(|p| std::ptr::eq(*p, placement)).unwrap_or(0);
    let prediction = predictor.predict(&members).members[own];
    (prediction.latency_ms(), prediction.throughput_rps)
}

/// Returns the servers of a GPU that take requests when one of them begins to, including that server.
fn beside(timeline: &Timeline, gpu: usize, of: usize) -> impl Iterator<Item = usize> {
    let on = timeline.servers.iter().filter(|server| server.gpu.index() == gpu);
    let on: Vec<_> = on.map(|server| (server.takes_from, server.takes_until)).collect();
    let at = on[of].0;
    (0..on.len()).filter(move |place| {
        let (from, until) = on[*place];
        *place == of || (from <= at && until.is_none_or(|until| at < until))
    })
}

/// Returns by how many percent a number is above the measured one.
pub(super) fn error_pct(got: Option<f64>, measured: Option<f64>) -> Option<f64> {
    let (got, measured) = (got?, measured?);
    (measured > 0.0).then(|| (got / measured - 1.0) * 100.0)
}
