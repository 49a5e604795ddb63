//! What a trace's gaps look like.

use crate::units::Nanoseconds;
use serde::Serialize;

/// A gamma distribution of gaps.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct GammaFit {
    /// How many gaps.
    pub gaps: usize,
    /// Requests per second: one over the mean gap of the distribution.
    pub rate_rps: f64,
    /// The coefficient of variation of the distribution: one over the root of its shape.
    pub cv: f64,
    /// Its shape.
    pub shape: f64,
}

/// The fit of a window of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct WindowFit {
    /// Where the window starts, in seconds.
    pub start_s: f64,
    /// Requests in it.
    pub requests: usize,
    /// The fit of the gaps between them; none with fewer than two gaps.
    pub fit: Option<GammaFit>,
}

/// What AlpaServe adds to each gap, in seconds: a gap of 0 has no logarithm.
const TINY: f64 = 1e-6;

/// The gamma distribution that makes these gaps (in seconds) most likely; a microsecond is added to each.
/// `None` with fewer than two.
///
/// The shape solves `ln k − ψ(k) = ln(mean) − mean(ln)`; its approximation by Minka is improved with Newton's
/// method.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "far fewer gaps than 2^53")]
pub fn fit_gaps(gaps: &[f64]) -> Option<GammaFit> {
    if gaps.len() < 2 {
        return None;
    }
    let n = gaps.len() as f64;
    let mean = gaps.iter().map(|gap| gap + TINY).sum::<f64>() / n;
    let mean_log = gaps.iter().map(|gap| libm::log(gap + TINY)).sum::<f64>() / n;
    // Even gaps have no spread that could be fitted; this is a CV of 0.01.
    let target = (libm::log(mean) - mean_log).max(5e-5);
    let mut shape =
        (3.0 - target + ((target - 3.0).powi(2) + 24.0 * target).sqrt()) / (12.0 * target);
    for _ in 0..50 {
        let error = libm::log(shape) - digamma(shape) - target;
        // The derivative of ψ, as a difference: Newton's method forgives much.
        let h = shape * 1e-5;
        let trigamma = (digamma(shape + h) - digamma(shape - h)) / (2.0 * h);
        let step = error / (1.0 / shape - trigamma);
        let next = shape - step;
        shape = if next > 0.0 { next } else { shape / 2.0 };
        if step.abs() < 1e-10 * shape {
            break;
        }
    }
    Some(GammaFit { gaps: gaps.len(), rate_rps: 1.0 / mean, cv: 1.0 / shape.sqrt(), shape })
}

/// ψ(x) for x > 0: the asymptotic series from 12 on, and ψ(x) = ψ(x + 1) − 1/x below. With `libm`, as the logarithm of
/// the system's library differs in its last digit from machine to machine.
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

/// Fits the gaps of each window of times in order; empty windows are listed too.
#[must_use]
pub fn fit_windows(
    times: &[Nanoseconds],
    window: Nanoseconds,
    length: Nanoseconds,
) -> Vec<WindowFit> {
    let mut fits = Vec::new();
    windows(times, window, length, |start_s, _, inside| {
        let fit = fit_gaps(&gaps(inside));
        fits.push(WindowFit { start_s, requests: inside.len(), fit });
    });
    fits
}

/// Calls with start and length of each window, in seconds, and the times in it.
pub(super) fn windows(
    times: &[Nanoseconds],
    window: Nanoseconds,
    length: Nanoseconds,
    mut each: impl FnMut(f64, f64, &[Nanoseconds]),
) {
    let (mut start, mut rest) = (Nanoseconds::ZERO, times);
    while start < length && window > Nanoseconds::ZERO {
        let end = start.saturating_add(window);
        let (inside, after) = rest.split_at(rest.partition_point(|time| *time < end));
        each(start.as_seconds(), end.min(length).saturating_sub(start).as_seconds(), inside);
        (start, rest) = (end, after);
    }
}

/// The gaps between times in order, in seconds.
pub(super) fn gaps(times: &[Nanoseconds]) -> Vec<f64> {
    times.windows(2).map(|pair| pair[1].saturating_sub(pair[0]).as_seconds()).collect()
}
