//! Exports a run as a trace for <https://ui.perfetto.dev> or `chrome://tracing`: what ran when, GPU by GPU.
//!
//! Each GPU is a process with counters for power, clock, SM share and executing batches. Each workload of a GPU is a
//! thread (two if the next batch is copied while one executes, more with several instances). A batch is a slice from
//! when it left the queue until its results were on the host, with its stages inside; a counter shows the number of
//! waiting requests. A request that fails (rejected, timed out, lost) is a mark on its GPU.

use igniter_model::domain::{
    BatchRecord, FailedRequest, GpuId, GpuInterval, Plan, RecordSink, RequestRecord, Workload,
};
use igniter_model::units::Nanoseconds;
use std::io::{self, Write};

/// The sink of one GPU; keeps its batches and states in memory.
#[derive(Debug, Clone)]
pub struct TraceLog {
    gpu: GpuId,
    /// Events outside of this window are not kept.
    from: Nanoseconds,
    until: Nanoseconds,
    batches: Vec<TracedBatch>,
    /// Arrivals of the requests of all batches, in the order of the batches.
    arrivals: Vec<Nanoseconds>,
    failures: Vec<FailedRequest>,
    intervals: Vec<GpuInterval>,
}

#[derive(Debug, Clone, Copy)]
struct TracedBatch {
    record: BatchRecord,
    /// Index of its first request in `arrivals`.
    first: usize,
    size: usize,
}

impl TraceLog {
    /// Creates an empty log for the events between two times.
    #[must_use]
    pub fn new(gpu: GpuId, from: Nanoseconds, until: Nanoseconds) -> Self {
        Self {
            gpu,
            from,
            until,
            batches: Vec::new(),
            arrivals: Vec::new(),
            failures: Vec::new(),
            intervals: Vec::new(),
        }
    }
}

impl RecordSink for TraceLog {
    fn request(&mut self, record: &RequestRecord) {
        let RequestRecord { workload, gpu, batch, arrival, load_start, load_end, .. } = *record;
        let RequestRecord { exec_start, exec_end, done, .. } = *record;
        let record =
            BatchRecord { workload, gpu, batch, load_start, load_end, exec_start, exec_end, done };
        match self.batches.last_mut() {
            // The records of a batch follow each other; each request is answered at its own time.
            Some(last) if BatchRecord { done, ..last.record } == record => {
                self.arrivals.push(arrival);
                last.size += 1;
                last.record.done = last.record.done.max(done);
            }
            _ => self.batch(&record, &[arrival]),
        }
    }

    fn batch(&mut self, record: &BatchRecord, arrivals: &[Nanoseconds]) {
        let oldest = arrivals.first().copied().unwrap_or(record.load_start);
        if record.done >= self.from && oldest < self.until {
            let (first, size) = (self.arrivals.len(), arrivals.len());
            self.arrivals.extend_from_slice(arrivals);
            self.batches.push(TracedBatch { record: *record, first, size });
        }
    }

    fn failed(&mut self, request: &FailedRequest) {
        if request.at >= self.from && request.arrival < self.until {
            self.failures.push(*request);
        }
    }

    fn gpu_interval(&mut self, interval: &GpuInterval) {
        if interval.end > self.from && interval.start < self.until {
            self.intervals.push(*interval);
        }
    }
}

/// Writes the logs of a plan's GPUs, in order, as one trace in the JSON format of Chrome. `workloads` are those of the
/// scenario, in order.
///
/// # Errors
/// When it cannot be written.
pub fn write_trace(
    out: &mut dyn Write,
    plan: &Plan,
    workloads: &[Workload],
    logs: &[TraceLog],
) -> io::Result<()> {
    out.write_all(b"{\"displayTimeUnit\":\"ms\",\"traceEvents\":[")?;
    let mut events = Events { out, first: true };
    for log in logs {
        write_gpu(&mut events, plan, workloads, log)?;
    }
    events.out.write_all(b"\n]}\n")
}

/// Writer of the list of events, which are separated by commas.
struct Events<'a> {
    out: &'a mut dyn Write,
    first: bool,
}

