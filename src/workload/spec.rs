//! What a user can ask of the arrivals of a workload.

use std::path::PathBuf;

/// How the requests of a workload arrive. The mean rate is the workload's own.
#[derive(Debug, Clone, PartialEq)]
pub enum ArrivalSpec {
    /// Evenly spaced: request i arrives at i / rate.
    Constant,
    /// Exponential gaps.
    Poisson,
    /// Gamma-distributed gaps with this coefficient of variation (> 0); 1 is Poisson, more is bursty.
    Gamma {
        /// Standard deviation of the gaps divided by their mean.
        cv: f64,
    },
    /// The arrival times of a CSV file, in order. The workload's rate then only serves planning.
    Trace {
        /// A CSV file with a header row.
        path: PathBuf,
        /// The column that holds arrival times in seconds since the start.
        column: String,
    },
}
