//! The part of the requests that is in time, found by following one request from each moment at which it may arrive
//! (see the documentation of the parent module).

use super::chain::Stationary;
use super::poisson::{fewer_than_multiples, none, none_in_rest, probabilities, probabilities_from};
use super::server::{Loading, QueueingServer, Steady};

/// Nodes and weights of Gauss-Legendre quadrature on (-1, 1).
const ONE: &[(f64, f64)] = &[(0.0, 2.0)];
const TWO: &[(f64, f64)] = &[(-0.577_350_269_189_625_8, 1.0), (0.577_350_269_189_625_8, 1.0)];
const THREE: &[(f64, f64)] = &[
    (-0.774_596_669_241_483_4, 5.0 / 9.0),
    (0.0, 8.0 / 9.0),
    (0.774_596_669_241_483_4, 5.0 / 9.0),
];
const FOUR: &[(f64, f64)] = &[
    (-0.861_136_311_594_052_6, 0.347_854_845_137_453_86),
    (-0.339_981_043_584_856_3, 0.652_145_154_862_546_1),
    (0.339_981_043_584_856_3, 0.652_145_154_862_546_1),
    (0.861_136_311_594_052_6, 0.347_854_845_137_453_86),
];

/// Groups of states with less weight than this are left out.
const NEGLIGIBLE: f64 = 1e-6;

/// Groups of states with less weight than this are integrated over without regard to discontinuities.
const SMALL: f64 = 3e-4;

/// Buffers that evaluations share.
#[derive(Debug, Default)]
pub(super) struct Workspace {
    stationary: Stationary,
    buffers: Buffers,
}

#[derive(Debug, Default)]
struct Buffers {
    /// Probabilities of numbers of arrivals up to a moment.
    before: Vec<f64>,
    early: Vec<f64>,
    late: Vec<f64>,
    /// For a request that arrives at a moment as the p-th one that is not in a batch, the probability that it is in
    /// time, at index p − 1; requests beyond the end are late.
    in_time: Vec<f64>,
    /// For the same, the probability that there is such a request.
    there: Vec<f64>,
    moments: ArrivalMoments,
    /// Ends of batches, by the size of the batch that is formed next.
    ends: Vec<Ends>,
}

impl Workspace {
    /// Forgets the previous server, so that the next one is evaluated as if it were the first.
    pub(super) fn forget(&mut self) {
        self.stationary.forget();
    }

    /// Returns the long-run behaviour of a server under Poisson arrivals, of which it gets every R-th.
    pub(super) fn steady(&mut self, server: &QueueingServer<'_>) -> Steady {
        if server.is_hopeless() || !self.stationary.solve(server) {
            return Steady::overloaded(server);
        }
        let mut sums = BatchSums {
            server,
            most: server.most(),
            every: server.every,
            in_time: 0.0,
            time_ms: 0.0,
            busy_ms: 0.0,
            buffers: std::mem::take(&mut self.buffers),
        };
        let steady = sums.steady(&self.stationary);
        self.buffers = sums.buffers;
        steady
    }
}

/// Expected values for each batch.
struct BatchSums<'s, 'a> {
    server: &'s QueueingServer<'a>,
    most: usize,
    every: usize,
    in_time: f64,
    time_ms: f64,
    busy_ms: f64,
    buffers: Buffers,
}

impl BatchSums<'_, '_> {
    fn steady(&mut self, stationary: &Stationary) -> Steady {
        self.find_ends();
        let mut mean_batch = 0.0;
        let mut full = 0.0;
        let mut idle_starts = 0.0;
        for k in 1..=self.most {
            let row = stationary.row(k);
            full = row.iter().sum();
            if full <= 0.0 {
                continue;
            }
            self.busy_ms += full * self.server.hold_ms[k];
            #[expect(clippy::cast_precision_loss, reason = "a batch size")]
            let size = k as f64;
            mean_batch += full * size;
            let end = row.iter().rposition(|p| *p > 0.0).map_or(0, |last| last + 1);
            match self.server.loading {
                Loading::Ahead => {
                    for n in 1..=self.most {
                        let next = if n == self.most { end } else { self.every * (n + 1) };
                        let waiting = (self.every * n).min(end)..next.min(end);
                        let between = self.server.hold_ms[k].max(self.server.load_ms[n]);
                        self.period(&row[waiting], between, n);
                    }
                    idle_starts += self.nothing_waits(k, &row[..self.every.min(end)]);
                }
                Loading::Serial => {
                    self.period(&row[..end], self.server.hold_ms[k], 0);
                    self.idles(self.server.hold_ms[k], &row[..self.every.min(end)]);
                }
            }
        }
        // The copy of the one request that an idle server starts with.
        if idle_starts > 0.0 && self.server.load_ms[1] > 0.0 {
            self.period(&[idle_starts], self.server.load_ms[1], 1);
        }
        #[expect(clippy::cast_precision_loss, reason = "a number of replicas")]
        let requests = self.server.rate_per_ms / self.every as f64 * self.time_ms;
        Steady {
            attained: (self.in_time / requests).clamp(0.0, 1.0),
            busy: (self.busy_ms / self.time_ms).min(1.0),
            mean_batch,
            full,
        }
    }

