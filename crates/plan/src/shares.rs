//! The least SM shares with which a set of workloads meets its demands on one GPU.

use super::presences::{Grown, Presences};
use super::sizing::{Demand, Sized};
use super::{Margin, PlanOptions, cautious};
use igniter_model::domain::{Infeasible, ModelId, Placement, Plan, PredictedService};
use igniter_model::predictor::{
    CoLocationPrediction, Member, MemberPrediction, Predictor, predict_in_turns,
};
use igniter_model::units::{Milliseconds, RequestsPerSecond, SmPercent, SmUnits};

/// A workload on its way into a plan: the index of the workload, its size, and its share so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PendingWorkload {
    pub workload: usize,
    pub sized: Sized,
    pub share: SmUnits,
}

/// Grows shares to the least fixed point; keeps its buffers between calls.
pub(super) struct ShareFitter<'p> {
    predictor: &'p dyn Predictor,
    options: PlanOptions,
    memory: Option<u64>,
    /// The percentage of each number of units.
    percents: Vec<SmPercent>,
    members: Vec<Member>,
    out: CoLocationPrediction,
    /// For predictors that can be taken apart.
    presences: Option<Presences<'p>>,
}

/// Whether a limit of processes and the memory of a GPU, in bytes and where it is known, allow processes of these models
/// together.
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
        // A share of no units never comes up; more than a whole GPU does in plans of others.
        let percent = |units| SmUnits::new(units).to_percent(kind.units);
        Self {
            predictor,
            options: *request.options(),
            memory: kind.memory.map(|bytes| bytes.get()),
            percents: (1..=kind.units.get()).filter_map(percent).collect(),
            members: Vec::new(),
            out: CoLocationPrediction::default(),
            // The predictor's own margin depends on the whole co-location.
            presences: match request.options().margin {
                Margin::Percent(_) => predictor.additive().map(Presences::new),
                Margin::Predictor => None,
            },
        }
    }

    /// The number of units of a whole GPU.
    pub(super) fn whole(&self) -> u32 {
        self.predictor.kind().units.get()
    }

    /// The power that the seats would draw without the cap, in W.
    pub(super) fn power_demand_w(&mut self, seats: &[PendingWorkload]) -> f64 {
        self.predict(seats);
        self.out.power_demand_w
    }

    /// How long the first of the seats executes on the GPU, in ms, with the clock's effect taken out.
    pub(super) fn full_clock_gpu_ms(&mut self, seats: &[PendingWorkload]) -> f64 {
        let gpu_ms = self.predict(seats)[0].gpu_ms;
        gpu_ms * self.out.clock_mhz / self.predictor.kind().max_clock.get()
    }

    /// How many processes one GPU serves at most.
    pub(super) fn process_limit(&self) -> usize {
        self.options.process_limit
    }

    /// iGniter's `alloc_gpus` (Algorithm 2) in whole units: as long as somebody misses its demand, each
    /// of those gets one unit more. Returns whether all meet their demands within `most` units (at most
    /// a whole GPU), the process limit and the GPU's memory; if not, the shares are left where they no
    /// longer fitted.
    ///
    /// Latency falls in one's own share and rises in the others', so growing from below ends in the
    /// least fixed point: no smaller shares exist for these batch sizes.
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

    /// Whether the process limit and the GPU's memory allow these processes on one GPU.
    pub(super) fn has_room(&self, seats: &[PendingWorkload]) -> bool {
        self.has_room_of(seats.iter().map(|seat| seat.sized.demand.model))
    }

    /// The same of processes of these models.
    pub(super) fn has_room_of(&self, models: impl Iterator<Item = ModelId>) -> bool {
        has_room(self.predictor, self.process_limit(), self.memory, models)
    }

    /// Whether they allow one more.
    pub(super) fn has_room_for(
        &self,
        seats: &[PendingWorkload],
        another: &PendingWorkload,
    ) -> bool {
        self.has_room_of(seats.iter().chain([another]).map(|seat| seat.sized.demand.model))
    }

    /// What the predictor says of the seats, in their order, with its margin where that is asked for.
    pub(super) fn predict(&mut self, seats: &[PendingWorkload]) -> &[MemberPrediction] {
        self.note_members(seats);
        cautious::predict_into(self.predictor, &self.options, &self.members, &mut self.out);
        &self.out.members
    }

    /// What the predictor says of the seats, with their time slots, without any margin: what a plan promises.
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

/// The sum of all shares.
pub(super) fn total(seats: &[PendingWorkload]) -> SmUnits {
    seats.iter().map(|seat| seat.share).sum()
}

/// Turns seats into a plan whose placements carry what the predictor says of them where they sit.
pub(super) fn into_plan(
    strategy: &str,
    request: &super::PlanRequest<'_>,
    gpus: &[Vec<PendingWorkload>],
    infeasible: Vec<Infeasible>,
) -> Plan {
    let none: Vec<Vec<Option<u32>>> = gpus.iter().map(|seats| vec![None; seats.len()]).collect();
    into_plan_with_turns(strategy, request, gpus, &none, infeasible)
}

/// The same, of seats with their time slots.
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

/// A prediction as a plan carries it; `None` when extrapolation made it no number.
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
