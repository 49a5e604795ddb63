//! The formulas of a co-location, shared by prediction and fit.

use crate::predictor::solo::longer;
use serde::{Deserialize, Serialize};

/// The numbers of the GPU kind that govern interference.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentionConstants {
    /// δ in ms: how long a kernel waits for the kernels of one fully coupled co-runner.
    pub delta_ms_per_kernel: f64,
    /// ρ0: relative slowdown of host copies beside any co-runner.
    pub rho0: f64,
    /// ρ1: further relative slowdown of host copies beside a fully coupled co-runner.
    pub rho1: f64,
    /// ρ: relative slowdown of active GPU time beside any co-runner.
    #[serde(default)]
    pub rho: f64,
    /// λ: launch time beside one co-runner over launch time alone. It depends on the host, not on the GPU.
    #[serde(default = "default_launch")]
    pub launch: f64,
    /// λ': the increase of λ for each further co-runner.
    #[serde(default = "default_launch_step")]
    pub launch_step: f64,
}

fn default_launch() -> f64 {
    ContentionConstants::DEFAULT.launch
}

fn default_launch_step() -> f64 {
    ContentionConstants::DEFAULT.launch_step
}

impl ContentionConstants {
    /// δ, ρ0 and ρ1 of a V100 (750 co-located pairs of four models), for GPU kinds on which nothing was measured. λ was
    /// measured on two hosts with an A100, as 1.50 and as 1.016. No single value fits both; 1.45 is on the safe side.
    pub const DEFAULT: Self = Self {
        delta_ms_per_kernel: 4.75e-3,
        rho0: 0.03,
        rho1: 0.33,
        rho: 0.0,
        launch: 1.45,
        launch_step: 0.02,
    };

    /// Returns λ_n: launch time among n members over launch time alone.
    #[must_use]
    #[inline]
    pub fn launch_among(&self, n: usize) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a handful of members")]
        if n > 1 { self.launch + self.launch_step * (n - 2) as f64 } else { 1.0 }
    }
}

/// The inputs of the formulas for one member.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Share {
    /// t in ms.
    pub time_ms: f64,
    /// l in ms.
    pub launch_ms: f64,
    /// tr in ms.
    pub transfer_ms: f64,
    /// Idle time in ms.
    pub idle_ms: f64,
    /// n_k: number of kernels of a batch.
    pub kernels: f64,
    /// γ for each unit of pressure.
    pub gamma: f64,
    /// Slowdown of this model's launch time in company, relative to that of the average model.
    pub launch_factor: f64,
}

/// The effects of its co-runners on a member.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Company {
    /// n: number of members.
    pub members: usize,
    /// Σ π U of the co-runners.
    pub pressure: f64,
    /// S: the coupling sum.
    pub coupling: f64,
    /// The clock ratio f / F.
    pub phi: f64,
}

impl Share {
    /// Returns GPU time and launch time in company, in ms; execution takes the longer of the two.
    #[inline]
    pub(crate) fn slowed(&self, constants: &ContentionConstants, company: &Company) -> [f64; 2] {
        let active = (self.time_ms - self.idle_ms).max(0.0);
        let waiting = self.kernels * constants.delta_ms_per_kernel * company.coupling;
        let rho = if company.members > 1 { constants.rho } else { 0.0 };
        let slowdown = 1.0 + rho + self.gamma * company.pressure;
        let gpu_ms = (self.idle_ms + active * slowdown + waiting) / company.phi;
        let factor = if company.members > 1 { self.launch_factor } else { 1.0 };
        [gpu_ms, self.launch_ms * constants.launch_among(company.members) * factor]
    }

    /// Returns the execution time of a batch in ms, without host copies.
    #[inline]
    pub(crate) fn execution_ms(&self, constants: &ContentionConstants, company: &Company) -> f64 {
        let [gpu_ms, launch_ms] = self.slowed(constants, company);
        longer(gpu_ms, launch_ms)
    }

    /// Returns the time of host copies in ms, both ways, in a co-location of `n` members.
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

    const SHARE: Share = Share {
        time_ms: 8.5,
        launch_ms: 0.0,
        transfer_ms: 2.0,
        idle_ms: 0.5,
        kernels: 10.0,
        gamma: 0.001,
        launch_factor: 1.0,
    };
    const CONSTANTS: ContentionConstants = ContentionConstants {
        delta_ms_per_kernel: 0.01,
        rho0: 0.1,
        rho1: 0.4,
        rho: 0.0,
        launch: 1.5,
        launch_step: 0.1,
    };
    const ALONE: Company = Company { members: 1, pressure: 0.0, coupling: 0.0, phi: 1.0 };

    #[test]
    fn gpu_time_by_hand() {
        // (0.5 + 8·(1 + 0.001·100) + 10·0.01·0.5) / 0.8 = (0.5 + 8.8 + 0.05) / 0.8 = 11.6875
        let company = Company { members: 2, pressure: 100.0, coupling: 0.5, phi: 0.8 };
        assert!((SHARE.execution_ms(&CONSTANTS, &company) - 11.687_5).abs() < 1e-12);
        // With ρ = 0.1: 0.8 / 0.8 more.
        let constants = ContentionConstants { rho: 0.1, ..CONSTANTS };
        assert!((SHARE.execution_ms(&constants, &company) - 12.687_5).abs() < 1e-12);
        // Alone at full clock nothing is added.
        assert!((SHARE.execution_ms(&constants, &ALONE) - 8.5).abs() < 1e-12);
    }

    #[test]
    fn launching_by_hand() {
        // 17 ms to launch 8.5 ms of work: alone 17·(1 + 2⁻⁸)^(1/8); beside one 1.5 times that, beside two
        // 1.6, whatever the clock; a model that suffers a tenth more, 1.65 and 1.76.
        let share = Share { launch_ms: 17.0, ..SHARE };
        assert!((share.execution_ms(&CONSTANTS, &ALONE) - 17.0 * 1.000_487_5).abs() < 1e-5);
        let beside = |members| Company { members, phi: 0.9, ..ALONE };
        let launch = |share: Share, members| share.slowed(&CONSTANTS, &beside(members))[1];
        assert!((launch(share, 2) - 25.5).abs() < 1e-12);
        assert!((launch(share, 3) - 27.2).abs() < 1e-12);
        assert!((launch(Share { launch_factor: 1.1, ..share }, 2) - 28.05).abs() < 1e-12);
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
