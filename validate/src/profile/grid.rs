//! The runs of a campaign, ordered by their value.

use igniter::domain::ModelName;
use igniter::units::{BatchSize, SmUnits};
use serde::{Deserialize, Serialize};

/// One member of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunMember {
    pub model: ModelName,
    /// Number of requests in each batch.
    pub batch: BatchSize,
    /// The SM share, in allocation units of the GPU.
    pub units: SmUnits,
}

/// Models that are measured together; a single model is a solo point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileRun {
    pub members: Vec<RunMember>,
    /// 0 for the first measurement. Repetitions, with servers of their own, show how much of a number is noise.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeat: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl ProfileRun {
    /// Creates a run that is not a repetition.
    #[must_use]
    pub const fn new(members: Vec<RunMember>) -> Self {
        Self { members, repeat: 0 }
    }

    /// Returns the number of copies, where all members are the same model with the same batch and share.
    #[must_use]
    pub fn copies(&self) -> Option<usize> {
        let first = self.members.first()?;
        self.members.iter().all(|member| member == first).then_some(self.members.len())
    }
}

/// The points of a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileGrid {
    pub models: Vec<ModelName>,
    /// The batch sizes of solo points.
    pub batches: Vec<BatchSize>,
    /// The shares of solo points.
    pub shares: Vec<SmUnits>,
    /// Number of units of the whole GPU.
    pub whole: SmUnits,
    /// Whether pairs are measured: each model with itself and with every other one, each on half of the GPU.
    pub pairs: bool,
    /// Whether pairs with unequal shares, triples and quadruples are measured.
    pub groups: bool,
    /// The maximum number of copies of the second-to-last model (of the paper's four: the one that draws the most
    /// power) that are measured beside each other; below 2: none.
    pub copies: u32,
    /// Number of repetitions of runs for the noise floor.
    pub repeats: u32,
}

impl ProfileGrid {
    /// Returns all runs, the most valuable first: the corners of the solo grid, without which nothing can be fitted;
    /// pairs, which show how models slow each other; larger groups, which show whether that adds up; copies, which show
    /// when the clock falls; repetitions; and the inner points of the solo grid. Members of a group are first measured
    /// alone.
    #[must_use]
    pub fn runs(&self) -> Vec<ProfileRun> {
        let mut list = List::default();
        let (Some(&least), Some(&most)) = (self.batches.iter().min(), self.batches.iter().max())
        else {
            return list.0;
        };
        self.solo(&mut list, |batch| batch == least || batch == most);
        // Pairs at the middle batch size: neither launch-bound nor saturated.
        let middle = self.batches[self.batches.len() / 2];
        let half = self.part(50);
        if self.pairs {
            self.all_alone(&mut list, middle, half);
            for (i, first) in self.models.iter().enumerate() {
                for second in &self.models[i..] {
                    list.add([first, second].map(|model| member(model, middle, half)).into());
                }
            }
        }
        if self.groups {
            self.groups(&mut list);
        }
        if let Some(model) = self.models.iter().rev().nth(1).or(self.models.last()) {
            let share = SmUnits::new((self.whole.get() / self.copies.max(1)).max(1));
            let one = member(model, middle, share);
            for copies in 1..=if self.copies < 2 { 0 } else { self.copies as usize } {
                list.add(vec![one.clone(); copies]);
            }
        }
        self.repetitions(&mut list, half, middle);
        self.solo(&mut list, |_| true);
        list.0
    }

    /// Returns the units of a percentage, rounded down, at least one.
    fn part(&self, percent: u32) -> SmUnits {
        SmUnits::new((self.whole.get() * percent / 100).max(1))
    }

    fn solo(&self, list: &mut List, of: impl Fn(BatchSize) -> bool) {
        for &units in &self.shares {
            for &batch in self.batches.iter().filter(|batch| of(**batch)) {
                self.all_alone(list, batch, units);
            }
        }
    }

    fn all_alone(&self, list: &mut List, batch: BatchSize, units: SmUnits) {
        for model in &self.models {
            list.add(vec![member(model, batch, units)]);
        }
    }

    /// Adds groups at batch sizes from 4 to 16 and shares from 20 to 60 %, regardless of the solo grid.
    fn groups(&self, list: &mut List) {
        let batch = |size| BatchSize::new(size).expect("not zero");
        let models: Vec<&ModelName> = self.models.iter().collect();
        // Triples of different models, 30 % each.
        self.all_alone(list, batch(8), self.part(30));
        for triple in combinations(&models, 3) {
            list.add(triple.iter().map(|model| member(model, batch(8), self.part(30))).collect());
        }
        // Triples and quadruples, a quarter each.
        self.all_alone(list, batch(4), self.part(25));
        for size in [4, 3] {
            for group in combinations(&models, size) {
                let members = group.iter().map(|model| member(model, batch(4), self.part(25)));
                list.add(members.collect());
            }
        }
        // Quadruples of unequal members, with each model once in each position.
        let places = [(4, 20), (16, 20), (4, 30), (8, 30)];
        if models.len() >= places.len() {
            for shift in [0, 2] {
                let at = |(i, (size, percent)): (usize, &(u32, u32))| {
                    member(models[(i + shift) % places.len()], batch(*size), self.part(*percent))
                };
                let quadruple: Vec<RunMember> = places.iter().enumerate().map(at).collect();
                for one in &quadruple {
                    list.add(vec![one.clone()]);
                }
                list.add(quadruple);
            }
        }
        // Pairs of unequal members, with each model in each position.
        self.all_alone(list, batch(4), self.part(60));
        self.all_alone(list, batch(16), self.part(40));
        for (i, pair) in combinations(&models, 2).iter().enumerate() {
            let [large, small] = if i % 2 == 0 { [pair[0], pair[1]] } else { [pair[1], pair[0]] };
            let large = member(large, batch(4), self.part(60));
            list.add(vec![large, member(small, batch(16), self.part(40))]);
        }
    }

