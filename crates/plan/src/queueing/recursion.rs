//! The behaviour of a server under known arrivals: one step for each batch, without events.
//!
//! It applies to arrivals of any kind. A batch is formed when the server can take one and a request is present: it
//! takes all requests that have arrived, up to the largest batch. With a queue delay, a batch is formed when it is
//! full or when its oldest request has waited for the delay.

use super::server::{Loading, QueueingServer, Steady};
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::f64::consts::TAU;

/// A queue delay and noisy executions of a [`QueueingServer`], for which the Markov chain does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct DelayAndNoise {
    /// Longest time that a request waits for its batch to fill, in ms.
    pub queue_delay_ms: f64,
    /// Coefficient of variation of a log-normal factor of mean 1 on each execution.
    pub noise_cv: f64,
}

/// One draw of the arrivals of a whole stream.
#[derive(Debug, Clone)]
pub(super) struct ArrivalDraw {
    /// Arrival times in ms, in order.
    pub times_ms: Vec<f64>,
    /// Requests that arrive from this time on …
    pub from_ms: f64,
    /// … and before this time are counted.
    pub to_ms: f64,
}

impl ArrivalDraw {
    /// Returns the number of requests that are counted.
    pub(super) fn counted(&self) -> usize {
        let before = |limit: f64| self.times_ms.partition_point(|time| *time < limit);
        before(self.to_ms).saturating_sub(before(self.from_ms))
    }
}

/// Numbers of requests, and of late ones among them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct LateCount {
    pub requests: u64,
    pub late: u64,
}

/// Sums over draws, from which all results are computed.
#[derive(Debug, Clone, Default)]
pub(super) struct DrawTally {
    /// For each block of requests, in order.
    pub blocks: Vec<LateCount>,
    busy_ms: f64,
    time_ms: f64,
    batches: u64,
    served: u64,
    full: u64,
}

impl DrawTally {
    /// Adds a draw, cut into blocks of `block` requests (≥ 1). Of the stream, the server gets request number
    /// `first_own` and then every R-th.
    pub(super) fn add(
        &mut self,
        server: &QueueingServer<'_>,
        delay_and_noise: DelayAndNoise,
        draw: &ArrivalDraw,
        first_own: usize,
        block: u64,
    ) {
        let times = &draw.times_ms;
        let own = |i: usize| times.get(first_own + i * server.every).copied();
        let (hold_ms, load_ms) = (server.hold_ms, server.load_ms);
        let most = server.most();
        let mut noise = NoiseFactors::new(delay_and_noise.noise_cv);
        // The time from which a batch can be formed, and the time until which the last one holds the server.
        let (mut can_form, mut free) = (0.0_f64, 0.0_f64);
        let mut first = 0;
        let mut current = LateCount::default();
        while let Some(oldest) = own(first) {
            let mut formed = oldest.max(can_form);
            if delay_and_noise.queue_delay_ms > 0.0 {
                let filled = own(first + most - 1).unwrap_or(f64::INFINITY);
                formed = formed.max(filled.min(oldest + delay_and_noise.queue_delay_ms));
            }
            let mut size = 1;
            while size < most && own(first + size).is_some_and(|next| next <= formed) {
                size += 1;
            }
            let starts = (formed + load_ms[size]).max(free);
            let holds = hold_ms[size] * noise.next();
            let done = starts + holds;
            for request in first..first + size {
                let arrived = times[first_own + request * server.every];
                if arrived >= draw.from_ms && arrived < draw.to_ms {
                    current.requests += 1;
                    current.late += u64::from(done - arrived > server.deadline_ms);
                    if current.requests == block {
                        self.blocks.push(std::mem::take(&mut current));
                    }
                }
            }
            self.busy_ms += holds;
            self.batches += 1;
            self.served += size as u64;
            self.full += u64::from(size == most);
            first += size;
            free = done;
            can_form = match server.loading {
                Loading::Ahead => starts,
                Loading::Serial => done,
            };
        }
        self.time_ms += free.max(draw.to_ms);
        if current.requests > 0 {
            self.blocks.push(current);
        }
    }

    pub(super) fn requests(&self) -> u64 {
        self.blocks.iter().map(|block| block.requests).sum()
    }

