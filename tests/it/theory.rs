//! The engine against queueing theory.
//!
//! Each test simulates a system with a known mean over [`SEEDS`] fixed seeds and asks that the
//! Student-t confidence interval (99 %) of the means covers the theoretical value, and is narrow
//! enough to mean something. Seeds are fixed, so a test that passes always passes.
#![expect(clippy::cast_precision_loss, reason = "counts far below 2^53")]
#![expect(clippy::unwrap_used, reason = "helpers of tests, which may unwrap")]

use crate::common::fake::{Everything, FakeModel, FakePredictor, FakeScenario, FakeServer};
use igniter::arrivals::{ArrivalSpec, ClosedLoopSpec, Thinking};
use igniter::sim::{EngineSpec, Interference, LoadOverlap, ServiceTime, simulate};
use igniter::units::Nanoseconds;
use statrs::distribution::{ContinuousCDF, StudentsT};

const SEEDS: u64 = 12;
const WARMUP_MS: f64 = 500.0;

/// One server with Poisson arrivals, no transfer times, and execution times `fixed + per · b` ms.
#[derive(Debug, Clone, Copy)]
struct Queue {
    /// Requests per ms.
    lambda: f64,
    max_batch: u32,
    fixed: f64,
    per: f64,
    service: ServiceTime,
    overlap: LoadOverlap,
}

/// Means of one simulated run.
#[derive(Debug, Clone, Copy)]
struct Means {
    latency_ms: f64,
    queue_ms: f64,
    /// Requests in the system at the arrival of another.
    seen: f64,
    /// Share of the time in which a batch executes.
    utilisation: f64,
    exec_ms: f64,
    batch: f64,
}

impl Queue {
    fn simulate(self, seconds: f64) -> Vec<Means> {
        let model = FakeModel { fixed: self.fixed, per_request: self.per, ..FakeModel::default() };
        let rate = self.lambda * 1e3;
        let server = FakeServer::new(0, self.max_batch, rate, ArrivalSpec::Poisson);
        let scenario = FakeScenario::new(FakePredictor::new(vec![model], 0.0), &[vec![server]]);
        let spec = EngineSpec {
            service: self.service,
            overlap: self.overlap,
            interference: Interference::Dynamic,
            ..EngineSpec::default()
        };
        let run = |seed| {
            let input = scenario.input(spec, seconds, seed);
            let outcome = simulate(&input, |_| Everything::default()).unwrap();
            means(&outcome.gpus[0].sink)
        };
        (0..SEEDS).map(run).collect()
    }

    /// Mean service time of a batch, in ms.
    fn mean(self, batch: usize) -> f64 {
        self.fixed + self.per * batch as f64
    }

    /// The probabilities of 0, 1, … arrivals during the service of a batch: Poisson for a fixed
    /// time, geometric for an exponential one.
    fn arrivals(self, batch: usize) -> Vec<f64> {
        let load = self.lambda * self.mean(batch);
        match self.service {
            ServiceTime::Deterministic => (0..80)
                .scan(libm::exp(-load), |p, k| {
                    let now = *p;
                    *p *= load / f64::from(k + 1);
                    Some(now)
                })
                .collect(),
            ServiceTime::Exponential => {
                let ratio = load / (1.0 + load);
                (0..200).map(|k| (1.0 - ratio) * ratio.powi(k)).collect()
            }
        }
    }

    /// Mean of ∫ N dt over the service of a batch with `n` requests in the system at its start: they
    /// stay for S, and the k-th of Poisson arrivals for a uniform part of it: n E[S] + λ E[S²] / 2.
    fn integral(self, batch: usize, n: usize) -> f64 {
        let mean = self.mean(batch);
        let square = match self.service {
            ServiceTime::Deterministic => mean * mean,
            ServiceTime::Exponential => 2.0 * mean * mean,
        };
        n as f64 * mean + self.lambda * square / 2.0
    }

