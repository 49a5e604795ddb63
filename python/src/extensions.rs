//! Strategies and predictors of a user's own.

use crate::predictor::PySource;
use crate::strategy::PyStrategy;
use igniter::run::Extensions;
use pyo3::prelude::*;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// A user's strategies and predictors.
#[pyclass(frozen, module = "igniter._igniter")]
pub(crate) struct Own {
    pub(crate) inner: Extensions,
}

#[pymethods]
impl Own {
    /// Strategies with their names; predictors with their names and what they build upon; what tells them from others.
    #[new]
    fn new(
        strategies: Vec<(String, Py<PyAny>)>,
        predictors: Vec<(String, Option<String>, Py<PyAny>)>,
        fingerprint: String,
    ) -> Self {
        let mut inner = Extensions::default();
        inner.fingerprint = fingerprint;
        for (name, object) in strategies {
            inner.add_strategy(Arc::new(PyStrategy::new(interned(&name), object)));
        }
        for (name, base, object) in predictors {
            inner.add_predictor(&name, Arc::new(PySource::new(interned(&name), base, object)));
        }
        Self { inner }
    }
}

/// A name that lives as long as the process: there are as many of these as names, not as uses.
fn interned(name: &str) -> &'static str {
    static NAMES: Mutex<BTreeSet<&'static str>> = Mutex::new(BTreeSet::new());
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = names.get(name) {
        return known;
    }
    let kept: &'static str = Box::leak(name.to_owned().into_boxed_str());
    names.insert(kept);
    kept
}
