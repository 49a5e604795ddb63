//! Rules that strategies and controllers share: what a published method says, as arithmetic and nothing else.

mod budget;
pub mod gslice;

pub use budget::{execution_budget, slo_of_budget};
