//! Lists every co-location of distinct workloads that one GPU can hold.
//!
//! Feasible co-locations are closed under removing members (see the head of [`super`]), so they are found by adding
//! members in a fixed order to those found before, each with every combination of batch sizes that still works (the
//! *apriori* idea of frequent-set mining, depth first).

use super::super::shares::{PendingWorkload, ShareFitter, total};
use super::types::Type;

/// A co-location that one GPU can hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FeasibleSet {
    /// Types, ascending; repeated for each copy.
    pub types: Vec<u16>,
    /// The least sum of shares over all batch sizes, in units, where it was requested.
    pub total: u32,
}

/// One way to run a co-location: batch sizes with their least shares.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Way {
    /// The members in the order in which they were added.
    pub seats: Vec<PendingWorkload>,
}

impl Way {
    fn used(&self) -> u32 {
        total(&self.seats).get()
    }
}

/// Returns all feasible sets of the types, each type used at most once.
pub(crate) fn feasible_sets(fitter: &mut ShareFitter<'_>, types: &[Type]) -> Vec<FeasibleSet> {
    let mut found = Vec::new();
    visit(fitter, types, &mut Vec::new(), &[Way::default()], &mut found);
    found
}

/// Adds the feasible sets that extend the co-location `path`, which works in the given ways.
fn visit(
    fitter: &mut ShareFitter<'_>,
    types: &[Type],
    path: &mut Vec<u16>,
    ways: &[Way],
    found: &mut Vec<FeasibleSet>,
) {
    let least = types.iter().map(Type::least).min().unwrap_or(0);
    let extensible = fitter.whole().saturating_sub(least);
    let first = path.last().map_or(0, |&last| usize::from(last) + 1);
    for next in first..types.len() {
        let longer = extend(fitter, types, ways, next, extensible);
        let Some(total) = longer.iter().map(Way::used).min() else { continue };
        path.push(u16::try_from(next).expect("few types are enumerated"));
        found.push(FeasibleSet { types: path.clone(), total });
        visit(fitter, types, path, &longer, found);
        path.pop();
    }
}

/// Returns every useful way to add a type to a co-location: once one is known, another must take fewer units than all
/// others, or at most `extensible`, so that something may be added to it.
pub(crate) fn extend(
    fitter: &mut ShareFitter<'_>,
    types: &[Type],
    ways: &[Way],
    next: usize,
    extensible: u32,
) -> Vec<Way> {
    let mut most = fitter.whole();
    let mut fewest = u32::MAX;
    let mut longer = Vec::new();
    let mut trial = Vec::new();
    for way in ways {
        let used = way.used();
        // Copies of one type are interchangeable: their batch sizes ascend.
        let twin = way.seats.last().filter(|seat| seat.workload == next).map(|s| s.sized.batch);
        for sized in &types[next].options {
            if used + sized.least.get() > most {
                break;
            }
            if twin.is_some_and(|batch| sized.batch < batch) {
                continue;
            }
            trial.clone_from(&way.seats);
            trial.push(PendingWorkload { workload: next, sized: *sized, share: sized.least });
            if fitter.grow_to(&mut trial, most) {
                fewest = fewest.min(total(&trial).get());
                most = most.min(extensible.max(fewest - 1));
                longer.push(Way { seats: trial.clone() });
            }
        }
    }
    longer
}

/// Returns the seats of a set with the least sum of shares, over all batch sizes; `None` where it is not feasible.
pub(crate) fn best_seats(
    fitter: &mut ShareFitter<'_>,
    types: &[Type],
    set: &[u16],
) -> Option<Vec<PendingWorkload>> {
    let mut ways = vec![Way::default()];
    for (place, &next) in set.iter().enumerate() {
        let rest: u32 = set[place + 1..].iter().map(|&t| types[usize::from(t)].least()).sum();
        let extensible = fitter.whole().saturating_sub(rest);
        ways = extend(fitter, types, &ways, usize::from(next), extensible);
    }
    ways.into_iter().min_by_key(Way::used).map(|way| way.seats)
}
