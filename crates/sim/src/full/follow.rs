//! Changes on a GPU when one plan follows another: servers join, change and leave.

use super::event::Event;
use super::gpu::GpuSimulation;
use super::server::FullServer;
use crate::ServerOutcome;
use crate::power::Power;
use crate::speed::{BadNumber, Speeds};
use crate::timeline::{GpuTimeline, TimelineChange};
use igniter_model::domain::RecordSink;
use igniter_model::units::Nanoseconds;

/// The position of a GPU in its timeline.
#[derive(Debug)]
pub(super) struct TimelinePosition {
    timeline: GpuTimeline,
    /// The index of the next change.
    next: usize,
    /// Whether each server is present, and whether it gets no further requests.
    present: Vec<bool>,
    leaving: Vec<bool>,
    left: Vec<Option<Nanoseconds>>,
    power: Power,
}

impl TimelinePosition {
    pub(super) fn new(timeline: GpuTimeline, speeds: &mut Speeds<'_>) -> Self {
        let present = timeline.present.clone();
        for (server, &present) in present.iter().enumerate() {
            speeds.set_present(server, present);
        }
        let (leaving, left) = (vec![false; present.len()], vec![None; present.len()]);
        let power = Power::new(timeline.rented);
        Self { timeline, next: 0, present, leaving, left, power }
    }

    /// Returns whether the GPU is on.
    pub(super) fn is_powered(&self) -> bool {
        self.power.is_on()
    }

    /// Returns the times in which the GPU was rented, in a run that ends at `end`, and sets when servers left.
    pub(super) fn finish(
        self,
        end: Nanoseconds,
        servers: &mut [ServerOutcome],
    ) -> Vec<(Nanoseconds, Nanoseconds)> {
        for (server, left) in servers.iter_mut().zip(self.left) {
            server.left = left;
        }
        self.power.finish(end)
    }

    fn switch_power(&mut self, now: Nanoseconds) {
        self.power.switch(now, self.present.contains(&true));
    }
}

impl<S: RecordSink> GpuSimulation<'_, S> {
    /// Returns whether a server is present.
    pub(super) fn is_present(&self, server: usize) -> bool {
        self.following.as_ref().is_none_or(|following| following.present[server])
    }

    /// Schedules the changes of the timeline.
    pub(super) fn await_changes(&mut self) {
        let Some(following) = &self.following else { return };
        let mut times: Vec<_> = following.timeline.changes.iter().map(|(at, _)| *at).collect();
        times.dedup();
        times.into_iter().for_each(|at| self.events.push(at, Event::Follow));
    }

    /// Applies the changes of the timeline for this moment.
    pub(super) fn follow(&mut self, now: Nanoseconds) -> Result<(), BadNumber> {
        let Some(following) = &mut self.following else { return Ok(()) };
        let changes = following.timeline.take(&mut following.next, now).to_vec();
        let waits = |server: usize| self.servers[server].batcher.waiting() > 0;
        let needed =
            |change: &TimelineChange| !matches!(change, TimelineChange::Joins(i) if !waits(*i));
        // After the end of the run, servers join only to answer the requests that wait for them.
        if now >= self.duration && !changes.iter().any(|(_, change)| needed(change)) {
            return Ok(());
        }
        self.close_interval(now);
        let Some(following) = &mut self.following else { return Ok(()) };
        let mut joined = Vec::new();
        for (_, change) in &changes {
            match change {
                TimelineChange::Rented => following.power.rent(true),
                TimelineChange::Released => following.power.rent(false),
                TimelineChange::Leaves(server) => following.leaving[*server] = true,
                TimelineChange::Joins(server) => joined.push(*server),
                TimelineChange::Sets(server, _, batch) => self.speeds.set_batch(*server, *batch),
            }
        }
        joined.sort_unstable();
        for &server in &joined {
            following.present[server] = true;
            self.speeds.set_present(server, true);
        }
        for server in 0..self.servers.len() {
            self.leave(server, now);
        }
        self.plan_changed(now)?;
        for server in 0..self.servers.len() {
            for (_, change) in &changes {
                if let TimelineChange::Sets(of, rules, _) = change
                    && *of == server
                {
                    self.servers[server].set_rules(rules.clone(), now, &mut self.taken);
                    self.load_taken(server, now)?;
                }
            }
            if joined.contains(&server) && self.is_present(server) {
                self.start_instances(server, now)?;
            }
            // All requests that waited for the server may have timed out.
            self.leave_if_done(server, now)?;
        }
        Ok(())
    }

    /// Removes a server if it has answered its last request.
    pub(super) fn leave_if_done(
        &mut self,
        server: usize,
        now: Nanoseconds,
    ) -> Result<(), BadNumber> {
        if self.following.is_none() || !self.leave(server, now) {
            return Ok(());
        }
        self.close_interval(now);
        self.plan_changed(now)
    }

    /// Removes a server if it is present and has nothing more to do. Returns whether it did.
    fn leave(&mut self, server: usize, now: Nanoseconds) -> bool {
        let Some(following) = &mut self.following else { return false };
        let leaves = following.present[server]
            && following.leaving[server]
            && self.servers[server].is_idle();
        if leaves {
            following.present[server] = false;
            following.left[server] = Some(now);
            self.speeds.set_present(server, false);
        }
        leaves
    }

    /// Updates the state after servers have joined, left or changed.
    fn plan_changed(&mut self, now: Nanoseconds) -> Result<(), BadNumber> {
        if let Some(following) = &mut self.following {
            following.switch_power(now);
        }
        self.states.clear();
        self.servers.iter_mut().for_each(FullServer::forget_transfers);
        self.executions_changed(now)
    }
}
