//! The common case in fixed arrays: up to 16 greedy servers with one instance each, whose requests come whatever
//! happens.
//!
//! At each of them one thing can happen next: its batch is loaded and starts, ends its execution, or is back on the
//! host. Nobody needs an event for the rest. An instance that finds no request takes the next one when it arrives, and
//! when that was is looked up when the instance is done with the batch before. Requests leave in the order in which they
//! came, so a batch need not remember which its requests are.

mod follow;

use self::follow::{Follower, Onward};
use super::states::{DRAW, States};
use super::stream::ArrivalStream;
use crate::batcher_rules::BatcherRules;
use crate::draw::WorkDraw;
use crate::ends::{INTEGERS, moment, rescaled};
use crate::prepare::{GpuRun, GpuSetting, ServerRun};
use crate::source::Arrivals;
use crate::speed::BadPrediction;
use crate::{GpuOutcome, LoadOverlap, ServerOutcome};
use igniter_model::domain::{BatchRecord, GpuInterval, RecordSink, WorkloadId};
use igniter_model::units::Nanoseconds;

/// The most servers of a GPU. A power of two, so that a position is kept within the arrays by a mask.
const MOST: usize = 16;

/// One GPU with its servers, at some moment of a run.
#[derive(Debug)]
pub(crate) struct LeanEngine<'a, S> {
    setting: GpuSetting,
    servers: [Server; MOST],
    count: usize,
    /// When something happens next at each server.
    next: [Key; MOST],
    /// When something else happens next: plans change, or nothing comes any more.
    stop: Key,
    /// When the executions end, in ns, and the time of all of their work at the present speed.
    ends_ns: [f64; MOST],
    exec_ns: [f64; MOST],
    /// Which servers execute, as bits.
    mask: u32,
    running: u32,
    states: States<'a>,
    /// The row of the present state, and since when it holds.
    row: usize,
    since: Nanoseconds,
    sink: S,
    last_done: Nanoseconds,
    events: u64,
    /// Where plans follow each other.
    follower: Option<Box<Follower<'a>>>,
}

/// A time and the number of the server at which something happens then. Of two keys the lesser one comes first.
///
/// It is an integer, [`MOST`] times the time plus the number, in the form of the float with the same bits: floats above 0 are
/// ordered as their bits are, and processors find the least of many floats faster than of many integers.
#[derive(Debug, Clone, Copy)]
struct Key(f64);

impl Key {
    /// Nothing happens any more.
    const NEVER: Self = Self(f64::INFINITY);

    /// The least float that processors do not treat as a special case.
    const FIRST: u64 = f64::MIN_POSITIVE.to_bits();

    /// Times from here on are too late for a key: 9 years. Shorter times can be added to those before.
    const LATE: Nanoseconds = Nanoseconds::new(1 << 58);

    /// How many bits the number takes.
    const BITS: u32 = MOST.trailing_zeros();

    #[inline(always)]
    fn new(time: Nanoseconds, server: usize) -> Self {
        Self(f64::from_bits(Self::FIRST + (time.get() << Self::BITS) + server as u64))
    }

    #[inline(always)]
    fn time(self) -> Nanoseconds {
        Nanoseconds::new((self.0.to_bits() - Self::FIRST) >> Self::BITS)
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "a number below MOST")]
    fn server(self) -> usize {
        (self.0.to_bits() % MOST as u64) as usize
    }

    #[inline(always)]
    fn first(self, other: Self) -> Self {
        if other.0 < self.0 { other } else { self }
    }

    /// A duration that can be added to a time before [`Key::LATE`].
    fn bounded(duration: Nanoseconds) -> Nanoseconds {
        duration.min(Nanoseconds::new(Self::LATE.get() / 2))
    }
}

/// The key of the end of an execution.
#[inline(always)]
fn end_key(end_ns: f64, now: Nanoseconds, server: usize) -> Key {
    let end = moment(end_ns, now);
    // Most ends are far from late, which need not be looked up twice.
    Key::new(if end_ns < INTEGERS { end } else { end.min(Key::LATE) }, server)
}

