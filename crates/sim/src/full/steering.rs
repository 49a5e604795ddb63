//! Changes to a GPU during a run: its controller, and faults.

use super::event::{Direction, Event};
use super::gpu::GpuSimulation;
use super::link::Link;
use super::server::{BatchInFlight, FullServer};
use crate::control::{CompletedBatch, ControlChange, ControlWindow, Controller, ServerView};
use crate::faults::{GpuFault, Strikes};
use crate::features::FullFeatures;
use crate::speed::BadNumber;
use igniter_model::domain::{Action, ActionKind, Failure, RecordSink, ServerWindow};
use igniter_model::units::{BatchSize, Milliseconds, Nanoseconds, RequestsPerSecond, SmPercent};

/// The length of a window if no controller sets it.
const WINDOW: Nanoseconds = Nanoseconds::new(1_000_000_000);

/// The controller of a GPU, its faults, and their outcomes.
#[derive(Debug, Default)]
pub(super) struct Steering {
    controller: Option<Box<dyn Controller>>,
    faults: Vec<GpuFault>,
    targets: Vec<(Milliseconds, RequestsPerSecond)>,
    /// The requested changes, with the times of the decisions.
    changes: Vec<(Nanoseconds, ControlChange)>,
    /// For reports: one entry for each server if there is a controller or a fault, otherwise empty.
    observed: Vec<ObservedWindow>,
    window_start: Nanoseconds,
    pub(super) actions: Vec<Action>,
    pub(super) windows: Vec<ServerWindow>,
}

#[derive(Debug, Clone, Default)]
struct ObservedWindow {
    window: ControlWindow,
    failed: u64,
}

impl Steering {
    pub(super) fn note_failure(&mut self, server: usize) {
        if let Some(observed) = self.observed.get_mut(server) {
            observed.failed += 1;
        }
    }

    /// Records that a batch left the GPU at `done`; its requests are answered at the times of
    /// `answered`.
    pub(super) fn note_batch(
        &mut self,
        server: usize,
        flight: &BatchInFlight,
        done: Nanoseconds,
        answered: &[Nanoseconds],
    ) {
        if self.observed.is_empty() {
            return;
        }
        let requests = flight.batch.iter().zip(answered);
        let latencies: Vec<_> = requests.map(|(&arrival, &answered)| answered - arrival).collect();
        let batch = CompletedBatch {
            latencies: &latencies,
            service: (flight.load_end - flight.load_start) + (done - flight.exec_start),
            occupied: done - flight.exec_start,
        };
        self.observed[server].window.add(batch);
        if let Some(controller) = &mut self.controller {
            controller.completed(server, batch);
        }
    }

    fn period(&self) -> Nanoseconds {
        self.controller.as_ref().map_or(WINDOW, |controller| controller.period())
    }
}

