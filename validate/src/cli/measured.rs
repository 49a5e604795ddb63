//! What every run under load does alike, be it of one plan or of plans that follow each other.

use super::run::LoadArgs;
use crate::client::Tag;
use crate::client::{HttpOptions, most_connections};
use crate::compare::{RunInfo, WorkloadRun};
use crate::measure::{
    CpuPressure, CpuTimes, HostOverhead, MeasuredRequest, ServerBatching, Stamps, Warning,
    read_trace,
};
use crate::run::{RunRecord, Traces};
use anyhow::Context;
use igniter::arrivals::GeneratedArrivals;
use igniter::domain::{Workload, WorkloadName};
use igniter::scenario::{Scenario, ScenarioWorkload};
use igniter::sim::BatchingSpec;
use igniter::units::Nanoseconds;
use std::collections::BTreeMap;
use std::path::Path;

/// The seed of the calibration's arrivals is the scenario's with these bits changed.
const OTHER_SEED: u64 = 0x5eed_ca11_b7a7;

/// The thread that sends and receives.
pub(super) fn client() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("client")
        .enable_all()
        .build()
        .context("cannot start the client")
}

/// When the requests of a workload are sent.
pub(super) struct SendTimes {
    pub(super) calibration: Vec<Nanoseconds>,
    pub(super) measured: Vec<Nanoseconds>,
}

impl SendTimes {
    pub(super) fn draw(
        scenario: &Scenario,
        entry: &ScenarioWorkload,
        args: &LoadArgs,
    ) -> anyhow::Result<Self> {
        let calibration = if args.no_traces { 0.0 } else { args.calibration_s };
        let calibration = Nanoseconds::from_seconds(calibration).context("--calibration-s")?;
        let Workload { name, rate, .. } = &entry.workload;
        let arrivals = |duration: Nanoseconds, seed: u64| {
            let process = entry.arrival.build(name, *rate, duration, seed);
            process.map(|mut p| GeneratedArrivals::collect(p.as_mut(), duration).times)
        };
        Ok(Self {
            calibration: arrivals(calibration, scenario.seed ^ OTHER_SEED)?,
            measured: arrivals(scenario.duration, scenario.seed)?,
        })
    }
}

/// The connections to one of so many servers, which forms batches of this size for a workload.
pub(super) fn connections(
    args: &LoadArgs,
    workload: &Workload,
    batch: u32,
    servers: u32,
) -> HttpOptions {
    // Those of Little's law for latencies of twice the SLO, and two batches.
    let in_flight = workload.rate.get() * workload.slo.get() / 1e3 * 2.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped")]
    let connections = (in_flight.ceil().clamp(16.0, 512.0) as u32).max(2 * batch);
    let most = args.most_connections.unwrap_or_else(|| most_connections(servers));
    let connections = args.connections.unwrap_or(connections).min(most);
    HttpOptions { connections, most_connections: most }
}

/// How servers with these largest batches form them.
pub(super) fn server_batching(
    largest: Vec<u32>,
    batching: Option<&BatchingSpec>,
) -> ServerBatching {
    ServerBatching {
        largest,
        delay: batching.map_or(Nanoseconds::ZERO, |b| b.max_queue_delay.to_nanoseconds()),
        instances: batching.map_or(1, |batching| batching.instances),
        policy: batching.is_some_and(BatchingSpec::has_policy),
    }
}

/// What else the machine did, from now on.
#[derive(Default)]
pub(super) struct MachineActivity {
    pressure: Option<CpuPressure>,
    times: Option<CpuTimes>,
}

impl MachineActivity {
    pub(super) fn now() -> Self {
        Self { pressure: CpuPressure::now(), times: CpuTimes::now() }
    }

    /// Notes how much of the time since then threads waited for a CPU, and how much the machine's host took.
    pub(super) fn note(self, info: &mut RunInfo) {
        info.cpu_wait_pct =
            self.pressure.zip(CpuPressure::now()).map(|(before, after)| after.since_pct(before));
        info.cpu_stolen_pct =
            self.times.zip(CpuTimes::now()).map(|(before, after)| after.stolen_since_pct(before));
    }
}

/// What one server recorded. A trace that cannot be read is a warning: the records are there without it. Of a run that ended
/// early nobody expects traces.
pub(super) fn stamps(
    workload: &WorkloadName,
    file: Option<&Path>,
    ended_early: bool,
    lost: &mut Vec<Warning>,
) -> BTreeMap<Tag, Stamps> {
    let Some(file) = file else { return BTreeMap::new() };
    read_trace(file).unwrap_or_else(|error| {
        if !ended_early {
            let (workload, reason) = (workload.clone(), error.to_string());
            lost.push(Warning::TraceLost { workload, reason });
        }
        BTreeMap::new()
    })
}

/// Notes what the host adds, by the calibration that came before the run.
pub(super) fn calibrate(
    run: &mut WorkloadRun,
    rows: &crate::run::Recorded,
    traces: &Traces,
    batching: &ServerBatching,
) {
    // It came before the start of the measured run: any other origin serves.
    let rows = MeasuredRequest::all(&run.workload, &rows.calibration, Nanoseconds::ZERO, traces);
    run.overhead = HostOverhead::calibrate(&rows, &run.tables_ms, batching);
}

/// Requests that were not sent, or not answered.
pub(super) fn missing(record: &RunRecord, names: &[WorkloadName]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let (sent, planned) = (record.workloads.iter())
        .fold((0, 0), |(sent, planned), w| (sent + w.sent as u64, planned + w.planned as u64));
    if sent < planned {
        warnings.push(Warning::Incomplete { sent, planned });
    }
    for (recorded, name) in record.workloads.iter().zip(names) {
        if recorded.unanswered > 0 {
            let requests = recorded.unanswered as u64;
            warnings.push(Warning::Unanswered { workload: name.clone(), requests });
        }
    }
    warnings
}