/// What happens next at a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// The batch in front starts, or nothing happens any more.
    Start,
    /// The execution ends.
    End,
    /// The results are on the host.
    Done,
}

/// A batch on its way through an instance.
#[derive(Debug, Clone, Copy, Default)]
struct Flight {
    rows: u32,
    load_start: Nanoseconds,
    load_end: Nanoseconds,
    feedback: Nanoseconds,
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
    next: Next,
    /// The batch in front, and its work; without rows: the instance takes the next request when it arrives.
    front: Flight,
    front_work: f64,
    /// The batch that executes or whose results are copied back.
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
            next: Next::Start,
            front: Flight::default(),
            front_work: 0.0,
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

    /// Its counters.
    fn outcome(&self) -> ServerOutcome {
        ServerOutcome {
            workload: self.workload,
            arrived: self.arrivals.taken(),
            completed: self.completed,
            failed: 0,
            batches: self.batches,
            left: None,
            sent: None,
        }
    }
}

type Step<T = ()> = Result<T, Box<BadPrediction>>;

impl<'a, S: RecordSink> LeanEngine<'a, S> {
    /// Whether this engine can simulate a GPU.
    pub(crate) fn takes(setting: &GpuSetting, run: &GpuRun<'_>) -> bool {
        let simple = |(server, present): (&ServerRun, bool)| {
            server.rules.is_greedy()
                && server.slots.len() == 1
                && (server.startup == Nanoseconds::ZERO || !present)
                && matches!(server.arrivals, Arrivals::Open(_))
                && !server.host.varies()
        };
        let in_time = |time: Nanoseconds| time == Key::bounded(time);
        let timeline = run.timeline.as_ref();
        let present: Vec<bool> =
            timeline.map_or_else(|| vec![true; run.servers.len()], |t| t.present.clone());
        run.features.is_none()
            && present.iter().filter(|present| **present).count() <= MOST
            && run.servers.iter().zip(present).all(simple)
            && in_time(setting.duration)
            && timeline.is_none_or(|t| {
                t.changes.iter().all(|(at, change)| {
                    in_time(*at) && change.rules().is_none_or(BatcherRules::is_greedy)
                })
            })
    }

    /// A GPU at time 0, before the first arrival. [`LeanEngine::takes`] says whether it may be simulated here.
    pub(crate) fn new(setting: GpuSetting, run: GpuRun<'a>, sink: S) -> Step<Self> {
        let GpuRun { servers, mut speeds, timeline, .. } = run;
        let mut all: Vec<Server> = servers.into_iter().map(Server::new).collect();
        let mut follower = None;
        if let Some(timeline) = timeline {
            let follow = Follower::new(timeline, &mut all, speeds);
            speeds = follow.speeds(&all);
            follower = Some(Box::new(follow));
        }
        let count = all.len();
        let mut all = all.into_iter();
        let servers = std::array::from_fn(|_| all.next().unwrap_or_else(Server::absent));
        let mut states = States::new(speeds);
        let row = states.find_row()?;
        let stop = follower.as_ref().map_or(Key::new(Key::LATE, 0), |follower| follower.stop());
        let mut engine = Self {
            setting,
            servers,
            count,
            next: [Key::NEVER; MOST],
            stop,
            ends_ns: [0.0; MOST],
            exec_ns: [0.0; MOST],
            mask: 0,
            running: 0,
            states,
            row,
            since: Nanoseconds::ZERO,
            sink,
            last_done: Nanoseconds::ZERO,
            events: 0,
            follower,
        };
        for i in 0..count {
            engine.servers[i].refill(1);
            if let Some(loaded) = engine.take_next(i)? {
                engine.next[i] = Key::new(loaded, i);
            }
        }
        Ok(engine)
    }

