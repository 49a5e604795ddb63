//! Interference by pressure on the memory system, kernel scheduling, launching, host copies and clock, as
//! predictor `contention`.
//!
//! ```text
//! N(x, y) = (x⁸ + y⁸)^(1/8)                smooth maximum
//! S_i = Σ_{j ≠ i} s_ij                      scheduling coupling, 1 for a pair that was not measured
//! λ_n = 1 alone, else λ + λ' (n − 2)        launching in company
//! L_i = tr_i (1 + [n > 1] (ρ0 + ρ1 min(S_i, 1)))
//!     + N( { idle_i + (t_i − idle_i)(1 + [n > 1] ρ + γ_i Σ_{j ≠ i} π_j U_j) + n_k,i δ S_i } / phi,  λ_n l_i )
//! phi = 1 − κ max(0, P_idle + Σ P − P_cap)
//! throughput = b / (execution + copies back)
//! ```
//! Symbols: t GPU time alone at full clock, l launch time, tr host copies, U pressure, phi = f / F (all in
//! [`solo`](super::solo)); idle the time of a batch in which none of its kernels runs; n_k its number of kernels; γ the
//! slowdown for each unit of the co-runners' pressure, which stands for their use of caches and memory; π how much the
//! pressure of one model disturbs others, relative to the average model (1 unless co-located runs determine it); δ the
//! delay of a kernel by one fully coupled co-runner; ρ0 and ρ1 the slowdown of host copies; ρ the slowdown of
//! everything where copies are not known separately.
//!
//! Where shares sum to more than 100 %, the SMs of the members overlap: every member gets 100 / Σ r of its share, and
//! kernels do not wait for each other (S = 0).
//!
//! With non-negative numbers and shares that sum to at most 100 %, latency never rises with the member's own share and
//! never falls when its own batch, the batch or the share of a co-runner, or the number of members grows. Docs:
//! `docs/predictor.md`.

mod form;

pub use form::ContentionConstants;
pub(crate) use form::{Company, Share};

use super::solo::{ClockLaw, SoloCoefficients, SoloModels, SoloTerm, longer};
use super::{CoLocationPrediction, ErrorBounds, Member, MemberPrediction, Predictor, Uncertainty};
use crate::domain::{GpuKind, ModelId, ModelName};
use crate::units::{BatchSize, Bytes};
use serde::{Deserialize, Serialize};

/// The name by which users choose the predictor.
pub const NAME: &str = "contention";

/// The coupling of two models that were not measured together: the conservative extreme.
pub const UNKNOWN_COUPLING: f64 = 1.0;

/// The strength with which the kernels of two models delay each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coupling {
    /// The two models, in alphabetical order; the same name twice for two copies of one model.
    pub models: [ModelName; 2],
    /// s: from 0 (never) to about 1 (every kernel waits).
    pub strength: f64,
}

/// The fitted numbers of one model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentionModel {
    /// The model alone.
    pub solo: SoloCoefficients,
    /// γ: relative slowdown of active time for each unit of the co-runners' pressure (each W where that
    /// is dynamic power).
    #[serde(alias = "gamma_per_w")]
    pub gamma: f64,
    /// π: how much the pressure of this model disturbs others, 1 for the average model.
    pub pressure: f64,
    /// Slowdown of this model's launch time in company, relative to that of the average model (1).
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub launch_factor: f64,
}

fn one() -> f64 {
    1.0
}

fn is_one(value: &f64) -> bool {
    value.total_cmp(&1.0).is_eq()
}

/// All fitted numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentionCoefficients {
    /// The clock under the power cap.
    pub clock: ClockLaw,
    /// The other numbers of the GPU kind.
    pub constants: ContentionConstants,
    /// The fitted numbers of each model.
    pub models: Vec<ContentionModel>,
    /// Known couplings; all other pairs have [`UNKNOWN_COUPLING`].
    pub couplings: Vec<Coupling>,
    /// The error bounds of predictions.
    pub bounds: ErrorBounds,
    /// Assumptions that were not measured on this GPU kind and change every prediction of a co-location.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assumed: Vec<String>,
}

/// The predictor with its coefficients.
#[derive(Debug, Clone, PartialEq)]
pub struct ContentionPredictor {
    solo: SoloModels,
    coefficients: ContentionCoefficients,
    /// s for each pair of models, row by row.
    coupling: Vec<f64>,
}

impl ContentionPredictor {
    /// Creates a predictor from fitted numbers.
    #[must_use]
    pub fn new(kind: GpuKind, coefficients: ContentionCoefficients) -> Self {
        let models = coefficients.models.iter().map(|m| m.solo.clone()).collect();
        let solo = SoloModels::new(kind, coefficients.clock, models);
        let coupling = coupling_matrix(solo.names(), &coefficients.couplings);
        Self { solo, coefficients, coupling }
    }

    /// Returns the fitted numbers.
    #[must_use]
    pub fn coefficients(&self) -> &ContentionCoefficients {
        &self.coefficients
    }

    /// Returns the models alone.
    #[must_use]
    pub fn solo(&self) -> &SoloModels {
        &self.solo
    }

    /// Returns the coupling s of two models.
    #[must_use]
    #[inline]
    pub fn coupling(&self, a: ModelId, b: ModelId) -> f64 {
        self.coupling[a.index() * self.solo.names().len() + b.index()]
    }

    /// Returns the part of its share that every member gets: 1, unless the shares sum to more than 100 %.
    fn part_of_share(members: &[Member]) -> f64 {
        let total_pct: f64 = members.iter().map(|member| member.sm.get()).sum();
        if total_pct > 100.0 + 1e-6 { 100.0 / total_pct } else { 1.0 }
    }

