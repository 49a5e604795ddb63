//! Latencies around hand-overs, when requests move from one set of servers to another.

use super::RunFolder;
use super::full_batches::error_pct;
use crate::measure::Arm;
use igniter::domain::{TimelineServer, WorkloadName};
use igniter::stats::percentile;
use igniter::units::Nanoseconds;
use serde::{Deserialize, Serialize};

/// Length of the observed interval before and after the moment of the hand-over, in s.
pub const AROUND_S: u64 = 5;

/// One hand-over of one workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HandOverRow {
    pub workload: WorkloadName,
    /// The time at which other servers took over, in s since the start.
    pub at_s: f64,
    /// The GPUs of the servers before the hand-over, separated by spaces.
    pub from_gpus: String,
    /// The GPUs of the servers after the hand-over.
    pub to_gpus: String,
    /// The time that the slowest new server took from its order to its first request, in s; `None` where none was
    /// new.
    pub start_s: Option<f64>,
    /// Number of requests within [`AROUND_S`] of the hand-over.
    pub requests: usize,
    /// Number of those requests that failed or were never answered.
    pub lost: usize,
    /// Their simulated P99, in ms.
    pub simulated_p99_ms: Option<f64>,
    /// Their measured P99, in ms.
    pub measured_p99_ms: Option<f64>,
    /// Simulated minus measured, in percent of measured.
    pub error_pct: Option<f64>,
}

/// Returns the hand-overs of a run, in order of time.
pub(super) fn hand_overs(run: &RunFolder, simulated: &Arm, measured: &Arm) -> Vec<HandOverRow> {
    let Some(timeline) = &run.timeline else { return Vec::new() };
    let end = run.study.scenario().duration;
    let mut rows = Vec::new();
    for (index, workload) in run.study.workloads().iter().enumerate() {
        let own = |server: &&TimelineServer| server.placement.workload == workload.name;
        let servers: Vec<&TimelineServer> = timeline.servers.iter().filter(own).collect();
        let takes = |server: &&&TimelineServer, at: Nanoseconds| {
            server.takes_from <= at && server.takes_until.is_none_or(|until| at < until)
        };
        let mut times: Vec<Nanoseconds> = servers.iter().map(|s| s.takes_from).collect();
        times.extend(servers.iter().filter_map(|server| server.takes_until));
        times.retain(|at| *at > Nanoseconds::ZERO && *at < end);
        times.sort_unstable();
        times.dedup();
        for at in times {
            let before = at.saturating_sub(Nanoseconds::new(1));
            let gpus = |at: Nanoseconds| {
                let there = servers.iter().filter(|server| takes(server, at));
                let mut gpus: Vec<usize> = there.map(|server| server.gpu.index()).collect();
                gpus.sort_unstable();
                gpus.iter().map(usize::to_string).collect::<Vec<_>>().join(" ")
            };
            let around = Nanoseconds::new(AROUND_S * 1_000_000_000);
            let window = at.saturating_sub(around)..at + around;
            let p99 = |arm: &Arm| {
                let all = arm.latencies(index).into_iter();
                let mut inside: Vec<f64> =
                    all.filter(|(at, _)| window.contains(at)).map(|(_, ms)| ms).collect();
                inside.sort_by(f64::total_cmp);
                percentile(&inside, 0.99)
            };
            let of = |row: &&crate::measure::MeasuredRequest| {
                row.workload == workload.name && window.contains(&Nanoseconds::new(row.intended_ns))
            };
            let inside = || run.rows.iter().filter(of);
            let new = servers.iter().filter(|server| server.takes_from == at);
            let start = new.map(|s| s.takes_from.saturating_sub(s.ordered)).max();
            let (simulated_p99_ms, measured_p99_ms) = (p99(simulated), p99(measured));
            rows.push(HandOverRow {
                workload: workload.name.clone(),
                at_s: at.as_seconds(),
                from_gpus: gpus(before),
                to_gpus: gpus(at),
                start_s: start.map(Nanoseconds::as_seconds),
                requests: inside().count(),
                lost: inside().filter(|row| row.error.is_some()).count(),
                simulated_p99_ms,
                measured_p99_ms,
                error_pct: error_pct(simulated_p99_ms, measured_p99_ms),
            });
        }
    }
    rows.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
    rows
}
