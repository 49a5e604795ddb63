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
//!   disturb them, and draw power, at least as much as they do now; one table for each of a few levels of both.

use super::super::presences::{Offer, Presences};
use super::pricing::LEAST_PRICE;
use super::types::Type;
use igniter_model::predictor::{Additive, Presence};
use std::sync::OnceLock;

/// The most batch sizes of a type.
pub(super) const MOST_OPTIONS: usize = 24;

/// Levels of disturbance and of power; there is a table for each pair.
const LEVELS: [usize; 2] = [8, 32];

/// No share of the GPU is enough.
const DEAD: u32 = u32::MAX;

/// The same for one batch size.
const GONE: u16 = u16::MAX;

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
    /// The disturbance, and the power in W, from which each level starts.
    levels: [Vec<f64>; 2],
    /// By level of disturbance times level of power, made when it is first asked for; then by type: the least share,
    /// in units; more than a GPU where there is none.
    weights: Vec<OnceLock<Vec<u32>>>,
}

/// A member of a co-location under the first relaxation.
#[derive(Debug, Clone, Copy)]
struct Member {
    of: usize,
    /// The least share with each batch size so far, in units.
    shares: [u16; MOST_OPTIONS],
    /// The least of them.
    units: u32,
    disturbance: f64,
    power_w: f64,
}

impl Member {
    /// The batch sizes that are left, as places among its type's.
    fn left(&self) -> impl Iterator<Item = usize> {
        (0..MOST_OPTIONS).filter(|&option| self.shares[option] != GONE)
    }

