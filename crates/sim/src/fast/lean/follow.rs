//! Plans that follow each other: servers join, change and leave.
//!
//! Between two changes, the engine works as for a single plan: its arrays and its table of states hold the present
//! servers, in the order of the timeline. At each change they are rebuilt, so that a GPU on which many servers follow
//! each other costs no more than a GPU on which few servers stay.

use super::key::EventKey;
use super::server::{LeanServer, LoadedBatch, NextEvent};
use super::{LeanEngine, LeanResult, MOST};
use crate::fast::states::States;
use crate::power::Power;
use crate::speed::Speeds;
use crate::timeline::{GpuTimeline, TimelineChange};
use crate::{LoadOverlap, ServerOutcome};
use igniter_model::domain::RecordSink;
use igniter_model::units::Nanoseconds;

/// What a run does when its next stop is reached.
pub(super) enum Onward {
    Go,
    /// No further events will occur.
    End,
    /// There are too many servers for this engine.
    Crowded,
}

/// The position of a GPU in its timeline.
#[derive(Debug)]
pub(super) struct Follower<'a> {
    timeline: GpuTimeline,
    /// The index of the next change.
    next: usize,
    /// The speeds of all servers, whether present or not.
    speeds: Speeds<'a>,
    /// Servers that have yet to join.
    coming: Vec<Option<LeanServer>>,
    /// The server at each position of the arrays.
    places: Vec<usize>,
    /// Whether each server gets no further requests.
    leaving: Vec<bool>,
    /// The outcomes of servers that are not present.
    outcomes: Vec<ServerOutcome>,
    power: Power,
}

/// A server, with the values that the arrays of the engine hold for it.
struct ServerPlace {
    id: usize,
    server: LeanServer,
    next: EventKey,
    end_ns: f64,
    exec_ns: f64,
    executes: bool,
}

impl<'a> Follower<'a> {
    /// Creates the position at the start, and leaves in `servers` those that are present then.
    pub(super) fn new(
        timeline: GpuTimeline,
        servers: &mut Vec<LeanServer>,
        speeds: Speeds<'a>,
    ) -> Self {
        let outcomes = servers.iter().map(LeanServer::outcome).collect();
        let leaving = vec![false; servers.len()];
        let (mut coming, mut places) = (Vec::new(), Vec::new());
        for (id, server) in std::mem::take(servers).into_iter().enumerate() {
            if timeline.present[id] {
                places.push(id);
                coming.push(None);
                servers.push(server);
            } else {
                coming.push(Some(server));
            }
        }
        let power = Power::new(timeline.rented);
        Self { timeline, next: 0, speeds, coming, places, leaving, outcomes, power }
    }

