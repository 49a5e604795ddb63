//! The linear program over all feasible co-locations ("configurations"), solved by generating its columns.
//!
//! ```text
//! primal:  least Σ_s x_s      with  Σ_s a_st x_s ≥ n_t  for each type t,  x ≥ 0      (x_s GPUs hold set s)
//! dual:    most  Σ_t n_t π_t  with  Σ_t a_st π_t ≤ 1    for each set s,   0 ≤ π ≤ 1
//! ```
//! Gilmore and Gomory, "A linear programming approach to the cutting-stock problem" (Operations Research
//! 1961), with co-locations in the place of cutting patterns. The dual is solved over a few sets; those
//! that it violates (`super::pricing`) are added until there are none. Whatever the solver's accuracy, any π ≥ 0 proves
//!
//! ```text
//! GPUs ≥ Σ_t n_t π_t / max(1, max_s Σ_t a_st π_t)
//! ```
//! (Farley, Operations Research 1990), and that is the bound that is reported.

use super::super::bound::round_up;
use super::clock::Clock;
use super::enumerate::FeasibleSet;
use super::pricing::{Effort, LEAST_PRICE, Priced, Pricing};
use std::collections::BTreeSet;
use microlp::{ComparisonOp, OptimizationDirection, Problem, Solution};

/// Rounds of row generation after which the best bound so far has to do.
const MOST_ROUNDS: usize = 400;

/// Feasible co-locations that are listed at most to prove a bound.
const MOST_SETS: usize = 1_500_000;

/// A set is worth adding when its price exceeds 1 by this much: first those that matter most, and less and
/// less when there are no more of them.
const QUICK_TOLERANCES: [f64; 1] = [1e-2];

/// So many sets of smoothed prices are enough for a round.
const ENOUGH_SETS: usize = 10;

/// A set that costs less than 1 by this much is forgotten; it is found again if it matters.
const FORGOTTEN: f64 = 0.1;

/// Extensions of co-locations that exhaustive searches may try in all to prove a whole number of GPUs.
const MOST_STEPS: u64 = 200_000_000;

/// The same for a sharper bound that rounds up to the same number.
const MOST_SHARPENING_STEPS: u64 = 2_000_000;

/// How far a price may exceed 1 in a bound that is as sharp as it gets.
const PRICE_TOLERANCE: f64 = 1e-7;

/// Whether the linear program is solved to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::plan) enum Proof {
    /// Its bound matters.
    Wanted,
    /// Only its co-locations matter.
    Waived,
}

/// What the linear program says.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::plan) struct LpResult {
    /// The proven lower bound before it is rounded up.
    pub bound: f64,
    /// How many GPUs hold each set; those above zero.
    pub chosen: Vec<(FeasibleSet, f64)>,
}

