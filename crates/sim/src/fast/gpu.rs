//! The event loop of one GPU.

use super::agenda::{Agenda, Moment, What};
use super::executions::Executions;
use super::lane::{Front, InstanceSlot, LaneBatch, ServerLane};
use super::states::{Present, SharedStates, States};
use crate::draw::Race;
use crate::prepare::{GpuRun, GpuSetting};
use crate::speed::BadNumber;
use crate::{Batch, GpuOutcome, LoadOverlap};
use igniter_model::domain::{BatchRecord, GpuInterval, RecordSink};
use igniter_model::units::Nanoseconds;
use std::sync::Arc;

/// One GPU with its servers, at one moment of a run.
#[derive(Debug)]
pub(crate) struct GpuEngine<'a, S> {
    setting: GpuSetting,
    lanes: Vec<ServerLane>,
    /// The instances of all lanes.
    slots: Vec<InstanceSlot>,
    states: States<'a>,
    /// The pool from which `states` was taken.
    shared: Arc<SharedStates<'a>>,
    present: Present,
    sink: S,
    agenda: Agenda,
    events: u64,
    executions: Executions,
    /// The end of the first of these executions.
    first_end: Moment,
    /// The current state, and the time since which it holds.
    interval: GpuInterval,
    last_done: Nanoseconds,
    /// Scratch space for batches on their way from batcher to instance.
    formed: Vec<Batch>,
}

/// The consequence of a step: an instance whose batch begins to execute at once.
type GpuStepResult = Result<Option<usize>, Box<BadNumber>>;

