//! Lists every co-location of distinct workloads that one GPU can hold.
//!
//! Feasible co-locations are closed under removing members (see the head of [`super`]), so they are found by adding
//! members in a fixed order to those found before, each with every combination of batch sizes that still works (the
//! *apriori* idea of frequent-set mining, depth first).

use super::super::shares::{PendingWorkload, ShareFitter, total};
use super::types::Type;

/// The largest number of ways to run one co-location that a search keeps. Where many light workloads fit a GPU, all
/// combinations of their batch sizes would fill the memory.
pub(crate) const MOST_WAYS: usize = 50_000;

/// An enumeration keeps this many times as many, of one co-location after another.
const MOST_IN_ALL: usize = 40;

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

/// Returns all feasible sets of the types, each type used at most once; `None` where one works in more than
/// `most_ways`, or all in more than forty times as many.
pub(crate) fn feasible_sets(
    fitter: &mut ShareFitter<'_>,
    types: &[Type],
    most_ways: usize,
) -> Option<Vec<FeasibleSet>> {
    let left = most_ways.saturating_mul(MOST_IN_ALL);
    let mut enumeration = Enumeration { fitter, types, most_ways, left, found: Vec::new() };
    enumeration.visit(&mut Vec::new(), &[Way::default()])?;
    Some(enumeration.found)
}

struct Enumeration<'l, 'f> {
    fitter: &'l mut ShareFitter<'f>,
    types: &'l [Type],
    most_ways: usize,
    /// The number of ways that may still be kept.
    left: usize,
    found: Vec<FeasibleSet>,
}

impl Enumeration<'_, '_> {
    /// Adds the feasible sets that extend the co-location `path`, which works in the given ways; `None` where there are
    /// too many.
    fn visit(&mut self, path: &mut Vec<u16>, ways: &[Way]) -> Option<()> {
        let least = self.types.iter().map(Type::least).min().unwrap_or(0);
        let extensible = self.fitter.whole().saturating_sub(least);
        let first = path.last().map_or(0, |&last| usize::from(last) + 1);
        for next in first..self.types.len() {
            let longer = extend(self.fitter, self.types, ways, next, extensible, self.most_ways)?;
            self.left = self.left.checked_sub(longer.len())?;
            let Some(total) = longer.iter().map(Way::used).min() else { continue };
            path.push(u16::try_from(next).expect("few types are enumerated"));
            self.found.push(FeasibleSet { types: path.clone(), total });
            self.visit(path, &longer)?;
            path.pop();
        }
        Some(())
    }
}

/// Returns every useful way to add a type to a co-location: once one is known, another must take fewer units than all
/// others, or at most `extensible`, so that something may be added to it. `None` where there are more than
/// `most_ways`.
pub(crate) fn extend(
    fitter: &mut ShareFitter<'_>,
    types: &[Type],
    ways: &[Way],
    next: usize,
    extensible: u32,
    most_ways: usize,
) -> Option<Vec<Way>> {
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
                if longer.len() == most_ways {
                    return None;
                }
                longer.push(Way { seats: trial.clone() });
            }
        }
    }
    Some(longer)
}

/// Returns the seats of a set with the least sum of shares, over all batch sizes; `None` where it is not feasible, or
/// works in more than `most_ways`, which a set of [`feasible_sets`] with the same limit does not.
pub(crate) fn best_seats(
    fitter: &mut ShareFitter<'_>,
    types: &[Type],
    set: &[u16],
    most_ways: usize,
) -> Option<Vec<PendingWorkload>> {
    let mut ways = vec![Way::default()];
    for (place, &next) in set.iter().enumerate() {
        let rest: u32 = set[place + 1..].iter().map(|&t| types[usize::from(t)].least()).sum();
        // Nothing is added to the last one, so only a better way than those before is of use.
        let extensible = if rest == 0 { 0 } else { fitter.whole().saturating_sub(rest) };
        ways = extend(fitter, types, &ways, usize::from(next), extensible, most_ways)?;
    }
    ways.into_iter().min_by_key(Way::used).map(|way| way.seats)
}
