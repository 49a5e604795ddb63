//! Searches over one factor of a scenario: the highest rate, the tightest SLO, the cheapest plan.

use super::SweepError;
use super::point::run_once;
use super::rows::{RunNumbers, RunRow};
use crate::plan::Replicas;
use crate::results::Manifest;
use crate::run::{Course, Extensions, KindPredictors, Overrides, RunError, Study, StudySources};
use crate::scenario::Scenario;
use crate::stats::{confidence_interval, mean};
use crate::units::{Milliseconds, RequestsPerSecond};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The maximum number of headroom steps; more are refused as a mistake.
const MOST_HEADROOMS: u64 = 10_000;

/// The rule for accepting a candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct AcceptanceRule {
    /// Percent of requests that must meet their SLO.
    pub target_pct: f64,
    /// Whether every workload must reach it, not only all requests together.
    pub worst: bool,
    /// The confidence level of a verdict, above 0 and below 1.
    pub confidence: f64,
    /// Minimum number of seeds.
    pub least: u64,
    /// Maximum number of seeds; a candidate that is still too close to call is rejected.
    pub most: u64,
}

impl AcceptanceRule {
    /// Checks the ranges.
    ///
    /// # Errors
    /// For the first number outside its range.
    pub fn check(&self) -> Result<(), SweepError> {
        let bad = |what: String| Err(SweepError::Search(what));
        if !(self.target_pct > 0.0 && self.target_pct <= 100.0) {
            return bad(format!("--target {}: allowed: above 0, at most 100", self.target_pct));
        }
        if !(self.confidence > 0.0 && self.confidence < 1.0) {
            return bad(format!("--confidence {}: allowed: above 0, below 1", self.confidence));
        }
        if self.least < 2 || self.most < self.least {
            return bad(format!(
                "--least {} --most {}: allowed: 2 ≤ least ≤ most",
                self.least, self.most
            ));
        }
        Ok(())
    }
}

/// The quantity to search for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Find {
    /// The highest factor of all rates.
    Rate,
    /// The lowest factor of all SLOs.
    Slo,
    /// The cheapest plan among those with different headroom of planned throughput, in percent.
    Gpus,
}

/// A range of factors (or percents of headroom) and how finely it is searched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FactorRange {
    /// The lowest.
    pub from: f64,
    /// The highest.
    pub to: f64,
    /// The maximum distance of the last two candidates; for headroom, the distance between all candidates.
    pub precision: f64,
}

/// The result of a plan at one factor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The strategy.
    pub strategy: String,
    /// The factor, or the headroom in percent.
    pub at: f64,
    /// GPUs of the plan.
    pub gpu_count: usize,
    /// Its cost in US $/h.
    pub cost_per_hour: f64,
    /// Workloads that are not placed.
    pub infeasible: usize,
    /// Mean share of requests within their SLO, in percent.
    pub attainment_pct: f64,
    /// The lower end of its confidence interval.
    pub low_pct: f64,
    /// The upper end.
    pub high_pct: f64,
    /// Number of seeds that were run.
    pub seeds: usize,
    /// Whether the target is met with the requested confidence.
    pub met: bool,
}

/// The outcome of a search for one strategy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Capacity {
    /// The strategy.
    pub strategy: String,
    /// The best candidate that meets the target; `None` where not even the easiest one does.
    pub best: Option<Candidate>,
    /// Whether the best candidate is at the end of the range, so that the true answer may lie beyond.
    pub at_the_end: bool,
    /// The next candidate, which does not meet the target.
    pub next: Option<Candidate>,
    /// Number of candidates that were judged.
    pub judged: usize,
}

/// A scenario whose plans are searched.
#[derive(Debug)]
pub struct CapacitySearch {
    scenario: Scenario,
    kinds: Vec<KindPredictors>,
    sources: StudySources,
    judge: AcceptanceRule,
    own: Extensions,
}

impl CapacitySearch {
    /// Prepares a search.
    ///
    /// # Errors
    /// When the scenario or the predictor cannot be used, or a number is outside its range.
    pub fn new(
        path: &Path,
        overrides: &Overrides,
        judge: AcceptanceRule,
    ) -> Result<Self, SweepError> {
        Self::of_study(&Study::load(path, overrides)?, judge, Extensions::default())
    }

    /// Prepares a search like [`CapacitySearch::new`], for a study that is ready, with the caller's own
    /// strategies.
    ///
    /// # Errors
    /// When a number is outside its range.
    pub fn of_study(
        study: &Study,
        judge: AcceptanceRule,
        own: Extensions,
    ) -> Result<Self, SweepError> {
        judge.check()?;
        let (kinds, sources) = (study.shared_predictors(), study.sources());
        Ok(Self { scenario: study.scenario().clone(), kinds, sources, judge, own })
    }

    /// Sets whether plans may serve a workload on several GPUs.
    #[must_use]
    pub fn with_replicas(mut self, replicas: Replicas) -> Self {
        self.scenario.plan.replicas = replicas;
        self
    }

