//! The stationary distribution of the embedded Markov chain of a batch server (see the documentation of the parent
//! module).
//!
//! A state is a pair (k, y): k requests start to execute, and y counts the waiting ones in arrivals of the whole
//! stream: y = R l + p, with l requests that wait for this server and p arrivals of the stream since the last one for
//! this server (0 ≤ p < R). With R = 1, y is the number of requests that wait.

use super::lanes::{LANES, added, sum_of};
use super::poisson::append;
use super::server::{Loading, QueueingServer};
use std::ops::Range;

/// States with a probability below this are left out.
const NEGLIGIBLE: f64 = 1e-8;

/// The iteration ends when the probabilities change by less than this in sum.
const PRECISION: f64 = 2e-5;

/// Maximum number of iterations. A few dozen are typical.
const MOST_ITERATIONS: usize = 500;

/// A distribution with more probability than this in its last tenth was truncated too early: the server is as good as
/// overloaded.
const MOST_TAIL: f64 = 2e-3;

/// The longest queue that is modelled, in requests.
const MOST_WAITING: usize = 400;

/// Probabilities of states (k, y), a row for each k. A row is 0 from its extent on.
#[derive(Debug, Default, Clone)]
struct ChainRows {
    values: Vec<f64>,
    width: usize,
}

impl ChainRows {
    /// Resets to `rows` rows of zeros of this width; `extents` are the extents up to now.
    fn reset(&mut self, extents: &[usize], rows: usize, width: usize) {
        for (k, &extent) in extents.iter().enumerate() {
            self.row_mut(k, extent).fill(0.0);
        }
        self.width = width;
        if self.values.len() < rows * width {
            self.values.resize(rows * width, 0.0);
        }
    }

    fn row(&self, k: usize, extent: usize) -> &[f64] {
        &self.values[k * self.width..k * self.width + extent]
    }

    fn row_mut(&mut self, k: usize, extent: usize) -> &mut [f64] {
        &mut self.values[k * self.width..k * self.width + extent]
    }
}

/// The stationary distribution of a server, and the buffers for finding it.
#[derive(Debug, Default)]
pub(super) struct Stationary {
    now: ChainRows,
    next: ChainRows,
    change: ChainRows,
    /// Changes and results of the last two steps.
    changes: [ChainRows; 2],
    results: [ChainRows; 2],
    /// For each k, the index from which on all entries of these rows are 0.
    extents: Vec<usize>,
    transitions: Transitions,
    /// The last distribution that was found, row by row, and the lengths of its rows.
    before: Vec<f64>,
    lengths: Vec<usize>,
}

impl Stationary {
    /// Solves the chain of a server; returns false when its queue is too long to be modelled.
    pub(super) fn solve(&mut self, server: &QueueingServer<'_>) -> bool {
        let mut waiting = first_waiting(server);
        self.transitions.fill(server);
        loop {
            let width = server.every * waiting + server.every;
            if self.fixed_point(server, width) {
                return true;
            }
            if waiting >= MOST_WAITING {
                return false;
            }
            waiting = (waiting * 3).min(MOST_WAITING);
        }
    }

    /// Returns the probabilities of the states with k executing requests, by y; those beyond the end are 0.
    pub(super) fn row(&self, k: usize) -> &[f64] {
        self.next.row(k, self.extents[k])
    }

    /// Finds the distribution that a step leaves unchanged, by fixed-point iteration with Anderson acceleration
    /// (Anderson, "Iterative procedures for nonlinear integral equations", J. ACM 1965) over the last two steps,
    /// which needs a quarter of the iterations.
    fn fixed_point(&mut self, server: &QueueingServer<'_>, width: usize) -> bool {
        let rows = server.most() + 1;
        let one = [&mut self.now, &mut self.next, &mut self.change];
        for part in one.into_iter().chain(&mut self.changes).chain(&mut self.results) {
            part.reset(&self.extents, rows, width);
        }
        self.extents.clear();
        self.extents.resize(rows, 0);
        self.start(width);
        for iteration in 0..MOST_ITERATIONS {
            self.transitions.step(server, &self.now, &mut self.next, &mut self.extents);
            let moved = self.note_change();
            if moved < PRECISION {
                let is_complete = self.is_complete();
                if is_complete {
                    self.remember();
                }
                return is_complete;
            }
            let weights = if iteration < 2 { [0.0; 2] } else { self.least_squares() };
            self.mix(weights);
            self.changes.swap(0, 1);
            self.results.swap(0, 1);
            std::mem::swap(&mut self.changes[0], &mut self.change);
            std::mem::swap(&mut self.results[0], &mut self.next);
        }
        false
    }

