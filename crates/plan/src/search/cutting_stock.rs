//! A bound for any number of distinct workloads: cutting stock with weights that depend on how many share
//! the GPU.
//!
//! Among n members a workload needs at least the share that it has beside n − 1 of the mildest neighbours
//! (`super::neighbours`), so a GPU with n members can only hold workloads whose weights for n fit into it together.
//! The configuration LP over all such fillings is a relaxation of the one over co-locations; its columns are priced
//! by a knapsack with a limit on the number of members, exactly and quickly. Workloads with the same weights are one
//! item, without loss.

use super::super::bound::round_up;
use super::pricing::{KnapsackBound, LEAST_PRICE};
use microlp::{ComparisonOp, OptimizationDirection, Problem};
use std::collections::BTreeMap;

/// Maximum number of rounds of column generation; then the best bound so far is used.
const MOST_ROUNDS: usize = 120;

/// A filling is worth adding when its price exceeds 1 by this much.
const PRICE_TOLERANCE: f64 = 1e-6;

/// Returns the lower bound, not rounded; `weights` holds for each workload its least shares alone, beside one other,
/// …. `None` when the solver fails numerically.
pub(crate) fn bound(weights: &[Vec<u32>], whole: u32) -> Option<f64> {
    let mut counted: BTreeMap<&[u32], u32> = BTreeMap::new();
    for of in weights {
        *counted.entry(of).or_default() += 1;
    }
    let items: Vec<&[u32]> = counted.keys().copied().collect();
    let counts: Vec<f64> = counted.values().map(|n| f64::from(*n)).collect();
    let most = items.iter().map(|of| of.len()).max().unwrap_or(0);
    let by_members: Vec<Vec<u32>> = (0..most)
        .map(|n| items.iter().map(|of| of.get(n).copied().unwrap_or(whole + 1)).collect())
        .collect();
    // Prices in proportion to shares are a good start: they are nearly the solution.
    let mut centre: Vec<f64> = items.iter().map(|of| f64::from(of[0]) / f64::from(whole)).collect();
    let worth = |prices: &[f64]| -> f64 {
        let counted = counts.iter().zip(prices).filter(|(_, price)| **price > LEAST_PRICE);
        counted.map(|(n, price)| n * price).sum()
    };
    let (highest, mut rows) = price(&by_members, &centre, whole, 0.0);
    let mut bound = worth(&centre) / highest.max(1.0);
    rows.extend((0..items.len()).map(|item| vec![item]));
    for _ in 0..MOST_ROUNDS {
        let prices = dual(&rows, &counts)?;
        let most = worth(&prices);
        // Prices halfway to the best ones so far oscillate less (Wentges 1997).
        let halfway: Vec<f64> =
            prices.iter().zip(&centre).map(|(p, c)| 0.5 * p + 0.5 * c).collect();
        let mut new = Vec::new();
        for (prices, is_last) in [(halfway, false), (prices, true)] {
            let (highest, found) = price(&by_members, &prices, whole, 1.0 + PRICE_TOLERANCE);
            let value = worth(&prices) / highest.max(1.0);
            if value > bound {
                bound = value;
                centre = prices;
            }
            new.extend(found.into_iter().filter(|row| !rows.contains(row)));
            if !new.is_empty() && !is_last {
                break;
            }
        }
        // The bound cannot exceed the value of the program over some of the fillings.
        if new.is_empty() || round_up(bound) >= round_up(most) {
            break;
        }
        rows.extend(new);
        rows.sort_unstable();
        rows.dedup();
    }
    Some(bound)
}

/// Returns the highest price of any filling, and for each item the most expensive filling with it that costs more
/// than `enough`.
fn price(
    by_members: &[Vec<u32>],
    prices: &[f64],
    whole: u32,
    enough: f64,
) -> (f64, Vec<Vec<usize>>) {
    let mut highest = 0.0_f64;
    let mut dearest: Vec<(f64, Vec<usize>)> = vec![(enough, Vec::new()); prices.len()];
    for (n, weights) in by_members.iter().enumerate() {
        let table = KnapsackBound::new(weights, prices, n + 1, whole);
        for (item, place) in dearest.iter_mut().enumerate() {
            if weights[item] > whole {
                continue;
            }
            let left = whole - weights[item];
            let price = prices[item] + table.fill(0, n, left);
            highest = highest.max(price);
            if price > place.0 {
                let mut filling = table.filling(prices, n, left);
                filling.push(item);
                filling.sort_unstable();
                *place = (price, filling);
            }
        }
    }
    (highest, dearest.into_iter().map(|(_, set)| set).filter(|set| !set.is_empty()).collect())
}

/// Returns the best prices under some of the fillings.
fn dual(rows: &[Vec<usize>], counts: &[f64]) -> Option<Vec<f64>> {
    let mut problem = Problem::new(OptimizationDirection::Maximize);
    let prices: Vec<_> = counts.iter().map(|n| problem.add_var(*n, (0.0, 1.0))).collect();
    for row in rows {
        let mut terms: BTreeMap<usize, f64> = BTreeMap::new();
        for &item in row {
            *terms.entry(item).or_default() += 1.0;
        }
        let terms: Vec<_> = terms.into_iter().map(|(item, n)| (prices[item], n)).collect();
        problem.add_constraint(&terms, ComparisonOp::Le, 1.0);
    }
    let solution = problem.solve().ok()?.into_solution().ok()?;
    Some(prices.iter().map(|price| solution.var_value(*price).max(0.0)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_by_number_of_members_by_hand() {
        // Three that need 20 of 40 alone and 21 beside another: no two fit, so 3 GPUs.
        let bound_of = |weights: &[Vec<u32>]| bound(weights, 40).unwrap();
        assert!((bound_of(&[vec![20, 21], vec![20, 21], vec![20, 21]]) - 3.0).abs() < 1e-6);
        // Four that need 10 among up to four: 1 GPU. Five of them: 1.25.
        let small = vec![10, 10, 10, 10];
        assert!((bound_of(&vec![small.clone(); 4]) - 1.0).abs() < 1e-6);
        assert!((bound_of(&vec![small; 5]) - 1.25).abs() < 1e-6);
    }
}
