//! The speed of each batch of a GPU, and the power of the GPU, for any set of executing batches.
//!
//! Both engines cache the predictions, each in its own way, so the cost of the event loop does not depend on the form
//! of the predictor.

use super::Interference;
use igniter_model::domain::ModelId;
use igniter_model::predictor::{
    CoLocationPrediction, Member, MemberPrediction, Predictor, executing_beside,
};
use igniter_model::units::{BatchSize, Milliseconds, Nanoseconds, SmPercent};

/// A server as the predictor sees it. Each instance of a server is a *slot*; slots are numbered server by server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PlannedServer {
    pub(super) model: ModelId,
    /// The planned batch size.
    pub(super) batch: BatchSize,
    /// The SM share of all its instances together.
    pub(super) share: SmPercent,
    pub(super) instances: u32,
    /// The largest batch that its batcher forms.
    pub(super) max_batch: usize,
    /// Host time before the copy to the GPU, for each batch and for each request in it.
    pub(super) batch_overhead_ms: f64,
    pub(super) row_overhead_ms: f64,
    /// The factor by which a batch takes longer while another instance executes too; `None`: the instances divide the
    /// SMs.
    pub(super) instance_slowdown: Option<f64>,
    /// Servers with the same time slot serve one batch at a time, each with all of `share`.
    pub(super) time_slot: Option<u32>,
}

/// The state of a GPU while one set of batches executes.
#[derive(Debug)]
pub(super) struct SetState {
    /// The execution time of a whole batch of each slot, in ns; 0 where none executes.
    pub(super) exec_ns: Box<[f64]>,
    pub(super) draw: GpuDraw,
}

/// The load of the GPU while one set of batches executes.
#[derive(Debug, Clone, Copy)]
pub(super) struct GpuDraw {
    /// Number of executing batches.
    pub(super) running: u32,
    /// The sum of the shares of the servers that execute, in percent.
    pub(super) busy_sm_pct: f64,
    pub(super) power_w: f64,
    pub(super) clock_mhz: f64,
}

/// A value from the predictor that is not a valid time, power or clock.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct BadNumber {
    pub(super) server: Option<usize>,
    pub(super) batch: usize,
    pub(super) what: &'static str,
    pub(super) value: f64,
}

/// The predictor with the servers of one GPU, from which it computes states.
#[derive(Debug)]
pub(super) struct Speeds<'a> {
    predictor: &'a dyn Predictor,
    interference: Interference,
    servers: Vec<PlannedServer>,
    /// The server of each slot.
    slot_server: Vec<usize>,
    /// The limit on the sum of executing shares, in percent; above it, shares are scaled down to the whole GPU.
    most_pct: f64,
    /// Whether each server is present: all are, unless plans follow each other.
    present: Vec<bool>,
    scratch: SpeedBuffers,
}

/// Buffers that are refilled for each state.
#[derive(Debug, Default)]
struct SpeedBuffers {
    /// Number of executing instances of each server.
    executing: Vec<u32>,
    /// Slot and size of each batch.
    running: Vec<(usize, usize)>,
    members: Vec<Member>,
    prediction: CoLocationPrediction,
}

impl<'a> Speeds<'a> {
    pub(super) fn new(
        predictor: &'a dyn Predictor,
        interference: Interference,
        servers: Vec<PlannedServer>,
    ) -> Self {
        let slot_server: Vec<usize> = servers
            .iter()
            .enumerate()
            .flat_map(|(i, server)| (0..server.instances).map(move |_| i))
            .collect();
        let (most_pct, present) = (f64::INFINITY, vec![true; servers.len()]);
        let scratch = SpeedBuffers::default();
        Self { predictor, interference, servers, slot_server, most_pct, present, scratch }
    }

    /// Returns whether all states equal those of another GPU of the run; each GPU kind has one predictor.
    pub(super) fn are_those_of(&self, other: &Self) -> bool {
        self.predictor.kind().name == other.predictor.kind().name
            && self.interference == other.interference
            && self.servers == other.servers
            && self.most_pct.to_bits() == other.most_pct.to_bits()
            && self.present == other.present
    }