/// Solves the linear program over all feasible co-locations, starting from some of them; `None` when the
/// solver fails numerically. With `upper`, the number of GPUs of a
/// known plan, it stops as soon as the bound proves that plan, and always when the time is up.
pub(in crate::plan) fn solve(
    pricing: &Pricing<'_, '_, '_>,
    mut sets: Vec<FeasibleSet>,
    demand: &[usize],
    upper: usize,
    proof: Proof,
    clock: &Clock,
) -> Option<LpResult> {
    #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 workloads")]
    let counts: Vec<f64> = demand.iter().map(|n| *n as f64).collect();
    sets.extend((0..demand.len()).map(|of| FeasibleSet {
        types: vec![u16::try_from(of).expect("few types are priced")],
        total: 0,
    }));
    sets.sort_by(|a, b| a.types.cmp(&b.types));
    sets.dedup_by(|a, b| a.types == b.types);
    let mut bound = 0.0_f64;
    let mut all: Option<Vec<FeasibleSet>> = None;
    let mut tolerances = QUICK_TOLERANCES.iter();
    let mut quick = tolerances.next();
    let mut centre = pricing.least_prices();
    let mut steps = 0;
    for _ in 0..MOST_ROUNDS {
        if clock.is_over() {
            break;
        }
        let prices = dual(&sets, &counts)?;
        let value: f64 = counts.iter().zip(&prices).map(|(n, price)| n * price).sum();
        let costs = |set: &FeasibleSet, prices: &[f64]| -> f64 {
            set.types.iter().map(|&of| prices[usize::from(of)]).sum()
        };
        let mut new: Vec<FeasibleSet> = Vec::new();
        // As long as a quick search finds something, it will do. Prices halfway to those of the rounds before
        // swing less, and what costs too much under them matters more (Neame 1999).
        while let (Some(tolerance), None) = (quick, &all) {
            let halfway = |(p, c): (&f64, &f64)| 0.5 * p + 0.5 * c;
            centre = prices.iter().zip(&centre).map(halfway).collect();
            let enough = 1.0 + tolerance;
            new = pricing.price(&centre, enough, Effort::Quick, &mut steps).sets;
            if new.len() < ENOUGH_SETS {
                new.extend(pricing.price(&prices, enough, Effort::Quick, &mut steps).sets);
            }
            forget_known(&mut new, &sets);
            if new.len() >= ENOUGH_SETS {
                break;
            }
            quick = tolerances.next();
        }
        if new.len() < ENOUGH_SETS {
            // Nothing raises a bound beyond the known plan, or the program's value, rounded up.
            let least = upper.min(round_up(value));
            let is_proven = round_up(bound) >= least;
            if is_proven && (least == upper || steps >= MOST_SHARPENING_STEPS) {
                break;
            }
            #[expect(clippy::cast_precision_loss, reason = "fewer than 2^53 GPUs")]
            let goal = if is_proven { value } else { (least as f64 - 1.0).max(value / 2.0) + 1e-5 };
            let enough = (value / goal).max(1.0 + PRICE_TOLERANCE);
            let priced = match &all {
                Some(all) => dearest(all, &prices, enough),
                None if proof == Proof::Waived => break,
                None if !pricing.can_be_exhaustive() => match pricing.list(MOST_SETS) {
                    Some(listed) => {
                        all = Some(listed);
                        continue;
                    }
                    None => break,
                },
                None => {
                    let most = if is_proven { MOST_SHARPENING_STEPS } else { MOST_STEPS };
                    pricing.price(&prices, enough, Effort::Exhaustive(most), &mut steps)
                }
            };
            if let Some(highest) = priced.highest {
                bound = bound.max(value / highest);
                if is_proven {
                    break;
                }
            }
            new.extend(priced.sets);
            forget_known(&mut new, &sets);
            if new.is_empty() && priced.highest.is_none() {
                break;
            }
        }
        if std::env::var_os("DBG").is_some() { eprintln!("rows {} value {value:.3} bound {bound:.3} new {} quick {quick:?} steps {steps} {:?}", sets.len(), new.len(), T0.elapsed()); }
        sets.retain(|set| set.types.len() == 1 || costs(set, &prices) > 1.0 - FORGOTTEN);
        sets.extend(new);
    }
    let chosen = primal(&sets, &counts)?;
    Some(LpResult { bound, chosen })
}

/// Leaves those of some sets that are not known, each once.
fn forget_known(new: &mut Vec<FeasibleSet>, known: &[FeasibleSet]) {
    let mut seen: BTreeSet<&[u16]> = known.iter().map(|set| set.types.as_slice()).collect();
    let is_new: Vec<bool> = new.iter().map(|set| seen.insert(&set.types)).collect();
    let mut is_new = is_new.into_iter();
    new.retain(|_| is_new.next().unwrap_or(false));
}

/// The dearest of all co-locations, and for each type the dearest with it that costs more than `enough`.
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

