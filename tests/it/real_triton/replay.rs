//! The batcher of the engine on its own, driven by the moments that the server recorded.
//!
//! The engine's service times differ from the real ones by the hiccups of a busy machine, and one late
//! completion can shift all batches until the queue is empty. Here requests come and instances become
//! free when they really did, so only the rules are compared.

use super::trace::TracedBatch;
use igniter::sim::{Batch, Batcher, BatcherRules, BatchingSpec};
use igniter::units::{BatchSize, Nanoseconds};

/// The batches that the rules give, as request numbers. Whenever the server was idle, the batcher begins
/// anew, so that a difference ends there at the latest.
pub(crate) fn replay(
    traced: &[TracedBatch],
    spec: &BatchingSpec,
    max: BatchSize,
) -> Vec<Vec<usize>> {
    let mut traced = traced.to_vec();
    traced.sort_by_key(|batch| batch.queued_ns.iter().min().copied());
    let mut busy_until = 0;
    let mut periods: Vec<Vec<TracedBatch>> = Vec::new();
    for batch in traced {
        let first = batch.queued_ns.iter().min().copied().unwrap_or(0);
        if first > busy_until {
            periods.push(Vec::new());
        }
        busy_until = busy_until.max(batch.end_ns);
        periods.last_mut().expect("the first batch begins a period").push(batch);
    }
    periods.iter().flat_map(|period| replay_period(period, spec, max)).collect()
}

/// The batches of a time in which the server always had something to do, in the order in which they were
/// formed.
fn replay_period(traced: &[TracedBatch], spec: &BatchingSpec, max: BatchSize) -> Vec<Vec<usize>> {
    let base = traced.iter().flat_map(|batch| &batch.queued_ns).min().copied().unwrap_or(0);
    let time = |ns: u64| Nanoseconds::new(ns - base);
    let mut queued: Vec<(Nanoseconds, usize)> = (traced.iter())
        .flat_map(|batch| batch.queued_ns.iter().map(|ns| time(*ns)).zip(batch.requests.clone()))
        .collect();
    queued.sort_unstable();
    // An instance takes its next batch right after the one before (0.1 ms later it starts; a request
    // that comes in between is too late in nine cases of ten).
    let mut freed: Vec<Nanoseconds> = traced.iter().map(|batch| time(batch.end_ns)).collect();
    freed.sort_unstable();

    let mut in_order: Vec<&TracedBatch> = traced.iter().collect();
    in_order.sort_by_key(|batch| batch.start_ns);
    let started: Vec<usize> = in_order.iter().map(|batch| batch.requests.len()).collect();

    let mut batcher = Batcher::new(BatcherRules::new(spec, max).unwrap());
    let mut formed: Vec<Batch> = Vec::new();
    let mut busy = 0;
    let (mut arrivals, mut frees) =
        (queued.iter().map(|(time, _)| *time).peekable(), freed.iter().copied().peekable());
    loop {
        let next = [arrivals.peek().copied(), frees.peek().copied(), batcher.next_timer()];
        let Some(now) = next.into_iter().flatten().min() else { break };
        let before = formed.len();
        if next[2] == Some(now) {
            batcher.timer(now, &mut formed);
        } else if next[0] == Some(now) {
            arrivals.next();
            batcher.arrive(now, &mut formed);
        } else {
            frees.next();
            // After a batch more or fewer than there really was, nobody may be busy.
            if busy > 0 {
                busy -= 1;
                let really = started.get(formed.len()).copied();
                instance_ready(&mut batcher, now, really, &mut formed);
            }
        }
        busy += formed.len() - before;
    }
    // Requests leave in the order in which they came.
    let mut order = queued.into_iter().map(|(_, request)| request);
    let sorted = |batch: Batch| {
        let mut requests: Vec<usize> = order.by_ref().take(batch.len()).collect();
        requests.sort_unstable();
        requests
    };
    formed.into_iter().map(sorted).collect()
}

/// An instance is free again. Whether it takes its next batch before the batcher wakes is a race of two threads
/// of the server: the batcher goes first where only that gives a batch as large as there really was.
fn instance_ready(
    batcher: &mut Batcher,
    now: Nanoseconds,
    really: Option<usize>,
    formed: &mut Vec<Batch>,
) {
    let before = formed.len();
    let mut batcher_first = batcher.clone();
    let mut then_formed = Vec::new();
    batcher_first.instance_ready_late(now, &mut then_formed);
    batcher.instance_ready(now, formed);
    let size = |batch: Option<&Batch>| batch.map(Batch::len);
    if size(formed.get(before)) != really && size(then_formed.first()) == really {
        formed.truncate(before);
        formed.append(&mut then_formed);
        *batcher = batcher_first;
    }
}
