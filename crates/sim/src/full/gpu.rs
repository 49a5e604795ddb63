//! The event loop of one GPU.

use super::event::{Direction, Event, ExecutingBatch};
use super::event_queue::EventQueue;
use super::follow::TimelinePosition;
use super::link::Link;
use super::server::FullServer;
use super::steering::Steering;
use super::turns::TimeSlot;
use crate::draw::Race;
use crate::ends::{moment, rescaled};
use crate::prepare::{GpuRun, GpuSetting};
use crate::source::ServerArrivals;
use crate::speed::{BadNumber, SetState, Speeds};
use crate::{Batch, GpuOutcome, LoadOverlap, PcieLink};
use igniter_model::domain::{FailedRequest, Failure, GpuId, GpuInterval, RecordSink};
use igniter_model::units::Nanoseconds;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The largest number of cached states. Beyond this, states are computed again, so that memory use does not grow with
/// the length of a run.
const REMEMBERED: usize = 1 << 16;

/// One GPU with its servers, at one moment of a run.
#[derive(Debug)]
pub(crate) struct GpuSimulation<'a, S> {
    pub(super) gpu: GpuId,
    overlap: LoadOverlap,
    pub(super) duration: Nanoseconds,
    pub(super) servers: Vec<FullServer>,
    pub(super) speeds: Speeds<'a>,
    /// The states that have occurred, by the batch size of each slot; cleared when there are too many.
    pub(super) states: BTreeMap<Box<[u32]>, Rc<SetState>>,
    pub(super) sink: S,
    pub(super) events: EventQueue,
    processed: u64,
    /// The batches that execute, in order of their start.
    pub(super) executions: Vec<ExecutingBatch>,
    /// The sizes of these batches, by slot.
    pub(super) executing: Vec<u32>,
    /// Distinguishes the valid [`Event::ExecutionEnd`] from superseded ones.
    generation: u64,
    /// The current state, and the time since which it holds.
    state: Rc<SetState>,
    state_since: Nanoseconds,
    pub(super) last_done: Nanoseconds,
    /// Scratch space for batches on their way from batcher to instance.
    pub(super) taken: Vec<Batch>,
    /// Scratch space for the times of answers.
    answered: Vec<Nanoseconds>,
    /// The factor by which executions take longer than predicted.
    pub(super) slowdown: f64,
    /// The two directions of the PCIe link, where copies share it.
    pub(super) links: Option<[Link; 2]>,
    /// Groups of servers that take turns.
    pub(super) time_slots: Vec<TimeSlot>,
    pub(super) steering: Steering,
    /// The position in the timeline, where plans follow each other.
    pub(super) following: Option<TimelinePosition>,
}

impl<'a, S: RecordSink> GpuSimulation<'a, S> {
    /// Creates a GPU at time 0, before the first arrival.
    pub(crate) fn new(setting: GpuSetting, run: GpuRun<'a>, sink: S) -> Result<Self, BadNumber> {
        let GpuSetting { gpu, overlap, duration } = setting;
        let GpuRun { servers, mut speeds, states: _, features, timeline, lost: _ } = run;
        let following = timeline.map(|timeline| TimelinePosition::new(timeline, &mut speeds));
        let shared = features.as_ref().is_some_and(|features| features.pcie == PcieLink::Shared);
        let of_plan: Vec<Option<u32>> = servers.iter().map(|server| server.time_slot).collect();
        let mut servers: Vec<FullServer> = servers.into_iter().map(FullServer::new).collect();
        let time_slots = TimeSlot::group(&of_plan, &mut servers);
        let executing = vec![0; speeds.slots()];
        let idle = Rc::new(speeds.compute(&executing)?);
        let mut simulation = Self {
            gpu,
            overlap,
            duration,
            servers,
            speeds,
            states: BTreeMap::from([(executing.clone().into(), Rc::clone(&idle))]),
            state: idle,
            sink,
            events: EventQueue::new(),
            processed: 0,
            executions: Vec::new(),
            executing,
            generation: 0,
            state_since: Nanoseconds::ZERO,
            last_done: Nanoseconds::ZERO,
            taken: Vec::new(),
            answered: Vec::new(),
            slowdown: 1.0,
            links: shared.then(Default::default),
            time_slots,
            steering: Steering::default(),
            following,
        };
        for server in 0..simulation.servers.len() {
            let FullServer { startup, life, .. } = simulation.servers[server];
            if startup > Nanoseconds::ZERO && simulation.is_present(server) {
                simulation.events.push(startup, Event::Started { server, life });
            }
            simulation.schedule_first(server);
        }
        simulation.await_changes();
        simulation.pass_turns(Nanoseconds::ZERO)?;
        if let Some(features) = features {
            simulation.steer(features)?;
        }
        Ok(simulation)
    }