impl Events<'_> {
    fn add(&mut self, event: std::fmt::Arguments<'_>) -> io::Result<()> {
        self.out.write_all(if self.first { b"\n" } else { b",\n" })?;
        self.first = false;
        self.out.write_fmt(event)
    }

    fn name(&mut self, what: &str, pid: usize, tid: usize, name: &str) -> io::Result<()> {
        let name = quoted(name);
        self.add(format_args!(
            r#"{{"ph":"M","name":"{what}","pid":{pid},"tid":{tid},"args":{{"name":{name}}}}}"#
        ))
    }

    fn counter(
        &mut self,
        pid: usize,
        name: &str,
        at: Nanoseconds,
        unit: &str,
        value: f64,
    ) -> io::Result<()> {
        let (name, at) = (quoted(name), Micros(at));
        self.add(format_args!(
            r#"{{"ph":"C","name":{name},"pid":{pid},"ts":{at},"args":{{"{unit}":{value}}}}}"#
        ))
    }
}

fn write_gpu(
    events: &mut Events<'_>,
    plan: &Plan,
    workloads: &[Workload],
    log: &TraceLog,
) -> io::Result<()> {
    let co_location = &plan.gpus[log.gpu.index()];
    // Perfetto does not show process 0.
    let pid = log.gpu.index() + 1;
    events.name(
        "process_name",
        pid,
        0,
        &format!("GPU {} ({})", log.gpu.index(), co_location.kind),
    )?;
    counters(events, pid, &log.intervals)?;
    for FailedRequest { workload, at, failure, .. } in &log.failures {
        let name = quoted(&format!("{} {}", workloads[workload.index()].name, failure.as_str()));
        let at = Micros(*at);
        events.add(format_args!(
            r#"{{"ph":"i","s":"p","name":{name},"cat":"failure","pid":{pid},"tid":0,"ts":{at}}}"#
        ))?;
    }
    let mut tid = 0;
    for placement in &co_location.placements {
        let index = workloads.iter().position(|w| w.name == placement.workload);
        let of_workload = |batch: &&TracedBatch| Some(batch.record.workload.index()) == index;
        let mut batches: Vec<TracedBatch> =
            log.batches.iter().filter(of_workload).copied().collect();
        batches.sort_by_key(|batch| (batch.record.load_start, batch.record.batch));
        let name = format!("{} {}", placement.workload, placement.model);
        queue(events, pid, &format!("{} queue", placement.workload), &batches, &log.arrivals)?;

        // Slices of a thread must not overlap, so each batch goes to the first free thread.
        let mut free_at: Vec<Nanoseconds> = Vec::new();
        for batch in &batches {
            let lane = free_at.iter().position(|&end| end <= batch.record.load_start);
            let lane = lane.unwrap_or_else(|| {
                free_at.push(Nanoseconds::ZERO);
                free_at.len() - 1
            });
            free_at[lane] = batch.record.done;
            let arrivals = &log.arrivals[batch.first..batch.first + batch.size];
            slices(events, pid, tid + 1 + lane, &batch.record, arrivals)?;
        }
        for lane in 0..free_at.len() {
            events.name("thread_name", pid, tid + 1 + lane, &name)?;
        }
        tid += free_at.len();
    }
    Ok(())
}

fn counters(events: &mut Events<'_>, pid: usize, intervals: &[GpuInterval]) -> io::Result<()> {
    type Of = fn(&GpuInterval) -> f64;
    let kinds: [(&str, &str, Of); 4] = [
        ("power", "W", |i| i.power_w),
        ("SM clock", "MHz", |i| i.clock_mhz),
        ("busy SM share", "%", |i| i.busy_sm_pct),
        ("executing", "batches", |i| f64::from(i.running)),
    ];
    for (name, unit, of) in kinds {
        let mut last = None;
        for interval in intervals {
            let value = of(interval);
            if last != Some(value.to_bits()) {
                events.counter(pid, name, interval.start, unit, value)?;
                last = Some(value.to_bits());
            }
        }
        if let Some(interval) = intervals.last() {
            events.counter(pid, name, interval.end, unit, of(interval))?;
        }
    }
    Ok(())
}

/// Writes a counter of the requests of a workload that wait for a batch.
fn queue(
    events: &mut Events<'_>,
    pid: usize,
    name: &str,
    batches: &[TracedBatch],
    arrivals: &[Nanoseconds],
) -> io::Result<()> {
    let mut changes: Vec<(Nanoseconds, i64)> = Vec::new();
    for batch in batches {
        let requests = &arrivals[batch.first..batch.first + batch.size];
        changes.extend(requests.iter().map(|&arrival| (arrival, 1)));
        changes.extend(requests.iter().map(|_| (batch.record.load_start, -1)));
    }
    changes.sort_unstable();
    let mut waiting = 0;
    for (i, &(at, change)) in changes.iter().enumerate() {
        waiting += change;
        if changes.get(i + 1).is_none_or(|next| next.0 > at) {
            #[expect(clippy::cast_precision_loss, reason = "far below 2^53 requests")]
            events.counter(pid, name, at, "requests", waiting as f64)?;
        }
    }
    Ok(())
}

