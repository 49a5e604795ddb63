//! The search for the most expensive co-location that one GPU can hold, given a price for each type.
//!
//! Depth-first search over co-locations of n members in a fixed order of types, for each n, each extended with every
//! combination of batch sizes that still works. A branch is cut where even the best knapsack filling of its free
//! units cannot beat the best co-location known. The weight of a type in that knapsack is the least share that it can
//! have among n members (`super::neighbours`).
//!
//! Where members affect each other only through sums, `super::relaxed` searches instead, exhaustively if requested.

use super::super::shares::{ShareFitter, total};
use super::super::{Margin, PlanRequest};
use super::enumerate::{FeasibleSet, MOST_WAYS, Way, extend};
use super::neighbours::weights;
use super::relaxed::{self, Relaxed};
use super::types::Type;
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Number of extensions of co-locations that a search tries from each first type before it gives up: the rest is
/// found faster by listing all ([`Pricing::list`]).
const MOST_STEPS: u64 = 300;

/// The same where members affect each other only through sums: steps are faster then.
const MOST_QUICK_STEPS: u64 = 3_000;

/// Types with lower prices are left out of searches: a bound must not count them.
pub(crate) const LEAST_PRICE: f64 = 1e-9;

/// Number of first types that an exhaustive search handles together.
const ROOTS: usize = 32;

/// A price is lowered by this factor beyond what is needed.
const BELOW: f64 = 1.0 - 1e-12;

/// Number of the most expensive co-locations that are kept of those found from each first type.
const KEPT: usize = 6;

/// Data about the types that does not depend on prices.
pub(crate) struct Pricing<'r, 'p, 't> {
    request: &'r PlanRequest<'p>,
    types: &'t [Type],
    /// Present where members affect each other only through sums.
    relaxed: Option<Relaxed<'p>>,
    /// `weights[n − 1][t]`: least share of a type among n members, in units; more than a GPU has where it does not
    /// fit.
    weights: Vec<Vec<u32>>,
    whole: u32,
}

/// The result of one search.
pub(crate) struct Priced {
    /// A price that no feasible co-location exceeds; `None` when the search was not exhaustive.
    pub highest: Option<f64>,
    /// For each type, the most expensive co-locations found that start with it and cost more than requested.
    pub sets: Vec<FeasibleSet>,
}

impl<'r, 'p, 't> Pricing<'r, 'p, 't> {
    pub(crate) fn new(request: &'r PlanRequest<'p>, types: &'t [Type]) -> Self {
        let whole = ShareFitter::new(request).whole();
        let relaxed = match (request.predictor().additive(), request.options().margin) {
            (Some(additive), Margin::Percent(_)) => {
                Relaxed::new(additive, types, request.options().process_limit)
            }
            _ => None,
        };
        if relaxed.is_none() {
            return Self::by_weights(request, types);
        }
        Self { request, types, relaxed, weights: Vec::new(), whole }
    }

    /// Prepares pricing without the exhaustive search that some predictors allow.
    pub(crate) fn by_weights(request: &'r PlanRequest<'p>, types: &'t [Type]) -> Self {
        let whole = ShareFitter::new(request).whole();
        let by_type = weights(request, types);
        let most = by_type.iter().map(Vec::len).max().unwrap_or(0);
        let weights = (0..most)
            .map(|n| by_type.iter().map(|of| of.get(n).copied().unwrap_or(whole + 1)).collect())
            .collect();
        Self { request, types, relaxed: None, weights, whole }
    }

    /// Returns prices under which no co-location costs more than 1: the least shares as parts of a GPU.
    pub(crate) fn least_prices(&self) -> Vec<f64> {
        let price = |t: &Type| f64::from(t.least()) / f64::from(self.whole);
        self.types.iter().map(price).collect()
    }

    /// Returns all feasible co-locations, or `None` when there are more than about `most`.
    pub(crate) fn list(&self, most: usize) -> Option<Vec<FeasibleSet>> {
        let count = self.types.len();
        let roots: Vec<(usize, usize)> =
            (0..count).flat_map(|a| (a..count).map(move |b| (a, b))).collect();
        let found = AtomicUsize::new(0);
        let listed: Vec<Option<Vec<FeasibleSet>>> = roots
            .into_par_iter()
            .map_init(
                || ShareFitter::new(self.request),
                |fitter, (a, b)| {
                    let mut listing =
                        Listing { pricing: self, sets: Vec::new(), found: &found, most };
                    let alone =
                        extend(fitter, self.types, &[Way::default()], a, self.whole, MOST_WAYS)?;
                    let mut path = vec![a];
                    if a == b {
                        listing.note(&path);
                    }
                    let finished = listing.visit(fitter, &mut path, &alone, b);
                    finished.then_some(listing.sets)
                },
            )
            .collect();
        let listed: Option<Vec<Vec<FeasibleSet>>> = listed.into_iter().collect();
        Some(listed?.into_iter().flatten().collect())
    }

