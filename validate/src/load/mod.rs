//! Sends requests at scheduled times (open loop), or as fast as answers arrive (closed loop).
//!
//! In open loop one thread keeps the schedules of all workloads. It sends each request at its intended time,
//! whatever happened to the others, and never waits for an answer. Latency counts from the intended time. A
//! late client, or a pool without a free connection, therefore makes latencies longer and not shorter (this
//! avoids coordinated omission). The delay of each send is recorded for every request.

mod closed;
mod collect;
mod open;

pub use closed::{bursts, closed_loop};
pub use collect::{Drained, collect};
pub use open::{RequestStream, open_loop};

use igniter::units::Nanoseconds;

/// Maximum time to wait for answers after the last request was sent.
pub const DRAIN_LIMIT: Nanoseconds = Nanoseconds::new(60_000_000_000);