/// Prices of the types under some of the sets.
fn dual(sets: &[FeasibleSet], counts: &[f64]) -> Option<Vec<f64>> {
    let mut problem = Problem::new(OptimizationDirection::Maximize);
    let prices: Vec<_> = counts.iter().map(|n| problem.add_var(*n, (0.0, 1.0))).collect();
    for set in sets {
        let terms: Vec<_> = copies(set).into_iter().map(|(of, n)| (prices[of], n)).collect();
        problem.add_constraint(&terms, ComparisonOp::Le, 1.0);
    }
    let solution = solved(&problem)?;
    // What costs next to nothing is left out of searches, and must not count.
    let price = |price| Some(solution.var_value(price)).filter(|p| *p > LEAST_PRICE).unwrap_or(0.0);
    Some(prices.into_iter().map(price).collect())
}

/// How often each set is used when only some of the sets may be.
fn primal(sets: &[FeasibleSet], counts: &[f64]) -> Option<Vec<(FeasibleSet, f64)>> {
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    let mut terms: Vec<Vec<_>> = vec![Vec::new(); counts.len()];
    let used: Vec<_> = sets
        .iter()
        .map(|set| {
            let variable = problem.add_var(1.0, (0.0, f64::INFINITY));
            for (of, n) in copies(set) {
                terms[of].push((variable, n));
            }
            (set, variable)
        })
        .collect();
    for (terms, count) in terms.iter().zip(counts) {
        problem.add_constraint(terms, ComparisonOp::Ge, *count);
    }
    let solution = solved(&problem)?;
    let value = |(set, variable): (&FeasibleSet, _)| (set.clone(), solution.var_value(variable));
    Some(used.into_iter().map(value).filter(|(_, x)| *x > 1e-9).collect())
}

fn solved(problem: &Problem) -> Option<Solution> {
    problem.solve().ok()?.into_solution().ok()
}

/// The types of a set with how often each occurs.
fn copies(set: &FeasibleSet) -> Vec<(usize, f64)> {
    let mut counted: Vec<(usize, f64)> = Vec::new();
    for &of in &set.types {
        match counted.last_mut() {
            Some((last, n)) if *last == usize::from(of) => *n += 1.0,
            _ => counted.push((usize::from(of), 1.0)),
        }
    }
    counted
}

#[cfg(test)]
mod tests {
    use super::super::super::PlanRequest;
    use super::super::super::tests::{v100, workloads};
    use super::super::enumerate::feasible_sets;
    use super::super::types::{Type, Types};
    use super::*;
    use crate::plan::shares::ShareFitter;

    #[test]
    fn no_listed_co_location_costs_more_than_the_dearest_found() {
        let predictor = v100();
        let workloads = workloads(14, 20.0, 60.0);
        let request = PlanRequest::new(&workloads, &predictor).unwrap();
        let types: Vec<Type> = Types::of(&request).narrowed().split();
        let all = feasible_sets(&mut ShareFitter::new(&request), &types);
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
            let priced = pricing.price(&prices, 0.0, Effort::Quick);
            assert!(priced.highest.is_none_or(|highest| (highest - dearest).abs() < 1e-9));
            assert!(priced.sets.iter().all(|set| value(set) <= dearest + 1e-9));
            // The exhaustive one finds it among many, and nothing beyond it.
            let exhaustive = Pricing::new(&request, &types);
            assert!(exhaustive.can_be_exhaustive());
            let found = exhaustive.price(&prices, dearest - 1e-9, Effort::Exhaustive).sets;
            assert!(found.iter().any(|set| (value(set) - dearest).abs() < 1e-9));
            assert!(found.iter().all(|set| expected.contains(&set.types)));
            let none = exhaustive.price(&prices, dearest + 1e-9, Effort::Exhaustive);
            assert!(none.sets.is_empty() && none.highest.is_some());
        }
    }

    #[test]
    fn copies_are_counted() {
        let set = FeasibleSet { types: vec![1, 1, 4], total: 0 };
        assert_eq!(copies(&set), [(1, 2.0), (4, 1.0)]);
    }
}

static T0: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
