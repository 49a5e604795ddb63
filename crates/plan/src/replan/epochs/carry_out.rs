//! The conversion of a plan to servers and GPUs of the timeline of the run, and to readable actions.

use super::super::handover::{Deed, End, Handover, Start, StayingServer, reason};
use super::super::layout::{GpuServers, ReplanServer};
use super::{Act, HandoverStep, PlannedRun};
use igniter_model::domain::{GpuId, Placement, ServerSetting, TimelineGpu, TimelineServer};
use igniter_model::units::{BatchSize, Nanoseconds, RequestsPerSecond, SmUnits};

impl PlannedRun<'_, '_> {
    /// Returns the machines with the numbers of their GPUs in the timeline.
    pub(super) fn named(&self, machines: &[GpuServers]) -> Vec<GpuServers> {
        let named =
            |machine: &GpuServers| GpuServers { id: self.slots[&machine.id], ..machine.clone() };
        machines.iter().map(named).collect()
    }

    /// Assigns a new machine to a GPU of the timeline: a released GPU of its kind, or else a new one.
    pub(super) fn slot(&mut self, machine: &GpuServers, at_s: f64) -> usize {
        let at = time(at_s);
        let kind = self.input.predictors[machine.kind].kind().name.clone();
        let gpus = &mut self.done.timeline.gpus;
        let free = |gpu: &TimelineGpu| {
            gpu.kind == kind
                && gpu.rented.iter().all(|(_, until)| until.is_some_and(|until| until <= at))
        };
        let slot = gpus.iter().position(free).unwrap_or_else(|| {
            gpus.push(TimelineGpu { kind: kind.clone(), rented: Vec::new() });
            gpus.len() - 1
        });
        gpus[slot].rented.push((at, None));
        self.slots.insert(machine.id, slot);
        slot
    }

    /// Records a new server with the times, in s, at which it is ordered, is ready and takes requests;
    /// returns its number.
    pub(super) fn start(&mut self, server: &ReplanServer, slot: usize, times_s: [f64; 3]) -> usize {
        let workload = &self.input.workloads[server.workload];
        let [ordered, ready, takes_from] = times_s.map(time);
        let setting = self.setting(server, takes_from);
        self.done.timeline.servers.push(TimelineServer {
            gpu: GpuId::new(slot),
            placement: Placement {
                workload: workload.name.clone(),
                model: workload.model.clone(),
                batch: setting.batch,
                sm: SmUnits::new(server.units),
                served: (server.part < 1.0).then_some(setting.served),
                time_slot: None,
                predicted: None,
            },
            ordered,
            ready,
            takes_from,
            takes_until: None,
            settings: vec![setting],
        });
        self.done.timeline.servers.len() - 1
    }

    /// Parts are relative to the workload's own rate, so that those of different epochs are comparable.
    fn setting(&self, server: &ReplanServer, from: Nanoseconds) -> ServerSetting {
        let rate = self.input.workloads[server.workload].rate.get();
        ServerSetting {
            from,
            batch: BatchSize::new(server.batch.max(1)).unwrap_or(BatchSize::ONE),
            served: RequestsPerSecond::new(rate * server.part)
                .unwrap_or(self.input.workloads[server.workload].rate),
        }
    }

    /// Records a hand-over in the timeline and sets the numbers of the new servers.
    pub(super) fn carry_out(
        &mut self,
        handover: &Handover,
        new: &mut [GpuServers],
        begun_s: f64,
    ) -> Vec<HandoverStep> {
        let old = std::mem::take(&mut self.machines);
        let mut actions = self.boots(&old, new, begun_s);
        let stays = handover.stays.iter();
        actions.extend(stays.filter_map(|stay| self.stay(stay, &old, new, begun_s)));
        let starts = handover.starts.iter();
        actions.extend(starts.map(|start| self.begin_server(start, &old, new, begun_s)));
        let ends = handover.ends.iter();
        actions.extend(ends.filter_map(|end| {
            let replaced = handover.starts.iter().any(|start| start.replaces == Some(end.of));
            self.end(end, &old, replaced, begun_s)
        }));
        actions.extend(self.releases(&old, new, begun_s));
        actions.sort_by(|a, b| a.at_s.total_cmp(&b.at_s));
        actions
    }

    /// Records the GPUs that are rented from now on.
    fn boots(&mut self, old: &[GpuServers], new: &[GpuServers], begun_s: f64) -> Vec<HandoverStep> {
        let is_new = |machine: &&GpuServers| old.iter().all(|before| before.id != machine.id);
        let boot = |machine: &GpuServers| {
            let slot = self.slot(machine, begun_s);
            let reason = machine.servers.first().map_or("", |server| server.why.as_str());
            let mut boot = of_gpu(begun_s, Act::Boot, slot, reason);
            boot.done_s += self.input.spec.handover.boot_s;
            boot
        };
        new.iter().filter(is_new).map(boot).collect()
    }

