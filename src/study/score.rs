//! Scores of predictions against measurements.

use super::split::shuffled;
use crate::domain::ModelName;
use crate::fit::bounds;
use crate::predictor::{ErrorBounds, Lead};
use crate::profile::ColocatedRun;
use crate::stats::{bias_pct, conformal_bound, mape_pct, pearson, percentile};
use crate::units::{BatchSize, SmPercent};
use serde::Serialize;
use std::collections::BTreeMap;

/// One measured latency with its prediction.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// The index of the run in the data.
    pub run: usize,
    /// The model.
    pub model: ModelName,
    /// The batch size of the member.
    pub batch: BatchSize,
    /// The share of SMs of the member.
    pub sm: SmPercent,
    /// Number of members in the run.
    pub members: usize,
    /// Measured latency in ms.
    pub measured_ms: f64,
    /// Predicted latency in ms.
    pub predicted_ms: f64,
    /// Measured latency over measured solo latency, where the latter is known.
    pub measured_slowdown: Option<f64>,
    /// Predicted latency over predicted solo latency.
    pub predicted_slowdown: f64,
    /// Whether the GPU or the launching of kernels takes longer, according to the predictor.
    pub lead: Lead,
}

/// Errors of one part of the scored latencies.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ErrorGroup {
    /// The model, or the number of members.
    pub of: String,
    /// Number of latencies.
    pub n: usize,
    /// Mean absolute error in percent of the measured latency.
    pub mape_pct: f64,
    /// Mean error in percent; positive when predictions are too high.
    pub bias_pct: f64,
}

/// Errors of a predictor.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// Number of latencies.
    pub n: usize,
    /// Mean absolute error in percent of the measured latency.
    pub mape_pct: f64,
    /// 95th percentile of the absolute error in percent.
    pub p95_pct: f64,
    /// Largest absolute error in percent.
    pub max_pct: f64,
    /// Mean error in percent; positive when predictions are too high.
    pub bias_pct: f64,
    /// Pearson's correlation of predicted with measured slowdown; absent without measured solo
    /// latencies, and for a predictor of constant slowdown.
    pub slowdown_correlation: Option<f64>,
    /// The errors of each model.
    pub per_model: Vec<ErrorGroup>,
    /// The errors for each number of members.
    pub per_members: Vec<ErrorGroup>,
    /// The errors where launching leads; absent where it never does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch: Option<ErrorGroup>,
}

impl Score {
    /// Computes the errors of scored latencies; `None` if there are none.
    #[must_use]
    pub fn of(scored: &[Scored]) -> Option<Self> {
        let (mape_pct, bias_pct) = errors(scored.iter())?;
        let mut sizes: Vec<f64> =
            scored.iter().map(|s| 100.0 * (s.predicted_ms / s.measured_ms - 1.0).abs()).collect();
        sizes.sort_by(f64::total_cmp);
        let slowdowns =
            scored.iter().filter_map(|s| Some((s.measured_slowdown?, s.predicted_slowdown)));
        let (measured, predicted): (Vec<f64>, Vec<f64>) = slowdowns.unzip();
        Some(Self {
            n: scored.len(),
            mape_pct,
            p95_pct: percentile(&sizes, 0.95)?,
            max_pct: *sizes.last()?,
            bias_pct,
            slowdown_correlation: pearson(&measured, &predicted),
            per_model: groups(scored, |s| s.model.to_string()),
            launch: groups(scored, |s| format!("{:?}", s.lead))
                .into_iter()
                .find(|group| group.of == "Launch"),
            per_members: groups(scored, |s| s.members.to_string()),
        })
    }
}

fn errors<'s>(scored: impl Iterator<Item = &'s Scored>) -> Option<(f64, f64)> {
    let (predicted, measured): (Vec<f64>, Vec<f64>) =
        scored.map(|s| (s.predicted_ms, s.measured_ms)).unzip();
    Some((mape_pct(&predicted, &measured)?, bias_pct(&predicted, &measured)?))
}

fn groups(scored: &[Scored], of: impl Fn(&Scored) -> String) -> Vec<ErrorGroup> {
    let mut by: BTreeMap<String, Vec<&Scored>> = BTreeMap::new();
    scored.iter().for_each(|s| by.entry(of(s)).or_default().push(s));
    let group = |(of, list): (String, Vec<&Scored>)| {
        let (mape_pct, bias_pct) = errors(list.iter().copied())?;
        Some(ErrorGroup { of, n: list.len(), mape_pct, bias_pct })
    };
    by.into_iter().filter_map(group).collect()
}