    /// Searches quickly for expensive co-locations; those with a price of at most `enough` are skipped. Counts its
    /// steps where members affect each other only through sums.
    pub(crate) fn price(&self, prices: &[f64], enough: f64, steps: &mut u64) -> Priced {
        if let Some(relaxed) = &self.relaxed {
            let knapsacks = relaxed.knapsacks(prices);
            let roots: Vec<usize> = (0..most_types(&knapsacks)).collect();
            let found = search(relaxed, &knapsacks, &roots, prices, enough, MOST_QUICK_STEPS);
            *steps += found.iter().map(|found| found.steps).sum::<u64>();
            let results = found.into_iter().map(|f| (f.finished, f.best, f.sets)).collect();
            return Priced::of(results, enough);
        }
        let tables: Vec<KnapsackBound> = (1..=self.weights.len())
            .map(|n| KnapsackBound::new(&self.weights[n - 1], prices, n, self.whole))
            .collect();
        let results: Vec<(bool, f64, Vec<FeasibleSet>)> = (0..prices.len())
            .into_par_iter()
            .map_init(
                || ShareFitter::new(self.request),
                |fitter, root| {
                    let mut search = PricingSearch {
                        types: self.types,
                        prices,
                        whole: self.whole,
                        steps: MOST_STEPS,
                        best: enough,
                        found: None,
                        path: Vec::new(),
                    };
                    let finished = tables.iter().all(|table| search.root(fitter, table, root));
                    (finished, search.best, search.found.into_iter().collect())
                },
            )
            .collect();
        Priced::of(results, enough)
    }

    /// Lowers prices until no feasible co-location costs more than `enough`, and returns those that did; `None` where
    /// members affect each other through more than sums. The flag is false when that would take more than `most`
    /// steps.
    ///
    /// Searches all co-locations from one first type after another. The prices of the members of one that is too
    /// expensive are lowered in proportion. Finished searches stay valid, since prices only fall.
    pub(crate) fn lower(
        &self,
        prices: &mut [f64],
        enough: f64,
        most: u64,
        steps: &mut u64,
    ) -> Option<(bool, Vec<FeasibleSet>)> {
        let relaxed = self.relaxed.as_ref()?;
        let before = prices.to_vec();
        let knapsacks = relaxed.knapsacks(&before);
        let all: Vec<usize> = (0..most_types(&knapsacks)).collect();
        let mut sets = Vec::new();
        let mut taken = 0;
        for roots in all.chunks(ROOTS) {
            let mut roots = roots.to_vec();
            while !roots.is_empty() {
                let found = search(relaxed, &knapsacks, &roots, prices, enough, most);
                let mut again = Vec::new();
                for (root, found) in roots.into_iter().zip(found) {
                    taken += found.steps;
                    if !found.finished || taken > most {
                        *steps += taken;
                        return Some((false, sets));
                    }
                    if !found.sets.is_empty() {
                        again.push(root);
                    }
                    for set in found.sets {
                        let members = || set.types.iter().map(|&of| usize::from(of));
                        let price: f64 = members().map(|of| prices[of]).sum();
                        if price > enough {
                            let mut lowered: Vec<usize> = members().collect();
                            lowered.dedup();
                            // Lowered slightly more, so that rounding does not leave it too expensive.
                            lowered.iter().for_each(|&of| prices[of] *= enough / price * BELOW);
                        }
                        sets.push(set);
                    }
                }
                roots = again;
            }
        }
        *steps += taken;
        Some((true, sets))
    }
}

/// The result of one search from one first type.
struct PricedColumn {
    /// True if the search was exhaustive.
    finished: bool,
    /// The highest price that it found, or `enough` if none was higher.
    best: f64,
    sets: Vec<FeasibleSet>,
    steps: u64,
}