    /// Follows the requests that arrive between the starts of two batches, `length_ms` apart, of which the second (of
    /// n) is already formed. `waiting` holds the probabilities of what waits besides, in arrivals of the stream.
    fn period(&mut self, waiting: &[f64], length_ms: f64, n: usize) {
        let weight: f64 = waiting.iter().sum();
        if weight < NEGLIGIBLE {
            return;
        }
        self.time_ms += weight * length_ms;
        let mut moments = std::mem::take(&mut self.buffers.moments);
        moments.limits.clear();
        if weight >= SMALL {
            let ends_ms = &self.buffers.ends[n].ends_ms;
            moments.find_limits(ends_ms, self.server.deadline_ms, 0.0, length_ms);
        }
        moments.fill(length_ms, 0.0);
        let (rate, every) = (self.server.rate_per_ms, self.every);
        let none_in_all = none(rate * length_ms);
        for &(left_ms, width_ms) in &moments.found {
            let none_left = none(rate * left_ms);
            self.find_in_time((left_ms, none_left), n);
            let Buffers { before, in_time, there, .. } = &mut self.buffers;
            let mean = rate * (length_ms - left_ms);
            let none_before = none_in_rest(mean, none_in_all, none_left);
            probabilities_from((mean, none_before), every * in_time.len(), before);
            // The p-th request for this server is the last of R p arrivals of the stream, those that wait included.
            there.clear();
            there.resize(in_time.len(), 0.0);
            let (mut first, mut fewest) = (0, every - 1);
            for weight in &waiting[..waiting.len().min(every * in_time.len())] {
                let mut arrived = fewest;
                for there in &mut there[first..] {
                    let Some(probability) = before.get(arrived) else { break };
                    *there += weight * probability;
                    arrived += every;
                }
                (first, fewest) =
                    if fewest > 0 { (first, fewest - 1) } else { (first + 1, every - 1) };
            }
            let sum: f64 = there.iter().zip(&*in_time).map(|(there, part)| there * part).sum();
            self.in_time += rate * width_ms * sum;
        }
        self.buffers.moments = moments;
    }

    /// Finds the probabilities of being in time for requests that arrive `left_ms` before the start of the next batch
    /// (of n). `none_left` is the probability that no other request arrives until then.
    fn find_in_time(&mut self, (left_ms, none_left): (f64, f64), n: usize) {
        let Buffers { in_time, ends, .. } = &mut self.buffers;
        in_time.clear();
        let deadline_ms = self.server.deadline_ms - left_ms;
        let batches = ends[n].formed_ms.iter().zip(&ends[n].none);
        for ((formed_ms, none), ends_ms) in batches.zip(ends[n].ends_ms.chunks(self.most)) {
            // The batch grows until it is formed; up to some size it is still in time.
            let sizes = ends_ms.iter().take_while(|end| **end <= deadline_ms).count();
            let from = in_time.len();
            in_time.resize(from + sizes, 1.0);
            if sizes < self.most {
                let mean = self.server.rate_per_ms * (left_ms + formed_ms);
                fewer_than_multiples(self.every, (mean, none_left * none), &mut in_time[from..]);
                in_time[from..].reverse();
                // Later batches end later.
                return;
            }
        }
    }

