//! The least SM shares with which the workloads on one GPU meet their demands.

use super::presences::{Grown, Presences};
use super::sizing::{Demand, Sized};
use super::{Margin, PlanOptions, cautious};
use igniter_model::domain::{Infeasible, ModelId, Placement, Plan, PredictedService};
use igniter_model::predictor::{
    CoLocationPrediction, Member, MemberPrediction, Predictor, predict_in_turns,
};
use igniter_model::units::{Milliseconds, RequestsPerSecond, SmPercent, SmUnits};

/// A workload that is not yet in a plan: the index of the workload, its size, and its current share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PendingWorkload {
    pub workload: usize,
    pub sized: Sized,
    pub share: SmUnits,
}

/// Grows shares to the least fixed point; reuses its buffers between calls.
pub(super) struct ShareFitter<'p> {
    predictor: &'p dyn Predictor,
    options: PlanOptions,
    memory: Option<u64>,
    /// SM percentages, indexed by the number of units less one.
    percents: Vec<SmPercent>,
    members: Vec<Member>,
    out: CoLocationPrediction,
    /// Tables for additive predictors; `None` for others.
    presences: Option<Presences<'p>>,
}

/// Returns whether a process limit and the memory of a GPU (in bytes, `None` where it is not known) allow processes of
/// these models together.
pub(super) fn has_room(
    predictor: &dyn Predictor,
    limit: usize,
    memory: Option<u64>,
    models: impl Iterator<Item = ModelId>,
) -> bool {
    let (mut count, mut needed) = (0, 0);
    for model in models {
        count += 1;
        needed += predictor.memory(model).map_or(0, |bytes| bytes.get());
    }
    count <= limit && memory.is_none_or(|available| needed <= available)
}

impl<'p> ShareFitter<'p> {
    pub(super) fn new(request: &super::PlanRequest<'p>) -> Self {
        let predictor = request.predictor();
        let kind = predictor.kind();
        // A share of zero units never occurs; a share above a whole GPU does, in plans made elsewhere.
        let percent = |units| SmUnits::new(units).to_percent(kind.units);
        Self {
            predictor,
            options: *request.options(),
            memory: kind.memory.map(|bytes| bytes.get()),
            percents: (1..=kind.units.get()).filter_map(percent).collect(),
            members: Vec::new(),
            out: CoLocationPrediction::default(),
            // The tables do not apply with the predictor's own margin, which depends on the whole co-location.
            presences: match request.options().margin {
                Margin::Percent(_) => predictor.additive().map(Presences::new),
                Margin::Predictor => None,
            },
        }
    }

    /// Returns the number of units of a whole GPU.
    pub(super) fn whole(&self) -> u32 {
        self.predictor.kind().units.get()
    }

    /// Returns the power that the seats would draw without the cap, in W.
    pub(super) fn power_demand_w(&mut self, seats: &[PendingWorkload]) -> f64 {
        self.predict(seats);
        self.out.power_demand_w
    }

    /// Returns the execution time of the first seat on the GPU, in ms, with the effect of the clock removed.
    pub(super) fn full_clock_gpu_ms(&mut self, seats: &[PendingWorkload]) -> f64 {
        let gpu_ms = self.predict(seats)[0].gpu_ms;
        gpu_ms * self.out.clock_mhz / self.predictor.kind().max_clock.get()
    }

    /// Returns the maximum number of processes on one GPU.
    pub(super) fn process_limit(&self) -> usize {
        self.options.process_limit
    }

    /// Grows shares by iGniter's `alloc_gpus` (Algorithm 2) in whole units: while any seats miss their demands, each of
    /// those gets one more unit. Returns whether all meet their demands within `most` units (at most a whole GPU), the
    /// process limit and the GPU's memory. If not, the shares stay at the values that no longer fitted.
    ///
    /// The latency of a member falls with its own share and rises with the shares of the others, so growing from below
    /// ends in the least fixed point: no smaller shares meet the demands at these batch sizes.
    pub(super) fn grow_to(&mut self, seats: &mut [PendingWorkload], most: u32) -> bool {
        let mut used = total(seats).get();
        if used > most || !self.has_room(seats) {
            return false;
        }
        if let Some(presences) = &mut self.presences {
            match presences.grow(seats, most) {
                Grown::Met => return true,
                Grown::TooMuch => return false,
                Grown::Unclear => used = total(seats).get(),
            }
        }
        loop {
            self.predict(seats);
            let mut grown = 0;
            for (seat, predicted) in seats.iter_mut().zip(&self.out.members) {
                if !seat.sized.demand.is_met_by(predicted) {
                    seat.share = seat.share + SmUnits::new(1);
                    grown += 1;
                }
            }
            if grown == 0 {
                return true;
            }
            used += grown;
            if used > most {
                return false;
            }
        }
    }

    /// Returns whether the process limit and the GPU's memory allow these processes on one GPU.
    pub(super) fn has_room(&self, seats: &[PendingWorkload]) -> bool {
        self.has_room_of(seats.iter().map(|seat| seat.sized.demand.model))
    }

    /// Returns the same for processes of these models.
    pub(super) fn has_room_of(&self, models: impl Iterator<Item = ModelId>) -> bool {
        has_room(self.predictor, self.process_limit(), self.memory, models)
    }