/// Writes a batch with its stages inside.
fn slices(
    events: &mut Events<'_>,
    pid: usize,
    tid: usize,
    batch: &BatchRecord,
    arrivals: &[Nanoseconds],
) -> io::Result<()> {
    let size = arrivals.len();
    let oldest = arrivals.first().copied().unwrap_or(batch.load_start);
    let newest = arrivals.last().copied().unwrap_or(batch.load_start);
    let (start, length) = (Micros(batch.load_start), Micros(batch.done - batch.load_start));
    let ms = |duration: Nanoseconds| duration.as_ms();
    events.add(format_args!(
        concat!(
            r#"{{"ph":"X","name":"batch of {}","cat":"batch","pid":{},"tid":{},"ts":{},"dur":{},"#,
            r#""args":{{"batch":{},"requests":{},"longest_wait_ms":{},"shortest_wait_ms":{},"#,
            r#""largest_latency_ms":{},"load_ms":{},"exec_ms":{},"feedback_ms":{}}}}}"#
        ),
        size,
        pid,
        tid,
        start,
        length,
        batch.batch,
        size,
        ms(batch.load_start - oldest),
        ms(batch.load_start - newest),
        ms(batch.done - oldest),
        ms(batch.load_end - batch.load_start),
        ms(batch.exec_end - batch.exec_start),
        ms(batch.done - batch.exec_end),
    ))?;
    for (name, from, until) in [
        ("load", batch.load_start, batch.load_end),
        ("wait for the GPU", batch.load_end, batch.exec_start),
        ("execute", batch.exec_start, batch.exec_end),
        ("feedback", batch.exec_end, batch.done),
    ] {
        if until > from {
            let (start, length) = (Micros(from), Micros(until - from));
            events.add(format_args!(
                r#"{{"ph":"X","name":"{name}","cat":"stage","pid":{pid},"tid":{tid},"ts":{start},"dur":{length}}}"#
            ))?;
        }
    }
    Ok(())
}

/// Nanoseconds as a decimal number of microseconds, the unit of the format.
struct Micros(Nanoseconds);

impl std::fmt::Display for Micros {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{:03}", self.0.get() / 1_000, self.0.get() % 1_000)
    }
}