    /// Records a server that continues, and its new batch size or part of the rate if either changes.
    fn stay(
        &mut self,
        stay: &StayingServer,
        old: &[GpuServers],
        new: &mut [GpuServers],
        begun_s: f64,
    ) -> Option<HandoverStep> {
        let before = old[stay.of.0].servers[stay.of.1];
        let slot = self.slots[&new[stay.at.0].id];
        let server = &mut new[stay.at.0].servers[stay.at.1];
        server.started = before.started;
        let server = *server;
        if before.batch == server.batch && (before.part - server.part).abs() < 1e-12 {
            return None;
        }
        let at_s = begun_s + stay.at_s;
        let setting = self.setting(&server, time(at_s));
        self.done.timeline.servers[server.started?].settings.push(setting);
        Some(HandoverStep {
            workload: Some(server.workload),
            units: (before.units, server.units),
            batch: server.batch,
            ..of_gpu(at_s, Act::Change, slot, "another batch size or part of the rate")
        })
    }

    fn begin_server(
        &mut self,
        start: &Start,
        old: &[GpuServers],
        new: &mut [GpuServers],
        begun_s: f64,
    ) -> HandoverStep {
        let slot = self.slots[&new[start.at.0].id];
        let server = new[start.at.0].servers[start.at.1];
        let times = [start.ordered_s, start.ready_s, start.takes_s];
        let times_s = times.map(|s| begun_s + s);
        let started = self.start(&server, slot, times_s);
        new[start.at.0].servers[start.at.1].started = Some(started);
        let before = start.replaces.map_or(0, |(gpu, place)| old[gpu].servers[place].units);
        let act = if start.deed == Deed::Move { Act::Move } else { Act::Restart };
        HandoverStep {
            done_s: times_s[1],
            workload: Some(server.workload),
            units: (before, server.units),
            batch: server.batch,
            forced: start.forced,
            ..of_gpu(times_s[0], act, slot, reason(start.deed, &server))
        }
    }

    /// Records that a server takes no more requests. This is an action of its own only where no other server
    /// replaces it.
    fn end(
        &mut self,
        end: &End,
        old: &[GpuServers],
        replaced: bool,
        begun_s: f64,
    ) -> Option<HandoverStep> {
        let server = old[end.of.0].servers[end.of.1];
        let at_s = begun_s + end.at_s;
        if let Some(started) = server.started {
            let ended = &mut self.done.timeline.servers[started];
            // A setting that would begin after the end never takes effect.
            ended.settings.retain(|setting| setting.from <= time(at_s));
            ended.takes_until = Some(time(at_s));
        }
        let slot = self.slots[&old[end.of.0].id];
        (!replaced).then(|| HandoverStep {
            workload: Some(server.workload),
            units: (server.units, 0),
            ..of_gpu(at_s, Act::Stop, slot, "its workload has other servers")
        })
    }

    /// Records the GPUs that are released when their last server ends.
    fn releases(
        &mut self,
        old: &[GpuServers],
        new: &[GpuServers],
        begun_s: f64,
    ) -> Vec<HandoverStep> {
        let is_gone = |machine: &&GpuServers| new.iter().all(|after| after.id != machine.id);
        let release = |machine: &GpuServers| {
            let numbers = machine.servers.iter().filter_map(|server| server.started);
            let ends = numbers.filter_map(|n| self.done.timeline.servers[n].takes_until);
            let until = ends.max().unwrap_or_else(|| time(begun_s));
            let slot = self.slots[&machine.id];
            if let Some(last) = self.done.timeline.gpus[slot].rented.last_mut() {
                last.1 = Some(until);
            }
            of_gpu(until.as_seconds(), Act::Release, slot, "none of its servers is left")
        };
        old.iter().filter(is_gone).map(release).collect()
    }
}

/// Returns the step of a whole GPU, which is also the base of the steps of its servers.
fn of_gpu(at_s: f64, act: Act, slot: usize, reason: &'static str) -> HandoverStep {
    HandoverStep {
        at_s,
        done_s: at_s,
        act,
        workload: None,
        gpu: GpuId::new(slot),
        units: (0, 0),
        batch: 0,
        forced: false,
        reason,
    }
}

fn time(at_s: f64) -> Nanoseconds {
    Nanoseconds::from_seconds(at_s.max(0.0)).unwrap_or(Nanoseconds::ZERO)
}
