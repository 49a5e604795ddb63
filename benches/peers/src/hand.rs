//! Written for these two workloads and nothing else: what a simulation of them costs if everything that is not needed is
//! left out. No event list: GPUs do not interact, so each is simulated alone, and the next event is the least of four
//! numbers. An arrival is an event only at an idle server. Speeds are a table over the set of busy servers.

use crate::common::{
    FIXED_MS, Histogram, MAX_BATCH, RATES, SHARING, STREAMS, arrivals, per_request, slowdown,
};
use igniter::arrivals::ArrivalProcess;
use igniter::units::Nanoseconds;

/// How many arrivals are drawn at a time.
const BLOCK: usize = 256;

struct Server<D> {
    draw: D,
    times: Vec<Nanoseconds>,
    /// The first arrival that is in no finished batch.
    head: usize,
    /// The requests of the batch that executes.
    batch: usize,
    service_ns: [f64; MAX_BATCH + 1],
}

/// Draws arrivals in blocks.
pub trait Draw {
    /// Appends `count` arrivals, or fewer at the end of the run.
    fn fill(&mut self, count: usize, times: &mut Vec<Nanoseconds>);
}

impl<P: ArrivalProcess> Draw for P {
    fn fill(&mut self, count: usize, times: &mut Vec<Nanoseconds>) {
        ArrivalProcess::fill(self, count, times);
    }
}

impl<D: Draw> Server<D> {
    fn new(i: usize, servers: usize, draw: D) -> Self {
        let ms = |batch: usize| FIXED_MS + per_request(servers) * 1e3 / RATES[i] * batch as f64;
        let service_ns = std::array::from_fn(|batch| ms(batch) * 1e6);
        let mut server = Self { draw, times: Vec::new(), head: 0, batch: 0, service_ns };
        server.refill();
        server
    }

    /// Makes sure that there are as many arrivals as a batch can take, unless the run is over.
    #[cold]
    #[inline(never)]
    fn refill(&mut self) {
        self.times.drain(..self.head);
        self.head = 0;
        self.draw.fill(BLOCK, &mut self.times);
        if self.times.len() < MAX_BATCH {
            // Behind the last arrival stands one that never comes.
            self.times.extend([Nanoseconds::MAX; MAX_BATCH]);
        }
    }

    /// When the next request comes, in ns.
    fn coming(&self) -> f64 {
        match self.times[self.head] {
            Nanoseconds::MAX => f64::INFINITY,
            time => time.as_f64(),
        }
    }

    /// How many requests wait, at most a batch.
    #[inline(always)]
    fn waiting(&mut self, now: Nanoseconds) -> usize {
        if self.times.len() - self.head < MAX_BATCH {
            self.refill();
        }
        let next = &self.times[self.head..self.head + MAX_BATCH];
        next.iter().position(|&time| time > now).unwrap_or(MAX_BATCH)
    }
}

/// One GPU. With `SERVERS` = 1 its servers do not slow each other.
fn simulate<const SERVERS: usize, D: Draw>(
    servers: &mut [Server<D>; SHARING],
    latencies: &mut Histogram,
) {
    // The slowdown for each set of busy servers.
    let speeds: [f64; 1 << SHARING] =
        std::array::from_fn(|set| slowdown((set as u32).count_ones().max(1)));
    let mut next: [f64; SHARING] = std::array::from_fn(|i| servers[i].coming());
    let mut busy = 0_usize;
    loop {
        let least = |a: usize, b: usize| if next[b] < next[a] { b } else { a };
        let i = least(least(0, 1), least(2, 3));
        let now_ns = next[i];
        if now_ns == f64::INFINITY {
            return;
        }
        let now = Nanoseconds::from_small_f64(now_ns);
        let before = busy;
        let server = &mut servers[i];
        if server.batch > 0 {
            for &arrival in &server.times[server.head..server.head + server.batch] {
                latencies.record((now - arrival).get());
            }
            server.head += server.batch;
            busy &= !(1 << i);
        }
        server.batch = server.waiting(now);
        if server.batch > 0 {
            busy |= 1 << i;
        }
        let speed = if SERVERS > 1 { speeds[busy] } else { 1.0 };
        next[i] = match server.batch {
            0 => server.coming(),
            batch => now_ns + server.service_ns[batch] * speed,
        };
        if SERVERS > 1 && busy != before {
            let ratio = speed / speeds[before];
            for (j, end) in next.iter_mut().enumerate() {
                if j != i && busy & (1 << j) != 0 {
                    *end = now_ns + (*end - now_ns) * ratio;
                }
            }
        }
    }
}