/// Error bounds calibrated on one half of the scored runs and checked on the other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Coverage {
    /// Two-sided half-width in percent of the prediction.
    pub two_sided_pct: f64,
    /// Percentage of the measured latencies of the other half that lie within the two-sided bound.
    pub two_sided_coverage_pct: f64,
    /// One-sided margin in percent of the prediction, drift between sessions included.
    pub one_sided_pct: f64,
    /// Percentage of the measured latencies of the other half that do not exceed the one-sided bound.
    pub one_sided_coverage_pct: f64,
}

impl Coverage {
    /// Halves the runs at random `repeats` times, calibrates the bounds on each half for the other, and returns the
    /// means over the latencies with the given lead. `None` where there are too few.
    #[must_use]
    pub fn of(scored: &[Scored], lead: Lead, seed: u64, repeats: usize) -> Option<Self> {
        let scored: Vec<&Scored> = scored.iter().filter(|s| s.lead == lead).collect();
        let runs = 1 + scored.iter().map(|s| s.run).max()?;
        let mut sums = [0.0; 4];
        let mut halves = 0_u32;
        for repeat in 0..repeats {
            let order = shuffled(runs, seed.wrapping_add(repeat as u64));
            for half in 0..2 {
                let calibrates = |s: &Scored| order[s.run] % 2 == half;
                let errors = |own: bool| -> Vec<f64> {
                    let chosen = scored.iter().filter(|s| calibrates(s) == own);
                    chosen.map(|s| s.measured_ms / s.predicted_ms - 1.0).collect()
                };
                let (own, others) = (errors(true), errors(false));
                let own: Vec<(f64, Lead)> = own.into_iter().map(|e| (e, Lead::Gpu)).collect();
                if others.is_empty() {
                    return None;
                }
                let found = bounds(&own, 2)?;
                let one_sided_pct = found.one_sided_pct + ErrorBounds::DEFAULT.drift_pct;
                let within = |f: &dyn Fn(f64) -> bool| {
                    100.0 * others.iter().filter(|e| f(**e)).count() as f64 / others.len() as f64
                };
                sums[0] += found.two_sided_pct;
                sums[1] += within(&|e| e.abs() * 100.0 <= found.two_sided_pct);
                sums[2] += one_sided_pct;
                sums[3] += within(&|e| e * 100.0 <= one_sided_pct);
                halves += 1;
            }
        }
        let [a, b, c, d] = sums.map(|sum| sum / f64::from(halves.max(1)));
        Some(Self {
            two_sided_pct: a,
            two_sided_coverage_pct: b,
            one_sided_pct: c,
            one_sided_coverage_pct: d,
        })
    }
}

/// Returns (level, covered) in percent for two-sided bounds of 50 to 95 %. The runs are divided at random, and each
/// half calibrates the bounds for the other.
#[must_use]
pub fn coverage_curve(scored: &[Scored], seed: u64) -> Vec<(f64, f64)> {
    let Some(last) = scored.iter().map(|s| s.run).max() else { return Vec::new() };
    let order = shuffled(last + 1, seed);
    let of_half = |half: usize| -> Vec<f64> {
        let own = scored.iter().filter(|s| order[s.run] % 2 == half);
        own.map(|s| (s.measured_ms / s.predicted_ms - 1.0).abs()).collect()
    };
    let halves = [of_half(0), of_half(1)];
    let mut curve = Vec::new();
    for level_pct in (50_u32..=95).step_by(5).map(f64::from) {
        let mut covered = 0;
        for (own, others) in [(&halves[0], &halves[1]), (&halves[1], &halves[0])] {
            let Some(bound) = conformal_bound(own, level_pct / 100.0) else { return curve };
            covered += others.iter().filter(|size| **size <= bound).count();
        }
        curve.push((level_pct, 100.0 * covered as f64 / scored.len() as f64));
    }
    curve
}

/// The differences between repeats of the same co-location: no predictor can be more accurate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct NoiseFloor {
    /// Number of latencies that have a repeat.
    pub n: usize,
    /// Mean absolute difference from the mean of the other repeats, in percent.
    pub mape_pct: f64,
    /// 95th percentile of that difference.
    pub p95_pct: f64,
}

