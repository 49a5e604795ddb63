//! Divides runs into fitted and scored ones.

use crate::domain::ModelName;
use crate::fit::members_of;
use crate::predictor::contention::ContentionPredictor;
use crate::profile::ColocatedRun;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::collections::BTreeSet;

/// A way to divide runs into fitted and scored ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// Every run is scored by a fit to the other four fifths, divided at random.
    FiveFold,
    /// Every run is scored by a fit without any run of the same set of models.
    LeaveOnePairOut,
    /// As [`Split::LeaveOnePairOut`], but the coupling of the pair is found from one of its runs, which is not scored.
    LeaveOnePairOutCouplingKnown,
    /// Every run is scored by fits without any run of one of its models.
    LeaveOneModelOut,
    /// 30 % of the runs are scored by a fit to the other 70 %.
    Random,
}

impl Split {
    /// The name of the split in tables.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::FiveFold => "overall (unseen runs)",
            Self::LeaveOnePairOut => "leave one pair out",
            Self::LeaveOnePairOutCouplingKnown => "leave one pair out, its coupling known",
            Self::LeaveOneModelOut => "leave one model out",
            Self::Random => "random 70/30",
        }
    }

    /// Returns (positions of fitted runs, positions of scored runs) for every part.
    #[must_use]
    pub fn parts(self, runs: &[ColocatedRun], seed: u64) -> Vec<(Vec<usize>, Vec<usize>)> {
        let all = 0..runs.len();
        let divide = |scored: &dyn Fn(usize) -> bool| -> (Vec<usize>, Vec<usize>) {
            (
                all.clone().filter(|i| !scored(*i)).collect(),
                all.clone().filter(|i| scored(*i)).collect(),
            )
        };
        match self {
            Self::FiveFold => {
                let order = shuffled(runs.len(), seed);
                let mut fold = vec![0; runs.len()];
                order.iter().enumerate().for_each(|(place, run)| fold[*run] = place % 5);
                (0..5).map(|k| divide(&|i| fold[i] == k)).collect()
            }
            Self::Random => {
                let order = shuffled(runs.len(), seed);
                let mut scored = vec![false; runs.len()];
                order.iter().take(runs.len() * 3 / 10).for_each(|run| scored[*run] = true);
                vec![divide(&|i| scored[i])]
            }
            Self::LeaveOnePairOut | Self::LeaveOnePairOutCouplingKnown => {
                let sets: BTreeSet<Vec<ModelName>> = runs.iter().map(models_of).collect();
                sets.iter().map(|set| divide(&|i| &models_of(&runs[i]) == set)).collect()
            }
            Self::LeaveOneModelOut => {
                let models: BTreeSet<ModelName> = runs.iter().flat_map(models_of).collect();
                models.iter().map(|m| divide(&|i| models_of(&runs[i]).contains(m))).collect()
            }
        }
    }
}

/// Returns the models of a run in alphabetical order.
fn models_of(run: &ColocatedRun) -> Vec<ModelName> {
    let mut models: Vec<ModelName> = run.members.iter().map(|m| m.model.clone()).collect();
    models.sort();
    models
}

/// Returns 0 … n − 1 in random order (Fisher-Yates on xoshiro256++).
pub(super) fn shuffled(n: usize, seed: u64) -> Vec<usize> {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..n).collect();
    for last in (1..n).rev() {
        #[expect(clippy::cast_possible_truncation, reason = "the remainder is at most `last`")]
        let other = (rng.next_u64() % (last as u64 + 1)) as usize;
        order.swap(last, other);
    }
    order
}

/// The effect that a co-located run shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunKind {
    /// The slowdown of launching in company: for at least one member, the GPU needs less than half of the launch time.
    Deep,
    /// The effects on the GPU, which clearly leads for every member.
    Gpu,
    /// A mix of both.
    Mixed,
}

impl RunKind {
    /// Returns the kind of a run, from the models alone; [`RunKind::Mixed`] where one of them is unknown.
    #[must_use]
    pub fn of(predictor: &ContentionPredictor, run: &ColocatedRun) -> Self {
        let Ok(members) = members_of(predictor, run) else { return Self::Mixed };
        let ratios: Vec<f64> = members
            .iter()
            .map(|member| predictor.solo().term(member))
            .map(|term| term.launch_ms / term.time_ms)
            .collect();
        if ratios.iter().any(|ratio| *ratio > 2.0) {
            Self::Deep
        } else if ratios.iter().all(|ratio| *ratio < 1.0 / 1.3) {
            Self::Gpu
        } else {
            Self::Mixed
        }
    }
}

/// Returns the first `count` runs that the rule for co-located measurements picks from those at `among`, in random
/// order. Where launching leads for some runs, two to four of them (every third run; beyond twenty runs, every fifth)
/// show how it slows down in company; in all other runs, the GPU leads for every member. In these, the pairs take
/// turns, and runs with batch sizes of 4 to 16 and shares of 40 to 60 % are preferred.
#[must_use]
pub fn chosen_runs(
    runs: &[ColocatedRun],
    kinds: &[RunKind],
    among: &[usize],
    count: usize,
    seed: u64,
) -> Vec<usize> {
    if kinds.iter().all(|kind| *kind == RunKind::Gpu) {
        return in_turns(runs, among, count, seed);
    }
    let of = |kind: RunKind| -> Vec<usize> {
        among.iter().copied().filter(|i| kinds[*i] == kind).collect()
    };
    // The pairs do not take turns here: where one model is in most of these pairs, λ would be that model's own.
    let deep = of(RunKind::Deep);
    let places = shuffled(deep.len(), seed).into_iter().map(|place| deep[place]);
    let mut chosen: Vec<usize> = places.take(deep_runs(count)).collect();
    chosen.extend(in_turns(runs, &of(RunKind::Gpu), count - chosen.len(), seed));
    chosen
}