    /// Starts from the distribution of the previous server, as far as it fits this one; otherwise from a server that
    /// has just begun to serve a single request.
    fn start(&mut self, width: usize) {
        let mut before = self.before.as_slice();
        let mut sum = 0.0;
        for (k, &length) in self.lengths.iter().enumerate().take(self.extents.len()) {
            let (row, rest) = before.split_at(length);
            before = rest;
            let row = &row[..length.min(width)];
            self.extents[k] = row.len();
            self.now.row_mut(k, row.len()).copy_from_slice(row);
            sum += row.iter().sum::<f64>();
        }
        if sum > 0.5 {
            scale(&mut self.now, &self.extents, 1.0 / sum);
            return;
        }
        for (k, &extent) in self.extents.iter().enumerate() {
            self.now.row_mut(k, extent).fill(0.0);
        }
        self.extents[1] = self.extents[1].max(1);
        self.now.values[width] = 1.0;
    }

    /// Remembers the distribution that was found.
    fn remember(&mut self) {
        self.before.clear();
        self.lengths.clear();
        for k in 0..self.extents.len() {
            let row = self.next.row(k, self.extents[k]);
            let length = row.iter().rposition(|p| *p >= NEGLIGIBLE).map_or(0, |last| last + 1);
            self.before.extend_from_slice(&row[..length]);
            self.lengths.push(length);
        }
    }

    /// Forgets the distribution that was found last.
    pub(super) fn forget(&mut self) {
        self.before.clear();
        self.lengths.clear();
    }

    /// Notes what the last step changed; returns the sum of the absolute changes.
    fn note_change(&mut self) -> f64 {
        let mut moved = 0.0;
        for (k, &extent) in self.extents.iter().enumerate() {
            let (next, now) = (self.next.row(k, extent), self.now.row(k, extent));
            for ((change, next), now) in
                self.change.row_mut(k, extent).iter_mut().zip(next).zip(now)
            {
                *change = next - now;
            }
            moved += sum_of(self.change.row(k, extent), f64::abs);
        }
        moved
    }

    /// Returns the weights of the last two changes that minimise the present one, by least squares.
    fn least_squares(&self) -> [f64; 2] {
        let (mut aa, mut ab, mut bb, mut ac, mut bc) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (k, &extent) in self.extents.iter().enumerate() {
            let [a, b] = [&self.changes[0], &self.changes[1]].map(|part| part.row(k, extent));
            for ((c, a), b) in self.change.row(k, extent).iter().zip(a).zip(b) {
                let (a, b) = (c - a, c - b);
                aa += a * a;
                ab += a * b;
                bb += b * b;
                ac += a * c;
                bc += b * c;
            }
        }
        let determinant = aa * bb - ab * ab;
        if determinant > 1e-9 * aa * bb {
            [(ac * bb - bc * ab) / determinant, (bc * aa - ac * ab) / determinant]
        } else if aa > 0.0 {
            [ac / aa, 0.0]
        } else {
            [0.0; 2]
        }
    }

    /// Sets the distribution that the next step starts from.
    fn mix(&mut self, weights: [f64; 2]) {
        let mut sum = 0.0;
        for (k, &extent) in self.extents.iter().enumerate() {
            let next = self.next.row(k, extent);
            let [a, b] = [&self.results[0], &self.results[1]].map(|part| part.row(k, extent));
            for (((now, next), a), b) in
                self.now.row_mut(k, extent).iter_mut().zip(next).zip(a).zip(b)
            {
                let mixed = next - weights[0] * (next - a) - weights[1] * (next - b);
                *now = mixed.max(0.0);
            }
            sum += sum_of(self.now.row(k, extent), |p| p);
        }
        scale(&mut self.now, &self.extents, 1.0 / sum);
    }

    /// Returns whether almost no probability lies where the distribution was truncated.
    fn is_complete(&self) -> bool {
        let last = self.next.width * 9 / 10;
        let tail = |k: usize| self.row(k).get(last..).map_or(0.0, |tail| tail.iter().sum());
        (1..self.extents.len()).map(tail).sum::<f64>() <= MOST_TAIL
    }
}

fn scale(rows: &mut ChainRows, extents: &[usize], factor: f64) {
    for (k, &extent) in extents.iter().enumerate() {
        rows.row_mut(k, extent).iter_mut().for_each(|probability| *probability *= factor);
    }
}

/// Returns the queue length up to which the chain is modelled at first.
fn first_waiting(server: &QueueingServer<'_>) -> usize {
    #[expect(clippy::cast_precision_loss, reason = "a number of replicas")]
    let in_time = server.rate_per_ms / server.every as f64 * server.deadline_ms;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
    let in_time = (in_time * 1.3) as usize;
    // A request behind more requests than fit into the deadline is late, however long the queue is.
    (in_time + 12).max(3 * server.most()).clamp(20, MOST_WAITING)
}

