//! The engine against a real Triton server with the same arrivals.
//!
//! `scripts/setup_triton.sh` installs the server; without it the test says so and passes. Then
//!
//! ```text
//! cargo test --release --test it real_triton -- --nocapture
//! IGNITER_TRITON_SECONDS=60 cargo test …                longer cases, for numbers to quote
//! ```
//!
//! A Python-backend model takes as long as [`TABLE_MS`] says. A plain client sends the engine's own
//! arrival streams over HTTP, open loop; latency counts from the intended time. Which requests formed
//! a batch is read from the server's trace. Each case runs in pieces that take turns; the calmer half of
//! them counts, in which the machine itself was late least often. One case calibrates what the host adds
//! to the table, and how much that varies; the others keep it. The table is printed either way. What is asserted is what a busy machine cannot
//! spoil: the rules, replayed with the moments that the server recorded, and wide bounds on batch sizes and
//! on the median latency where the client was in time.
#![expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
#![expect(clippy::unwrap_used, reason = "helpers of tests, which may unwrap")]
#![expect(clippy::disallowed_types, reason = "a real server lives in real time")]

mod client;
mod compare;
mod policies;
mod replay;
mod server;
mod simulated;
mod trace;

use client::{Answer, send_all};
use compare::{Comparison, HostOverhead, Piece};
use igniter::arrivals::ArrivalSpec;
use server::{Server, TritonModel};
use simulated::{QueuePolicy, Setting, Simulated};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use trace::Trace;

/// Execution time by batch size, from 1: no straight line. Eight in 40 ms are 200 requests/s.
const TABLE_MS: [f64; 8] = [12.0, 15.0, 18.0, 22.0, 26.0, 30.0, 35.0, 40.0];
const CAPACITY_RPS: f64 = 200.0;
/// The case, by its place, that calibrates the host: long queues, all batch sizes.
const CALIBRATION: usize = 0;
/// A client that was later than this at the 99th percentile did not send these arrivals.
const LAG_LIMIT_MS: f64 = 1.5;

/// The engine runs each piece so often, with other times of the host: a P99 of few requests is a matter of luck in
/// one run.
const DRAWS: u64 = 20;

/// Cases run in pieces of this length, which take turns.
const PIECE_S: f64 = 2.0;

/// One row of the table.
struct Case {
    name: String,
    model: String,
    setting: Setting,
}

fn cases(seconds: f64) -> Vec<Case> {
    use ArrivalSpec::{Constant, Poisson};
    let case = |arrival: &ArrivalSpec, load: f64, delay_ms: f64, instances: u32| Case {
        name: format!(
            "{}, {:.0} %, delay {delay_ms} ms, {instances} instance{}",
            if *arrival == Poisson { "Poisson" } else { "constant" },
            load * 100.0,
            if instances == 1 { "" } else { "s" },
        ),
        model: format!("delay{delay_ms}x{instances}"),
        setting: Setting {
            arrival: arrival.clone(),
            rate_rps: load * CAPACITY_RPS * f64::from(instances),
            seconds,
            max_queue_delay_ms: delay_ms,
            instances,
            variable_shape: false,
            policy: QueuePolicy::default(),
        },
    };
    let mut cases = vec![case(&Poisson, 0.9, 0.0, 1)];
    cases.extend([0.6, 0.3].map(|load| case(&Poisson, load, 0.0, 1)));
    cases.extend([0.9, 0.6, 0.3].map(|load| case(&Constant, load, 0.0, 1)));
    for arrival in [Poisson, Constant] {
        cases.extend([5.0, 20.0].map(|delay| case(&arrival, 0.6, delay, 1)));
    }
    // With a −1 dimension every arrival wakes Triton's batcher, and waiting batches grow.
    let mut variable = case(&Poisson, 0.6, 5.0, 1);
    variable.name += ", variable shape";
    variable.model += "variable";
    variable.setting.variable_shape = true;
    cases.push(variable);
    cases.extend([Poisson, Constant].map(|arrival| case(&arrival, 0.6, 0.0, 2)));
    cases
}

fn models(cases: &[Case]) -> Vec<TritonModel> {
    let mut models: Vec<TritonModel> = Vec::new();
    for case in cases {
        if models.iter().all(|model| model.name != case.model) {
            models.push(TritonModel {
                name: case.model.clone(),
                table_ms: TABLE_MS.to_vec(),
                max_queue_delay_ms: case.setting.max_queue_delay_ms,
                instances: case.setting.instances,
                variable_shape: case.setting.variable_shape,
                queue_policy: None,
            });
        }
    }
    models
}

/// Only one test at a time has a server: they would disturb each other.
static ALONE: Mutex<()> = Mutex::new(());

/// The command that starts a server; without it the tests say so and pass.
fn triton() -> Option<PathBuf> {
    let command = Path::new(env!("CARGO_MANIFEST_DIR")).join(".triton/tritonserver");
    if !command.exists() {
        eprintln!("skipped: no real Triton server here; scripts/setup_triton.sh installs it");
        return None;
    }
    Some(command)
}