    #[inline]
    fn term(&self, member: &Member, part: f64) -> SoloTerm {
        if part < 1.0 { self.solo.term_of_part(member, part) } else { self.solo.term(member) }
    }

    /// Returns a member with its terms, as input of the formulas.
    #[inline]
    fn share(&self, member: &Member, time_ms: f64, launch_ms: f64) -> Share {
        let model = &self.coefficients.models[member.model.index()];
        Share {
            time_ms,
            launch_ms,
            transfer_ms: model.solo.transfer(member.batch),
            idle_ms: model.solo.idle_ms.get(),
            kernels: f64::from(model.solo.kernels),
            gamma: model.gamma,
            launch_factor: model.launch_factor,
        }
    }

    /// Returns GPU time and launch time of one member in company, in ms.
    fn slowed(&self, members: &[Member], of: usize) -> [f64; 2] {
        let part = Self::part_of_share(members);
        let own = self.term(&members[of], part);
        if own.launch_ms <= 0.0 {
            return [own.time_ms, 0.0];
        }
        let mut demand_w = self.solo.kind().idle_power.get();
        let mut pressure = 0.0;
        for (i, member) in members.iter().enumerate() {
            let term = self.term(member, part);
            demand_w += self.solo.power_w(&term);
            if i != of {
                pressure += term.pressure * self.coefficients.models[member.model.index()].pressure;
            }
        }
        let company = Company {
            members: members.len(),
            pressure,
            coupling: if part < 1.0 { 0.0 } else { self.coupling_sum(members, of) },
            phi: self.solo.clock_ratio(demand_w),
        };
        let share = self.share(&members[of], own.time_ms, own.launch_ms);
        share.slowed(&self.coefficients.constants, &company)
    }

    /// Returns the coupling sum S of one member.
    #[inline]
    fn coupling_sum(&self, members: &[Member], of: usize) -> f64 {
        let width = self.solo.names().len();
        let row = &self.coupling[members[of].model.index() * width..][..width];
        others(members, of).map(|other| row[other.model.index()]).sum()
    }
}

fn coupling_matrix(names: &[ModelName], couplings: &[Coupling]) -> Vec<f64> {
    let mut matrix = vec![UNKNOWN_COUPLING; names.len() * names.len()];
    for coupling in couplings {
        let [a, b] = coupling.models.each_ref().map(|m| names.iter().position(|name| name == m));
        if let (Some(a), Some(b)) = (a, b) {
            matrix[a * names.len() + b] = coupling.strength;
            matrix[b * names.len() + a] = coupling.strength;
        }
    }
    matrix
}

/// Iterates over all items but one.
#[inline]
fn others<T>(items: &[T], but: usize) -> impl Iterator<Item = &T> {
    items[..but].iter().chain(&items[but + 1..])
}

impl Predictor for ContentionPredictor {
    fn name(&self) -> &'static str {
        NAME
    }

    kind_and_models_of_solo!(self);

    fn predict_into(&self, members: &[Member], out: &mut CoLocationPrediction) {
        out.members.clear();
        let mut demand_w = self.solo.kind().idle_power.get();
        let part = Self::part_of_share(members);
        // First pass: the load of each member. `gpu_ms` holds t, `feedback_ms` l and `load_ms` π U until the passes
        // below have used them.
        for member in members {
            let term = self.term(member, part);
            demand_w += self.solo.power_w(&term);
            out.members.push(MemberPrediction {
                gpu_ms: term.time_ms,
                feedback_ms: term.launch_ms,
                load_ms: term.pressure * self.coefficients.models[member.model.index()].pressure,
                ..Default::default()
            });
        }
        let phi = self.solo.set_power(demand_w, out);
        let constants = &self.coefficients.constants;
        for (i, member) in members.iter().enumerate() {
            let pressure: f64 = others(&out.members, i).map(|other| other.load_ms).sum();
            let coupling = if part < 1.0 { 0.0 } else { self.coupling_sum(members, i) };
            let company = Company { members: members.len(), pressure, coupling, phi };
            let MemberPrediction { gpu_ms, feedback_ms, .. } = out.members[i];
            let share = self.share(member, gpu_ms, feedback_ms);
            let [gpu_ms, launch_ms] = share.slowed(constants, &company);
            let prediction = &mut out.members[i];
            prediction.gpu_ms = longer(gpu_ms, launch_ms);
            prediction.feedback_ms = share.copies_ms(constants, coupling, members.len());
        }
        for (member, prediction) in members.iter().zip(&mut out.members) {
            let copies = prediction.feedback_ms;
            let load_part = self.solo.coefficients()[member.model.index()].load_part;
            prediction.load_ms = copies * load_part;
            prediction.feedback_ms = copies - prediction.load_ms;
            let busy_ms = prediction.gpu_ms + prediction.feedback_ms;
            prediction.throughput_rps = member.batch.as_f64() / busy_ms * 1000.0;
        }
    }

    fn assumed(&self) -> &[String] {
        &self.coefficients.assumed
    }

    fn neighbours_never_help(&self) -> bool {
        let ContentionConstants { delta_ms_per_kernel, rho0, rho1, .. } =
            self.coefficients.constants;
        let models = &self.coefficients.models;
        [delta_ms_per_kernel, rho0, rho1].iter().all(|x| *x >= 0.0)
            && models.iter().all(|model| model.gamma >= 0.0 && model.pressure >= 0.0)
            && self.coupling.iter().all(|strength| *strength >= 0.0)
    }

    fn uncertainty(&self, members: &[Member], of: usize) -> Option<Uncertainty> {
        let times = self.slowed(members, of);
        Some(self.coefficients.bounds.of(members, times, |member| self.solo.is_measured(member)))
    }
}

#[cfg(test)]
mod tests;
