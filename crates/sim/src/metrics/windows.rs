//! Counts of requests by the window in which they arrived, and of late requests during hand-overs.

use crate::GpuOutcome;
use igniter_model::domain::{
    BatchRecord, FailedRequest, GpuInterval, RecordSink, RequestRecord, Timeline, TimelineServer,
    Workload, WorkloadId,
};
use igniter_model::units::Nanoseconds;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The resolution at which the arrival times of late requests are known.
const FINE: Nanoseconds = Nanoseconds::new(1_000_000_000);

/// Counts the requests of one GPU by the window of a run in which they arrived. Create one counter for a run, and clone
/// it for each GPU.
#[derive(Debug, Clone)]
pub struct WindowCounter {
    slos: Arc<[Nanoseconds]>,
    length: Nanoseconds,
    /// By workload, in the order of their first requests.
    counts: Vec<(WorkloadId, WindowCounts)>,
}

/// The counts of one workload.
#[derive(Debug, Clone, Default)]
struct WindowCounts {
    /// Number of arrivals, by window.
    requests: Vec<u64>,
    /// The window of the last arrival, with its start and its end.
    current: usize,
    inside: (Nanoseconds, Nanoseconds),
    /// Number of requests that were late or failed, by window and second.
    late: BTreeMap<(u64, u64), u64>,
    backlogs: Backlogs,
}

/// The times in which requests of a workload were always waiting for a server of a GPU.
#[derive(Debug, Clone, Default)]
struct Backlogs {
    /// The arrival of the first request of the current backlog, and the time at which its last batch was taken.
    begin: Nanoseconds,
    taken: Nanoseconds,
    /// Earlier backlogs that lasted for a second or more.
    long: Vec<(Nanoseconds, Nanoseconds)>,
}

impl Backlogs {
    /// Records that a batch was taken at time `at`; its oldest request arrived at time `first`.
    #[inline]
    fn take(&mut self, first: Nanoseconds, at: Nanoseconds) {
        // No request was left waiting when the previous batch was taken.
        if first > self.taken {
            self.long.extend(self.present());
            self.begin = first;
        }
        self.taken = self.taken.max(at);
    }

    /// Returns the current backlog, if it is long.
    #[inline]
    fn present(&self) -> Option<(Nanoseconds, Nanoseconds)> {
        (self.taken.saturating_sub(self.begin) >= FINE).then_some((self.begin, self.taken))
    }
}

impl WindowCounter {
    /// Creates a counter with windows of this length, which must be above 0. `workloads` are those of the scenario, in
    /// the order of [`WorkloadId`].
    #[must_use]
    pub fn new(workloads: &[Workload], length: Nanoseconds) -> Self {
        let slos = workloads.iter().map(|workload| workload.slo.to_nanoseconds()).collect();
        Self { slos, length: length.max(Nanoseconds::new(1)), counts: Vec::new() }
    }

    #[inline]
    fn of(&mut self, workload: WorkloadId) -> &mut WindowCounts {
        let known = self.counts.iter().position(|(id, _)| *id == workload);
        let position = known.unwrap_or_else(|| {
            self.counts.push((workload, WindowCounts::default()));
            self.counts.len() - 1
        });
        &mut self.counts[position].1
    }

    /// Returns the times of a second or more in which requests of a workload were always waiting: from the arrival of
    /// the first request until the last one was taken.
    fn backlogs(&self, workload: WorkloadId) -> impl Iterator<Item = (Nanoseconds, Nanoseconds)> {
        let own = self.counts.iter().find(|(id, _)| *id == workload);
        let own = own.map(|(_, counts)| &counts.backlogs);
        own.into_iter().flat_map(|own| own.long.iter().copied().chain(own.present()))
    }
}

impl WindowCounts {
    /// Counts the requests of one batch, by their arrival times in order.
    #[inline]
    fn add(&mut self, arrivals: &[Nanoseconds], length: Nanoseconds) {
        let mut rest = arrivals;
        while let (Some(&first), Some(&last)) = (rest.first(), rest.last()) {
            let (from, until) = self.inside;
            if !(from <= first && first < until) {
                self.move_to(first, length);
            }
            let until = self.inside.1;
            let inside =
                if last < until { rest.len() } else { rest.partition_point(|&at| at < until) };
            self.requests[self.current] += inside as u64;
            rest = &rest[inside..];
        }
    }

