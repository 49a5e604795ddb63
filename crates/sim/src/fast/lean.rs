//! The common case in fixed arrays: up to 16 greedy servers with one instance each, whose arrivals do not depend on
//! answers.
//!
//! Only one thing can happen next at each server: its loaded batch starts, its execution ends, or its results are back
//! on the host. Nothing else needs an event. An instance that finds no request takes the next one when it arrives; the
//! time of that arrival is looked up when the instance is done with the batch before. Requests leave in the order in
//! which they arrive, so a batch need not store which requests it has.

mod follow;
mod key;
mod server;

use self::follow::{Follower, Onward};
use self::key::EventKey;
use self::server::{LeanServer, LoadedBatch, NextEvent};
use super::states::{DRAW, FEW_SLOTS, FewSlots, SharedStates, States};
use crate::batcher_rules::BatcherRules;
use crate::ends::{INTEGERS, rescaled};
use crate::prepare::{GpuRun, GpuSetting, ServerRun};
use crate::source::ServerArrivals;
use crate::speed::BadNumber;
use crate::{GpuOutcome, LoadOverlap};
use igniter_model::domain::{BatchRecord, GpuInterval, RecordSink};
use igniter_model::units::Nanoseconds;
use std::sync::Arc;

/// The largest number of servers of a GPU. It is a power of two, so that a mask keeps a position within the arrays.
const MOST: usize = FEW_SLOTS;

/// One GPU with its servers, at one moment of a run.
#[derive(Debug)]
pub(crate) struct LeanEngine<'a, S> {
    setting: GpuSetting,
    servers: [LeanServer; MOST],
    count: usize,
    /// The next event of each server.
    next: [EventKey; MOST],
    /// The next event that is not of a server: plans change, or there are no more events.
    stop: EventKey,
    /// The ends of the executions, in ns, and the time of all of their work at the current speed.
    ends_ns: [f64; MOST],
    exec_ns: [f64; MOST],
    /// The servers that execute, as bits, and the number of the set of their batches.
    mask: u32,
    number: u64,
    states: States<'a>,
    /// The pool to which the table of states is returned, if the servers stay.
    shared: Arc<SharedStates<'a>>,
    /// The load of the GPU in the current state, and the time since which it holds.
    draw: [f64; DRAW],
    since: Nanoseconds,
    sink: S,
    last_done: Nanoseconds,
    events: u64,
    /// The changes of plans, where plans follow each other.
    follower: Option<Box<Follower<'a>>>,
}

type LeanResult<T = ()> = Result<T, Box<BadNumber>>;

