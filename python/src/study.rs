//! A scenario that is ready to run: plans, simulations and comparisons.

use crate::comparison::PyComparison;
use crate::extensions::Own;
use crate::failure::JobFailure;
use crate::plan::PyPlan;
use crate::scenario::{PyDocument, json_text};
use crate::{job, table};
use igniter::domain;
use igniter::plan::{foreign_plan, lower_bound, strategy};
use igniter::results::Stopwatch;
use igniter::run::{self, Extensions, Logging, Overrides};
use igniter::sweep::repeat;
use pyo3::prelude::*;
use rayon::prelude::*;
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;

/// The confidence of intervals over seeds, as that of the program.
const CONFIDENCE: f64 = 0.95;

/// A scenario with its predictors.
#[pyclass(frozen, name = "Study", module = "igniter._igniter")]
pub(crate) struct PyStudy {
    pub(crate) inner: Arc<run::Study>,
    pub(crate) own: Extensions,
}

/// A plan that is to be simulated, and how long it took to make.
fn made(
    study: &run::Study,
    own: &Extensions,
    name: &str,
    refine: Option<f64>,
) -> Result<(domain::Plan, f64), JobFailure> {
    let watch = Stopwatch::start();
    let plan = match refine {
        Some(target) => study.refine(target)?.plan,
        None => study.plan(own.strategy(name)?.as_ref()),
    };
    Ok((plan, watch.seconds()))
}

fn python_plan(study: &run::Study, plan: domain::Plan, seconds: f64) -> Result<PyPlan, JobFailure> {
    let violations = study.check(&plan).iter().map(ToString::to_string).collect();
    Ok(PyPlan::new(plan, &study.kinds(), violations, seconds)?)
}

#[pymethods]
impl PyStudy {
    /// Makes a scenario ready, with what replaces its own.
    #[new]
    #[pyo3(signature = (document, own, seed, profile, predictor, truth, prediction_error))]
    fn new(
        py: Python<'_>,
        document: &PyDocument,
        own: &Own,
        seed: Option<u64>,
        profile: Option<String>,
        predictor: Option<String>,
        truth: Option<String>,
        prediction_error: bool,
    ) -> PyResult<Self> {
        let (document, own) = (document.inner.clone(), own.inner.clone());
        let overrides =
            Overrides { seed, profile, predictor, truth, prediction_error, ..Overrides::default() };
        let inner = {
            let own = own.clone();
            job::run(py, None, move || {
                Ok(Arc::new(run::Study::of_document(document, &overrides, &own)?))
            })?
        };
        Ok(Self { inner, own })
    }

    /// The resolved scenario as TOML.
    fn to_toml(&self) -> String {
        self.inner.scenario().to_toml()
    }

    /// The same as JSON.
    fn json(&self, py: Python<'_>) -> PyResult<String> {
        json_text(&self.to_toml()).map_err(|failure| failure.raise(py))
    }

    /// What is unusual about the scenario, in words.
    fn advice(&self) -> Vec<String> {
        self.inner.advice()
    }

    /// Makes a plan by a strategy, or by simulation where `refine` names a target in percent.
    #[pyo3(signature = (strategy, refine, threads))]
    fn plan(
        &self,
        py: Python<'_>,
        strategy: String,
        refine: Option<f64>,
        threads: Option<usize>,
    ) -> PyResult<PyPlan> {
        let (study, own) = (Arc::clone(&self.inner), self.own.clone());
        job::run(py, threads, move || {
            let (plan, seconds) = made(&study, &own, &strategy, refine)?;
            python_plan(&study, plan, seconds)
        })
    }

    /// A plan of a document, given as JSON.
    fn parse_plan(&self, py: Python<'_>, name: &str, json: &str) -> PyResult<PyPlan> {
        let parse = || {
            let plan = foreign_plan(
                name,
                serde_json::from_str(json)?,
                self.inner.workloads(),
                &self.inner.predictors(),
            )?;
            self.inner.check_run(&plan)?;
            python_plan(&self.inner, plan, 0.0)
        };
        parse().map_err(|failure: JobFailure| failure.raise(py))
    }

    /// A plan of files.
    fn read_plans(&self, py: Python<'_>, paths: Vec<PathBuf>) -> PyResult<PyPlan> {
        let read = || python_plan(&self.inner, self.inner.read_plans(&paths)?, 0.0);
        read().map_err(|failure: JobFailure| failure.raise(py))
    }

