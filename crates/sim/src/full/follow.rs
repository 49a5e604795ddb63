//! What changes on a GPU when one plan follows another: servers come, change and leave.

use super::event::Event;
use super::gpu::GpuSimulation;
use super::server::FullServer;
use crate::ServerOutcome;
use crate::power::Power;
use crate::speed::{BadNumber, Speeds};
use crate::timeline::{GpuTimeline, TimelineChange};
use igniter_model::domain::RecordSink;
use igniter_model::units::Nanoseconds;

/// Where a GPU is in its timeline.
#[derive(Debug)]
pub(super) struct TimelinePosition {
    timeline: GpuTimeline,
    /// The first of its changes that is still to come.
    next: usize,
    /// Which servers are there, and which of them get no further request.
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

    /// Whether the GPU is there.
    pub(super) fn is_powered(&self) -> bool {
        self.power.is_on()
    }

    /// When it was rented, in a run that ends then; when servers left is added to what is known of them.
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
    /// Whether a server is there.
    pub(super) fn is_present(&self, server: usize) -> bool {
        self.following.as_ref().is_none_or(|following| following.present[server])
    }

    /// Puts the changes of the timeline in the queue.
    pub(super) fn await_changes(&mut self) {
        let Some(following) = &self.following else { return };
        let mut times: Vec<_> = following.timeline.changes.iter().map(|(at, _)| *at).collect();
        times.dedup();
        times.into_iter().for_each(|at| self.events.push(at, Event::Follow));
    }

    /// What the timeline says for this moment happens.
    pub(super) fn follow(&mut self, now: Nanoseconds) -> Result<(), BadNumber> {
        let Some(following) = &mut self.following else { return Ok(()) };
        let changes = following.timeline.take(&mut following.next, now).to_vec();
        let waits = |server: usize| self.servers[server].batcher.waiting() > 0;
        let needed =
            |change: &TimelineChange| !matches!(change, TimelineChange::Joins(i) if !waits(*i));
        // After the end of the run, servers come only to answer what waits for them.
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
            // All that waited for it may have waited too long.
            self.leave_if_done(server, now)?;
        }
        Ok(())
    }

    /// A server that has answered its last request leaves.
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

    /// Takes a server out if it is there and has nothing more to do.
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

    /// Other servers are there, or work in another way.
    fn plan_changed(&mut self, now: Nanoseconds) -> Result<(), BadNumber> {
        if let Some(following) = &mut self.following {
            following.switch_power(now);
        }
        self.states.clear();
        self.servers.iter_mut().for_each(FullServer::forget_transfers);
        self.executions_changed(now)
    }
}