    /// Processes all events up to and including `stop`.
    pub(crate) fn run_until(&mut self, stop: Nanoseconds) -> Result<(), BadNumber> {
        while let Some((now, event)) = self.events.pop_until(stop) {
            self.processed += 1;
            match event {
                Event::Arrival { server } => self.arrive(server, now)?,
                Event::BatcherTimer { server } => self.batcher_timer(server, now)?,
                Event::Started { server, life } if self.is_alive(server, life) => {
                    self.start_instances(server, now)?;
                }
                Event::CopyIn { server, instance, life, alone } if self.is_alive(server, life) => {
                    self.begin_copy(Direction::In, server, instance, alone, now);
                }
                Event::CopyEnd { direction, generation } => {
                    self.end_copy(direction, generation, now)?;
                }
                Event::Loaded { server, instance, life } if self.is_alive(server, life) => {
                    self.loaded(server, instance, now)?;
                }
                Event::ExecutionEnd { generation, .. } if generation == self.generation => {
                    self.end_execution(now)?;
                }
                Event::Done { server, instance, life } if self.is_alive(server, life) => {
                    self.complete(server, instance, now)?;
                }
                Event::Tick => self.tick(now)?,
                Event::Follow => self.follow(now)?,
                Event::Change { index, life } => self.apply_change(index, life, now)?,
                Event::FaultBegins { index } => self.fault_begins(index, now)?,
                Event::FaultEnds { index } => self.fault_ends(index, now)?,
                // Superseded events, and events of a server that has crashed since.
                Event::Started { .. }
                | Event::CopyIn { .. }
                | Event::Loaded { .. }
                | Event::ExecutionEnd { .. }
                | Event::Done { .. } => {}
            }
        }
        Ok(())
    }

    /// Runs to the end: all requests that arrive before the end of the run are completed.
    pub(crate) fn finish(mut self) -> Result<GpuOutcome<S>, BadNumber> {
        self.run_until(Nanoseconds::MAX)?;
        let end = self.duration.max(self.last_done);
        self.close_interval(end);
        let mut servers: Vec<_> = self.servers.iter().map(FullServer::outcome).collect();
        let rented = match self.following {
            Some(following) => following.finish(end, &mut servers),
            None => vec![(Nanoseconds::ZERO, end)],
        };
        let Steering { actions, windows, .. } = self.steering;
        Ok(GpuOutcome {
            gpu: self.gpu,
            sink: self.sink,
            servers,
            events: self.processed,
            end,
            rented,
            actions,
            windows,
        })
    }

    /// Returns whether no crash of the server has superseded an event of it.
    fn is_alive(&self, server: usize, life: u32) -> bool {
        self.servers[server].life == life
    }

    /// Schedules the arrivals at a server that are known at the start.
    fn schedule_first(&mut self, server: usize) {
        match &mut self.servers[server].arrivals {
            ServerArrivals::Open(process) => {
                if let Some(time) = process.next_arrival() {
                    self.events.push(time, Event::Arrival { server });
                }
            }
            ServerArrivals::Closed(clients) => {
                for time in clients.coming() {
                    self.events.push(time, Event::Arrival { server });
                }
            }
        }
    }

    fn arrive(&mut self, server: usize, now: Nanoseconds) -> Result<(), BadNumber> {
        match &mut self.servers[server].arrivals {
            ServerArrivals::Open(process) => {
                if let Some(time) = process.next_arrival() {
                    self.events.push(time, Event::Arrival { server });
                }
            }
            ServerArrivals::Closed(clients) => {
                let sent = clients.send();
                debug_assert_eq!(sent, Some(now), "clients send in order of time");
            }
        }
        self.servers[server].arrived += 1;
        if self.servers[server].outages > 0 {
            self.servers[server].failed += 1;
            self.fail(server, now, now, Failure::Lost);
            return Ok(());
        }
        self.servers[server].batcher.arrive(now, &mut self.taken);
        self.load_taken(server, now)
    }

    fn batcher_timer(&mut self, server: usize, now: Nanoseconds) -> Result<(), BadNumber> {
        if self.servers[server].timer != Some(now) {
            return Ok(());
        }
        self.servers[server].timer = None;
        self.servers[server].batcher.timer(now, &mut self.taken);
        self.load_taken(server, now)?;
        self.leave_if_done(server, now)
    }

    pub(super) fn instance_ready(
        &mut self,
        index: usize,
        instance: usize,
        now: Nanoseconds,
    ) -> Result<(), BadNumber> {
        let server = &mut self.servers[index];
        if server.paused {
            server.instances[instance].held = true;
            return Ok(());
        }
        if let Some(slot) = server.time_slot {
            server.instances[instance].held = true;
            return self.pass_turn(slot, now);
        }
        self.offer(index, instance, now)
    }

