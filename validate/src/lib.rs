//! Runs the plans of `igniter` on real GPUs through NVIDIA Triton, and compares what is measured with
//! what was predicted and simulated.
//!
//! - [`launch`] starts one Triton server for each placement of a plan and ends it again.
//! - [`gpu`] reads clocks, power and energy.
//! - [`life`] watches for Ctrl-C.
//! - [`cli`] is the command line.

pub mod cli;
pub mod gpu;
pub mod launch;
pub mod life;
