//! The linear program over all feasible co-locations ("configurations"), solved by generating its columns.
//!
//! ```text
//! primal:  least Σ_s x_s      with  Σ_s a_st x_s ≥ n_t  for each type t,  x ≥ 0      (x_s GPUs hold set s)
//! dual:    most  Σ_t n_t π_t  with  Σ_t a_st π_t ≤ 1    for each set s,   0 ≤ π ≤ 1
//! ```
//! Gilmore and Gomory, "A linear programming approach to the cutting-stock problem" (Operations Research 1961), with
//! co-locations in the place of cutting patterns. The dual is solved over a few sets; sets whose constraints it
//! violates (`super::pricing`) are added until a quick search finds few. Then its prices are lowered until no set
//! costs too much ([`Pricing::lower`]). Whatever the solver's accuracy, any π ≥ 0 proves
//!
//! ```text
//! GPUs ≥ Σ_t n_t π_t / max(1, max_s Σ_t a_st π_t)
//! ```
//! (Farley, Operations Research 1990), which is the bound that is reported.

use super::super::bound::round_up;
use super::clock::SearchClock;
use super::enumerate::FeasibleSet;
use super::master::Master;
use super::pricing::{LEAST_PRICE, Priced, Pricing};
use std::collections::BTreeSet;

/// Maximum number of rounds of row generation; then the best bound so far is used.
const MOST_ROUNDS: usize = 400;

/// Maximum number of feasible co-locations that are listed to prove a bound.
const MOST_SETS: usize = 1_500_000;

/// A quick search looks for sets whose price exceeds 1 by this much.
const QUICK_TOLERANCE: f64 = 1e-2;

/// Number of sets under smoothed prices that is enough for a round.
const ENOUGH_SETS: usize = 10;

/// A set that costs less than 1 by this much is forgotten; it is found again if it matters.
const FORGOTTEN: f64 = 0.1;

/// Number of extensions of co-locations that exhaustive searches may try in total to prove a whole number of GPUs.
const MOST_STEPS: u64 = 20_000_000;

/// The same for a sharper bound that rounds up to the same number.
const MOST_SHARPENING_STEPS: u64 = 2_000_000;

/// Amount by which a price may exceed 1 in the sharpest bound.
const PRICE_TOLERANCE: f64 = 1e-7;

/// Whether the linear program is solved to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Its bound matters.
    Wanted,
    /// Only its co-locations matter.
    Waived,
}

/// The result of the linear program.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LpResult {
    /// The proven lower bound before it is rounded up.
    pub bound: f64,
    /// The sets with the number of GPUs that hold each, where it is above zero.
    pub chosen: Vec<(FeasibleSet, f64)>,
}

/// Solves the linear program over all feasible co-locations, starting from some of them; `None` when the
/// solver fails numerically. With `upper`, the number of GPUs of a
/// known plan, it stops as soon as the bound proves that plan, and always when the time is up.
pub(crate) fn solve(
    pricing: &Pricing<'_, '_, '_>,
    sets: Vec<FeasibleSet>,
    demand: &[usize],
    upper: usize,
    proof: Proof,
    clock: &SearchClock,
) -> Option<LpResult> {
    #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 workloads")]
    let counts: Vec<f64> = demand.iter().map(|n| *n as f64).collect();
    let mut master = Master::new(&counts, sets);
    let mut bound = 0.0_f64;
    let mut all: Option<Vec<FeasibleSet>> = None;
    let mut is_quick = true;
    let mut centre = pricing.least_prices();
    let mut steps = 0;
    for _ in 0..MOST_ROUNDS {
        if clock.is_over() {
            break;
        }
        master.solve()?;
        // Types with negligible prices are left out of searches, and must not count.
        let price = |price: &f64| Some(*price).filter(|p| *p > LEAST_PRICE).unwrap_or(0.0);
        let prices: Vec<f64> = master.prices.iter().map(price).collect();
        let worth = |prices: &[f64]| -> f64 {
            let counted = counts.iter().zip(prices).filter(|(_, price)| **price > LEAST_PRICE);
            counted.map(|(n, price)| n * price).sum()
        };
        let value = worth(&prices);
        let mut new: Vec<FeasibleSet> = Vec::new();
        // As long as a quick search finds enough, it is sufficient. Prices halfway to those of earlier rounds
        // oscillate less, and sets that cost too much under them matter more (Neame 1999).
        let halfway = |(p, c): (&f64, &f64)| f64::midpoint(*p, *c);
        if is_quick && all.is_none() {
            centre = prices.iter().zip(&centre).map(halfway).collect();
            let enough = 1.0 + QUICK_TOLERANCE;
            new = pricing.price(&centre, enough, &mut steps).sets;
            if new.len() < ENOUGH_SETS {
                new.extend(pricing.price(&prices, enough, &mut steps).sets);
            }
            forget_known(&mut new, &master.sets);
            is_quick = new.len() >= ENOUGH_SETS;
        }
        if new.len() < ENOUGH_SETS {
            // No bound exceeds the GPUs of the known plan, or the program's value, rounded up.
            let most = upper.min(round_up(value));
            let proven = round_up(bound);
            let is_proven = proven >= most;
            if is_proven && (most == upper || steps >= MOST_SHARPENING_STEPS) {
                break;
            }
            #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 GPUs")]
            let goal = if is_proven { value } else { most.saturating_sub(1).max(most / 2) as f64 };
            // Halfway prices are the stronger ones until the end.
            centre = prices.iter().zip(&centre).map(halfway).collect();
            if is_proven || worth(&centre) <= goal {
                centre.clone_from(&prices);
            }
            // Half of the slack of the bound is spent on sets that cost slightly more than 1.
            let enough = f64::midpoint(1.0, worth(&centre) / goal).max(1.0 + PRICE_TOLERANCE);
            let mut lowered = centre.clone();
            let budget = if is_proven { MOST_SHARPENING_STEPS } else { MOST_STEPS };
            let budget = budget.saturating_sub(steps);
            let (highest, found) = match &all {
                Some(all) => {
                    let Priced { highest, sets } = dearest(all, &centre, enough);
                    (highest, sets)
                }
                None if proof == Proof::Waived => break,
                None => match pricing.lower(&mut lowered, enough, budget, &mut steps) {
                    Some((finished, found)) => (finished.then_some(enough), found),
                    None => {
                        all = Some(pricing.list(MOST_SETS)?);
                        continue;
                    }
                },
            };
            if let Some(highest) = highest {
                bound = bound.max(worth(&lowered) / highest);
                if is_proven {
                    break;
                }
            }
            new.extend(found);
            forget_known(&mut new, &master.sets);
            if new.is_empty() && highest.is_none() {
                break;
            }
        }
        master.replace(1.0 - FORGOTTEN, new);
    }
    master.solve()?;
    Some(LpResult { bound, chosen: master.chosen() })
}

