//! The dearest co-location under a predictor whose members feel each other only through sums
//! ([`igniter_model::predictor::Additive`]), found by an exhaustive search that can afford to finish.
//!
//! As in [`super::pricing`], co-locations of n members are extended in a fixed order of types, for each n.
//! Two relaxations make that fast, and neither rules out a co-location that works:
//!
//! - A member takes the least share, the least disturbance and the least power of any of its batch sizes,
//!   each by itself. That leaves one least fixed point for each set of types, in place of one for every
//!   combination of batch sizes. What still looks dear is then checked with every combination.
//! - Those who are still to come disturb the others, and draw power, at least as much as the mildest type.
//!   Their own shares are bounded by a knapsack over their least shares among n members of whom the others
//!   disturb them at least as much as they do now; one table for each of a few levels of disturbance.

use super::super::presences::{Offer, Presences};
use super::types::Type;
use igniter_model::predictor::{Additive, Presence};
use std::sync::OnceLock;

/// The most batch sizes of a type.
pub(super) const MOST_OPTIONS: usize = 4;

/// Levels of disturbance for which there is a table.
const LEVELS: usize = 12;

/// No share of the GPU is enough.
const DEAD: u32 = u32::MAX;

/// The types, as numbers.
pub(super) struct Relaxed<'p> {
    presences: Presences<'p>,
    /// By type, then by batch size.
    offers: Vec<Vec<Offer>>,
    counts: Vec<usize>,
    whole: u32,
    /// For n = 1, 2, …: what holds for co-locations of n members.
    among: Vec<Among>,
    /// The least that any member disturbs the others, and the least power that it draws.
    mildest: Presence,
}

/// What holds among n members.
struct Among {
    /// The disturbance from which each level starts.
    levels: Vec<f64>,
    /// By level, then by type: the least share, in units; more than a GPU where there is none.
    weights: Vec<Vec<u32>>,
}

/// A member of a co-location under the first relaxation.
#[derive(Debug, Clone, Copy)]
struct Member {
    of: usize,
    /// The least share with each batch size so far, in units.
    shares: [u32; MOST_OPTIONS],
    /// The least of them.
    units: u32,
    disturbance: f64,
    power_w: f64,
}

impl<'p> Relaxed<'p> {
    /// `None` when a type has too many batch sizes.
    pub(super) fn new(
        predictor: &'p dyn Additive,
        types: &[Type],
        process_limit: usize,
    ) -> Option<Self> {
        if types.is_empty() || types.iter().any(|t| t.options.len() > MOST_OPTIONS) {
            return None;
        }
        let mut presences = Presences::new(predictor);
        let offers: Vec<Vec<Offer>> = types
            .iter()
            .map(|t| t.options.iter().map(|sized| presences.offer(sized)).collect())
            .collect();
        let whole = predictor.kind().units.get();
        let mut mildest =
            Presence { active_ms: 0.0, disturbance: f64::INFINITY, power_w: f64::INFINITY };
        for offer in offers.iter().flatten() {
            let least = presences.at(offer, offer.least);
            mildest.disturbance = mildest.disturbance.min(least.disturbance);
            mildest.power_w = mildest.power_w.min(least.power_w);
        }
        let counts = types.iter().map(Type::count).collect();
        let mut relaxed = Self { presences, offers, counts, whole, among: Vec::new(), mildest };
        for n in 1..=process_limit.min(whole as usize) {
            let among = relaxed.tabulate(n);
            let lightest = among.weights[0].iter().copied().min().unwrap_or(DEAD);
            let members = u32::try_from(n).unwrap_or(u32::MAX);
            if lightest.saturating_mul(members) > whole {
                break;
            }
            relaxed.among.push(among);
        }
        Some(relaxed)
    }

    /// The least shares among n members, by level of disturbance.
    fn tabulate(&self, n: usize) -> Among {
        #[expect(clippy::cast_precision_loss, reason = "a handful of members")]
        let others = (n - 1) as f64;
        let floor = others * self.mildest.disturbance;
        let strongest = self
            .offers
            .iter()
            .flatten()
            .map(|offer| self.presences.at(offer, offer.least).disturbance)
            .fold(0.0, f64::max);
        #[expect(clippy::cast_precision_loss, reason = "a handful of levels")]
        let step = 2.0 * (strongest - self.mildest.disturbance).max(0.0) / (LEVELS - 1) as f64;
        let count = if n == 1 || step <= 0.0 { 1 } else { LEVELS };
        #[expect(clippy::cast_precision_loss, reason = "a handful of levels")]
        let levels: Vec<f64> = (0..count).map(|level| floor + step * level as f64).collect();
        let weight = |of: usize, disturbance: f64| {
            let mut member = [self.member(of)];
            let from_outside =
                Presence { active_ms: 0.0, disturbance, power_w: others * self.mildest.power_w };
            self.settle(&mut member, n, from_outside, self.whole).unwrap_or(DEAD)
        };
        let weights = levels
            .iter()
            .map(|level| (0..self.offers.len()).map(|of| weight(of, *level)).collect())
            .collect();
        Among { levels, weights }
    }

