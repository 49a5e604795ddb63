//! The stationary distribution of the embedded Markov chain of a batch server (see the module's head).
//!
//! A state is a pair (k, y): k requests start to execute, and y is what waits, counted in arrivals of the
//! whole stream: y = R l + p with l requests that wait for this server, and p arrivals of the stream since its
//! last one (0 ≤ p < R). With R = 1, y is the number of requests that wait.

use super::poisson::probabilities;
use super::server::{Loading, Server};

/// States of less probability than this are left out.
const NEGLIGIBLE: f64 = 1e-9;

/// The iteration ends when the probabilities change by less than this in sum.
const PRECISION: f64 = 1e-5;

/// Iterations at most. A few dozen are the rule.
const MOST_ITERATIONS: usize = 500;

/// A distribution with more than this in its last tenth was cut off too early: the server is as good as
/// overloaded.
const MOST_TAIL: f64 = 2e-3;

/// The stationary distribution, with what it was made from.
pub(super) struct Stationary {
    /// Probabilities by k and y: those of k are `width` entries from `k · width` on.
    pub states: Vec<f64>,
    /// How many values y may take.
    pub width: usize,
}

impl Stationary {
    /// The probabilities of the states with k requests that execute, by y.
    pub(super) fn row(&self, k: usize) -> &[f64] {
        &self.states[k * self.width..(k + 1) * self.width]
    }
}

/// What becomes of a server from one start of a batch to the next.
struct Transitions<'s, 'a> {
    server: &'s Server<'a>,
    most: usize,
    every: usize,
    width: usize,
    /// Arrivals of the stream while k execute.
    during: Vec<Vec<f64>>,
    /// Arrivals while n are copied, where that may take longer than executing.
    while_loading: Vec<Vec<f64>>,
    /// Arrivals while one is copied to an idle server.
    at_start: Vec<f64>,
    /// For each k and phase: arrivals after the first own one, together with the probability that it comes
    /// early enough.
    follow: Vec<Vec<f64>>,
    /// For each k and phase y < R, where nothing waits: the probability that the next own request comes so late
    /// that the server has to wait for it or its copy. Entry `k · R + y`, as in `follow`.
    idles: Vec<f64>,
}

/// Solves the chain; `None` when the queue is too long to be followed.
pub(super) fn stationary(server: &Server<'_>) -> Option<Stationary> {
    let mut waiting = first_waiting(server);
    loop {
        let transitions = Transitions::new(server, waiting);
        if let Some(states) = transitions.fixed_point() {
            return Some(Stationary { states, width: transitions.width });
        }
        if waiting >= MOST_WAITING {
            return None;
        }
        waiting = (waiting * 3).min(MOST_WAITING);
    }
}

/// How many requests may wait, as far as the chain is followed at first.
fn first_waiting(server: &Server<'_>) -> usize {
    #[expect(clippy::cast_precision_loss, reason = "a number of replicas")]
    let in_time = server.rate_per_ms / server.every as f64 * server.deadline_ms;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
    let in_time = (in_time * 1.3) as usize;
    // Who waits behind more than fit into the deadline is late, however long the queue.
    (in_time + 12).max(3 * server.most()).clamp(20, MOST_WAITING)
}

/// The longest queue that is followed, in requests.
const MOST_WAITING: usize = 400;

impl<'s, 'a> Transitions<'s, 'a> {
    fn new(server: &'s Server<'a>, waiting: usize) -> Self {
        let (most, every) = (server.most(), server.every);
        let rate = server.rate_per_ms;
        let arrivals = |ms: f64| {
            let mut out = Vec::new();
            probabilities(rate * ms, &mut out);
            out
        };
        let mut during = vec![Vec::new()];
        let mut while_loading = vec![Vec::new()];
        for k in 1..=most {
            during.push(arrivals(server.hold_ms[k]));
            let longer = server.load_ms[k] > server.hold_ms[1];
            while_loading.push(if longer { arrivals(server.load_ms[k]) } else { Vec::new() });
        }
        let at_start = arrivals(server.load_ms[1]);
        let mut follow = vec![Vec::new(); every];
        let mut idles = vec![0.0; every];
        for (k, whole) in during.iter().enumerate().skip(1) {
            let early = arrivals((server.hold_ms[k] - server.load_ms[1]).max(0.0));
            for phase in 0..every {
                // The arrivals of the stream up to the next own one.
                let needed = every - phase;
                idles.push(early.iter().take(needed).sum());
                let all = whole.iter().enumerate().skip(needed);
                let in_time = all.map(|(count, probability)| {
                    let late = early.iter().take(needed).enumerate();
                    let late: f64 =
                        late.filter_map(|(i, p)| Some(p * at_start.get(count - i)?)).sum();
                    (probability - late).max(0.0)
                });
                follow.push(in_time.collect());
            }
        }
        let width = every * waiting + every;
        Self { server, most, every, width, during, while_loading, at_start, follow, idles }
    }

    /// Arrivals between the start of a batch of k and that of the next one, of n.
    fn between(&self, k: usize, n: usize) -> &[f64] {
        if self.server.load_ms[n] > self.server.hold_ms[k] {
            &self.while_loading[n]
        } else {
            &self.during[k]
        }
    }

