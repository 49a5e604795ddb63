//! Searches over one factor of a scenario.

use crate::failure::JobFailure;
use crate::job;
use crate::study::PyStudy;
use igniter::plan::Replicas;
use igniter::sweep::{AcceptanceRule, CapacitySearch, FactorRange, Find};
use pyo3::prelude::*;
use std::sync::Arc;

/// What `igniter capacity --json` lists as strategies, as JSON.
#[pyfunction]
#[pyo3(signature = (study, strategies, find, range, target, worst, confidence, seeds, keep_plan, replicas, threads))]
pub(crate) fn capacity(
    py: Python<'_>,
    study: &PyStudy,
    strategies: Vec<String>,
    find: &str,
    range: (f64, f64, f64),
    target: f64,
    worst: bool,
    confidence: f64,
    seeds: (u64, u64),
    keep_plan: bool,
    replicas: bool,
    threads: Option<usize>,
) -> PyResult<String> {
    let find = match find {
        "rate" => Find::Rate,
        "slo" => Find::Slo,
        "gpus" => Find::Gpus,
        other => {
            let message = format!("find={other:?}; allowed: rate, slo, gpus");
            return Err(JobFailure::new("IgniterError", message).raise(py));
        }
    };
    let (inner, own) = (Arc::clone(&study.inner), study.own.clone());
    let judge =
        AcceptanceRule { target_pct: target, worst, confidence, least: seeds.0, most: seeds.1 };
    let range = FactorRange { from: range.0, to: range.1, precision: range.2 };
    job::run(py, threads, move || {
        let mut search = CapacitySearch::of_study(&inner, judge, own)?;
        if replicas {
            search = search.with_replicas(Replicas::Allowed);
        }
        Ok(serde_json::to_string(&search.capacity(&strategies, find, range, keep_plan)?)?)
    })
}
