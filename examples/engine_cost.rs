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
//! - `scale`: 12,000 workloads on 3,000 GPUs with all that `full` keeps, 500 requests of each and four times as many, against
//!   the twelve of one run; with the peak of memory. A thousand GPUs each have the same servers, or no two;
//! - `follow`: the twelve workloads with rates that change by the hour on eight GPUs, under one plan (`fixed`) and under plans that follow
//!   each other by the hour, each with three moves and five restarts; 86400 is a day of 430 million requests;
//! - `threads`: two seeds of `full` one after the other, and at once on two threads.
//!
//! Times are CPU times (of `threads`: clock times), the best of five runs. Instructions repeat exactly, other load or not:
//! run `valgrind --tool=callgrind` on `full 30` and on `full 60`, and divide the difference of the counts by that of the requests
//! of all runs. `once` in place of `full` makes one run, and so needs a fifth of the time.

#[path = "../tests/it/common/fake.rs"]
mod fake;

use anyhow::bail;
use fake::{FakeModel, FakePredictor, FakeScenario, FakeServer};
use igniter::arrivals::{ArrivalSpec, RateShape, RateStep};
use igniter::domain::{
    BatchRecord, FailedRequest, GpuId, GpuInterval, Plan, RecordSink, RequestRecord, ServerSetting,
    Timeline, TimelineGpu, TimelineServer, Workload,
};
use igniter::metrics::{Collectors, Percentiles, Window, WindowCounter, summarise};
use igniter::plan::strategy;
use igniter::run::{Overrides, Study};
use igniter::scenario::Scenario;
use igniter::sim::{EngineSpec, arrival_counts, simulate, simulate_collected};
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
        "once" => one_thread(once),
        "scale" => one_thread(scale),
        "histogram" => one_thread(histogram),
        "growth" => one_thread(growth),
        "follow" => one_thread(|seconds| follow(seconds, true)),
        "fixed" => one_thread(|seconds| follow(seconds, false)),
        "threads" => threads(seconds),
        "all" => {
            one_thread(bare)?;
            one_thread(full)?;
            one_thread(histogram)?;
            one_thread(growth)?;
            one_thread(scale)?;
            one_thread(|seconds| follow(seconds, true))?;
            threads(seconds)
        }
        other => {
            bail!(
                "no measurement {other:?}; there are bare, full, once, histogram, growth, \
                 scale, follow, fixed and threads"
            )
        }
    }
}

/// The least of five runs, of a clock that counts ns.
fn best(
    clock: impl Fn() -> f64,
    mut run: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<f64> {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let start = clock();
        run()?;
        best = best.min(clock() - start);
    }
    Ok(best)
}

/// The least CPU time of five runs, in ns.
fn best_ns(run: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<f64> {
    best(cpu_ns, run)
}

/// The CPU time of all threads of this process, in ns: the first number of the scheduler's statistics of each (Linux).
fn cpu_ns() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let of_task = |task: std::fs::DirEntry| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|ns| ns.parse::<f64>().ok()).unwrap_or(0.0)
    };
    tasks.map(of_task).sum()
}

/// The peak of the memory of the program so far.
fn peak_memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    peak.map_or("?", str::trim).to_owned()
}

/// The twelve workloads, so many times. Service 1 + 0.7 b / rate ms, 5 % slower for each other batch;
/// transfers of 0.05 ms; four workloads on each GPU.
fn twelve(times: usize) -> FakeScenario {
    twelve_with(times, |_, _| 25)
}

