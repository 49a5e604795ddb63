//! Runs the plans of `igniter` on real GPUs through NVIDIA Triton, and compares what is measured with
//! what was predicted and simulated.
//!
//! - [`doctor`] says what a machine lacks.
//! - [`facts`] finds out what MPS grants and how long copies take.
//! - [`launch`] starts one Triton server for each placement of a plan and ends it again.
//! - [`client`] sends requests over HTTP, [`load`] sends them at their times; [`http`] asks servers all else.
//! - [`data`] holds what is sent.
//! - [`measure`] makes records of what happened; [`compare`] puts predicted, simulated and measured side by
//!   side.
//! - [`run`] is one measured run, [`profile`] a campaign of short ones.
//! - [`clock`] is the clock of all of them.
//! - [`guard`] sees to it that nothing outlives this process.
//! - [`gpu`] reads clocks, power and energy.
//! - [`signals`] watches for Ctrl-C.
//! - [`models`] prepares models.
//! - [`cli`] is the command line.

pub mod cli;
pub mod client;
pub mod clock;
pub mod compare;
pub mod data;
pub mod doctor;
pub mod facts;
pub mod gpu;
pub mod guard;
pub mod http;
pub mod launch;
pub mod load;
pub mod measure;
pub mod models;
pub mod profile;
pub mod run;
pub mod signals;
