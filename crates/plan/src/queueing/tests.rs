//! The analysis of one server against formulas that others have found, and against long runs.
#![allow(clippy::float_cmp, reason = "these numbers are exact")]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small whole numbers")]

use super::recursion::{DelayAndNoise, DrawTally, poisson_draw};
use super::server::{Loading, QueueingServer, Steady};
use super::tagged::Workspace;
use crate::tests::{v100, workloads};
use crate::{PlanRequest, Strategy};

fn steady(server: &QueueingServer<'_>) -> Steady {
    Workspace::default().steady(server)
}

/// A server whose batches of k take `hold(k)` ms.
fn times(most: usize, hold: impl Fn(f64) -> f64) -> Vec<f64> {
    (0..=most).map(|k| if k == 0 { 0.0 } else { hold(k as f64) }).collect()
}

/// The part of the customers of an M/D/1 queue that wait no longer than `wait_ms`: Erlang, "The theory of
/// probabilities and telephone conversations" (1909).
fn erlang(rate: f64, service_ms: f64, wait_ms: f64) -> f64 {
    let mut sum = 0.0;
    let mut i = 0;
    while f64::from(i) * service_ms <= wait_ms {
        let x = rate * (wait_ms - f64::from(i) * service_ms);
        let mut term = libm::exp(x);
        for j in 1..=i {
            term *= -x / f64::from(j);
        }
        sum += term;
        i += 1;
    }
    (1.0 - rate * service_ms) * sum
}

#[test]
fn one_request_at_a_time_is_erlangs_queue() {
    let load_ms = [0.0, 0.0];
    for loading in [Loading::Ahead, Loading::Serial] {
        for busy in [0.2, 0.5, 0.8, 0.9] {
            for deadline in [1.0, 1.5, 2.7, 4.0, 7.3] {
                let hold_ms = [0.0, 2.0];
                let server = QueueingServer {
                    rate_per_ms: busy / 2.0,
                    every: 1,
                    hold_ms: &hold_ms,
                    load_ms: &load_ms,
                    deadline_ms: deadline * 2.0,
                    loading,
                };
                let found = steady(&server);
                let expected = erlang(busy / 2.0, 2.0, (deadline - 1.0) * 2.0);
                assert!(
                    (found.attained - expected).abs() < 1e-3,
                    "{loading:?}, busy {busy}, {deadline}: {} is not {expected}",
                    found.attained
                );
                if found.attained > 0.0 {
                    assert!((found.busy - busy).abs() < 2e-3, "{} is not {busy}", found.busy);
                    assert!((found.mean_batch - 1.0).abs() < 1e-9);
                }
            }
        }
    }
}

/// The probabilities that nobody and that one customer is left behind when a service of an M/D^2/1 queue ends.
///
/// Bailey's equation P(z) (z² − a(z)) = a(z) [p₀ (z² − 1) + p₁ (z² − z)] with a(z) = exp(λ T (z − 1)): the bracket is 0
/// at the root of z² = a(z) in (−1, 0), and P(1) = 1 gives 2 p₀ + p₁ = 2 − λ T.
fn bailey(offered: f64) -> (f64, f64) {
    let mut root: f64 = -0.5;
    for _ in 0..200 {
        root = -libm::exp(offered * (root - 1.0) / 2.0);
    }
    let ratio = (1.0 - root * root) / (root * root - root);
    let p0 = (2.0 - offered) / (2.0 + ratio);
    (p0, ratio * p0)
}

#[test]
fn pairs_without_overlap_are_baileys_queue() {
    for offered in [0.3, 0.9, 1.4, 1.8] {
        let (p0, p1) = bailey(offered);
        let service_ms = 3.0;
        let rate = offered / service_ms;
        let hold_ms = times(2, |_| service_ms);
        let load_ms = times(2, |_| 0.0);
        let server = QueueingServer {
            rate_per_ms: rate,
            every: 1,
            hold_ms: &hold_ms,
            load_ms: &load_ms,
            deadline_ms: 10.0,
            loading: Loading::Serial,
        };
        let found = steady(&server);
        let cycle_ms = service_ms + p0 / rate;
        let close = |a: f64, b: f64| assert!((a - b).abs() < 2e-4, "{offered}: {a} is not {b}");
        close(found.busy, service_ms / cycle_ms);
        close(found.mean_batch, rate * cycle_ms);
        close(found.full, 1.0 - p0 - p1);
    }
}

/// A generator of servers that are neither idle nor overloaded.
struct Servers(u64);

