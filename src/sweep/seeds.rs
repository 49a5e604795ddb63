//! The seeds of each point, and the rule for when they are enough.

use super::file::text;
use super::rows::{RUN_METRICS, RunRow, WORKLOAD_METRICS};
use crate::input::toml_keys::{
    KeyNeed, KeyRule, Least, NumberRule, Problems, Read, TomlTable, WholeRule,
};
use crate::stats::confidence_interval;

/// The seeds of every point: all strategies see the same ones, and so the same arrivals.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SeedList {
    pub(super) first: u64,
    /// Minimum number of seeds.
    pub(super) least: u64,
    /// Maximum number of seeds.
    pub(super) most: u64,
    /// The metric whose confidence interval must be narrow enough; without it, exactly `least` seeds are
    /// run.
    pub(super) until: Option<Until>,
    /// The confidence level of all intervals, above 0 and below 1.
    pub(super) confidence: f64,
}

/// A metric with the largest allowed half-width of its confidence interval.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Until {
    pub(super) metric: String,
    /// The workload of the metric; `None` for a metric of the whole run.
    pub(super) workload: Option<String>,
    pub(super) half_width: f64,
}

const SEEDS: KeyRule<'_> =
    KeyRule { allowed: "a table", fix: "write seeds = { first = 1, count = 10 }, for example" };
const FIRST: WholeRule = WholeRule {
    least: 0,
    most: 1 << 62,
    fix: "give the first seed, or leave the key out for that of the scenario",
};
const COUNT: WholeRule =
    WholeRule { least: 1, most: MOST, fix: "give how many seeds each point is run with" };
const LEAST: WholeRule =
    WholeRule { least: 2, most: MOST, fix: "give how many seeds each point is run with at least" };
const MOST_SEEDS: WholeRule =
    WholeRule { least: 2, most: MOST, fix: "give how many seeds each point is run with at most" };
const MOST: u64 = 1_000_000;
const CONFIDENCE: NumberRule = NumberRule {
    least: Least::Above(0.0),
    most: 0.999_999,
    unit: "",
    fix: "write confidence = 0.95, for example",
};
const HALF_WIDTH: NumberRule = NumberRule {
    least: Least::Above(0.0),
    most: 1e12,
    unit: "in the unit of the metric",
    fix: "give the half-width that the confidence interval must reach, or give only count",
};
const WORKLOAD: KeyRule<'_> =
    KeyRule { allowed: "the name of a workload", fix: "name a workload of the scenario" };

impl SeedList {
    /// Reads the `seeds` of a file. The first seed is returned separately, because it defaults to the
    /// scenario's own.
    pub(super) fn read(
        parent: &mut TomlTable<'_>,
        problems: &mut Problems<'_>,
    ) -> (Option<u64>, Self) {
        use KeyNeed::Optional;
        let mut seeds = Self { first: 1, least: 1, most: 1, until: None, confidence: 0.95 };
        let Some(field) = parent.field("seeds") else { return (None, seeds) };
        let Some(mut table) = field.table() else {
            let _: Read<()> = field.refuse(problems, SEEDS);
            return (None, seeds);
        };
        let t = &mut table;
        let first = FIRST.read(t, problems, "first", Optional).given();
        if let Some(confidence) = CONFIDENCE.read(t, problems, "confidence", Optional).given() {
            seeds.confidence = confidence;
        }
        let count = COUNT.read(t, problems, "count", Optional);
        let least = LEAST.read(t, problems, "least", Optional);
        let most = MOST_SEEDS.read(t, problems, "most", Optional);
        let half_width = HALF_WIDTH.read(t, problems, "half_width", Optional);
        let workload = t.read(problems, "workload", Optional, WORKLOAD, text);
        let known: &[&str] = match workload {
            Read::Absent => &RUN_METRICS,
            _ => &WORKLOAD_METRICS,
        };
        let allowed = known.join(", ");
        let rule = KeyRule {
            allowed: &allowed,
            fix: "choose one of them (those of one workload need seeds.workload)",
        };
        let metric = t.read(problems, "metric", Optional, rule, |value| {
            text(value).filter(|metric| known.contains(&metric.as_str()))
        });
        let of_search = [least.is_absent(), most.is_absent(), metric.is_absent()];
        match (half_width, count) {
            (Read::Absent, count) => {
                if of_search.contains(&false) || !workload.is_absent() {
                    let allowed = HALF_WIDTH.allowed();
                    t.missing(
                        problems,
                        "half_width",
                        KeyRule { allowed: &allowed, fix: HALF_WIDTH.fix },
                    );
                }
                seeds.least = count.or(1).unwrap_or(1);
                seeds.most = seeds.least;
            }
            (_, Read::Given(_, place)) => {
                let rule = KeyRule {
                    allowed: "either count, or half_width with least and most",
                    fix: "remove one of them",
                };
                problems.add(&place, "given together with half_width", rule);
            }
            (half_width, _) => {
                seeds.least = least.or(3).unwrap_or(3);
                seeds.most = seeds.least.max(30);
                if let Read::Given(most, place) = most {
                    if most < seeds.least {
                        let what = format!("given {most}, fewer than least, {}", seeds.least);
                        let rule = KeyRule { allowed: "least or more", fix: MOST_SEEDS.fix };
                        problems.add(&place, what, rule);
                    }
                    seeds.most = most;
                }
                let metric = metric.or("attainment_pct".to_owned());
                seeds.until = half_width.given().zip(metric).map(|(half_width, metric)| Until {
                    metric,
                    workload: workload.given(),
                    half_width,
                });
            }
        }
        table.finish(problems, |_| None);
        (first, seeds)
    }

    /// Returns whether the runs of one strategy are enough. Runs in which the metric is undefined do not
    /// count.
    pub(super) fn suffice(&self, runs: &[RunRow]) -> bool {
        let Some(until) = &self.until else { return true };
        let values: Vec<f64> = runs
            .iter()
            .filter_map(|run| run.metric(&until.metric, until.workload.as_deref()))
            .collect();
        confidence_interval(&values, self.confidence)
            .is_some_and(|interval| interval.half_width <= until.half_width)
    }
}