    /// Lets shares add up to more than the GPU: while more than 100 % execute, shares are scaled down.
    pub(super) fn allow_overlap(&mut self) {
        self.most_pct = 100.0;
    }

    /// Does the same for servers that are present together while one hands over to the other. By rounding, the servers
    /// of one plan may add up to a little more than 100 %; nothing changes for them.
    pub(super) fn allow_hand_over(&mut self) {
        self.most_pct = 100.0 + 1e-6;
    }

    /// Sets whether a server is present. States that were computed before are then invalid.
    pub(super) fn set_present(&mut self, server: usize, present: bool) {
        self.present[server] = present;
    }

    /// Sets the planned batch size of a server. States that were computed before are then invalid.
    pub(super) fn set_batch(&mut self, server: usize, batch: BatchSize) {
        self.servers[server].batch = batch;
    }

    /// Returns the speeds while only these servers are present, each given with its largest batch size.
    pub(super) fn only(&self, servers: impl Iterator<Item = (usize, usize)>) -> Self {
        let of = |(server, max_batch)| PlannedServer { max_batch, ..self.servers[server] };
        let only = Self::new(self.predictor, self.interference, servers.map(of).collect());
        Self { most_pct: self.most_pct, ..only }
    }

    /// Returns the share of a server, in percent.
    pub(super) fn share_pct(&self, server: usize) -> f64 {
        self.servers[server].share.get()
    }

    /// Sets the share of a server. States that were computed before are then invalid.
    pub(super) fn set_share(&mut self, server: usize, share: SmPercent) {
        self.servers[server].share = share;
    }

    /// Returns the largest batch size that a server may be given.
    pub(super) fn most(&self, server: usize) -> BatchSize {
        self.predictor.max_batch(self.servers[server].model)
    }

    /// Returns the host time before the copy of a batch of `rows` requests.
    pub(super) fn host_time(&self, server: usize, rows: usize) -> Nanoseconds {
        let PlannedServer { batch_overhead_ms, row_overhead_ms, .. } = self.servers[server];
        #[expect(clippy::cast_precision_loss, reason = "a batch size")]
        let ms = batch_overhead_ms + row_overhead_ms * rows as f64;
        Nanoseconds::from_f64(ms * 1e6)
    }

    pub(super) fn slots(&self) -> usize {
        self.slot_server.len()
    }

    /// Returns the times of the copies of a batch of `rows` requests to the GPU and back (t_load and t_feedback of the
    /// iGniter paper). The former includes the host time before the copy.
    ///
    /// A copy is not an execution, so there is no set of batches that executes with it. Where a predictor lets the
    /// co-location slow down copies, the planned co-location is used, or none with [`Interference::None`].
    pub(super) fn transfers(
        &self,
        server: usize,
        rows: usize,
    ) -> Result<(Nanoseconds, Nanoseconds), BadNumber> {
        let prediction = match self.interference {
            Interference::Dynamic | Interference::Static => self.in_plan(server, rows),
            Interference::None => self.alone(server, rows, 1),
        };
        let PlannedServer { batch_overhead_ms, row_overhead_ms, .. } = self.servers[server];
        #[expect(clippy::cast_precision_loss, reason = "a batch size")]
        let overhead = batch_overhead_ms + row_overhead_ms * rows as f64;
        let check = |what, ms| {
            let bad = BadNumber { server: Some(server), batch: rows, what, value: ms };
            Milliseconds::new(ms).map(Milliseconds::to_nanoseconds).map_err(|_| bad)
        };
        let load_ms = prediction.load_ms + overhead;
        Ok((check("load_ms", load_ms)?, check("feedback_ms", prediction.feedback_ms)?))
    }

    /// Returns the largest batch size of each slot.
    pub(super) fn max_sizes(&self) -> impl Iterator<Item = usize> {
        self.slot_server.iter().map(|&server| self.servers[server].max_batch)
    }

    /// Computes the state in which the slots execute batches of these sizes.
    pub(super) fn compute(&mut self, sizes: &[u32]) -> Result<SetState, BadNumber> {
        let mut exec_ns = vec![0.0; sizes.len()].into_boxed_slice();
        let draw = self.compute_into(sizes, &mut exec_ns)?;
        Ok(SetState { exec_ns, draw })
    }

