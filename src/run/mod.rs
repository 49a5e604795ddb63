//! Wires the stages: a scenario and a predictor make a [`Study`], which plans and simulates.

mod error;
mod prediction_error;
mod source;
mod study;

pub use error::RunError;
pub use source::{DEFAULT_PREDICTOR, LoadedPredictor, load_predictor, load_truth};
pub use study::{Logging, Overrides, Study};