    /// Runs to the end: all requests that arrive before the end of the run are completed. `None`: at some time there are
    /// more servers than this engine can have.
    pub(crate) fn finish(mut self) -> Step<Option<GpuOutcome<S>>> {
        loop {
            let first = self.first();
            if first.0 >= self.stop.0 {
                match self.go_on()? {
                    Onward::Go => continue,
                    Onward::End => return self.outcome(first).map(Some),
                    Onward::Crowded => return Ok(None),
                }
            }
            let (now, i) = (first.time(), first.server());
            self.events += 1;
            // Executions change in one place, so that it is part of this loop.
            let starts = match self.servers[i].next {
                Next::Start => true,
                Next::End => false,
                Next::Done => {
                    if !self.complete(i, now)? {
                        continue;
                    }
                    true
                }
            };
            self.close_interval(now);
            if starts {
                self.states.start(i, self.servers[i].front.rows);
                self.running += 1;
            } else {
                self.mask &= !(1 << i);
                self.states.end(i);
                self.running -= 1;
            }
            self.executions_changed(now)?;
            if starts {
                self.start(i, now)?;
            } else {
                let server = &mut self.servers[i];
                server.exec_end = now;
                server.next = Next::Done;
                self.next[i] = Key::new(now + server.back.feedback, i);
            }
        }
    }

    /// What happens first.
    #[inline(always)]
    fn first(&self) -> Key {
        // One after the other: a load of two keys at once would have to wait until the last one is in the cache.
        let first = |keys: &[Key]| keys.iter().copied().fold(keys[0], Key::first);
        let few = first(&self.next[..4]);
        if self.count <= 4 {
            return few;
        }
        let more = few.first(first(&self.next[4..8]));
        if self.count <= 8 { more } else { more.first(first(&self.next[8..])) }
    }

    /// The outcome, when nothing happens before `first`.
    #[cold]
    #[inline(never)]
    fn outcome(mut self, first: Key) -> Step<GpuOutcome<S>> {
        if first.0 < Key::NEVER.0 {
            return Err(self.takes_years(first.server()));
        }
        let end = self.setting.duration.max(self.last_done);
        let on = self.follower.as_ref().is_none_or(|follower| follower.is_on());
        self.close_if(on, end);
        let servers = self.servers[..self.count].iter().map(Server::outcome).collect();
        let (servers, rented) = match self.follower {
            Some(follower) => follower.finish(end, servers),
            None => (servers, vec![(Nanoseconds::ZERO, end)]),
        };
        Ok(GpuOutcome {
            gpu: self.setting.gpu,
            servers,
            sink: self.sink,
            events: self.events,
            end,
            rented,
            actions: Vec::new(),
            windows: Vec::new(),
        })
    }

    /// A server is not done before [`Key::LATE`], although its requests came long before.
    fn takes_years(&self, i: usize) -> Box<BadPrediction> {
        let server = &self.servers[i];
        Box::new(BadPrediction {
            server: Some(i),
            batch: server.front.rows.max(server.back.rows) as usize,
            what: "ms until all requests are done",
            value: Key::LATE.as_ms(),
        })
    }

    /// The instance of a server takes what waits. If nothing does, it will take the next request when it arrives.
    #[inline(always)]
    fn look(&mut self, i: usize, now: Nanoseconds) -> Step {
        let server = &mut self.servers[i];
        if server.arrivals.lacks(server.max) {
            server.refill(server.max);
        }
        match server.arrivals.waiting(now, server.max) {
            0 => {
                server.front.rows = 0;
                Ok(())
            }
            rows => self.load(i, rows, now),
        }
    }

    /// When the batch in front of an instance is loaded. Without one, the instance took the next request when it
    /// arrived, or will take it; `None`: there is no more.
    #[inline(always)]
    fn take_next(&mut self, i: usize) -> Step<Option<Nanoseconds>> {
        if self.servers[i].front.rows == 0 {
            match self.servers[i].arrivals.next(0) {
                Some(arrival) => self.load(i, 1, arrival)?,
                None => return Ok(None),
            }
        }
        Ok(Some(self.servers[i].front.load_end))
    }