    #[cold]
    fn move_to(&mut self, arrival: Nanoseconds, length: Nanoseconds) {
        let window = arrival.get() / length.get();
        let from = Nanoseconds::new(window * length.get());
        self.inside = (from, from.saturating_add(length));
        self.current = usize::try_from(window).expect("a number of windows that fits into memory");
        if self.requests.len() <= self.current {
            self.requests.resize(self.current + 1, 0);
        }
    }

    #[cold]
    fn add_late(&mut self, arrivals: &[Nanoseconds], length: Nanoseconds) {
        let mut rest = arrivals;
        while let Some(first) = rest.first() {
            let [window, second] = [length, FINE].map(|of| first.get() / of.get());
            let until = (length.get().saturating_mul(window + 1))
                .min(FINE.get().saturating_mul(second + 1));
            let together = rest.partition_point(|at| at.get() < until);
            *self.late.entry((window, second)).or_default() += together as u64;
            rest = &rest[together..];
        }
    }
}

impl RecordSink for WindowCounter {
    fn request(&mut self, record: &RequestRecord) {
        let (length, slo) = (self.length, self.slos[record.workload.index()]);
        let counts = self.of(record.workload);
        counts.add(&[record.arrival], length);
        counts.backlogs.take(record.arrival, record.load_start);
        if record.latency() > slo {
            counts.add_late(&[record.arrival], length);
        }
    }

    #[inline]
    fn batch(&mut self, batch: &BatchRecord, arrivals: &[Nanoseconds]) {
        let (length, slo) = (self.length, self.slos[batch.workload.index()]);
        let counts = self.of(batch.workload);
        counts.add(arrivals, length);
        let Some(&first) = arrivals.first() else { return };
        counts.backlogs.take(first, batch.load_start);
        // The requests that arrived first waited longest.
        if batch.done - first > slo {
            let late = arrivals.partition_point(|&arrival| batch.done - arrival > slo);
            counts.add_late(&arrivals[..late], length);
        }
    }

    fn failed(&mut self, request: &FailedRequest) {
        let length = self.length;
        let counts = self.of(request.workload);
        counts.add(&[request.arrival], length);
        counts.add_late(&[request.arrival], length);
    }

    fn gpu_interval(&mut self, _: &GpuInterval) {}
}

/// Counts of the requests of one workload that arrived in one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestWindow {
    pub workload: WorkloadId,
    /// Start, inclusive.
    pub start: Nanoseconds,
    /// End, exclusive; no later than the end of the run.
    pub end: Nanoseconds,
    /// Number of requests that arrived.
    pub requests: u64,
    /// Number of these requests that took longer than the SLO, or failed.
    pub late: u64,
    /// Number of late requests that arrived while one server of the workload handed over to another, to within a
    /// second.
    pub late_in_hand_over: u64,
}

/// A time in which one server of a workload hands over to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandOver {
    pub workload: WorkloadId,
    /// The time at which the new server was ordered.
    pub from: Nanoseconds,
    /// The time at which the new server takes requests and can execute, and the servers that it follows have answered
    /// their last request. Where requests had to wait until the new server could execute: the time at which none waits
    /// any more.
    pub until: Nanoseconds,
}

/// Returns the hand-overs of a run. There is one for each server that starts to take requests after the start of the
/// run: from its order until it takes requests and executes, and until those servers of the workload have left that
/// took their last request in this time. If it takes requests before it can execute, the hand-over also lasts until the
/// requests that waited for it have been taken.
///
/// `counter` returns the counter of a GPU's requests from the GPU's sink.
#[must_use]
pub fn hand_overs<S>(
    timeline: &Timeline,
    gpus: &[GpuOutcome<S>],
    counter: impl Fn(&S) -> &WindowCounter,
) -> Vec<HandOver> {
    let mut seen = vec![0; gpus.len()];
    let servers: Vec<(&TimelineServer, WorkloadId, Option<Nanoseconds>)> =
        (timeline.servers.iter())
            .filter_map(|server| {
                let gpu = server.gpu.index();
                let outcome = gpus.get(gpu)?.servers.get(seen[gpu])?;
                seen[gpu] += 1;
                Some((server, outcome.workload, outcome.left))
            })
            .collect();
    let of = |&(new, workload, _): &(&TimelineServer, WorkloadId, Option<Nanoseconds>)| {
        let (from, works) = (new.ordered, new.takes_from.max(new.ready));
        let followed = servers.iter().filter(|(old, of, _)| {
            let last = old.takes_until;
            *of == workload && last.is_some_and(|last| from <= last && last <= works)
        });
        let mut until = followed.filter_map(|(_, _, left)| *left).fold(works, Nanoseconds::max);
        if new.takes_from < new.ready {
            let backlogs = counter(&gpus[new.gpu.index()].sink).backlogs(workload);
            let own = backlogs.filter(|(begin, _)| from <= *begin && *begin <= works);
            until = own.map(|(_, end)| end).fold(until, Nanoseconds::max);
        }
        HandOver { workload, from, until }
    };
    servers.iter().filter(|(new, ..)| new.takes_from > Nanoseconds::ZERO).map(of).collect()
}