impl Servers {
    fn uniform(&mut self, low: f64, high: f64) -> f64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        low + (high - low) * ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[test]
fn long_runs_agree() {
    let full = std::env::var_os("IGNITER_FULL_TESTS").is_some();
    let (count, requests) = if full { (200, 2_000_000) } else { (30, 300_000) };
    let mut random = Servers(7);
    let mut worst: f64 = 0.0;
    for number in 0..count {
        let most = random.uniform(1.0, 9.0) as usize;
        let every = random.uniform(1.0, 4.999) as usize;
        let (fixed, each) = (random.uniform(0.5, 4.0), random.uniform(0.3, 4.0));
        let hold_ms = times(most, |k| fixed + each * k);
        let copy = random.uniform(0.0, 0.3);
        let load_ms = times(most, |k| copy * k);
        let busy = random.uniform(0.2, 0.9);
        let loading = if number % 3 == 0 { Loading::Serial } else { Loading::Ahead };
        let load_ms = if loading == Loading::Serial { times(most, |_| 0.0) } else { load_ms };
        let server = QueueingServer {
            rate_per_ms: busy * most as f64 / hold_ms[most] * every as f64,
            every,
            hold_ms: &hold_ms,
            load_ms: &load_ms,
            deadline_ms: hold_ms[most] * random.uniform(1.5, 6.0),
            loading,
        };
        let found = steady(&server);
        let draw = poisson_draw(server.rate_per_ms, requests * every, number);
        let mut tally = DrawTally::default();
        tally.add(&server, DelayAndNoise::default(), &draw, every - 1, requests as u64 / 60);
        let seen = tally.steady();
        let late = (1.0 - seen.attained).max(1e-5);
        let error = (tally.dispersion() * late / requests as f64).sqrt();
        let difference = (found.attained - seen.attained).abs();
        worst = worst.max(difference);
        assert!(
            difference < 5e-4 + 4.0 * error,
            "server {number}: {} instead of {} ± {error}: {server:?}",
            found.attained,
            seen.attained
        );
        assert!((found.busy - seen.busy).abs() < 0.01, "{} {}", found.busy, seen.busy);
        assert!((found.mean_batch / seen.mean_batch - 1.0).abs() < 0.02);
    }
    println!("largest difference: {:.3} percentage points", 100.0 * worst);
}

#[test]
fn attainment_falls_with_slowdown() {
    let load_ms = times(4, |k| 0.05 * k);
    let mut before = 1.0;
    for slow in 0..60 {
        let hold_ms = times(4, |k| (2.0 + k) * (1.0 + 0.01 * f64::from(slow)));
        let server = QueueingServer {
            rate_per_ms: 0.4,
            every: 1,
            hold_ms: &hold_ms,
            load_ms: &load_ms,
            deadline_ms: 15.0,
            loading: Loading::Ahead,
        };
        let attained = steady(&server).attained;
        assert!(attained <= before + 1e-5, "slowdown {slow} %: {attained} after {before}");
        before = attained;
    }
    assert!(before < 0.9);
}

#[test]
fn evenly_spaced_requests_wait_for_nobody() {
    let times_ms: Vec<f64> = (1..=10_000).map(|i| f64::from(i) * 5.0).collect();
    let draw = super::recursion::ArrivalDraw { times_ms, from_ms: 100.0, to_ms: 40_000.0 };
    let (hold_ms, load_ms) = ([0.0, 4.0, 7.0], [0.0, 0.5, 1.0]);
    let server = QueueingServer {
        rate_per_ms: 0.2,
        every: 1,
        hold_ms: &hold_ms,
        load_ms: &load_ms,
        deadline_ms: 4.5,
        loading: Loading::Ahead,
    };
    let mut tally = DrawTally::default();
    tally.add(&server, DelayAndNoise::default(), &draw, 0, 100);
    assert_eq!((tally.steady().attained, tally.steady().mean_batch), (1.0, 1.0));
    assert_eq!(tally.requests(), 7_980);
    assert_eq!(tally.dispersion(), 1.0);
    // With a queue delay the second request of each pair fills the batch; the first one is late.
    let mut tally = DrawTally::default();
    let delay_and_noise = DelayAndNoise { queue_delay_ms: 100.0, noise_cv: 0.0 };
    tally.add(&QueueingServer { deadline_ms: 8.0, ..server }, delay_and_noise, &draw, 0, 100);
    assert_eq!((tally.steady().attained, tally.steady().mean_batch), (0.5, 2.0));
}

#[test]
fn what_is_remembered_of_neighbours_is_what_is_found_anew() {
    // In tests, each look at what is remembered is compared with what is found anew.
    let predictor = v100();
    let workloads = workloads(14, 30.0, 40.0);
    let request = PlanRequest::new(&workloads, &predictor).unwrap();
    let plan = super::Queueing.plan(&request);
    assert!(plan.infeasible.is_empty(), "{:?}", plan.infeasible);
    let shared = plan.gpus.iter().filter(|gpu| gpu.placements.len() > 1).count();
    assert!(shared > 1 && plan.gpus.len() >= plan.bound.unwrap().gpus);
}
