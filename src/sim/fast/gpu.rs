//! The event loop of one GPU.

use super::agenda::{Agenda, Moment, NEVER, What};
use super::lane::{Batching, Execution, Flight, Front, Lane, Ruled, Slot};
use super::states::States;
use crate::domain::{BatchRecord, GpuInterval, RecordSink};
use crate::sim::draw::Race;
use crate::sim::prepare::{GpuRun, GpuSetting};
use crate::sim::speed::BadPrediction;
use crate::sim::{Batch, GpuOutcome, LoadOverlap};
use crate::units::Nanoseconds;

/// One GPU with its servers, at some moment of a run.
#[derive(Debug)]
pub(in crate::sim) struct GpuEngine<'a, S> {
    setting: GpuSetting,
    lanes: Vec<Lane>,
    /// The instances of all lanes.
    slots: Vec<Slot>,
    states: States<'a>,
    sink: S,
    agenda: Agenda,
    events: u64,
    /// The batches that execute, in order of their start.
    executions: Vec<Execution>,
    /// Which of them ends first, and when.
    first: usize,
    first_end: Moment,
    /// The present state in `states`, and since when it holds.
    state: usize,
    state_since: Nanoseconds,
    last_done: Nanoseconds,
    /// Scratch space for batches on their way from batcher to instance.
    formed: Vec<Batch>,
}

/// The error is boxed so that the result of a step fits into a register.
type Step = Result<(), Box<BadPrediction>>;

impl<'a, S: RecordSink> GpuEngine<'a, S> {
    /// A GPU at time 0, before the first arrival.
    pub(in crate::sim) fn new(
        setting: GpuSetting,
        run: GpuRun<'a>,
        sink: S,
    ) -> Result<Self, Box<BadPrediction>> {
        let lanes: Vec<Lane> = run.servers.into_iter().map(Lane::new).collect();
        let slots = (0..).zip(&lanes).flat_map(|(lane, l)| {
            let ready = l.startup == Nanoseconds::ZERO;
            l.slots.clone().map(move |_| Slot::new(lane, ready))
        });
        let slots = slots.collect();
        let mut states = States::new(run.speeds);
        let state = states.find()?;
        let mut engine = Self {
            setting,
            lanes,
            slots,
            states,
            sink,
            agenda: Agenda::new(),
            events: 0,
            executions: Vec::new(),
            first: 0,
            first_end: NEVER,
            state,
            state_since: Nanoseconds::ZERO,
            last_done: Nanoseconds::ZERO,
            formed: Vec::new(),
        };
        for lane in 0..engine.lanes.len() {
            let startup = engine.lanes[lane].startup;
            if startup > Nanoseconds::ZERO {
                let at = (startup, engine.agenda.rank());
                engine.agenda.insert(at, What::Started(index(lane)));
            }
            engine.await_first_arrival(lane);
        }
        Ok(engine)
    }

    /// Runs to the end: all requests that arrive before the end of the run are completed.
    pub(in crate::sim) fn finish(mut self) -> Result<GpuOutcome<S>, Box<BadPrediction>> {
        loop {
            if let Some((at, what)) = self.agenda.pop_before(self.first_end) {
                match what {
                    What::Arrival(lane) => self.arrive(lane as usize, at.0)?,
                    What::Timer(lane) => self.timer(lane as usize, at.0)?,
                    What::Loaded(slot) => self.start(slot as usize, at.0)?,
                    What::Done(slot) => self.complete(slot as usize, at)?,
                    What::Started(lane) => {
                        for slot in self.lanes[lane as usize].slots.clone() {
                            self.instance_ready(slot, at.0)?;
                        }
                    }
                }
            } else if self.executions.is_empty() {
                break;
            } else {
                self.end_execution()?;
            }
            self.events += 1;
        }
        let end = self.setting.duration.max(self.last_done);
        self.close_interval(end);
        let servers = self.lanes.iter().map(Lane::outcome).collect();
        let gpu = self.setting.gpu;
        let (actions, windows) = (Vec::new(), Vec::new());
        Ok(GpuOutcome { gpu, sink: self.sink, servers, events: self.events, end, actions, windows })
    }

    /// Puts the first arrival at a lane on the agenda, if anybody waits for it.
    fn await_first_arrival(&mut self, lane: usize) {
        let Lane { batching, ready, .. } = &self.lanes[lane];
        if *ready > 0 || matches!(batching, Batching::Ruled(_)) {
            self.await_arrival(lane);
        }
    }

    /// Makes sure that the stream of a lane has `count` arrivals that are in no batch, if there are.
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

    /// The number of the oldest request of a lane that is in an instance, or else of the next one.
    fn oldest(&self, lane: usize) -> u64 {
        let Lane { arrivals, slots, .. } = &self.lanes[lane];
        let inside = self.slots[slots.clone()].iter().filter_map(Slot::oldest);
        inside.min().unwrap_or(arrivals.taken())
    }

