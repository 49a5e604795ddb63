//! The fast path of the engine: it has few events, and allocates nothing for any of them.
//!
//! It gives the same results as [`super::full`], to the last bit: it uses the same floating-point operations in the
//! same order, and the same order of simultaneous events. The differences:
//!
//! - Each server draws its own arrivals in blocks, and reads them when it forms a batch. An arrival becomes an
//!   event only if a rule must act on it at once (a queue delay, preferred sizes, an idle server).
//! - The end of a copy to the GPU is an event only if an instance waits for it.
//! - Pending events are in a short sorted list. The execution that ends next is stored separately.
//! - The position of an event is one number of 128 bits, which is cheaper to compare than a pair.
//! - Speeds and power of a set of executing batches are a row of a table ([`states`]). GPUs with the same servers use
//!   the table one after another.
//! - A small number of greedy servers with one instance each has no event list at all ([`lean`]).
//! - Requests are accounted batch by batch, when a batch is done.

mod agenda;
mod executions;
mod gpu;
mod lane;
mod lean;
mod states;
mod stream;

pub(super) use gpu::GpuEngine;
pub(super) use lean::LeanEngine;
pub(super) use states::SharedStates;