/// Returns how many of `count` runs should show the slowdown of launching.
pub(super) fn deep_runs(count: usize) -> usize {
    count.div_ceil(3).clamp(2, 4).max(count.div_ceil(5)).min(count)
}

/// Chooses runs so that their pairs take turns.
fn in_turns(runs: &[ColocatedRun], among: &[usize], count: usize, seed: u64) -> Vec<usize> {
    let mut by_pair: BTreeMap<Vec<ModelName>, Vec<usize>> = BTreeMap::new();
    for place in shuffled(among.len(), seed) {
        by_pair.entry(models_of(&runs[among[place]])).or_default().push(among[place]);
    }
    for list in by_pair.values_mut() {
        list.sort_by_key(|i| !is_in_design(&runs[*i]));
    }
    let mut chosen = Vec::new();
    for turn in 0.. {
        let before = chosen.len();
        for list in by_pair.values() {
            if chosen.len() < count {
                chosen.extend(list.get(turn));
            }
        }
        if chosen.len() == before {
            break;
        }
    }
    chosen
}

/// Returns whether a run has batch sizes of 4 to 16 and shares of 40 to 60 %, where the coupling stands out most from
/// noise and from errors of the solo curve.
fn is_in_design(run: &ColocatedRun) -> bool {
    run.members
        .iter()
        .all(|m| (4..=16).contains(&m.batch.get()) && (40.0..=60.0).contains(&m.sm.get()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::ColocatedMember;
    use crate::units::{BatchSize, Milliseconds, SmPercent};

    fn run(run: u64, models: [&str; 2], batch: u32) -> ColocatedRun {
        let member = |model: &str| ColocatedMember {
            model: ModelName::new(model).unwrap(),
            batch: BatchSize::new(batch).unwrap(),
            sm: SmPercent::new(50.0).unwrap(),
            latency: Milliseconds::new(1.0).ok(),
            std: None,
        };
        ColocatedRun { run, members: models.map(member).to_vec(), makespan: None }
    }

    fn runs() -> Vec<ColocatedRun> {
        let pairs = [["a", "b"], ["a", "c"], ["c", "b"], ["b", "a"]];
        (0..40)
            .zip(pairs.iter().cycle())
            .map(|(i, p)| run(i, *p, if i < 20 { 32 } else { 8 }))
            .collect()
    }

    #[test]
    fn nothing_is_fitted_and_scored() {
        let runs = runs();
        for split in
            [Split::FiveFold, Split::LeaveOnePairOut, Split::LeaveOneModelOut, Split::Random]
        {
            for (fitted, scored) in split.parts(&runs, 1) {
                assert_eq!(fitted.len() + scored.len(), runs.len());
                assert!(fitted.iter().all(|i| !scored.contains(i)), "{split:?}");
                assert!(!scored.is_empty());
            }
        }
        assert_eq!(Split::FiveFold.parts(&runs, 1).len(), 5);
        assert_eq!(Split::LeaveOnePairOut.parts(&runs, 1).len(), 3, "ab and ba are one pair");
        assert_eq!(Split::LeaveOneModelOut.parts(&runs, 1).len(), 3);
        assert_eq!(Split::Random.parts(&runs, 1)[0].1.len(), 12);
    }

    #[test]
    fn runs_are_chosen_in_turns_and_in_the_design() {
        let runs = runs();
        let all: Vec<usize> = (0..40).collect();
        let kinds = [RunKind::Gpu; 40];
        let chosen = chosen_runs(&runs, &kinds, &all, 6, 1);
        assert_eq!(chosen.len(), 6);
        assert!(chosen.iter().all(|i| runs[*i].members[0].batch.get() == 8));
        let of_ab = chosen.iter().filter(|i| models_of(&runs[**i])[1].as_str() == "b").count();
        assert!(of_ab >= 2);
        assert_eq!(chosen_runs(&runs, &kinds, &all, 100, 1).len(), 40);
        let again = chosen_runs(&runs, &kinds, &all, 6, 1);
        assert_eq!(again, chosen, "the same seed chooses the same runs");
        // Where some runs are launch-bound, two of six are of these, and none between.
        let kinds: Vec<RunKind> =
            (0..40).map(|i| [RunKind::Deep, RunKind::Mixed, RunKind::Gpu][i % 3]).collect();
        let chosen = chosen_runs(&runs, &kinds, &all, 6, 1);
        let of = |kind| chosen.iter().filter(|i| kinds[**i] == kind).count();
        assert_eq!((chosen.len(), of(RunKind::Deep), of(RunKind::Gpu)), (6, 2, 4));
    }
}