    /// Lets an instance wait for its next batch, and take it at once if there is one.
    pub(super) fn offer(
        &mut self,
        index: usize,
        instance: usize,
        now: Nanoseconds,
    ) -> Result<(), BadNumber> {
        let server = &mut self.servers[index];
        server.instances[instance].ready = true;
        if server.race.as_mut().is_some_and(Race::batcher_first) {
            server.batcher.instance_ready_late(now, &mut self.taken);
        } else {
            server.batcher.instance_ready(now, &mut self.taken);
        }
        self.load_taken(index, now)
    }

    /// Lets all instances of a server begin to accept work.
    pub(super) fn start_instances(
        &mut self,
        server: usize,
        now: Nanoseconds,
    ) -> Result<(), BadNumber> {
        for instance in 0..self.servers[server].instances.len() {
            self.instance_ready(server, instance, now)?;
        }
        Ok(())
    }

    /// Records that the request that arrived at `arrival` failed at `at`.
    pub(super) fn fail(
        &mut self,
        server: usize,
        arrival: Nanoseconds,
        at: Nanoseconds,
        failure: Failure,
    ) {
        let workload = self.servers[server].workload;
        self.steering.note_failure(server);
        self.sink.failed(&FailedRequest { workload, gpu: self.gpu, arrival, at, failure });
        if let ServerArrivals::Closed(clients) = &mut self.servers[server].arrivals
            && let Some(time) = clients.failed(at)
        {
            self.events.push(time, Event::Arrival { server });
        }
    }

    /// Follows up on a call of a batcher: instances load the batches that they have taken, failed requests are
    /// reported, and the batcher's timer is set.
    pub(super) fn load_taken(&mut self, index: usize, now: Nanoseconds) -> Result<(), BadNumber> {
        let server = &mut self.servers[index];
        let life = server.life;
        let takes = !self.taken.is_empty();
        for batch in self.taken.drain(..) {
            let (instance, copy_start, loaded) = server.load(batch, now, index, &self.speeds)?;
            if self.links.is_none() {
                self.events.push(loaded, Event::Loaded { server: index, instance, life });
            } else {
                let alone = loaded.saturating_sub(copy_start);
                let event = Event::CopyIn { server: index, instance, life, alone };
                self.events.push(copy_start, event);
            }
        }
        let failed: Vec<_> = server.batcher.take_failed().collect();
        server.failed += failed.len() as u64;
        let due = server.batcher.next_timer();
        if due != server.timer {
            server.timer = due;
            if let Some(due) = due {
                self.events.push(due, Event::BatcherTimer { server: index });
            }
        }
        for (arrival, failure) in failed {
            self.fail(index, arrival, now, failure);
        }
        if takes {
            self.begin_turn(index);
        }
        Ok(())
    }

    pub(super) fn loaded(
        &mut self,
        server: usize,
        instance: usize,
        now: Nanoseconds,
    ) -> Result<(), BadNumber> {
        let pipeline = &mut self.servers[server].instances[instance];
        pipeline.loaded = true;
        if let Some(flight) = &mut pipeline.front {
            flight.load_end = now;
        }
        self.start_if_possible(server, instance, now)
    }

    /// Starts the batch that an instance has loaded, if the batch before it is done: the throughput of a server is
    /// b / (t_gpu + t_feedback) (iGniter paper, Eq. 2).
    fn start_if_possible(
        &mut self,
        server: usize,
        instance: usize,
        now: Nanoseconds,
    ) -> Result<(), BadNumber> {
        let slot = self.servers[server].first_slot + instance;
        let pipeline = &mut self.servers[server].instances[instance];
        if !pipeline.loaded || pipeline.back.is_some() {
            return Ok(());
        }
        let Some(mut flight) = pipeline.front.take() else { return Ok(()) };
        pipeline.loaded = false;
        flight.exec_start = now;
        self.executing[slot] = flight.rows();
        self.executions.push(ExecutingBatch {
            server,
            instance,
            slot,
            work: flight.work,
            exec_ns: 0.0,
            end_ns: 0.0,
            end: now,
        });
        pipeline.back = Some(flight);
        self.executions_changed(now)?;
        match self.overlap_of(server) {
            LoadOverlap::Overlapped => self.instance_ready(server, instance, now),
            LoadOverlap::Serial => Ok(()),
        }
    }

    /// Returns whether a server loads its next batch while one executes. A server that takes turns does not, since
    /// another server has the turn then.
    fn overlap_of(&self, server: usize) -> LoadOverlap {
        match self.servers[server].time_slot {
            Some(_) => LoadOverlap::Serial,
            None => self.overlap,
        }
    }

