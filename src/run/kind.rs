//! The predictors of a GPU kind: one for planning and one for the simulation.

use super::prediction_error::with_errors;
use super::{Extensions, LoadedPredictor, Overrides, RunError};
use crate::predictor::{PerturbedPredictor, Predictor};
use crate::scenario::{Scenario, ScenarioGpu};
use std::sync::Arc;

/// The predictors of a GPU kind, which other studies may share.
#[derive(Debug, Clone)]
pub struct KindPredictors {
    /// The predictor used for planning.
    pub source: Arc<LoadedPredictor>,
    /// The predictor used for the simulation, if it is not `source`.
    pub truth: Option<Arc<LoadedPredictor>>,
}

/// A GPU kind of a study.
#[derive(Debug)]
pub(super) struct KindSource {
    pub(super) predictors: KindPredictors,
    /// The simulated predictor with prediction errors, if the scenario draws them.
    pub(super) perturbed: Option<PerturbedPredictor>,
}

impl KindSource {
    pub(super) fn new(predictors: KindPredictors, scenario: &Scenario) -> Result<Self, RunError> {
        let simulated = predictors.truth.as_ref().unwrap_or(&predictors.source);
        let perturbed = match scenario.prediction_error {
            Some(draw) => Some(with_errors(simulated, draw, scenario.seed)?),
            None => None,
        };
        Ok(Self { predictors, perturbed })
    }

    pub(super) fn source(&self) -> &dyn Predictor {
        self.predictors.source.predictor.as_ref()
    }

    pub(super) fn simulated(&self) -> &dyn Predictor {
        let KindPredictors { source, truth } = &self.predictors;
        match &self.perturbed {
            Some(perturbed) => perturbed,
            None => truth.as_ref().unwrap_or(source).predictor.as_ref(),
        }
    }
}

/// Fits or reads the predictors of one GPU kind.
pub(super) fn load_kind(
    gpu: &ScenarioGpu,
    overrides: &Overrides,
    own: &Extensions,
) -> Result<KindPredictors, RunError> {
    let profile = gpu.profile.to_string();
    let source =
        own.load_predictor(&profile, overrides.predictor.as_deref(), gpu.price_per_hour)?;
    let truth = match &overrides.truth {
        Some(name) => Some(Arc::new(own.load_truth(name, &profile, &source)?)),
        None => None,
    };
    Ok(KindPredictors { source: Arc::new(source), truth })
}
