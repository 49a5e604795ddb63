//! The formulas of a co-location, for prediction and fit alike.

use serde::{Deserialize, Serialize};

/// The numbers of the GPU kind that govern interference.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentionConstants {
    /// δ in ms: how long a kernel waits for the kernels of one fully coupled co-runner.
    pub delta_ms_per_kernel: f64,
    /// ρ0: relative slowdown of host copies beside anyone.
    pub rho0: f64,
    /// ρ1: further relative slowdown of host copies beside a fully coupled co-runner.
    pub rho1: f64,
}

impl ContentionConstants {
    /// δ, ρ0 and ρ1 of a V100 (750 co-located pairs of four models): for GPU kinds on which nothing
    /// was measured.
    pub const DEFAULT: Self = Self { delta_ms_per_kernel: 4.75e-3, rho0: 0.03, rho1: 0.33 };
}

/// What one member brings into a co-location.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Share {
    /// t in ms.
    pub time_ms: f64,
    /// tr in ms.
    pub transfer_ms: f64,
    /// Idle time in ms.
    pub idle_ms: f64,
    /// n_k.
    pub kernels: f64,
    /// γ in 1/W.
    pub gamma_per_w: f64,
}

impl Share {
    /// GPU time in ms: beside co-runners of `others_w` watts (weighted by their pressure), with coupling sum `coupling`, at clock
    /// ratio `phi`.
    #[inline]
    pub(crate) fn gpu_ms(
        &self,
        constants: &ContentionConstants,
        others_w: f64,
        coupling: f64,
        phi: f64,
    ) -> f64 {
        let active = (self.time_ms - self.idle_ms).max(0.0);
        let waiting = self.kernels * constants.delta_ms_per_kernel * coupling;
        (self.idle_ms + active * (1.0 + self.gamma_per_w * others_w) + waiting) / phi
    }

    /// Host copies in ms, both ways, in a co-location of `n` members.
    #[inline]
    pub(crate) fn copies_ms(
        &self,
        constants: &ContentionConstants,
        coupling: f64,
        n: usize,
    ) -> f64 {
        if n > 1 {
            self.transfer_ms * (1.0 + constants.rho0 + constants.rho1 * coupling.min(1.0))
        } else {
            self.transfer_ms
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARE: Share =
        Share { time_ms: 8.5, transfer_ms: 2.0, idle_ms: 0.5, kernels: 10.0, gamma_per_w: 0.001 };
    const CONSTANTS: ContentionConstants =
        ContentionConstants { delta_ms_per_kernel: 0.01, rho0: 0.1, rho1: 0.4 };

    #[test]
    fn gpu_time_by_hand() {
        // (0.5 + 8·(1 + 0.001·100) + 10·0.01·0.5) / 0.8 = (0.5 + 8.8 + 0.05) / 0.8 = 11.6875
        let time = SHARE.gpu_ms(&CONSTANTS, 100.0, 0.5, 0.8);
        assert!((time - 11.687_5).abs() < 1e-12);
        // Alone at full clock nothing is added.
        assert!((SHARE.gpu_ms(&CONSTANTS, 0.0, 0.0, 1.0) - 8.5).abs() < 1e-12);
    }

    #[test]
    fn copies_by_hand() {
        // 2·(1 + 0.1 + 0.4·0.5) = 2.6; the coupling counts up to 1: 2·(1 + 0.1 + 0.4) = 3; alone 2.
        let copies = |coupling, n| SHARE.copies_ms(&CONSTANTS, coupling, n);
        assert!((copies(0.5, 2) - 2.6).abs() < 1e-12);
        assert!((copies(2.3, 3) - 3.0).abs() < 1e-12);
        assert!((copies(0.0, 1) - 2.0).abs() < 1e-12);
    }
}
