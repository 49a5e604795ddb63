//! Which requests Triton put into which batch, and when, from its TIMESTAMPS trace.

use super::client::request_id;
use serde_json::Value;
use std::collections::BTreeMap;

/// A batch as the server saw it; times on its monotonic clock.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TracedBatch {
    /// When each of its requests came to the scheduler.
    pub(crate) queued_ns: Vec<u64>,
    /// When an instance began with it.
    pub(crate) start_ns: u64,
    /// When the instance was done with it.
    pub(crate) end_ns: u64,
    /// The numbers of its requests, ascending.
    pub(crate) requests: Vec<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Stamps {
    queued: u64,
    start: u64,
    end: u64,
}

/// The traced requests by the identifier that the client gave them.
#[derive(Debug)]
pub(crate) struct Trace(BTreeMap<String, Stamps>);

impl Trace {
    /// Reads a trace: records with either the identifier of a request or timestamps, which belong
    /// together by `id`.
    pub(crate) fn parse(text: &str) -> Self {
        let records: Vec<Value> = serde_json::from_str(text).unwrap();
        let mut names = BTreeMap::new();
        let mut stamps: BTreeMap<u64, BTreeMap<String, u64>> = BTreeMap::new();
        for record in &records {
            let id = record["id"].as_u64().unwrap();
            if let Some(name) = record["request_id"].as_str() {
                names.insert(id, name.to_owned());
            }
            for stamp in record["timestamps"].as_array().into_iter().flatten() {
                let name = stamp["name"].as_str().unwrap().to_owned();
                stamps.entry(id).or_default().insert(name, stamp["ns"].as_u64().unwrap());
            }
        }
        let find = |(id, name): (u64, String)| {
            let at = |stamp| stamps.get(&id)?.get(stamp).copied();
            let (queued, start) = (at("QUEUE_START")?, at("COMPUTE_START")?);
            Some((name, Stamps { queued, start, end: at("COMPUTE_END")? }))
        };
        Self(names.into_iter().filter_map(find).collect())
    }

    /// The batches of a case in order of their start. All requests of a batch have the same
    /// COMPUTE_START.
    pub(crate) fn batches(&self, case: &str, requests: usize) -> Vec<TracedBatch> {
        let mut batches: BTreeMap<u64, TracedBatch> = BTreeMap::new();
        for index in 0..requests {
            let id = request_id(case, index);
            let stamps = self.0.get(&id).unwrap_or_else(|| panic!("{id} is not in the trace"));
            let batch = batches.entry(stamps.start).or_insert_with(|| TracedBatch {
                queued_ns: Vec::new(),
                start_ns: stamps.start,
                end_ns: stamps.end,
                requests: Vec::new(),
            });
            batch.queued_ns.push(stamps.queued);
            batch.end_ns = batch.end_ns.max(stamps.end);
            batch.requests.push(index);
        }
        batches.into_values().collect()
    }
}

#[test]
fn batches_from_a_trace_by_hand() {
    let stamps = |id: u32, queued: u32, start: u32, end: u32| {
        format!(
            r#"{{"id":{id},"model_name":"m","model_version":1,"request_id":"a/{}"}},
            {{"id":{id},"timestamps":[{{"name":"COMPUTE_START","ns":{start}}}]}},
            {{"id":{id},"timestamps":[{{"name":"QUEUE_START","ns":{queued}}}, {{"name":"COMPUTE_END","ns":{end}}}]}}"#,
            id - 1
        )
    };
    let text =
        format!("[{},{},{}]", stamps(1, 5, 10, 90), stamps(3, 20, 95, 150), stamps(2, 7, 10, 91));
    let batches = Trace::parse(&text).batches("a", 3);
    let batch = |queued_ns: &[u64], start_ns, end_ns, requests: &[usize]| TracedBatch {
        queued_ns: queued_ns.to_vec(),
        start_ns,
        end_ns,
        requests: requests.to_vec(),
    };
    assert_eq!(batches, [batch(&[5, 7], 10, 91, &[0, 1]), batch(&[20], 95, 150, &[2])]);
}
