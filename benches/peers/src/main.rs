//! Times the same batched-serving workloads in several discrete-event engines.
//!
//! ```text
//! peers [--seconds S] [--repeats N] [--python PYTHON]     a table of times for each workload
//! peers --list                                            the names of workloads and engines
//! peers --only WORKLOAD ENGINE --seconds S                one run, for callgrind: prints how many requests it had
//! ```
//!
//! Twelve independent Poisson streams; each has a FIFO queue and a server that takes min(waiting, 8) requests when it is
//! idle. In the workload `alone`, a batch of b needs 1 ms + 0.8 b / rate. In `sharing`, it needs 1 ms + 0.7 b / rate alone, and four
//! servers share a GPU, on which each other batch that executes makes it 5 % slower.
//!
//! All engines get the same arrivals from the same generator and keep latencies in the same histogram, so what differs is
//! the engine. Each peer has the same servers and schedules its own events, the cheapest way that it offers. SimPy reads the
//! arrivals, which spares it the draws. Times are CPU times of the process, the median of the repeats, which take turns.

mod common;
mod desru_engine;
#[path = "../../../tests/it/common/fake.rs"]
mod fake;
mod hand;
mod heap;
mod igniter_engine;
mod nexosim_engine;
mod simcore_engine;

use common::{Histogram, SHARING};
// Files that are shared with the tests, and all the others, name everything as the facade of the project does.
extern crate self as igniter;
use igniter_model::{domain, predictor, units};
use igniter_sim::{self as sim, arrivals};
use igniter::arrivals::ArrivalProcess;
use serde::Deserialize;
use std::process::{Command, Stdio};

const SEED: u64 = 1;
/// All arrivals are the same to the nanosecond, but ends are rounded at other moments, and desru, simcore and SimPy order
/// their events by seconds as f64.
const SAME: f64 = 1e-3;

struct Engine {
    name: &'static str,
    /// Whether it has the arrivals of all the others.
    same_arrivals: bool,
    /// One for each of [`WORKLOADS`].
    run: [fn(f64, u64) -> Histogram; 2],
}

const WORKLOADS: [&str; 2] = ["alone", "sharing"];

const ENGINES: [Engine; 7] = [
    Engine::new("igniter", [igniter_engine::run::<1>, igniter_engine::run::<SHARING>]),
    Engine::new("by hand", [hand::run::<1>, hand::run::<SHARING>]),
    Engine {
        same_arrivals: false,
        ..Engine::new("by hand, other draws", [hand::run_blocked::<1>, hand::run_blocked::<SHARING>])
    },
    Engine::new("BinaryHeap by hand", [heap::run::<1>, heap::run::<SHARING>]),
    Engine::new("desru 0.1.13", [desru_engine::alone::run, desru_engine::sharing::run]),
    Engine::new("simcore 0.1.0 (DSLab)", [simcore_engine::run::<1>, simcore_engine::run::<SHARING>]),
    Engine::new("NeXosim 1.0.0", [nexosim_engine::alone::run, nexosim_engine::sharing::run]),
];

impl Engine {
    const fn new(name: &'static str, run: [fn(f64, u64) -> Histogram; 2]) -> Self {
        Self { name, same_arrivals: true, run }
    }
}

/// One engine's result.
#[derive(Debug, Clone, Deserialize)]
struct Outcome {
    name: String,
    requests: u64,
    mean_ms: f64,
    p99_ms: f64,
    ns_per_request: f64,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let argument = |name: &str, number: usize| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + number).cloned()
    };
    let number = |name: &str, default: f64| {
        argument(name, 1).map_or(default, |text| text.parse().expect("a number"))
    };
    let (seconds, repeats) = (number("--seconds", 300.0), number("--repeats", 5.0) as usize);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("one thread");
    if arguments.iter().any(|argument| argument == "--list") {
        ENGINES.iter().for_each(|engine| println!("{}", engine.name));
    } else if let Some(workload) = argument("--only", 1) {
        let workload = WORKLOADS.iter().position(|name| *name == workload).expect("a workload");
        let name = argument("--only", 2).expect("an engine");
        let engine = ENGINES.iter().find(|engine| engine.name == name).expect("an engine");
        let histogram = pool.install(|| (engine.run[workload])(seconds, SEED));
        println!("{}", histogram.count);
    } else {
        let python = argument("--python", 1);
        let mut wrong = Vec::new();
        for workload in 0..WORKLOADS.len() {
            let outcomes = pool.install(|| compare(workload, seconds, repeats, python.as_deref()));
            println!("\nWorkload `{}`\n", WORKLOADS[workload]);
            print(&outcomes);
            wrong.extend(disagreements(&outcomes));
        }
        if !wrong.is_empty() {
            eprintln!("error: {}", wrong.join("; "));
            std::process::exit(1);
        }
    }
}

