//! Times the same batched-serving workload in several discrete-event engines.
//!
//! ```text
//! peers [--seconds S] [--repeats N] [--python PYTHON]
//! ```
//!
//! Twelve independent Poisson streams; each has a FIFO queue and a server that takes min(waiting, 8)
//! requests when it is idle and needs 1 ms + 0.8 / rate for each. All Rust engines get the same arrivals
//! from the same generator and keep latencies in the same histogram, so what differs is the engine; each
//! peer has one component a stream that schedules its own events, the cheapest way that it offers.
//! SimPy reads them, which spares it the draws. Times are CPU times of the process, the median of the repeats, which take turns.

mod common;
mod desru_engine;
#[path = "../../../tests/it/common/fake.rs"]
mod fake;
mod heap;
mod igniter_engine;
mod nexosim_engine;
mod simcore_engine;

use common::Histogram;
use igniter::workload::ArrivalProcess;
use serde::Deserialize;
use std::process::{Command, Stdio};

const SEED: u64 = 1;
/// All arrivals are the same to the nanosecond, but desru, simcore and SimPy order their events by
/// seconds as f64.
const SAME: f64 = 1e-3;

struct Engine {
    name: &'static str,
    run: fn(f64, u64) -> Histogram,
}

const ENGINES: [Engine; 5] = [
    Engine { name: "igniter", run: igniter_engine::run },
    Engine { name: "BinaryHeap by hand", run: heap::run },
    Engine { name: "desru 0.1.13", run: desru_engine::run },
    Engine { name: "simcore 0.1.0 (DSLab)", run: simcore_engine::run },
    Engine { name: "NeXosim 1.0.0", run: nexosim_engine::run },
];

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
    let argument = |name: &str| {
        let mut arguments = std::env::args().skip_while(|argument| argument != name).skip(1);
        arguments.next()
    };
    let number = |name: &str, default: f64| {
        argument(name).map_or(default, |text| text.parse().expect("a number"))
    };
    let (seconds, repeats) = (number("--seconds", 300.0), number("--repeats", 5.0) as usize);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("one thread");

    let mut times = vec![Vec::new(); ENGINES.len()];
    let mut latencies: Vec<Option<Histogram>> = vec![None; ENGINES.len()];
    // One more that does not count: caches, page tables.
    for repeat in 0..=repeats {
        for (i, engine) in ENGINES.iter().enumerate() {
            let start = cpu_ns();
            let histogram = pool.install(|| (engine.run)(seconds, SEED));
            if repeat > 0 {
                times[i].push((cpu_ns() - start) as f64 / histogram.count as f64);
            }
            latencies[i] = Some(histogram);
        }
        eprintln!("round {repeat} of {repeats}, load {}", load());
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
    outcomes.extend(argument("--python").map(|python| simpy(&python, seconds)));
    print(&outcomes);
    let wrong = disagreements(&outcomes);
    if !wrong.is_empty() {
        eprintln!("error: {}", wrong.join("; "));
        std::process::exit(1);
    }
}

/// Runs the Python script on the same arrivals.
fn simpy(python: &str, seconds: f64) -> Outcome {
    let times = |i| {
        let mut arrivals = common::arrivals(i, seconds, SEED);
        std::iter::from_fn(move || arrivals.next_arrival()).map(|time| time.get()).collect()
    };
    let arrivals: Vec<Vec<u64>> = (0..common::RATES.len()).map(times).collect();
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/simpy_engine.py");
    let mut child = Command::new(python)
        .arg(script)
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
            "| {} | {:.0} | {:.1} | {} | {:.3} | {:.2} |",
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
    let differs = |a: f64, b: f64| !((a / b - 1.0).abs() <= SAME);
    let wrong = |outcome: &&Outcome| {
        outcome.requests != ours.requests
            || differs(outcome.mean_ms, ours.mean_ms)
            || differs(outcome.p99_ms, ours.p99_ms)
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