    /// Leaves only some batch sizes.
    fn keep(&mut self, keeps: impl Fn(usize) -> bool) {
        let shares = self.shares.iter_mut().enumerate().filter(|(option, _)| !keeps(*option));
        shares.for_each(|(_, share)| *share = GONE);
    }
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
            let lightest = relaxed.weights(&among, n, 0).iter().copied().min().unwrap_or(DEAD);
            let members = u32::try_from(n).unwrap_or(u32::MAX);
            if lightest.saturating_mul(members) > whole {
                break;
            }
            relaxed.among.push(among);
        }
        Some(relaxed)
    }

    /// The least shares among n members, by levels of disturbance and power.
    fn tabulate(&self, n: usize) -> Among {
        #[expect(clippy::cast_precision_loss, reason = "a handful of members")]
        let others = (n - 1) as f64;
        let levels = |count: usize, of: fn(&Presence) -> f64| {
            let all = self.offers.iter().flatten();
            let strongest = all.map(|offer| of(&self.presences.at(offer, offer.least)));
            let mildest = of(&self.mildest);
            let step = 2.0 * (strongest.fold(0.0, f64::max) - mildest).max(0.0);
            #[expect(clippy::cast_precision_loss, reason = "a handful of levels")]
            let level = |level: usize| others * mildest + step * level as f64 / (count - 1) as f64;
            let count = if n == 1 || step <= 0.0 { 1 } else { count };
            (0..count).map(level).collect::<Vec<f64>>()
        };
        let levels = [levels(LEVELS[0], |p| p.disturbance), levels(LEVELS[1], |p| p.power_w)];
        let weights = (0..levels[0].len() * levels[1].len()).map(|_| OnceLock::new()).collect();
        Among { levels, weights }
    }

    /// The least shares of all types among n members, at a level of disturbance and power.
    fn weights<'a>(&self, among: &'a Among, n: usize, level: usize) -> &'a [u32] {
        let [disturbances, powers] = &among.levels;
        let outside = Presence {
            active_ms: 0.0,
            disturbance: disturbances[level / powers.len()],
            power_w: powers[level % powers.len()],
        };
        among.weights[level].get_or_init(|| {
            let weight = |of: usize| self.settle(&mut [self.member(of)], n, outside, self.whole);
            (0..self.offers.len()).map(|of| weight(of).unwrap_or(DEAD)).collect()
        })
    }

    fn member(&self, of: usize) -> Member {
        let mut shares = [GONE; MOST_OPTIONS];
        for (share, offer) in shares.iter_mut().zip(&self.offers[of]) {
            *share = u16::try_from(offer.least).unwrap_or(GONE);
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
            if share != GONE {
                let now = self.presences.at(offer, u32::from(share));
                member.units = member.units.min(u32::from(share));
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
        let count = members.len();
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
        if count == 0 {
            return Some(used);
        }
        let mut ratio = self.presences.clock_ratio(power_w);
        // How many members in a row had no need to grow.
        let mut at_rest = 0;
        loop {
            for member in &mut *members {
                let before = *member;
                let others = disturbance - before.disturbance;
                let mut changed = false;
                for (offer, share) in self.offers[before.of].iter().zip(&mut member.shares) {
                    if *share != GONE {
                        let from = u32::from(*share);
                        let least = self.presences.least_from(offer, from, n, others, ratio);
                        let least = least.and_then(|l| u16::try_from(l).ok()).unwrap_or(GONE);
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
                    ratio = self.presences.clock_ratio(power_w);
                    at_rest = 0;
                } else {
                    at_rest += 1;
                    if at_rest == count {
                        return Some(used);
                    }
                }
            }
        }
    }

    /// Whether members that have settled among themselves can share a GPU, each with one of the batch sizes that are
    /// left to it. Rounding may make it say so where they just cannot.
    ///
    /// Each with the one that takes least so far is tried first; if they do not work, one member's sizes are divided
    /// in two, as long as what is taken by itself of all that are left leaves a chance.
    fn works(&self, members: &[Member]) -> bool {
        let n = members.len();
        let mut trial = members.to_vec();
        for member in &mut trial {
            let least = member.left().min_by_key(|&option| member.shares[option]);
            member.keep(|option| Some(option) == least);
            self.note(member);
        }
        if self.settle(&mut trial, n, Presence::default(), self.whole).is_some() {
            return true;
        }
        let widest = (0..n).max_by_key(|&place| members[place].left().count());
        let Some(widest) = widest.filter(|&place| members[place].left().count() > 1) else {
            return false;
        };
        let left = members[widest].left().count();
        let middle = members[widest].left().nth(left / 2).unwrap_or(0);
        [false, true].into_iter().any(|upper| {
            trial.copy_from_slice(members);
            trial[widest].keep(|option| (option >= middle) == upper);
            self.note(&mut trial[widest]);
            self.settle(&mut trial, n, Presence::default(), self.whole).is_some()
                && self.works(&trial)
        })
    }

    /// What so many of the mildest members add to others.
    fn with_mildest(&self, others: Presence, members: usize) -> Presence {
        #[expect(clippy::cast_precision_loss, reason = "a handful of members")]
        let members = members as f64;
        Presence {
            active_ms: 0.0,
            disturbance: others.disturbance + members * self.mildest.disturbance,
            power_w: others.power_w + members * self.mildest.power_w,
        }
    }

    /// Knapsacks for the given prices of the types.
    pub(super) fn knapsacks<'k>(&'k self, prices: &'k [f64]) -> Vec<Knapsacks<'k>> {
        let knapsacks = |(index, among)| Knapsacks::new(self, among, index + 1, prices);
        self.among.iter().enumerate().map(knapsacks).collect()
    }
}

/// The knapsacks that bound co-locations of n members, one for each pair of levels.
pub(super) struct Knapsacks<'k> {
    relaxed: &'k Relaxed<'k>,
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
    fn new(relaxed: &'k Relaxed<'k>, among: &'k Among, members: usize, prices: &'k [f64]) -> Self {
        let weights = relaxed.weights(among, members, 0);
        let mut order: Vec<usize> = (0..prices.len())
            .filter(|&t| prices[t] > LEAST_PRICE && weights[t] <= relaxed.whole)
            .collect();
        let density = |t: usize| prices[t] / f64::from(weights[t]);
        order.sort_by(|&a, &b| {
            let denser = || density(b).total_cmp(&density(a));
            weights[b].cmp(&weights[a]).then_with(denser).then(a.cmp(&b))
        });
        let fills = among.weights.iter().map(|_| OnceLock::new()).collect();
        Self { relaxed, among, members, prices, order, fills, units: relaxed.whole as usize }
    }

    /// How many types it looks at.
    pub(super) fn types(&self) -> usize {
        self.order.len()
    }

    /// What holds where the others of each member bring along at least so much.
    fn at(&self, others: Presence) -> &Fill {
        let [disturbances, powers] = &self.among.levels;
        let level = |levels: &[f64], now: f64| {
            levels.partition_point(|level| *level <= now).saturating_sub(1)
        };
        let level =
            level(disturbances, others.disturbance) * powers.len() + level(powers, others.power_w);
        self.fills[level].get_or_init(|| self.fill(level))
    }

    fn fill(&self, level: usize) -> Fill {
        let weights = self.relaxed.weights(self.among, self.members, level);
        let weights: Vec<u32> = self.order.iter().map(|&of| weights[of]).collect();
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
    /// At most those of the knapsacks.
    prices: &'s [f64],
    /// Extensions that it may still try.
    pub steps: u64,
    /// Only what costs more is of interest.
    pub best: f64,
    /// The dearest co-locations, each dearer than those before it; as ascending types.
    pub found: Vec<Vec<usize>>,
    members: Vec<Vec<Member>>,
}

impl<'s, 'p> Search<'s, 'p> {
    pub(super) fn new(relaxed: &'s Relaxed<'p>, prices: &'s [f64], steps: u64, best: f64) -> Self {
        Self { relaxed, prices, steps, best, found: Vec::new(), members: Vec::new() }
    }

    /// Searches all co-locations of n members whose first type is at this place of the order; false when it
    /// gives up.
    pub(super) fn root(&mut self, knapsacks: &Knapsacks<'_>, root: usize) -> bool {
        let n = knapsacks.members;
        self.members.resize_with(self.members.len().max(n + 1), Vec::new);
        self.members[0].clear();
        if root >= knapsacks.order.len() {
            return true;
        }
        let fill = knapsacks.at(self.relaxed.with_mildest(Presence::default(), n - 1));
        self.extend(knapsacks, fill, root, 0, 0.0, 0).is_some()
    }

    /// Adds the type `order[next]` to the `depth` members so far, which cost `value` and use `used` units; then all types
    /// from it on. `fill` is the knapsack for what they bring along. `None` when it gives up.
    fn extend(
        &mut self,
        knapsacks: &Knapsacks<'_>,
        fill: &Fill,
        next: usize,
        depth: usize,
        value: f64,
        used: u32,
    ) -> Option<()> {
        let relaxed = self.relaxed;
        let n = knapsacks.members;
        let of = knapsacks.order[next];
        let later = n - depth - 1;
        let free = relaxed.whole - used;
        let weight = fill.weights[next];
        let value = value + self.prices[of];
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
        let outside = relaxed.with_mildest(Presence::default(), later);
        let Some(used) = relaxed.settle(members, n, outside, relaxed.whole) else {
            return Some(());
        };
        let mut present = Presence::default();
        for member in &*members {
            present.disturbance += member.disturbance;
            present.power_w += member.power_w;
        }
        if value > self.best {
            let works = if later == 0 {
                relaxed.works(members)
            } else {
                let mut alone: Vec<Member> =
                    members.iter().map(|member| relaxed.member(member.of)).collect();
                let settled =
                    relaxed.settle(&mut alone, depth + 1, Presence::default(), relaxed.whole);
                settled.is_some() && relaxed.works(&alone)
            };
            if !works {
                return Some(());
            }
            let mut types: Vec<usize> = members.iter().map(|member| member.of).collect();
            types.sort_unstable();
            self.best = value;
            self.found.push(types);
        }
        if later == 0 {
            return Some(());
        }
        let free = relaxed.whole - used;
        let fill = knapsacks.at(relaxed.with_mildest(present, later - 1));
        for further in next..knapsacks.order.len() {
            // Nothing from here on can be dear enough.
            if value + knapsacks.best(fill, further, later, free) <= self.best {
                break;
            }
            // Neither is it, nor anything with it.
            let weight = fill.weights[further];
            if weight > free {
                continue;
            }
            self.extend(knapsacks, fill, further, depth + 1, value, used)?;
        }
        Some(())
    }
}
