//! Turns answers and server traces into the records that metrics are computed from.
//!
//! The client's view of a request ([`crate::client::Answer`]) and the timestamps from the server's trace
//! ([`Stamps`]) make one [`MeasuredRequest`] row. Rows become [`RequestRecord`](igniter::domain::RequestRecord)s,
//! the same type that the simulator emits, and go through the same [`igniter::metrics`].

mod batches;
mod host;
mod overhead;
mod records;
mod requests;
mod stability;
mod statistics;
mod trace;
mod warning;

pub use batches::{ServedBatch, batches};
pub use host::{CpuPressure, CpuTimes};
pub use overhead::{HostOverhead, ServerBatching};
pub use records::{Arm, measured_arm, spread_pct};
pub use requests::{MeasuredRequest, NO_ANSWER, RequestsError, read_requests, write_requests};
pub use stability::window_means;
pub use statistics::ServerStatistics;
pub use trace::{Stamps, TritonTraceError, read_trace};
pub use warning::Warning;
