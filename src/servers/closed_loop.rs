//! Simulates one published row as a closed loop of clients.

use super::constants::PublishedServer;
use super::curve::{NAME, OfflineCurve};
use super::{Section, ServersError};
use crate::arrivals::{ArrivalSpec, ClosedLoopSpec, Thinking};
use crate::domain::{
    CoLocation, FailedRequest, GpuInterval, GpuKindName, ModelName, Placement, Plan, RecordSink,
    RequestRecord, Workload, WorkloadName,
};
use crate::sim::{
    BatchingSpec, EngineSpec, Interference, LoadOverlap, ServerSpec, SimInput, SimWorkload,
    simulate,
};
use crate::stats::percentile;
use crate::units::{BatchSize, Milliseconds, Nanoseconds, RequestsPerSecond, SmUnits, UnitError};

/// Coefficient of variation of the time that a request spends outside of the server, of the part that does not make
/// other requests wait.
const OUTSIDE_CV: f64 = 0.5;
/// The shortest queue delay of Triton, one microsecond, in ms.
const SHORTEST_DELAY_MS: f64 = 1e-3;

/// The measures of one simulated row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct SimulatedRow {
    pub rps: f64,
    pub mean_ms: f64,
    pub p99_ms: f64,
    pub queue_ms: f64,
    pub outside_ms: f64,
    pub batch: f64,
}

/// Simulates `clients` until about `requests` requests are answered; the first quarter does not count.
pub(super) fn closed_loop(
    section: &Section,
    server: &PublishedServer,
    clients: u32,
    requests: f64,
) -> Result<SimulatedRow, ServersError> {
    let unit = |source: UnitError| ServersError::Unit { section: section.name.clone(), source };
    let curve = OfflineCurve::of(section, server)?;
    let batch = BatchSize::new(server.max_batch).map_err(unit)?;
    let (workload, model) = (WorkloadName::new(NAME), ModelName::new(NAME));
    let (workload, model) = (workload.expect("a name"), model.expect("a name"));
    let plan = Plan {
        strategy: NAME.to_owned(),
        gpus: vec![CoLocation {
            kind: GpuKindName::new(NAME).expect("a name"),
            placements: vec![Placement {
                workload: workload.clone(),
                model: model.clone(),
                batch,
                sm: SmUnits::new(1),
                served: None,
                time_slot: None,
                predicted: None,
            }],
        }],
        infeasible: Vec::new(),
        bound: None,
    };
    // A rate that cannot be exceeded by much: each client waits at least for one batch of one, and for its way.
    let rate = RequestsPerSecond::new(1.0).map_err(unit)?;
    let ms = |ms: f64| Milliseconds::new(ms).map_err(unit);
    let workloads = [SimWorkload {
        workload: Workload { name: workload, model, slo: ms(1e6)?, rate },
        arrival: ArrivalSpec::ClosedLoop(ClosedLoopSpec {
            clients,
            think: Nanoseconds::ZERO,
            thinking: Thinking::Constant,
        }),
        batching: BatchingSpec {
            max_batch: Some(batch),
            max_queue_delay: ms(if server.merges { SHORTEST_DELAY_MS } else { 0.0 })?,
            instances: server.instances,
            shared_thread: server.shared_thread,
            release: server.release,
            ..BatchingSpec::default()
        },
        server: ServerSpec {
            row_overhead: ms(server.gather_ms)?,
            request_overhead: ms(server.latency_ms)?,
            request_overhead_cv: OUTSIDE_CV,
            request_serial: ms(server.serial_ms)?,
            instance_slowdown: Some(server.slowdown),
            ..ServerSpec::default()
        },
    }];
    // The duration follows from a guess of the throughput, which is within a factor of two of published rows with so
    // many clients: the rate of full batches, or of one batch of all clients in the time of the smallest.
    let duration_s = requests / guess_rps(section, server, clients);
    let input = SimInput {
        plan: &plan,
        timeline: None,
        workloads: &workloads,
        predictor: &curve,
        more_predictors: &[],
        spec: EngineSpec {
            interference: Interference::None,
            overlap: LoadOverlap::Serial,
            ..EngineSpec::default()
        },
        control: None,
        duration: Nanoseconds::from_seconds(duration_s).map_err(unit)?,
        seed: 1,
        count_arrivals: false,
    };
    let outcome = simulate(&input, |_| Requests::default()).map_err(|e| {
        ServersError::Simulation { section: section.name.clone(), why: e.to_string() }
    })?;
    Ok(outcome.gpus[0].sink.summary(duration_s))
}

/// Returns the requests per second of batches as large as the clients allow, without any other cost.
fn guess_rps(section: &Section, server: &PublishedServer, clients: u32) -> f64 {
    let most = f64::from(clients.min(server.max_batch * server.instances));
    let slowest = section.offline.iter().map(|o| o.batch / o.execution_ms);
    let best = slowest.fold(0.0, f64::max) / server.execution;
    let one = most / (section.offline[0].execution_ms * server.execution);
    1000.0 * best.min(one)
}

/// Collects the records of requests for a summary.
#[derive(Debug, Default)]
struct Requests {
    /// The time of completion and the record of each request.
    seen: Vec<(Nanoseconds, RequestRecord)>,
}

impl Requests {
    fn summary(&self, duration_s: f64) -> SimulatedRow {
        let from = Nanoseconds::from_f64(duration_s * 1e9 / 4.0);
        let to = Nanoseconds::from_f64(duration_s * 1e9);
        let counted: Vec<&RequestRecord> = self
            .seen
            .iter()
            .filter(|(done, _)| (from..to).contains(done))
            .map(|(_, record)| record)
            .collect();
        let n = counted.len() as f64;
        let mean = |of: &dyn Fn(&RequestRecord) -> f64| {
            counted.iter().map(|record| of(record)).sum::<f64>() / n.max(1.0)
        };
        let mut latencies: Vec<f64> =
            counted.iter().map(|r| (r.done - r.arrival).as_ms()).collect();
        latencies.sort_by(f64::total_cmp);
        SimulatedRow {
            rps: n / (duration_s * 0.75),
            mean_ms: mean(&|r| (r.done - r.arrival).as_ms()),
            p99_ms: percentile(&latencies, 0.99).unwrap_or(0.0),
            queue_ms: mean(&|r| (r.load_start - r.arrival).as_ms()),
            outside_ms: mean(&|r| (r.done - r.exec_end).as_ms()),
            // Each batch counts once.
            batch: n / mean_inverse(&counted).max(f64::MIN_POSITIVE),
        }
    }
}

/// Returns the number of batches that these requests were in.
fn mean_inverse(records: &[&RequestRecord]) -> f64 {
    records.iter().map(|r| 1.0 / f64::from(r.batch_size)).sum()
}

impl RecordSink for Requests {
    fn request(&mut self, record: &RequestRecord) {
        self.seen.push((record.done, *record));
    }

    fn failed(&mut self, _: &FailedRequest) {}

    fn gpu_interval(&mut self, _: &GpuInterval) {}
}
