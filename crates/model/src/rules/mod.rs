//! Published rules that strategies and controllers share, written as plain arithmetic.

mod budget;
pub mod gslice;

pub use budget::{execution_budget, slo_of_budget};