    /// The exact mean latency, in ms, from a Markov chain over the states (batch, waiting) at each
    /// start of a service.
    ///
    /// *Serial*: the next batch takes the `min(waiting, B)` oldest when a service ends, or, if
    /// nobody waits, the next arrival alone. *Overlapped*: the batch after this one is taken when
    /// this one starts, from the `waiting` that are there (the same number stays in the system), or,
    /// if nobody waits, as soon as one arrives, alone; so it is fixed before this service ends.
    ///
    /// Mean number in the system = Σ π ∫N dt / Σ π (cycle length); latency by Little's law.
    fn exact_latency(self) -> f64 {
        const WAITING: usize = 250;
        let max = self.max_batch as usize;
        let arrivals: Vec<Vec<f64>> = (0..=max).map(|batch| self.arrivals(batch)).collect();
        let next = |waiting: usize, arrived: usize| match self.overlap {
            LoadOverlap::Serial => {
                let there = (waiting + arrived).max(1);
                (there.min(max), there - there.min(max))
            }
            LoadOverlap::Overlapped if waiting == 0 => (1, arrived.saturating_sub(1)),
            LoadOverlap::Overlapped => (waiting.min(max), waiting - waiting.min(max) + arrived),
        };
        let mut pi = vec![vec![0.0; WAITING]; max + 1];
        pi[1][0] = 1.0;
        loop {
            let mut new = vec![vec![0.0; WAITING]; max + 1];
            for (batch, row) in pi.iter().enumerate() {
                for (waiting, p) in row.iter().enumerate().filter(|(_, p)| **p > 1e-15) {
                    for (arrived, q) in arrivals[batch].iter().enumerate() {
                        let (b, w) = next(waiting, arrived);
                        new[b][w.min(WAITING - 1)] += p * q;
                    }
                }
            }
            let pairs = pi.iter().flatten().zip(new.iter().flatten());
            let change: f64 = pairs.map(|(a, b)| (a - b).abs()).sum();
            pi = new;
            if change < 1e-9 {
                break;
            }
        }
        let (mut length, mut integral) = (0.0, 0.0);
        for (batch, row) in pi.iter().enumerate() {
            for (waiting, p) in row.iter().enumerate() {
                // An empty system waits 1/λ for its next request.
                let idle = if waiting == 0 { arrivals[batch][0] / self.lambda } else { 0.0 };
                length += p * (self.mean(batch) + idle);
                integral += p * self.integral(batch, batch + waiting);
            }
        }
        integral / length / self.lambda
    }
}

fn means(sink: &Everything) -> Means {
    let start = Nanoseconds::from_f64(WARMUP_MS * 1e6);
    let records: Vec<_> = sink.records.iter().filter(|r| r.arrival >= start).collect();
    let mean =
        |f: &dyn Fn(usize) -> f64| (0..records.len()).map(f).sum::<f64>() / records.len() as f64;
    // Records are in order of arrival, too: one server, FIFO.
    let done_by = |time| records.partition_point(|r| r.done <= time);
    let end = sink.intervals.last().unwrap().end;
    let busy = sink.intervals.iter().filter(|i| i.running > 0);
    let busy_ms: f64 = busy.map(|i| (i.end - i.start).as_ms()).sum();
    Means {
        latency_ms: mean(&|i| records[i].latency().as_ms()),
        queue_ms: mean(&|i| records[i].queue().as_ms()),
        seen: mean(&|i| (i - done_by(records[i].arrival).min(i)) as f64),
        utilisation: busy_ms / end.as_ms(),
        exec_ms: mean(&|i| records[i].exec().as_ms()),
        batch: mean(&|i| f64::from(records[i].batch_size)),
    }
}

/// Asks that the 99 % confidence interval covers `expected` and is no wider than ± `tolerance` of it.
fn assert_mean(what: &str, samples: &[f64], expected: f64, tolerance: f64) {
    let n = samples.len() as f64;
    let mean = samples.iter().sum::<f64>() / n;
    let variance = samples.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    let t = StudentsT::new(0.0, 1.0, n - 1.0).unwrap().inverse_cdf(0.995);
    let half = t * (variance / n).sqrt();
    println!("{what}: {mean:.5} ± {half:.5}, theory {expected:.5}");
    assert!((mean - expected).abs() <= half, "{what}: {mean} ± {half}, theory {expected}");
    assert!(half <= tolerance * expected, "{what}: ± {half} is too wide to test {expected}");
}

fn pick(runs: &[Means], f: impl Fn(&Means) -> f64) -> Vec<f64> {
    runs.iter().map(f).collect()
}

/// λ = 0.7/ms, service 1 ms: ρ = 0.7.
const SINGLE: Queue = Queue {
    lambda: 0.7,
    max_batch: 1,
    fixed: 1.0,
    per: 0.0,
    service: ServiceTime::Deterministic,
    overlap: LoadOverlap::Overlapped,
};

/// λ = 1.1/ms, batches of up to 8 in 1 + 0.5 b ms: ρ = 1.1 · 5 / 8 = 0.69.
const BULK: Queue = Queue {
    lambda: 1.1,
    max_batch: 8,
    fixed: 1.0,
    per: 0.5,
    service: ServiceTime::Deterministic,
    overlap: LoadOverlap::Serial,
};

#[test]
fn m_d_1() {
    let runs = SINGLE.simulate(80.0);
    // Pollaczek-Khinchine: Wq = ρ S / (2 (1 − ρ)) = 0.7 / 0.6 ms
    assert_mean("M/D/1 wait", &pick(&runs, |m| m.queue_ms), 0.7 / 0.6, 0.03);
    // Utilisation law: λ S
    assert_mean("M/D/1 utilisation", &pick(&runs, |m| m.utilisation), 0.7, 0.01);
}

#[test]
fn m_m_1() {
    let runs = Queue { service: ServiceTime::Exponential, ..SINGLE }.simulate(80.0);
    // Wq = ρ S / (1 − ρ) = 0.7 / 0.3 ms
    assert_mean("M/M/1 wait", &pick(&runs, |m| m.queue_ms), 0.7 / 0.3, 0.05);
    assert_mean("M/M/1 service", &pick(&runs, |m| m.exec_ms), 1.0, 0.01);
    assert_mean("M/M/1 utilisation", &pick(&runs, |m| m.utilisation), 0.7, 0.01);
}

