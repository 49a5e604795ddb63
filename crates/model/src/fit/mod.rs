//! Fits: from a measured profile to the coefficients of a predictor, with residuals and range of validity.
//!
//! [`fit_predictor`] fits any predictor by name. [`FitData`] holds the measurements; every fit uses those that it can,
//! and its [`FitReport`] lists the data used and the assumptions made.

mod baselines;
mod calibration;
mod contention;
mod corrections;
mod curve;
mod data;
mod error;
mod file;
mod igniter;
mod interference;
mod least_squares;
mod occupancy;
mod ranges;
mod registry;
mod report;
mod slice;
mod solo;

pub use baselines::{fit_gpulets, fit_isolated, fit_scaled};
pub use calibration::bounds;
pub use contention::{fit_contention, fit_contention_without_bounds};
pub use data::{FitData, SoloUse, members_of};
pub use error::FitError;
pub use file::{
    CoefficientsFile, ContentionFile, GpuletsFile, IgniterFile, IsolatedFile, KindFile, ModelFile,
    ResidualSummary,
};
pub use igniter::fit_igniter;
pub use interference::couplings_from;
pub use registry::{PREDICTORS, fit_predictor};
pub use report::{
    CoefficientOrigin, CorrelatedTerms, DataUsed, FitReport, ModelResiduals, TermReport,
};
pub use solo::fit_latency_curve;

pub use crate::predictor::Validity;
