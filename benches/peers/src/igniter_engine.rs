//! The engine of this project: the same streams as workloads of three GPUs.

use crate::common::{FIXED_MS, Histogram, MAX_BATCH, PER_REQUEST, RATES, merged};
use crate::fake::{FakeModel, FakePredictor, FakeScenario, FakeServer};
use igniter::arrivals::ArrivalSpec;
use igniter::domain::{FailedRequest, GpuInterval, RecordSink, RequestRecord};
use igniter::sim::{EngineSpec, LoadOverlap, simulate};

#[derive(Debug, Default)]
struct Latencies(Histogram);

impl RecordSink for Latencies {
    fn request(&mut self, record: &RequestRecord) {
        self.0.record(record.latency().get());
    }

    fn failed(&mut self, _: &FailedRequest) {}

    fn gpu_interval(&mut self, _: &GpuInterval) {}
}

/// Four servers a GPU, with the whole machinery of interference and power, but a slowdown of 0 %, since
/// the peers have none.
pub fn run(seconds: f64, seed: u64) -> Histogram {
    let model = |rate: f64| FakeModel {
        fixed: FIXED_MS,
        per_request: PER_REQUEST * 1e3 / rate,
        ..FakeModel::default()
    };
    let max = u32::try_from(MAX_BATCH).expect("a small number");
    let server = |i: usize| FakeServer::new(i, max, RATES[i], ArrivalSpec::Poisson);
    let gpus: Vec<Vec<_>> =
        (0..3).map(|gpu| (4 * gpu..4 * gpu + 4).map(server).collect()).collect();
    let predictor = FakePredictor::new(RATES.map(model).to_vec(), 0.0);
    let scenario = FakeScenario::new(predictor, &gpus);
    // The server takes its next batch when it is idle, not while it executes.
    let spec = EngineSpec { overlap: LoadOverlap::Serial, ..EngineSpec::default() };
    let outcome = simulate(&scenario.input(spec, seconds, seed), |_| Latencies::default())
        .expect("a correct scenario");
    merged(outcome.gpus.iter().map(|gpu| &gpu.sink.0))
}
