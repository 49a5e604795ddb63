//! The linear program over some co-locations, solved by the revised simplex method (Dantzig 1953): when co-locations
//! are added, it goes on from the last basis, and a few exchanges take them in.
//!
//! ```text
//! least Σ_s x_s  with  Σ_s a_st x_s ≥ n_t  for each type t,  x ≥ 0
//! ```
//! The inverse of the basis is stored in full: there are a few hundred types, and co-locations have few members.
//! Prices are those of the dual program. No proof rests on their accuracy ([`super::configuration_lp`]).

use super::enumerate::FeasibleSet;

/// Variables that cost too much by less than this are ignored.
const TOLERANCE: f64 = 1e-9;

/// Least absolute value of a pivot.
const LEAST_PIVOT: f64 = 1e-8;

/// The inverse is recomputed after this many exchanges.
const RENEWED: usize = 1_000;

/// Maximum number of exchanges for each type.
const MOST_EXCHANGES: usize = 1_000;

/// The wanted number of each type is raised by up to this part, each by a different one: then no two basic values
/// reach 0 together, and exchanges cannot cycle (Charnes, "Optimality and degeneracy in linear programming",
/// Econometrica 1952).
const SPREAD: f64 = 1e-8;

/// A variable in the basis: a co-location, or the surplus of a type beyond the wanted number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Basic {
    Set(usize),
    Surplus(usize),
}

/// The program, with the basis that is best so far.
pub(super) struct Master<'c> {
    counts: &'c [f64],
    pub sets: Vec<FeasibleSet>,
    basis: Vec<Basic>,
    /// Inverse of the basis, by type, then by place in the basis.
    inverse: Vec<f64>,
    /// Values of the basic variables, by place in the basis.
    values: Vec<f64>,
    /// Prices by type; at most 1, since each type alone is a set.
    pub prices: Vec<f64>,
    exchanges: usize,
}

impl<'c> Master<'c> {
    /// Makes the program with the co-locations of one member each, and the given ones.
    pub(super) fn new(counts: &'c [f64], mut sets: Vec<FeasibleSet>) -> Self {
        let index = |of| u16::try_from(of).expect("few types are priced");
        sets.extend((0..counts.len()).map(|of| FeasibleSet { types: vec![index(of)], total: 0 }));
        sets.sort_by(|a, b| a.types.cmp(&b.types));
        sets.dedup_by(|a, b| a.types == b.types);
        let place = |of| sets.iter().position(|set| set.types == [index(of)]).map(Basic::Set);
        let basis = (0..counts.len()).filter_map(place).collect();
        let mut master = Self {
            counts,
            sets,
            basis,
            inverse: Vec::new(),
            values: Vec::new(),
            prices: Vec::new(),
            exchanges: 0,
        };
        master.renew();
        master
    }

    /// Returns the cost of a set.
    pub(super) fn cost(&self, set: &FeasibleSet) -> f64 {
        set.types.iter().map(|&of| self.prices[usize::from(of)]).sum()
    }

    /// Finds the best prices under the sets; `None` where rounding prevents it.
    pub(super) fn solve(&mut self) -> Option<()> {
        for _ in 0..MOST_EXCHANGES * self.counts.len().max(1) {
            let Some(entering) = self.entering() else { return Some(()) };
            self.exchange(entering)?;
            if self.exchanges >= RENEWED && !self.renew() {
                return None;
            }
        }
        None
    }