    /// Finds the ends of batches that are formed from the start of a batch of n on, for each possible n, as long as
    /// some end in time.
    fn find_ends(&mut self) {
        let mut all = std::mem::take(&mut self.buffers.ends);
        all.resize_with(all.len().max(self.most + 1), Ends::default);
        let sizes = match self.server.loading {
            Loading::Ahead => 1..=self.most,
            Loading::Serial => 0..=0,
        };
        for n in sizes {
            let Ends { formed_ms, none: none_formed, ends_ms } = &mut all[n];
            formed_ms.clear();
            none_formed.clear();
            ends_ms.clear();
            for full_batches in 0.. {
                let formed = self.formed_ms(n, full_batches);
                let end = |size| {
                    self.starts_ms(n, full_batches, size, formed) + self.server.hold_ms[size]
                };
                if end(1) > self.server.deadline_ms {
                    break;
                }
                formed_ms.push(formed);
                none_formed.push(none(self.server.rate_per_ms * formed));
                ends_ms.extend((1..=self.most).map(end));
            }
        }
        self.buffers.ends = all;
    }

    /// Does the same as [`Self::period`] from the start of a batch of k behind which nothing waits, so that no batch
    /// is formed before the next request arrives. `weights` holds the probabilities of this by phase. Returns the
    /// probability that the next request arrives so late that the server has to wait for it.
    fn nothing_waits(&mut self, k: usize, weights: &[f64]) -> f64 {
        let weight: f64 = weights.iter().sum();
        if weight < NEGLIGIBLE {
            return 0.0;
        }
        let (hold_ms, load_ms) = (self.server.hold_ms[k], self.server.load_ms[1]);
        let early_ms = (hold_ms - load_ms).max(0.0);
        let idles = self.idles(early_ms, weights);
        self.time_ms += (weight - idles) * hold_ms + idles * early_ms;
        let (rate, every) = (self.server.rate_per_ms, self.every);
        let mut moments = std::mem::take(&mut self.buffers.moments);
        moments.limits.clear();
        let first_until_ms = self.server.deadline_ms - self.server.hold_ms[1];
        if weight >= SMALL {
            moments.limits.push(first_until_ms);
            let ends_ms = &self.buffers.ends[1].ends_ms;
            moments.find_limits(ends_ms, self.server.deadline_ms, load_ms, hold_ms);
        }
        moments.fill(hold_ms, load_ms.min(hold_ms));
        let none_in_all = none(rate * hold_ms);
        for &(left_ms, width_ms) in &moments.found {
            let none_left = none(rate * left_ms);
            self.find_in_time((left_ms, none_left), 1);
            let Buffers { before, in_time, .. } = &mut self.buffers;
            let mean = rate * (hold_ms - left_ms);
            let none_before = none_in_rest(mean, none_in_all, none_left);
            probabilities_from((mean, none_before), every + every * in_time.len(), before);
            // The first request for this server forms a batch of its own.
            let first = if left_ms <= first_until_ms { 1.0 } else { 0.0 };
            let mut sum = 0.0;
            for (phase, weight) in weights.iter().enumerate() {
                let own = before.iter().skip(every - phase - 1).step_by(every);
                let parts = std::iter::once(&first).chain(&*in_time);
                sum += weight * own.zip(parts).map(|(p, part)| p * part).sum::<f64>();
            }
            self.in_time += rate * width_ms * sum;
        }
        // Requests that arrive while the first one, which arrived early enough, may still be copied.
        if load_ms > 0.0 && hold_ms > load_ms {
            self.find_in_time((load_ms / 2.0, none(rate * load_ms / 2.0)), 1);
            let Buffers { before, early, late, in_time, .. } = &mut self.buffers;
            let most = every + every * in_time.len();
            probabilities(rate * early_ms, every, early);
            probabilities(rate * load_ms / 2.0, most, late);
            probabilities(rate * (hold_ms - load_ms / 2.0), most, before);
            for (phase, weight) in weights.iter().enumerate() {
                let needed = every - phase;
                let own = before.iter().enumerate().skip(needed - 1).step_by(every).skip(1);
                for ((count, probability), part) in own.zip(&*in_time) {
                    let too_late = early.iter().take(needed).enumerate();
                    let too_late: f64 =
                        too_late.filter_map(|(i, p)| Some(p * late.get(count - i)?)).sum();
                    self.in_time +=
                        weight * rate * load_ms * (probability - too_late).max(0.0) * part;
                }
            }
        }
        self.buffers.moments = moments;
        idles
    }

