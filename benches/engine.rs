//! What the parts of a simulation cost: `cargo bench --bench engine`.
//!
//! Each figure is for the number of items that the table names (requests, arrivals, records), so that
//! items/s of different rows compare.

#[path = "../tests/it/common/fake.rs"]
mod fake;

use divan::Bencher;
use divan::counter::ItemsCount;
use fake::{Everything, FakeModel, FakePredictor, FakeScenario, FakeServer};
use igniter::arrivals::ArrivalSpec;
use igniter::domain::{BatchRecord, GpuId, RecordSink, WorkloadId, WorkloadName};
use igniter::metrics::{GpuCollector, Percentiles, Window};
use igniter::plan::strategy;
use igniter::run::{Overrides, Study};
use igniter::scenario::Scenario;
use igniter::sim::{EngineSpec, simulate};
use igniter::units::{Nanoseconds, RequestsPerSecond};
use std::path::Path;

fn main() {
    divan::main();
}

fn seconds(seconds: f64) -> Nanoseconds {
    Nanoseconds::from_seconds(seconds).expect("a duration")
}

/// Arrivals of one workload, drawn in blocks as the engine does.
#[divan::bench(args = ["constant", "poisson", "gamma"])]
fn arrivals(bencher: Bencher<'_, '_>, process: &str) {
    const COUNT: usize = 1 << 16;
    let spec = match process {
        "constant" => ArrivalSpec::Constant,
        "poisson" => ArrivalSpec::Poisson,
        _ => ArrivalSpec::Gamma { cv: 2.0 },
    };
    let name = WorkloadName::new("W1").expect("a name");
    let rate = RequestsPerSecond::new(1000.0).expect("a rate");
    bencher
        .counter(ItemsCount::new(COUNT))
        .with_inputs(|| {
            let process = spec.build(&name, rate, seconds(1e6), 1).expect("a process");
            (process, Vec::with_capacity(COUNT))
        })
        .bench_local_values(|(mut process, mut times)| {
            while times.len() < COUNT {
                process.fill(256, &mut times);
            }
            times
        });
}

/// Four servers on a GPU that slow each other, into a sink that keeps the records: the event loop.
#[divan::bench(args = [0.0, 5.0])]
fn events(bencher: Bencher<'_, '_>, max_queue_delay_ms: f64) {
    let model = FakeModel { load: 0.05, fixed: 1.0, per_request: 0.8, feedback: 0.05 };
    let delay = igniter::units::Milliseconds::new(max_queue_delay_ms).expect("a delay");
    let servers: Vec<FakeServer> = [300.0, 400.0, 200.0, 500.0]
        .map(|rate| {
            let mut server = FakeServer::new(0, 8, rate, ArrivalSpec::Poisson);
            server.batching.max_queue_delay = delay;
            server
        })
        .into();
    let scenario = FakeScenario::new(FakePredictor::new(vec![model], 0.05), &[servers]);
    let input = scenario.input(EngineSpec::default(), 10.0, 1);
    let run = || simulate(&input, |_| Everything::default()).expect("a run");
    let requests: usize = run().gpus.iter().map(|gpu| gpu.sink.records.len()).sum();
    bencher.counter(ItemsCount::new(requests)).bench_local(run);
}

/// Records of batches of four into the summary of a GPU.
#[divan::bench(args = ["exact", "histogram"])]
fn collector(bencher: Bencher<'_, '_>, percentiles: &str) {
    const BATCHES: u64 = 1 << 14;
    let percentiles =
        if percentiles == "exact" { Percentiles::Exact } else { Percentiles::Histogram };
    let server = FakeServer::new(0, 8, 100.0, ArrivalSpec::Poisson);
    let predictor = FakePredictor::new(vec![FakeModel::default()], 0.0);
    let scenario = FakeScenario::new(predictor, &[vec![server]]);
    let workloads = [scenario.workloads[0].workload.clone()];
    let window = Window::new(seconds(1e3), Nanoseconds::ZERO, Nanoseconds::ZERO).expect("a window");
    let (workload, gpu) = (WorkloadId::new(0), GpuId::new(0));
    bencher
        .counter(ItemsCount::new(4 * BATCHES))
        .with_inputs(|| GpuCollector::new(gpu, &workloads, window).with_percentiles(percentiles))
        .bench_local_values(|mut collector| {
            for batch in 0..BATCHES {
                // Latencies spread over two decades, the same in each run.
                let start = Nanoseconds::new(batch * 10_000_000);
                let after = |ns: u64| Nanoseconds::new(start.get() + ns);
                let wait = batch.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 37;
                let record = BatchRecord {
                    workload,
                    gpu,
                    batch,
                    load_start: after(wait),
                    load_end: after(wait + 100_000),
                    exec_start: after(wait + 100_000),
                    exec_end: after(wait + 1_000_000),
                    done: after(wait + 1_100_000),
                };
                collector.batch(&record, &[start, start, start, after(wait / 2)]);
            }
            collector
        });
}

/// A shipped scenario with iGniter's plan: arrivals, events, power, breakdown and summary.
#[divan::bench(args = ["paper-12", "paper-12-poisson", "paper-12-bursty"], sample_count = 20)]
fn scenario(bencher: Bencher<'_, '_>, name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("scenarios/{name}.toml"));
    let scenario = Scenario::load(&path).expect("a shipped scenario");
    let study = Study::new(scenario, &Overrides::default()).expect("a shipped scenario");
    let plan = study.plan(strategy("igniter").expect("a strategy").as_ref());
    let run = || study.simulate(&plan).expect("a run");
    let requests: u64 = run().workloads.iter().map(|workload| workload.completed).sum();
    bencher.counter(ItemsCount::new(requests)).bench_local(run);
}
