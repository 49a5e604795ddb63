//! The batcher against schedules worked out by hand and against an obvious model.

use super::batcher::{Batch, Batcher};
use super::batcher_rules::{BatcherRules, BatchingError};
use super::{BatchingSpec, TritonRelease};
use igniter_model::units::{BatchSize, Milliseconds, Nanoseconds};
use proptest::prelude::*;

const MS: u64 = 1_000_000;

fn size(size: u32) -> BatchSize {
    BatchSize::new(size).unwrap()
}

fn rules(max: u32, delay_ms: f64, change: impl FnOnce(&mut BatchingSpec)) -> BatcherRules {
    let mut spec = BatchingSpec {
        max_queue_delay: Milliseconds::new(delay_ms).unwrap(),
        ..BatchingSpec::default()
    };
    change(&mut spec);
    BatcherRules::new(&spec, size(max)).unwrap()
}

/// A batch with the time at which an instance took it.
type Taken = (Nanoseconds, Batch);

/// Runs arrivals (ns, in order) through a batcher whose instances work `service` ns on each batch.
/// Among equal times arrivals come first, then completions in order of start, then timers.
fn drive(rules: &BatcherRules, arrivals: &[u64], service: u64) -> Vec<Taken> {
    let mut batcher = Batcher::new(rules.clone());
    let mut arrivals = arrivals.iter().copied().map(Nanoseconds::new).peekable();
    let mut ends = std::collections::VecDeque::new();
    let (mut out, mut taken) = (Vec::new(), Vec::new());
    loop {
        let never = Nanoseconds::MAX;
        let arrival = arrivals.peek().copied().unwrap_or(never);
        let end = ends.front().copied().unwrap_or(never);
        let timer = batcher.next_timer().unwrap_or(never);
        let now = arrival.min(end).min(timer);
        if now == never {
            assert_eq!(batcher.waiting(), 0, "requests are stuck");
            return taken;
        }
        if now == arrival {
            arrivals.next();
            batcher.arrive(now, &mut out);
        } else if now == end {
            ends.pop_front();
            batcher.instance_ready(now, &mut out);
        } else {
            batcher.timer(now, &mut out);
        }
        assert!(batcher.payloads() <= rules.payload_slots());
        for batch in out.drain(..) {
            ends.push_back(now + Nanoseconds::new(service));
            taken.push((now, batch));
        }
    }
}

fn sizes(taken: &[Taken]) -> Vec<usize> {
    taken.iter().map(|(_, batch)| batch.len()).collect()
}

fn ms(times: &[u64]) -> Vec<u64> {
    times.iter().map(|time| time * MS).collect()
}

#[test]
fn by_default_a_free_instance_takes_what_waits() {
    // M = 4, service 10 ms. At 0 the first is taken alone. At 10 five wait: four are taken, at 20
    // the fifth with the one of 15.
    let taken = drive(&rules(4, 0.0, |_| ()), &ms(&[0, 1, 2, 3, 4, 5, 15]), 10 * MS);
    assert_eq!(sizes(&taken), [1, 4, 2]);
    assert_eq!(taken[2].0, Nanoseconds::new(20 * MS));
}

#[test]
fn a_waiting_batch_grows_only_if_every_arrival_wakes_the_batcher() {
    // M = 8, D = 5 ms, service 100 ms. Five requests at 0 are taken at 5. Two at 10 become a
    // payload at 15, and the batcher sleeps with next_preferred = 8. Four at 30 do not wake it when
    // shapes are fixed: they form a batch of their own. With variable shapes each joins the payload.
    let arrivals = ms(&[0, 0, 0, 0, 0, 10, 10, 30, 30, 30, 30]);
    let fixed = drive(&rules(8, 5.0, |_| ()), &arrivals, 100 * MS);
    assert_eq!(sizes(&fixed), [5, 2, 4]);
    let variable = drive(&rules(8, 5.0, |spec| spec.variable_shape = true), &arrivals, 100 * MS);
    assert_eq!(sizes(&variable), [5, 6]);
    let times: Vec<u64> = fixed.iter().map(|(time, _)| time.get() / MS).collect();
    assert_eq!(times, [5, 105, 205]);
}

