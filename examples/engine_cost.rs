//! What a simulated request costs: twelve Poisson workloads on three GPUs, on one thread.
//!
//! `cargo run --release --example engine_cost`

#[path = "../tests/common/fake.rs"]
mod fake;

use fake::{FakeModel, FakePredictor, FakeScenario, FakeServer};
use igniter::domain::{GpuInterval, RecordSink, RequestRecord};
use igniter::sim::{EngineSpec, Interference, simulate};
use igniter::workload::ArrivalSpec;

const RATES: [f64; 12] =
    [1200.0, 400.0, 300.0, 150.0, 400.0, 600.0, 400.0, 50.0, 800.0, 200.0, 200.0, 300.0];

#[derive(Debug, Default)]
struct Count {
    requests: u64,
    latency_ns: u64,
    intervals: u64,
}

impl RecordSink for Count {
    fn request(&mut self, record: &RequestRecord) {
        self.requests += 1;
        self.latency_ns += record.latency().get();
    }

    fn gpu_interval(&mut self, _: &GpuInterval) {
        self.intervals += 1;
    }
}

#[expect(clippy::disallowed_types, reason = "this program measures the clock time of the engine")]
fn main() -> anyhow::Result<()> {
    // Service 1 + 0.7 b / rate, 5 % slower for each other batch; transfers of 0.05 ms.
    let models = RATES.map(|rate| FakeModel {
        load: 0.05,
        fixed: 1.0,
        per_request: 700.0 / rate,
        feedback: 0.05,
    });
    let server = |i: usize| FakeServer::new(i, 8, RATES[i], ArrivalSpec::Poisson);
    let gpus: Vec<Vec<_>> =
        (0..3).map(|gpu| (4 * gpu..4 * gpu + 4).map(server).collect()).collect();
    let scenario = FakeScenario::new(FakePredictor::new(models.to_vec(), 0.05), &gpus);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    for interference in [Interference::Dynamic, Interference::Static] {
        for repeat in 0..3 {
            let spec = EngineSpec { interference, ..EngineSpec::default() };
            let input = scenario.input(spec, 600.0, repeat);
            let start = std::time::Instant::now();
            let outcome = pool.install(|| simulate(&input, |_| Count::default()))?;
            let ns = start.elapsed().as_secs_f64() * 1e9;
            let servers = || outcome.gpus.iter().flat_map(|gpu| &gpu.servers);
            let requests: u64 = outcome.gpus.iter().map(|gpu| gpu.sink.requests).sum();
            let latency: u64 = outcome.gpus.iter().map(|gpu| gpu.sink.latency_ns).sum();
            let events: u64 = outcome.gpus.iter().map(|gpu| gpu.events).sum();
            let batches: u64 = servers().map(|server| server.batches).sum();
            #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
            let per = |count: u64, of: u64| count as f64 / of as f64;
            println!(
                "{interference:?}: {:.0} ns/request ({requests} requests, mean batch {:.2}, \
                 {:.2} events/request, mean latency {:.3} ms)",
                ns / per(requests, 1),
                per(requests, batches),
                per(events, requests),
                per(latency, requests) / 1e6,
            );
        }
    }
    Ok(())
}
