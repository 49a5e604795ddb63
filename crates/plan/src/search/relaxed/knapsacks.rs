//! Upper bounds on the price of members yet to be added: knapsacks over their least shares.

use super::super::pricing::LEAST_PRICE;
use super::{Among, Relaxed, RelaxedMember};
use igniter_model::predictor::Presence;
use std::sync::OnceLock;

/// The knapsacks that bound co-locations of n members, one for each pair of levels.
pub(in crate::search) struct Knapsacks<'k> {
    relaxed: &'k Relaxed<'k>,
    among: &'k Among,
    pub(super) members: usize,
    prices: &'k [f64],
    /// Types by falling weight at the lowest level: with the large ones first, few are left to try where
    /// the knapsack is still loose.
    pub(super) order: Vec<usize>,
    /// By level, computed on first use.
    fills: Vec<OnceLock<Fill<'k>>>,
    units: usize,
}

/// `prices[(k · members + m) · (units + 1) + c]`: the highest price of at most m of the types `order[k..]`
/// in c units, for m below the number of members.
pub(super) struct Fill<'k> {
    pub(super) weights: Vec<u32>,
    /// Members with their least needs, by type, not by place in the order.
    pub(super) grown: &'k [RelaxedMember],
    prices: Vec<f64>,
}

impl<'k> Knapsacks<'k> {
    pub(super) fn new(
        relaxed: &'k Relaxed<'k>,
        among: &'k Among,
        members: usize,
        prices: &'k [f64],
    ) -> Self {
        let grown = relaxed.grown(among, members, 0);
        let weights: Vec<u32> = grown.iter().map(|member| member.units).collect();
        let mut order: Vec<usize> = (0..prices.len())
            .filter(|&t| prices[t] > LEAST_PRICE && weights[t] <= relaxed.whole)
            .collect();
        let density = |t: usize| prices[t] / f64::from(weights[t]);
        order.sort_by(|&a, &b| {
            let denser = || density(b).total_cmp(&density(a));
            weights[b].cmp(&weights[a]).then_with(denser).then(a.cmp(&b))
        });
        let fills = among.grown.iter().map(|_| OnceLock::new()).collect();
        Self { relaxed, among, members, prices, order, fills, units: relaxed.whole as usize }
    }

    /// Returns the number of types that it considers.
    pub(in crate::search) fn types(&self) -> usize {
        self.order.len()
    }

    /// Returns the knapsack that holds where the others of each member have at least this disturbance and power.
    pub(super) fn at(&self, others: Presence) -> &Fill<'k> {
        let [disturbances, powers] = &self.among.levels;
        let level = |levels: &[f64], now: f64| {
            levels.partition_point(|level| *level <= now).saturating_sub(1)
        };
        let level =
            level(disturbances, others.disturbance) * powers.len() + level(powers, others.power_w);
        self.fills[level].get_or_init(|| self.fill(level))
    }

    fn fill(&self, level: usize) -> Fill<'k> {
        let grown = self.relaxed.grown(self.among, self.members, level);
        let weights: Vec<u32> = self.order.iter().map(|&of| grown[of].units).collect();
        let row = self.units + 1;
        let layer = self.members * row;
        let mut prices = vec![0.0; (self.order.len() + 1) * layer];
        for k in (0..self.order.len()).rev() {
            let (head, tail) = prices.split_at_mut((k + 1) * layer);
            let own = &mut head[k * layer..];
            let after = &tail[..layer];
            own.copy_from_slice(after);
            let price = self.prices[self.order[k]];
            let weight = weights[k] as usize;
            for m in 1..self.members {
                for c in weight..row {
                    let with = own[(m - 1) * row + c - weight] + price;
                    let place = &mut own[m * row + c];
                    *place = place.max(with);
                }
            }
        }
        Fill { weights, grown, prices }
    }

    /// Returns the highest price of at most `members` (fewer than all) of the types `order[k..]` in `units` units.
    pub(super) fn best(&self, fill: &Fill<'_>, k: usize, members: usize, units: u32) -> f64 {
        let row = self.units + 1;
        fill.prices[(k * self.members + members) * row + units as usize]
    }
}