/// Computes the noise floor of runs that repeat a configuration; `None` when none does.
#[must_use]
pub fn noise_floor(runs: &[ColocatedRun]) -> Option<NoiseFloor> {
    let mut by: BTreeMap<String, Vec<&ColocatedRun>> = BTreeMap::new();
    for run in runs {
        let members = run.members.iter().map(|m| format!("{}:{}:{};", m.model, m.batch, m.sm));
        by.entry(members.collect()).or_default().push(run);
    }
    let mut differences = Vec::new();
    for repeats in by.values().filter(|repeats| repeats.len() > 1) {
        for member in 0..repeats[0].members.len() {
            let latencies: Vec<f64> = repeats
                .iter()
                .filter_map(|run| run.members[member].latency.map(|ms| ms.get()))
                .collect();
            let sum: f64 = latencies.iter().sum();
            for latency in latencies.iter().filter(|_| latencies.len() > 1) {
                let others = (sum - latency) / (latencies.len() - 1) as f64;
                differences.push(100.0 * (others / latency - 1.0).abs());
            }
        }
    }
    differences.sort_by(f64::total_cmp);
    Some(NoiseFloor {
        n: differences.len(),
        mape_pct: crate::stats::mean(&differences)?,
        p95_pct: percentile(&differences, 0.95)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::ColocatedMember;
    use crate::units::Milliseconds;

    fn scored(run: usize, predicted_ms: f64, measured_ms: f64) -> Scored {
        Scored {
            run,
            model: ModelName::new(if run.is_multiple_of(2) { "a" } else { "b" }).unwrap(),
            batch: BatchSize::ONE,
            sm: SmPercent::new(50.0).unwrap(),
            members: 2,
            measured_ms,
            predicted_ms,
            measured_slowdown: Some(measured_ms / 10.0),
            predicted_slowdown: predicted_ms / 10.0,
            lead: Lead::Gpu,
        }
    }

    #[test]
    fn errors_by_hand() {
        // +10 % for a, −25 % for b: mean 17.5, bias −7.5, the 95th percentile of two is the larger.
        let score = Score::of(&[scored(0, 11.0, 10.0), scored(1, 15.0, 20.0)]).unwrap();
        assert!((score.mape_pct - 17.5).abs() < 1e-9 && (score.bias_pct + 7.5).abs() < 1e-9);
        assert!((score.p95_pct - 25.0).abs() < 1e-9 && (score.max_pct - 25.0).abs() < 1e-9);
        assert!((score.slowdown_correlation.unwrap() - 1.0).abs() < 1e-12);
        assert_eq!(score.per_model.len(), 2);
        assert!((score.per_model[0].mape_pct - 10.0).abs() < 1e-9);
        assert_eq!(score.per_members[0].n, 2);
        assert!(Score::of(&[]).is_none());
    }

    #[test]
    fn a_uniform_error_is_covered() {
        let list: Vec<Scored> =
            (0..400).map(|i| scored(i, 10.0, 10.0 + (i % 100) as f64 / 100.0)).collect();
        let coverage = Coverage::of(&list, Lead::Gpu, 7, 4).unwrap();
        assert!((coverage.two_sided_coverage_pct - 95.0).abs() < 2.0, "{coverage:?}");
        assert!((coverage.two_sided_pct - 9.5).abs() < 0.4);
    }

    #[test]
    fn repeats_give_the_noise_floor() {
        // 10 and 11 ms: |11/10 − 1| = 10 %, |10/11 − 1| = 9.0909 %; mean 9.5455 %.
        let run = |run, latency| ColocatedRun {
            run,
            members: vec![ColocatedMember {
                model: ModelName::new("a").unwrap(),
                batch: BatchSize::ONE,
                sm: SmPercent::new(50.0).unwrap(),
                latency: Milliseconds::new(latency).ok(),
                std: None,
            }],
            makespan: None,
        };
        let floor = noise_floor(&[run(0, 10.0), run(1, 11.0)]).unwrap();
        assert_eq!(floor.n, 2);
        assert!((floor.mape_pct - (10.0 + 100.0 / 11.0) / 2.0).abs() < 1e-9);
        assert!(noise_floor(&[run(0, 10.0)]).is_none());
    }
}
