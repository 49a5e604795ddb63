//! All models of a GPU kind with their tabulated solo terms.

use super::table::Table;
use super::{ClockLaw, SoloCoefficients, SoloTerm};
use crate::domain::{GpuKind, ModelName};
use crate::predictor::{CoLocationPrediction, Member};
use crate::units::{BatchSize, SmPercent, SmUnits};

/// All models of a GPU kind, ready for look-ups.
#[derive(Debug, Clone, PartialEq)]
pub struct SoloModels {
    kind: GpuKind,
    clock: ClockLaw,
    names: Vec<ModelName>,
    models: Vec<SoloCoefficients>,
    tables: Vec<Table>,
}

/// The units that a GPU grants for a share: rounded up, at least one, at most all.
#[must_use]
#[inline]
pub fn granted_units(kind: &GpuKind, sm: SmPercent) -> SmUnits {
    let whole = kind.units.get();
    let exact = sm.get() * f64::from(whole) / 100.0;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "`as` saturates, and the result is limited to 1..=whole"
    )]
    let below = (exact - 1e-9) as u32;
    SmUnits::new((below.saturating_add(1)).clamp(1, whole))
}

impl SoloModels {
    /// Tabulates fitted numbers.
    #[must_use]
    pub fn new(kind: GpuKind, clock: ClockLaw, models: Vec<SoloCoefficients>) -> Self {
        let names = models.iter().map(|m| m.name.clone()).collect();
        let tables = models.iter().map(|m| Table::new(m, kind.units.get())).collect();
        Self { kind, clock, names, models, tables }
    }

    /// The GPU kind.
    #[must_use]
    pub fn kind(&self) -> &GpuKind {
        &self.kind
    }

    /// The clock under the power cap.
    #[must_use]
    pub fn clock(&self) -> ClockLaw {
        self.clock
    }

    /// The models' names, in the order of [`ModelId`](crate::domain::ModelId).
    #[must_use]
    pub fn names(&self) -> &[ModelName] {
        &self.names
    }

    /// The fitted numbers of each model.
    #[must_use]
    pub fn coefficients(&self) -> &[SoloCoefficients] {
        &self.models
    }

    /// The units that the GPU grants for a share: rounded up, at least one, at most all.
    #[must_use]
    #[inline]
    pub fn granted(&self, sm: SmPercent) -> SmUnits {
        granted_units(&self.kind, sm)
    }

    /// GPU time and power of a member.
    ///
    /// # Panics
    /// When its model is none of [`SoloModels::names`].
    #[must_use]
    #[inline]
    pub fn term(&self, member: &Member) -> SoloTerm {
        let model = member.model.index();
        let units = self.granted(member.sm);
        self.tables[model].term(&self.models[model], member.batch.get(), units.get())
    }

    /// f / F at a power demand of the whole GPU.
    #[must_use]
    #[inline]
    pub fn clock_ratio(&self, demand_w: f64) -> f64 {
        self.clock.ratio(demand_w - self.kind.power_cap.get())
    }

    /// GPU time of a member that has the GPU for itself, at the clock that its own power leaves, in ms.
    #[must_use]
    pub fn alone_ms(&self, member: &Member) -> f64 {
        let term = self.term(member);
        term.time_ms / self.clock_ratio(self.kind.idle_power.get() + term.power_w)
    }

    /// The GPU time at full clock behind a measured solo latency, in ms; `None` when the copies alone
    /// take longer than that.
    #[must_use]
    pub fn time_from_latency(&self, member: &Member, latency_ms: f64) -> Option<f64> {
        let demand_w = self.kind.idle_power.get() + self.term(member).power_w;
        let model = &self.models[member.model.index()];
        let time = (latency_ms - model.transfer(member.batch)) * self.clock_ratio(demand_w);
        (time > 0.0).then_some(time)
    }

    /// Whether a member lies in the measured range of its model.
    #[must_use]
    pub fn is_measured(&self, member: &Member) -> bool {
        self.models[member.model.index()].validity.contains(member)
    }

    /// The largest measured batch size of a model.
    #[must_use]
    pub fn max_batch(&self, model: crate::domain::ModelId) -> BatchSize {
        self.models[model.index()].validity.batch[1]
    }

    /// Sets power and clock of a co-location.
    #[inline]
    pub(in crate::predictor) fn set_power(
        &self,
        demand_w: f64,
        out: &mut CoLocationPrediction,
    ) -> f64 {
        let ratio = self.clock_ratio(demand_w);
        out.power_demand_w = demand_w;
        out.power_w = demand_w.min(self.kind.power_cap.get());
        out.clock_mhz = self.kind.max_clock.get() * ratio;
        ratio
    }
}