    /// Returns whether both allow one more process.
    pub(super) fn has_room_for(
        &self,
        seats: &[PendingWorkload],
        another: &PendingWorkload,
    ) -> bool {
        self.has_room_of(seats.iter().chain([another]).map(|seat| seat.sized.demand.model))
    }

    /// Predicts the seats, in their order, with the predictor's margin where the options ask for it.
    pub(super) fn predict(&mut self, seats: &[PendingWorkload]) -> &[MemberPrediction] {
        self.note_members(seats);
        cautious::predict_into(self.predictor, &self.options, &self.members, &mut self.out);
        &self.out.members
    }

    /// Predicts the seats with their time slots and without any margin, as a plan records it.
    fn promise(
        &mut self,
        seats: &[PendingWorkload],
        slots: &[Option<u32>],
    ) -> Vec<MemberPrediction> {
        self.note_members(seats);
        predict_in_turns(self.predictor, &self.members, slots)
    }

    fn note_members(&mut self, seats: &[PendingWorkload]) {
        self.members.clear();
        let percents = &self.percents;
        self.members.extend(seats.iter().map(|seat| Member {
            model: seat.sized.demand.model,
            batch: seat.sized.batch,
            sm: percents[seat.share.get() as usize - 1],
        }));
    }
}

/// Returns the sum of all shares.
pub(super) fn total(seats: &[PendingWorkload]) -> SmUnits {
    seats.iter().map(|seat| seat.share).sum()
}

/// Converts seats to a plan whose placements carry the predictions for their co-locations.
pub(super) fn into_plan(
    strategy: &str,
    request: &super::PlanRequest<'_>,
    gpus: &[Vec<PendingWorkload>],
    infeasible: Vec<Infeasible>,
) -> Plan {
    let none: Vec<Vec<Option<u32>>> = gpus.iter().map(|seats| vec![None; seats.len()]).collect();
    into_plan_with_turns(strategy, request, gpus, &none, infeasible)
}

/// Works like [`into_plan`], for seats with their time slots.
pub(super) fn into_plan_with_turns(
    strategy: &str,
    request: &super::PlanRequest<'_>,
    gpus: &[Vec<PendingWorkload>],
    slots: &[Vec<Option<u32>>],
    infeasible: Vec<Infeasible>,
) -> Plan {
    let mut fitter = ShareFitter::new(request);
    let mut placed = vec![0_u32; request.workloads().len()];
    for seat in gpus.iter().flatten() {
        placed[seat.workload] += 1;
    }
    let served = |demand: &Demand| {
        RequestsPerSecond::new(demand.rate_rps / request.options().headroom())
            .expect("a part of a rate is a rate")
    };
    let co_locations = gpus.iter().zip(slots).map(|(seats, slots)| {
        let promised = seats.iter().zip(slots).zip(fitter.promise(seats, slots));
        let placements = promised.map(|((seat, time_slot), predicted)| {
            let workload = &request.workloads()[seat.workload];
            Placement {
                workload: workload.name.clone(),
                model: workload.model.clone(),
                batch: seat.sized.batch,
                sm: seat.share,
                served: (placed[seat.workload] > 1).then(|| served(&seat.sized.demand)),
                time_slot: *time_slot,
                predicted: predicted_service(&predicted),
            }
        });
        igniter_model::domain::CoLocation {
            kind: request.predictor().kind().name.clone(),
            placements: placements.collect(),
        }
    });
    Plan { strategy: strategy.to_owned(), gpus: co_locations.collect(), infeasible, bound: None }
}

/// Converts a prediction to the form in which a plan carries it; `None` when extrapolation gave no valid number.
pub(super) fn predicted_service(
    predicted: &igniter_model::predictor::MemberPrediction,
) -> Option<PredictedService> {
    Some(PredictedService {
        latency: Milliseconds::new(predicted.latency_ms()).ok()?,
        throughput: RequestsPerSecond::new(predicted.throughput_rps).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::super::PlanRequest;
    use super::super::search::types::Types;
    use super::super::tests::{v100, workloads};
    use super::*;

    #[test]
    fn tables_grow_shares_as_the_predictor_does() {
        let predictor = v100();
        let workloads = workloads(20, 20.0, 60.0);
        let request = PlanRequest::new(&workloads, &predictor).unwrap();
        let types = Types::of(&request).types;
        let mut by_tables = ShareFitter::new(&request);
        assert!(by_tables.presences.is_some());
        let mut by_predictor = ShareFitter { presences: None, ..ShareFitter::new(&request) };
        let (mut fitted, mut refused) = (0, 0);
        for a in 0..types.len() {
            for b in 0..types.len() {
                for (c, batch) in [(0, 0), (b / 2, 1), (a.max(b), 2)] {
                    let seat = |of: usize| {
                        let options = &types[of].options;
                        let sized = options[batch % options.len()];
                        PendingWorkload { workload: of, sized, share: sized.least }
                    };
                    let mut seats = [seat(a), seat(b), seat(c)];
                    let mut expected = seats;
                    let fits = by_tables.grow_to(&mut seats, by_tables.whole());
                    assert_eq!(fits, by_predictor.grow_to(&mut expected, by_predictor.whole()));
                    if fits {
                        assert_eq!(seats, expected);
                        fitted += 1;
                    } else {
                        refused += 1;
                    }
                }
            }
        }
        assert!(fitted > 50 && refused > 50, "{fitted} fit, {refused} do not");
    }
}
