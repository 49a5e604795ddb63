//! The common case in fixed arrays: up to eight greedy servers with one instance each, whose requests come whatever
//! happens.
//!
//! An instance then has at most two things to wait for beside the end of its execution: one in front (the next
//! arrival, or the end of a copy to the GPU) and one behind (the end of a copy back). Each has its place in an array,
//! and the first of all is known. Requests leave in the order in which they came, so a batch need not remember which
//! its requests are.

use super::states::States;
use super::stream::ArrivalStream;
use crate::draw::WorkDraw;
use crate::prepare::{GpuRun, GpuSetting, ServerRun};
use crate::source::Arrivals;
use crate::speed::BadPrediction;
use crate::{GpuOutcome, LoadOverlap, ServerOutcome};
use igniter_model::domain::{BatchRecord, GpuInterval, RecordSink, WorkloadId};
use igniter_model::units::Nanoseconds;

/// The most servers of a GPU. A power of two, so that a position is kept within the arrays by a mask.
const MOST: usize = 8;

/// One GPU with its servers, at some moment of a run.
#[derive(Debug)]
pub(crate) struct LeanEngine<'a, S> {
    setting: GpuSetting,
    servers: [Server; MOST],
    count: usize,
    executing: [Execution; MOST],
    /// Which of them do, as bits.
    mask: u32,
    running: u32,
    /// When the first of them ends.
    first_end: Moment,
    first: usize,
    /// What each server waits for: in front at an even place, behind at the odd one after it.
    pending: [Moment; 2 * MOST],
    /// The first of these, and its place.
    next: Moment,
    place: usize,
    ranks: u64,
    starts: u64,
    events: u64,
    states: States<'a>,
    sink: S,
    /// The present state, and since when it holds.
    interval: GpuInterval,
    last_done: Nanoseconds,
}

/// A place in the order of what happens: the time, and the rank among equal times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Moment {
    time: Nanoseconds,
    rank: u64,
}

impl Moment {
    /// After everything that happens.
    const NEVER: Self = Self { time: Nanoseconds::MAX, rank: u64::MAX };

    #[inline(always)]
    fn is_before(self, other: Self) -> bool {
        self.time < other.time || (self.time == other.time && self.rank < other.rank)
    }
}

/// Ranks below this are the numbers of servers at which requests arrive.
const FIRST_RANK: u64 = 1 << 32;

/// What an instance has in front of its executing batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Front {
    /// Nothing: it waits for an arrival, or there are no more.
    Free,
    /// A batch that executes as soon as it is loaded, which is pending.
    Loading,
    /// A batch that executes when it is loaded and the one before it is done.
    Behind,
}

/// A batch on its way through an instance.
#[derive(Debug, Clone, Copy, Default)]
struct Flight {
    rows: u32,
    load_start: Nanoseconds,
    load_end: Nanoseconds,
    feedback: Nanoseconds,
}

/// A batch that executes.
#[derive(Debug, Clone, Copy, Default)]
struct Execution {
    end: Nanoseconds,
    since: Nanoseconds,
    /// What was left at `since`, as a multiple of `exec_ns`.
    remaining: f64,
    /// The time of the predicted work at the present speed.
    exec_ns: f64,
    /// Its number among those that started: of two that end at once, the earlier comes first.
    start: u64,
}

/// One server with its instance.
#[derive(Debug)]
struct Server {
    workload: WorkloadId,
    arrivals: ArrivalStream,
    max: usize,
    work: WorkDraw,
    request_overhead: Nanoseconds,
    /// Load and feedback time of each batch size that occurred.
    transfers: Vec<Option<(Nanoseconds, Nanoseconds)>>,
    front: Front,
    /// Whether a batch executes or its results are copied back.
    busy: bool,
    /// The batch in front, its work, and the rank of the end of its load.
    next: Flight,
    next_work: f64,
    load_rank: u64,
    /// The batch that executes.
    back: Flight,
    exec_start: Nanoseconds,
    exec_end: Nanoseconds,
    /// Requests and batches that are done: the next to be done has these numbers.
    completed: u64,
    batches: u64,
}

