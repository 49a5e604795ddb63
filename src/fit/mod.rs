//! From a measured profile to the coefficients of a predictor, with residuals and range of validity.

mod curve;
mod error;
mod file;
mod igniter;

pub use error::FitError;
pub use file::{CoefficientsFile, ResidualSummary, Validity};
pub use igniter::fit_igniter;
