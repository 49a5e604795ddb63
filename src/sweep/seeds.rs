//! How many seeds each point runs, and when they are enough.

use super::SweepError;
use super::file::RawSeeds;
use super::read::Complaint;
use super::rows::{RUN_METRICS, RunRow, WORKLOAD_METRICS};
use crate::stats::confidence_interval;

/// The seeds of every point: all strategies see the same ones, and so the same arrivals.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Seeds {
    pub(super) first: u64,
    /// How many at least.
    pub(super) least: u64,
    /// How many at most.
    pub(super) most: u64,
    /// The metric whose interval must be narrow enough; without it there are exactly `least` seeds.
    pub(super) until: Option<Until>,
    /// The confidence of all intervals, above 0 and below 1.
    pub(super) confidence: f64,
}

/// A metric with the largest allowed half-width of its confidence interval.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Until {
    pub(super) metric: String,
    /// The workload whose metric it is; none for one of the whole run.
    pub(super) workload: Option<String>,
    pub(super) half_width: f64,
}

impl Seeds {
    /// Checks the `seeds` of a file; `default` is the seed of the scenario.
    pub(super) fn new(
        raw: &RawSeeds,
        default: u64,
        complain: Complaint<'_>,
    ) -> Result<Self, SweepError> {
        let whole = |key: &str, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) {
                return Ok(value);
            }
            Err(complain.about(
                &format!("seeds.{key}"),
                &format!("given {value}"),
                &format!("{least} to {most}"),
                "correct the number",
            ))
        };
        let first = whole("first", raw.first.unwrap_or(default), 0, 1 << 62)?;
        let confidence = raw.confidence.unwrap_or(0.95);
        if !(confidence > 0.0 && confidence < 1.0) {
            return Err(complain.about(
                "seeds.confidence",
                &format!("given {confidence}"),
                "above 0 and below 1",
                "write confidence = 0.95, for example",
            ));
        }
        let Some(half_width) = raw.half_width else {
            let until = [raw.least.is_some(), raw.most.is_some(), raw.metric.is_some()];
            if until.contains(&true) || raw.workload.is_some() {
                return Err(complain.about(
                    "seeds.half_width",
                    "missing",
                    "a number above 0, in the unit of the metric",
                    "give the half-width that the confidence interval must reach, or give only count",
                ));
            }
            let count = whole("count", raw.count.unwrap_or(1), 1, 1_000_000)?;
            return Ok(Self { first, least: count, most: count, until: None, confidence });
        };
        if raw.count.is_some() {
            return Err(complain.about(
                "seeds.count",
                "given together with half_width",
                "either count, or half_width with least and most",
                "remove one of them",
            ));
        }
        if !(half_width > 0.0 && half_width.is_finite()) {
            return Err(complain.about(
                "seeds.half_width",
                &format!("given {half_width}"),
                "a number above 0, in the unit of the metric",
                "write half_width = 0.5, for example",
            ));
        }
        let least = whole("least", raw.least.unwrap_or(3), 2, 1_000_000)?;
        let most = whole("most", raw.most.unwrap_or(least.max(30)), least, 1_000_000)?;
        let metric = raw.metric.clone().unwrap_or_else(|| "attainment_pct".to_owned());
        let known: &[&str] = if raw.workload.is_some() { &WORKLOAD_METRICS } else { &RUN_METRICS };
        if !known.contains(&metric.as_str()) {
            return Err(complain.about(
                "seeds.metric",
                &format!("given {metric:?}"),
                &known.join(", "),
                "choose one of them (those of one workload need seeds.workload)",
            ));
        }
        let until = Some(Until { metric, workload: raw.workload.clone(), half_width });
        Ok(Self { first, least, most, until, confidence })
    }

    /// Whether the runs of one strategy are enough. Runs in which the metric is undefined do not count.
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
