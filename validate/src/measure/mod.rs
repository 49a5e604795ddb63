//! From answers and server traces to the records that metrics are made of.
//!
//! What a client saw of a request ([`crate::client::Answer`]) and what the server's trace says of it
//! ([`Stamps`]) make one [`MeasuredRequest`] row. Rows become [`RequestRecord`](igniter::domain::RequestRecord)s,
//! the same that the simulator emits, and go through the same [`igniter::metrics`].

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
