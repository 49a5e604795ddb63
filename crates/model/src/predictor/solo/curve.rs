//! The smooth curve of a model alone: GPU time of a batch at full clock, and the launch floor.

use libm::pow;
use serde::{Deserialize, Serialize};

/// The exponent of the p-norm: between a sum (1) and a maximum (∞). 1.2 fits the four models of the V100 profile best,
/// and the best value hardly differs between them.
pub const P_NORM: f64 = 1.2;

/// Returns the smooth maximum (xᵍ + yᵍ)^(1/q) with q = 8 of two non-negative times.
///
/// Launching and running kernels overlap, so a batch takes about as long as the longer of the two. Exponents from 6 to
/// 16 fit measured latencies equally well; 2 does not. Eighth powers and roots need only products and square roots,
/// which every machine rounds in the same way.
#[must_use]
#[inline]
pub fn longer(x: f64, y: f64) -> f64 {
    let (long, short) = if x > y { (x, y) } else { (y, x) };
    if short <= 0.0 {
        return long;
    }
    let ratio = short / long;
    let square = ratio * ratio;
    let fourth = square * square;
    long * (1.0 + fourth * fourth).sqrt().sqrt().sqrt()
}

/// GPU time at full clock as a function of batch size b and granted share r (in %), and the time that
/// the host needs to launch a batch:
///
/// ```text
/// t = [ aᵖ + (w b / r)ᵖ ]^(1/p) + g / r + d b          p = 1.2, in ms
/// latency alone = (t⁸ + l⁸)^(1/8)                      without host copies
/// ```
/// With non-negative parameters t falls in r, rises in b and is convex in b, and so does the latency.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SoloCurve {
    /// a in ms: the time that the kernels of one batch take however many SMs there are (launch latency, the longest
    /// dependent chain).
    pub a_ms: f64,
    /// w in ms · % for one request: work that the SMs share.
    pub w_ms_pct: f64,
    /// g in ms · %: work of a batch that does not grow with its size (loading weights).
    pub g_ms_pct: f64,
    /// d in ms for one request: work that more SMs do not speed up (memory bandwidth).
    pub d_ms: f64,
    /// l in ms: the time that the host needs to launch the kernels of one batch, whatever its size and share; 0 where
    /// kernels are launched faster than they run (compiled engines, CUDA graphs).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub launch_ms: f64,
}

fn is_zero(value: &f64) -> bool {
    value.to_bits() == 0
}

impl SoloCurve {
    /// Returns t in ms for `batch` requests and a granted share of `sm_pct` percent.
    #[must_use]
    pub fn time_ms(&self, batch: f64, sm_pct: f64) -> f64 {
        let shared = pow(self.a_ms, P_NORM) + pow(self.w_ms_pct * batch / sm_pct, P_NORM);
        pow(shared, 1.0 / P_NORM) + self.g_ms_pct / sm_pct + self.d_ms * batch
    }

    /// Returns the latency alone in ms, without host copies: the smooth maximum of GPU time and launch time.
    #[must_use]
    pub fn latency_ms(&self, batch: f64, sm_pct: f64) -> f64 {
        longer(self.time_ms(batch, sm_pct), self.launch_ms)
    }

    /// Returns the largest e0 / e1 for which the pressure (e0 + e1 b) / L never falls when the batch grows, where L is
    /// the latency alone.
    ///
    /// ```text
    /// d/db (e0 + e1 b) / L ≥ 0   ⇔   e0 / e1 ≤ L / L' − b
    /// ```
    /// L is convex in b, so the right-hand side falls in b. For large batches L is t, and the right-hand side tends to
    /// (g / r) / (w / r + d), which is least at the whole GPU: g / (w + 100 d).
    #[must_use]
    pub fn largest_fixed_energy(&self) -> f64 {
        self.g_ms_pct / (self.w_ms_pct + 100.0 * self.d_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_by_hand() {
        // a = 0: w b / r + g / r + d b = 100·4/50 + 10/50 + 0.5·4 = 8 + 0.2 + 2 = 10.2 ms
        let curve =
            SoloCurve { a_ms: 0.0, w_ms_pct: 100.0, g_ms_pct: 10.0, d_ms: 0.5, launch_ms: 0.0 };
        assert!((curve.time_ms(4.0, 50.0) - 10.2).abs() < 1e-12);
        // w = 0: a = 3; 3 + 0.2 + 2
        let curve = SoloCurve { a_ms: 3.0, w_ms_pct: 0.0, ..curve };
        assert!((curve.time_ms(4.0, 50.0) - 5.2).abs() < 1e-12);
        // a = w b / r = 8: 8 · 2^(1/1.2) = 8 · 2^(5/6) = 8 · 1.781797 = 14.254379
        let curve =
            SoloCurve { a_ms: 8.0, w_ms_pct: 100.0, g_ms_pct: 0.0, d_ms: 0.0, launch_ms: 0.0 };
        assert!((curve.time_ms(4.0, 50.0) - 14.254_379).abs() < 1e-6);
    }

    #[test]
    fn the_longer_of_two_times_by_hand() {
        // Equal times: 3 · 2^(1/8) = 3 · 1.090507733 = 3.271523. 1 and 2: 2 · (1 + 2⁻⁸)^(1/8) = 2.000975.
        assert!((longer(3.0, 3.0) - 3.271_523).abs() < 1e-6);
        assert!((longer(1.0, 2.0) - 2.000_975).abs() < 1e-6);
        assert!((longer(5.0, 0.0) - 5.0).abs() < 1e-12 && longer(0.0, 0.0).abs() < 1e-12);
        assert!((longer(1e-200, 1e200) - 1e200).abs() < 1e188);
        let curve =
            SoloCurve { a_ms: 0.0, w_ms_pct: 100.0, g_ms_pct: 0.0, d_ms: 0.0, launch_ms: 2.0 };
        assert!((curve.latency_ms(1.0, 100.0) - 2.000_975).abs() < 1e-6);
    }

    #[test]
    fn power_stops_falling_at_the_bound() {
        // g / (w + 100 d) = 50 / (100 + 100) = 0.25
        let curve =
            SoloCurve { a_ms: 1.0, w_ms_pct: 100.0, g_ms_pct: 50.0, d_ms: 1.0, launch_ms: 0.0 };
        assert!((curve.largest_fixed_energy() - 0.25).abs() < 1e-12);
        let power = |b: f64| (0.25 + b) / curve.time_ms(b, 100.0);
        assert!((1..200).map(f64::from).all(|b| power(b + 1.0) >= power(b)));
    }
}