    /// Adds the wait of a server for its next request, if that has not arrived within `busy_ms`; returns the
    /// probability of this. `weights` holds the probabilities of the phases.
    fn idles(&mut self, busy_ms: f64, weights: &[f64]) -> f64 {
        let rate = self.server.rate_per_ms;
        probabilities(rate * busy_ms, self.every, &mut self.buffers.before);
        let (mut idles, mut missing) = (0.0, 0.0);
        for (phase, weight) in weights.iter().enumerate() {
            let needed = self.every - phase;
            for (count, probability) in self.buffers.before.iter().take(needed).enumerate() {
                idles += weight * probability;
                #[expect(clippy::cast_precision_loss, reason = "a number of replicas")]
                let still = (needed - count) as f64;
                missing += weight * probability * still;
            }
        }
        self.time_ms += missing / rate;
        if self.server.load_ms[1] + self.server.hold_ms[1] <= self.server.deadline_ms {
            self.in_time += idles;
        }
        idles
    }

    /// Returns when a batch of `size` starts that is formed `formed_ms` after the start of a batch of n, behind
    /// `full_batches` full ones.
    fn starts_ms(&self, n: usize, full_batches: usize, size: usize, formed_ms: f64) -> f64 {
        match self.server.loading {
            Loading::Serial => formed_ms,
            Loading::Ahead => {
                let last = if full_batches > 0 { self.most } else { n };
                formed_ms + self.server.hold_ms[last].max(self.server.load_ms[size])
            }
        }
    }

    /// Returns how long after the start of a batch of n the batch behind `full_batches` full ones is formed.
    fn formed_ms(&self, n: usize, full_batches: usize) -> f64 {
        let full_ms = self.server.hold_ms[self.most].max(self.server.load_ms[self.most]);
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let full = full_batches as f64;
        match self.server.loading {
            Loading::Serial => full * full_ms,
            Loading::Ahead if full_batches == 0 => 0.0,
            Loading::Ahead => {
                let first = self.server.hold_ms[n].max(self.server.load_ms[self.most]);
                first + (full - 1.0) * full_ms
            }
        }
    }
}

/// Times of batches that are formed from the start of another one on.
#[derive(Debug, Default)]
struct Ends {
    /// By number of full batches before it, when a batch is formed, in ms after that start.
    formed_ms: Vec<f64>,
    /// Probability that no request arrives until then.
    none: Vec<f64>,
    /// When it ends, by full batches before it and its size less one.
    ends_ms: Vec<f64>,
}

/// Moments at which a request may arrive, with the length of time that each stands for.
#[derive(Debug, Default)]
struct ArrivalMoments {
    /// Discontinuities, in ms before the end.
    limits: Vec<f64>,
    /// Moments in ms before the end, each with its length of time in ms.
    found: Vec<(f64, f64)>,
}

impl ArrivalMoments {
    /// Finds the remaining times, from `until_ms` to `length_ms`, at which some request just meets its deadline in a
    /// batch of some size. Between them, nothing changes abruptly.
    fn find_limits(&mut self, ends_ms: &[f64], deadline_ms: f64, until_ms: f64, length_ms: f64) {
        self.limits.extend(ends_ms.iter().map(|end_ms| deadline_ms - end_ms));
        self.limits.retain(|limit| *limit > until_ms && *limit < length_ms);
    }

    /// Chooses moments between `until_ms` and `length_ms` before the end: some between any two neighbouring limits.
    fn fill(&mut self, length_ms: f64, until_ms: f64) {
        self.found.clear();
        self.limits.push(length_ms);
        self.limits.sort_by(f64::total_cmp);
        let mut low = until_ms;
        for &high in &self.limits {
            let half = (high - low) / 2.0;
            let rule = match half / length_ms {
                part if part > 0.2 => FOUR,
                part if part > 0.08 => THREE,
                part if part > 0.02 => TWO,
                part if part > 0.0 => ONE,
                _ => continue,
            };
            let moments = rule.iter().map(|(x, w)| (low + half * (1.0 + x), half * w));
            self.found.extend(moments);
            low = high;
        }
    }
}
