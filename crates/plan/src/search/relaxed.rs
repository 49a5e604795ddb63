//! The search for the most expensive co-location under a predictor whose members affect each other only through sums
//! ([`igniter_model::predictor::Additive`]). The search is exhaustive, and fast enough to finish.
//!
//! As in [`super::pricing`], co-locations of n members are extended in a fixed order of types, for each n. Two
//! relaxations make this fast, and neither rules out a feasible co-location:
//!
//! - A member takes the least share, the least disturbance and the least power of any of its batch sizes, each
//!   independently. So each set of types has one least fixed point, instead of one for every combination of batch
//!   sizes. Sets that still look expensive are then checked with every combination. A batch size is evaluated again
//!   only while it is the least in one of the three: the others need no less.
//! - Members yet to be added disturb the others, and draw power, at least as much as the mildest type. Their own
//!   shares are bounded by a knapsack over their least shares among n members, where the others disturb them, and
//!   draw power, at least as much as they do now; there is one table for each of a few levels of both.

mod knapsacks;

use super::super::presences::{Offer, Presences};
use super::types::Type;
use igniter_model::predictor::{Additive, Presence};
use knapsacks::Fill;
pub(super) use knapsacks::Knapsacks;
use std::sync::OnceLock;

/// Maximum number of batch sizes of a type.
pub(super) const MOST_OPTIONS: usize = 24;

/// Numbers of levels of disturbance and of power; there is a table for each pair.
const LEVELS: [usize; 2] = [8, 32];

/// Marks a member for which no share of the GPU is enough.
const DEAD: u32 = u32::MAX;

/// Marks a batch size that is ruled out.
const GONE: u16 = u16::MAX;

/// The types in numeric form.
pub(super) struct Relaxed<'p> {
    presences: Presences<'p>,
    /// By type, then by batch size.
    offers: Vec<Vec<Offer>>,
    counts: Vec<usize>,
    /// By type, a member with its needs alone.
    fresh: Vec<RelaxedMember>,
    whole: u32,
    /// For n = 1, 2, …: bounds for co-locations of n members.
    among: Vec<Among>,
    /// The least disturbance by any member, and the least power that any member draws.
    mildest: Presence,
}

/// Bounds that hold among n members.
struct Among {
    /// The disturbance, and the power in W, at which each level starts.
    levels: [Vec<f64>; 2],
    /// By level of disturbance times level of power, computed on first use; then by type: a member with its least
    /// needs; its units are [`DEAD`] where no share is enough.
    grown: Vec<OnceLock<Vec<RelaxedMember>>>,
}

/// A member of a co-location under the first relaxation.
#[derive(Debug, Clone, Copy)]
struct RelaxedMember {
    of: usize,
    /// The least share with each batch size so far, in units; for those that are the least in nothing, more may be
    /// needed by now.
    shares: [u16; MOST_OPTIONS],
    /// The batch sizes that take the least share, disturb least and draw least power.
    least: [u8; 3],
    /// The least of the shares.
    units: u32,
    disturbance: f64,
    power_w: f64,
}

impl RelaxedMember {
    /// Returns the batch sizes that are left, as places among its type's.
    fn left(&self) -> impl Iterator<Item = usize> {
        (0..MOST_OPTIONS).filter(|&option| self.shares[option] != GONE)
    }

    /// Keeps only the batch sizes for which `keeps` holds.
    fn keep(&mut self, keeps: impl Fn(usize) -> bool) {
        let shares = self.shares.iter_mut().enumerate().filter(|(option, _)| !keeps(*option));
        shares.for_each(|(_, share)| *share = GONE);
    }
}

