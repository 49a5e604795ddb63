//! Sends requests at their times (open loop), or as fast as answers come (closed loop).
//!
//! In open loop one thread keeps the schedules of all workloads and sends each request at its intended time,
//! whatever became of the others; it never waits for an answer. Latency counts from the intended time, so a
//! client that is late, or a pool without a free connection, makes latencies longer and not shorter
//! (coordinated omission). By how much sends were late is recorded for every request.

mod closed;
mod collect;
mod open;

pub use closed::{bursts, closed_loop};
pub use collect::{Drained, collect};
pub use open::{RequestStream, open_loop};

use igniter::units::Nanoseconds;

/// Answers may take this long after the last request was sent.
pub const DRAIN_LIMIT: Nanoseconds = Nanoseconds::new(60_000_000_000);