    /// Returns the variable that costs too much by most, if there is one.
    fn entering(&self) -> Option<Basic> {
        let sets = self.sets.iter().enumerate();
        let sets = sets.map(|(place, set)| (self.cost(set) - 1.0, Basic::Set(place)));
        let surplus = self.prices.iter().enumerate().map(|(of, p)| (-p, Basic::Surplus(of)));
        let too_dear = sets.chain(surplus).filter(|(excess, _)| *excess > TOLERANCE);
        too_dear.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, entering)| entering)
    }

    /// Returns a column in terms of the basis.
    fn column(&self, of: Basic) -> Vec<f64> {
        let count = self.counts.len();
        let mut column = vec![0.0; count];
        let mut add = |of: usize, n: f64| {
            let own = &self.inverse[of * count..(of + 1) * count];
            column.iter_mut().zip(own).for_each(|(to, from)| *to += n * from);
        };
        match of {
            Basic::Set(place) => {
                self.sets[place].types.iter().for_each(|&of| add(usize::from(of), 1.0));
            }
            Basic::Surplus(of) => add(of, -1.0),
        }
        column
    }

    /// Takes a variable into the basis, in place of the one that reaches 0 first.
    fn exchange(&mut self, entering: Basic) -> Option<()> {
        let count = self.counts.len();
        let column = self.column(entering);
        let ratio = |place: &usize| self.values[*place] / column[*place];
        let falling = (0..count).filter(|&place| column[place] > LEAST_PIVOT);
        let leaving = falling.min_by(|a, b| {
            let larger = || column[*b].total_cmp(&column[*a]);
            ratio(a).total_cmp(&ratio(b)).then_with(larger)
        })?;
        let value = ratio(&leaving).max(0.0);
        for (own, change) in self.values.iter_mut().zip(&column) {
            *own = (*own - value * change).max(0.0);
        }
        self.values[leaving] = value;
        let excess = match entering {
            Basic::Set(place) => self.cost(&self.sets[place]) - 1.0,
            Basic::Surplus(of) => -self.prices[of],
        };
        for (own, price) in self.inverse.chunks_exact_mut(count).zip(&mut self.prices) {
            let part = own[leaving] / column[leaving];
            if part != 0.0 {
                own.iter_mut().zip(&column).for_each(|(to, change)| *to -= part * change);
                own[leaving] = part;
                *price -= excess * part;
            }
        }
        self.basis[leaving] = entering;
        self.exchanges += 1;
        Some(())
    }

    /// Recomputes everything from the basis, by elimination with the largest pivots; returns false where that fails.
    fn renew(&mut self) -> bool {
        let count = self.counts.len();
        self.exchanges = 0;
        // Row by row: the basis, and beside it the matrix that becomes its inverse.
        let width = 2 * count;
        let mut rows = vec![0.0_f64; count * width];
        for (place, basic) in self.basis.iter().enumerate() {
            match basic {
                Basic::Set(set) => {
                    let types = self.sets[*set].types.iter();
                    types.for_each(|&of| rows[usize::from(of) * width + place] += 1.0);
                }
                Basic::Surplus(of) => rows[of * width + place] = -1.0,
            }
        }
        (0..count).for_each(|of| rows[of * width + count + of] = 1.0);
        for place in 0..count {
            let size = |of: &usize| rows[of * width + place].abs();
            let Some(pivot) = (place..count).max_by(|a, b| size(a).total_cmp(&size(b))) else {
                return false;
            };
            if size(&pivot) < LEAST_PIVOT {
                return false;
            }
            if pivot != place {
                let (head, tail) = rows.split_at_mut(pivot * width);
                head[place * width..(place + 1) * width].swap_with_slice(&mut tail[..width]);
            }
            let scale = 1.0 / rows[place * width + place];
            let mut own = rows[place * width..(place + 1) * width].to_vec();
            own.iter_mut().for_each(|entry| *entry *= scale);
            for (of, row) in rows.chunks_exact_mut(width).enumerate() {
                let factor = row[place];
                if of == place {
                    row.copy_from_slice(&own);
                } else if factor != 0.0 {
                    row.iter_mut().zip(&own).for_each(|(to, from)| *to -= factor * from);
                }
            }
        }
        self.inverse.resize(count * count, 0.0);
        for place in 0..count {
            for of in 0..count {
                self.inverse[of * count + place] = rows[place * width + count + of];
            }
        }
        let wanted = |(of, n): (usize, &f64)| n * (1.0 + SPREAD * spread(of));
        self.values = self.values_of(self.counts.iter().enumerate().map(wanted));
        self.values.iter_mut().for_each(|value| *value = value.max(0.0));
        let is_set = |basic: &Basic| matches!(basic, Basic::Set(_));
        let price = |own: &[f64]| -> f64 {
            let parts = own.iter().zip(&self.basis).filter(|(_, basic)| is_set(basic));
            parts.map(|(part, _)| part).sum()
        };
        self.prices = self.inverse.chunks_exact(count.max(1)).map(price).collect();
        true
    }

    /// Returns the values of the basic variables where `wanted` of each type is wanted.
    fn values_of(&self, wanted: impl Iterator<Item = f64>) -> Vec<f64> {
        let count = self.counts.len();
        let mut values = vec![0.0; count];
        for (own, wanted) in self.inverse.chunks_exact(count.max(1)).zip(wanted) {
            values.iter_mut().zip(own).for_each(|(to, part)| *to += wanted * part);
        }
        values
    }

    /// Adds sets, and forgets those that cost at most `least`, except single members and those in the basis.
    pub(super) fn replace(&mut self, least: f64, new: Vec<FeasibleSet>) {
        let mut basic = vec![false; self.sets.len()];
        for of in &self.basis {
            if let Basic::Set(place) = of {
                basic[*place] = true;
            }
        }
        let mut places = Vec::with_capacity(self.sets.len());
        let mut kept = Vec::with_capacity(self.sets.len() + new.len());
        for (set, basic) in std::mem::take(&mut self.sets).into_iter().zip(basic) {
            places.push(kept.len());
            if basic || set.types.len() == 1 || self.cost(&set) > least {
                kept.push(set);
            }
        }
        for of in &mut self.basis {
            if let Basic::Set(place) = of {
                *place = places[*place];
            }
        }
        kept.extend(new);
        self.sets = kept;
    }

    /// Returns the sets that are used, each with how often it is used.
    pub(super) fn chosen(&self) -> Vec<(FeasibleSet, f64)> {
        let values = self.values_of(self.counts.iter().copied());
        let used = self.basis.iter().zip(values).filter(|(_, value)| *value > 1e-9);
        let mut chosen: Vec<(FeasibleSet, f64)> = used
            .filter_map(|(basic, value)| match basic {
                Basic::Set(place) => Some((self.sets[*place].clone(), value)),
                Basic::Surplus(_) => None,
            })
            .collect();
        chosen.sort_by(|a, b| a.0.types.cmp(&b.0.types));
        chosen
    }
}