impl Server {
    fn new(run: ServerRun) -> Self {
        let ServerRun { workload, arrivals, rules, work, request_overhead, .. } = run;
        let max = rules.max_batch();
        let process = match arrivals {
            Arrivals::Open(process) => Some(process),
            Arrivals::Closed(_) => None,
        };
        Self {
            workload,
            arrivals: ArrivalStream::new(process),
            max,
            work,
            request_overhead,
            transfers: vec![None; max + 1],
            ..Self::absent()
        }
    }

    /// A place without a server.
    fn absent() -> Self {
        Self {
            workload: WorkloadId::new(0),
            arrivals: ArrivalStream::new(None),
            max: 0,
            work: WorkDraw::new(None, None),
            request_overhead: Nanoseconds::ZERO,
            transfers: Vec::new(),
            front: Front::Free,
            busy: false,
            next: Flight::default(),
            next_work: 0.0,
            load_rank: 0,
            back: Flight::default(),
            exec_start: Nanoseconds::ZERO,
            exec_end: Nanoseconds::ZERO,
            completed: 0,
            batches: 0,
        }
    }

    #[cold]
    #[inline(never)]
    fn refill(&mut self, count: usize) {
        self.arrivals.refill(count, self.completed);
    }
}

type Step = Result<(), Box<BadPrediction>>;

impl<'a, S: RecordSink> LeanEngine<'a, S> {
    /// Whether this engine can simulate a GPU.
    pub(crate) fn takes(run: &GpuRun<'_>) -> bool {
        let simple = |server: &ServerRun| {
            server.rules.is_greedy()
                && server.slots.len() == 1
                && server.startup == Nanoseconds::ZERO
                && matches!(server.arrivals, Arrivals::Open(_))
                && !server.host.varies()
        };
        run.features.is_none() && run.servers.len() <= MOST && run.servers.iter().all(simple)
    }

    /// A GPU at time 0, before the first arrival. [`LeanEngine::takes`] says whether it may be simulated here.
    pub(crate) fn new(
        setting: GpuSetting,
        run: GpuRun<'a>,
        sink: S,
    ) -> Result<Self, Box<BadPrediction>> {
        let count = run.servers.len();
        let mut runs = run.servers.into_iter();
        let servers = std::array::from_fn(|_| runs.next().map_or_else(Server::absent, Server::new));
        let mut states = States::new(run.speeds);
        let idle = states.find()?;
        let interval = GpuInterval {
            gpu: setting.gpu,
            start: Nanoseconds::ZERO,
            end: Nanoseconds::ZERO,
            running: 0,
            busy_sm_pct: idle.busy_sm_pct,
            power_w: idle.power_w,
            clock_mhz: idle.clock_mhz,
        };
        let mut engine = Self {
            setting,
            servers,
            count,
            executing: [Execution::default(); MOST],
            mask: 0,
            running: 0,
            first_end: Moment::NEVER,
            first: 0,
            pending: [Moment::NEVER; 2 * MOST],
            next: Moment::NEVER,
            place: 0,
            ranks: FIRST_RANK,
            starts: 0,
            events: 0,
            states,
            sink,
            interval,
            last_done: Nanoseconds::ZERO,
        };
        for i in 0..count {
            engine.servers[i].refill(1);
            engine.await_arrival(i);
        }
        Ok(engine)
    }

    /// Runs to the end: all requests that arrive before the end of the run are completed.
    pub(crate) fn finish(mut self) -> Result<GpuOutcome<S>, Box<BadPrediction>> {
        loop {
            if self.next.is_before(self.first_end) {
                let at = self.next;
                let i = self.place / 2 % MOST;
                let behind = self.place % 2 == 1;
                self.take_next();
                let starting = if behind {
                    self.complete(i, at)?
                } else if self.servers[i].front == Front::Loading {
                    true
                } else {
                    self.load(i, 1, at.time)?;
                    false
                };
                // The one place where a batch begins to execute, so that it is part of this loop.
                if starting {
                    self.start(i, at.time)?;
                }
            } else if self.mask == 0 {
                return Ok(self.outcome());
            } else {
                self.end_execution()?;
            }
            self.events += 1;
        }
    }