    /// Puts the next arrival at a lane on the agenda: of a greedy lane, the first that is in no batch; of a
    /// ruled one, the first that its batcher does not know of.
    fn await_arrival(&mut self, lane: usize) {
        let ahead = match &mut self.lanes[lane].batching {
            Batching::Greedy { hungry, .. } => {
                *hungry = true;
                0
            }
            Batching::Ruled(ruled) => match &ruled.clients {
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

    fn arrive(&mut self, lane: usize, now: Nanoseconds) -> Step {
        if matches!(&self.lanes[lane].batching, Batching::Ruled(ruled) if ruled.clients.is_some()) {
            self.send(lane, now);
        }
        if let Batching::Ruled(ruled) = &mut self.lanes[lane].batching {
            ruled.told += 1;
            ruled.batcher.arrive(now, &mut self.formed);
            self.await_arrival(lane);
            return self.load_formed(lane, now);
        }
        self.load(lane, 1, now)?;
        if self.lanes[lane].ready > 0 {
            self.await_arrival(lane);
        } else if let Batching::Greedy { hungry, .. } = &mut self.lanes[lane].batching {
            *hungry = false;
        }
        Ok(())
    }

    /// A client of a lane sends its request.
    fn send(&mut self, lane: usize, now: Nanoseconds) {
        if self.lanes[lane].arrivals.is_full() {
            let keep = self.oldest(lane);
            self.lanes[lane].arrivals.forget(keep);
        }
        let sent = self.ruled(lane).and_then(|ruled| ruled.clients.as_mut()?.send());
        debug_assert_eq!(sent, Some(now), "the first of those that are to come is on the agenda");
        self.lanes[lane].arrivals.push(now);
    }

    /// Clients of a lane have their answers.
    fn answered(&mut self, lane: usize, rows: u32, at: Nanoseconds) {
        let Some(clients) = self.ruled(lane).and_then(|ruled| ruled.clients.as_mut()) else {
            return;
        };
        let before = clients.next();
        (0..rows).for_each(|_| {
            clients.answered(at);
        });
        let next = clients.next();
        if let Some(time) = next.filter(|_| next != before) {
            self.agenda.bring_forward(time, index(lane));
        }
    }

    fn timer(&mut self, lane: usize, now: Nanoseconds) -> Step {
        let Batching::Ruled(ruled) = &mut self.lanes[lane].batching else { return Ok(()) };
        if ruled.timer != Some(now) {
            return Ok(());
        }
        ruled.timer = None;
        ruled.batcher.timer(now, &mut self.formed);
        self.load_formed(lane, now)
    }

    /// An instance becomes ready for its next batch.
    fn instance_ready(&mut self, slot: usize, now: Nanoseconds) -> Step {
        self.slots[slot].ready = true;
        let lane = self.slots[slot].lane as usize;
        self.lanes[lane].ready += 1;
        let Lane { batching, race, .. } = &mut self.lanes[lane];
        match batching {
            Batching::Greedy { hungry: true, .. } => Ok(()),
            &mut Batching::Greedy { max, hungry: false } => {
                self.need(lane, max);
                match self.lanes[lane].arrivals.waiting(now, max) {
                    0 => {
                        self.await_arrival(lane);
                        Ok(())
                    }
                    rows => self.load(lane, rows, now),
                }
            }
            Batching::Ruled(ruled) => {
                if race.as_mut().is_some_and(Race::batcher_first) {
                    ruled.batcher.instance_ready_late(now, &mut self.formed);
                } else {
                    ruled.batcher.instance_ready(now, &mut self.formed);
                }
                self.load_formed(lane, now)
            }
        }
    }

    /// Follows up on a call of a batcher: instances load what it has formed, and it gets its timer.
    fn load_formed(&mut self, lane: usize, now: Nanoseconds) -> Step {
        let mut formed = std::mem::take(&mut self.formed);
        for batch in formed.drain(..) {
            let rows = batch.len();
            if let Some(ruled) = self.ruled(lane) {
                ruled.told -= rows;
                ruled.batcher.recycle(batch);
            }
            self.load(lane, rows, now)?;
        }
        self.formed = formed;
        if let Some(ruled) = self.ruled(lane) {
            let due = ruled.batcher.next_timer();
            if due != ruled.timer {
                ruled.timer = due;
                if let Some(due) = due {
                    let at = (due, self.agenda.rank());
                    self.agenda.insert(at, What::Timer(index(lane)));
                }
            }
        }
        Ok(())
    }

    fn ruled(&mut self, lane: usize) -> Option<&mut Ruled> {
        match &mut self.lanes[lane].batching {
            Batching::Ruled(ruled) => Some(ruled),
            Batching::Greedy { .. } => None,
        }
    }

    /// Gives the next `rows` requests to a ready instance, which starts to load them: the first that has
    /// nothing else to do, or else the first that executes.
    fn load(&mut self, index_of_lane: usize, rows: usize, now: Nanoseconds) -> Step {
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
        let load_rank = self.agenda.rank();
        slot.flights[1 - slot.back] = Flight {
            first: lane.arrivals.take(rows),
            rows: index(rows),
            number: lane.batches,
            work,
            load_start: now,
            load_end,
            load_rank,
            feedback,
            exec_start: load_end,
            exec_end: load_end,
        };
        lane.batches += 1;
        lane.ready -= 1;
        if slot.busy {
            slot.front = Front::Behind;
        } else {
            slot.front = Front::Loading;
            self.agenda.insert((load_end, load_rank), What::Loaded(index(position)));
        }
        Ok(())
    }

    /// Starts the loaded batch of an instance that is not busy.
    #[inline(never)]
    fn start(&mut self, position: usize, now: Nanoseconds) -> Step {
        let slot = &mut self.slots[position];
        slot.front = Front::Free;
        slot.busy = true;
        slot.back = 1 - slot.back;
        let flight = &mut slot.flights[slot.back];
        flight.exec_start = now;
        self.states.start(position, flight.rows);
        let remaining = flight.work;
        self.executions.push(Execution {
            slot: position,
            remaining,
            exec_ns: 0.0,
            since: now,
            end: now,
        });
        self.executions_changed(now)?;
        match self.setting.overlap {
            LoadOverlap::Overlapped => self.instance_ready(position, now),
            LoadOverlap::Serial => Ok(()),
        }
    }

    /// Ends the execution that ends first.
    fn end_execution(&mut self) -> Step {
        let now = self.first_end.0;
        let position = self.executions[self.first].slot;
        // Vec::remove would call memmove for what is most often nothing.
        for i in self.first + 1..self.executions.len() {
            self.executions[i - 1] = self.executions[i];
        }
        self.executions.pop();
        self.states.end(position);
        self.executions_changed(now)?;
        let slot = &mut self.slots[position];
        let flight = &mut slot.flights[slot.back];
        flight.exec_end = now;
        let done = (now.saturating_add(flight.feedback), self.agenda.rank());
        self.agenda.insert(done, What::Done(index(position)));
        Ok(())
    }

    /// The results of a batch are on the host.
    fn complete(&mut self, position: usize, at: Moment) -> Step {
        let done = at.0;
        let slot = &mut self.slots[position];
        let lane = &mut self.lanes[slot.lane as usize];
        let flight = &slot.flights[slot.back];
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
        if matches!(lane.batching, Batching::Ruled(_)) {
            self.answered(of, rows, record.done);
        }
        let slot = &mut self.slots[position];
        if slot.front == Front::Behind {
            let front = &slot.flights[1 - slot.back];
            let loaded = (front.load_end, front.load_rank);
            if loaded < at {
                self.start(position, done)?;
            } else {
                slot.front = Front::Loading;
                self.agenda.insert(loaded, What::Loaded(index(position)));
            }
        }
        match self.setting.overlap {
            LoadOverlap::Overlapped => Ok(()),
            LoadOverlap::Serial => self.instance_ready(position, done),
        }
    }

    /// Applies the speeds of the new set of executing batches. Work done so far is kept.
    #[inline(always)]
    fn executions_changed(&mut self, now: Nanoseconds) -> Step {
        self.close_interval(now);
        self.state = self.states.find()?;
        let speeds = self.states.exec_ns(self.state);
        let (mut first, mut first_end) = (0, Nanoseconds::MAX);
        for (i, execution) in self.executions.iter_mut().enumerate() {
            let exec_ns = speeds[execution.slot];
            // An unchanged speed keeps the end to the nanosecond. The check is on bits: any change
            // counts.
            if exec_ns.to_bits() != execution.exec_ns.to_bits() {
                if execution.exec_ns > 0.0 {
                    let passed = (now - execution.since).as_f64() / execution.exec_ns;
                    execution.remaining = (execution.remaining - passed).max(0.0);
                }
                execution.exec_ns = exec_ns;
                execution.since = now;
                execution.end =
                    now.saturating_add(Nanoseconds::from_f64(execution.remaining * exec_ns));
            }
            // Among equals, the one that started first.
            if execution.end < first_end {
                (first, first_end) = (i, execution.end);
            }
        }
        self.first = first;
        let rank = self.agenda.rank();
        self.first_end = if self.executions.is_empty() { NEVER } else { (first_end, rank) };
        Ok(())
    }

    /// Reports the state that held until `now`.
    #[inline(always)]
    fn close_interval(&mut self, now: Nanoseconds) {
        if now == self.state_since {
            return;
        }
        let draw = self.states.draw(self.state);
        self.sink.gpu_interval(&GpuInterval {
            gpu: self.setting.gpu,
            start: self.state_since,
            end: now,
            running: draw.running,
            busy_sm_pct: draw.busy_sm_pct,
            power_w: draw.power_w,
            clock_mhz: draw.clock_mhz,
        });
        self.state_since = now;
    }
}

/// A small number in the width in which it is stored.
fn index(number: usize) -> u32 {
    u32::try_from(number).expect("fewer than 2^32 servers, instances and requests of a batch")
}
