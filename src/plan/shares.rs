//! The least SM shares with which a set of workloads meets its demands on one GPU.

use super::sizing::Sized;
use crate::domain::{GpuKind, Placement, Plan, PredictedService};
use crate::predictor::{CoLocationPrediction, Member, Predictor};
use crate::units::{Milliseconds, RequestsPerSecond, SmUnits};

/// A workload on its way into a plan: the index of the workload, its size, and its share so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seat {
    pub workload: usize,
    pub sized: Sized,
    pub share: SmUnits,
}

/// Grows shares to the least fixed point; keeps its buffers between calls.
pub(super) struct ShareFitter<'p> {
    predictor: &'p dyn Predictor,
    members: Vec<Member>,
    out: CoLocationPrediction,
}

impl<'p> ShareFitter<'p> {
    pub(super) fn new(predictor: &'p dyn Predictor) -> Self {
        Self { predictor, members: Vec::new(), out: CoLocationPrediction::default() }
    }

    /// iGniter's `alloc_gpus` (Algorithm 2) in whole units: as long as somebody misses its demand, each
    /// of those gets one unit more. Returns whether all meet their demands within one GPU; if not, the
    /// shares are left where the GPU was full.
    ///
    /// Latency falls in one's own share and rises in the others', so growing from below ends in the
    /// least fixed point: no smaller shares exist for these batch sizes.
    pub(super) fn grow(&mut self, seats: &mut [Seat]) -> bool {
        let whole = self.predictor.kind().units;
        loop {
            if total(seats) > whole {
                return false;
            }
            self.predict(seats);
            let mut grown = false;
            for (seat, predicted) in seats.iter_mut().zip(&self.out.members) {
                if !seat.sized.demand.is_met_by(predicted) {
                    seat.share = seat.share + SmUnits::new(1);
                    grown = true;
                }
            }
            if !grown {
                return true;
            }
        }
    }

    fn predict(&mut self, seats: &[Seat]) {
        let kind = self.predictor.kind();
        self.members.clear();
        self.members.extend(seats.iter().map(|seat| member(seat, kind)));
        self.predictor.predict_into(&self.members, &mut self.out);
    }
}

fn member(seat: &Seat, kind: &GpuKind) -> Member {
    Member {
        model: seat.sized.demand.model,
        batch: seat.sized.batch,
        sm: seat.share.to_percent(kind.units).expect("a seat has at least one unit"),
    }
}

/// The sum of all shares.
pub(super) fn total(seats: &[Seat]) -> SmUnits {
    seats.iter().map(|seat| seat.share).sum()
}

/// Turns seats into a plan whose placements carry what the predictor says of them where they sit.
pub(super) fn into_plan(
    strategy: &str,
    request: &super::PlanRequest<'_>,
    gpus: &[Vec<Seat>],
    infeasible: Vec<crate::domain::Infeasible>,
) -> Plan {
    let mut fitter = ShareFitter::new(request.predictor());
    let co_locations = gpus.iter().map(|seats| {
        fitter.predict(seats);
        let placements = seats.iter().zip(&fitter.out.members).map(|(seat, predicted)| {
            let workload = &request.workloads()[seat.workload];
            Placement {
                workload: workload.name.clone(),
                model: workload.model.clone(),
                batch: seat.sized.batch,
                sm: seat.share,
                predicted: predicted_service(predicted),
            }
        });
        crate::domain::CoLocation {
            kind: request.predictor().kind().name.clone(),
            placements: placements.collect(),
        }
    });
    Plan { strategy: strategy.to_owned(), gpus: co_locations.collect(), infeasible }
}

/// A prediction as a plan carries it; `None` when extrapolation made it no number.
pub(super) fn predicted_service(
    predicted: &crate::predictor::MemberPrediction,
) -> Option<PredictedService> {
    Some(PredictedService {
        latency: Milliseconds::new(predicted.latency_ms()).ok()?,
        throughput: RequestsPerSecond::new(predicted.throughput_rps).ok()?,
    })
}
