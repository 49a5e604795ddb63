//! Few classes in place of many distinct workloads, each class as easy as the easiest of its members: a bound on
//! plans of the classes is a bound on plans of the workloads.
//!
//! A class holds types of one model. With a given model and batch size, demands can differ only in how long the batch
//! may execute ([`super::super::presences`]). The class has every batch size that any of its members has, each with
//! the time of the member that may execute longest. So wherever a member meets its demand with some batch size and
//! some share, the class does so with the same ones, and its neighbours are affected in the same way: every feasible
//! co-location of workloads is a feasible one of their classes.
//!
//! How types are divided into classes affects only the strength of the bound. As long as more classes are allowed,
//! the class that loses most is divided: by its members' SLOs, their rates or their needs, at the point that keeps
//! most of the shares that members need on average in a packing.

use super::super::PlanRequest;
use super::super::presences::{Offer, Presences};
use super::super::sizing::Sized;
use super::dominance::undominated;
use super::packing::Bin;
use super::types::{Type, additive};
use igniter_model::predictor::Additive;
use std::collections::BTreeMap;

/// Number of places in a packing at which the needs of workloads are evaluated.
const PLACES: usize = 24;

/// Number of points of each order at which a class may be divided.
const CUTS: usize = 12;

/// A place in a packing.
#[derive(Debug, Clone, Copy)]
struct PackingPlace {
    members: usize,
    /// Disturbance by the other members.
    others: f64,
    clock_ratio: f64,
}

/// Batch sizes of one model, ascending, each with the demand of the easiest member.
type Sizes = Vec<(Sized, Offer)>;

/// Returns at most `most` classes of the types, each as easy as its easiest member; `None` when there are more models
/// than that, or the predictor does not allow it.
///
/// `packed` is a packing of some of the types.
pub(crate) fn optimistic(
    request: &PlanRequest<'_>,
    types: &[Type],
    packed: &[Bin],
    most: usize,
) -> Option<Vec<Type>> {
    let mut maker = Maker::new(additive(request)?, types, packed);
    let mut by_model: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, of) in types.iter().enumerate() {
        by_model.entry(of.options[0].demand.model.index()).or_default().push(index);
    }
    if by_model.len() > most {
        return None;
    }
    let mut parts: Vec<ClassCandidate> =
        by_model.into_values().map(|members| maker.part(members)).collect();
    while parts.len() < most {
        let gains = parts.iter().enumerate().map(|(index, part)| (part.gain, index));
        let Some((gain, index)) = gains.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))
        else {
            break;
        };
        if gain <= 0.0 {
            break;
        }
        let ClassCandidate { mut members, at, .. } = parts.swap_remove(index);
        let upper = members.split_off(at);
        parts.push(maker.part(members));
        parts.push(maker.part(upper));
    }
    let limit = request.options().process_limit;
    let mut classes: Vec<Type> =
        parts.iter().map(|part| maker.class(&part.members, limit)).collect();
    classes.sort_by_key(|class| (std::cmp::Reverse(class.least()), class.workloads[0]));
    Some(classes)
}

/// Types that may become a class, in the order in which they are best divided.
struct ClassCandidate {
    members: Vec<usize>,
    at: usize,
    /// Units of need that the two halves keep beyond those of the whole.
    gain: f64,
}

/// Makes classes of types.
struct Maker<'t, 'p> {
    types: &'t [Type],
    presences: Presences<'p>,
    places: Vec<PackingPlace>,
    sizes: Vec<Sizes>,
    needs: Vec<f64>,
}

impl<'t, 'p> Maker<'t, 'p> {
    fn new(additive: &'p dyn Additive, types: &'t [Type], packed: &[Bin]) -> Self {
        let mut presences = Presences::new(additive);
        let places = places(&mut presences, packed);
        let sizes = types
            .iter()
            .map(|of| {
                let mut sizes: Sizes =
                    of.options.iter().map(|s| (*s, presences.offer(s))).collect();
                sizes.sort_by_key(|(sized, _)| sized.batch);
                sizes
            })
            .collect();
        let mut maker = Self { types, presences, places, sizes, needs: Vec::new() };
        maker.needs = maker.sizes.iter().map(|sizes| maker.need(sizes)).collect();
        maker
    }