fn most_types(knapsacks: &[relaxed::Knapsacks<'_>]) -> usize {
    knapsacks.iter().map(relaxed::Knapsacks::types).max().unwrap_or(0)
}

/// Searches from some first types for co-locations that cost more than `enough`, with `steps` steps for each.
fn search(
    relaxed: &Relaxed<'_>,
    knapsacks: &[relaxed::Knapsacks<'_>],
    roots: &[usize],
    prices: &[f64],
    enough: f64,
    steps: u64,
) -> Vec<PricedColumn> {
    let from = |&root: &usize| {
        let mut search = relaxed::RelaxedSearch::new(relaxed, prices, steps, enough);
        let finished = knapsacks.iter().all(|table| search.root(table, root));
        let index = |t: &usize| u16::try_from(*t).expect("few types are priced");
        let set =
            |types: Vec<usize>| FeasibleSet { types: types.iter().map(index).collect(), total: 0 };
        let sets = search.found.into_iter().rev().take(KEPT).map(set).collect();
        PricedColumn { finished, best: search.best, sets, steps: steps - search.steps }
    };
    roots.par_iter().map(from).collect()
}

impl Priced {
    /// Combines the parts of a search: whether each finished, its best price, and the co-locations that it found.
    fn of(results: Vec<(bool, f64, Vec<FeasibleSet>)>, enough: f64) -> Self {
        let mut priced = Self { highest: Some(enough), sets: Vec::new() };
        for (finished, best, set) in results {
            priced.highest = priced.highest.filter(|_| finished).map(|highest| highest.max(best));
            priced.sets.extend(set);
        }
        priced
    }
}

/// The knapsack that bounds co-locations of n members.
pub(super) struct KnapsackBound {
    members: usize,
    /// Types by falling price per unit of weight.
    order: Vec<usize>,
    /// Weights of the types in `order`.
    weights: Vec<u32>,
    /// `fill[(k · (n + 1) + m) · (units + 1) + c]`: the highest price of at most m of the types
    /// `order[k..]` in c units.
    fill: Vec<f64>,
    units: usize,
}

impl KnapsackBound {
    pub(super) fn new(weights: &[u32], prices: &[f64], members: usize, whole: u32) -> Self {
        let mut order: Vec<usize> =
            (0..prices.len()).filter(|&t| prices[t] > LEAST_PRICE && weights[t] <= whole).collect();
        let density = |t: usize| prices[t] / f64::from(weights[t]);
        order.sort_by(|&a, &b| density(b).total_cmp(&density(a)).then(a.cmp(&b)));
        let units = whole as usize;
        let row = units + 1;
        let layer = (members + 1) * row;
        let mut fill = vec![0.0; (order.len() + 1) * layer];
        for k in (0..order.len()).rev() {
            let (weight, price) = (weights[order[k]] as usize, prices[order[k]]);
            for m in 1..=members {
                for c in 0..row {
                    let without = fill[(k + 1) * layer + m * row + c];
                    let with = if c >= weight {
                        fill[k * layer + (m - 1) * row + c - weight] + price
                    } else {
                        0.0
                    };
                    fill[k * layer + m * row + c] = f64::max(without, with);
                }
            }
        }
        let weights = order.iter().map(|&t| weights[t]).collect();
        Self { members, order, weights, fill, units }
    }

    /// Returns the least weight of the types `order[k..]`.
    fn lightest(&self, k: usize) -> u32 {
        self.weights[k..].iter().copied().min().unwrap_or(0)
    }

    /// Returns the highest price of at most `members` of the types `order[k..]` in `units` units.
    pub(super) fn fill(&self, k: usize, members: usize, units: u32) -> f64 {
        let row = self.units + 1;
        self.fill[(k * (self.members + 1) + members) * row + units as usize]
    }
}

impl KnapsackBound {
    /// Returns the types that make up [`Self::fill`] from the first type on.
    pub(super) fn filling(&self, prices: &[f64], mut members: usize, mut units: u32) -> Vec<usize> {
        let mut chosen = Vec::new();
        let mut k = 0;
        while k < self.order.len() && members > 0 {
            // Both come from the same sums, so equality is exact.
            if self.fill(k, members, units) <= self.fill(k + 1, members, units) {
                k += 1;
                continue;
            }
            assert!(prices[self.order[k]] > 0.0);
            chosen.push(self.order[k]);
            units -= self.weights[k];
            members -= 1;
        }
        chosen
    }
}

/// A list of all co-locations that start with two given types.
struct Listing<'l, 'r, 'p, 't> {
    pricing: &'l Pricing<'r, 'p, 't>,
    sets: Vec<FeasibleSet>,
    /// Number of co-locations found by all listings that run at the same time. Whether they find too many in total
    /// does not depend on the order in which they run.
    found: &'l AtomicUsize,
    most: usize,
}

impl Listing<'_, '_, '_, '_> {
    fn note(&mut self, path: &[usize]) {
        let index = |t: &usize| u16::try_from(*t).expect("few types are priced");
        self.sets.push(FeasibleSet { types: path.iter().map(index).collect(), total: 0 });
        self.found.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds the type `next` to the co-location of `path`, and then all types from it on; returns false when there are
    /// too many.
    fn visit(
        &mut self,
        fitter: &mut ShareFitter<'_>,
        path: &mut Vec<usize>,
        ways: &[Way],
        next: usize,
    ) -> bool {
        let (types, whole) = (self.pricing.types, self.pricing.whole);
        let among =
            |n: usize, t: usize| self.pricing.weights.get(n - 1).map_or(whole + 1, |w| w[t]);
        let weight: u32 = path.iter().chain([&next]).map(|t| among(path.len() + 1, *t)).sum();
        let copies = path.iter().filter(|t| **t == next).count();
        if weight > whole || copies >= types[next].count() {
            return true;
        }
        let lightest = (next..types.len()).map(|t| among(path.len() + 2, t)).min().unwrap_or(whole);
        let Some(longer) =
            extend(fitter, types, ways, next, whole.saturating_sub(lightest), MOST_WAYS)
        else {
            return false;
        };
        if longer.is_empty() {
            return true;
        }
        if self.found.load(Ordering::Relaxed) > self.most {
            return false;
        }
        path.push(next);
        self.note(path);
        let finished =
            (next..types.len()).all(|further| self.visit(fitter, path, &longer, further));
        path.pop();
        finished
    }
}

/// The search from one first type.
struct PricingSearch<'s> {
    types: &'s [Type],
    prices: &'s [f64],
    whole: u32,
    steps: u64,
    best: f64,
    found: Option<FeasibleSet>,
    path: Vec<usize>,
}

impl PricingSearch<'_> {
    /// Searches all co-locations of the table's number of members whose first type is `order[root]`; returns false
    /// when it gives up.
    fn root(&mut self, fitter: &mut ShareFitter<'_>, table: &KnapsackBound, root: usize) -> bool {
        self.path.clear();
        root >= table.order.len() || self.visit(fitter, table, root, &[Way::default()], 0.0, [0, 0])
    }

    /// Adds the type `order[next]` to the co-location of `path` and goes on from there; the members so far
    /// need `weight` units among the table's number of members, and `used` among themselves.
    fn visit(
        &mut self,
        fitter: &mut ShareFitter<'_>,
        table: &KnapsackBound,
        next: usize,
        ways: &[Way],
        value: f64,
        [weight, used]: [u32; 2],
    ) -> bool {
        let of = table.order[next];
        let weight = weight + table.weights[next];
        let needed = weight.max(used + table.weights[next]);
        let left = table.members - self.path.len() - 1;
        if needed > self.whole {
            return true;
        }
        let value = value + self.prices[of];
        if value + table.fill(next, left, self.whole - needed) <= self.best + 1e-12 {
            return true;
        }
        if self.path.iter().filter(|t| **t == of).count() >= self.types[of].count() {
            return true;
        }
        if self.steps == 0 {
            return false;
        }
        self.steps -= 1;
        // With as many left as there are units, nothing fits beside them, whatever they weigh.
        let others = u32::try_from(left).unwrap_or(u32::MAX);
        let lightest =
            if left == 0 { self.whole } else { table.lightest(next).saturating_mul(others) };
        let extensible = self.whole.saturating_sub(lightest);
        let Some(longer) = extend(fitter, self.types, ways, of, extensible, MOST_WAYS) else {
            return false;
        };
        if longer.is_empty() {
            return true;
        }
        self.path.push(of);
        let mut finished = true;
        if value > self.best {
            self.note(value);
        }
        if left > 0 {
            let used = longer.iter().map(|way| total(&way.seats).get()).min().unwrap_or(0);
            // The units that the path uses now are a lower bound on those that it needs with any others.
            if value + table.fill(next, left, self.whole.saturating_sub(used)) <= self.best + 1e-12
            {
                self.path.pop();
                return true;
            }
            for further in next..table.order.len() {
                if !self.visit(fitter, table, further, &longer, value, [weight, used]) {
                    finished = false;
                    break;
                }
            }
        }
        self.path.pop();
        finished
    }

    fn note(&mut self, value: f64) {
        let index = |t: &usize| u16::try_from(*t).expect("few types are priced");
        let mut types: Vec<u16> = self.path.iter().map(index).collect();
        types.sort_unstable();
        self.best = value;
        self.found = Some(FeasibleSet { types, total: 0 });
    }
}