fn compare(workload: usize, seconds: f64, repeats: usize, python: Option<&str>) -> Vec<Outcome> {
    let mut times = vec![Vec::new(); ENGINES.len()];
    let mut latencies: Vec<Option<Histogram>> = vec![None; ENGINES.len()];
    // One more that does not count: caches, page tables.
    for repeat in 0..=repeats {
        for (i, engine) in ENGINES.iter().enumerate() {
            let start = cpu_ns();
            let histogram = (engine.run[workload])(seconds, SEED);
            if repeat > 0 {
                times[i].push((cpu_ns() - start) as f64 / histogram.count as f64);
            }
            latencies[i] = Some(histogram);
        }
        eprintln!("{}: round {repeat} of {repeats}, load {}", WORKLOADS[workload], load());
    }
    let mut outcomes: Vec<Outcome> = (ENGINES.iter().zip(&mut times).zip(&latencies))
        .map(|((engine, times), histogram)| {
            times.sort_by(f64::total_cmp);
            let histogram = histogram.as_ref().expect("it has run");
            Outcome {
                name: engine.name.to_owned(),
                requests: histogram.count,
                mean_ms: histogram.mean_ms(),
                p99_ms: histogram.percentile_ms(0.99),
                ns_per_request: times[times.len() / 2],
            }
        })
        .collect();
    outcomes.extend(python.map(|python| simpy(python, workload, seconds)));
    outcomes
}

/// Runs the Python script on the same arrivals.
fn simpy(python: &str, workload: usize, seconds: f64) -> Outcome {
    let times = |i| {
        let mut arrivals = common::arrivals(i, seconds, SEED);
        std::iter::from_fn(move || arrivals.next_arrival()).map(|time| time.get()).collect()
    };
    let arrivals: Vec<Vec<u64>> = (0..common::STREAMS).map(times).collect();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/simpy_engine.py");
    let mut child = Command::new(python)
        .args([script, WORKLOADS[workload]])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("Python starts");
    let input = child.stdin.take().expect("it is piped");
    serde_json::to_writer(std::io::BufWriter::new(input), &arrivals).expect("Python reads");
    let output = child.wait_with_output().expect("Python ends");
    assert!(output.status.success(), "SimPy failed: {}", output.status);
    serde_json::from_slice(&output.stdout).expect("the script prints an outcome")
}

fn print(outcomes: &[Outcome]) {
    let ours = &outcomes[0];
    println!("| engine | ns/request | × igniter | requests | mean ms | p99 ms |");
    println!("|---|---|---|---|---|---|");
    for outcome in outcomes {
        println!(
            "| {} | {:.1} | {:.2} | {} | {:.3} | {:.2} |",
            outcome.name,
            outcome.ns_per_request,
            outcome.ns_per_request / ours.ns_per_request,
            outcome.requests,
            outcome.mean_ms,
            outcome.p99_ms,
        );
    }
}

fn disagreements(outcomes: &[Outcome]) -> Vec<String> {
    let ours = &outcomes[0];
    let differs = |a: f64, b: f64, by: f64| !((a / b - 1.0).abs() <= by);
    let wrong = |outcome: &&Outcome| {
        let engine = ENGINES.iter().find(|engine| engine.name == outcome.name);
        if engine.is_some_and(|engine| !engine.same_arrivals) {
            // Another sample of the same process.
            return differs(outcome.requests as f64, ours.requests as f64, 0.02)
                || differs(outcome.mean_ms, ours.mean_ms, 0.1);
        }
        outcome.requests != ours.requests
            || differs(outcome.mean_ms, ours.mean_ms, SAME)
            || differs(outcome.p99_ms, ours.p99_ms, SAME)
    };
    outcomes.iter().filter(wrong).map(|o| format!("{o:?} is not {ours:?}")).collect()
}

/// CPU time of all threads of this process, in ns: the first number of the scheduler's statistics.
fn cpu_ns() -> u64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let of_task = |task: std::fs::DirEntry| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        text.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).unwrap_or(0)
    };
    tasks.flatten().map(of_task).sum()
}

fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned()
}