#[test]
fn the_markov_chain_knows_the_textbook_results() {
    // With B = 1 both kinds of chain must give Wq + S of M/D/1 and M/M/1.
    for overlap in [LoadOverlap::Serial, LoadOverlap::Overlapped] {
        let deterministic = Queue { overlap, ..SINGLE };
        assert!((deterministic.exact_latency() - (0.7 / 0.6 + 1.0)).abs() < 1e-4);
        let exponential = Queue { service: ServiceTime::Exponential, ..deterministic };
        assert!((exponential.exact_latency() - (0.7 / 0.3 + 1.0)).abs() < 1e-4);
    }
}

#[test]
fn bulk_service() {
    // M/D^[1,8]/1: greedy batches when the server becomes free.
    let exact = BULK.exact_latency();
    assert_mean("M/D^[1,8]/1", &pick(&BULK.simulate(40.0), |m| m.latency_ms), exact, 0.02);
}

#[test]
fn bulk_service_with_exponential_times() {
    let queue = Queue { service: ServiceTime::Exponential, ..BULK };
    let latencies = pick(&queue.simulate(60.0), |m| m.latency_ms);
    assert_mean("M/M^[1,8]/1", &latencies, queue.exact_latency(), 0.05);
}

#[test]
fn bulk_service_with_the_next_batch_taken_early() {
    // Overlapped loading closes a batch when the one before it starts to execute.
    let queue = Queue { overlap: LoadOverlap::Overlapped, ..BULK };
    let exact = queue.exact_latency();
    assert!(exact > 1.1 * BULK.exact_latency(), "early batches are smaller and leave later");
    assert_mean("prefetched", &pick(&queue.simulate(40.0), |m| m.latency_ms), exact, 0.02);
}

#[test]
fn littles_law() {
    // Poisson arrivals see time averages: the mean number that an arrival finds is L = λ W.
    let runs = BULK.simulate(40.0);
    let latency = pick(&runs, |m| m.latency_ms).iter().sum::<f64>() / runs.len() as f64;
    assert_mean("number seen", &pick(&runs, |m| m.seen), BULK.lambda * latency, 0.03);
    // And mean batch sizes are between 1 and 8, by request.
    assert!(runs.iter().all(|m| (1.0..8.0).contains(&m.batch)));
}

/// The machine repairman: `clients` think for an exponential time of mean `think` ms, and are served one after
/// another in exponential times of mean 1 ms. The number in service has p(n) = p(0) N! / (N − n)! (S / Z)ⁿ; the server
/// is busy 1 − p(0) of the time, which is also the throughput in requests/ms; latency N / X − Z (Little's law for
/// the whole loop).
fn machine_repairman(clients: u32, think: f64) -> (f64, f64) {
    let ratios = (0..clients).map(|n| f64::from(clients - n) / think);
    let weights: Vec<f64> = std::iter::once(1.0)
        .chain(ratios.scan(1.0, |weight, ratio| {
            *weight *= ratio;
            Some(*weight)
        }))
        .collect();
    let busy = 1.0 - 1.0 / weights.iter().sum::<f64>();
    (busy, f64::from(clients) / busy - think)
}

#[test]
fn closed_loop() {
    // By hand, with two clients, S = 1 ms and Z = 2 ms: weights 1, 2/2, 2/2 · 1/2: busy 1 − 1/2.5 = 0.6, and
    // 2/0.6 − 2 = 4/3 ms.
    let (busy, latency) = machine_repairman(2, 2.0);
    assert!((busy - 0.6).abs() < 1e-12 && (latency - 4.0 / 3.0).abs() < 1e-12);
    for (clients, think) in [(2, 2.0), (10, 8.0), (10, 30.0)] {
        let model = FakeModel { fixed: 1.0, ..FakeModel::default() };
        let think_ns = Nanoseconds::from_f64(think * 1e6);
        let spec = ClosedLoopSpec { clients, think: think_ns, thinking: Thinking::Exponential };
        let server = FakeServer::new(0, 1, 1.0, ArrivalSpec::ClosedLoop(spec));
        let scenario = FakeScenario::new(FakePredictor::new(vec![model], 0.0), &[vec![server]]);
        let spec = EngineSpec { service: ServiceTime::Exponential, ..EngineSpec::default() };
        let run = |seed| {
            let input = scenario.input(spec, 60.0, seed);
            let outcome = simulate(&input, |_| Everything::default()).unwrap();
            let sent = outcome.gpus[0].servers[0].sent.unwrap();
            (means(&outcome.gpus[0].sink), sent.rate_rps / 1e3)
        };
        let (runs, rates): (Vec<Means>, Vec<f64>) = (0..SEEDS).map(run).unzip();
        let (busy, latency) = machine_repairman(clients, think);
        assert_mean("closed loop, busy", &pick(&runs, |m| m.utilisation), busy, 0.02);
        assert_mean("closed loop, rate", &rates, busy, 0.02);
        assert_mean("closed loop, latency", &pick(&runs, |m| m.latency_ms), latency, 0.02);
    }
}
