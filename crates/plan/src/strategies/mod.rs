//! The strategies, one file each; [`crate::Strategy`] is what they share.

pub mod dedicated;
pub mod exact;
pub mod ffd;
pub mod gpulets;
pub mod gpulets_atc;
pub mod gslice;
pub mod igniter;
pub mod infless;
pub mod mps_default;
pub mod nexus;
pub mod optimal;
pub mod parvagpu;