    #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 workloads")]
    fn count(&self, members: &[usize]) -> f64 {
        members.iter().map(|&index| self.types[index].count()).sum::<usize>() as f64
    }

    /// Returns the share that a demand with these batch sizes needs on average over the places, in units.
    fn need(&self, sizes: &Sizes) -> f64 {
        let whole = self.presences.whole();
        let need = |place: &PackingPlace| {
            let PackingPlace { members, others, clock_ratio } = *place;
            let least = sizes.iter().filter_map(|(_, offer)| {
                self.presences.least_from(offer, offer.least, members, others, clock_ratio)
            });
            f64::from(least.min().unwrap_or(whole + 1))
        };
        let sum: f64 = self.places.iter().map(need).sum();
        #[expect(clippy::cast_precision_loss, reason = "a few places")]
        let mean = sum / self.places.len().max(1) as f64;
        mean
    }

    /// Makes `into` as easy as the easiest of itself and some members.
    fn ease(&self, into: &mut Sizes, members: &[usize]) {
        for &index in members {
            for (sized, offer) in &self.sizes[index] {
                match into.binary_search_by_key(&sized.batch, |(known, _)| known.batch) {
                    Err(place) => into.insert(place, (*sized, *offer)),
                    Ok(place) => {
                        let known = &mut into[place];
                        let least = known.0.least.min(sized.least);
                        if offer.limit_ms > known.1.limit_ms {
                            *known = (*sized, *offer);
                        }
                        known.0.least = least;
                        known.1.least = least.get();
                    }
                }
            }
        }
    }

    /// Finds where some types are best divided.
    fn part(&self, mut members: Vec<usize>) -> ClassCandidate {
        let mut all = Sizes::new();
        self.ease(&mut all, &members);
        let whole = self.need(&all) * self.count(&members);
        let mut best: Option<(f64, usize, Vec<usize>)> = None;
        let budget = |index: usize| self.types[index].options[0].demand.budget_ms;
        let rate = |index: usize| self.types[index].options[0].demand.rate_rps;
        let need = |index: usize| self.needs[index];
        let orders: [&dyn Fn(usize) -> f64; 3] = [&budget, &rate, &need];
        for key in orders {
            members.sort_by(|&a, &b| key(a).total_cmp(&key(b)).then(a.cmp(&b)));
            let step = members.len().div_ceil(CUTS + 1).max(1);
            let cuts: Vec<usize> = (step..members.len()).step_by(step).collect();
            let mut below = Vec::with_capacity(cuts.len());
            let mut sizes = Sizes::new();
            let mut from = 0;
            for &cut in &cuts {
                self.ease(&mut sizes, &members[from..cut]);
                from = cut;
                below.push(self.need(&sizes) * self.count(&members[..cut]));
            }
            sizes.clear();
            let mut to = members.len();
            for (&cut, below) in cuts.iter().zip(below).rev() {
                self.ease(&mut sizes, &members[cut..to]);
                to = cut;
                let gain = below + self.need(&sizes) * self.count(&members[cut..]) - whole;
                if best.as_ref().is_none_or(|(known, _, _)| gain > *known) {
                    best = Some((gain, cut, members.clone()));
                }
            }
        }
        match best {
            Some((gain, at, members)) => ClassCandidate { members, at, gain },
            None => ClassCandidate { members, at: 0, gain: 0.0 },
        }
    }

    /// Makes the class of some types.
    fn class(&mut self, members: &[usize], limit: usize) -> Type {
        let mut sizes = Sizes::new();
        self.ease(&mut sizes, members);
        let sizes: Vec<Sized> = sizes.into_iter().map(|(sized, _)| sized).collect();
        let mut options = undominated(&mut self.presences, &sizes, limit);
        options.sort_by_key(|sized| (sized.least, std::cmp::Reverse(sized.batch)));
        let mut workloads: Vec<usize> =
            members.iter().flat_map(|&index| self.types[index].workloads.clone()).collect();
        workloads.sort_unstable();
        Type { options, workloads }
    }
}

