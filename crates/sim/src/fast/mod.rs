//! The fast engine: no event for an arrival that nobody waits for, and no allocation for any event.
//!
//! It gives what [`super::reference`] gives, to the last bit: the same floating-point operations in the
//! same order, and the same order among equal times. What it does differently:
//!
//! - Each server draws its own arrivals in blocks, and looks at them when it forms a batch. Only where a
//!   rule must act on the arrival itself (a queue delay, preferred sizes) is every arrival an event.
//! - The end of a copy to the GPU is an event only if an instance waits for it.
//! - What is to come is kept in a short sorted list; the one execution that ends first, beside it.
//! - A place in the order of events is one number of 128 bits, which compares at less cost than a pair.
//! - Speeds and power of a set of executing batches are a row of a table ([`states`]).
//! - Requests are accounted batch by batch, when a batch is done.

mod agenda;
mod executions;
mod gpu;
mod lane;
mod states;
mod stream;

pub(super) use gpu::GpuEngine;