impl<'a, S: RecordSink> LeanEngine<'a, S> {
    /// Returns whether this engine can simulate a GPU.
    pub(crate) fn takes(setting: &GpuSetting, run: &GpuRun<'_>) -> bool {
        let simple = |(server, present): (&ServerRun, bool)| {
            server.rules.is_greedy()
                && server.slots.len() == 1
                && (server.startup == Nanoseconds::ZERO || !present)
                && matches!(server.arrivals, ServerArrivals::Open(_))
                && !server.host.varies()
        };
        let in_time = |time: Nanoseconds| time == EventKey::bounded(time);
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

    /// Creates the engine at time 0, before the first arrival. [`LeanEngine::takes`] checks whether it supports a GPU.
    pub(crate) fn new(setting: GpuSetting, run: GpuRun<'a>, sink: S) -> LeanResult<Self> {
        let GpuRun { servers, mut speeds, states: shared, timeline, .. } = run;
        let mut all: Vec<LeanServer> =
            servers.into_iter().map(|run| LeanServer::new(run, setting.gpu)).collect();
        let mut follower = None;
        if let Some(timeline) = timeline {
            let follow = Follower::new(timeline, &mut all, speeds);
            speeds = follow.speeds(&all);
            follower = Some(Box::new(follow));
        }
        let count = all.len();
        let mut all = all.into_iter();
        let servers = std::array::from_fn(|_| all.next().unwrap_or_else(LeanServer::absent));
        let mut states = match &follower {
            None => shared.take(speeds),
            Some(_) => States::new(speeds),
        };
        let idle = states.look_up(0, &vec![0; count])?;
        let draw = draw_of(states.few(idle));
        let stop =
            follower.as_ref().map_or(EventKey::new(EventKey::LATE, 0), |follower| follower.stop());
        let mut engine = Self {
            setting,
            servers,
            count,
            next: [EventKey::NEVER; MOST],
            stop,
            ends_ns: [0.0; MOST],
            exec_ns: [0.0; MOST],
            mask: 0,
            number: 0,
            states,
            shared,
            draw,
            since: Nanoseconds::ZERO,
            sink,
            last_done: Nanoseconds::ZERO,
            events: 0,
            follower,
        };
        for i in 0..count {
            engine.servers[i].put(i, &engine.states);
            engine.servers[i].refill(1);
            if let Some(loaded) = engine.take_next(i)? {
                engine.next[i] = EventKey::new(loaded, i);
            }
        }
        Ok(engine)
    }

    /// Runs to the end: all requests that arrive before the end of the run are completed. Returns `None` if there are
    /// at some time more servers than this engine supports.
    pub(crate) fn finish(mut self) -> LeanResult<Option<GpuOutcome<S>>> {
        loop {
            let first = self.first();
            if !first.is_before(self.stop) {
                match self.go_on()? {
                    Onward::Go => continue,
                    Onward::End => return self.outcome(first).map(Some),
                    Onward::Crowded => return Ok(None),
                }
            }
            let (now, i) = (first.time(), first.server());
            self.events += 1;
            match self.servers[i].next {
                NextEvent::Start => {}
                NextEvent::End => {
                    self.end(i, now)?;
                    continue;
                }
                NextEvent::Done => {
                    if !self.complete(i, now)? {
                        continue;
                    }
                }
            }
            self.start(i, now)?;
        }
    }

    /// Returns the next event of all servers.
    #[inline(always)]
    fn first(&self) -> EventKey {
        let few = Self::first_of(&self.next[..4]);
        if self.count > 4 { few.first(self.first_of_more()) } else { few }
    }

    /// Returns the next event of the servers after the fourth.
    #[inline(never)]
    fn first_of_more(&self) -> EventKey {
        let more = Self::first_of(&self.next[4..8]);
        if self.count > 8 { more.first(Self::first_of(&self.next[8..])) } else { more }
    }

    /// Compares one key after another: a load of two keys at once would have to wait until the last one is in the
    /// cache.
    #[inline(always)]
    fn first_of(keys: &[EventKey]) -> EventKey {
        keys.iter().copied().fold(keys[0], EventKey::first)
    }

    /// Returns the outcome of the run, or an error if the event `first` of a server is left.
    #[cold]
    #[inline(never)]
    fn outcome(mut self, first: EventKey) -> LeanResult<GpuOutcome<S>> {
        if first.is_before(EventKey::NEVER) {
            return Err(self.takes_years(first.server()));
        }
        let end = self.setting.duration.max(self.last_done);
        let on = self.follower.as_ref().is_none_or(|follower| follower.is_on());
        self.close_if(on, end);
        let servers = self.servers[..self.count].iter().map(LeanServer::outcome).collect();
        let (servers, rented) = match self.follower {
            Some(follower) => follower.finish(end, servers),
            None => {
                self.shared.put(self.states);
                (servers, vec![(Nanoseconds::ZERO, end)])
            }
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

    /// Returns the error for a server that is not done before [`EventKey::LATE`], although its requests arrived long
    /// before.
    fn takes_years(&self, i: usize) -> Box<BadNumber> {
        let server = &self.servers[i];
        Box::new(BadNumber {
            server: Some(i),
            batch: server.front.rows.max(server.rows) as usize,
            what: "ms until all requests are done",
            value: EventKey::LATE.as_ms(),
        })
    }

    /// Lets the instance of a server take the waiting requests. If there are none, it will take the next request when
    /// that arrives.
    #[inline(always)]
    fn look(&mut self, i: usize, now: Nanoseconds) -> LeanResult {
        match self.servers[i].waiting(now) {
            0 => {
                self.servers[i].front.rows = 0;
                Ok(())
            }
            rows => self.load(i, rows, now),
        }
    }

    /// Returns when the batch in front of an instance is loaded. Without such a batch, the instance took the next
    /// request when it arrived, or will take it. Returns `None` if there are no more requests.
    #[inline(always)]
    fn take_next(&mut self, i: usize) -> LeanResult<Option<Nanoseconds>> {
        if self.servers[i].front.rows == 0 {
            match self.servers[i].arrivals.next(0) {
                Some(arrival) => self.load(i, 1, arrival)?,
                None => return Ok(None),
            }
        }
        Ok(Some(self.servers[i].front.load_end))
    }

    /// Returns the load and feedback times of a batch.
    #[inline(always)]
    fn transfers(&mut self, i: usize, rows: usize) -> LeanResult<(Nanoseconds, Nanoseconds)> {
        let server = &mut self.servers[i];
        if let Some(known) = server.transfers[rows] {
            return Ok(known);
        }
        let (load, feedback) = self.states.transfers(i, rows)?;
        Ok(*server.transfers[rows].insert((EventKey::bounded(load), EventKey::bounded(feedback))))
    }

    /// Lets the instance take the next `rows` requests and start to load them.
    #[inline(always)]
    fn load(&mut self, i: usize, rows: usize, now: Nanoseconds) -> LeanResult {
        let (load, feedback) = self.transfers(i, rows)?;
        let server = &mut self.servers[i];
        server.arrivals.take(rows);
        let rows = u32::try_from(rows).expect("a batch has fewer than 2^32 requests");
        server.front = LoadedBatch { rows, load_start: now, load_end: now + load, feedback };
        server.front_work = server.work.next();
        Ok(())
    }

    /// Starts the loaded batch of an instance that is not busy.
    #[inline(always)]
    fn start(&mut self, i: usize, now: Nanoseconds) -> LeanResult {
        self.close_interval(now);
        let server = &mut self.servers[i];
        server.next = NextEvent::End;
        let LoadedBatch { rows, load_start, load_end, feedback } = server.front;
        (server.rows, server.feedback) = (rows, feedback);
        let exec_start = now;
        server.record = BatchRecord { load_start, load_end, exec_start, ..server.record };
        let (others, work) = (self.mask, server.front_work);
        self.mask ^= server.bit;
        self.number += server.stride * u64::from(server.rows);
        let exec_ns = self.executions_changed(others, now)?[DRAW + i];
        let end_ns = now.as_f64() + work * exec_ns;
        self.exec_ns[i] = exec_ns;
        self.ends_ns[i] = end_ns;
        self.next[i] = EventKey::of_end(end_ns, now, i);
        match self.setting.overlap {
            LoadOverlap::Overlapped => self.look(i, now),
            LoadOverlap::Serial => Ok(()),
        }
    }

    /// Ends the execution of a batch.
    #[inline(always)]
    fn end(&mut self, i: usize, now: Nanoseconds) -> LeanResult {
        self.close_interval(now);
        let server = &mut self.servers[i];
        server.next = NextEvent::Done;
        server.record.exec_end = now;
        self.next[i] = EventKey::new(now + server.feedback, i);
        self.mask ^= server.bit;
        self.number -= server.stride * u64::from(server.rows);
        self.executions_changed(self.mask, now)?;
        Ok(())
    }

    /// Completes a batch whose results are on the host. Returns whether the next batch begins to execute at once.
    #[inline(always)]
    fn complete(&mut self, i: usize, now: Nanoseconds) -> LeanResult<bool> {
        let server = &mut self.servers[i];
        server.record.done = now.saturating_add(server.request_overhead);
        self.sink.batch(&server.record, server.arrivals.batch(server.completed, server.rows));
        server.completed += u64::from(server.rows);
        server.record.batch += 1;
        self.last_done = now;
        if self.setting.overlap == LoadOverlap::Serial {
            // Nothing was loaded while the batch executed.
            self.look(i, now)?;
        }
        let loaded = self.take_next(i)?;
        if loaded.is_some_and(|loaded| loaded <= now) {
            return Ok(true);
        }
        self.servers[i].next = NextEvent::Start;
        self.next[i] = loaded.map_or_else(|| self.never(i, now), |loaded| EventKey::new(loaded, i));
        Ok(false)
    }

    /// Applies the speeds of the new set of executing batches to the batches of `others`, which executed before. Work
    /// done so far is kept. Returns the row of the state.
    #[inline(always)]
    fn executions_changed(&mut self, others: u32, now: Nanoseconds) -> LeanResult<&FewSlots> {
        let begin = match self.states.known(self.number) {
            Some(begin) => begin,
            None => self.look_up()?,
        };
        let row = self.states.few(begin);
        self.draw = draw_of(row);
        let now_ns = now.as_f64();
        let (mut rest, mut sum_ns) = (others, 0.0);
        while rest != 0 {
            let i = rest.trailing_zeros() as usize % MOST;
            rest &= rest - 1;
            let (before_ns, exec_ns) = (self.exec_ns[i], row[DRAW + i]);
            // If the speed is unchanged, so is the end. Any change counts, however small.
            #[expect(clippy::float_cmp, reason = "both are times above 0, from one table")]
            if exec_ns != before_ns {
                let end_ns = rescaled(self.ends_ns[i], now_ns, before_ns, exec_ns);
                self.exec_ns[i] = exec_ns;
                self.ends_ns[i] = end_ns;
                self.next[i] = EventKey::of_near_end(end_ns, i);
                sum_ns += end_ns;
            }
        }
        // One check covers all: if the sum is below the limit, so is each end, and none of them is NaN.
        if sum_ns < INTEGERS {
            return Ok(row);
        }
        Self::distant_ends(&self.ends_ns, &mut self.next, others, now);
        Ok(row)
    }

    /// Sets the ends of executions when one of them may end after 52 days.
    #[cold]
    #[inline(never)]
    fn distant_ends(ends_ns: &[f64; MOST], next: &mut [EventKey; MOST], of: u32, now: Nanoseconds) {
        for i in (0..MOST).filter(|i| of & (1 << i) != 0) {
            next[i] = EventKey::of_end(ends_ns[i], now, i);
        }
    }

    /// Returns the start of the row of the current state.
    #[cold]
    #[inline(never)]
    fn look_up(&mut self) -> LeanResult<usize> {
        let mut sizes = [0; MOST];
        let mut rest = self.mask;
        while rest != 0 {
            let i = rest.trailing_zeros() as usize % MOST;
            rest &= rest - 1;
            sizes[i] = self.servers[i].rows;
        }
        self.states.look_up(self.number, &sizes[..self.count])
    }

    /// Reports the state that held until `now`.
    #[inline(always)]
    fn close_interval(&mut self, now: Nanoseconds) {
        if now > self.since {
            let [busy_sm_pct, power_w, clock_mhz] = self.draw;
            self.sink.gpu_interval(&GpuInterval {
                gpu: self.setting.gpu,
                start: self.since,
                end: now,
                running: self.mask.count_ones(),
                busy_sm_pct,
                power_w,
                clock_mhz,
            });
            self.since = now;
        }
    }
}

/// Returns the load of the GPU in a state.
#[inline(always)]
fn draw_of(row: &FewSlots) -> [f64; DRAW] {
    *row.first_chunk().expect("it begins the row")
}