    /// Repeats two existing points: a model alone and, where pairs are measured, a pair of two models.
    fn repetitions(&self, list: &mut List, half: SmUnits, middle: BatchSize) {
        let (Some(first), Some(last)) = (self.models.first(), self.models.last()) else { return };
        let one = member(first, middle, half);
        for repeat in 1..=self.repeats {
            list.add_repeated(vec![one.clone()], repeat);
            if self.pairs {
                list.add_repeated(vec![one.clone(), member(last, middle, half)], repeat);
            }
        }
    }
}

fn member(model: &ModelName, batch: BatchSize, units: SmUnits) -> RunMember {
    RunMember { model: model.clone(), batch, units }
}

/// A list of runs without duplicates.
#[derive(Debug, Default)]
struct List(Vec<ProfileRun>);

impl List {
    fn add(&mut self, members: Vec<RunMember>) {
        self.add_repeated(members, 0);
    }

    fn add_repeated(&mut self, members: Vec<RunMember>, repeat: u32) {
        let run = ProfileRun { members, repeat };
        if !self.0.contains(&run) {
            self.0.push(run);
        }
    }
}

/// Returns all choices of `size` elements, in their order.
fn combinations<T: Copy>(all: &[T], size: usize) -> Vec<Vec<T>> {
    match (size, all.split_first()) {
        (0, _) => vec![Vec::new()],
        (_, None) => Vec::new(),
        (_, Some((first, rest))) => {
            let with = combinations(rest, size - 1).into_iter().map(|mut chosen| {
                chosen.insert(0, *first);
                chosen
            });
            with.chain(combinations(rest, size)).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(models: &[&str]) -> ProfileGrid {
        ProfileGrid {
            models: models.iter().map(|name| ModelName::new(name).unwrap()).collect(),
            batches: [1, 16, 32].map(|b| BatchSize::new(b).unwrap()).into(),
            shares: [4, 20, 40].map(SmUnits::new).into(),
            whole: SmUnits::new(40),
            pairs: true,
            groups: false,
            copies: 0,
            repeats: 0,
        }
    }

    fn of_size(runs: &[ProfileRun], members: usize) -> usize {
        runs.iter().filter(|run| run.members.len() == members).count()
    }

    #[test]
    fn corners_come_first_then_pairs_then_the_rest() {
        let runs = grid(&["a", "b"]).runs();
        // 2 models × 3 shares × 3 batches hold the members of the pairs too; pairs aa, ab, bb.
        assert_eq!((of_size(&runs, 1), of_size(&runs, 2), runs.len()), (18, 3, 21));
        let corner = |run: &ProfileRun| run.members[0].batch.get() != 16;
        assert!(runs[..12].iter().all(corner), "2 models × 3 shares × batches 1 and 32");
        assert!(runs[12..17].iter().all(|run| run.members[0].units.get() == 20));
        assert!(runs[17..].iter().all(|run| run.members.len() == 1));
        assert_eq!(ProfileGrid { pairs: false, ..grid(&["a", "b"]) }.runs().len(), 18);
    }

    #[test]
    fn every_group_fits_on_the_gpu_and_comes_after_its_members_alone() {
        let whole =
            ProfileGrid { groups: true, copies: 5, repeats: 1, ..grid(&["a", "b", "c", "d"]) };
        let runs = whole.runs();
        for (i, run) in runs.iter().enumerate() {
            let units: u32 = run.members.iter().map(|member| member.units.get()).sum();
            assert!(units <= 40, "{run:?}");
            assert_eq!(runs.iter().filter(|other| *other == run).count(), 1);
            for one in &run.members {
                let alone = ProfileRun::new(vec![one.clone()]);
                assert!(runs[..=i].contains(&alone), "{run:?}");
            }
        }
        // Pairs: 10 equal, 6 unequal, one of copies, one repeated. Triples: 4 + 4, one of copies. Quadruples: 1 + 2, and
        // one of copies.
        let sizes: Vec<usize> = (2..=5).map(|size| of_size(&runs, size)).collect();
        assert_eq!(sizes, [18, 9, 4, 1]);
        assert_eq!(runs.iter().filter(|run| run.repeat == 1).count(), 2);
        let copies = runs.iter().filter(|run| run.copies() == Some(5));
        assert_eq!(copies.map(|run| run.members[0].model.as_str()).collect::<Vec<_>>(), ["c"]);
        // Fewer models have fewer groups, but no error.
        assert!(ProfileGrid { models: whole.models[..1].into(), ..whole }.runs().len() > 9);
    }
}
