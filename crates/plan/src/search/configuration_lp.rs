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
use super::pricing::{Effort, Priced, Pricing};
use microlp::{ComparisonOp, OptimizationDirection, Problem, Solution};

/// Rounds of row generation after which the best bound so far has to do.
const MOST_ROUNDS: usize = 400;

/// Feasible co-locations that are listed at most to prove a bound.
const MOST_SETS: usize = 1_500_000;

/// A set is worth adding when its price exceeds 1 by this much: first those that matter most, and less and
/// less when there are no more of them.
const PRICE_TOLERANCES: [f64; 4] = [1e-3, 1e-4, 1e-5, PRICE_TOLERANCE];

/// The last of them.
const PRICE_TOLERANCE: f64 = 1e-7;

/// Whether the linear program is solved to the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Its bound matters.
    Wanted,
    /// Only its co-locations matter.
    Waived,
}

/// What the linear program says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LpResult {
    /// The proven lower bound before it is rounded up.
    pub bound: f64,
    /// How many GPUs hold each set; those above zero.
    pub chosen: Vec<(FeasibleSet, f64)>,
}

/// Solves the linear program over all feasible co-locations, starting from some of them; `None` when the
/// solver fails numerically. With `upper`, the number of GPUs of a
/// known plan, it stops as soon as the bound proves that plan, and always when the time is up.
pub(crate) fn solve(
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
    let mut tolerances = PRICE_TOLERANCES.into_iter();
    let mut enough = 1.0 + tolerances.next().unwrap_or(PRICE_TOLERANCE);
    for _ in 0..MOST_ROUNDS {
        if clock.is_over() {
            break;
        }
        let prices = dual(&sets, &counts)?;
        let value: f64 = counts.iter().zip(&prices).map(|(n, price)| n * price).sum();
        // As long as a quick search finds something, it will do.
        let mut new = Vec::new();
        for effort in [Effort::Quick, Effort::Exhaustive] {
            let priced = match &all {
                Some(all) => dearest(all, &prices),
                None if effort == Effort::Exhaustive
                    && (proof == Proof::Waived || !pricing.can_be_exhaustive()) =>
                {
                    break;
                }
                None => pricing.price(&prices, enough, effort),
            };
            if let Some(highest) = priced.highest {
                bound = bound.max(value / highest);
            }
            new = priced.sets;
            new.retain(|set| !sets.contains(set));
            if !new.is_empty() || priced.highest.is_some() {
                break;
            }
        }
        // No more sets can raise a bound that, rounded up, is the plan or the program's value itself.
        if round_up(bound) >= upper.min(round_up(value)) {
            break;
        }
        if new.is_empty() {
            if let Some(smaller) = tolerances.next() {
                enough = 1.0 + smaller;
                continue;
            }
            if all.is_some() || pricing.can_be_exhaustive() || proof == Proof::Waived {
                break;
            }
            match pricing.list(MOST_SETS) {
                Some(listed) => all = Some(listed),
                None => break,
            }
        }
        sets.extend(new);
    }
    let chosen = primal(&sets, &counts)?;
    Some(LpResult { bound, chosen })
}

/// The dearest of all co-locations, and for each type the dearest with it that costs more than 1.
fn dearest(all: &[FeasibleSet], prices: &[f64]) -> Priced {
    let enough = 1.0 + PRICE_TOLERANCE;
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
    Some(prices.iter().map(|price| solution.var_value(*price).max(0.0)).collect())
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
    use crate::shares::ShareFitter;

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
