//! Suggests what to measure next: the pairs and configurations that reduce uncertainty most.
//!
//! The rules follow from the benefit of each measurement on a V100 and an A100. First come two to four runs of
//! launch-bound models, where there are some, since nothing else shows how launching slows down in company; in all
//! other runs, the GPU leads for every member. Then come a pair whose coupling is unknown, with one run at batch sizes
//! of 4 to 16 and shares of 40 to 60 %, where waiting stands out most from noise; a model whose γ is assumed; second
//! and third runs of pairs that were measured; and co-locations of three and four, whose form nothing has verified.
//! Every co-located run is taken with the solo latency of the same configurations; otherwise errors of the solo curve
//! look like interference.

use super::split::{RunKind, deep_runs};
use crate::domain::ModelId;
use crate::predictor::Member;
use crate::predictor::Predictor;
use crate::predictor::contention::ContentionPredictor;
use crate::profile::ColocatedRun;
use crate::units::{BatchSize, SmPercent};
use serde::Serialize;

/// The reason for measuring a co-location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The coupling of the pair is assumed to be 1.
    UnknownCoupling,
    /// The pair was measured, but too rarely to average the noise out.
    FewRuns,
    /// No co-location with that many members was measured.
    UnmeasuredSize,
    /// The slowdown of launching in company was measured too rarely, on a host that launches kernels more slowly than
    /// the GPU runs them.
    Launching,
}

/// A co-location to measure, with each member also alone at the same configuration.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Suggestion {
    /// (model, batch size, share) of each member.
    pub members: Vec<(String, BatchSize, SmPercent)>,
    /// The reason for the measurement.
    pub reason: Reason,
    /// The part of the predicted latency that the unknown makes up, summed over the members, in percent: the
    /// uncertainty that the measurement can settle.
    pub at_stake_pct: f64,
}

/// Batch sizes and shares of suggested pairs; later runs of a pair take later ones.
const CONFIGURATIONS: [(u32, u32, f64); 4] =
    [(8, 8, 50.0), (4, 16, 40.0), (16, 4, 60.0), (4, 8, 60.0)];
/// Slowdown of launching in company that a measurement can settle, in percent: the factors measured on two hosts are
/// 1.0 to 1.5.
const LAUNCH_AT_STAKE_PCT: f64 = 50.0;
/// The GPU clearly leads where it needs at least this many times the launch time.
const CLEARLY: f64 = 1.3;
/// From this number of runs on, a further run of the same pair adds little.
const ENOUGH_RUNS: usize = 4;

/// Returns up to `count` co-locations to measure, the most informative first.
#[must_use]
pub fn next_measurements(
    predictor: &ContentionPredictor,
    measured: &[ColocatedRun],
    count: usize,
) -> Vec<Suggestion> {
    let models = predictor.models().len();
    let mut suggestions = launching(predictor, measured, deep_runs(measured.len() + count));
    for a in 0..models {
        for b in a..models {
            let ids = [ModelId::new(a), ModelId::new(b)];
            let known = runs_of(predictor, measured, ids);
            for (turn, (batch_a, batch_b, share)) in CONFIGURATIONS.iter().enumerate() {
                if turn < known.min(ENOUGH_RUNS) {
                    continue;
                }
                let members = [(ids[0], *batch_a, *share), (ids[1], *batch_b, 100.0 - share)]
                    .map(|(model, batch, share)| member(predictor, model, batch, share));
                let reason = if turn == 0 { Reason::UnknownCoupling } else { Reason::FewRuns };
                // The k-th run of a pair reduces the standard error of a mean from 1/√(k−1) to 1/√k.
                #[expect(clippy::cast_precision_loss, reason = "at most four")]
                let k = turn as f64;
                let part = if turn == 0 { 1.0 } else { 1.0 / k.sqrt() - 1.0 / (k + 1.0).sqrt() };
                let stake = part * waiting_pct(predictor, &members);
                suggestions.push(suggestion(predictor, &members, reason, stake));
            }
        }
    }
    for size in 3..=4 {
        if models > 1 && measured.iter().all(|run| run.members.len() != size) {
            let members: Vec<Member> = (0..size)
                .map(|i| {
                    #[expect(clippy::cast_precision_loss, reason = "three or four")]
                    let share = 100.0 / size as f64;
                    member(predictor, ModelId::new(i % models), 8, share)
                })
                .collect();
            let stake = waiting_pct(predictor, &members) / 2.0;
            suggestions.push(suggestion(predictor, &members, Reason::UnmeasuredSize, stake));
        }
    }
    suggestions.sort_by(|a, b| b.at_stake_pct.total_cmp(&a.at_stake_pct));
    suggestions.truncate(count);
    suggestions
}

/// Suggests runs of launch-bound models beside the next model, until `wanted` such runs are measured. Models whose
/// launch time is furthest above their GPU time come first.
fn launching(
    predictor: &ContentionPredictor,
    measured: &[ColocatedRun],
    wanted: usize,
) -> Vec<Suggestion> {
    let deep = measured.iter().filter(|run| RunKind::of(predictor, run) == RunKind::Deep).count();
    let models = predictor.models().len();
    let smallest = |model: ModelId| Member {
        batch: predictor.solo().coefficients()[model.index()].validity.batch[0],
        ..member_at(predictor, model, 1, 50.0)
    };
    let depth = |model: ModelId| {
        let term = predictor.solo().term(&smallest(model));
        term.launch_ms / term.time_ms
    };
    let mut bound: Vec<ModelId> =
        (0..models).map(ModelId::new).filter(|model| depth(*model) > 1.0).collect();
    bound.sort_by(|a, b| depth(*b).total_cmp(&depth(*a)));
    let runs = (0..wanted.saturating_sub(deep)).zip(bound.iter().cycle());
    runs.map(|(turn, model)| {
        // A further run of the same model takes the neighbour after that.
        let next = ModelId::new((model.index() + 1 + turn / bound.len()) % models);
        let members = [smallest(*model), member(predictor, next, 8, 50.0)];
        suggestion(predictor, &members, Reason::Launching, LAUNCH_AT_STAKE_PCT)
    })
    .collect()
}

