//! What is measured, in the order of its worth.

use igniter::domain::ModelName;
use igniter::units::{BatchSize, SmUnits};
use serde::{Deserialize, Serialize};

/// One member of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunMember {
    pub model: ModelName,
    /// Requests in each batch.
    pub batch: BatchSize,
    /// The share, in allocation units of the GPU.
    pub units: SmUnits,
}

/// Models that are measured together; one alone is a solo point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileRun {
    pub members: Vec<RunMember>,
    /// 0: the first time. Repetitions, with servers of their own, tell how much of a number is noise.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub repeat: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl ProfileRun {
    /// A run that is no repetition.
    #[must_use]
    pub const fn new(members: Vec<RunMember>) -> Self {
        Self { members, repeat: 0 }
    }

    /// How many copies of one model it is, each with the same batch and share.
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
    /// All units of the GPU.
    pub whole: SmUnits,
    /// Whether pairs are measured: each model with itself and with each other one, half of the GPU each.
    pub pairs: bool,
    /// Whether pairs with unequal shares, triples and quadruples are measured.
    pub groups: bool,
    /// Up to how many copies of the last model but one (of the paper's four: the one that draws most power) are
    /// measured beside each other; below 2: none.
    pub copies: u32,
    /// How often runs are repeated for the noise floor.
    pub repeats: u32,
}

impl ProfileGrid {
    /// All runs, the most valuable first: the corners of the solo grid, without which nothing can be fitted; pairs,
    /// which tell how models slow each other; larger groups, which tell whether that adds up; copies, which tell
    /// when the clock falls; repetitions; and the inner points of the solo grid. Members of a group are also
    /// measured alone, before it.
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

    /// The units of a percentage, rounded down, at least one.
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

    /// At batch sizes from 4 to 16 and shares from 20 to 60 %, whatever the solo grid is.
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
        // Quadruples of unequal members, each model once in each place.
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
        // Pairs of unequal members, each model in each place.
        self.all_alone(list, batch(4), self.part(60));
        self.all_alone(list, batch(16), self.part(40));
        for (i, pair) in combinations(&models, 2).iter().enumerate() {
            let [large, small] = if i % 2 == 0 { [pair[0], pair[1]] } else { [pair[1], pair[0]] };
            let large = member(large, batch(4), self.part(60));
            list.add(vec![large, member(small, batch(16), self.part(40))]);
        }
    }

    /// Two points that are there already: a model alone, and where there are pairs, one of two models.
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

/// Runs, each once.
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

/// All choices of `size` elements, in their order.
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