/// Keeps only the new sets that are not known, each once.
fn forget_known(new: &mut Vec<FeasibleSet>, known: &[FeasibleSet]) {
    let mut seen: BTreeSet<&[u16]> = known.iter().map(|set| set.types.as_slice()).collect();
    let is_new: Vec<bool> = new.iter().map(|set| seen.insert(&set.types)).collect();
    let mut is_new = is_new.into_iter();
    new.retain(|_| is_new.next().unwrap_or(false));
}

/// Returns the highest price of all co-locations, and for each type the most expensive one with it that costs more
/// than `enough`.
fn dearest(all: &[FeasibleSet], prices: &[f64], enough: f64) -> Priced {
    let mut highest = enough;
    let mut dearest: Vec<(f64, usize)> = vec![(enough, usize::MAX); prices.len()];
    for (index, set) in all.iter().enumerate() {
        let price: f64 = set.types.iter().map(|&of| prices[usize::from(of)]).sum();
        if price > enough {
            highest = highest.max(price);
            for &of in &set.types {
                let place = &mut dearest[usize::from(of)];
                if price > place.0 {
                    *place = (price, index);
                }
            }
        }
    }
    let mut sets: Vec<usize> =
        dearest.into_iter().map(|(_, index)| index).filter(|index| *index != usize::MAX).collect();
    sets.sort_unstable();
    sets.dedup();
    let sets = sets.into_iter().map(|index| all[index].clone()).collect();
    Priced { highest: Some(highest), sets }
}

#[cfg(test)]
mod tests {
    use super::super::super::PlanRequest;
    use super::super::super::tests::{v100, workloads};
    use super::super::enumerate::feasible_sets;
    use super::super::types::{Type, Types};
    use super::*;
    use crate::shares::ShareFitter;

    #[test]
    fn no_listed_co_location_costs_more_than_the_dearest_found() {
        let predictor = v100();
        let workloads = workloads(14, 20.0, 60.0);
        let request = PlanRequest::new(&workloads, &predictor).unwrap();
        let types: Vec<Type> = Types::of(&request).narrowed().split();
        let all = feasible_sets(&mut ShareFitter::new(&request), &types, usize::MAX).unwrap();
        let pricing = Pricing::by_weights(&request, &types);
        let mut listed: Vec<Vec<u16>> =
            pricing.list(usize::MAX).unwrap().into_iter().map(|set| set.types).collect();
        let mut expected: Vec<Vec<u16>> = all.iter().map(|set| set.types.clone()).collect();
        listed.sort();
        expected.sort();
        assert_eq!(listed, expected);
        for seed in 1..20_u32 {
            let prices: Vec<f64> = types
                .iter()
                .zip(1_u32..)
                .map(|(t, i)| f64::from(t.least()) * (1.0 + f64::from(i * seed * 29 % 17) / 20.0))
                .collect();
            let value = |set: &FeasibleSet| -> f64 {
                set.types.iter().map(|t| prices[usize::from(*t)]).sum()
            };
            let dearest = all.iter().map(value).fold(0.0, f64::max);
            // The quick search finds no dearer one, and where it finishes it finds that one.
            let priced = pricing.price(&prices, 0.0, &mut 0);
            assert!(priced.highest.is_none_or(|highest| (highest - dearest).abs() < 1e-9));
            assert!(priced.sets.iter().all(|set| value(set) <= dearest + 1e-9));
            // Lowered prices are those that no co-location exceeds, and are the same where none did.
            let relaxed = Pricing::new(&request, &types);
            let mut lowered = prices.clone();
            let (finished, found) =
                relaxed.lower(&mut lowered, dearest * 0.95, u64::MAX, &mut 0).unwrap();
            assert!(finished && !found.is_empty());
            assert!(found.iter().all(|set| expected.contains(&set.types)));
            let lowered_value = |set: &FeasibleSet| -> f64 {
                set.types.iter().map(|t| lowered[usize::from(*t)]).sum()
            };
            let highest = all.iter().map(lowered_value).fold(0.0, f64::max);
            assert!(highest <= dearest * 0.95 + 1e-9 && highest > dearest * 0.9, "{highest}");
            let mut same = prices.clone();
            let (finished, found) =
                relaxed.lower(&mut same, dearest + 1e-9, u64::MAX, &mut 0).unwrap();
            assert!(finished && found.is_empty() && same == prices);
        }
    }
}
