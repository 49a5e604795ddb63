//! The truth that plans were simulated with, if it is not the predictor that made them.

use igniter_model::domain::ModelName;
use serde::{Deserialize, Serialize};

/// The predictor that made the plans, and the model that represents the real GPU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// The predictor that plans were made with.
    pub planned_with: String,
    /// The predictor that they were simulated with.
    pub simulated_with: String,
    /// The errors that were drawn for this run, if any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub prediction_errors: Vec<PredictionError>,
}

/// Deviation of the simulated latencies of a model from the predictions of the simulation's predictor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PredictionError {
    pub model: ModelName,
    /// Error in percent of the prediction, alone or with one co-runner.
    pub error_pct: f64,
}

impl Truth {
    /// Describes everything in one line.
    #[must_use]
    pub fn sentence(&self) -> String {
        let mut text = format!(
            "planned with predictor {}, simulated with predictor {}",
            self.planned_with, self.simulated_with
        );
        for (index, error) in self.prediction_errors.iter().enumerate() {
            text += if index == 0 { " and prediction errors of " } else { ", " };
            text += &format!("{} {:+.1} %", error.model, error.error_pct);
        }
        text
    }
}