    fn outcome(mut self) -> GpuOutcome<S> {
        let end = self.setting.duration.max(self.last_done);
        self.close_interval(end);
        let servers = self.servers[..self.count].iter().map(|server| ServerOutcome {
            workload: server.workload,
            arrived: server.arrivals.taken(),
            completed: server.completed,
            failed: 0,
            batches: server.batches,
            sent: None,
        });
        GpuOutcome {
            gpu: self.setting.gpu,
            servers: servers.collect(),
            sink: self.sink,
            events: self.events,
            end,
            actions: Vec::new(),
            windows: Vec::new(),
        }
    }

    /// The next rank: after everything that was ranked before.
    #[inline(always)]
    fn rank(&mut self) -> u64 {
        self.ranks += 1;
        self.ranks
    }

    /// Something will happen at a place where nothing is pending.
    #[inline(always)]
    fn await_at(&mut self, place: usize, at: Moment) {
        self.pending[place] = at;
        if at.is_before(self.next) {
            (self.next, self.place) = (at, place);
        }
    }

    /// What was pending first happens.
    #[inline(always)]
    fn take_next(&mut self) {
        self.pending[self.place % (2 * MOST)] = Moment::NEVER;
        let (mut next, mut place) = (Moment::NEVER, 0);
        for (i, &at) in self.pending[..2 * self.count].iter().enumerate() {
            if at.is_before(next) {
                (next, place) = (at, i);
            }
        }
        (self.next, self.place) = (next, place);
    }

    /// An idle instance waits for the next arrival, if there is one.
    fn await_arrival(&mut self, i: usize) {
        if let Some(time) = self.servers[i].arrivals.next(0) {
            self.await_at(2 * i, Moment { time, rank: i as u64 });
        }
    }

    /// The instance of a server is ready for its next batch.
    #[inline(always)]
    fn ready(&mut self, i: usize, now: Nanoseconds) -> Step {
        let server = &mut self.servers[i];
        if server.arrivals.lacks(server.max) {
            server.refill(server.max);
        }
        match server.arrivals.waiting(now, server.max) {
            0 => {
                self.await_arrival(i);
                Ok(())
            }
            rows => self.load(i, rows, now),
        }
    }

    /// The instance takes the next `rows` requests and starts to load them.
    #[inline(always)]
    fn load(&mut self, i: usize, rows: usize, now: Nanoseconds) -> Step {
        let rank = self.rank();
        let server = &mut self.servers[i];
        let (load, feedback) = match server.transfers[rows] {
            Some(known) => known,
            None => *server.transfers[rows].insert(self.states.transfers(i, rows)?),
        };
        server.arrivals.take(rows);
        let load_end = now.saturating_add(load);
        let rows = u32::try_from(rows).expect("a batch has fewer than 2^32 requests");
        server.next = Flight { rows, load_start: now, load_end, feedback };
        server.next_work = server.work.next();
        server.load_rank = rank;
        if server.busy {
            server.front = Front::Behind;
        } else {
            server.front = Front::Loading;
            self.await_at(2 * i, Moment { time: load_end, rank });
        }
        Ok(())
    }

    /// Starts the loaded batch of an instance that is not busy.
    #[inline(always)]
    fn start(&mut self, i: usize, now: Nanoseconds) -> Step {
        let server = &mut self.servers[i];
        server.front = Front::Free;
        server.busy = true;
        server.back = server.next;
        server.exec_start = now;
        let work = server.next_work;
        self.states.start(i, server.back.rows);
        self.running += 1;
        self.executions_changed(now, Some((i, work)))?;
        match self.setting.overlap {
            LoadOverlap::Overlapped => self.ready(i, now),
            LoadOverlap::Serial => Ok(()),
        }
    }

    /// Ends the execution that ends first.
    #[inline(always)]
    fn end_execution(&mut self) -> Step {
        let now = self.first_end.time;
        let i = self.first % MOST;
        self.mask &= !(1 << i);
        self.states.end(i);
        self.running -= 1;
        self.executions_changed(now, None)?;
        let rank = self.rank();
        let server = &mut self.servers[i];
        server.exec_end = now;
        let done = now.saturating_add(server.back.feedback);
        self.await_at(2 * i + 1, Moment { time: done, rank });
        Ok(())
    }

