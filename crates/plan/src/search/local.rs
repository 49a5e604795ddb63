//! Large-neighbourhood search: empties a few GPUs, packs their workloads anew in a random order, and keeps results
//! that are no worse.
//!
//! Worse means a smaller sum of squared free units: at the same number of GPUs, few with much room are
//! better than many with little, because one of them may become empty. Shaw, "Using constraint
//! programming and local search methods to solve vehicle routing problems" (CP 1998), is the source of
//! the scheme.

use super::clock::Limit;
use super::packing::{Bin, Packer};
use super::types::Type;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

/// Maximum number of GPUs that are emptied together.
const MOST_EMPTIED: usize = 5;

/// Searches of at least `LONG` rounds sometimes keep slightly worse results, so that they do not get stuck where no
/// small change helps. Results may be worse by at most `HOTTEST` squared units; this limit falls to 0 within
/// `COOLING` rounds, again and again. (Dueck and Scheuer, "Threshold accepting", J. Comput. Phys. 1990.) The number
/// of GPUs never rises.
const LONG: u64 = 1_000_000;
const HOTTEST: u64 = 6;
const COOLING: u64 = 500_000;

/// A source of random choices.
pub(crate) struct Choices(Xoshiro256PlusPlus);

impl Choices {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// Returns a random number of at most `most`.
    fn up_to(&mut self, most: u64) -> u64 {
        self.0.next_u64() % (most + 1)
    }

    /// Returns a random number below `below`, which must not be zero.
    pub(crate) fn below(&mut self, below: usize) -> usize {
        usize::try_from(self.0.next_u64() % below as u64).expect("it is below a usize")
    }
}

/// Improves a packing within a limit, or until it has `enough` GPUs.
pub(crate) fn improve(
    packer: &mut Packer<'_>,
    types: &[Type],
    bins: &mut Vec<Bin>,
    enough: usize,
    limit: Limit,
    choices: &mut Choices,
) {
    let whole = packer.fitter.whole();
    let worth = |used: u32| u64::from((whole - used) * (whole - used));
    let hottest = if limit.rounds >= LONG { HOTTEST } else { 0 };
    let mut emptied: Vec<usize> = Vec::new();
    let mut items: Vec<(u32, usize)> = Vec::new();
    let mut filled: Vec<Bin> = vec![Bin::default(); MOST_EMPTIED];
    for round in 0..limit.rounds {
        // Reading the clock takes about as long as a round.
        let over = round % 64 == 0 && limit.is_over();
        if bins.len() <= enough || bins.len() < 2 || over {
            return;
        }
        choose(bins, &mut emptied, choices);
        items.clear();
        let mut before = 0;
        for &index in &emptied {
            before += worth(bins[index].used);
            for seat in &bins[index].seats {
                let least = types[seat.workload].least();
                // Sizes are raised by up to a quarter at random, so that the order by size varies.
                let jitter = u32::try_from(choices.below(1 + least as usize * 4)).unwrap_or(0);
                items.push((least * 16 + jitter, seat.workload));
            }
        }
        items.sort_unstable_by(|a, b| b.cmp(a));
        let tight = choices.below(4) > 0;
        if let Some(used) = refill(packer, types, &items, &mut filled[..emptied.len()], tight) {
            let after = filled[..used].iter().map(|bin| worth(bin.used)).sum::<u64>();
            let saved = emptied.len() - used;
            let heat = hottest - hottest * (round % COOLING) / COOLING;
            let slack = if heat > 0 { choices.up_to(heat) } else { 0 };
            if after + worth(0) * saved as u64 + slack >= before {
                for (place, &index) in emptied.iter().enumerate().take(used) {
                    std::mem::swap(&mut bins[index], &mut filled[place]);
                }
                let mut empty = emptied[used..].to_vec();
                empty.sort_unstable();
                for index in empty.into_iter().rev() {
                    bins.swap_remove(index);
                }
            }
        }
    }
}

/// Chooses the GPUs to empty: the first with much room, the others anywhere.
fn choose(bins: &[Bin], emptied: &mut Vec<usize>, choices: &mut Choices) {
    let count = (2 + choices.below(MOST_EMPTIED - 1)).min(bins.len());
    emptied.clear();
    let first = (0..3).map(|_| choices.below(bins.len())).min_by_key(|&i| bins[i].used);
    emptied.extend(first);
    while emptied.len() < count {
        let index = choices.below(bins.len());
        if !emptied.contains(&index) {
            emptied.push(index);
        }
    }
}

/// Packs items into at most the given GPUs, each into the one where it leaves least room (`tight`) or the first that
/// has room; returns the number of GPUs needed.
fn refill(
    packer: &mut Packer<'_>,
    types: &[Type],
    items: &[(u32, usize)],
    bins: &mut [Bin],
    tight: bool,
) -> Option<usize> {
    let mut open = 0;
    for bin in bins.iter_mut() {
        bin.seats.clear();
        bin.used = 0;
    }
    for &(_, of) in items {
        let kind = &types[of];
        // The bin with the most units in use that still has room; full ones come first.
        let mut placed = false;
        if tight {
            bins[..open].sort_by_key(|bin| std::cmp::Reverse(bin.used));
        }
        for bin in &mut bins[..open] {
            if let Some(used) = packer.try_add(bin, of, kind) {
                packer.take(bin, used);
                placed = true;
                break;
            }
        }
        if !placed {
            if open == bins.len() {
                return None;
            }
            let used = packer.try_add(&bins[open], of, kind)?;
            packer.take(&mut bins[open], used);
            open += 1;
        }
    }
    Some(open)
}
