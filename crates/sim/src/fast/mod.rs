//! The fast path of the engine: few events, and no allocation for any of them.
//!
//! It gives what [`super::full`] gives, to the last bit: the same floating-point operations in the
//! same order, and the same order of simultaneous events. The differences:
//!
//! - Each server draws its own arrivals in blocks, and reads them when it forms a batch. An arrival becomes an
//!   event only if a rule must act on it at once (a queue delay, preferred sizes, an idle server).
//! - The end of a copy to the GPU is an event only if an instance waits for it.
//! - Pending events sit in a short sorted list. The execution that ends next is kept separately.
//! - The position of an event is one number of 128 bits, which is cheaper to compare than a pair.
//! - Speeds and power of a set of executing batches are a row of a table ([`states`]), which GPUs with the
//!   same servers use one after the other.
//! - Few greedy servers with one instance each have no list of events at all ([`lean`]).
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
