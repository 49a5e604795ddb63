//! Queue policies: which share of the requests the engine and the real server refuse.
//!
//! The server's batcher can lose a wake-up, which makes it refuse many more (docs/engine.md). How often that happens is a
//! property of the host, so the server runs at real-time priority where the test may ask for it, and each case tells how
//! often it happened. Where it did, only the direction is judged.

use super::client::{Answer, Sent, send_all};
use super::server::{LoggedBatch, Server, TritonModel};
use super::simulated::{QueuePolicy, Setting, Simulated};
use super::{ALONE, CAPACITY_RPS, LAG_LIMIT_MS, TABLE_MS, seconds, triton};
use igniter::arrivals::ArrivalSpec;
use igniter::sim::{ServerSpec, TimeoutAction};
use igniter::stats::{mean, percentile};
use igniter::units::Milliseconds;
use std::process::Command;
use std::sync::PoisonError;

const LOADS: [f64; 3] = [0.6, 0.9, 1.1];

/// By how many points the shares of refused requests may differ on a calm host.
const POINTS: f64 = 4.0;

/// A batch that began so much later than its instance was free, and whose requests had waited, is one that nobody woke
/// the batcher for.
const LOST_MS: f64 = 2.5;

fn policies() -> [(&'static str, QueuePolicy, u32, f64); 5] {
    use TimeoutAction::{Delay, Reject};
    let policy =
        |max_queue_size, timeout_ms, action| QueuePolicy { max_queue_size, timeout_ms, action };
    [
        ("queue 4", policy(4, 0.0, Reject), 1, 0.0),
        ("timeout 30 ms, reject", policy(0, 30.0, Reject), 1, 0.0),
        ("timeout 30 ms, delay", policy(0, 30.0, Delay), 1, 0.0),
        ("queue 6, timeout 60 ms, 2 instances", policy(6, 60.0, Reject), 2, 0.0),
        ("queue 16, queue delay 10 ms", policy(16, 0.0, Reject), 1, 10.0),
    ]
}

#[test]
fn queue_policies_refuse_the_share_that_a_real_server_refuses() {
    let Some(command) = triton() else { return };
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let models: Vec<TritonModel> = (0..)
        .zip(policies())
        .map(|(number, (_, policy, instances, max_queue_delay_ms))| TritonModel {
            name: format!("policy{number}"),
            table_ms: TABLE_MS.to_vec(),
            max_queue_delay_ms,
            instances,
            variable_shape: false,
            queue_policy: Some(policy.config()),
        })
        .collect();
    let command = command.to_str().unwrap();
    let server = if may_be_real_time() {
        Server::start(&["chrt", "--rr", "20", command], &models, false)
    } else {
        Server::start(&[command], &models, false)
    };
    println!(
        "| policy | load | requests | refused % real / sim | mean ms real / sim | lost wake-ups % | client lag p99 ms |\n\
         |---|--:|--:|--:|--:|--:|--:|"
    );
    let mut judged = 0;
    for (model, (name, policy, instances, max_queue_delay_ms)) in models.iter().zip(policies()) {
        for load in LOADS {
            let setting = Setting {
                arrival: ArrivalSpec::Poisson,
                rate_rps: load * CAPACITY_RPS * f64::from(instances),
                seconds: seconds(),
                max_queue_delay_ms,
                instances,
                variable_shape: false,
                policy,
            };
            let times = setting.arrivals(1);
            let before = server.batches(&model.name).len();
            let sent = send_all(server.address, &model.name, name, &times);
            // Some connections warm up first, with numbers of their own.
            let batches: Vec<LoggedBatch> =
                after_warm_up(server.batches(&model.name).split_off(before), &sent);
            let name = format!("{name} | {:.0} %", load * 100.0);
            let case = Case { name, sent, batches, instances, max_queue_delay_ms };
            let host = case.host();
            let simulated = setting.simulate(&times, &TABLE_MS, host, 0);
            judged += u32::from(case.judge(policy, &simulated));
        }
    }
    eprintln!("{judged} of {} cases were judged", policies().len() * LOADS.len());
}

/// Whether a process may run at real-time priority, for which the system has a command.
fn may_be_real_time() -> bool {
    Command::new("chrt").args(["--rr", "20", "true"]).status().is_ok_and(|status| status.success())
}

/// Leaves out the batches of the warm-up, which end before the first request of the case is sent: between them and the
/// others is the longest pause.
fn after_warm_up(batches: Vec<LoggedBatch>, sent: &[Sent]) -> Vec<LoggedBatch> {
    let first = sent.iter().position(|sent| sent.answer == Answer::Output).unwrap_or(0);
    let start = batches.iter().rposition(|batch| batch.requests.contains(&first));
    batches[start.unwrap_or(0)..].to_vec()
}

/// A case as the real server had it.
struct Case {
    name: String,
    sent: Vec<Sent>,
    batches: Vec<LoggedBatch>,
    instances: u32,
    max_queue_delay_ms: f64,
}

impl Case {
    /// By how much the clock of the models is ahead of that of the client, in ns, with the time that a request needs to a
    /// model that is idle.
    fn offset_ns(&self) -> i64 {
        let all = self.batches.iter().flat_map(|batch| {
            batch.requests.iter().map(|&request| signed(batch.start_ns) - self.sent_ns(request))
        });
        all.min().unwrap_or(0)
    }

    fn sent_ns(&self, request: usize) -> i64 {
        signed(self.sent[request].sent.get())
    }

    /// Each batch with the one after it, whose requests had waited for it, and how long that took to begin; of one
    /// instance.
    fn waited_for(&self) -> Vec<(&LoggedBatch, f64)> {
        if self.instances > 1 {
            return Vec::new();
        }
        let offset = self.offset_ns();
        let waited = |pair: &&[LoggedBatch]| {
            let before = signed(pair[0].end_ns) - 1_000_000;
            pair[1].requests.iter().any(|&request| self.sent_ns(request) + offset < before)
        };
        let gap =
            |pair: &[LoggedBatch]| (signed(pair[1].start_ns) - signed(pair[0].end_ns)) as f64 / 1e6;
        self.batches.windows(2).filter(waited).map(|pair| (&pair[0], gap(pair))).collect()
    }

    /// The share of the wake-ups that were lost.
    fn lost(&self) -> f64 {
        let waited = self.waited_for();
        // A batch may have waited to be filled.
        let limit_ms = LOST_MS + self.max_queue_delay_ms;
        let lost = waited.iter().filter(|(_, gap_ms)| *gap_ms > limit_ms).count();
        lost as f64 / waited.len().max(1) as f64
    }

    /// What the host adds: to a batch, between the ends of two; to a request, outside of the instance.
    fn host(&self) -> ServerSpec {
        let per_batch: Vec<f64> = (self.waited_for().iter())
            .filter(|(_, gap_ms)| *gap_ms <= LOST_MS)
            .map(|(batch, gap_ms)| {
                let took = (batch.end_ns - batch.start_ns) as f64 / 1e6;
                took + gap_ms - TABLE_MS[batch.requests.len() - 1]
            })
            .collect();
        let per_batch = mean(&per_batch).unwrap_or(1.0);
        let mut outside: Vec<f64> = (self.batches.iter())
            .filter(|batch| batch.requests.len() == 1)
            .map(|batch| {
                let sent = &self.sent[batch.requests[0]];
                // Who is alone has waited for others in vain.
                let waited = self.max_queue_delay_ms;
                (sent.done - sent.intended).as_ms() - waited - TABLE_MS[0] - per_batch
            })
            .collect();
        outside.sort_by(f64::total_cmp);
        // The shortest of those that met nobody.
        let per_request = percentile(&outside, 0.2).unwrap_or(0.6);
        let ms = |ms: f64| Milliseconds::new(ms.clamp(0.0, 3.0)).unwrap();
        ServerSpec {
            batch_overhead: ms(per_batch),
            request_overhead: ms(per_request),
            ..ServerSpec::default()
        }
    }

    /// Prints the case, and checks what must hold. Returns whether the host was calm enough for the whole of it.
    fn judge(&self, policy: QueuePolicy, simulated: &Simulated) -> bool {
        let refused = |sent: &&Sent| sent.answer != Answer::Output;
        let requests = self.sent.len();
        let real_pct = 100.0 * self.sent.iter().filter(refused).count() as f64 / requests as f64;
        let simulated_pct = 100.0 * simulated.failed as f64 / requests as f64;
        let answered = self.sent.iter().filter(|sent| sent.answer == Answer::Output);
        let real_ms: Vec<f64> = answered.map(|sent| (sent.done - sent.intended).as_ms()).collect();
        let mut lag: Vec<_> = self.sent.iter().map(|sent| sent.sent - sent.intended).collect();
        lag.sort_unstable();
        let (lost, lag_ms) = (self.lost(), percentile(&lag, 0.99).unwrap().as_ms());
        println!(
            "| {} | {requests} | {real_pct:.1} / {simulated_pct:.1} | {:.1} / {:.1} | {:.1} | {lag_ms:.2} |",
            self.name,
            mean(&real_ms).unwrap_or(0.0),
            mean(&simulated.latencies_ms).unwrap_or(0.0),
            100.0 * lost,
        );
        // Whatever the host does: requests are refused for reasons that the policy has, and none is refused for the
        // time it waited where it should only be delayed.
        let any = |answer| self.sent.iter().any(|sent| sent.answer == answer);
        assert!(policy.max_queue_size > 0 || !any(Answer::Rejected), "{}", self.name);
        let times_out = policy.timeout_ms > 0.0 && policy.action == TimeoutAction::Reject;
        assert!(times_out || !any(Answer::TimedOut), "{}", self.name);
        // What holds the server up can only make it refuse more.
        assert!(
            real_pct > simulated_pct - POINTS,
            "{}: {real_pct} % and {simulated_pct} %",
            self.name
        );
        let calm = lost < 0.01 && lag_ms <= LAG_LIMIT_MS;
        if !calm {
            eprintln!("{}: not judged, {:.0} % of the wake-ups were lost", self.name, 100.0 * lost);
            return false;
        }
        // Two instances do not show how often a wake-up was lost.
        let close = (real_pct - simulated_pct).abs() <= POINTS || self.instances > 1;
        assert!(close, "{}: {real_pct} % and {simulated_pct} %", self.name);
        true
    }
}

fn signed(ns: u64) -> i64 {
    i64::try_from(ns).expect("a clock that starts with the machine")
}