    /// Records in the manifest the inputs of the results and the first of their seeds.
    ///
    /// # Errors
    /// When an input file can no longer be read.
    pub fn note(&self, manifest: &mut Manifest) -> std::io::Result<()> {
        manifest.seed = Some(self.scenario.seed);
        manifest.scenario = Some(self.scenario.to_toml());
        manifest.time_limited = self.scenario.plan.time_limit_s.is_some();
        self.sources.note(manifest)
    }

    /// Returns the scenario.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// For each strategy, finds the last factor at which the target is met, by bisection; or, for GPUs, the
    /// cheapest of the plans with every headroom (more headroom is not always better: a workload may become
    /// too large for one GPU).
    ///
    /// With `keep_plan` the plan is made once for the unchanged scenario, and only the simulated load
    /// changes; otherwise plans are made for the changed rates or SLOs.
    ///
    /// # Errors
    /// When a strategy does not exist, the range is empty, or a run fails.
    pub fn capacity(
        &self,
        strategies: &[String],
        find: Find,
        range: FactorRange,
        keep_plan: bool,
    ) -> Result<Vec<Capacity>, SweepError> {
        let FactorRange { from, to, precision } = range;
        let least = if find == Find::Gpus { 0.0 } else { f64::MIN_POSITIVE };
        if !(from >= least && to > from && to.is_finite() && precision > 0.0) {
            return Err(SweepError::Search(format!(
                "--from {from} --to {to} --precision {precision}: allowed: 0 < from < to (headroom: \
                 0 ≤ from < to) and a precision above 0"
            )));
        }
        let one = |name: &String| match find {
            Find::Gpus => self.cheapest(name, range),
            Find::Rate | Find::Slo => self.bisect(name, find, range, keep_plan),
        };
        strategies.par_iter().map(one).collect()
    }

    fn bisect(
        &self,
        name: &str,
        find: Find,
        range: FactorRange,
        keep_plan: bool,
    ) -> Result<Capacity, SweepError> {
        // A higher rate is harder; a longer SLO is easier.
        let (easy, hard) = match find {
            Find::Rate => (range.from, range.to),
            _ => (range.to, range.from),
        };
        let judge = |at: f64| self.candidate(name, find, at, keep_plan);
        let result = |best, next, at_the_end, judged| Capacity {
            strategy: name.to_owned(),
            best,
            next,
            at_the_end,
            judged,
        };
        let hardest = judge(hard)?;
        if hardest.met {
            return Ok(result(Some(hardest), None, true, 1));
        }
        let easiest = judge(easy)?;
        if !easiest.met {
            return Ok(result(None, Some(easiest), true, 2));
        }
        let (mut good, mut bad, mut judged) = (easiest, hardest, 2);
        while (good.at - bad.at).abs() > range.precision * (1.0 + 1e-9) {
            // Round to the grid of the precision, so that the answer is a round number.
            let middle = rounded(f64::midpoint(good.at, bad.at), range.precision);
            if middle.total_cmp(&good.at).is_eq() || middle.total_cmp(&bad.at).is_eq() {
                break;
            }
            let candidate = judge(middle)?;
            judged += 1;
            if candidate.met {
                good = candidate;
            } else {
                bad = candidate;
            }
        }
        Ok(result(Some(good), Some(bad), false, judged))
    }

    fn cheapest(&self, name: &str, range: FactorRange) -> Result<Capacity, SweepError> {
        let all = self.headrooms(&[name.to_owned()], range.from, range.to, range.precision)?;
        let judged = all.len();
        let order = |a: &Candidate, b: &Candidate| {
            a.cost_per_hour.total_cmp(&b.cost_per_hour).then(a.at.total_cmp(&b.at))
        };
        let closest = |a: &Candidate, b: &Candidate| a.attainment_pct.total_cmp(&b.attainment_pct);
        let best = all.iter().filter(|candidate| candidate.met).min_by(|a, b| order(a, b)).cloned();
        let next = match best {
            Some(_) => None,
            None => all.into_iter().max_by(closest),
        };
        Ok(Capacity { strategy: name.to_owned(), at_the_end: best.is_none(), best, next, judged })
    }

    /// Judges every headroom from 0 to `to` in steps, for each strategy, to show what more GPUs buy.
    ///
    /// # Errors
    /// When a strategy does not exist, there are no steps, or a run fails.
    pub fn frontier(
        &self,
        strategies: &[String],
        to: f64,
        step: f64,
    ) -> Result<Vec<Candidate>, SweepError> {
        self.headrooms(strategies, 0.0, to, step)
    }