    fn member(&self, of: usize) -> Member {
        let mut shares = [DEAD; MOST_OPTIONS];
        for (share, offer) in shares.iter_mut().zip(&self.offers[of]) {
            *share = offer.least;
        }
        let mut member = Member { of, shares, units: 0, disturbance: 0.0, power_w: 0.0 };
        self.note(&mut member);
        member
    }

    /// Takes the least of everything over a member's batch sizes; false when none is left.
    fn note(&self, member: &mut Member) -> bool {
        member.units = DEAD;
        member.disturbance = f64::INFINITY;
        member.power_w = f64::INFINITY;
        for (offer, &share) in self.offers[member.of].iter().zip(&member.shares) {
            if share != DEAD {
                let now = self.presences.at(offer, share);
                member.units = member.units.min(share);
                member.disturbance = member.disturbance.min(now.disturbance);
                member.power_w = member.power_w.min(now.power_w);
            }
        }
        member.units != DEAD
    }

    /// Grows the members' shares to the least fixed point among n members, beside what comes from outside;
    /// the sum of their shares, or `None` when that is more than `most`.
    fn settle(
        &self,
        members: &mut [Member],
        n: usize,
        outside: Presence,
        most: u32,
    ) -> Option<u32> {
        let mut disturbance = outside.disturbance;
        let mut power_w = self.presences.idle_w() + outside.power_w;
        let mut used = 0;
        for member in &*members {
            disturbance += member.disturbance;
            power_w += member.power_w;
            used += member.units;
        }
        if used > most {
            return None;
        }
        loop {
            let mut grew = false;
            for member in &mut *members {
                let before = *member;
                let others = disturbance - before.disturbance;
                let ratio = self.presences.clock_ratio(power_w);
                let mut changed = false;
                for (offer, share) in self.offers[before.of].iter().zip(&mut member.shares) {
                    if *share != DEAD {
                        let least = self.presences.least_from(offer, *share, n, others, ratio);
                        let least = least.unwrap_or(DEAD);
                        changed |= *share != least;
                        *share = least;
                    }
                }
                if changed {
                    if !self.note(member) {
                        return None;
                    }
                    used += member.units - before.units;
                    if used > most {
                        return None;
                    }
                    disturbance += member.disturbance - before.disturbance;
                    power_w += member.power_w - before.power_w;
                    grew = true;
                }
            }
            if !grew {
                return Some(used);
            }
        }
    }

    /// Knapsacks for the given prices of the types.
    pub(super) fn knapsacks<'k>(&'k self, prices: &'k [f64]) -> Vec<Knapsacks<'k>> {
        let knapsacks = |(index, among)| Knapsacks::new(self, among, index + 1, prices);
        self.among.iter().enumerate().map(knapsacks).collect()
    }
}

/// The knapsacks that bound co-locations of n members, one for each level of disturbance.
pub(super) struct Knapsacks<'k> {
    among: &'k Among,
    members: usize,
    prices: &'k [f64],
    /// Types by falling weight at the lowest level: with the large ones first, few are left to try where
    /// the knapsack is still loose.
    order: Vec<usize>,
    /// By level, made when it is first asked for.
    fills: Vec<OnceLock<Fill>>,
    units: usize,
}

/// `prices[(k · members + m) · (units + 1) + c]`: the highest price of at most m of the types `order[k..]`
/// in c units, for m below the number of members.
struct Fill {
    weights: Vec<u32>,
    prices: Vec<f64>,
}

impl<'k> Knapsacks<'k> {
    fn new(relaxed: &Relaxed<'_>, among: &'k Among, members: usize, prices: &'k [f64]) -> Self {
        let weights = &among.weights[0];
        let mut order: Vec<usize> = (0..prices.len())
            .filter(|&t| prices[t] > 1e-9 && weights[t] <= relaxed.whole)
            .collect();
        let density = |t: usize| prices[t] / f64::from(weights[t]);
        order.sort_by(|&a, &b| {
            let denser = || density(b).total_cmp(&density(a));
            weights[b].cmp(&weights[a]).then_with(denser).then(a.cmp(&b))
        });
        let fills = among.levels.iter().map(|_| OnceLock::new()).collect();
        Self { among, members, prices, order, fills, units: relaxed.whole as usize }
    }

    /// How many types it looks at.
    pub(super) fn types(&self) -> usize {
        self.order.len()
    }