    /// The results of a batch are on the host. Returns whether the next one begins to execute at once.
    #[inline(always)]
    fn complete(&mut self, i: usize, at: Moment) -> Result<bool, Box<BadPrediction>> {
        let server = &mut self.servers[i];
        let Flight { rows, load_start, load_end, .. } = server.back;
        let record = BatchRecord {
            workload: server.workload,
            gpu: self.setting.gpu,
            batch: server.batches,
            load_start,
            load_end,
            exec_start: server.exec_start,
            exec_end: server.exec_end,
            done: at.time.saturating_add(server.request_overhead),
        };
        self.sink.batch(&record, server.arrivals.batch(server.completed, rows));
        server.completed += u64::from(rows);
        server.batches += 1;
        server.busy = false;
        self.last_done = at.time;
        if server.front == Front::Behind {
            let loaded = Moment { time: server.next.load_end, rank: server.load_rank };
            if loaded.is_before(at) {
                return Ok(true);
            }
            server.front = Front::Loading;
            self.await_at(2 * i, loaded);
        }
        if self.setting.overlap == LoadOverlap::Serial {
            // Nothing was loaded while the batch executed.
            self.ready(i, at.time)?;
        }
        Ok(false)
    }

    /// Applies the speeds of the new set of executing batches. Work done so far is kept. A batch that starts does so
    /// at a server with so much work.
    #[inline(always)]
    fn executions_changed(&mut self, now: Nanoseconds, starts: Option<(usize, f64)>) -> Step {
        self.close_interval(now);
        let state = self.states.find()?;
        self.interval.busy_sm_pct = state.busy_sm_pct;
        self.interval.power_w = state.power_w;
        self.interval.clock_mhz = state.clock_mhz;
        self.interval.running = self.running;
        let (mut first, mut first_end, mut first_start) = (0, Nanoseconds::MAX, u64::MAX);
        let mut rest = self.mask;
        while rest != 0 {
            let i = rest.trailing_zeros() as usize % MOST;
            rest &= rest - 1;
            let execution = &mut self.executing[i];
            let exec_ns = state.exec_ns[i];
            // An unchanged speed keeps the end to the nanosecond. The check is on bits: any change
            // counts.
            if exec_ns.to_bits() != execution.exec_ns.to_bits() {
                let passed = (now - execution.since).as_f64() / execution.exec_ns;
                let left = execution.remaining - passed;
                // Not f64::max: there is no NaN to care for.
                let left = if left > 0.0 { left } else { 0.0 };
                execution.remaining = left;
                execution.exec_ns = exec_ns;
                execution.since = now;
                execution.end = now.saturating_add(Nanoseconds::from_f64(left * exec_ns));
            }
            // Among equals, the one that started first.
            let Execution { end, start, .. } = *execution;
            if end < first_end || (end == first_end && start < first_start) {
                (first, first_end, first_start) = (i, end, start);
            }
        }
        if let Some((i, work)) = starts {
            let exec_ns = state.exec_ns[i];
            let end = now.saturating_add(Nanoseconds::from_f64(work * exec_ns));
            let start = self.starts;
            self.executing[i % MOST] =
                Execution { end, since: now, remaining: work, exec_ns, start };
            self.starts += 1;
            self.mask |= 1 << (i % MOST);
            if end < first_end {
                (first, first_end) = (i, end);
            }
        }
        self.first = first;
        let rank = self.rank();
        self.first_end = match self.mask {
            0 => Moment::NEVER,
            _ => Moment { time: first_end, rank },
        };
        Ok(())
    }

    /// Reports the state that held until `now`.
    #[inline(always)]
    fn close_interval(&mut self, now: Nanoseconds) {
        if now > self.interval.start {
            self.interval.end = now;
            self.sink.gpu_interval(&self.interval);
            self.interval.start = now;
        }
    }
}