/// Returns some of the places of a packing, evenly spread over all.
fn places(presences: &mut Presences<'_>, packed: &[Bin]) -> Vec<PackingPlace> {
    let mut places = Vec::new();
    for bin in packed {
        let mut now = Vec::new();
        for seat in &bin.seats {
            let offer = presences.offer(&seat.sized);
            now.push(presences.at(&offer, seat.share.get()));
        }
        let power_w = presences.idle_w() + now.iter().map(|p| p.power_w).sum::<f64>();
        let disturbance: f64 = now.iter().map(|p| p.disturbance).sum();
        places.extend(now.iter().map(|own| PackingPlace {
            members: now.len(),
            others: disturbance - own.disturbance,
            clock_ratio: presences.clock_ratio(power_w),
        }));
    }
    let step = places.len().div_ceil(PLACES).max(1);
    places.into_iter().step_by(step).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::bound::{round_up, solve};
    use super::super::super::shares::ShareFitter;
    use super::super::super::tests::{v100, workloads};
    use super::super::clock::SearchClock;
    use super::super::configuration_lp::Proof;
    use super::super::enumerate::{Way, extend, feasible_sets};
    use super::super::greedy::pack;
    use super::super::packing::Packer;
    use super::super::types::Types;
    use super::*;
    use crate::strategies::exact;

    /// The class of each type.
    fn class_of(types: &[Type], classes: &[Type]) -> Vec<usize> {
        let of = |t: &Type| {
            classes.iter().position(|class| class.workloads.contains(&t.workloads[0])).unwrap()
        };
        types.iter().map(of).collect()
    }

    fn works(fitter: &mut ShareFitter<'_>, types: &[Type], set: &[usize]) -> bool {
        let mut ways = vec![Way::default()];
        for &next in set {
            ways = extend(fitter, types, &ways, next, fitter.whole(), usize::MAX).unwrap();
        }
        !ways.is_empty()
    }

    #[test]
    fn what_workloads_can_do_their_classes_can_and_no_plan_beats_their_bound() {
        let predictor = v100();
        let (mut co_locations, mut merged, mut bounds) = (0, 0, 0);
        for seed in 0_u32..8 {
            let slo_ms = 14.0 + f64::from(seed * 5 % 13);
            let workloads = workloads(13, slo_ms, 60.0 + f64::from(seed * 31 % 90));
            let request = PlanRequest::new(&workloads, &predictor).unwrap();
            let split = Types::of(&request).narrowed().split();
            let mut packer = Packer::new(ShareFitter::new(&request));
            let packed = pack(&mut packer, &split, 0..split.len());
            let least = exact::solve(&request, &split, usize::MAX).unwrap().gpus.len();
            let all = feasible_sets(&mut ShareFitter::new(&request), &split, usize::MAX).unwrap();
            for most in [9, 11, 13] {
                let Some(classes) = optimistic(&request, &split, &packed, most) else { continue };
                assert!(classes.len() <= most);
                let class_of = class_of(&split, &classes);
                merged += usize::from(classes.len() < split.len());
                let mut fitter = ShareFitter::new(&request);
                for set in &all {
                    let mut of: Vec<usize> =
                        set.types.iter().map(|t| class_of[usize::from(*t)]).collect();
                    of.sort_unstable();
                    assert!(works(&mut fitter, &classes, &of), "{set:?} as {of:?}");
                    co_locations += 1;
                }
                let start = pack(
                    &mut Packer::new(ShareFitter::new(&request)),
                    &classes,
                    class_of.iter().copied(),
                );
                let clock = SearchClock::start(None);
                let lp =
                    solve(&request, &classes, &start, usize::MAX, Proof::Wanted, &clock).unwrap();
                assert!(round_up(lp.bound) <= least, "{} of {least}", lp.bound);
                assert!(lp.bound > 1.0, "{}", lp.bound);
                bounds += 1;
            }
        }
        assert!(
            co_locations > 1_000 && merged > 3 && bounds > 8,
            "{co_locations} {merged} {bounds}"
        );
    }
}