impl<'p> Relaxed<'p> {
    /// Prepares the types; `None` when there are none, or one has too many batch sizes.
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
        let (among, fresh) = (Vec::new(), Vec::new());
        let mut relaxed = Self { presences, offers, counts, fresh, whole, among, mildest };
        relaxed.fresh = (0..types.len()).map(|of| relaxed.newcomer(of)).collect();
        for n in 1..=process_limit.min(whole as usize) {
            let among = relaxed.tabulate(n);
            let grown = relaxed.grown(&among, n, 0).iter();
            let lightest = grown.map(|member| member.units).min().unwrap_or(DEAD);
            let members = u32::try_from(n).unwrap_or(u32::MAX);
            if lightest.saturating_mul(members) > whole {
                break;
            }
            relaxed.among.push(among);
        }
        Some(relaxed)
    }

    /// Prepares the least shares among n members, by levels of disturbance and power; they are computed on first use.
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
        let grown = (0..levels[0].len() * levels[1].len()).map(|_| OnceLock::new()).collect();
        Among { levels, grown }
    }

    /// Returns the least needs of all types among n members, at a level of disturbance and power.
    fn grown<'a>(&self, among: &'a Among, n: usize, level: usize) -> &'a [RelaxedMember] {
        let [disturbances, powers] = &among.levels;
        let outside = Presence {
            active_ms: 0.0,
            disturbance: disturbances[level / powers.len()],
            power_w: powers[level % powers.len()],
        };
        among.grown[level].get_or_init(|| {
            let grown = |fresh: &RelaxedMember| {
                let mut own = [*fresh];
                let works = self.settle(&mut own, n, outside, self.whole).is_some();
                RelaxedMember { units: if works { own[0].units } else { DEAD }, ..own[0] }
            };
            self.fresh.iter().map(grown).collect()
        })
    }

    fn newcomer(&self, of: usize) -> RelaxedMember {
        let mut shares = [GONE; MOST_OPTIONS];
        for (share, offer) in shares.iter_mut().zip(&self.offers[of]) {
            *share = u16::try_from(offer.least).unwrap_or(GONE);
        }
        let least = [0; 3];
        let mut member =
            RelaxedMember { of, shares, least, units: 0, disturbance: 0.0, power_w: 0.0 };
        self.note(&mut member);
        member
    }

    /// Finds the least share, disturbance and power over a member's batch sizes; returns false when none is left.
    fn note(&self, member: &mut RelaxedMember) -> bool {
        member.units = DEAD;
        member.disturbance = f64::INFINITY;
        member.power_w = f64::INFINITY;
        for (option, offer) in (0_u8..).zip(&self.offers[member.of]) {
            let share = u32::from(member.shares[usize::from(option)]);
            if share == u32::from(GONE) {
                continue;
            }
            let now = self.presences.at(offer, share);
            if share < member.units {
                (member.units, member.least[0]) = (share, option);
            }
            if now.disturbance < member.disturbance {
                (member.disturbance, member.least[1]) = (now.disturbance, option);
            }
            if now.power_w < member.power_w {
                (member.power_w, member.least[2]) = (now.power_w, option);
            }
        }
        member.units != DEAD
    }

    /// Grows a member to its least needs among n members, where the others disturb it by `others` and the clock is at
    /// `ratio` of its maximum; returns whether it grew, `None` when no batch size is left.
    fn renew(&self, member: &mut RelaxedMember, n: usize, others: f64, ratio: f64) -> Option<bool> {
        let offers = &self.offers[member.of];
        let slower = 1.0 + offers[0].sensitivity * others;
        let scheduling_ms = self.presences.scheduling_of(&offers[0])[n - 1];
        let mut grew = false;
        loop {
            let mut again = false;
            let [first, second, third] = member.least.map(usize::from);
            for (option, is_new) in [
                (first, true),
                (second, second != first),
                (third, third != first && third != second),
            ] {
                if !is_new {
                    continue;
                }
                let share = &mut member.shares[option];
                if *share == GONE {
                    continue;
                }
                let (offer, from) = (&offers[option], u32::from(*share));
                let least = self.presences.least_slowed(offer, from, scheduling_ms, slower, ratio);
                let least = least.and_then(|l| u16::try_from(l).ok()).unwrap_or(GONE);
                again |= *share != least;
                *share = least;
            }
            if !again {
                return Some(grew);
            }
            grew = true;
            // Other batch sizes may now be the least, and have not been evaluated.
            if !self.note(member) {
                return None;
            }
        }
    }

    /// Grows the members' shares to the least fixed point among n members, with `outside` as further disturbance and
    /// power; returns the sum of their shares, or `None` when that is more than `most`.
    fn settle(
        &self,
        members: &mut [RelaxedMember],
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
        // Number of members in a row that had no need to grow.
        let mut at_rest = 0;
        loop {
            for member in &mut *members {
                let before = *member;
                let others = disturbance - before.disturbance;
                if self.renew(member, n, others, ratio)? {
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

    /// Returns whether members that have settled among themselves can share a GPU, each with one of its remaining
    /// batch sizes. Rounding may make it return true where they only just cannot.
    ///
    /// Each member is first tried with the batch size that takes least so far. If that does not work, the sizes of
    /// one member are divided into two halves, and each half is searched as long as its relaxation is feasible.
    fn works(&self, members: &[RelaxedMember]) -> bool {
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

    /// Returns `others` plus the disturbance and power of `members` of the mildest members.
    fn with_mildest(&self, others: Presence, members: usize) -> Presence {
        #[expect(clippy::cast_precision_loss, reason = "a handful of members")]
        let members = members as f64;
        Presence {
            active_ms: 0.0,
            disturbance: others.disturbance + members * self.mildest.disturbance,
            power_w: others.power_w + members * self.mildest.power_w,
        }
    }

    /// Makes the knapsacks for the given prices of the types.
    pub(super) fn knapsacks<'k>(&'k self, prices: &'k [f64]) -> Vec<Knapsacks<'k>> {
        let knapsacks = |(index, among)| Knapsacks::new(self, among, index + 1, prices);
        self.among.iter().enumerate().map(knapsacks).collect()
    }
}

/// The search for co-locations that cost more than the best so far.
pub(super) struct RelaxedSearch<'s, 'p> {
    pub relaxed: &'s Relaxed<'p>,
    /// Prices of the types, at most those of the knapsacks.
    prices: &'s [f64],
    /// Number of extensions that it may still try.
    pub steps: u64,
    /// Only co-locations that cost more are of interest.
    pub best: f64,
    /// The most expensive co-locations, each more expensive than those before it; as ascending types.
    pub found: Vec<Vec<usize>>,
    members: Vec<Vec<RelaxedMember>>,
}

impl<'s, 'p> RelaxedSearch<'s, 'p> {
    pub(super) fn new(relaxed: &'s Relaxed<'p>, prices: &'s [f64], steps: u64, best: f64) -> Self {
        Self { relaxed, prices, steps, best, found: Vec::new(), members: Vec::new() }
    }

    /// Searches all co-locations of n members whose first type is at place `root` of the order; returns false when it
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

    /// Adds the type `order[next]` to the `depth` members so far, which cost `value` and use `used` units; then goes
    /// on with all types from it on. `fill` is the knapsack for the disturbance and power of the members so far.
    /// Returns `None` when it gives up.
    fn extend(
        &mut self,
        knapsacks: &Knapsacks<'_>,
        fill: &Fill<'_>,
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
        // The new member starts from its least needs beside the members so far.
        members.push(fill.grown[of]);
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
                let mut alone: Vec<RelaxedMember> =
                    members.iter().map(|member| relaxed.fresh[member.of]).collect();
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
            // No type from here on can make the co-location expensive enough.
            if value + knapsacks.best(fill, further, later, free) <= self.best {
                break;
            }
            // This type does not fit, nor does anything with it.
            let weight = fill.weights[further];
            if weight > free {
                continue;
            }
            self.extend(knapsacks, fill, further, depth + 1, value, used)?;
        }
        Some(())
    }
}