    /// Load and feedback time of a batch.
    #[inline(always)]
    fn transfers(&mut self, i: usize, rows: usize) -> Step<(Nanoseconds, Nanoseconds)> {
        let server = &mut self.servers[i];
        if let Some(known) = server.transfers[rows] {
            return Ok(known);
        }
        let (load, feedback) = self.states.transfers(i, rows)?;
        Ok(*server.transfers[rows].insert((Key::bounded(load), Key::bounded(feedback))))
    }

    /// The instance takes the next `rows` requests and starts to load them.
    #[inline(always)]
    fn load(&mut self, i: usize, rows: usize, now: Nanoseconds) -> Step {
        let (load, feedback) = self.transfers(i, rows)?;
        let server = &mut self.servers[i];
        server.arrivals.take(rows);
        let rows = u32::try_from(rows).expect("a batch has fewer than 2^32 requests");
        server.front = Flight { rows, load_start: now, load_end: now + load, feedback };
        server.front_work = server.work.next();
        Ok(())
    }

    /// The loaded batch of an instance that is not busy starts, after the speeds have changed.
    #[inline(always)]
    fn start(&mut self, i: usize, now: Nanoseconds) -> Step {
        let server = &mut self.servers[i];
        server.next = Next::End;
        server.back = server.front;
        server.exec_start = now;
        let exec_ns = self.states.row(self.row)[DRAW + i];
        let end_ns = now.as_f64() + server.front_work * exec_ns;
        self.mask |= 1 << i;
        self.exec_ns[i] = exec_ns;
        self.ends_ns[i] = end_ns;
        self.next[i] = end_key(end_ns, now, i);
        match self.setting.overlap {
            LoadOverlap::Overlapped => self.look(i, now),
            LoadOverlap::Serial => Ok(()),
        }
    }

    /// The results of a batch are on the host. Returns whether the next one begins to execute at once.
    #[inline(always)]
    fn complete(&mut self, i: usize, now: Nanoseconds) -> Step<bool> {
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
            done: now.saturating_add(server.request_overhead),
        };
        self.sink.batch(&record, server.arrivals.batch(server.completed, rows));
        server.completed += u64::from(rows);
        server.batches += 1;
        self.last_done = now;
        if self.setting.overlap == LoadOverlap::Serial {
            // Nothing was loaded while the batch executed.
            self.look(i, now)?;
        }
        let loaded = self.take_next(i)?;
        if loaded.is_some_and(|loaded| loaded <= now) {
            return Ok(true);
        }
        self.servers[i].next = Next::Start;
        self.next[i] = loaded.map_or_else(|| self.never(i, now), |loaded| Key::new(loaded, i));
        Ok(false)
    }

    /// Applies the speeds of the new set of executing batches. Work done so far is kept.
    #[inline(always)]
    fn executions_changed(&mut self, now: Nanoseconds) -> Step {
        self.row = self.states.find_row()?;
        let row = self.states.row(self.row);
        let now_ns = now.as_f64();
        let mut rest = self.mask;
        while rest != 0 {
            let i = rest.trailing_zeros() as usize % MOST;
            rest &= rest - 1;
            let (before_ns, exec_ns) = (self.exec_ns[i], row[DRAW + i]);
            // An unchanged speed keeps the end. The check is on bits: any change counts.
            if exec_ns.to_bits() != before_ns.to_bits() {
                let end_ns = rescaled(self.ends_ns[i], now_ns, before_ns, exec_ns);
                self.exec_ns[i] = exec_ns;
                self.ends_ns[i] = end_ns;
                self.next[i] = end_key(end_ns, now, i);
            }
        }
        Ok(())
    }

    /// Reports the state that held until `now`.
    #[inline(always)]
    fn close_interval(&mut self, now: Nanoseconds) {
        if now > self.since {
            let row = self.states.row(self.row);
            let [busy_sm_pct, power_w, clock_mhz] = [row[0], row[1], row[2]];
            self.sink.gpu_interval(&GpuInterval {
                gpu: self.setting.gpu,
                start: self.since,
                end: now,
                running: self.running,
                busy_sm_pct,
                power_w,
                clock_mhz,
            });
            self.since = now;
        }
    }
}