impl<S: RecordSink> GpuSimulation<'_, S> {
    /// Takes over the controller and the faults, at time 0.
    pub(super) fn steer(&mut self, features: FullFeatures) -> Result<(), BadNumber> {
        let FullFeatures { controller, faults, targets, watched, .. } = features;
        for (index, fault) in faults.iter().enumerate() {
            self.events.push(fault.at, Event::FaultBegins { index });
            if let Some(end) = fault.end {
                self.events.push(end, Event::FaultEnds { index });
            }
        }
        let observed =
            if watched { vec![ObservedWindow::default(); self.servers.len()] } else { vec![] };
        self.steering = Steering { controller, faults, targets, observed, ..Steering::default() };
        if watched {
            let views = self.views();
            let wanted = self.steering.controller.as_mut().map(|c| c.start(&views));
            self.ask(wanted.unwrap_or_default(), Nanoseconds::ZERO)?;
            self.await_tick(Nanoseconds::ZERO);
        }
        Ok(())
    }

    /// Returns the servers as the controller sees them.
    fn views(&self) -> Vec<ServerView> {
        let targets = self.servers.iter().zip(&self.steering.targets).enumerate();
        let view = |(i, (server, &(slo, rate))): (usize, (&FullServer, &_))| ServerView {
            slo,
            rate,
            share_pct: self.speeds.share_pct(i),
            coming_pct: server.coming_pct.unwrap_or_else(|| self.speeds.share_pct(i)),
            batch: count(server.max_batch()),
            most: self.speeds.most(i).get(),
            instances: count(server.instances.len()),
            settled: server.outages == 0 && server.changing == 0,
        };
        targets.map(view).collect()
    }

    fn await_tick(&mut self, now: Nanoseconds) {
        let next = now.saturating_add(self.steering.period());
        if next <= self.duration {
            self.events.push(next, Event::Tick);
        }
    }

    /// Ends a window.
    pub(super) fn tick(&mut self, now: Nanoseconds) -> Result<(), BadNumber> {
        for (i, server) in self.servers.iter().enumerate() {
            let observed = &mut self.steering.observed[i];
            self.steering.windows.push(ServerWindow {
                start: self.steering.window_start,
                end: now,
                gpu: self.gpu,
                workload: server.workload,
                sm_pct: self.speeds.share_pct(i),
                batch: count(server.max_batch()),
                completed: observed.window.completed(),
                failed: std::mem::take(&mut observed.failed),
                p99: observed.window.p99(),
            });
            observed.window.clear();
        }
        self.steering.window_start = now;
        let views = self.views();
        let wanted = self.steering.controller.as_mut().map(|c| c.tick(&views));
        self.ask(wanted.unwrap_or_default(), now)?;
        self.await_tick(now);
        Ok(())
    }

    /// Applies the changes that a controller requests: at once, or after their delay.
    fn ask(&mut self, changes: Vec<ControlChange>, now: Nanoseconds) -> Result<(), BadNumber> {
        for change in changes {
            let ControlChange { server, delay, pauses, share_pct, .. } = change;
            let index = self.steering.changes.len();
            self.steering.changes.push((now, change));
            let life = self.servers[server].life;
            self.servers[server].changing += 1;
            self.servers[server].coming_pct = share_pct.or(self.servers[server].coming_pct);
            if delay == Nanoseconds::ZERO {
                self.apply_change(index, life, now)?;
                continue;
            }
            if pauses {
                self.pause(server);
            }
            self.events.push(now.saturating_add(delay), Event::Change { index, life });
        }
        Ok(())
    }

    /// Pauses a server: its instances take no new batch.
    fn pause(&mut self, server: usize) {
        self.servers[server].paused = true;
        self.servers[server].hold_instances();
    }

    fn resume(&mut self, server: usize, now: Nanoseconds) -> Result<(), BadNumber> {
        self.servers[server].paused = false;
        for instance in 0..self.servers[server].instances.len() {
            if std::mem::take(&mut self.servers[server].instances[instance].held) {
                self.instance_ready(server, instance, now)?;
            }
        }
        Ok(())
    }

    /// Applies a change, unless its server has crashed since the change was requested.
    pub(super) fn apply_change(
        &mut self,
        index: usize,
        life: u32,
        now: Nanoseconds,
    ) -> Result<(), BadNumber> {
        let (decided, change) = self.steering.changes[index].clone();
        let i = change.server;
        if self.servers[i].life != life {
            return Ok(());
        }
        self.servers[i].changing -= 1;
        if self.servers[i].changing == 0 {
            self.servers[i].coming_pct = None;
        }
        let (gpu, workload) = (self.gpu, Some(self.servers[i].workload));
        let action = |kind, from: f64, to: f64| Action {
            decided,
            effective: now,
            gpu,
            workload,
            kind,
            from: Some(from),
            to: Some(to),
            reason: change.reason.clone(),
        };
        if let Some(size) = change.batch {
            let from = count(self.servers[i].max_batch());
            let action = action(ActionKind::Batch, f64::from(from), f64::from(size));
            self.steering.actions.push(action);
            let size = BatchSize::new(size).expect("controllers ask for batches of one or more");
            self.servers[i].set_max_batch(size);
        }
        if let Some(to) = change.share_pct {
            let action = action(change.kind, self.speeds.share_pct(i), to);
            self.steering.actions.push(action);
            let to = SmPercent::new(to).expect("controllers ask for shares above nothing");
            self.speeds.set_share(i, to);
            self.states.clear();
            self.servers.iter_mut().for_each(FullServer::forget_transfers);
            self.speeds_changed(now)?;
        }
        // A later change that pauses may still be pending.
        if self.servers[i].paused && self.servers[i].changing == 0 {
            self.resume(i, now)?;
        }
        Ok(())
    }

    /// Updates the executing batches after a change of speeds, if there are any.
    fn speeds_changed(&mut self, now: Nanoseconds) -> Result<(), BadNumber> {
        if self.executions.is_empty() { Ok(()) } else { self.executions_changed(now) }
    }

    pub(super) fn fault_begins(&mut self, index: usize, now: Nanoseconds) -> Result<(), BadNumber> {
        match self.steering.faults[index].strikes.clone() {
            Strikes::Gpu => {
                let lost = (0..self.servers.len())
                    .map(|server| self.take_down(server, now))
                    .sum::<Result<u64, _>>()?;
                self.note_fault(now, None, ActionKind::Down, None, Some(lost as f64), "GPU fails");
            }
            Strikes::Servers(servers) => {
                for server in servers {
                    let lost = self.take_down(server, now)?;
                    let lost = Some(lost as f64);
                    self.note_fault(now, Some(server), ActionKind::Down, None, lost, "crash");
                }
            }
            Strikes::Speed(_) => self.set_slowdown(now, "GPU slows")?,
        }
        self.pass_turns(now)
    }

    pub(super) fn fault_ends(&mut self, index: usize, now: Nanoseconds) -> Result<(), BadNumber> {
        match self.steering.faults[index].strikes.clone() {
            Strikes::Gpu => {
                self.note_fault(now, None, ActionKind::Up, None, None, "GPU recovers");
                for server in 0..self.servers.len() {
                    self.bring_up(server, now)?;
                }
            }
            Strikes::Servers(servers) => {
                for server in servers {
                    self.note_fault(now, Some(server), ActionKind::Up, None, None, "restart");
                    self.bring_up(server, now)?;
                }
            }
            Strikes::Speed(_) => self.set_slowdown(now, "GPU is faster again")?,
        }
        Ok(())
    }

    /// Sets the slowdown to the product of all current slowdowns.
    fn set_slowdown(&mut self, now: Nanoseconds, reason: &str) -> Result<(), BadNumber> {
        let from = self.slowdown;
        let holds = |fault: &&GpuFault| fault.at <= now && fault.end.is_none_or(|end| end > now);
        let factors = self.steering.faults.iter().filter(holds).map(|fault| match fault.strikes {
            Strikes::Speed(factor) => factor,
            Strikes::Gpu | Strikes::Servers(_) => 1.0,
        });
        let slowdown = factors.product();
        self.slowdown = slowdown;
        self.note_fault(now, None, ActionKind::Slowdown, Some(from), Some(slowdown), reason);
        self.speeds_changed(now)
    }

    /// Adds a fault that keeps a server down. Returns the number of requests that were lost with
    /// the server.
    fn take_down(&mut self, server: usize, now: Nanoseconds) -> Result<u64, BadNumber> {
        self.servers[server].outages += 1;
        if self.servers[server].outages > 1 {
            return Ok(0);
        }
        let lost = self.servers[server].crash();
        self.lose_turn(server);
        for &arrival in &lost {
            self.fail(server, arrival, now, Failure::Lost);
        }
        for direction in [Direction::In, Direction::Out] {
            let link =
                self.links.as_mut().map(|links: &mut [Link; 2]| &mut links[direction as usize]);
            if link.is_some_and(|link| link.drop_server(server, now)) {
                self.await_copy(direction);
            }
        }
        let slots = self.servers[server].first_slot..;
        for slot in slots.take(self.servers[server].instances.len()) {
            self.executing[slot] = 0;
        }
        let before = self.executions.len();
        self.executions.retain(|execution| execution.server != server);
        if self.executions.len() < before {
            self.last_done = now;
            self.executions_changed(now)?;
        }
        Ok(lost.len() as u64)
    }

    /// Removes a fault that keeps a server down.
    fn bring_up(&mut self, server: usize, now: Nanoseconds) -> Result<(), BadNumber> {
        self.servers[server].outages -= 1;
        let FullServer { outages, startup, life, .. } = self.servers[server];
        if outages > 0 {
            return Ok(());
        }
        // A server that crashed before it had started does not start earlier because of that.
        if now < startup {
            self.events.push(startup, Event::Started { server, life });
            return Ok(());
        }
        self.start_instances(server, now)
    }

    fn note_fault(
        &mut self,
        now: Nanoseconds,
        server: Option<usize>,
        kind: ActionKind,
        from: Option<f64>,
        to: Option<f64>,
        reason: &str,
    ) {
        self.steering.actions.push(Action {
            decided: now,
            effective: now,
            gpu: self.gpu,
            workload: server.map(|server| self.servers[server].workload),
            kind,
            from,
            to,
            reason: reason.to_owned(),
        });
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).expect("fewer than 2^32 instances and requests of a batch")
}
