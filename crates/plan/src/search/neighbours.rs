//! The least share that a workload can have among n members of one GPU, whatever the others are.
//!
//! A neighbour affects a workload through two quantities that add up over neighbours: the power that it draws, and
//! how much it slows the workload at full clock. This holds in iGniter's model (power, and L2 use); with a predictor
//! for which it does not hold, weights are what each workload needs alone. A neighbour that has less of both than
//! another disturbs less, so only those that no other undercuts in both (the Pareto front) have to be tried, in every
//! combination, each at the least share that it has alone.

use super::super::PlanRequest;
use super::super::shares::{PendingWorkload, ShareFitter};
use super::types::Type;
use igniter_model::units::SmUnits;
use rayon::prelude::*;

/// Returns the maximum number of neighbours that are tried in combination; with more, a workload needs no less.
fn most_neighbours(types: usize) -> usize {
    match types {
        0..=200 => 4,
        201..=5_000 => 3,
        _ => 2,
    }
}

/// Returns the least shares of each type alone, beside one other, beside two, … in units, as long as it fits.
pub(crate) fn weights(request: &PlanRequest<'_>, types: &[Type]) -> Vec<Vec<u32>> {
    let fronts = fronts(request, types);
    let lightest = types.iter().map(Type::least).min().unwrap_or(1);
    let adds_up = request.predictor().additive().is_some();
    let most = if adds_up { most_neighbours(types.len()) } else { 0 };
    let groups: Vec<Vec<Vec<Vec<PendingWorkload>>>> = fronts
        .iter()
        .map(|front| (0..=most).map(|neighbours| combinations(front, neighbours)).collect())
        .collect();
    (0..types.len())
        .into_par_iter()
        .map_init(
            || ShareFitter::new(request),
            |fitter, t| {
                let model = types[t].options[0].demand.model.index();
                shares_among(fitter, &types[t], &groups[model], lightest)
            },
        )
        .collect()
}

/// Returns, for each model, the neighbours that no other undercuts both in power and in disturbance of the model;
/// empty for models that no type has.
fn fronts(request: &PlanRequest<'_>, types: &[Type]) -> Vec<Vec<PendingWorkload>> {
    let mut fitter = ShareFitter::new(request);
    let mut seats = Vec::new();
    for (workload, t) in types.iter().enumerate() {
        seats.extend(t.options.iter().map(|sized| PendingWorkload {
            workload,
            sized: *sized,
            share: sized.least,
        }));
    }
    let powers: Vec<f64> = seats.iter().map(|seat| fitter.power_demand_w(&[*seat])).collect();
    let front = |model: usize| {
        let own = seats.iter().find(|seat| seat.sized.demand.model.index() == model).copied();
        let Some(own) = own else { return Vec::new() };
        let mut candidates: Vec<(f64, f64, PendingWorkload)> = seats
            .iter()
            .zip(&powers)
            .map(|(seat, power)| (*power, fitter.full_clock_gpu_ms(&[own, *seat]), *seat))
            .collect();
        candidates.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let mut mildest = f64::INFINITY;
        candidates.retain(|(_, disturbance, _)| {
            let better = *disturbance < mildest;
            mildest = mildest.min(*disturbance);
            better
        });
        candidates.into_iter().map(|(_, _, seat)| seat).collect()
    };
    (0..request.predictor().models().len()).map(front).collect()
}

/// Returns all multisets of `size` seats.
fn combinations(front: &[PendingWorkload], size: usize) -> Vec<Vec<PendingWorkload>> {
    let mut all: Vec<(usize, Vec<PendingWorkload>)> = vec![(0, Vec::new())];
    for _ in 0..size {
        let longer = all.iter().flat_map(|(first, chosen)| {
            front.iter().enumerate().skip(*first).map(move |(index, seat)| {
                let mut chosen = chosen.clone();
                chosen.push(*seat);
                (index, chosen)
            })
        });
        all = longer.collect();
    }
    all.into_iter().map(|(_, chosen)| chosen).collect()
}

/// Returns the least share of a type alone, beside one, beside two others, … as long as it fits.
fn shares_among(
    fitter: &mut ShareFitter<'_>,
    of: &Type,
    groups: &[Vec<Vec<PendingWorkload>>],
    lightest: u32,
) -> Vec<u32> {
    let whole = fitter.whole();
    let mut shares: Vec<u32> = Vec::new();
    let mut seats = Vec::new();
    for n in 0..fitter.process_limit() {
        let mut share = shares.last().copied().unwrap_or(of.least());
        if let Some(groups) = groups.get(n) {
            let mut works = |share: u32, neighbours: &[PendingWorkload]| {
                of.options.iter().any(|sized| {
                    seats.clear();
                    seats.push(PendingWorkload {
                        workload: 0,
                        sized: *sized,
                        share: SmUnits::new(share),
                    });
                    seats.extend_from_slice(neighbours);
                    sized.least.get() <= share && sized.demand.is_met_by(&fitter.predict(&seats)[0])
                })
            };
            while share <= whole && !groups.iter().any(|neighbours| works(share, neighbours)) {
                share += 1;
            }
        }
        if share + u32::try_from(n).unwrap_or(whole) * lightest > whole {
            break;
        }
        shares.push(share);
    }
    shares
}

#[cfg(test)]
mod tests {
    use super::super::super::search::greedy::pack;
    use super::super::super::search::packing::Packer;
    use super::super::super::tests::{v100, workloads};
    use super::super::types::Types;
    use super::*;

    #[test]
    fn nobody_in_a_packing_has_less_than_its_weight() {
        let predictor = v100();
        let workloads = workloads(120, 25.0, 20.0);
        let request = PlanRequest::new(&workloads, &predictor).unwrap();
        let types = Types::of(&request).narrowed();
        let weights = weights(&request, &types.types);
        let mut packer = Packer::new(ShareFitter::new(&request));
        let bins = pack(&mut packer, &types.types, 0..types.types.len());
        let most = bins.iter().map(|bin| bin.seats.len()).max().unwrap();
        assert!(most >= 4, "only {most} on a GPU");
        for bin in &bins {
            for seat in &bin.seats {
                let weight = weights[seat.workload][bin.seats.len() - 1];
                assert!(weight <= seat.share.get(), "{weight} is more than {seat:?}");
            }
        }
    }
}
