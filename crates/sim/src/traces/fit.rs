//! Fits of the gaps of a trace.

use igniter_model::units::Nanoseconds;
use serde::Serialize;

/// A gamma distribution of gaps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct GammaFit {
    /// Number of gaps.
    pub gaps: usize,
    /// Requests per second: one over the mean gap of the distribution.
    pub rate_rps: f64,
    /// The coefficient of variation of the distribution: one over the root of its shape.
    pub cv: f64,
    pub shape: f64,
}

/// The fit of a window of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct WindowFit {
    /// The start of the window, in seconds.
    pub start_s: f64,
    /// Number of requests in the window.
    pub requests: usize,
    /// The fit of the gaps between them; `None` with fewer than two gaps.
    pub fit: Option<GammaFit>,
}

/// The time that AlpaServe adds to each gap, in seconds, since a gap of 0 has no logarithm.
const TINY: f64 = 1e-6;

/// The sums to which a gamma distribution of gaps is fitted, updated gap by gap.
#[derive(Debug, Clone, Copy, Default)]
pub struct GapSums {
    gaps: usize,
    sum: f64,
    logs: f64,
}

impl GapSums {
    /// Adds a gap in seconds, increased by a microsecond.
    pub fn add(&mut self, gap: f64) {
        self.gaps += 1;
        self.sum += gap + TINY;
        self.logs += libm::log(gap + TINY);
    }

    /// Returns the gamma distribution with the maximum likelihood for these gaps. `None` with fewer than two gaps.
    ///
    /// The shape solves `ln k − ψ(k) = ln(mean) − mean(ln)`. Minka's approximation of it is refined with Newton's
    /// method.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "far fewer gaps than 2^53")]
    pub fn fit(&self) -> Option<GammaFit> {
        if self.gaps < 2 {
            return None;
        }
        let n = self.gaps as f64;
        let (mean, mean_log) = (self.sum / n, self.logs / n);
        // Even gaps have no spread to fit; this limit corresponds to a CV of 0.01.
        let target = (libm::log(mean) - mean_log).max(5e-5);
        let mut shape =
            (3.0 - target + ((target - 3.0).powi(2) + 24.0 * target).sqrt()) / (12.0 * target);
        for _ in 0..50 {
            let error = libm::log(shape) - digamma(shape) - target;
            // The derivative of ψ, as a difference quotient, which is accurate enough for Newton's method.
            let h = shape * 1e-5;
            let trigamma = (digamma(shape + h) - digamma(shape - h)) / (2.0 * h);
            let step = error / (1.0 / shape - trigamma);
            let next = shape - step;
            shape = if next > 0.0 { next } else { shape / 2.0 };
            if step.abs() < 1e-10 * shape {
                break;
            }
        }
        Some(GammaFit { gaps: self.gaps, rate_rps: 1.0 / mean, cv: 1.0 / shape.sqrt(), shape })
    }
}

/// Returns ψ(x) for x > 0, by the asymptotic series from 12 on, and by ψ(x) = ψ(x + 1) − 1/x below. It uses `libm`, as
/// the last digits of the system library's logarithm differ from machine to machine.
fn digamma(x: f64) -> f64 {
    let (mut result, mut z) = (0.0, x);
    while z < 12.0 {
        result -= 1.0 / z;
        z += 1.0;
    }
    let inverse = 1.0 / z;
    let square = inverse * inverse;
    let series = square
        * (1.0 / 12.0
            - square
                * (1.0 / 120.0 - square * (1.0 / 252.0 - square * (1.0 / 240.0 - square / 132.0))));
    result + libm::log(z) - 0.5 * inverse - series
}

/// Fits the gaps in each window of a stream of times in order. Windows without requests are left out, however long a
/// pause is.
#[derive(Debug, Clone)]
pub struct WindowedFit {
    window: Nanoseconds,
    /// The fits of finished windows.
    fits: Vec<WindowFit>,
    /// The current window so far.
    start: Nanoseconds,
    requests: usize,
    last: Option<Nanoseconds>,
    gaps: GapSums,
}

impl WindowedFit {
    /// Creates a fit without arrivals. With a window length of 0 there are no windows.
    #[must_use]
    pub fn new(window: Nanoseconds) -> Self {
        let (fits, start, requests) = (Vec::new(), Nanoseconds::ZERO, 0);
        Self { window, fits, start, requests, last: None, gaps: GapSums::default() }
    }

    /// Counts an arrival, which must not be before the previous one. Returns whether that ended a window.
    pub fn add(&mut self, time: Nanoseconds) -> bool {
        if self.window == Nanoseconds::ZERO {
            return false;
        }
        let whole = time.saturating_sub(self.start).get() / self.window.get();
        let ended = whole > 0 && self.close();
        let skipped = Nanoseconds::new(whole.saturating_mul(self.window.get()));
        self.start = self.start.saturating_add(skipped);
        if let Some(last) = self.last.replace(time) {
            self.gaps.add(time.saturating_sub(last).as_seconds());
        }
        self.requests += 1;
        ended
    }

    fn close(&mut self) -> bool {
        let (start_s, requests) = (self.start.as_seconds(), self.requests);
        if requests > 0 {
            self.fits.push(WindowFit { start_s, requests, fit: self.gaps.fit() });
        }
        (self.requests, self.last, self.gaps) = (0, None, GapSums::default());
        requests > 0
    }

    /// Returns the fits of the windows that have requests.
    #[must_use]
    pub fn finish(mut self) -> Vec<WindowFit> {
        self.close();
        self.fits
    }
}