    /// Returns the speeds of the present servers.
    pub(super) fn speeds(&self, servers: &[LeanServer]) -> Speeds<'a> {
        let largest = |server: &LeanServer| {
            // Batches that were formed before the largest batch size changed stay as they are.
            server.max.max(server.front.rows as usize).max(server.rows as usize)
        };
        self.speeds.only(self.places.iter().copied().zip(servers.iter().map(largest)))
    }

    /// Returns whether the GPU is on.
    pub(super) fn is_on(&self) -> bool {
        self.power.is_on()
    }

    /// Returns the time of the next change.
    pub(super) fn stop(&self) -> EventKey {
        let next = self.timeline.changes.get(self.next);
        EventKey::new(next.map_or(EventKey::LATE, |(at, _)| *at), 0)
    }

    /// Returns the outcomes of all servers, given those of the present ones, and the times in which the GPU was rented.
    pub(super) fn finish(
        mut self,
        end: Nanoseconds,
        present: Vec<ServerOutcome>,
    ) -> (Vec<ServerOutcome>, Vec<(Nanoseconds, Nanoseconds)>) {
        for (id, outcome) in self.places.into_iter().zip(present) {
            self.outcomes[id] = outcome;
        }
        (self.outcomes, self.power.finish(end))
    }

    /// Returns whether a server that has yet to join will find a request.
    fn has_requests(&mut self, id: usize) -> bool {
        self.coming[id].as_mut().is_some_and(|server| {
            if server.arrivals.lacks(1) {
                server.refill(1);
            }
            server.arrivals.next(0).is_some()
        })
    }

    /// Returns whether none of the changes matters: after the end of the run, servers join only to answer the requests
    /// that wait for them.
    fn is_needless(&mut self, changes: &[(Nanoseconds, TimelineChange)]) -> bool {
        let needless = |change: &TimelineChange| matches!(change, TimelineChange::Joins(id) if !self.has_requests(*id));
        !changes.is_empty() && changes.iter().map(|(_, change)| change).all(needless)
    }

    /// Applies changes to the present servers and adds those that join. Returns the servers that joined.
    fn apply(
        &mut self,
        changes: &[(Nanoseconds, TimelineChange)],
        places: &mut Vec<ServerPlace>,
        now: Nanoseconds,
    ) -> Vec<usize> {
        let mut joined = Vec::new();
        for (_, change) in changes {
            match change {
                TimelineChange::Rented => self.power.rent(true),
                TimelineChange::Released => self.power.rent(false),
                TimelineChange::Leaves(id) => self.leaving[*id] = true,
                TimelineChange::Sets(id, rules, batch) => {
                    self.speeds.set_batch(*id, *batch);
                    let there = places.iter_mut().find(|place| place.id == *id);
                    let server = there.map(|place| &mut place.server);
                    if let Some(server) = server.or(self.coming[*id].as_mut()) {
                        server.max = rules.max_batch();
                    }
                }
                TimelineChange::Joins(id) => joined.push(*id),
            }
        }
        for &id in &joined {
            let next = if self.has_requests(id) { EventKey::new(now, 0) } else { EventKey::NEVER };
            if let Some(server) = self.coming[id].take() {
                let (end_ns, exec_ns, executes) = (0.0, 0.0, false);
                places.push(ServerPlace { id, server, next, end_ns, exec_ns, executes });
            }
        }
        joined
    }
}

impl<'a, S: RecordSink> LeanEngine<'a, S> {
    /// Returns the key of a server that gets no further requests.
    #[cold]
    #[inline(never)]
    pub(super) fn never(&mut self, i: usize, now: Nanoseconds) -> EventKey {
        if let Some(follower) = &self.follower
            && follower.leaving[follower.places[i]]
        {
            // The server leaves before anything else happens.
            self.stop = EventKey::new(now, 0);
        }
        EventKey::NEVER
    }

    /// Handles a stop: nothing happens before it.
    #[cold]
    #[inline(never)]
    pub(super) fn go_on(&mut self) -> LeanResult<Onward> {
        match self.follower.take() {
            Some(mut follower) if self.stop.is_before(EventKey::new(EventKey::LATE, 0)) => {
                let crowded = self.follow(&mut follower)?;
                self.stop = follower.stop();
                self.follower = Some(follower);
                Ok(if crowded { Onward::Crowded } else { Onward::Go })
            }
            follower => {
                self.follower = follower;
                Ok(Onward::End)
            }
        }
    }