#[test]
fn a_sleeping_batcher_looks_again_after_half_a_second() {
    // As above with a service of 1 s: the batcher slept at 15 ms, so at 515 ms it finds the four,
    // which are overdue, and adds them to the payload that still waits.
    let arrivals = ms(&[0, 0, 0, 0, 0, 10, 10, 30, 30, 30, 30]);
    let taken = drive(&rules(8, 5.0, |_| ()), &arrivals, 1_000 * MS);
    assert_eq!(sizes(&taken), [5, 6]);
}

#[test]
fn a_lone_request_waits_the_whole_delay_on_an_idle_server() {
    let taken = drive(&rules(8, 5.0, |_| ()), &[7], 10 * MS);
    assert_eq!(taken, [(Nanoseconds::new(7 + 5 * MS), vec![Nanoseconds::new(7)])]);
}

#[test]
fn the_delay_timer_counts_whole_microseconds() {
    // Two requests 300 ns apart; the second does not wake the batcher (2 queued < M = 8), so the
    // timer of the first stands. With variable shapes the second re-arms it with
    // ⌊5 ms − 300 ns⌋ = 4.999 ms from 300 ns; at 4 999 300 ns 700 ns are left, which is no whole
    // microsecond, and both go.
    let variable = rules(8, 5.0, |spec| spec.variable_shape = true);
    assert_eq!(drive(&variable, &[0, 300], MS)[0].0, Nanoseconds::new(4_999_300));
    assert_eq!(drive(&rules(8, 5.0, |_| ()), &[0, 300], MS)[0].0, Nanoseconds::new(5 * MS));
}

#[test]
fn a_full_batch_does_not_wait_for_the_delay() {
    let taken = drive(&rules(3, 100.0, |_| ()), &ms(&[0, 1, 2, 3]), 10 * MS);
    assert_eq!(sizes(&taken), [3, 1]);
    assert_eq!(taken[0].0, Nanoseconds::new(2 * MS));
    assert_eq!(taken[1].0, Nanoseconds::new(103 * MS));
}

#[test]
fn preferred_sizes_freeze_a_batch_at_the_first_that_it_hits() {
    // F = {4, 8}, M = 16, D = 0, one arrival each ms, service 4.5 ms. The first is taken alone; four
    // gather before each later dequeue, close their payload, and 8 is never reached.
    let preferred = rules(16, 0.0, |spec| spec.preferred = vec![size(8), size(4)]);
    let arrivals: Vec<u64> = (0..18).map(|i| i * MS).collect();
    assert_eq!(sizes(&drive(&preferred, &arrivals[..17], 4_500_000)), [1, 4, 4, 4, 4]);
    // With a service of 100 ms the requests 1-4 are a closed payload and 5 starts the next; then
    // both slots are taken and 6-17 wait in the queue. At 100 a slot is free: the scan finds
    // 1 + 12 and takes the largest preferred size, 8; the five left make 4, and 1 when it can.
    assert_eq!(sizes(&drive(&preferred, &arrivals, 100 * MS)), [1, 4, 8, 4, 1]);
}

#[test]
fn an_overdue_payload_behind_a_full_one_is_frozen() {
    // M = 4, D = 5 ms, service 100 ms, variable shapes, so that every arrival wakes the batcher. A
    // full batch is taken at 0; four at 10 are the next payload, the one of 20 is a payload from 25
    // on. When the four are taken at 100, the one is overdue but does not fit: it is frozen. So the
    // four of 110, three of which would have joined it, form a payload of their own.
    let rules = rules(4, 5.0, |spec| spec.variable_shape = true);
    let arrivals = ms(&[0, 0, 0, 0, 10, 10, 10, 10, 20, 110, 110, 110, 110]);
    assert_eq!(sizes(&drive(&rules, &arrivals, 100 * MS)), [4, 4, 1, 4]);
}