    /// Plans and simulates: given plans first, then each strategy, then plans that are refined.
    #[pyo3(signature = (plans, strategies, refine, seeds, threads))]
    fn compare(
        &self,
        py: Python<'_>,
        plans: Vec<PyRef<'_, PyPlan>>,
        strategies: Vec<String>,
        refine: Option<f64>,
        seeds: u64,
        threads: Option<usize>,
    ) -> PyResult<PyComparison> {
        let (study, own) = (Arc::clone(&self.inner), self.own.clone());
        let given: Vec<Arc<domain::Plan>> =
            plans.iter().map(|plan| Arc::clone(&plan.inner)).collect();
        job::run(py, threads, move || {
            enum WantedPlan {
                Given(Arc<domain::Plan>),
                Strategy(String),
                Refined(f64),
            }
            let wanted: Vec<WantedPlan> = given
                .into_iter()
                .map(WantedPlan::Given)
                .chain(strategies.into_iter().map(WantedPlan::Strategy))
                .chain(refine.map(WantedPlan::Refined))
                .collect();
            let fixed = |wanted: &WantedPlan| !matches!(wanted, WantedPlan::Given(_));
            if study.scenario().replan.is_some() && wanted.iter().any(fixed) {
                return Err(JobFailure::new(
                    "PlanError",
                    "the scenario has a table replan, and one plan for the whole run is asked for; fix: use sweep(), where plans \
                     follow load, or leave the table out; for a fixed plan give plan=",
                ));
            }
            let results = wanted
                .par_iter()
                .map(|wanted| {
                    let (plan, seconds) = match wanted {
                        WantedPlan::Given(plan) => (plan.as_ref().clone(), 0.0),
                        WantedPlan::Strategy(name) => made(&study, &own, name, None)?,
                        WantedPlan::Refined(target) => made(&study, &own, "", Some(*target))?,
                    };
                    let logging = Logging { arrivals: true, ..Logging::default() };
                    let (result, _) = study.simulate_logged(&plan, logging)?;
                    let repeated = match seeds {
                        0 | 1 => Vec::new(),
                        seeds => {
                            repeat(&study, &run::Course::Plan(plan.clone()), seeds, CONFIDENCE)?
                        }
                    };
                    Ok((result, repeated, python_plan(&study, plan, seconds)?))
                })
                .collect::<Result<Vec<_>, JobFailure>>()?;
            let (mut outcomes, mut repeated, mut plans) = (Vec::new(), Vec::new(), Vec::new());
            for (result, rows, plan) in results {
                outcomes.push(result);
                repeated.extend(rows);
                plans.push(plan);
            }
            let comparison =
                igniter::results::Comparison { seeds: repeated, ..study.comparison(outcomes) };
            Ok(PyComparison::new(study, comparison, plans))
        })
    }

    /// Every request of a plan.
    fn requests(&self, py: Python<'_>, plan: &PyPlan) -> PyResult<table::ArrowTable> {
        let (study, plan) = (Arc::clone(&self.inner), Arc::clone(&plan.inner));
        job::run(py, None, move || requests(&study, &plan))
    }

    /// A lower bound on the number of GPUs, as JSON.
    fn bound(&self, py: Python<'_>) -> PyResult<String> {
        let study = Arc::clone(&self.inner);
        job::run(py, None, move || {
            let bound = match study.request() {
                Some(request) => Some(lower_bound(&request)),
                // With several kinds, the bound comes with a plan.
                None => study.plan(strategy("optimal")?.as_ref()).bound,
            };
            let document = bound.map(|bound| {
                json!({
                    "gpus": bound.gpus,
                    "fractional_gpus": bound.fractional_gpus,
                    "method": bound.method.as_str(),
                    "least_cost_per_hour": bound.least_cost_per_hour.map(|cost| cost.get()),
                    "note": bound.note,
                    "covers": bound.covers,
                })
            });
            Ok(serde_json::to_string(&document)?)
        })
    }
}

/// The requests of a plan as a table.
pub(crate) fn requests(
    study: &run::Study,
    plan: &domain::Plan,
) -> Result<table::ArrowTable, JobFailure> {
    let mut columns = Vec::new();
    study.simulate_logged(plan, Logging { columns: Some(&mut columns), ..Logging::default() })?;
    table::ArrowTable::of_requests(columns, study.workloads())
}
