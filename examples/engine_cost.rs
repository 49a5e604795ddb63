//! What a simulated request costs.
//!
//! ```text
//! cargo run --release --example engine_cost                  everything
//! cargo run --release --example engine_cost -- full 600      one measurement, over so many simulated seconds
//! ```
//!
//! - `bare`: twelve Poisson workloads on three GPUs, into a sink that only counts;
//! - `histogram`: as `full`, with a histogram in place of exact percentiles, and the peak of memory (once,
//!   so that long runs are possible);
//! - `full`: `scenarios/paper-12-poisson.toml` with power, breakdown, exact percentiles and series;
//! - `growth`: the twelve workloads once, ten and a hundred times;
//! - `threads`: two seeds of `full` one after the other, and at once on two threads.
//!
//! Clock times are the best of five runs. Instructions repeat exactly, other load or not: run
//! `valgrind --tool=callgrind` on `full 20` and on `full 40`, and divide the difference of the counts by
//! that of the requests.

#[path = "../tests/it/common/fake.rs"]
mod fake;

use anyhow::bail;
use fake::{FakeModel, FakePredictor, FakeScenario, FakeServer};
use igniter::arrivals::ArrivalSpec;
use igniter::domain::{BatchRecord, FailedRequest, GpuInterval, Plan, RecordSink, RequestRecord};
use igniter::metrics::Percentiles;
use igniter::plan::strategy;
use igniter::run::{Overrides, Study};
use igniter::scenario::Scenario;
use igniter::sim::{EngineSpec, simulate};
use igniter::units::Nanoseconds;
use rayon::prelude::*;
use std::path::Path;

const RATES: [f64; 12] =
    [1200.0, 400.0, 300.0, 150.0, 400.0, 600.0, 400.0, 50.0, 800.0, 200.0, 200.0, 300.0];
const SCENARIO: &str = "scenarios/paper-12-poisson.toml";

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

    fn batch(&mut self, batch: &BatchRecord, arrivals: &[Nanoseconds]) {
        self.requests += arrivals.len() as u64;
        self.latency_ns +=
            arrivals.iter().map(|&arrival| (batch.done - arrival).get()).sum::<u64>();
    }

    fn failed(&mut self, _: &FailedRequest) {
        self.requests += 1;
    }

    fn gpu_interval(&mut self, _: &GpuInterval) {
        self.intervals += 1;
    }
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let what = arguments.first().map_or("all", String::as_str);
    let seconds: f64 = arguments.get(1).map_or(Ok(300.0), |text| text.parse())?;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let one_thread = |work: fn(f64) -> anyhow::Result<()>| pool.install(|| work(seconds));
    match what {
        "bare" => one_thread(bare),
        "full" => one_thread(full),
        "histogram" => one_thread(histogram),
        "growth" => one_thread(growth),
        "threads" => threads(seconds),
        "all" => {
            one_thread(bare)?;
            one_thread(full)?;
            one_thread(histogram)?;
            one_thread(growth)?;
            threads(seconds)
        }
        other => {
            bail!("no measurement {other:?}; there are bare, full, histogram, growth and threads")
        }
    }
}

/// The least clock time of five runs, in ns.
#[expect(clippy::disallowed_types, reason = "this program measures the clock time of the engine")]
fn best_ns(mut run: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = std::time::Instant::now();
        run()?;
        best = best.min(start.elapsed().as_secs_f64() * 1e9);
    }
    Ok(best)
}

