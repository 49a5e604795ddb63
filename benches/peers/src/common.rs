//! The workloads that all engines simulate, and what they measure of them.

use igniter::arrivals::{ArrivalProcess, PoissonArrivals, Purpose, stream};
use igniter::domain::WorkloadName;
use igniter::units::{Nanoseconds, RequestsPerSecond};
use std::collections::VecDeque;

/// How many streams there are.
pub const STREAMS: usize = 12;
/// Requests/s of each.
pub const RATES: [f64; STREAMS] =
    [1200.0, 400.0, 300.0, 150.0, 400.0, 600.0, 400.0, 50.0, 800.0, 200.0, 200.0, 300.0];
/// The largest batch.
pub const MAX_BATCH: usize = 8;
/// Service time of a batch of b alone: `FIXED_MS + per_request(servers) / rate · b`.
pub const FIXED_MS: f64 = 1.0;

/// How many servers share a GPU in the workload with interaction.
pub const SHARING: usize = 4;

/// Seconds · rate for each request of a batch, where so many servers share a GPU: less load where they slow each other.
pub const fn per_request(servers: usize) -> f64 {
    if servers > 1 { 0.7 } else { 0.8 }
}

/// By what the time of a batch is multiplied while `busy` servers of a GPU execute.
pub const fn slowdown(busy: u32) -> f64 {
    1.0 + SLOWDOWN * (busy as f64 - 1.0)
}

/// For each other batch that executes.
pub const SLOWDOWN: f64 = 0.05;

/// The arrivals of stream `i`: the ones that the engine itself draws for workload `W{i}`.
pub fn arrivals(i: usize, seconds: f64, seed: u64) -> PoissonArrivals {
    let name = WorkloadName::new(&format!("W{i}")).expect("a legal name");
    let rate = RequestsPerSecond::new(RATES[i]).expect("a legal rate");
    let end = Nanoseconds::from_seconds(seconds).expect("a legal duration");
    PoissonArrivals::new(rate, end, stream(seed, &name, Purpose::Arrivals))
}

/// Arrivals that are drawn in blocks.
#[derive(Debug)]
pub struct Blocks {
    process: PoissonArrivals,
    block: Vec<Nanoseconds>,
    next: usize,
}

impl Blocks {
    pub fn new(process: PoissonArrivals) -> Self {
        Self { process, block: Vec::new(), next: 0 }
    }

    /// The next arrival, in ns.
    #[inline]
    pub fn next(&mut self) -> Option<u64> {
        if self.next == self.block.len() {
            self.block.clear();
            self.process.fill(256, &mut self.block);
            self.next = 0;
        }
        let arrival = self.block.get(self.next)?;
        self.next += 1;
        Some(arrival.get())
    }
}

/// Some streams, each with its queue and its server; the servers slow each other. Every peer has them as they are here:
/// an engine decides how the next arrival and the next end of a batch come to happen.
#[derive(Debug)]
pub struct Gpu<const SERVERS: usize> {
    servers: [Server; SERVERS],
    busy: u32,
    /// When the first of the batches ends; MAX: none executes. An end at another time is no longer valid.
    pub next_end: u64,
    pub latencies: Histogram,
}

#[derive(Debug)]
struct Server {
    arrivals: Blocks,
    /// The next arrival; it is not yet in `requests`.
    coming: u64,
    /// The requests of the batch that executes, and those that wait.
    requests: VecDeque<u64>,
    batch: usize,
    /// When the batch ends if nothing changes, in ns; infinite: none executes.
    end_ns: f64,
    service_ns: [f64; MAX_BATCH + 1],
}

impl<const SERVERS: usize> Gpu<SERVERS> {
    pub fn all(seconds: f64, seed: u64) -> Vec<Self> {
        let server = |i: usize| {
            let ms = |batch: usize| FIXED_MS + per_request(SERVERS) * 1e3 / RATES[i] * batch as f64;
            Server {
                arrivals: Blocks::new(arrivals(i, seconds, seed)),
                coming: 0,
                requests: VecDeque::new(),
                batch: 0,
                end_ns: f64::INFINITY,
                service_ns: std::array::from_fn(|batch| ms(batch) * 1e6),
            }
        };
        (0..STREAMS / SERVERS)
            .map(|gpu| Self {
                servers: std::array::from_fn(|k| server(gpu * SERVERS + k)),
                busy: 0,
                next_end: u64::MAX,
                latencies: Histogram::default(),
            })
            .collect()
    }

    /// The time of the next arrival at a server, in ns, which is then the one that [`Gpu::arrive`] expects.
    pub fn next_arrival(&mut self, server: usize) -> Option<u64> {
        let server = &mut self.servers[server];
        server.coming = server.arrivals.next()?;
        Some(server.coming)
    }

    /// The arrival that [`Gpu::next_arrival`] gave last has come. Returns the next end if that has changed. To be called
    /// before the one after it is asked for.
    pub fn arrive(&mut self, server: usize) -> Option<u64> {
        let now = self.servers[server].coming;
        self.servers[server].requests.push_back(now);
        if self.servers[server].batch > 0 {
            return None;
        }
        self.start(server, now);
        self.changed(self.busy - 1, server, now)
    }

    /// A batch ends at `next_end`. Returns the next end, if there is one.
    pub fn end(&mut self) -> Option<u64> {
        let (now, before) = (self.next_end, self.busy);
        let mut first = 0;
        for (i, server) in self.servers.iter().enumerate() {
            if server.end_ns < self.servers[first].end_ns {
                first = i;
            }
        }
        let server = &mut self.servers[first];
        for arrival in server.requests.drain(..server.batch) {
            self.latencies.record(now - arrival);
        }
        server.batch = 0;
        server.end_ns = f64::INFINITY;
        self.busy -= 1;
        if !self.servers[first].requests.is_empty() {
            self.start(first, now);
        }
        self.next_end = u64::MAX;
        self.changed(before, first, now)
    }

    fn start(&mut self, server: usize, now: u64) {
        self.busy += 1;
        let slow = slowdown(self.busy);
        let server = &mut self.servers[server];
        server.batch = server.requests.len().min(MAX_BATCH);
        server.end_ns = now as f64 + server.service_ns[server.batch] * slow;
    }

    /// Gives all batches but that of server `but` their new speed. Returns the next end if it is another one.
    fn changed(&mut self, before: u32, but: usize, now: u64) -> Option<u64> {
        let now = now as f64;
        let mut first = f64::INFINITY;
        let ratio = if before == self.busy { 1.0 } else { slowdown(self.busy) / slowdown(before) };
        for (i, server) in self.servers.iter_mut().enumerate() {
            if i != but && before != self.busy && server.end_ns < f64::INFINITY {
                server.end_ns = now + (server.end_ns - now).max(0.0) * ratio;
            }
            first = first.min(server.end_ns);
        }
        if first == f64::INFINITY {
            self.next_end = u64::MAX;
            return None;
        }
        let end = (first.round() as u64).max(now as u64);
        (std::mem::replace(&mut self.next_end, end) != end).then_some(end)
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

/// All latencies of some GPUs.
pub fn merged<'a>(histograms: impl IntoIterator<Item = &'a Histogram>) -> Histogram {
    let mut all = Histogram::default();
    for histogram in histograms {
        all.merge(histogram);
    }
    all
}