#[test]
fn instances_of_one_thread_form_batches_ahead_and_execute_one() {
    // M = 8, two instances, service 100 ms, batches final when formed. One thread: the request of 0 executes, four batches
    // of one are formed ahead, and the last three gather until the first of these is taken.
    let of = |shared_thread: bool, delay_ms: f64| {
        rules(8, delay_ms, |spec| {
            spec.instances = 2;
            spec.shared_thread = shared_thread;
            spec.release = TritonRelease::Frozen;
        })
    };
    let arrivals = ms(&[0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(sizes(&drive(&of(true, 0.0), &arrivals, 100 * MS)), [1, 1, 1, 1, 1, 3]);
    // Two threads: one batch more executes.
    assert_eq!(sizes(&drive(&of(false, 0.0), &arrivals, 100 * MS)), [1, 1, 1, 1, 1, 1, 2]);
    // With any delay whoever takes a batch takes those behind it, too.
    let taken = drive(&of(true, 0.001), &arrivals, 100 * MS);
    assert_eq!(sizes(&taken), [1, 4, 3]);
}

#[test]
fn a_late_merge_takes_only_what_has_waited_longer_than_the_delay() {
    // F = {2}, M = 8, D = 5 ms, variable shapes. Two are taken at 0. Two at 10 are a payload, closed
    // by the one of 11; two at 12 are the next. At 17 exactly these have waited 5 ms: no merge. One
    // nanosecond later they are merged.
    let rules = rules(8, 5.0, |spec| {
        spec.preferred = vec![size(2)];
        spec.variable_shape = true;
    });
    let arrivals = ms(&[0, 0, 10, 10, 11, 12, 12]);
    assert_eq!(sizes(&drive(&rules, &arrivals, 17 * MS)), [2, 3, 2]);
    assert_eq!(sizes(&drive(&rules, &arrivals, 17 * MS + 1)), [2, 5]);
}

#[test]
fn a_waiting_payload_of_a_preferred_size_grows_only_after_the_delay() {
    // F = {2, 4}, M = 4, D = 5 ms, variable shapes. Two are taken at 0, two at 10 are a payload. The
    // one of 20 may join it only at 25: a server that is free at 22 takes two, one at 26 takes three.
    let rules = rules(4, 5.0, |spec| {
        spec.preferred = vec![size(2), size(4)];
        spec.variable_shape = true;
    });
    let arrivals = ms(&[0, 0, 10, 10, 20]);
    assert_eq!(sizes(&drive(&rules, &arrivals, 22 * MS)), [2, 2, 1]);
    assert_eq!(sizes(&drive(&rules, &arrivals, 26 * MS)), [2, 3]);
}

#[test]
fn an_overdue_batch_of_at_least_the_largest_preferred_size_is_closed() {
    // F = {2}, M = 8, D = 5 ms, variable shapes, service 100 ms. At 0 two are taken; then payloads
    // of 3 (10, 10, 11) and 2 (12, 12) fill the slots and three of 13 wait. At 100 the payloads are
    // merged and taken, and the three, overdue, become a payload that is closed: the one of 198
    // does not join it.
    let rules = rules(8, 5.0, |spec| {
        spec.preferred = vec![size(2)];
        spec.variable_shape = true;
    });
    let taken = drive(&rules, &ms(&[0, 0, 10, 10, 11, 12, 12, 13, 13, 13, 198]), 100 * MS);
    assert_eq!(sizes(&taken), [2, 5, 3, 1]);
}

#[test]
fn one_more_than_the_largest_preferred_size_closes_a_waiting_payload() {
    // F = {4}, M = 8, D = 5 ms, variable shapes. While the first batch (taken at 5) is served, four
    // at 10 are a payload of exactly max(F) that is not closed: the one of 20 joins it and closes
    // it. Four at 30 are the next payload, too large for a late merge (5 + 4 > 8).
    let rules = rules(8, 5.0, |spec| {
        spec.preferred = vec![size(4)];
        spec.variable_shape = true;
    });
    let taken = drive(&rules, &ms(&[0, 10, 10, 10, 10, 20, 30, 30, 30, 30]), 100 * MS);
    assert_eq!(sizes(&taken), [1, 5, 4]);
}

#[test]
fn contradictory_options_are_refused() {
    let none = BatchingSpec { instances: 0, ..BatchingSpec::default() };
    assert_eq!(BatcherRules::new(&none, size(4)), Err(BatchingError::NoInstance));
    let large = BatchingSpec { preferred: vec![size(5)], ..BatchingSpec::default() };
    assert_eq!(
        BatcherRules::new(&large, size(4)),
        Err(BatchingError::PreferredTooLarge { preferred: size(5), max: size(4) })
    );
}

/// Greedy FIFO chunking, the obvious way: a free instance takes what waits, up to `max`.
fn greedy(max: usize, instances: usize, arrivals: &[u64], service: u64) -> Vec<Taken> {
    let mut free_at = vec![0; instances];
    let mut taken = Vec::new();
    let mut next = 0;
    while next < arrivals.len() {
        let free = *free_at.iter().min().unwrap();
        let now = free.max(arrivals[next]);
        // An idle server takes the first of a burst alone; one that was busy finds all of it.
        let waiting = arrivals[next..].iter().take_while(|time| **time <= now).count();
        let rows = if free < arrivals[next] { 1 } else { waiting.min(max) };
        let batch = arrivals[next..next + rows].iter().copied().map(Nanoseconds::new).collect();
        taken.push((Nanoseconds::new(now), batch));
        *free_at.iter_mut().min().unwrap() = now + service;
        next += rows;
    }
    taken
}

fn arrivals() -> impl Strategy<Value = Vec<u64>> {
    // Gaps in steps of 1 ms with many ties, and now and then an uneven or a very long one.
    let gap = prop_oneof![
        3 => Just(0), 5 => (0..8u64).prop_map(|gap| gap * MS), 3 => 0..5 * MS, 1 => 0..900 * MS
    ];
    prop::collection::vec(gap, 1..60).prop_map(|gaps| {
        gaps.into_iter()
            .scan(MS, |time, gap| {
                *time += gap;
                Some(*time)
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn the_default_is_greedy_chunking(
        arrivals in arrivals(), max in 1u32..10, instances in 1u32..4, service in 1..40u64,
    ) {
        // An odd service time, so that no completion ties with an arrival of the 1 ms grid twice.
        let service = service * MS + 1;
        let rules = rules(max, 0.0, |spec| spec.instances = instances);
        prop_assert_eq!(
            drive(&rules, &arrivals, service),
            greedy(max as usize, instances as usize, &arrivals, service)
        );
    }

    #[test]
    fn every_request_leaves_once_in_order_in_a_batch_of_legal_size(
        arrivals in arrivals(),
        max in 1u32..12,
        delay_us in prop_oneof![Just(0u32), 1..20_000u32],
        preferred in prop::collection::vec(1u32..12, 0..4),
        instances in 1u32..4,
        variable_shape: bool,
        service in 0..40 * MS,
    ) {
        let rules = rules(max, f64::from(delay_us) / 1e3, |spec| {
            spec.preferred = preferred.into_iter().map(|p| size(p.min(max))).collect();
            spec.instances = instances;
            spec.variable_shape = variable_shape;
        });
        let taken = drive(&rules, &arrivals, service);
        let left: Vec<u64> = taken.iter().flat_map(|(_, b)| b.iter().map(|t| t.get())).collect();
        prop_assert_eq!(left, arrivals);
        for (time, batch) in &taken {
            prop_assert!((1..=max as usize).contains(&batch.len()));
            prop_assert!(batch.iter().all(|arrival| arrival <= time));
        }
        prop_assert!(taken.is_sorted_by_key(|(time, _)| *time));
    }
}