    /// Applies the changes of the timeline for this moment, and removes servers that have answered their last request.
    /// Returns whether there are too many servers.
    fn follow(&mut self, follower: &mut Follower<'a>) -> LeanResult<bool> {
        let now = self.stop.time();
        let changes = follower.timeline.take(&mut follower.next, now).to_vec();
        if now >= self.setting.duration && follower.is_needless(&changes) {
            return Ok(false);
        }
        self.take_arrived(now)?;
        self.close_if(follower.power.is_on(), now);
        let mut places = self.leave_arrays(&follower.places);
        let joined = follower.apply(&changes, &mut places, now);
        places.retain(|ServerPlace { id, server, next, .. }| {
            let leaves = follower.leaving[*id] && !next.is_before(EventKey::NEVER);
            if leaves {
                follower.outcomes[*id] = ServerOutcome { left: Some(now), ..server.outcome() };
            }
            !leaves
        });
        if places.len() > MOST {
            return Ok(true);
        }
        places.sort_unstable_by_key(|place| place.id);
        follower.places = places.iter().map(|place| place.id).collect();
        follower.power.switch(now, !places.is_empty());
        self.enter_arrays(places);
        self.states = States::new(follower.speeds(&self.servers[..self.count]));
        self.number = 0;
        for i in 0..self.count {
            let server = &mut self.servers[i];
            server.put(i, &self.states);
            if self.mask & server.bit != 0 {
                self.number += server.stride * u64::from(server.rows);
            }
        }
        self.executions_changed(self.mask, now)?;
        for i in 0..self.count {
            if joined.contains(&follower.places[i]) {
                self.look(i, now)?;
                let loaded = self.take_next(i)?;
                self.next[i] = loaded.map_or(EventKey::NEVER, |loaded| EventKey::new(loaded, i));
            } else {
                self.load_anew(i, now)?;
            }
        }
        Ok(false)
    }

    /// Records requests that have arrived up to now as taken under the current plan. A request that an executing
    /// instance takes is otherwise recorded only when the execution is done.
    fn take_arrived(&mut self, now: Nanoseconds) -> LeanResult {
        if self.setting.overlap == LoadOverlap::Serial {
            return Ok(());
        }
        for i in 0..self.count {
            let server = &self.servers[i];
            if server.front.rows == 0
                && server.next != NextEvent::Start
                && let Some(arrival) = server.arrivals.next(0).filter(|&arrival| arrival <= now)
            {
                self.load(i, 1, arrival)?;
            }
        }
        Ok(())
    }

    /// Updates the next request of an idle instance, which was taken in advance: the times of its copies are known now.
    fn load_anew(&mut self, i: usize, now: Nanoseconds) -> LeanResult {
        let server = &self.servers[i];
        let LoadedBatch { rows, load_start, .. } = server.front;
        if server.next == NextEvent::Start
            && self.next[i].is_before(EventKey::NEVER)
            && load_start > now
        {
            let (load, feedback) = self.transfers(i, rows as usize)?;
            let front = &mut self.servers[i].front;
            front.load_end = load_start + load;
            front.feedback = feedback;
            self.next[i] = EventKey::new(front.load_end, i);
        }
        Ok(())
    }

    /// Takes the servers out of the arrays.
    fn leave_arrays(&mut self, ids: &[usize]) -> Vec<ServerPlace> {
        let place = |(i, &id): (usize, &usize)| ServerPlace {
            id,
            server: std::mem::replace(&mut self.servers[i], LeanServer::absent()),
            next: self.next[i],
            end_ns: self.ends_ns[i],
            exec_ns: self.exec_ns[i],
            executes: self.mask & (1 << i) != 0,
        };
        ids.iter().enumerate().map(place).collect()
    }

    /// Puts servers into the arrays, which must be empty.
    fn enter_arrays(&mut self, places: Vec<ServerPlace>) {
        self.count = places.len();
        self.mask = 0;
        self.next = [EventKey::NEVER; MOST];
        for (i, place) in places.into_iter().enumerate() {
            let ServerPlace { mut server, next, end_ns, exec_ns, executes, .. } = place;
            server.transfers.clear();
            server.transfers.resize(server.max + 1, None);
            self.servers[i] = server;
            self.next[i] =
                if next.is_before(EventKey::NEVER) { EventKey::new(next.time(), i) } else { next };
            (self.ends_ns[i], self.exec_ns[i]) = (end_ns, exec_ns);
            self.mask |= u32::from(executes) << i;
        }
    }

    /// Reports the state that held until `now`, if the GPU was on.
    pub(super) fn close_if(&mut self, on: bool, now: Nanoseconds) {
        if on {
            self.close_interval(now);
        }
        self.since = now;
    }
}
