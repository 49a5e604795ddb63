//! Plans.

use igniter::domain::{self, GpuKind};
use igniter::plan::plan_json;
use pyo3::prelude::*;
use std::sync::Arc;

/// A plan with the GPU kinds that it uses.
#[pyclass(frozen, name = "Plan", module = "igniter._igniter")]
pub(crate) struct PyPlan {
    pub(crate) inner: Arc<domain::Plan>,
    /// The whole as JSON: a document of `igniter plan`.
    json: String,
    violations: Vec<String>,
    seconds: f64,
}

impl PyPlan {
    pub(crate) fn new(
        inner: domain::Plan,
        kinds: &[&GpuKind],
        violations: Vec<String>,
        seconds: f64,
    ) -> Result<Self, serde_json::Error> {
        let json = serde_json::to_string(&plan_json(&inner, kinds))?;
        Ok(Self { inner: Arc::new(inner), json, violations, seconds })
    }
}

#[pymethods]
impl PyPlan {
    /// The plan as JSON.
    #[getter]
    pub(crate) fn json(&self) -> &str {
        &self.json
    }

    /// What the plan's own predictor says is wrong with it, in words.
    #[getter]
    pub(crate) fn violations(&self) -> Vec<String> {
        self.violations.clone()
    }

    /// How long it took to make, in s.
    #[getter]
    pub(crate) fn seconds(&self) -> f64 {
        self.seconds
    }
}