impl<'a, S: RecordSink> GpuEngine<'a, S> {
    /// Creates a GPU at time 0, before the first arrival.
    pub(crate) fn new(
        setting: GpuSetting,
        run: GpuRun<'a>,
        sink: S,
    ) -> Result<Self, Box<BadNumber>> {
        let lanes: Vec<ServerLane> = run.servers.into_iter().map(ServerLane::new).collect();
        let slots = (0..).zip(&lanes).flat_map(|(lane, l)| {
            let ready = l.startup == Nanoseconds::ZERO;
            l.slots.clone().map(move |_| InstanceSlot::new(lane, ready))
        });
        let slots: Vec<InstanceSlot> = slots.collect();
        let mut states = run.states.take(run.speeds);
        let present = Present::new(slots.len());
        let idle = states.find(&present)?;
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
            lanes,
            slots,
            states,
            shared: run.states,
            present,
            sink,
            agenda: Agenda::new(),
            events: 0,
            executions: Executions::default(),
            first_end: Moment::NEVER,
            interval,
            last_done: Nanoseconds::ZERO,
            formed: Vec::new(),
        };
        for lane in 0..engine.lanes.len() {
            let startup = engine.lanes[lane].startup;
            if startup > Nanoseconds::ZERO {
                let at = Moment::new(startup, engine.agenda.rank(index(lane)));
                engine.agenda.insert(at, What::Started(index(lane)));
            }
            engine.await_first_arrival(lane);
        }
        Ok(engine)
    }

    /// Runs to the end: all requests that arrive before the end of the run are completed.
    pub(crate) fn finish(mut self) -> Result<GpuOutcome<S>, Box<BadNumber>> {
        loop {
            if let Some((at, what)) = self.agenda.pop_before(self.first_end) {
                let starting = match what {
                    What::Loaded(slot) => Some(slot as usize),
                    What::Done(slot) => self.complete(slot as usize, at)?,
                    What::Arrival(lane) => self.arrive(lane as usize, at.time())?,
                    What::Timer(lane) => self.timer(lane as usize, at.time())?,
                    What::Started(lane) => self.started(lane as usize, at.time())?,
                };
                // The only place where a batch begins to execute, so that the code is inlined into this loop.
                if let Some(slot) = starting {
                    self.start(slot, at.time())?;
                }
            } else if self.first_end == Moment::NEVER {
                break;
            } else {
                self.end_execution()?;
            }
            self.events += 1;
        }
        let end = self.setting.duration.max(self.last_done);
        self.close_interval(end);
        let servers = self.lanes.iter().map(ServerLane::outcome).collect();
        self.shared.put(self.states);
        let gpu = self.setting.gpu;
        Ok(GpuOutcome {
            gpu,
            sink: self.sink,
            servers,
            events: self.events,
            end,
            rented: vec![(Nanoseconds::ZERO, end)],
            actions: Vec::new(),
            windows: Vec::new(),
        })
    }

    /// Puts the first arrival at a lane on the agenda, if the lane waits for it.
    fn await_first_arrival(&mut self, lane: usize) {
        let ServerLane { ruled, ready, .. } = &self.lanes[lane];
        if *ready > 0 || ruled.is_some() {
            self.await_arrival(lane);
        }
    }

    /// Ensures that the stream of a lane has `count` arrivals that are in no batch, as far as there are any.
    #[inline]
    fn need(&mut self, lane: usize, count: usize) {
        if self.lanes[lane].arrivals.lacks(count) {
            self.refill(lane, count);
        }
    }

    #[cold]
    fn refill(&mut self, lane: usize, count: usize) {
        let keep = self.oldest(lane);
        self.lanes[lane].arrivals.refill(count, keep);
    }

    /// Returns the number of the oldest request of a lane that is in an instance, or else of the next request.
    fn oldest(&self, lane: usize) -> u64 {
        let ServerLane { arrivals, slots, .. } = &self.lanes[lane];
        let inside = self.slots[slots.clone()].iter().filter_map(InstanceSlot::oldest);
        inside.min().unwrap_or(arrivals.taken())
    }

    /// Puts the next arrival at a lane on the agenda: for a greedy lane, the first request that is in no batch; for a
    /// ruled lane, the first request that its batcher does not know of.
    #[inline(never)]
    fn await_arrival(&mut self, lane: usize) {
        let ServerLane { ruled, waits_for_request, .. } = &mut self.lanes[lane];
        let ahead = match ruled {
            None => {
                *waits_for_request = true;
                0
            }
            Some(ruled) => match &ruled.clients {
                None => ruled.told,
                Some(clients) => {
                    if let Some(time) = clients.next() {
                        self.agenda.insert_arrival(time, index(lane));
                    }
                    return;
                }
            },
        };
        self.need(lane, ahead + 1);
        if let Some(time) = self.lanes[lane].arrivals.next(ahead) {
            self.agenda.insert_arrival(time, index(lane));
        }
    }

    #[inline(never)]
    fn arrive(&mut self, lane: usize, now: Nanoseconds) -> GpuStepResult {
        if self.lanes[lane].ruled.as_ref().is_some_and(|ruled| ruled.clients.is_some()) {
            self.send(lane, now);
        }
        if let Some(ruled) = &mut self.lanes[lane].ruled {
            ruled.told += 1;
            ruled.batcher.arrive(now, &mut self.formed);
            self.await_arrival(lane);
            return self.load_formed(lane, now);
        }
        self.load(lane, 1, now)?;
        if self.lanes[lane].ready > 0 {
            self.await_arrival(lane);
        } else {
            self.lanes[lane].waits_for_request = false;
        }
        Ok(None)
    }

    /// Sends the request of a client of a lane.
    fn send(&mut self, lane: usize, now: Nanoseconds) {
        if self.lanes[lane].arrivals.is_full() {
            let keep = self.oldest(lane);
            self.lanes[lane].arrivals.forget(keep);
        }
        let ruled = self.lanes[lane].ruled.as_mut();
        let sent = ruled.and_then(|ruled| ruled.clients.as_mut()?.send());
        debug_assert_eq!(sent, Some(now), "the first of those that are to come is on the agenda");
        self.lanes[lane].arrivals.push(now);
    }

    /// Passes answers to clients of a lane.
    #[inline(never)]
    fn answered(&mut self, lane: usize, rows: u32, at: Nanoseconds) {
        let ruled = self.lanes[lane].ruled.as_mut();
        let Some(clients) = ruled.and_then(|ruled| ruled.clients.as_mut()) else { return };
        let before = clients.next();
        (0..rows).for_each(|_| {
            clients.answered(at);
        });
        let next = clients.next();
        if let Some(time) = next.filter(|_| next != before) {
            self.agenda.bring_forward(time, index(lane));
        }
    }

    #[inline(never)]
    fn timer(&mut self, lane: usize, now: Nanoseconds) -> GpuStepResult {
        let Some(ruled) = &mut self.lanes[lane].ruled else { return Ok(None) };
        if ruled.timer != Some(now) {
            return Ok(None);
        }
        ruled.timer = None;
        ruled.batcher.timer(now, &mut self.formed);
        self.load_formed(lane, now)
    }

    #[inline(never)]
    fn started(&mut self, lane: usize, now: Nanoseconds) -> GpuStepResult {
        for slot in self.lanes[lane].slots.clone() {
            self.instance_ready(slot, now)?;
        }
        Ok(None)
    }

    /// Makes an instance ready for its next batch.
    #[inline(always)]
    fn instance_ready(&mut self, slot: usize, now: Nanoseconds) -> GpuStepResult {
        let place = &mut self.slots[slot];
        place.ready = true;
        let index = place.lane as usize;
        let lane = &mut self.lanes[index];
        lane.ready += 1;
        if lane.ruled.is_some() {
            return self.instance_ready_by_rules(index, now);
        }
        if lane.waits_for_request {
            return Ok(None);
        }
        if lane.arrivals.lacks(lane.max) {
            self.refill(index, self.lanes[index].max);
        }
        let lane = &mut self.lanes[index];
        match lane.arrivals.waiting(now, lane.max) {
            0 => {
                self.await_arrival(index);
                Ok(None)
            }
            rows => self.load(index, rows, now),
        }
    }

    #[inline(never)]
    fn instance_ready_by_rules(&mut self, lane: usize, now: Nanoseconds) -> GpuStepResult {
        let ServerLane { ruled, race, .. } = &mut self.lanes[lane];
        if let Some(ruled) = ruled {
            if race.as_mut().is_some_and(Race::batcher_first) {
                ruled.batcher.instance_ready_late(now, &mut self.formed);
            } else {
                ruled.batcher.instance_ready(now, &mut self.formed);
            }
        }
        self.load_formed(lane, now)
    }

    /// Follows up on a call of a batcher: instances load the batches that it has formed, and its timer is set.
    fn load_formed(&mut self, lane: usize, now: Nanoseconds) -> GpuStepResult {
        let mut formed = std::mem::take(&mut self.formed);
        for batch in formed.drain(..) {
            let rows = batch.len();
            if let Some(ruled) = &mut self.lanes[lane].ruled {
                ruled.told -= rows;
                ruled.batcher.recycle(batch);
            }
            self.load(lane, rows, now)?;
        }
        self.formed = formed;
        if let Some(ruled) = &mut self.lanes[lane].ruled {
            let due = ruled.batcher.next_timer();
            if due != ruled.timer {
                ruled.timer = due;
                if let Some(due) = due {
                    let at = Moment::new(due, self.agenda.rank(index(lane)));
                    self.agenda.insert(at, What::Timer(index(lane)));
                }
            }
        }
        Ok(None)
    }

    /// Gives the next `rows` requests to a ready instance, which starts to load them: the first instance that has
    /// nothing else to do, or else the first that executes.
    #[inline(always)]
    fn load(&mut self, index_of_lane: usize, rows: usize, now: Nanoseconds) -> GpuStepResult {
        let lane = &mut self.lanes[index_of_lane];
        let (load, feedback) = match lane.transfers[rows] {
            Some(known) => known,
            None => *lane.transfers[rows].insert(self.states.transfers(index_of_lane, rows)?),
        };
        let work = lane.work.next();
        let position = if lane.slots.len() == 1 {
            lane.slots.start
        } else {
            let ready = lane.slots.clone().filter(|&slot| self.slots[slot].ready);
            let position = ready.min_by_key(|&slot| self.slots[slot].busy);
            position.expect("a batch is formed only when an instance is ready")
        };
        let load_end = now.saturating_add(load);
        let slot = &mut self.slots[position];
        debug_assert!(slot.front == Front::Free, "an instance loads one batch at a time");
        slot.ready = false;
        slot.next = LaneBatch {
            first: lane.arrivals.take(rows),
            number: lane.batches,
            load_start: now,
            load_end,
            exec_start: load_end,
            exec_end: load_end,
            feedback,
            rows: index(rows),
        };
        slot.work = work;
        slot.load_rank = self.agenda.rank(slot.lane);
        lane.batches += 1;
        lane.ready -= 1;
        if slot.busy {
            slot.front = Front::Behind;
        } else {
            slot.front = Front::Loading;
            let at = Moment::new(load_end, slot.load_rank);
            self.agenda.insert(at, What::Loaded(index(position)));
        }
        Ok(None)
    }

    /// Starts the loaded batch of an instance that is not busy.
    #[inline(always)]
    fn start(&mut self, position: usize, now: Nanoseconds) -> GpuStepResult {
        let slot = &mut self.slots[position];
        slot.front = Front::Free;
        slot.busy = true;
        slot.back = slot.next;
        slot.back.exec_start = now;
        self.present.start(position, slot.back.rows, &self.states);
        self.executions.start(position, slot.work);
        self.executions_changed(now)?;
        match self.setting.overlap {
            LoadOverlap::Overlapped => self.instance_ready(position, now),
            LoadOverlap::Serial => Ok(None),
        }
    }

    /// Ends the execution that ends first.
    fn end_execution(&mut self) -> GpuStepResult {
        let now = self.first_end.time();
        let position = self.executions.end_first();
        self.present.end(position, &self.states);
        self.executions_changed(now)?;
        let slot = &mut self.slots[position];
        slot.back.exec_end = now;
        let rank = self.agenda.rank(slot.lane);
        let done = Moment::new(now.saturating_add(slot.back.feedback), rank);
        self.agenda.insert(done, What::Done(index(position)));
        Ok(None)
    }

    /// Completes a batch whose results are on the host.
    fn complete(&mut self, position: usize, at: Moment) -> GpuStepResult {
        let done = at.time();
        let slot = &mut self.slots[position];
        let lane = &mut self.lanes[slot.lane as usize];
        let flight = &slot.back;
        let record = BatchRecord {
            workload: lane.workload,
            gpu: self.setting.gpu,
            batch: flight.number,
            load_start: flight.load_start,
            load_end: flight.load_end,
            exec_start: flight.exec_start,
            exec_end: flight.exec_end,
            done: done.saturating_add(lane.request_overhead),
        };
        self.sink.batch(&record, lane.arrivals.batch(flight.first, flight.rows));
        lane.completed += u64::from(flight.rows);
        self.last_done = done;
        slot.busy = false;
        let (of, rows) = (slot.lane as usize, flight.rows);
        if lane.ruled.is_some() {
            self.answered(of, rows, record.done);
        }
        let slot = &mut self.slots[position];
        if slot.front == Front::Behind {
            let loaded = Moment::new(slot.next.load_end, slot.load_rank);
            if loaded < at {
                return Ok(Some(position));
            }
            slot.front = Front::Loading;
            self.agenda.insert(loaded, What::Loaded(index(position)));
        }
        match self.setting.overlap {
            LoadOverlap::Overlapped => Ok(None),
            // Nothing was loaded while the batch executed.
            LoadOverlap::Serial => self.instance_ready(position, done),
        }
    }

    /// Applies the speeds of the new set of executing batches. Not inlined, for the sake of its registers.
    #[inline(never)]
    fn executions_changed(&mut self, now: Nanoseconds) -> Result<(), Box<BadNumber>> {
        self.close_interval(now);
        let state = self.states.find(&self.present)?;
        self.interval.busy_sm_pct = state.busy_sm_pct;
        self.interval.power_w = state.power_w;
        self.interval.clock_mhz = state.clock_mhz;
        self.interval.running = index(self.executions.len());
        let first = self.executions.rescale(now, state.exec_ns);
        self.first_end = first.map_or(Moment::NEVER, |(end, slot)| {
            Moment::new(end, self.agenda.rank(self.slots[slot].lane))
        });
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

/// Converts a small number to the width in which it is stored.
#[inline(always)]
fn index(number: usize) -> u32 {
    u32::try_from(number).expect("fewer than 2^32 servers, instances and requests of a batch")
}