    /// Ends the execution that is due now.
    fn end_execution(&mut self, now: Nanoseconds) -> Result<(), BadNumber> {
        let first = self.next_end().expect("a valid end event has an execution");
        let ExecutingBatch { server, instance, slot, .. } = self.executions.remove(first);
        self.executing[slot] = 0;
        self.executions_changed(now)?;
        let flight = self.servers[server].instances[instance].back.as_mut();
        let flight = flight.expect("an executing batch is in its instance");
        flight.exec_end = now;
        let feedback = flight.feedback;
        let life = self.servers[server].life;
        if self.links.is_some() {
            self.begin_copy(Direction::Out, server, instance, feedback, now);
        } else {
            let done = now.saturating_add(feedback);
            self.events.push(done, Event::Done { server, instance, life });
        }
        Ok(())
    }

    pub(super) fn complete(
        &mut self,
        index: usize,
        instance: usize,
        now: Nanoseconds,
    ) -> Result<(), BadNumber> {
        let server = &mut self.servers[index];
        let flight = server.instances[instance].back.take();
        let flight = flight.expect("a batch that was copied back is in its instance");
        self.answered.clear();
        self.answered.extend(flight.batch.iter().map(|_| server.answer(now)));
        for record in flight.records(server.workload, self.gpu, &self.answered) {
            self.sink.request(&record);
        }
        if let ServerArrivals::Closed(clients) = &mut server.arrivals {
            for time in self.answered.iter().filter_map(|&at| clients.answered(at)) {
                self.events.push(time, Event::Arrival { server: index });
            }
        }
        self.steering.note_batch(index, &flight, now, &self.answered);
        server.completed += u64::from(flight.rows());
        server.batcher.recycle(flight.batch);
        self.last_done = now;
        self.start_if_possible(index, instance, now)?;
        self.end_turn(index);
        match self.overlap_of(index) {
            LoadOverlap::Overlapped => {}
            LoadOverlap::Serial => self.instance_ready(index, instance, now)?,
        }
        self.leave_if_done(index, now)
    }

    /// Applies the speeds of the new set of executing batches. Work done so far is kept.
    pub(super) fn executions_changed(&mut self, now: Nanoseconds) -> Result<(), BadNumber> {
        self.close_interval(now);
        if !self.states.contains_key(self.executing.as_slice()) {
            if self.states.len() >= REMEMBERED {
                self.states.clear();
            }
            let state = Rc::new(self.speeds.compute(&self.executing)?);
            self.states.insert(self.executing.as_slice().into(), state);
        }
        self.state = Rc::clone(&self.states[self.executing.as_slice()]);
        let now_ns = now.as_f64();
        for execution in &mut self.executions {
            // A time of 0 becomes the smallest positive value, by which one can divide; both round to 0 ns.
            let exec_ns = self.state.exec_ns[execution.slot] * self.slowdown;
            let exec_ns = exec_ns.max(f64::MIN_POSITIVE);
            // If the speed is unchanged, so is the end. Bits are compared, so that any change counts.
            if exec_ns.to_bits() == execution.exec_ns.to_bits() {
                continue;
            }
            execution.end_ns = if execution.exec_ns > 0.0 {
                rescaled(execution.end_ns, now_ns, execution.exec_ns, exec_ns)
            } else {
                now_ns + execution.work * exec_ns
            };
            execution.exec_ns = exec_ns;
            execution.end = moment(execution.end_ns, now);
        }
        self.generation += 1;
        if let Some(first) = self.next_end() {
            let (ExecutingBatch { server, end, .. }, generation) =
                (self.executions[first], self.generation);
            self.events.push(end, Event::ExecutionEnd { server, generation });
        }
        Ok(())
    }

    /// Returns the execution that ends first; among equals, the first in the order of the plan.
    fn next_end(&self) -> Option<usize> {
        (0..self.executions.len())
            .min_by_key(|&i| (self.executions[i].end, self.executions[i].slot))
    }

    /// Reports the state that held until `now`.
    pub(super) fn close_interval(&mut self, now: Nanoseconds) {
        if now == self.state_since {
            return;
        }
        if self.following.as_ref().is_some_and(|following| !following.is_powered()) {
            self.state_since = now;
            return;
        }
        let state = &self.state;
        self.sink.gpu_interval(&GpuInterval {
            gpu: self.gpu,
            start: self.state_since,
            end: now,
            running: state.draw.running,
            busy_sm_pct: state.draw.busy_sm_pct,
            power_w: state.draw.power_w,
            clock_mhz: state.draw.clock_mhz,
        });
        self.state_since = now;
    }

    /// Returns the servers in their current state.
    #[cfg(test)]
    pub(crate) fn servers(&self) -> &[FullServer] {
        &self.servers
    }
}
