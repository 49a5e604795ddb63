//! Runs the plans of `igniter` on real GPUs through NVIDIA Triton, and compares the measurements with
//! predictions and simulations.
//!
//! - [`doctor`] checks what a machine lacks.
//! - [`facts`] measures what MPS grants and how long copies take.
//! - [`launch`] starts one Triton server for each placement of a plan and stops it again.
//! - [`client`] sends requests over HTTP or gRPC, [`load`] schedules them; [`http`] handles all other HTTP
//!   traffic with servers.
//! - [`data`] provides the input data of requests.
//! - [`measure`] turns measurements into records; [`compare`] puts predictions, simulations and measurements
//!   side by side.
//! - [`run`] is one measured run, [`profile`] a campaign of short ones.
//! - [`clock`] is the clock that all of them use.
//! - [`guard`] ensures that no child process outlives this process.
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
