//! Pure numeric functions: percentiles, means, correlation, prediction error, confidence intervals,
//! conformal bounds.
//!
//! Everything takes slices of plain numbers and returns `None` where the statistic is undefined; no
//! function returns NaN for finite input.

mod conformal;
mod error;
mod percentile;
mod sample;
mod select;

pub use conformal::conformal_bound;
pub use error::{bias_pct, mape_pct};
pub use percentile::{nearest_rank, percentile};
pub use sample::{ConfidenceInterval, confidence_interval, mean, pearson, standard_deviation};
pub use select::order_statistics;
