//! Runs one point: every strategy with the same seeds.

use super::grid::SweepPoint;
use super::rows::{RunLabel, RunNumbers, RunRow, write_rows};
use super::{Sweep, SweepError};
use crate::run::{Course, Study};
use crate::scenario::Scenario;
use rayon::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

/// The result of one point.
#[derive(Debug, Default)]
pub(super) struct PointRows {
    /// Its rows as CSV.
    pub(super) csv: Vec<u8>,
    pub(super) runs: u64,
    /// Number of runs that failed.
    pub(super) failed: u64,
}

/// An arm that is being run.
struct Running {
    arm: RunLabel,
    /// The study with what it runs, or the reason why there is none.
    ready: Result<(Arc<Study>, Arc<Course>), String>,
    runs: Vec<RunRow>,
}

impl Sweep {
    /// Runs one point. A failure becomes a row, even where it is a bug in this program: one point must not take a
    /// thousand others with it.
    pub(super) fn run_point(&self, point: &SweepPoint) -> PointRows {
        let mut arms = match self.at(point) {
            Ok(scenario) => self.arms(&scenario),
            Err(error) => self.failed_arms(&one_line(&error.to_string())),
        };
        let seeds = &self.seeds;
        run_seeds(&mut arms, seeds.first, seeds.least);
        // All strategies get the same seeds, so they stop together.
        let mut count = seeds.least;
        while count < seeds.most
            && arms.iter().any(|arm| arm.ready.is_ok() && !seeds.suffice(&arm.runs))
        {
            run_seeds(&mut arms, seeds.first + count, 1);
            count += 1;
        }
        let mut out = csv::Writer::from_writer(Vec::new());
        let mut rows = PointRows::default();
        for arm in &arms {
            write_rows(point, &arm.arm, &arm.runs, &mut out);
            rows.runs += arm.runs.len() as u64;
            rows.failed += arm.runs.iter().filter(|run| run.outcome.is_err()).count() as u64;
        }
        rows.csv = out.into_inner().expect("writing into memory cannot fail");
        rows
    }

    fn arms(&self, scenario: &Scenario) -> Vec<Running> {
        let mut arms = Vec::new();
        for predictor in &self.predictors {
            for truth in &self.truths {
                let study = caught(|| {
                    let study = self.study(scenario, predictor.as_deref(), truth.as_deref());
                    study.map(Arc::new).map_err(|error| one_line(&error.to_string()))
                });
                // Plans are made for this point, or for the unchanged scenario at all points.
                let planned = match &self.planned {
                    None => study.clone(),
                    Some(planned) => caught(|| {
                        let study = self.study(planned, predictor.as_deref(), truth.as_deref());
                        study.map(Arc::new).map_err(|error| one_line(&error.to_string()))
                    }),
                };
                let gpus = self.planned.as_ref().map_or(&scenario.gpus, |planned| &planned.gpus);
                let source = format!("{gpus:?}|{predictor:?}");
                arms.extend(self.strategies.iter().map(|name| {
                    let ready = study.clone().and_then(|study| {
                        let planned = planned.clone()?;
                        let course = || self.cache.course(&planned, name, &source);
                        caught(course).map(|course| (study, course))
                    });
                    let names = ready.as_ref().ok().map(|(study, _)| {
                        let planned = study.predictors()[0].name().to_owned();
                        (planned, study.simulated().name().to_owned())
                    });
                    let (predictor, truth) = names
                        .unwrap_or_else(|| Self::asked(predictor.as_deref(), truth.as_deref()));
                    let arm = RunLabel { strategy: name.clone(), predictor, truth };
                    Running { arm, ready, runs: Vec::new() }
                }));
            }
        }
        arms
    }

    /// Returns the scenario with its predictors, from the cache.
    fn study(
        &self,
        scenario: &Scenario,
        predictor: Option<&str>,
        truth: Option<&str>,
    ) -> Result<Study, SweepError> {
        let kinds = self.cache.kinds(scenario, predictor, truth)?;
        Ok(Study::with_predictors(scenario.clone(), kinds)?)
    }

    fn failed_arms(&self, error: &str) -> Vec<Running> {
        let mut arms = Vec::new();
        for predictor in &self.predictors {
            for truth in &self.truths {
                let (predictor, truth) = Self::asked(predictor.as_deref(), truth.as_deref());
                arms.extend(self.strategies.iter().map(|strategy| Running {
                    arm: RunLabel {
                        strategy: strategy.clone(),
                        predictor: predictor.clone(),
                        truth: truth.clone(),
                    },
                    ready: Err(error.to_owned()),
                    runs: Vec::new(),
                }));
            }
        }
        arms
    }

    /// Returns the names of predictors as they were requested, for predictors that could not be made.
    fn asked(predictor: Option<&str>, truth: Option<&str>) -> (String, String) {
        let predictor = predictor.unwrap_or(crate::run::DEFAULT_PREDICTOR);
        (predictor.to_owned(), truth.unwrap_or(predictor).to_owned())
    }
}

/// Runs `count` seeds from `first` on for every arm; an arm that cannot run has one row with the reason.
fn run_seeds(arms: &mut [Running], first: u64, count: u64) {
    arms.par_iter_mut().with_max_len(1).for_each(|arm| {
        let (study, course) = match &arm.ready {
            Ok(ready) => ready,
            Err(error) => {
                if arm.runs.is_empty() {
                    arm.runs.push(RunRow { seed: first, outcome: Err(error.clone()) });
                }
                return;
            }
        };
        let seeds: Vec<u64> = (first..first + count).collect();
        let run = |seed: &u64| RunRow { seed: *seed, outcome: run_once(study, course, *seed) };
        arm.runs.par_extend(seeds.par_iter().with_max_len(1).map(run));
    });
}

/// Performs one run; its numbers depend only on the study, what it runs and the seed.
pub(super) fn run_once(study: &Study, course: &Course, seed: u64) -> Result<RunNumbers, String> {
    caught(|| {
        let result = study
            .reseeded(seed)
            .and_then(|study| study.run(course))
            .map_err(|error| one_line(&error.to_string()))?;
        let window = study.window();
        let window_s = window.end().saturating_sub(window.start()).as_seconds();
        Ok(RunNumbers::new(result, window.duration().as_seconds(), window_s))
    })
}

/// Returns the result of `work`, with a panic turned into an error. An unwind whose payload is not text is not a
/// panic of this program: an extension ends the work that way, and its caller handles it.
fn caught<T>(work: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        match text.or_else(|| panic.downcast_ref::<&str>().copied()) {
            Some(text) => Err(one_line(&format!("a bug of igniter: {text}"))),
            None => resume_unwind(panic),
        }
    })
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}
