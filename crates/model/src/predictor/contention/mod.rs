//! Interference by power, kernel scheduling, host copies and clock, as predictor `contention`.
//!
//! ```text
//! S_i = Σ_{j ≠ i} s_ij                      scheduling coupling, 1 for a pair that was not measured
//! L_i = tr_i (1 + [n > 1] (ρ0 + ρ1 min(S_i, 1)))
//!     + { idle_i + (t_i − idle_i)(1 + γ_i Σ_{j ≠ i} π_j P_j) + n_k,i δ S_i } / phi
//! phi = 1 − κ max(0, P_idle + Σ P − P_cap)
//! throughput = b / (GPU time + copies back)
//! ```
//! Symbols: t GPU time alone at full clock, tr host copies, P dynamic power, phi = f / F (all in
//! [`solo`](super::solo)); idle the time of a batch in which no kernel of it runs; n_k its kernels;
//! γ the slowdown for each W of co-runners, whose power stands for their use of caches and memory;
//! π how much a watt of one model disturbs others compared with a watt of the average model (1 unless
//! co-located runs tell);
//! δ the delay of a kernel by one fully coupled co-runner; ρ the slowdown of host copies.
//!
//! With non-negative numbers latency never rises with the own share and never falls when the own batch,
//! the batch or the share of a co-runner, or the number of members grows. Docs: `docs/predictor.md`.

mod form;

pub use form::ContentionConstants;
pub(crate) use form::Share;

use super::solo::{ClockLaw, SoloCoefficients, SoloModels};
use super::{CoLocationPrediction, ErrorBounds, Member, MemberPrediction, Predictor, Uncertainty};
use crate::domain::{GpuKind, ModelId, ModelName};
use crate::units::{BatchSize, Bytes};
use serde::{Deserialize, Serialize};

/// The name by which users choose the predictor.
pub const NAME: &str = "contention";

/// The coupling of two models that were not measured together: the conservative end.
pub const UNKNOWN_COUPLING: f64 = 1.0;

/// How much the kernels of two models delay each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Coupling {
    /// The two models, in alphabetic order; the same twice for two copies of one model.
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
    /// γ: relative slowdown of active time for each W of the co-runners' dynamic power.
    pub gamma_per_w: f64,
    /// π: how much a watt of this model disturbs others, 1 for the average model.
    pub pressure: f64,
}

/// All fitted numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentionCoefficients {
    /// The clock under the power cap.
    pub clock: ClockLaw,
    /// The other numbers of the GPU kind.
    pub constants: ContentionConstants,
    /// Numbers of each model.
    pub models: Vec<ContentionModel>,
    /// Known couplings; all others are [`UNKNOWN_COUPLING`].
    pub couplings: Vec<Coupling>,
    /// How far predictions may be off.
    pub bounds: ErrorBounds,
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
    /// Puts fitted numbers to use.
    #[must_use]
    pub fn new(kind: GpuKind, coefficients: ContentionCoefficients) -> Self {
        let models = coefficients.models.iter().map(|m| m.solo.clone()).collect();
        let solo = SoloModels::new(kind, coefficients.clock, models);
        let coupling = coupling_matrix(solo.names(), &coefficients.couplings);
        Self { solo, coefficients, coupling }
    }

    /// The fitted numbers.
    #[must_use]
    pub fn coefficients(&self) -> &ContentionCoefficients {
        &self.coefficients
    }

    /// The models alone.
    #[must_use]
    pub fn solo(&self) -> &SoloModels {
        &self.solo
    }

    /// s of two models.
    #[must_use]
    #[inline]
    pub fn coupling(&self, a: ModelId, b: ModelId) -> f64 {
        self.coupling[a.index() * self.solo.names().len() + b.index()]
    }

    /// S of one member.
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

/// All items but one.
#[inline]
fn others<T>(items: &[T], but: usize) -> impl Iterator<Item = &T> {
    items[..but].iter().chain(&items[but + 1..])
}

impl Predictor for ContentionPredictor {
    fn name(&self) -> &'static str {
        NAME
    }

    fn kind(&self) -> &GpuKind {
        self.solo.kind()
    }

    fn models(&self) -> &[ModelName] {
        self.solo.names()
    }

    fn max_batch(&self, model: ModelId) -> BatchSize {
        self.solo.max_batch(model)
    }

    fn memory(&self, model: ModelId) -> Option<Bytes> {
        self.solo.coefficients()[model.index()].memory_bytes
    }

    fn predict_into(&self, members: &[Member], out: &mut CoLocationPrediction) {
        out.members.clear();
        let mut demand_w = self.solo.kind().idle_power.get();
        // First pass: what each member puts on the GPU. `gpu_ms` holds t and `load_ms` holds π P until
        // the passes below have used them.
        for member in members {
            let term = self.solo.term(member);
            demand_w += term.power_w;
            out.members.push(MemberPrediction {
                gpu_ms: term.time_ms,
                load_ms: term.power_w * self.coefficients.models[member.model.index()].pressure,
                ..Default::default()
            });
        }
        let phi = self.solo.set_power(demand_w, out);
        let constants = &self.coefficients.constants;
        for (i, member) in members.iter().enumerate() {
            let others_w: f64 = others(&out.members, i).map(|other| other.load_ms).sum();
            let coupling = self.coupling_sum(members, i);
            let model = &self.solo.coefficients()[member.model.index()];
            let share = Share {
                time_ms: out.members[i].gpu_ms,
                transfer_ms: model.transfer(member.batch),
                idle_ms: model.idle_ms.get(),
                kernels: f64::from(model.kernels),
                gamma_per_w: self.coefficients.models[member.model.index()].gamma_per_w,
            };
            let prediction = &mut out.members[i];
            prediction.gpu_ms = share.gpu_ms(constants, others_w, coupling, phi);
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

    fn uncertainty(&self, members: &[Member]) -> Option<Uncertainty> {
        Some(self.coefficients.bounds.of(members, |member| self.solo.is_measured(member)))
    }
}

#[cfg(test)]
mod tests;
