//! The workload that all engines simulate, and what they measure of it.

use igniter::arrivals::{ArrivalProcess, PoissonArrivals, Purpose, stream};
use igniter::domain::WorkloadName;
use igniter::units::{Nanoseconds, RequestsPerSecond};
use std::collections::VecDeque;

/// Requests/s of the twelve streams.
pub const RATES: [f64; 12] =
    [1200.0, 400.0, 300.0, 150.0, 400.0, 600.0, 400.0, 50.0, 800.0, 200.0, 200.0, 300.0];
/// The largest batch.
pub const MAX_BATCH: usize = 8;
/// Service time of a batch of b: `FIXED_MS + PER_REQUEST / rate · b`.
pub const FIXED_MS: f64 = 1.0;
/// Seconds · rate for each request of a batch.
pub const PER_REQUEST: f64 = 0.8;

/// The arrivals of stream `i`: the ones that the engine itself draws for workload `W{i}`.
pub fn arrivals(i: usize, seconds: f64, seed: u64) -> PoissonArrivals {
    let name = WorkloadName::new(&format!("W{i}")).expect("a legal name");
    let rate = RequestsPerSecond::new(RATES[i]).expect("a legal rate");
    let end = Nanoseconds::from_seconds(seconds).expect("a legal duration");
    PoissonArrivals::new(rate, end, stream(seed, &name, Purpose::Arrivals))
}

/// One stream with its queue and its server, as every engine has it: an engine decides how the next
/// arrival and the end of a service come to happen.
#[derive(Debug)]
pub struct Station {
    arrivals: PoissonArrivals,
    waiting: VecDeque<u64>,
    in_service: Vec<u64>,
    busy: bool,
    service_ns: [u64; MAX_BATCH + 1],
    pub latencies: Histogram,
}

impl Station {
    pub fn all(seconds: f64, seed: u64) -> Vec<Self> {
        (0..RATES.len()).map(|i| Self::new(i, seconds, seed)).collect()
    }

    fn new(i: usize, seconds: f64, seed: u64) -> Self {
        let ms = |batch: usize| FIXED_MS + PER_REQUEST * 1e3 / RATES[i] * batch as f64;
        Self {
            arrivals: arrivals(i, seconds, seed),
            waiting: VecDeque::new(),
            in_service: Vec::with_capacity(MAX_BATCH),
            busy: false,
            service_ns: std::array::from_fn(|batch| (ms(batch) * 1e6).round() as u64),
            latencies: Histogram::default(),
        }
    }

    /// The time of the next arrival, in ns.
    pub fn next_arrival(&mut self) -> Option<u64> {
        self.arrivals.next_arrival().map(Nanoseconds::get)
    }

    /// A request arrives. Returns the service time if the server starts.
    pub fn arrive(&mut self, now: u64) -> Option<u64> {
        self.waiting.push_back(now);
        if self.busy { None } else { self.start() }
    }

    /// The service ends. Returns the service time of the next batch, if there is one.
    pub fn end(&mut self, now: u64) -> Option<u64> {
        for arrival in self.in_service.drain(..) {
            self.latencies.record(now - arrival);
        }
        self.busy = false;
        self.start()
    }

    fn start(&mut self) -> Option<u64> {
        let batch = self.waiting.len().min(MAX_BATCH);
        if batch == 0 {
            return None;
        }
        self.in_service.extend(self.waiting.drain(..batch));
        self.busy = true;
        Some(self.service_ns[batch])
    }
}

/// A log-linear histogram: exact below 2048 ns, 0.1 % above.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    pub count: u64,
    sum: u64,
}

/// Buckets for each power of two: 2^10.
const BITS: u32 = 10;

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; (64 - BITS as usize) << BITS], count: 0, sum: 0 }
    }
}

impl Histogram {
    #[inline]
    pub fn record(&mut self, ns: u64) {
        let shift = (63 - (ns | 1).leading_zeros()).saturating_sub(BITS);
        self.counts[((shift as usize) << BITS) + (ns >> shift) as usize] += 1;
        self.count += 1;
        self.sum += ns;
    }

    pub fn merge(&mut self, other: &Self) {
        for (a, b) in self.counts.iter_mut().zip(&other.counts) {
            *a += b;
        }
        self.count += other.count;
        self.sum += other.sum;
    }

    pub fn mean_ms(&self) -> f64 {
        self.sum as f64 / self.count as f64 / 1e6
    }

    /// The lower end of the bucket of the nearest rank.
    pub fn percentile_ms(&self, q: f64) -> f64 {
        let rank = (q * self.count as f64).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                let shift = (bucket >> BITS).saturating_sub(1);
                return ((bucket - (shift << BITS)) << shift) as f64 / 1e6;
            }
        }
        f64::NAN
    }
}

/// All latencies of some stations.
pub fn merged<'a>(histograms: impl IntoIterator<Item = &'a Histogram>) -> Histogram {
    let mut all = Histogram::default();
    for histogram in histograms {
        all.merge(histogram);
    }
    all
}