    fn headrooms(
        &self,
        strategies: &[String],
        from: f64,
        to: f64,
        step: f64,
    ) -> Result<Vec<Candidate>, SweepError> {
        let headrooms = super::decimal::DecimalRange::new(from, to, step);
        let Some(headrooms) = headrooms.filter(|range| range.len() <= MOST_HEADROOMS) else {
            return Err(SweepError::Search(format!(
                "headroom from {from} to {to} in steps of {step} (--step of frontier, --precision of capacity): \
                 allowed: a step above 0 that leads there, and at most {MOST_HEADROOMS} steps"
            )));
        };
        let all: Vec<(&String, f64)> = strategies
            .iter()
            .flat_map(|name| (0..headrooms.len()).map(move |i| (name, headrooms.value(i))))
            .collect();
        let judge = |(name, at): (&String, f64)| self.candidate(name, Find::Gpus, at, false);
        all.into_par_iter().with_max_len(1).map(judge).collect()
    }

    /// Judges one candidate.
    fn candidate(
        &self,
        name: &str,
        find: Find,
        at: f64,
        keep_plan: bool,
    ) -> Result<Candidate, SweepError> {
        let chosen = self.own.strategy(name).map_err(RunError::from)?;
        let mut scenario = self.scenario.clone();
        let too_far = |error: crate::units::UnitError| SweepError::Search(error.to_string());
        for workload in &mut scenario.workloads {
            let workload = &mut workload.workload;
            match find {
                Find::Rate => {
                    let rate = workload.rate.get() * at;
                    workload.rate = RequestsPerSecond::new(rate).map_err(too_far)?;
                }
                Find::Slo => {
                    workload.slo = Milliseconds::new(workload.slo.get() * at).map_err(too_far)?;
                }
                Find::Gpus => scenario.plan.throughput_headroom_pct = at,
            }
        }
        let study =
            |scenario: &Scenario| Study::with_predictors(scenario.clone(), self.kinds.clone());
        let changed = study(&scenario)?;
        let planned = if keep_plan && !matches!(find, Find::Gpus) {
            study(&self.scenario)?
        } else {
            study(&scenario)?
        };
        let course = planned.course(chosen.as_ref());
        self.judged(name, at, &changed, &course)
    }

    fn judged(
        &self,
        name: &str,
        at: f64,
        study: &Study,
        course: &Course,
    ) -> Result<Candidate, SweepError> {
        let metric = if self.judge.worst { "worst_attainment_pct" } else { "attainment_pct" };
        let mut values = Vec::new();
        let mut numbers: Option<RunNumbers> = None;
        let (mut low, mut high);
        loop {
            let first = self.scenario.seed + values.len() as u64;
            let count = if values.is_empty() { self.judge.least } else { 1 };
            let seeds: Vec<u64> = (first..first + count).collect();
            let runs: Vec<(u64, Result<RunNumbers, String>)> =
                seeds.into_par_iter().map(|seed| (seed, run_once(study, course, seed))).collect();
            for (seed, outcome) in runs {
                let run = RunRow { seed, outcome };
                values.extend(run.metric(metric, None));
                numbers = Some(run.outcome.map_err(SweepError::Search)?);
            }
            let interval = confidence_interval(&values, self.judge.confidence);
            (low, high) = interval.map_or((0.0, 100.0), |i| {
                // Student's t may reach beyond 0 and 100 %.
                ((i.mean - i.half_width).max(0.0), (i.mean + i.half_width).min(100.0))
            });
            let decided = low >= self.judge.target_pct || high < self.judge.target_pct;
            if decided || values.len() as u64 >= self.judge.most {
                break;
            }
        }
        let (gpu_count, cost_per_hour, infeasible) =
            numbers.map_or((0, 0.0, 0), |numbers| numbers.plan_size());
        Ok(Candidate {
            strategy: name.to_owned(),
            at,
            gpu_count,
            cost_per_hour,
            infeasible,
            attainment_pct: nine_digits(mean(&values).unwrap_or(0.0)),
            low_pct: nine_digits(low),
            high_pct: nine_digits(high),
            seeds: values.len(),
            met: low >= self.judge.target_pct,
        })
    }
}

/// Returns which candidates have no better one for the same cost or less: the Pareto front.
#[must_use]
pub fn pareto(candidates: &[Candidate]) -> Vec<bool> {
    let beats = |a: &Candidate, b: &Candidate| {
        let better = a.attainment_pct > b.attainment_pct || a.cost_per_hour < b.cost_per_hour;
        a.attainment_pct >= b.attainment_pct && a.cost_per_hour <= b.cost_per_hour && better
    };
    candidates.iter().map(|b| !candidates.iter().any(|a| beats(a, b))).collect()
}

/// Rounds to the nearest multiple of a step.
fn rounded(value: f64, step: f64) -> f64 {
    let multiple = (value / step).round() * step;
    // 57 × 0.01 is 0.5700000000000001.
    format!("{multiple:.9}").parse().expect("a formatted number is a number")
}

fn nine_digits(value: f64) -> f64 {
    format!("{value:.8e}").parse().expect("a formatted number is a number")
}

#[cfg(test)]
mod tests;
