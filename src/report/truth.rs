//! What plans were simulated with, where that is not the predictor that made them.

use serde::{Deserialize, Serialize};

/// Two predictors: that of the plans, and the one that stands for the real GPU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// The predictor that plans were made with.
    pub planned_with: String,
    /// The predictor that they were simulated with.
    pub simulated_with: String,
}

impl Truth {
    /// Both, in one line.
    #[must_use]
    pub fn sentence(&self) -> String {
        format!(
            "planned with predictor {}, simulated with predictor {}",
            self.planned_with, self.simulated_with
        )
    }
}