/// Returns the counts of requests for each workload and window: for each workload, all windows of the run.
///
/// `counters` are those of all GPUs; `workloads` is the number of workloads.
#[must_use]
pub fn request_windows(
    counters: &[WindowCounter],
    workloads: usize,
    hand_overs: &[HandOver],
    duration: Nanoseconds,
) -> Vec<RequestWindow> {
    let Some(length) = counters.first().map(|counter| counter.length) else { return Vec::new() };
    let count = usize::try_from(duration.get().div_ceil(length.get()))
        .expect("a number of windows that fits into memory");
    let mut windows = Vec::with_capacity(workloads * count);
    for workload in (0..workloads).map(WorkloadId::new) {
        let mut requests = vec![0; count];
        let mut late: BTreeMap<(u64, u64), u64> = BTreeMap::new();
        let counts = counters.iter().flat_map(|counter| &counter.counts);
        for (_, counts) in counts.filter(|(id, _)| *id == workload) {
            for (sum, more) in requests.iter_mut().zip(&counts.requests) {
                *sum += more;
            }
            for (at, more) in &counts.late {
                *late.entry(*at).or_default() += more;
            }
        }
        let spans: Vec<_> = hand_overs.iter().filter(|over| over.workload == workload).collect();
        let hands_over = |second: u64| {
            let start = Nanoseconds::new(second.saturating_mul(FINE.get()));
            spans.iter().any(|over| over.from < start.saturating_add(FINE) && start <= over.until)
        };
        for (window, requests) in (0..).zip(requests) {
            let late = || late.range((window, 0)..(window + 1, 0));
            let start = Nanoseconds::new(length.get() * window);
            windows.push(RequestWindow {
                workload,
                start,
                end: start.saturating_add(length).min(duration),
                requests,
                late: late().map(|(_, count)| count).sum(),
                late_in_hand_over: late()
                    .filter(|((_, second), _)| hands_over(*second))
                    .map(|(_, count)| count)
                    .sum(),
            });
        }
    }
    windows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrivals::ArrivalSpec;
    use crate::fake::{Everything, FakeModel, FakePredictor, FakeScenario, FakeServer};
    use crate::{EngineSpec, simulate};
    use igniter_model::domain::{GpuId, ServerSetting, TimelineGpu};
    use igniter_model::units::{Milliseconds, RequestsPerSecond};

    const S: u64 = 1_000_000_000;

    /// A server whose batches take 10 ms, and a timeline in which none executes from 3 to 5.5 s, while requests wait for the
    /// new one.
    fn with_a_gap(batch: u32, rate: f64) -> (FakeScenario, Timeline) {
        let ns = Nanoseconds::new;
        let model = FakeModel { fixed: 10.0, ..FakeModel::default() };
        let predictor = FakePredictor::new(vec![model], 0.0);
        let server = FakeServer::new(0, batch, rate, ArrivalSpec::Constant);
        let mut scenario = FakeScenario::new(predictor, &[vec![server]]);
        scenario.workloads[0].workload.slo = Milliseconds::new(50.0).unwrap();
        let placement = scenario.plan.gpus[0].placements[0].clone();
        let server = |ordered: u64, ready: u64, until: Option<u64>| TimelineServer {
            gpu: GpuId::new(0),
            placement: placement.clone(),
            ordered: ns(ordered),
            ready: ns(ready),
            takes_from: ns(ordered),
            takes_until: until.map(ns),
            settings: vec![ServerSetting {
                from: ns(ordered),
                batch: placement.batch,
                served: RequestsPerSecond::new(rate).unwrap(),
            }],
        };
        let kind = scenario.plan.gpus[0].kind.clone();
        let timeline = Timeline {
            gpus: vec![TimelineGpu { kind, rented: vec![(ns(0), None)] }],
            servers: vec![server(0, 0, Some(3 * S)), server(3 * S, 11 * S / 2, None)],
        };
        (scenario, timeline)
    }

    /// Requests that wait are late, and so are those behind them for ten seconds after the new server is ready.
    #[test]
    fn a_hand_over_lasts_until_what_waited_is_done() {
        let (scenario, timeline) = with_a_gap(1, 80.0);
        let mut input = scenario.input(EngineSpec::default(), 30.0, 1);
        input.timeline = Some(&timeline);
        let workloads: Vec<_> = scenario.workloads.iter().map(|w| w.workload.clone()).collect();
        let counter = WindowCounter::new(&workloads, Nanoseconds::new(30 * S));
        let outcome = simulate(&input, |_| counter.clone()).unwrap();
        let over = hand_overs(&timeline, &outcome.gpus, |sink| sink);
        // 200 wait at 5.5 s. 100 of each second are answered and 80 come, so that takes 10 s.
        assert!((over[0].until.as_seconds() - 15.5).abs() < 0.1, "{over:?}");
        let counters = [outcome.gpus[0].sink.clone()];
        let windows = request_windows(&counters, 1, &over, Nanoseconds::new(30 * S));
        // All that came from 3 s to just before 15.5 s.
        assert!((980..=1000).contains(&windows[0].late), "{windows:?}");
        assert_eq!(windows[0].late_in_hand_over, windows[0].late);
    }

    #[test]
    fn windows_count_what_was_late_and_why() {
        let ns = Nanoseconds::new;
        let (scenario, timeline) = with_a_gap(4, 10.0);
        let mut input = scenario.input(EngineSpec::default(), 10.0, 1);
        input.timeline = Some(&timeline);
        let workloads: Vec<_> = scenario.workloads.iter().map(|w| w.workload.clone()).collect();
        let counter = WindowCounter::new(&workloads, ns(4 * S));
        let outcome = simulate(&input, |_| (counter.clone(), Everything::default())).unwrap();
        let over = hand_overs(&timeline, &outcome.gpus, |sink| &sink.0);
        // Four at a time take 10 ms: of the 26 that wait at 5.5 s, the last two are taken after 60 ms. The next comes at 5.6 s.
        let taken = outcome.gpus[0].sink.1.records.iter().map(|record| record.load_start);
        let last = taken.filter(|taken| *taken < ns(28 * S / 5)).max().unwrap();
        assert!(ns(11 * S / 2) < last);
        let expected = HandOver { workload: WorkloadId::new(0), from: ns(3 * S), until: last };
        assert_eq!(over, [expected]);
        let counters: Vec<_> = outcome.gpus.iter().map(|gpu| gpu.sink.0.clone()).collect();
        let windows = request_windows(&counters, 1, &over, ns(10 * S));
        let seen: Vec<_> = windows
            .iter()
            .map(|w| (w.end.get() / S, w.requests, w.late, w.late_in_hand_over))
            .collect();
        // Late are the 26 requests from 3.0 to 5.5 s: 10 of them before 4 s. They are answered four at a time, until 5.57 s.
        let late = |from: u64, to: u64| {
            let records = &outcome.gpus[0].sink.1.records;
            let late = records.iter().filter(|r| r.latency() > ns(S / 20));
            late.filter(|r| ns(from * S) <= r.arrival && r.arrival < ns(to * S)).count() as u64
        };
        assert_eq!((late(0, 4), late(4, 8), late(8, 10)), (10, 16, 0));
        assert_eq!(seen, [(4, 40, 10, 10), (8, 40, 16, 16), (10, 20, 0, 0)]);
        // One request at a time is counted as whole batches are.
        let mut single = counter;
        outcome.gpus[0].sink.1.records.iter().for_each(|record| single.request(record));
        assert_eq!(request_windows(&[single], 1, &over, ns(10 * S)), windows);
        assert!(hand_overs(&timeline, &outcome.gpus[..0], |sink| &sink.0).is_empty());
    }
}