    /// Does the same, and writes the execution times into a slice of zeros.
    pub(super) fn compute_into(
        &mut self,
        sizes: &[u32],
        exec_ns: &mut [f64],
    ) -> Result<GpuDraw, BadNumber> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let draw = self.compute_with(&mut scratch, sizes, exec_ns);
        self.scratch = scratch;
        draw
    }

    fn compute_with(
        &self,
        scratch: &mut SpeedBuffers,
        sizes: &[u32],
        exec_ns: &mut [f64],
    ) -> Result<GpuDraw, BadNumber> {
        let SpeedBuffers { executing, running, members, prediction: now } = scratch;
        let there = sizes.iter().enumerate().filter(|(_, size)| **size > 0);
        running.clear();
        running.extend(there.map(|(slot, &size)| (slot, size as usize)));
        // With one instance for each server, the slots are the servers, and there is nothing to count.
        let single = self.servers.len() == self.slot_server.len();
        let busy_sm_pct: f64 = if single {
            running.iter().map(|&(slot, _)| self.servers[slot].share.get()).sum()
        } else {
            executing.clear();
            executing.resize(self.servers.len(), 0);
            running.iter().for_each(|&(slot, _)| executing[self.slot_server[slot]] += 1);
            let all = self.servers.iter().zip(&*executing);
            let busy = all.filter(|(_, executing)| **executing > 0);
            busy.map(|(server, _)| server.share.get()).sum()
        };
        let executing = |server: usize| if single { 1 } else { executing[server] };
        let scale = if busy_sm_pct > self.most_pct { 100.0 / busy_sm_pct } else { 1.0 };
        members.clear();
        for &(slot, rows) in &*running {
            let server = self.slot_server[slot];
            let mut member = self.member(server, rows, executing(server));
            if scale < 1.0 {
                member.sm = SmPercent::new(member.sm.get() * scale)
                    .expect("a part of a positive share is positive");
            }
            members.push(member);
        }
        self.predictor.predict_into(members, now);

        let usual = single && self.interference == Interference::Dynamic;
        for (i, (slot, rows)) in running.iter().enumerate() {
            let server = self.slot_server[*slot];
            let ms = if usual {
                now.members[i].gpu_ms
            } else {
                self.unusual_ms(members, running, i, executing(server), now.members[i].gpu_ms)
            };
            if !(0.0..f64::INFINITY).contains(&ms) {
                let what = "gpu_ms";
                return Err(BadNumber { server: Some(server), batch: *rows, what, value: ms });
            }
            exec_ns[*slot] = ms * 1e6;
        }
        let CoLocationPrediction { power_w, clock_mhz, .. } = *now;
        for (what, value) in [("power_w", power_w), ("clock_mhz", clock_mhz)] {
            if !(0.0..f64::INFINITY).contains(&value) {
                return Err(BadNumber { server: None, batch: 0, what, value });
            }
        }
        Ok(GpuDraw {
            running: u32::try_from(running.len()).expect("fewer than 2^32 slots"),
            busy_sm_pct: busy_sm_pct * scale,
            power_w,
            clock_mhz,
        })
    }

    /// Returns the time of a batch in ms where the instances of its server may take turns, or where the time does not
    /// depend on the executing set.
    fn unusual_ms(
        &self,
        members: &[Member],
        running: &[(usize, usize)],
        own: usize,
        executing: u32,
        predicted_ms: f64,
    ) -> f64 {
        let (slot, rows) = running[own];
        let server = self.slot_server[slot];
        let takes_turns = self.servers[server].instance_slowdown.is_some();
        match self.interference {
            Interference::Dynamic if executing > 1 && takes_turns => {
                self.in_turn(members, running, own) * self.turns(server, executing)
            }
            Interference::Dynamic => predicted_ms,
            Interference::Static => {
                let turns = self.turns(server, self.servers[server].instances);
                self.in_plan(server, rows).gpu_ms * turns
            }
            Interference::None if takes_turns => {
                self.alone(server, rows, 1).gpu_ms * self.turns(server, executing)
            }
            Interference::None => self.alone(server, rows, executing).gpu_ms,
        }
    }

    /// Returns a batch of a server of which `executing` instances share the SMs.
    #[inline]
    fn member(&self, server: usize, rows: usize, executing: u32) -> Member {
        let server = &self.servers[server];
        let sm = if executing == 1 {
            server.share
        } else {
            SmPercent::new(server.share.get() / f64::from(executing))
                .expect("a part of a positive share is positive")
        };
        Member {
            model: server.model,
            batch: u32::try_from(rows).ok().and_then(|rows| BatchSize::new(rows).ok()).expect(
                "a batch has at least one request and at most the maximum batch size of its server",
            ),
            sm,
        }
    }

    /// Returns the factor of the time of a batch while `executing` instances of its server take turns; 1 where they
    /// divide the SMs.
    fn turns(&self, server: usize, executing: u32) -> f64 {
        let slowdown = self.servers[server].instance_slowdown;
        slowdown.map_or(1.0, |factor| 1.0 + f64::from(executing - 1) * (factor - 1.0))
    }

    /// Returns the time of one of the executing batches, in ms, as if its instance had all SMs of its server: the other
    /// instances of the server are left out.
    fn in_turn(&self, members: &[Member], running: &[(usize, usize)], own: usize) -> f64 {
        let server_of = |i: usize| self.slot_server[running[i].0];
        let server = server_of(own);
        let kept = |&i: &usize| i == own || server_of(i) != server;
        let before = (0..own).filter(kept).count();
        let mut set: Vec<Member> = (0..members.len()).filter(kept).map(|i| members[i]).collect();
        let siblings = (0..members.len()).filter(|&i| server_of(i) == server).count();
        #[expect(clippy::cast_precision_loss, reason = "a number of instances")]
        let whole = members[own].sm.get() * siblings as f64;
        set[before].sm = SmPercent::new(whole.min(100.0)).expect("a positive share");
        self.predictor.predict(&set).members[before].gpu_ms
    }

    /// Predicts a batch among all instances of all present servers, at their planned batch sizes. Instances that take
    /// turns count once, with all SMs of their server. Of servers that take turns, the one that slows this server most
    /// counts.
    fn in_plan(&self, server: usize, rows: usize) -> MemberPrediction {
        let first = self.slot_server.partition_point(|&other| other < server);
        let alone_in_turn = |of: usize| {
            let PlannedServer { instance_slowdown, time_slot, .. } = self.servers[of];
            time_slot.is_some() || (of == server && instance_slowdown.is_some())
        };
        let executing = |of| if alone_in_turn(of) { 1 } else { self.servers[of].instances };
        let planned =
            |of: usize| self.member(of, self.servers[of].batch.get() as usize, executing(of));
        let beside: Vec<usize> = if self.servers.iter().any(|s| s.time_slot.is_some()) {
            let members: Vec<Member> = (0..self.servers.len()).map(planned).collect();
            let slots: Vec<Option<u32>> = self.servers.iter().map(|s| s.time_slot).collect();
            executing_beside(self.predictor, &members, &slots, server)
        } else {
            (0..self.servers.len()).filter(|&other| self.present[other]).collect()
        };
        let mut members: Vec<Member> = Vec::new();
        let mut own = 0;
        let mut before = None;
        for (slot, &other) in self.slot_server.iter().enumerate() {
            let again = before.replace(other) == Some(other);
            if !beside.contains(&other) || (again && alone_in_turn(other)) {
                continue;
            }
            if slot == first {
                own = members.len();
                members.push(self.member(server, rows, executing(server)));
            } else {
                members.push(planned(other));
            }
        }
        self.predictor.predict(&members).members[own]
    }

    /// Predicts a batch that is alone on the GPU, except for `executing − 1` other instances that share the SMs of its
    /// server.
    fn alone(&self, server: usize, rows: usize, executing: u32) -> MemberPrediction {
        self.predictor.predict(&[self.member(server, rows, executing)]).members[0]
    }
}