/// Formats a JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use igniter_model::domain::{
        CoLocation, GpuKindName, ModelName, Placement, WorkloadId, WorkloadName,
    };
    use igniter_model::units::{BatchSize, Milliseconds, RequestsPerSecond, SmUnits};
    use serde_json::Value;

    fn ms(ms: u64) -> Nanoseconds {
        Nanoseconds::new(ms * 1_000_000)
    }

    /// Loaded for 1 ms, executed for 4 ms, copied back in 1 ms.
    fn batch(number: u64, load_start: u64, exec_start: u64) -> BatchRecord {
        BatchRecord {
            workload: WorkloadId::new(0),
            gpu: GpuId::new(0),
            batch: number,
            load_start: ms(load_start),
            load_end: ms(load_start + 1),
            exec_start: ms(exec_start),
            exec_end: ms(exec_start + 4),
            done: ms(exec_start + 5),
        }
    }

    fn trace(logs: &[TraceLog]) -> Vec<Value> {
        let name = WorkloadName::new("W\"1\"").unwrap();
        let model = ModelName::new("alexnet").unwrap();
        let workload = Workload {
            name: name.clone(),
            model: model.clone(),
            slo: Milliseconds::new(10.0).unwrap(),
            rate: RequestsPerSecond::new(1.0).unwrap(),
        };
        let placement = Placement {
            workload: name,
            model,
            batch: BatchSize::new(8).unwrap(),
            sm: SmUnits::new(1),
            served: None,
            time_slot: None,
            predicted: None,
        };
        let kind = GpuKindName::new("v100").unwrap();
        let plan = Plan {
            strategy: "by hand".into(),
            gpus: vec![CoLocation { kind, placements: vec![placement] }],
            infeasible: Vec::new(),
            bound: None,
        };
        let mut out = Vec::new();
        write_trace(&mut out, &plan, &[workload], logs).unwrap();
        let document: Value = serde_json::from_slice(&out).unwrap();
        document["traceEvents"].as_array().unwrap().clone()
    }

    fn of<'e>(events: &'e [Value], key: &str, value: &str) -> Vec<&'e Value> {
        events.iter().filter(|event| event[key] == value).collect()
    }

    #[test]
    fn batches_become_slices_on_threads_of_their_own_where_they_overlap() {
        let mut log = TraceLog::new(GpuId::new(0), Nanoseconds::ZERO, ms(1000));
        // The second is loaded while the first executes, the third after the first is done.
        log.batch(&batch(0, 2, 3), &[ms(0), ms(2)]);
        log.batch(&batch(1, 4, 7), &[ms(3)]);
        log.batch(&batch(2, 8, 11), &[ms(8)]);
        let events = trace(&[log]);
        let slices = of(&events, "cat", "batch");
        let seen: Vec<_> = (slices.iter())
            .map(|e| (e["tid"].as_u64(), e["ts"].as_f64(), e["dur"].as_f64()))
            .collect();
        let slice = |tid, ts, dur| (Some(tid), Some(ts), Some(dur));
        assert_eq!(
            seen,
            [slice(1, 2000.0, 6000.0), slice(2, 4000.0, 8000.0), slice(1, 8000.0, 8000.0)]
        );
        assert_eq!(slices[0]["args"]["longest_wait_ms"], 2.0);
        assert_eq!(slices[0]["args"]["largest_latency_ms"], 8.0);
        // Load 4-5, wait 5-7, execute 7-11, feedback 11-12.
        let stages: Vec<_> = (of(&events, "cat", "stage").iter())
            .filter(|e| e["tid"] == 2)
            .map(|e| (e["name"].as_str().unwrap().to_owned(), e["ts"].as_f64().unwrap()))
            .collect();
        let expected =
            [("load", 4e3), ("wait for the GPU", 5e3), ("execute", 7e3), ("feedback", 11e3)];
        assert_eq!(stages, expected.map(|(name, ts)| (name.to_owned(), ts)));
        let threads = of(&events, "name", "thread_name");
        assert!(threads.iter().all(|e| e["args"]["name"] == "W\"1\" alexnet"));
        assert_eq!(threads.len(), 2);
        // Arrivals at 0, 2, 3, 8; taken: 2 at 2, 1 at 4, 1 at 8.
        let waiting: Vec<_> = (of(&events, "name", "W\"1\" queue").iter())
            .map(|e| (e["ts"].as_f64().unwrap(), e["args"]["requests"].as_f64().unwrap()))
            .collect();
        assert_eq!(waiting, [(0.0, 1.0), (2e3, 0.0), (3e3, 1.0), (4e3, 0.0), (8e3, 0.0)]);
    }

    #[test]
    fn what_is_outside_is_left_out_and_single_requests_make_the_same_trace() {
        let interval = |start, end, power_w| GpuInterval {
            gpu: GpuId::new(0),
            start: ms(start),
            end: ms(end),
            running: 1,
            busy_sm_pct: 50.0,
            power_w,
            clock_mhz: 1500.0,
        };
        let mut logs = vec![TraceLog::new(GpuId::new(0), ms(10), ms(20)); 2];
        let batches: [(BatchRecord, &[Nanoseconds]); 3] = [
            (batch(0, 1, 2), &[ms(0)]),
            (batch(1, 9, 10), &[ms(8), ms(9)]),
            (batch(2, 20, 21), &[ms(20)]),
        ];
        for (record, arrivals) in batches {
            logs[0].batch(&record, arrivals);
            for &arrival in arrivals {
                logs[1].request(&record.request(arrival, 0));
            }
        }
        for log in &mut logs {
            log.gpu_interval(&interval(0, 10, 100.0));
            log.gpu_interval(&interval(10, 12, 200.0));
            log.gpu_interval(&interval(12, 15, 200.0));
        }
        let events = trace(&logs[..1]);
        assert_eq!(of(&events, "cat", "batch").len(), 1);
        assert_eq!(events, trace(&logs[1..]));
        // One value, at its start and at the end.
        let power: Vec<_> = of(&events, "name", "power").iter().map(|e| e["ts"].as_f64()).collect();
        assert_eq!(power, [Some(10e3), Some(15e3)]);
    }
}