/// The same, given the SM share of each place of each GPU in percent, which no time depends on.
fn twelve_with(times: usize, share: impl Fn(usize, usize) -> u32) -> FakeScenario {
    let models = RATES.map(|rate| FakeModel {
        load: 0.05,
        fixed: 1.0,
        per_request: 700.0 / rate,
        feedback: 0.05,
    });
    let server = |gpu: usize, place: usize| {
        let i = 4 * (gpu % 3) + place;
        let share = share(gpu, place);
        FakeServer { share, ..FakeServer::new(i, 8, RATES[i], ArrivalSpec::Poisson) }
    };
    let gpu = |gpu: usize| (0..4).map(|place| server(gpu, place)).collect::<Vec<_>>();
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

/// One run of `full`, for counting instructions.
fn once(seconds: f64) -> anyhow::Result<()> {
    let (study, plan) = study(seconds, 1, Percentiles::Exact)?;
    let result = study.simulate(&plan)?;
    println!(
        "once: {} requests in the window",
        result.workloads.iter().map(|w| w.completed).sum::<u64>()
    );
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn histogram(seconds: f64) -> anyhow::Result<()> {
    let (study, plan) = study(seconds, 1, Percentiles::Histogram)?;
    let start = cpu_ns();
    let result = study.simulate(&plan)?;
    let ns = cpu_ns() - start;
    let done = result.workloads.iter().map(|w| w.completed).sum::<u64>() as f64;
    let peak = peak_memory();
    println!(
        "histogram: {:.1} ns/request ({done} requests in the window), peak memory of the program {peak}",
        ns / done
    );
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn scale(_: f64) -> anyhow::Result<()> {
    const SHARES: [u32; 8] = [16, 17, 18, 19, 20, 21, 22, 23];
    let each = |gpu: usize, place: usize| SHARES[(gpu >> (3 * place)) % 8];
    // 5,000 requests/s of twelve workloads: 1.2 s are 500 of each, on average. The peak of memory grows from row to row.
    for (times, seconds, alike) in
        [(1, 30.0, true), (1000, 1.2, true), (1000, 1.2, false), (1000, 4.8, true)]
    {
        let scenario = if alike { twelve(times) } else { twelve_with(times, each) };
        let workloads: Vec<Workload> =
            scenario.workloads.iter().map(|entry| entry.workload.clone()).collect();
        let input = scenario.input(EngineSpec::default(), seconds, 1);
        let window = Window::new(input.duration, Nanoseconds::ZERO, Nanoseconds::ZERO)?;
        for percentiles in [Percentiles::Histogram, Percentiles::Exact] {
            let mut requests = 0;
            let ns = best_ns(|| {
                let sinks = Collectors::new(&workloads, window, percentiles);
                let sinks = sinks.of_plan(&scenario.plan, &workloads);
                let gpus = simulate_collected(&input, &sinks)?.gpus;
                let collectors = gpus.into_iter().map(|gpu| gpu.sink).collect();
                let metrics = summarise(&scenario.plan, &workloads, window, collectors);
                requests = metrics.workloads.iter().map(|w| w.completed).sum::<u64>();
                Ok(())
            })?;
            println!(
                "scale: {} workloads{}, {requests} requests, {percentiles:?}: {:.1} ns/request, peak memory so far {}",
                12 * times,
                if alike { "" } else { " on GPUs that all differ" },
                ns / requests as f64,
                peak_memory(),
            );
        }
    }
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

/// The rate of a workload by the hour, with mean 1: it rises for half a day and falls for the other, each workload at its own
/// time.
fn by_the_hour(workload: usize) -> RateShape {
    let hour = Nanoseconds::new(3_600_000_000_000);
    let factor = |at: usize| 0.5 + ((at + 2 * workload) % 24).abs_diff(12) as f64 / 12.0;
    let steps = (0..24).map(|at| RateStep { duration: hour, factor: factor(at) });
    RateShape::Steps { steps: steps.collect(), repeat: true }
}

/// Plans that follow each other by the hour on eight GPUs: three servers move and five restart, each in 20 s.
fn by_moves(scenario: &FakeScenario, seconds: f64) -> anyhow::Result<Timeline> {
    let placements: Vec<_> = scenario.plan.placements().collect();
    let rented = vec![(Nanoseconds::ZERO, None)];
    let gpu = TimelineGpu { kind: scenario.plan.gpus[0].kind.clone(), rented };
    let (mut servers, mut present): (Vec<TimelineServer>, Vec<usize>) = (Vec::new(), Vec::new());
    let start = |gpu: usize, workload: usize, ordered: Nanoseconds, ready: Nanoseconds| {
        let placement = placements[workload].1.clone();
        let setting = ServerSetting {
            from: ready,
            batch: placement.batch,
            served: scenario.workloads[workload].workload.rate,
        };
        let (takes_until, settings) = (None, vec![setting]);
        let (gpu, takes_from) = (GpuId::new(gpu), ready);
        TimelineServer { gpu, placement, ordered, ready, takes_from, takes_until, settings }
    };
    for workload in 0..12 {
        present.push(servers.len());
        servers.push(start(workload * 2 / 3, workload, Nanoseconds::ZERO, Nanoseconds::ZERO));
    }
    let (mut at, mut turn) = (3600.0, 0);
    while at + 20.0 < seconds {
        let (ordered, ready) =
            (Nanoseconds::from_seconds(at)?, Nanoseconds::from_seconds(at + 20.0)?);
        for change in 0..8 {
            turn += 1;
            let workload = 5 * turn % 12;
            let old = &mut servers[present[workload]];
            old.takes_until = Some(ready);
            let from = old.gpu.index();
            let gpu = if change < 3 { (from + 1 + turn % 7) % 8 } else { from };
            present[workload] = servers.len();
            servers.push(start(gpu, workload, ordered, ready));
        }
        at += 3600.0;
    }
    Ok(Timeline { gpus: vec![gpu; 8], servers })
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
fn follow(seconds: f64, moves: bool) -> anyhow::Result<()> {
    let mut scenario = twelve(1);
    for (number, entry) in scenario.workloads.iter_mut().enumerate() {
        let gaps = Box::new(ArrivalSpec::Poisson);
        entry.arrival = ArrivalSpec::Shaped { gaps, shape: by_the_hour(number) };
    }
    let workloads: Vec<Workload> =
        scenario.workloads.iter().map(|entry| entry.workload.clone()).collect();
    let timeline = by_moves(&scenario, if moves { seconds } else { 0.0 })?;
    let plan = timeline.plan("by hand");
    let mut input = scenario.input(EngineSpec::default(), seconds, 1);
    if moves {
        input.timeline = Some(&timeline);
    } else {
        input.plan = &plan;
    }
    let window = Window::new(input.duration, Nanoseconds::ZERO, Nanoseconds::ZERO)?;
    let sinks = Collectors::new(&workloads, window, Percentiles::Histogram);
    let counter = WindowCounter::new(&workloads, Nanoseconds::new(60_000_000_000));
    let start = cpu_ns();
    let counts = arrival_counts(input.workloads, input.duration, input.duration, input.seed)?;
    let counted = cpu_ns();
    let gpus = simulate(&input, |gpu| (sinks.of(gpu), counter.clone()))?.gpus;
    let simulated = cpu_ns();
    let events: u64 = gpus.iter().map(|gpu| gpu.events).sum();
    let servers: usize = gpus.iter().map(|gpu| gpu.servers.len()).sum();
    let collectors = gpus.into_iter().map(|gpu| gpu.sink.0).collect();
    let metrics = summarise(&plan, &workloads, window, collectors);
    let requests: u64 = metrics.workloads.iter().map(|w| w.completed).sum();
    assert_eq!(requests, counts.iter().flatten().sum::<u64>());
    println!(
        "follow: {requests} requests on {servers} servers, {:.2} events/request; counted in {:.1} s, simulated in {:.1} s of CPU time, \
         {:.1} ns/request; peak memory {}",
        events as f64 / requests as f64,
        (counted - start) / 1e9,
        (simulated - counted) / 1e9,
        (simulated - counted) / requests as f64,
        peak_memory(),
    );
    Ok(())
}

fn threads(seconds: f64) -> anyhow::Result<()> {
    let studies = [study(seconds, 1, Percentiles::Exact)?, study(seconds, 2, Percentiles::Exact)?];
    let run = |(study, plan): &(Study, Plan)| study.simulate(plan).map(|_| ());
    let on = |threads: usize| -> anyhow::Result<f64> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        best(clock_ns, || Ok(pool.install(|| studies.par_iter().try_for_each(run))?))
    };
    let (one, two) = (on(1)?, on(2)?);
    println!("threads: two seeds on two threads are {:.2} times as fast as on one", one / two);
    Ok(())
}

/// The clock, in ns.
#[expect(clippy::disallowed_types, reason = "this program measures the clock time of the engine")]
fn clock_ns() -> f64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_secs_f64() * 1e9
}