/// Returns numbers from 0 to 1 with no pattern (a Weyl sequence).
#[expect(clippy::cast_precision_loss, reason = "few types are priced")]
fn spread(of: usize) -> f64 {
    const GOLDEN: f64 = 0.618_033_988_749_894_8;
    ((of + 1) as f64 * GOLDEN).fract()
}

#[cfg(test)]
mod tests {
    use super::*;
    use microlp::{ComparisonOp, OptimizationDirection, Problem};
    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::{Rng, SeedableRng};

    /// The least by another solver, which is given the dual program.
    fn least(sets: &[FeasibleSet], counts: &[f64]) -> f64 {
        let mut problem = Problem::new(OptimizationDirection::Maximize);
        let prices: Vec<_> = counts.iter().map(|n| problem.add_var(*n, (0.0, 1.0))).collect();
        for set in sets {
            let mut terms = vec![0.0; counts.len()];
            set.types.iter().for_each(|of| terms[usize::from(*of)] += 1.0);
            let terms: Vec<_> = prices.iter().copied().zip(terms).collect();
            problem.add_constraint(&terms, ComparisonOp::Le, 1.0);
        }
        problem.solve().unwrap().into_solution().unwrap().objective()
    }

    #[test]
    fn finds_what_another_solver_finds_also_when_sets_come_and_go() {
        let mut several = 0;
        for seed in 0..60_u64 {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
            let mut below = |n: u64| random.next_u64() % n;
            let types = 1 + below(40);
            // Equal counts make many vertices coincide.
            let counts: Vec<f64> = (0..types)
                .map(|_| [1.0, 3.0, 1.0, 25.0][usize::try_from(below(4)).unwrap()])
                .collect();
            let mut draw = |sets: u64| -> Vec<FeasibleSet> {
                (0..sets)
                    .map(|_| {
                        let mut types: Vec<u16> =
                            (0..=below(6)).map(|_| u16::try_from(below(types)).unwrap()).collect();
                        types.sort_unstable();
                        FeasibleSet { types, total: 0 }
                    })
                    .collect()
            };
            let mut master = Master::new(&counts, draw(types));
            for _ in 0..6 {
                master.solve().unwrap();
                let worth: f64 = counts.iter().zip(&master.prices).map(|(n, p)| n * p).sum();
                let expected = least(&master.sets, &counts);
                assert!((worth - expected).abs() < 1e-5 * expected, "{seed}: {worth} {expected}");
                assert!(master.prices.iter().all(|p| (-1e-8..=1.0 + 1e-8).contains(p)));
                assert!(master.sets.iter().all(|set| master.cost(set) <= 1.0 + 1e-7));
                let chosen = master.chosen();
                for (of, count) in counts.iter().enumerate() {
                    let has = |set: &FeasibleSet| {
                        set.types.iter().filter(|t| usize::from(**t) == of).count()
                    };
                    let served: f64 = chosen
                        .iter()
                        .map(|(set, x)| x * f64::from(u32::try_from(has(set)).unwrap()))
                        .sum();
                    assert!(served > count - 1e-5, "{seed}: {served} of {count}");
                }
                let used: f64 = chosen.iter().map(|(_, x)| x).sum();
                assert!((used - expected).abs() < 1e-4 * expected, "{seed}: {used} {expected}");
                several += usize::from(worth < counts.iter().sum::<f64>() * 0.6);
                master.replace(0.9, draw(types * 2));
            }
        }
        assert!(several > 100, "{several}");
    }

    #[test]
    fn what_is_made_anew_is_what_it_was() {
        let counts: Vec<f64> = (1..30_u32).map(f64::from).collect();
        let pair = |of: u16| FeasibleSet { types: vec![of, of + 1], total: 0 };
        let mut master = Master::new(&counts, (0..28).map(pair).collect());
        master.solve().unwrap();
        let (values, prices) = (master.values.clone(), master.prices.clone());
        assert!(master.renew());
        let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9);
        assert!(near(&values, &master.values) && near(&prices, &master.prices));
    }
}