fn run_with<const SERVERS: usize, D: Draw>(draw: impl Fn(usize) -> D) -> Histogram {
    let mut latencies = Histogram::default();
    for first in (0..STREAMS).step_by(SHARING) {
        let mut servers = std::array::from_fn(|k| Server::new(first + k, SERVERS, draw(first + k)));
        simulate::<SERVERS, D>(&mut servers, &mut latencies);
    }
    latencies
}

/// With the same arrivals as everybody.
pub fn run<const SERVERS: usize>(seconds: f64, seed: u64) -> Histogram {
    run_with::<SERVERS, _>(|i| arrivals(i, seconds, seed))
}

/// With draws of its own, in blocks that a compiler can turn into vector instructions.
pub fn run_blocked<const SERVERS: usize>(seconds: f64, seed: u64) -> Histogram {
    run_with::<SERVERS, _>(|i| Blocked::new(RATES[i], seconds, seed ^ (i as u64) << 32))
}

/// Eight interleaved generators (xoshiro256++), and logarithms by a polynomial.
struct Blocked {
    state: [[u64; LANES]; 4],
    mean_ns: f64,
    last: u64,
    end: u64,
}

const LANES: usize = 8;

impl Blocked {
    fn new(rate: f64, seconds: f64, seed: u64) -> Self {
        // SplitMix64, as the generator's authors propose.
        let mut x = seed;
        let mut next = || {
            x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let z = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        let state = std::array::from_fn(|_| std::array::from_fn(|_| next()));
        Self { state, mean_ns: 1e9 / rate, last: 0, end: (seconds * 1e9) as u64 }
    }

    #[inline(always)]
    fn gaps(&mut self) -> [u64; LANES] {
        let [s0, s1, s2, s3] = &mut self.state;
        std::array::from_fn(|l| {
            let word = s0[l].wrapping_add(s3[l]).rotate_left(23).wrapping_add(s0[l]);
            let t = s1[l] << 17;
            s2[l] ^= s0[l];
            s3[l] ^= s1[l];
            s1[l] ^= s2[l];
            s0[l] ^= s3[l];
            s2[l] ^= t;
            s3[l] = s3[l].rotate_left(45);
            // From 2⁻⁵³ to 1 − 2⁻⁵³.
            let uniform = ((word >> 12) | 1) as i64 as f64 * (1.0 / (1_u64 << 52) as f64);
            (-ln(uniform) * self.mean_ns + 0.5) as i64 as u64
        })
    }
}

/// The natural logarithm of a number from 0 to 1, to some 1e-10.
#[inline(always)]
fn ln(x: f64) -> f64 {
    // x = m · 2^e with m from √½ to √2, and ln m = 2 artanh((m − 1) / (m + 1)).
    let bits = x.to_bits().wrapping_sub(0x3fe6_a09e_667f_3bcd);
    let exponent = bits as i64 >> 52;
    let m = f64::from_bits((bits & 0x000f_ffff_ffff_ffff).wrapping_add(0x3fe6_a09e_667f_3bcd));
    let s = (m - 1.0) / (m + 1.0);
    let z = s * s;
    let series = z * (2.0 / 3.0 + z * (2.0 / 5.0 + z * (2.0 / 7.0 + z * (2.0 / 9.0 + z * (2.0 / 11.0)))));
    exponent as f64 * std::f64::consts::LN_2 + s * (2.0 + series)
}

impl Draw for Blocked {
    fn fill(&mut self, count: usize, times: &mut Vec<Nanoseconds>) {
        for _ in 0..count / LANES {
            for gap in self.gaps() {
                self.last += gap;
                if self.last >= self.end {
                    return;
                }
                times.push(Nanoseconds::new(self.last));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn logarithms_are_those_of_the_standard_library() {
        for i in 1..10_000 {
            let x = f64::from(i) / 10_000.0;
            let (own, std) = (super::ln(x), x.ln());
            assert!((own - std).abs() < 1e-8 * (1.0 + std.abs()), "{x}: {own} {std}");
        }
    }
}
