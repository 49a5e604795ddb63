//! The building blocks of the planners `exact` and `optimal` and of the lower bounds.
//!
//! All of them work with any predictor. Their proofs rest on one assumption, which [`super::assumptions`] checks:
//! another member, a larger batch demand or a larger share of another member never lets a member meet its demand with
//! *fewer* SMs. Then the least shares of a set of members with given batches exist and are found by growing them from
//! below (`super::shares::ShareFitter::grow`), and every subset of a feasible co-location is feasible.

pub(super) mod classes;
pub(super) mod clock;
pub(super) mod configuration_lp;
pub(super) mod cutting_stock;
pub(super) mod dominance;
pub(super) mod enumerate;
pub(super) mod greedy;
pub(super) mod local;
mod master;
pub(super) mod neighbours;
pub(super) mod packing;
pub(super) mod partition;
pub(super) mod pricing;
pub(super) mod relaxed;
pub(super) mod types;
