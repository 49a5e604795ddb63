//! The best partition of a few workloads into feasible sets, by dynamic programming over all subsets.

use super::enumerate::FeasibleSet;

/// A partition: fewest GPUs, and among those the least sum of shares.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Partition {
    /// Indices of the chosen sets.
    pub sets: Vec<usize>,
    /// The sum of their shares, in units.
    pub total: u32,
}

/// Returns the best partition of workloads `0..count` into sets of distinct workloads; `None` when some workload is
/// in no set.
///
/// ```text
/// best(M) = min over sets s ⊆ M with the lowest workload of M:  (1, total(s)) + best(M \ s)
/// ```
/// Candidates are compared first by GPUs, then by shares. This takes 2^count · sets steps.
pub(crate) fn best_partition(count: usize, sets: &[FeasibleSet]) -> Option<Partition> {
    let mask = |set: &FeasibleSet| set.types.iter().fold(0_usize, |m, t| m | 1 << t);
    // The sets by their lowest member.
    let mut by_lowest: Vec<Vec<(usize, u32, usize)>> = vec![Vec::new(); count];
    for (index, set) in sets.iter().enumerate() {
        by_lowest[usize::from(set.types[0])].push((mask(set), set.total, index));
    }
    let unknown = (u32::MAX, u32::MAX, usize::MAX);
    let mut best = vec![unknown; 1 << count];
    best[0] = (0, 0, usize::MAX);
    for all in 1..best.len() {
        let lowest = all.trailing_zeros() as usize;
        for &(members, total, index) in &by_lowest[lowest] {
            let rest = best[all & !members];
            if members & !all == 0 && rest.0 != u32::MAX {
                let candidate = (rest.0 + 1, rest.1 + total);
                if candidate < (best[all].0, best[all].1) {
                    best[all] = (candidate.0, candidate.1, index);
                }
            }
        }
    }
    let mut all = best.len() - 1;
    let total = best[all].1;
    let mut chosen = Vec::new();
    while all > 0 {
        let index = best[all].2;
        let set = sets.get(index)?;
        chosen.push(index);
        all &= !mask(set);
    }
    Some(Partition { sets: chosen, total })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(types: &[u16], total: u32) -> FeasibleSet {
        FeasibleSet { types: types.to_vec(), total }
    }

    #[test]
    fn fewest_gpus_then_least_shares() {
        // {0,1}+{2,3} and {0,2}+{1,3} need two GPUs; the second pair of sets has 38 + 39 < 40 + 40.
        let sets = [
            set(&[0], 10),
            set(&[1], 10),
            set(&[2], 10),
            set(&[3], 10),
            set(&[0, 1], 40),
            set(&[2, 3], 40),
            set(&[0, 2], 38),
            set(&[1, 3], 39),
        ];
        let best = best_partition(4, &sets).unwrap();
        assert_eq!(best, Partition { sets: vec![6, 7], total: 77 });
        assert!(best_partition(5, &sets).is_none());
    }
}