    /// One step of the chain; `tops` are the last states of each k that have a probability.
    fn step(&self, from: &[f64], to: &mut [f64], tops: &[usize]) {
        to.fill(0.0);
        for k in 1..=self.most {
            for y in 0..=tops[k] {
                let probability = from[k * self.width + y];
                if probability < NEGLIGIBLE {
                    continue;
                }
                match self.server.loading {
                    Loading::Ahead => self.step_ahead(k, y, probability, to),
                    Loading::Serial => self.step_serial(k, y, probability, to),
                }
            }
        }
        let sum: f64 = to.iter().sum();
        to.iter_mut().for_each(|probability| *probability /= sum);
    }

    /// From the start of a batch of k to the start of the next, which was formed at the same moment.
    fn step_ahead(&self, k: usize, y: usize, probability: f64, to: &mut [f64]) {
        let n = (y / self.every).min(self.most);
        if n == 0 {
            let entry = k * self.every + y;
            let one = self.row(to, 1);
            spread(one, 0, probability, &self.follow[entry]);
            spread(one, 0, probability * self.idles[entry], &self.at_start);
        } else {
            let between = self.between(k, n);
            spread(self.row(to, n), y - self.every * n, probability, between);
        }
    }

    /// From the start of a batch of k to the start of the next, which is formed then.
    fn step_serial(&self, k: usize, y: usize, probability: f64, to: &mut [f64]) {
        for (count, arrivals) in self.during[k].iter().enumerate() {
            let waiting = (y + count).min(self.width - 1);
            let n = (waiting / self.every).min(self.most);
            let next = if n == 0 { self.width } else { n * self.width + waiting - self.every * n };
            to[next] += probability * arrivals;
        }
    }

    fn row<'t>(&self, to: &'t mut [f64], k: usize) -> &'t mut [f64] {
        &mut to[k * self.width..(k + 1) * self.width]
    }

    /// The distribution that a step leaves as it is, by fixed-point iteration with Anderson's acceleration
    /// (Anderson, "Iterative procedures for nonlinear integral equations", J. ACM 1965) over two steps back,
    /// which needs a quarter of the iterations.
    fn fixed_point(&self) -> Option<Vec<f64>> {
        let size = (self.most + 1) * self.width;
        let mut now = vec![0.0; size];
        now[self.width] = 1.0;
        let mut next = vec![0.0; size];
        let mut change = vec![0.0; size];
        // Changes and results of the last two steps.
        let mut changes = [vec![0.0; size], vec![0.0; size]];
        let mut results = [vec![0.0; size], vec![0.0; size]];
        let mut tops = vec![0; self.most + 1];
        for iteration in 0..MOST_ITERATIONS {
            for (k, top) in tops.iter_mut().enumerate() {
                let row = &now[k * self.width..(k + 1) * self.width];
                *top = row.iter().rposition(|p| *p >= NEGLIGIBLE).unwrap_or(0);
            }
            self.step(&now, &mut next, &tops);
            let mut moved = 0.0;
            for ((change, next), now) in change.iter_mut().zip(&next).zip(&now) {
                *change = next - now;
                moved += change.abs();
            }
            if moved < PRECISION {
                return self.is_complete(&next).then_some(next);
            }
            let weights = if iteration < 2 { [0.0; 2] } else { least_squares(&change, &changes) };
            let mut sum = 0.0;
            for (i, value) in now.iter_mut().enumerate() {
                let back = [next[i] - results[0][i], next[i] - results[1][i]];
                let mixed = next[i] - weights[0] * back[0] - weights[1] * back[1];
                *value = mixed.max(0.0);
                sum += *value;
            }
            now.iter_mut().for_each(|value| *value /= sum);
            changes.swap(0, 1);
            results.swap(0, 1);
            changes[0].copy_from_slice(&change);
            results[0].copy_from_slice(&next);
        }
        None
    }

    /// Whether next to nothing is where the distribution was cut off.
    fn is_complete(&self, states: &[f64]) -> bool {
        let last = self.width * 9 / 10;
        let tail: f64 = (1..=self.most)
            .flat_map(|k| &states[k * self.width + last..(k + 1) * self.width])
            .sum();
        tail <= MOST_TAIL
    }
}

/// Adds a distribution, weighted and shifted; what is beyond the end goes to the last place.
fn spread(to: &mut [f64], shift: usize, weight: f64, distribution: &[f64]) {
    let inside = distribution.len().min(to.len() - shift);
    let (inner, beyond) = distribution.split_at(inside);
    for (to, probability) in to[shift..].iter_mut().zip(inner) {
        *to += weight * probability;
    }
    if let Some(last) = to.last_mut() {
        *last += weight * beyond.iter().sum::<f64>();
    }
}

/// The weights of the last two changes with which the present one becomes least.
fn least_squares(change: &[f64], changes: &[Vec<f64>; 2]) -> [f64; 2] {
    let (mut aa, mut ab, mut bb, mut ac, mut bc) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for ((c, a), b) in change.iter().zip(&changes[0]).zip(&changes[1]) {
        let (a, b) = (c - a, c - b);
        aa += a * a;
        ab += a * b;
        bb += b * b;
        ac += a * c;
        bc += b * c;
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
