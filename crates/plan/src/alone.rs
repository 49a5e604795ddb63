//! The knowledge that baselines have of a workload: predictions of it alone on a GPU, with shares in
//! percent of the GPU.

use super::PlanRequest;
use super::shares::{PendingWorkload, ShareFitter};
use super::sizing::{Demand, Sized};
use igniter_model::domain::ModelId;
use igniter_model::predictor::MemberPrediction;
use igniter_model::units::{BatchSize, SmUnits};

/// Predicts workloads alone on a GPU.
pub(super) struct SoloPredictor<'p> {
    fitter: ShareFitter<'p>,
    request: PlanRequest<'p>,
}

impl<'p> SoloPredictor<'p> {
    pub(super) fn new(request: &PlanRequest<'p>) -> Self {
        Self { fitter: ShareFitter::new(request), request: *request }
    }

    /// Converts a percentage of the GPU to whole units, rounded down, at least one.
    pub(super) fn units(&self, percent: u32) -> SmUnits {
        SmUnits::new((self.fitter.whole() * percent / 100).max(1))
    }

    /// Returns a seat for a demand with this batch and share.
    pub(super) fn seat(
        workload: usize,
        demand: &Demand,
        batch: BatchSize,
        share: SmUnits,
    ) -> PendingWorkload {
        PendingWorkload { workload, sized: Sized { demand: *demand, batch, least: share }, share }
    }

    /// Returns whether the process limit and the GPU's memory allow these processes on one GPU.
    pub(super) fn has_room(&self, seats: &[PendingWorkload]) -> bool {
        self.fitter.has_room(seats)
    }

    /// Returns the same for processes of these models.
    pub(super) fn has_room_of(&self, models: impl Iterator<Item = ModelId>) -> bool {
        self.fitter.has_room_of(models)
    }

    /// Returns whether both allow one more process.
    pub(super) fn has_room_for(
        &self,
        seats: &[PendingWorkload],
        another: &PendingWorkload,
    ) -> bool {
        self.fitter.has_room_for(seats, another)
    }

    pub(super) fn predict(
        &mut self,
        demand: &Demand,
        batch: BatchSize,
        share: SmUnits,
    ) -> MemberPrediction {
        self.fitter.predict(&[Self::seat(0, demand, batch, share)])[0]
    }

    /// Returns the largest measured batch whose latency, multiplied by `slowdown`, meets the budget
    /// at this share.
    pub(super) fn largest_batch(
        &mut self,
        demand: &Demand,
        share: SmUnits,
        slowdown: f64,
    ) -> Option<(BatchSize, MemberPrediction)> {
        let most = self.request.predictor().max_batch(demand.model);
        (1..=most.get()).rev().find_map(|size| {
            let batch = BatchSize::new(size).ok()?;
            let predicted = self.predict(demand, batch, share);
            (predicted.latency_ms() * slowdown <= demand.budget_ms).then_some((batch, predicted))
        })
    }
}