    fn at(&self, disturbance: f64) -> &Fill {
        let above = self.among.levels.partition_point(|level| *level <= disturbance);
        let level = above.saturating_sub(1);
        self.fills[level].get_or_init(|| self.fill(level))
    }

    fn fill(&self, level: usize) -> Fill {
        let weights: Vec<u32> =
            self.order.iter().map(|&of| self.among.weights[level][of]).collect();
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
        Fill { weights, prices }
    }

    /// The highest price of at most `members` (fewer than all) of the types `order[k..]` in that many units.
    fn best(&self, fill: &Fill, k: usize, members: usize, units: u32) -> f64 {
        let row = self.units + 1;
        fill.prices[(k * self.members + members) * row + units as usize]
    }
}

/// The search for co-locations that cost more than the best so far.
pub(super) struct Search<'s, 'p> {
    pub relaxed: &'s Relaxed<'p>,
    /// Extensions that it may still try.
    pub steps: u64,
    /// Only what costs more is of interest.
    pub best: f64,
    /// The dearest co-location, as types in the order of the search.
    pub found: Option<Vec<usize>>,
    members: Vec<Vec<Member>>,
}

impl<'s, 'p> Search<'s, 'p> {
    pub(super) fn new(relaxed: &'s Relaxed<'p>, steps: u64, best: f64) -> Self {
        Self { relaxed, steps, best, found: None, members: Vec::new() }
    }

    /// Searches all co-locations of n members whose first type is at this place of the order; `works`
    /// says whether types can share a GPU. False when it gives up.
    pub(super) fn root(
        &mut self,
        knapsacks: &Knapsacks<'_>,
        root: usize,
        works: &mut dyn FnMut(&[usize]) -> bool,
    ) -> bool {
        let n = knapsacks.members;
        self.members.resize_with(self.members.len().max(n + 1), Vec::new);
        self.members[0].clear();
        root >= knapsacks.order.len()
            || self.extend(knapsacks, root, 0, 0.0, 0, 0.0, works).is_some()
    }

    /// Adds the type `order[next]` to the `depth` members so far, which cost `value`, use `used` units and
    /// disturb others by `disturbance`; then all types from it on. `None` when it gives up.
    #[expect(clippy::too_many_arguments, reason = "the state of one step of a recursion")]
    fn extend(
        &mut self,
        knapsacks: &Knapsacks<'_>,
        next: usize,
        depth: usize,
        value: f64,
        used: u32,
        disturbance: f64,
        works: &mut dyn FnMut(&[usize]) -> bool,
    ) -> Option<()> {
        let relaxed = self.relaxed;
        let n = knapsacks.members;
        let of = knapsacks.order[next];
        let later = n - depth - 1;
        #[expect(clippy::cast_precision_loss, reason = "a handful of members")]
        let to_come = later as f64;
        let fill = knapsacks.at(disturbance + to_come * relaxed.mildest.disturbance);
        let free = relaxed.whole - used;
        let weight = fill.weights[next];
        let value = value + knapsacks.prices[of];
        if weight > free || value + knapsacks.best(fill, next, later, free - weight) <= self.best {
            return Some(());
        }
        let so_far = &self.members[depth];
        if so_far.iter().filter(|member| member.of == of).count() >= relaxed.counts[of] {
            return Some(());
        }
        if self.steps == 0 {
            return None;
        }
        self.steps -= 1;
        let (before, after) = self.members.split_at_mut(depth + 1);
        let members = &mut after[0];
        members.clone_from(&before[depth]);
        members.push(relaxed.member(of));
        let outside = Presence {
            active_ms: 0.0,
            disturbance: to_come * relaxed.mildest.disturbance,
            power_w: to_come * relaxed.mildest.power_w,
        };
        let Some(used) = relaxed.settle(members, n, outside, relaxed.whole) else {
            return Some(());
        };
        let disturbance: f64 = members.iter().map(|member| member.disturbance).sum();
        if value > self.best {
            let mut types: Vec<usize> = members.iter().map(|member| member.of).collect();
            types.sort_unstable();
            if !works(&types) {
                return Some(());
            }
            self.best = value;
            self.found = Some(types);
        }
        if later == 0 {
            return Some(());
        }
        let free = relaxed.whole - used;
        #[expect(clippy::cast_precision_loss, reason = "a handful of members")]
        let fill = knapsacks.at(disturbance + (later - 1) as f64 * relaxed.mildest.disturbance);
        for further in next..knapsacks.order.len() {
            // Nothing from here on can be dear enough.
            if value + knapsacks.best(fill, further, later, free) <= self.best {
                break;
            }
            self.extend(knapsacks, further, depth + 1, value, used, disturbance, works)?;
        }
        Some(())
    }
}
