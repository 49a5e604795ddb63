//! Reads Triton's TIMESTAMPS trace.

use crate::client::Tag;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The error for a trace that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the trace {}: {why}", .path.display())]
pub struct TritonTraceError {
    path: PathBuf,
    why: String,
}

/// The timestamps of a request on the server, in ns on its monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamps {
    /// The request reached the scheduler (QUEUE_START).
    pub queued: u64,
    /// An instance began its batch (COMPUTE_START); the same for all requests of a batch.
    pub start: u64,
    /// The inputs of the batch were ready for the model (COMPUTE_INPUT_END).
    pub input_end: u64,
    /// The outputs were ready (COMPUTE_OUTPUT_START).
    pub output_start: u64,
    /// The answer was handed over (COMPUTE_END).
    pub end: u64,
}

#[derive(Debug, Deserialize)]
struct TraceRecord {
    id: u64,
    #[serde(default)]
    request_id: Option<String>,
    #[serde(default)]
    timestamps: Vec<Timestamp>,
}

#[derive(Debug, Deserialize)]
struct Timestamp {
    name: String,
    ns: u64,
}

/// Reads the trace that a server wrote when it ended; returns the requests with identifiers of this
/// client.
///
/// # Errors
/// When the file cannot be read, or is not a trace.
pub fn read_trace(path: &Path) -> Result<BTreeMap<Tag, Stamps>, TritonTraceError> {
    let failed = |why: String| TritonTraceError { path: path.to_owned(), why };
    let text = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let records: Vec<TraceRecord> =
        serde_json::from_slice(&text).map_err(|error| failed(error.to_string()))?;
    Ok(stamps(&records))
}

/// Joins the records that hold the identifier of a request with those that hold timestamps, by `id`; they
/// may be in any order.
fn stamps(records: &[TraceRecord]) -> BTreeMap<Tag, Stamps> {
    let mut tags = Vec::new();
    // Other event names are ignored.
    const NAMES: [&str; 5] = [
        "QUEUE_START",
        "COMPUTE_START",
        "COMPUTE_INPUT_END",
        "COMPUTE_OUTPUT_START",
        "COMPUTE_END",
    ];
    let mut times: BTreeMap<u64, [Option<u64>; 5]> = BTreeMap::new();
    for record in records {
        if let Some(tag) = record.request_id.as_deref().and_then(Tag::parse) {
            tags.push((record.id, tag));
        }
        for stamp in &record.timestamps {
            if let Some(i) = NAMES.iter().position(|name| *name == stamp.name) {
                times.entry(record.id).or_default()[i] = Some(stamp.ns);
            }
        }
    }
    let of = |id: u64| -> Option<Stamps> {
        let [queued, start, input_end, output_start, end] = *times.get(&id)?;
        let (start, end) = (start?, end?);
        Some(Stamps {
            queued: queued?,
            start,
            // Backends need not report these two times.
            input_end: input_end.unwrap_or(start),
            output_start: output_start.unwrap_or(end),
            end,
        })
    };
    tags.into_iter().filter_map(|(id, tag)| Some((tag, of(id)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_belong_together_by_their_number() {
        let text = r#"[
            {"id":2,"timestamps":[{"name":"COMPUTE_END","ns":90},{"name":"COMPUTE_START","ns":10}]},
            {"id":1,"model_name":"m","model_version":1,"request_id":"m/0000000000"},
            {"id":2,"model_name":"m","model_version":1,"request_id":"m/0000000001"},
            {"id":3,"model_name":"m","model_version":1,"request_id":"somebody else's"},
            {"id":2,"timestamps":[{"name":"QUEUE_START","ns":5},{"name":"COMPUTE_INPUT_END","ns":20}]},
            {"id":1,"timestamps":[{"name":"QUEUE_START","ns":4}]}
        ]"#;
        let records: Vec<TraceRecord> = serde_json::from_str(text).unwrap();
        let stamps = stamps(&records);
        // Request 0 never came to an instance; the output of request 1 was not reported.
        let expected = Stamps { queued: 5, start: 10, input_end: 20, output_start: 90, end: 90 };
        assert_eq!(stamps, BTreeMap::from([(Tag { phase: 'm', index: 1 }, expected)]));
    }
}