/// Transitions from the start of one batch to the start of the next: distributions of the number of arrivals of the
/// stream.
#[derive(Debug, Default)]
struct Transitions {
    /// All distributions; the ranges below are positions in it.
    values: Vec<f64>,
    /// Arrivals while k requests execute.
    during: Vec<Range<usize>>,
    /// Arrivals while n requests are copied, where that may take longer than the execution.
    while_loading: Vec<Range<usize>>,
    /// Arrivals while one request is copied to an idle server.
    at_start: Range<usize>,
    /// For each k, where nothing waits and the next own request is the m-th arrival of the stream: arrivals after it,
    /// together with the probability that it arrives early enough. Entry k R + m − 1.
    follow: Vec<Range<usize>>,
    /// For the same cases, the probability that it arrives so late that the server has to wait for it or its copy.
    idles: Vec<f64>,
    late: Vec<f64>,
}

impl Transitions {
    fn fill(&mut self, server: &QueueingServer<'_>) {
        let rate = server.rate_per_ms;
        let none = LANES - 1..LANES - 1;
        for ranges in [&mut self.during, &mut self.while_loading, &mut self.follow] {
            ranges.clear();
            ranges.push(none.clone());
        }
        self.values.clear();
        self.values.resize(2 * (LANES - 1), 0.0);
        self.idles.clear();
        for k in 1..=server.most() {
            self.during.push(append_between(rate * server.hold_ms[k], &mut self.values));
            let is_longer = server.load_ms[k] > server.hold_ms[1];
            self.while_loading.push(match is_longer {
                true => append_between(rate * server.load_ms[k], &mut self.values),
                false => none.clone(),
            });
        }
        if server.loading == Loading::Ahead {
            self.fill_starts(server);
        }
    }

    /// Fills in what follows a batch behind which nothing waits.
    fn fill_starts(&mut self, server: &QueueingServer<'_>) {
        let (rate, every) = (server.rate_per_ms, server.every);
        self.at_start = append(rate * server.load_ms[1], usize::MAX, &mut self.values);
        self.follow.resize(every, 0..0);
        self.idles.resize(every, 0.0);
        for k in 1..=server.most() {
            let early_ms = (server.hold_ms[k] - server.load_ms[1]).max(0.0);
            let early = append(rate * early_ms, every, &mut self.values);
            let during = self.during[k].clone();
            // Probabilities of the numbers of arrivals in cases where the server's own arrival is late.
            self.late.clear();
            self.late.resize(during.len(), 0.0);
            let mut idles = 0.0;
            for needed in 1..=every {
                if let Some(place) = early.clone().nth(needed - 1) {
                    let missing = self.values[place];
                    idles += missing;
                    let at_start = &self.values[self.at_start.clone()];
                    for (late, p) in self.late.iter_mut().skip(needed - 1).zip(at_start) {
                        *late += missing * p;
                    }
                }
                self.idles.push(idles);
                let start = self.values.len();
                for count in needed..during.len() {
                    let probability = self.values[during.start + count] - self.late[count];
                    self.values.push(probability.max(0.0));
                }
                self.follow.push(start..self.values.len());
            }
        }
    }

    /// Advances the chain by one step.
    fn step(
        &self,
        server: &QueueingServer<'_>,
        from: &ChainRows,
        to: &mut ChainRows,
        extents: &mut [usize],
    ) {
        for (k, &extent) in extents.iter().enumerate() {
            to.row_mut(k, extent).fill(0.0);
        }
        let mut to = ChainTarget { rows: to, extents };
        for k in 1..=server.most() {
            let row = from.row(k, to.extents[k]);
            match server.loading {
                Loading::Ahead => self.step_ahead(server, k, row, &mut to),
                Loading::Serial => self.step_serial(server, k, row, &mut to),
            }
        }
        let ChainTarget { rows, extents } = to;
        let sum = |(k, &extent): (usize, &usize)| sum_of(rows.row(k, extent), |p| p);
        let sum: f64 = extents.iter().enumerate().map(sum).sum();
        scale(rows, extents, 1.0 / sum);
    }

    /// Steps from the start of a batch of k to the start of the next one, which was formed at the same moment. `row`
    /// holds the probabilities of y.
    fn step_ahead(
        &self,
        server: &QueueingServer<'_>,
        k: usize,
        row: &[f64],
        to: &mut ChainTarget<'_>,
    ) {
        let every = server.every;
        let (none, mut more) = row.split_at(every.min(row.len()));
        for (y, &probability) in none.iter().enumerate() {
            if probability >= NEGLIGIBLE {
                let entry = k * every + every - y - 1;
                let follow = &self.values[self.follow[entry].clone()];
                to.add(1, 0, probability, follow);
                let at_start = &self.values[self.at_start.clone()];
                to.add(1, 0, probability * self.idles[entry], at_start);
            }
        }
        // The next batch has n requests in as many states as there are replicas, and is full in all states that
        // remain.
        for n in 1..=server.most() {
            let states = if n < server.most() { every.min(more.len()) } else { more.len() };
            let (own, rest) = more.split_at(states);
            more = rest;
            let between = match server.load_ms[n] > server.hold_ms[k] {
                true => self.while_loading[n].clone(),
                false => self.during[k].clone(),
            };
            let with_zeros = between.start - (LANES - 1)..between.end + LANES - 1;
            to.add_each(n, own, &self.values[with_zeros]);
        }
    }

