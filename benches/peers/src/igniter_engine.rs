//! The engine of this project: the same streams as workloads of three GPUs.

use crate::common::{
    FIXED_MS, Histogram, MAX_BATCH, RATES, SHARING, SLOWDOWN, STREAMS, merged, per_request,
};
use crate::fake::{FakeModel, FakePredictor, FakeScenario, FakeServer};
use igniter::arrivals::ArrivalSpec;
use igniter::domain::{BatchRecord, FailedRequest, GpuInterval, RecordSink, RequestRecord};
use igniter::sim::{EngineSpec, LoadOverlap, simulate};
use igniter::units::Nanoseconds;

#[derive(Debug, Default)]
struct Latencies {
    histogram: Histogram,
    /// The energy of the GPU in W ns, so that the states are not for nothing.
    energy: f64,
}

impl RecordSink for Latencies {
    fn request(&mut self, record: &RequestRecord) {
        self.histogram.record(record.latency().get());
    }

    fn batch(&mut self, batch: &BatchRecord, arrivals: &[Nanoseconds]) {
        for &arrival in arrivals {
            self.histogram.record((batch.done - arrival).get());
        }
    }

    fn failed(&mut self, _: &FailedRequest) {}

    fn gpu_interval(&mut self, interval: &GpuInterval) {
        self.energy += (interval.end - interval.start).as_f64() * interval.power_w;
    }
}

/// Four servers a GPU, with the whole machinery of interference and power; with a slowdown of 0 % where the peers have
/// servers that are alone (`SERVERS` = 1).
pub fn run<const SERVERS: usize>(seconds: f64, seed: u64) -> Histogram {
    let model = |rate: f64| FakeModel {
        fixed: FIXED_MS,
        per_request: per_request(SERVERS) * 1e3 / rate,
        ..FakeModel::default()
    };
    let max = u32::try_from(MAX_BATCH).expect("a small number");
    let server = |i: usize| FakeServer::new(i, max, RATES[i], ArrivalSpec::Poisson);
    let gpus: Vec<Vec<_>> =
        (0..STREAMS).step_by(SHARING).map(|i| (i..i + SHARING).map(server).collect()).collect();
    let slowdown = if SERVERS > 1 { SLOWDOWN } else { 0.0 };
    let predictor = FakePredictor::new(RATES.map(model).to_vec(), slowdown);
    let scenario = FakeScenario::new(predictor, &gpus);
    // The server takes its next batch when it is idle, not while it executes.
    let spec = EngineSpec { overlap: LoadOverlap::Serial, ..EngineSpec::default() };
    let outcome = simulate(&scenario.input(spec, seconds, seed), |_| Latencies::default())
        .expect("a correct scenario");
    let energy: f64 = outcome.gpus.iter().map(|gpu| gpu.sink.energy).sum();
    assert!(energy > 0.0, "GPUs draw power");
    merged(outcome.gpus.iter().map(|gpu| &gpu.sink.histogram))
}
