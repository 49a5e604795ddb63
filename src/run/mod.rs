//! Wires the stages: a scenario and a predictor make a [`Study`], which plans and simulates.

mod error;
mod prediction_error;
mod refine;
mod source;
mod study;

pub use error::RunError;
pub use refine::{Refined, RefinedNeed};
pub use source::{DEFAULT_PREDICTOR, LoadedPredictor, load_predictor, load_truth};
pub use study::{KindPredictors, Logging, Overrides, PlanOverrides, Study, replace_kinds};