    fn late(&self) -> u64 {
        self.blocks.iter().map(|block| block.late).sum()
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
    pub(super) fn steady(&self) -> Steady {
        if self.batches == 0 {
            return Steady { attained: 1.0, busy: 0.0, mean_batch: 1.0, full: 0.0 };
        }
        Steady {
            attained: 1.0 - self.late() as f64 / self.requests().max(1) as f64,
            busy: (self.busy_ms / self.time_ms).min(1.0),
            mean_batch: self.served as f64 / self.batches as f64,
            full: self.full as f64 / self.batches as f64,
        }
    }

    /// Returns the index of dispersion of the number of late requests, from the blocks: its variance in a long
    /// stretch over its mean. This is how much more the number varies than if requests were late independently. At
    /// least 1.
    #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
    pub(super) fn dispersion(&self) -> f64 {
        let (late, requests) = (self.late() as f64, self.requests() as f64);
        let blocks = self.blocks.len() as f64;
        if late < 1.0 || blocks < 4.0 {
            return 1.0;
        }
        let part = late / requests;
        let squares: f64 = self
            .blocks
            .iter()
            .map(|block| {
                let excess = block.late as f64 - part * block.requests as f64;
                excess * excess
            })
            .sum();
        (squares / (blocks - 1.0) * blocks / late).max(1.0)
    }
}

/// Log-normal factors with mean 1; the sequence is the same for every server, so that servers are compared with equal
/// luck.
struct NoiseFactors {
    /// Mean and standard deviation of the logarithm.
    parameters: Option<(f64, f64)>,
    random: Xoshiro256PlusPlus,
}

impl NoiseFactors {
    fn new(cv: f64) -> Self {
        let variance = libm::log1p(cv * cv);
        let parameters = (cv > 0.0).then(|| (-variance / 2.0, variance.sqrt()));
        Self { parameters, random: Xoshiro256PlusPlus::seed_from_u64(0x6e6f_6973) }
    }

    fn next(&mut self) -> f64 {
        let Some((mean, deviation)) = self.parameters else { return 1.0 };
        let (radius, angle) = (self.uniform(), self.uniform());
        let normal = libm::sqrt(-2.0 * libm::log(radius)) * libm::cos(TAU * angle);
        libm::exp(mean + deviation * normal)
    }

    fn uniform(&mut self) -> f64 {
        uniform(&mut self.random)
    }
}

/// Returns a number above 0 and at most 1, from 53 random bits.
#[expect(clippy::cast_precision_loss, reason = "53 bits")]
fn uniform(random: &mut Xoshiro256PlusPlus) -> f64 {
    ((random.next_u64() >> 11) + 1) as f64 / (1_u64 << 53) as f64
}

/// Draws arrivals at one of `replicas` replicas that get the requests of a Poisson stream in turn, one request per
/// millisecond in total. The dispersion of late requests is estimated from them, since the chain does not give it.
pub(super) fn replica_sample(replicas: u32, requests: usize, seed: u64) -> ArrivalDraw {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut now = 0.0;
    let mut next = || {
        // The sum of `replicas` exponential gaps, with one logarithm for up to eight of them.
        for from in (0..replicas).step_by(8) {
            let factors = (from..replicas.min(from + 8)).map(|_| uniform(&mut random));
            now -= libm::log(factors.product());
        }
        now
    };
    let times_ms: Vec<f64> = (0..requests).map(|_| next()).collect();
    let to_ms = times_ms.last().copied().unwrap_or(0.0);
    ArrivalDraw { times_ms, from_ms: 0.0, to_ms }
}

/// Draws Poisson arrivals, to compare the chain with.
#[cfg(test)]
pub(super) fn poisson_draw(rate_per_ms: f64, requests: usize, seed: u64) -> ArrivalDraw {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut now = 0.0;
    let mut next = || {
        now -= libm::log(uniform(&mut random)) / rate_per_ms;
        now
    };
    let times_ms: Vec<f64> = (0..requests).map(|_| next()).collect();
    let to_ms = times_ms.last().copied().unwrap_or(0.0);
    ArrivalDraw { times_ms, from_ms: 0.0, to_ms }
}