    /// Steps from the start of a batch of k to the start of the next one, which is formed only then.
    fn step_serial(
        &self,
        server: &QueueingServer<'_>,
        k: usize,
        row: &[f64],
        to: &mut ChainTarget<'_>,
    ) {
        let every = server.every;
        let arrivals = &self.values[self.during[k].clone()];
        for (y, &probability) in row.iter().enumerate() {
            if probability < NEGLIGIBLE {
                continue;
            }
            let mut count = 0;
            while count < arrivals.len() {
                let waiting = y + count;
                let n = (waiting / every).min(server.most());
                // All numbers of arrivals with which the next batch has n requests.
                let until = if n < server.most() { every * (n + 1) - y } else { arrivals.len() };
                let until = until.min(arrivals.len());
                let own = &arrivals[count..until];
                if n == 0 {
                    to.add(1, 0, probability * own.iter().sum::<f64>(), &[1.0]);
                } else {
                    to.add(n, waiting - every * n, probability, own);
                }
                count = until;
            }
        }
    }
}

/// The rows that a step writes to.
struct ChainTarget<'r> {
    rows: &'r mut ChainRows,
    /// Extents of the rows; they grow with what is added.
    extents: &'r mut [usize],
}

impl ChainTarget<'_> {
    /// Adds a distribution, padded with zeros, to row k once for each weight, shifted by one more place each time.
    fn add_each(&mut self, k: usize, weights: &[f64], with_zeros: &[f64]) {
        let Some(last) = weights.iter().rposition(|weight| *weight >= NEGLIGIBLE) else { return };
        let width = self.rows.width;
        let distribution = &with_zeros[LANES - 1..with_zeros.len() - (LANES - 1)];
        let length = distribution.len();
        let inside = (width + 1).saturating_sub(length).min(last + 1);
        self.extents[k] = self.extents[k].max((last + length).min(width));
        match weights[..inside] {
            [] => {}
            [weight] if weight < NEGLIGIBLE => {}
            [weight] => {
                let row = self.rows.row_mut(k, length);
                row.iter_mut().zip(distribution).for_each(|(to, p)| *to += weight * p);
            }
            _ => {
                let row = self.rows.row_mut(k, inside + length - 1);
                let add =
                    |first, sums| added(sums, first, (&weights[..inside], NEGLIGIBLE), with_zeros);
                let (blocks, rest) = row.as_chunks_mut::<LANES>();
                let first_of_rest = blocks.len() * LANES;
                for (block, to) in blocks.iter_mut().enumerate() {
                    *to = add(block * LANES, *to);
                }
                let mut sums = [0.0; LANES];
                sums[..rest.len()].copy_from_slice(rest);
                rest.copy_from_slice(&add(first_of_rest, sums)[..rest.len()]);
            }
        }
        for (shift, &weight) in weights.iter().enumerate().take(last + 1).skip(inside) {
            if weight >= NEGLIGIBLE {
                self.add(k, shift, weight, distribution);
            }
        }
    }

    /// Adds a distribution to row k, weighted and shifted; the part beyond the end is added to the last place.
    fn add(&mut self, k: usize, shift: usize, weight: f64, distribution: &[f64]) {
        let width = self.rows.width;
        let shift = shift.min(width - 1);
        let inside = distribution.len().min(width - shift);
        let (inner, beyond) = distribution.split_at(inside);
        self.extents[k] = self.extents[k].max(shift + inside);
        let row = self.rows.row_mut(k, width);
        for (to, probability) in row[shift..].iter_mut().zip(inner) {
            *to += weight * probability;
        }
        if !beyond.is_empty() {
            row[width - 1] += weight * beyond.iter().sum::<f64>();
        }
    }
}

/// Appends the distribution of the number of arrivals when `mean` are expected, padded with zeros on both sides;
/// returns its range, without the padding.
fn append_between(mean: f64, out: &mut Vec<f64>) -> Range<usize> {
    out.resize(out.len() + LANES - 1, 0.0);
    let range = append(mean, usize::MAX, out);
    out.resize(out.len() + LANES - 1, 0.0);
    range
}