/// The twelve workloads, so many times. Service 1 + 0.7 b / rate ms, 5 % slower for each other batch;
/// transfers of 0.05 ms; four workloads on each GPU.
fn twelve(times: usize) -> FakeScenario {
    let models = RATES.map(|rate| FakeModel {
        load: 0.05,
        fixed: 1.0,
        per_request: 700.0 / rate,
        feedback: 0.05,
    });
    let server = |i: usize| FakeServer::new(i, 8, RATES[i], ArrivalSpec::Poisson);
    let gpu = |gpu: usize| (4 * (gpu % 3)..4 * (gpu % 3) + 4).map(server).collect::<Vec<_>>();
    let gpus: Vec<Vec<_>> = (0..3 * times).map(gpu).collect();
    FakeScenario::new(FakePredictor::new(models.to_vec(), 0.05), &gpus)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn bare(seconds: f64) -> anyhow::Result<()> {
    let scenario = twelve(1);
    let input = scenario.input(EngineSpec::default(), seconds, 1);
    let (mut requests, mut latency_ns, mut batches, mut events) = (0, 0, 0, 0);
    let ns = best_ns(|| {
        let gpus = simulate(&input, |_| Count::default())?.gpus;
        requests = gpus.iter().map(|gpu| gpu.sink.requests).sum();
        latency_ns = gpus.iter().map(|gpu| gpu.sink.latency_ns).sum();
        batches = gpus.iter().flat_map(|gpu| &gpu.servers).map(|server| server.batches).sum();
        events = gpus.iter().map(|gpu| gpu.events).sum();
        Ok(())
    })?;
    let requests = requests as f64;
    println!(
        "bare: {:.1} ns/request ({requests} requests, mean batch {:.2}, {:.2} events/request, mean \
         latency {:.3} ms)",
        ns / requests,
        requests / batches as f64,
        events as f64 / requests,
        latency_ns as f64 / requests / 1e6,
    );
    Ok(())
}

/// The shipped scenario, at this length and seed, and iGniter's plan for it.
fn study(seconds: f64, seed: u64, percentiles: Percentiles) -> anyhow::Result<(Study, Plan)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(SCENARIO);
    let mut scenario = Scenario::load(&path)?;
    scenario.duration = Nanoseconds::from_seconds(seconds)?;
    scenario.percentiles = percentiles;
    scenario.warmup = Nanoseconds::new(1_000_000_000);
    scenario.cooldown = scenario.warmup;
    let study = Study::new(scenario, &Overrides { seed: Some(seed), ..Overrides::default() })?;
    let plan = study.plan(strategy("igniter")?.as_ref());
    Ok((study, plan))
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn full(seconds: f64) -> anyhow::Result<()> {
    let (study, plan) = study(seconds, 1, Percentiles::Exact)?;
    let mut done = 0.0;
    let ns = best_ns(|| {
        let result = study.simulate(&plan)?;
        done = result.workloads.iter().map(|w| w.completed).sum::<u64>() as f64;
        Ok(())
    })?;
    println!("full: {:.1} ns/request ({done} requests in the window, 5 runs)", ns / done);
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
#[expect(clippy::disallowed_types, reason = "this program measures the clock time of the engine")]
fn histogram(seconds: f64) -> anyhow::Result<()> {
    let (study, plan) = study(seconds, 1, Percentiles::Histogram)?;
    let start = std::time::Instant::now();
    let result = study.simulate(&plan)?;
    let ns = start.elapsed().as_secs_f64() * 1e9;
    let done = result.workloads.iter().map(|w| w.completed).sum::<u64>() as f64;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).map_or("?", str::trim);
    println!(
        "histogram: {:.1} ns/request ({done} requests in the window), peak memory of the program {peak}",
        ns / done
    );
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn growth(seconds: f64) -> anyhow::Result<()> {
    for times in [1, 10, 100] {
        let scenario = twelve(times);
        let input = scenario.input(EngineSpec::default(), seconds / 10.0, 1);
        let mut requests = 0;
        let ns = best_ns(|| {
            let gpus = simulate(&input, |_| Count::default())?.gpus;
            requests = gpus.iter().map(|gpu| gpu.sink.requests).sum();
            Ok(())
        })?;
        println!("growth: {} workloads: {:.1} ns/request", 12 * times, ns / requests as f64);
    }
    Ok(())
}

fn threads(seconds: f64) -> anyhow::Result<()> {
    let studies = [study(seconds, 1, Percentiles::Exact)?, study(seconds, 2, Percentiles::Exact)?];
    let run = |(study, plan): &(Study, Plan)| study.simulate(plan).map(|_| ());
    let on = |threads: usize| -> anyhow::Result<f64> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        best_ns(|| Ok(pool.install(|| studies.par_iter().try_for_each(run))?))
    };
    let (one, two) = (on(1)?, on(2)?);
    println!("threads: two seeds on two threads are {:.2} times as fast as on one", one / two);
    Ok(())
}
