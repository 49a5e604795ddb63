//! The simulated arm: the engine with a predictor whose execution times are a table.

use crate::common::fake::{Everything, FakeModel, FakePredictor, FakeScenario, FakeServer};
use igniter::arrivals::{ArrivalSpec, GeneratedArrivals, TraceSpec};
use igniter::sim::{
    BatchingSpec, EngineSpec, Interference, LoadOverlap, ServerSpec, TimeoutAction, simulate,
};
use igniter::units::{BatchSize, Milliseconds, Nanoseconds};
use std::collections::BTreeMap;
use std::io::Write;
use tempfile::NamedTempFile;

/// One model on one server, with its load.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    pub(crate) arrival: ArrivalSpec,
    pub(crate) rate_rps: f64,
    /// The length of a piece.
    pub(crate) seconds: f64,
    pub(crate) max_queue_delay_ms: f64,
    pub(crate) instances: u32,
    pub(crate) variable_shape: bool,
    pub(crate) policy: QueuePolicy,
}

/// A queue policy; the default is none.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct QueuePolicy {
    pub(crate) max_queue_size: u32,
    pub(crate) timeout_ms: f64,
    pub(crate) action: TimeoutAction,
}

impl QueuePolicy {
    /// The same in the configuration of a model.
    pub(crate) fn config(self) -> String {
        let action = match self.action {
            TimeoutAction::Reject => "REJECT",
            TimeoutAction::Delay => "DELAY",
        };
        let (most, timeout) = (self.max_queue_size, self.timeout_ms * 1e3);
        format!(
            "default_queue_policy {{ max_queue_size: {most} default_timeout_microseconds: {timeout:.0} \
             timeout_action: {action} }}"
        )
    }
}

/// What the engine makes of a setting, request by request.
#[derive(Debug)]
pub(crate) struct Simulated {
    pub(crate) latencies_ms: Vec<f64>,
    /// The requests of each batch, ascending; batches in order of their start. Without meaning if some fail.
    pub(crate) batches: Vec<Vec<usize>>,
    /// How many requests fail.
    pub(crate) failed: usize,
}

impl Setting {
    /// The arrivals of a piece, which is the seed: those of the engine, which both arms get.
    pub(crate) fn arrivals(&self, piece: u64) -> Vec<Nanoseconds> {
        let scenario = self.scenario();
        let workload = &scenario.workloads[0];
        let duration = Nanoseconds::from_seconds(self.seconds).unwrap();
        let mut process = (workload.arrival)
            .build(&workload.workload.name, workload.workload.rate, duration, piece)
            .unwrap();
        GeneratedArrivals::collect(process.as_mut(), duration).times
    }

    /// Runs the engine with these arrivals; `draw` is the seed of the host's times.
    pub(crate) fn simulate(
        &self,
        times: &[Nanoseconds],
        table_ms: &[f64],
        host: ServerSpec,
        draw: u64,
    ) -> Simulated {
        let mut scenario = self.scenario();
        let trace = trace_of(times);
        let workload = &mut scenario.workloads[0];
        workload.arrival = ArrivalSpec::Trace(TraceSpec::new(trace.path(), "sent_s"));
        workload.server = host;
        scenario.predictor.table_ms = Some(table_ms.to_vec());
        let spec = EngineSpec {
            interference: Interference::None,
            overlap: LoadOverlap::Serial,
            ..EngineSpec::default()
        };
        let input = scenario.input(spec, self.seconds, draw);
        let mut outcome = simulate(&input, |_| Everything::default()).unwrap();
        let Everything { mut records, failed, .. } = outcome.gpus.remove(0).sink;
        // Arrivals are taken in order, whichever instance serves them.
        records.sort_by_key(|record| (record.arrival, record.batch));
        let mut batches: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (index, record) in records.iter().enumerate() {
            batches.entry((record.load_start, record.batch)).or_default().push(index);
        }
        Simulated {
            latencies_ms: records.iter().map(|record| record.latency().as_ms()).collect(),
            batches: batches.into_values().collect(),
            failed: failed.len(),
        }
    }

    /// The largest batch.
    pub(crate) fn max_batch() -> BatchSize {
        BatchSize::new(u32::try_from(super::TABLE_MS.len()).unwrap()).unwrap()
    }

    /// The options of the batcher.
    pub(crate) fn batching(&self) -> BatchingSpec {
        BatchingSpec {
            max_queue_delay: Milliseconds::new(self.max_queue_delay_ms).unwrap(),
            instances: self.instances,
            variable_shape: self.variable_shape,
            max_queue_size: self.policy.max_queue_size,
            timeout: Milliseconds::new(self.policy.timeout_ms).unwrap(),
            timeout_action: self.policy.action,
            ..BatchingSpec::default()
        }
    }

    fn scenario(&self) -> FakeScenario {
        let max = Self::max_batch().get();
        let server = FakeServer {
            batching: self.batching(),
            ..FakeServer::new(0, max, self.rate_rps, self.arrival.clone())
        };
        FakeScenario::new(FakePredictor::new(vec![FakeModel::default()], 0.0), &[vec![server]])
    }
}

/// Arrivals as a file.
fn trace_of(times: &[Nanoseconds]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    writeln!(file, "sent_s").unwrap();
    for time in times {
        writeln!(file, "{}.{:09}", time.get() / 1_000_000_000, time.get() % 1_000_000_000).unwrap();
    }
    file
}
