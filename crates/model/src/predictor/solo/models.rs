//! All models of a GPU kind with their tabulated solo terms.

use super::table::{TermTable, part_of_launch};
use super::{ClockLaw, PressureUnit, SoloCoefficients, SoloTerm, longer};
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
    tables: Vec<TermTable>,
    /// 1 where pressure is power, 0 where power is unknown.
    watts_per_pressure: f64,
}

/// Returns the units that a GPU grants for a share: rounded up, at least one, at most all.
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
        let tables = models.iter().map(|m| TermTable::new(m, kind.units.get())).collect();
        let is_power = models.iter().all(|m| m.pressure_unit == PressureUnit::Power);
        let watts_per_pressure = if is_power { 1.0 } else { 0.0 };
        Self { kind, clock, names, models, tables, watts_per_pressure }
    }

    /// Returns the GPU kind.
    #[must_use]
    pub fn kind(&self) -> &GpuKind {
        &self.kind
    }

    /// Returns the clock law under the power cap.
    #[must_use]
    pub fn clock(&self) -> ClockLaw {
        self.clock
    }

    /// Returns the models' names, in the order of [`ModelId`](crate::domain::ModelId).
    #[must_use]
    pub fn names(&self) -> &[ModelName] {
        &self.names
    }

    /// Returns the fitted numbers of each model.
    #[must_use]
    pub fn coefficients(&self) -> &[SoloCoefficients] {
        &self.models
    }

    /// Returns the units that the GPU grants for a share: rounded up, at least one, at most all.
    #[must_use]
    #[inline]
    pub fn granted(&self, sm: SmPercent) -> SmUnits {
        granted_units(&self.kind, sm)
    }

    /// Returns the quantity that the models' pressure is measured in.
    #[must_use]
    pub fn pressure_unit(&self) -> PressureUnit {
        self.models.first().map_or(PressureUnit::Power, |m| m.pressure_unit)
    }

    /// Returns the dynamic power of a member in W; 0 where power was not measured.
    #[must_use]
    #[inline]
    pub fn power_w(&self, term: &SoloTerm) -> f64 {
        self.watts_per_pressure * term.pressure
    }

    /// Returns the terms of a member whose SMs overlap with those of its co-runners, so that it gets only `part` of its
    /// share.
    #[must_use]
    pub fn term_of_part(&self, member: &Member, part: f64) -> SoloTerm {
        let model = member.model.index();
        let sm_pct = member.sm.get() * part;
        self.tables[model].at_share(&self.models[model], member.batch.get(), sm_pct)
    }

    /// Returns GPU time, launch time and pressure of a member.
    ///
    /// # Panics
    /// When its model is not one of [`SoloModels::names`].
    #[must_use]
    #[inline]
    pub fn term(&self, member: &Member) -> SoloTerm {
        let model = member.model.index();
        let units = self.granted(member.sm);
        self.tables[model].term(&self.models[model], member.batch.get(), units.get())
    }

    /// Returns f / F at a power demand of the whole GPU.
    #[must_use]
    #[inline]
    pub fn clock_ratio(&self, demand_w: f64) -> f64 {
        self.clock.ratio(demand_w - self.kind.power_cap.get())
    }

    /// Returns the execution time of a member alone on the GPU, at the clock that its own power allows, in ms. This is
    /// its latency without host copies.
    #[must_use]
    pub fn alone_ms(&self, member: &Member) -> f64 {
        let term = self.term(member);
        let phi = self.clock_ratio(self.kind.idle_power.get() + self.power_w(&term));
        longer(term.time_ms / phi, term.launch_ms)
    }

    /// Returns the terms that explain a measured solo latency: GPU time and launch time are moved together until the
    /// predicted latency alone equals it. `None` when the copies alone take at least that long.
    #[must_use]
    pub fn term_from_latency(&self, member: &Member, latency_ms: f64) -> Option<SoloTerm> {
        let mut term = self.term(member);
        let model = &self.models[member.model.index()];
        let execution = latency_ms - model.transfer(member.batch);
        if execution <= 0.0 {
            return None;
        }
        let phi = self.clock_ratio(self.kind.idle_power.get() + self.power_w(&term));
        if term.launch_ms <= 0.0 {
            term.time_ms = execution * phi;
            return Some(term);
        }
        let SoloTerm { time_ms, launch_ms, .. } = term;
        let part = part_of_launch(launch_ms, longer(time_ms, launch_ms));
        // If ln t moves by x, ln l moves by part · x. N follows t with weight (1 − part) and l with weight part, so ln
        // N moves by (1 − part + part²) · x.
        let slope = 1.0 - part + part * part;
        let mut moved = 0.0;
        for _ in 0..8 {
            let alone = longer(term.time_ms / phi, term.launch_ms);
            moved += libm::log(execution / alone) / slope;
            term.time_ms = time_ms * libm::exp(moved);
            term.launch_ms = launch_ms * libm::exp(part * moved);
        }
        Some(term)
    }

    /// Returns whether a member lies in the measured range of its model.
    #[must_use]
    pub fn is_measured(&self, member: &Member) -> bool {
        self.models[member.model.index()].validity.contains(member)
    }

    /// Returns the largest measured batch size of a model.
    #[must_use]
    pub fn max_batch(&self, model: crate::domain::ModelId) -> BatchSize {
        self.models[model.index()].validity.batch[1]
    }

    /// Sets power and clock of a co-location, and returns the clock ratio f / F.
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