/// Returns a member within the measured range of its model, with a batch large enough for the GPU to lead where there
/// is one.
fn member(predictor: &ContentionPredictor, model: ModelId, batch: u32, share: f64) -> Member {
    let mut member = member_at(predictor, model, batch, share);
    let largest = predictor.max_batch(model);
    let led_by_launch = |member: &Member| {
        let term = predictor.solo().term(member);
        term.time_ms < CLEARLY * term.launch_ms
    };
    while led_by_launch(&member) && member.batch < largest {
        let doubled = BatchSize::new(member.batch.get() * 2).unwrap_or(largest);
        member.batch = doubled.min(largest);
    }
    member
}

/// Returns a member within the measured range of its model. Its share is a whole number of units, rounded down so that
/// a co-location fits on its GPU.
fn member_at(predictor: &ContentionPredictor, model: ModelId, batch: u32, share: f64) -> Member {
    let units = predictor.kind().units.get();
    let exact = share * f64::from(units) / 100.0;
    let share = (exact + 1e-9).floor().max(1.0) * 100.0 / f64::from(units);
    let largest = predictor.max_batch(model);
    Member {
        model,
        batch: BatchSize::new(batch).map_or(BatchSize::ONE, |b| b.min(largest)),
        sm: SmPercent::new(share).expect("a share of at least one unit"),
    }
}

fn runs_of(
    predictor: &ContentionPredictor,
    measured: &[ColocatedRun],
    pair: [ModelId; 2],
) -> usize {
    let names = pair.map(|id| &predictor.models()[id.index()]);
    let is_pair = |run: &&ColocatedRun| {
        let models: Vec<_> = run.members.iter().map(|m| &m.model).collect();
        models == names || models == [names[1], names[0]]
    };
    measured.iter().filter(is_pair).count()
}

/// Returns the part of the predicted latencies that depends on couplings, in percent, summed over the members: waiting
/// of kernels, and ρ1 of copies.
fn waiting_pct(predictor: &ContentionPredictor, members: &[Member]) -> f64 {
    let with = |strength: f64| {
        let mut coefficients = predictor.coefficients().clone();
        coefficients.couplings.clear();
        if strength <= 0.0 {
            coefficients.constants.delta_ms_per_kernel = 0.0;
            coefficients.constants.rho1 = 0.0;
        }
        ContentionPredictor::new(predictor.kind().clone(), coefficients).predict(members)
    };
    let (none, full) = (with(0.0), with(1.0));
    let parts = none.members.iter().zip(&full.members);
    parts.map(|(none, full)| 100.0 * (full.latency_ms() / none.latency_ms() - 1.0)).sum()
}

fn suggestion(
    predictor: &ContentionPredictor,
    members: &[Member],
    reason: Reason,
    at_stake_pct: f64,
) -> Suggestion {
    let name = |m: &Member| predictor.models()[m.model.index()].to_string();
    let members = members.iter().map(|m| (name(m), m.batch, m.sm)).collect();
    Suggestion { members, reason, at_stake_pct }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fit::{FitData, fit_contention};
    use crate::profile::{self, ColocatedMember};
    use crate::units::Milliseconds;

    fn run(models: [&str; 2]) -> ColocatedRun {
        let member = |model: &str| ColocatedMember {
            model: crate::domain::ModelName::new(model).unwrap(),
            batch: BatchSize::new(8).unwrap(),
            sm: SmPercent::new(50.0).unwrap(),
            latency: Milliseconds::new(5.0).ok(),
            std: None,
        };
        ColocatedRun { run: 0, members: models.map(member).to_vec(), makespan: None }
    }

    #[test]
    fn unknown_pairs_come_first_and_known_ones_later() {
        let profile = profile::load("v100").unwrap();
        let predictor = fit_contention(&FitData::of(&profile)).unwrap().0;
        let list = next_measurements(&predictor, &[], 100);
        let first = |a: &str, b: &str, list: &[Suggestion]| {
            list.iter().position(|s| {
                let names: Vec<&str> = s.members.iter().map(|m| m.0.as_str()).collect();
                names == [a, b]
            })
        };
        assert_eq!(
            list.len(),
            10 * 4 + 2,
            "ten pairs with four runs each, one of three, one of four"
        );
        let before = first("alexnet", "resnet50", &list).unwrap();
        assert_eq!(list[before].reason, Reason::UnknownCoupling);
        assert!(list.iter().all(|s| s.members.iter().map(|m| m.2.get()).sum::<f64>() <= 100.0));
        assert!(list.windows(2).all(|w| w[0].at_stake_pct >= w[1].at_stake_pct));
        // Once the pair is measured, its next run is worth less.
        let list = next_measurements(&predictor, &[run(["resnet50", "alexnet"])], 100);
        let after = first("alexnet", "resnet50", &list).unwrap();
        assert_eq!(list[after].reason, Reason::FewRuns);
        assert!(after > before);
        assert_eq!(next_measurements(&predictor, &[], 3).len(), 3);
    }
}
