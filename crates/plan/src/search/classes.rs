//! Many distinct workloads as few classes, each as easy as the easiest of its members: what bounds plans of
//! the classes bounds plans of the workloads.
//!
//! A class holds types of the same model with the same batch sizes. With a given model and batch size, all
//! that a demand can differ in is how long the batch may execute ([`super::super::presences`]). For each of its
//! batch sizes the class takes the member that may execute longest. So wherever a member works, with some
//! batch size and some share, the class works with the same, and its neighbours feel no difference: every
//! feasible co-location of workloads is one of their classes.
//!
//! Where to draw the lines between classes costs nothing but strength. They are drawn where least is lost of the
//! shares that members need on average in a packing.

use super::super::PlanRequest;
use super::super::presences::Presences;
use super::super::sizing::Sized;
use super::packing::Bin;
use super::types::Type;
use igniter_model::predictor::Additive;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// So many places in a packing show what workloads need.
const PLACES: usize = 96;

/// A place in a packing.
#[derive(Debug, Clone, Copy)]
struct Place {
    members: usize,
    /// How much the others disturb whoever is there.
    others: f64,
    clock_ratio: f64,
}

/// The types of one model with the same batch sizes, by rising need.
type Group = Vec<(f64, usize)>;

/// At most so many classes of the types, with what easier members promise; `None` when the batch sizes alone
/// make more.
///
/// `packed` is a packing of some of the types.
pub(crate) fn optimistic(
    request: &PlanRequest<'_>,
    types: &[Type],
    packed: &[Bin],
    most: usize,
) -> Option<Vec<Type>> {
    let additive = request.predictor().additive()?;
    let places = places(additive, packed);
    let needs = needs(additive, types, &places);
    let mut groups: BTreeMap<(usize, Vec<u32>), Group> = BTreeMap::new();
    for (index, (of, need)) in types.iter().zip(needs).enumerate() {
        let mut batches: Vec<u32> = of.options.iter().map(|sized| sized.batch.get()).collect();
        batches.sort_unstable();
        let model = of.options[0].demand.model.index();
        groups.entry((model, batches)).or_default().push((need, index));
    }
    if groups.len() > most {
        return None;
    }
    let mut parts: Vec<Part> = Vec::new();
    for mut group in groups.into_values() {
        group.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        parts.push(Part::of(group, types));
    }
    while parts.len() < most {
        let gains = parts.iter().enumerate().map(|(index, part)| (part.gain, index));
        let Some((gain, index)) = gains.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)))
        else {
            break;
        };
        if gain <= 0.0 {
            break;
        }
        let Part { mut group, at, .. } = parts.swap_remove(index);
        let upper = group.split_off(at);
        parts.push(Part::of(group, types));
        parts.push(Part::of(upper, types));
    }
    let mut presences = Presences::new(additive);
    let mut classes: Vec<Type> =
        parts.iter().map(|part| class(&mut presences, types, &part.group)).collect();
    classes.sort_by_key(|class| (std::cmp::Reverse(class.least()), class.workloads[0]));
    Some(classes)
}

/// A part of a group that may become a class, and where it is best divided.
struct Part {
    group: Group,
    at: usize,
    /// How many units of need the classes of the two halves keep beyond those of the whole.
    gain: f64,
}

impl Part {
    fn of(group: Group, types: &[Type]) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 workloads")]
        let count = |index: usize| types[index].count() as f64;
        let lowest = group[0].0;
        // Dividing at a place raises what all from there on count for to the need of the first of them.
        let mut above = 0.0;
        let (mut gain, mut at) = (0.0, 0);
        for (place, &(need, index)) in group.iter().enumerate().skip(1).rev() {
            above += count(index);
            let kept = above * (need - lowest);
            if kept > gain {
                (gain, at) = (kept, place);
            }
        }
        Self { group, at, gain }
    }
}

/// Some of the places of a packing, evenly over all.
fn places(additive: &dyn Additive, packed: &[Bin]) -> Vec<Place> {
    let mut presences = Presences::new(additive);
    let mut places = Vec::new();
    for bin in packed {
        let mut now = Vec::new();
        for seat in &bin.seats {
            let offer = presences.offer(&seat.sized);
            now.push(presences.at(&offer, seat.share.get()));
        }
        let power_w = presences.idle_w() + now.iter().map(|p| p.power_w).sum::<f64>();
        let disturbance: f64 = now.iter().map(|p| p.disturbance).sum();
        places.extend(now.iter().map(|own| Place {
            members: now.len(),
            others: disturbance - own.disturbance,
            clock_ratio: presences.clock_ratio(power_w),
        }));
    }
    let step = places.len().div_ceil(PLACES).max(1);
    places.into_iter().step_by(step).collect()
}

/// The share that each type needs in these places on average, in units.
fn needs(additive: &dyn Additive, types: &[Type], places: &[Place]) -> Vec<f64> {
    let whole = additive.kind().units.get();
    types
        .par_iter()
        .map_init(
            || Presences::new(additive),
            |presences, of| {
                let offers: Vec<_> =
                    of.options.iter().map(|sized| presences.offer(sized)).collect();
                let need = |place: &Place| {
                    let Place { members, others, clock_ratio } = *place;
                    let least = offers.iter().filter_map(|offer| {
                        presences.least_from(offer, offer.least, members, others, clock_ratio)
                    });
                    f64::from(least.min().unwrap_or(whole + 1))
                };
                let sum: f64 = places.iter().map(need).sum();
                #[expect(clippy::cast_precision_loss, reason = "a few places")]
                let mean = sum / places.len().max(1) as f64;
                mean
            },
        )
        .collect()
}

/// The class of some types of one model with the same batch sizes.
fn class(presences: &mut Presences<'_>, types: &[Type], members: &Group) -> Type {
    let mut easiest: BTreeMap<u32, (f64, Sized)> = BTreeMap::new();
    let mut workloads = Vec::new();
    for &(_, index) in members {
        workloads.extend_from_slice(&types[index].workloads);
        for sized in &types[index].options {
            let limit = presences.offer(sized).limit_ms();
            let place = easiest.entry(sized.batch.get()).or_insert((limit, *sized));
            place.1.least = place.1.least.min(sized.least);
            if limit > place.0 {
                let least = place.1.least;
                *place = (limit, Sized { least, ..*sized });
            }
        }
    }
    workloads.sort_unstable();
    let mut options: Vec<Sized> = easiest.into_values().map(|(_, sized)| sized).collect();
    options.sort_by_key(|sized| (sized.least, std::cmp::Reverse(sized.batch)));
    Type { options, workloads }
}

#[cfg(test)]
mod tests {
    use super::super::super::bound::{round_up, solve};
    use super::super::super::shares::ShareFitter;
    use super::super::super::tests::{v100, workloads};
    use super::super::clock::Clock;
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
            ways = extend(fitter, types, &ways, next, fitter.whole());
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
            let least = exact::solve(&request, &split).gpus.len();
            let all = feasible_sets(&mut ShareFitter::new(&request), &split);
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
                let clock = Clock::start(None);
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