/// How long a case is, in s.
fn seconds() -> f64 {
    std::env::var("IGNITER_TRITON_SECONDS")
        .map_or(4.0, |text| text.parse().expect("IGNITER_TRITON_SECONDS is a number of seconds"))
}

#[test]
fn the_engine_forms_the_batches_of_a_real_server() {
    let Some(command) = triton() else { return };
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small number of at least 1"
    )]
    let pieces = (seconds() / PIECE_S).round().max(1.0) as u64;
    let cases = cases(PIECE_S);

    let server = Server::start(&[command.to_str().unwrap()], &models(&cases), true);
    let mut runs: Vec<_> = cases.iter().map(|_| Vec::new()).collect();
    for piece in 0..pieces {
        eprintln!("piece {} of {pieces} of {} cases …", piece + 1, cases.len());
        for (i, case) in cases.iter().enumerate() {
            let times = case.setting.arrivals(piece);
            let name = format!("{i}.{piece}");
            let sent = send_all(server.address, &case.model, &name, &times);
            assert!(sent.iter().all(|sent| sent.answer == Answer::Output), "{}", case.name);
            runs[i].push(sent);
        }
    }
    let trace = Trace::parse(&server.stop_and_read_trace());
    // The calmer half of the pieces of each case, with their numbers.
    let calm = |i: usize| -> Vec<(u64, Piece)> {
        let mut all: Vec<(u64, Piece)> = (0..)
            .zip(&runs[i])
            .map(|(piece, sent)| {
                let traced = trace.batches(&format!("{i}.{piece}"), sent.len());
                (piece, Piece { sent: sent.clone(), traced })
            })
            .collect();
        let disturbed = |piece: &(u64, Piece)| piece.1.disturbed(&TABLE_MS);
        all.sort_by(|a, b| disturbed(a).total_cmp(&disturbed(b)));
        all.truncate(all.len().div_ceil(2));
        all
    };
    let calm: Vec<Vec<(u64, Piece)>> = (0..cases.len()).map(calm).collect();
    let pieces_of = |i: usize| calm[i].iter().map(|(_, piece)| piece).collect::<Vec<_>>();

    let host = HostOverhead::calibrate(&pieces_of(CALIBRATION), &TABLE_MS);
    let compare = |i: usize| {
        let setting = &cases[i].setting;
        let draws = |(number, piece): &(u64, Piece)| -> Vec<Simulated> {
            let times: Vec<_> = piece.sent.iter().map(|sent| sent.intended).collect();
            (0..DRAWS)
                .map(|draw| {
                    setting.simulate(&times, &TABLE_MS, host.server(), number * DRAWS + draw)
                })
                .collect()
        };
        let simulated: Vec<_> = calm[i].iter().map(draws).collect();
        let replay = |piece: &&Piece| {
            replay::replay(&piece.traced, &setting.batching(), Setting::max_batch())
        };
        let replayed: Vec<_> = pieces_of(i).iter().map(replay).collect();
        Comparison::new(&pieces_of(i), &simulated, &replayed)
    };
    println!(
        "Host, calibrated on the first case: {:.3} ms a batch + {:.3} ms for each of its requests on \
         the instance (cv {:.2}), {:.3} ms a request outside of it (cv {:.2}).\n\n{}",
        host.per_batch_ms,
        host.per_row_ms,
        host.batch_cv,
        host.per_request_ms,
        host.request_cv,
        Comparison::HEADER
    );
    let comparisons: Vec<_> = (0..cases.len()).map(compare).collect();
    for (case, comparison) in cases.iter().zip(&comparisons) {
        println!("{}", comparison.row(&case.name));
    }
    for (case, comparison) in cases.iter().zip(&comparisons) {
        check(&case.name, comparison);
    }
    let same = comparisons.iter().map(|comparison| comparison.same_replayed).sum::<f64>();
    assert!(same > 0.5 * comparisons.len() as f64, "the rules, over all cases: {same}");
}

/// What must hold: the rules on any machine, the rest where the requests were sent roughly in time.
fn check(name: &str, comparison: &Comparison) {
    let in_time = comparison.lag_p99_ms <= LAG_LIMIT_MS;
    // Where the client is late, so are the server's own threads, whose moments the trace does not tell.
    let least = if in_time { 0.6 } else { 0.15 };
    assert!(comparison.same_replayed > least, "{name}: batches {comparison:?}");
    if !in_time {
        eprintln!("{name}: not judged, the client was up to {:.1} ms late", comparison.lag_p99_ms);
        return;
    }
    let Comparison { real, simulated, size_distance, .. } = comparison;
    let mean_batch = simulated.mean_batch / real.mean_batch;
    assert!((0.8..1.25).contains(&mean_batch), "{name}: mean batch {comparison:?}");
    assert!(*size_distance < 0.5, "{name}: batch sizes {comparison:?}");
    // The median: one pause of the machine can double a mean.
    let p50_ms = simulated.p50_ms / real.p50_ms;
    assert!((0.65..1.5).contains(&p50_ms), "{name}: median latency {comparison:?}");
}
