//! Servers that take turns on the same SMs: only one of them serves a batch at a time.
//!
//! A turn lasts from the moment at which an instance takes a batch until the results are copied back. Then the servers
//! of the time slot are offered the turn in the order of the plan, beginning with the server after the last one. The
//! first server whose batcher gives a batch has the next turn. Its batch holds the requests that have arrived until
//! then, as no server waits for a batch to fill. While no server has a batch, the first one to get a batch has the
//! turn. So no server has two turns while another waits, and no turn goes unused: this is the round robin of Nexus.

use super::gpu::GpuSimulation;
use super::server::FullServer;
use crate::speed::BadNumber;
use igniter_model::domain::RecordSink;
use igniter_model::units::Nanoseconds;

/// A time slot of a GPU.
#[derive(Debug)]
pub(super) struct TimeSlot {
    /// The number of the time slot in the plan.
    of_plan: u32,
    /// Its servers, in the order of the plan.
    servers: Vec<usize>,
    /// The position among `servers` of the server that has the turn, or had it last.
    last: usize,
    /// Whether a server has the turn.
    taken: bool,
}

impl TimeSlot {
    /// Groups the servers of a GPU by their time slots in the plan.
    pub(super) fn group(of_plan: &[Option<u32>], servers: &mut [FullServer]) -> Vec<Self> {
        let mut slots: Vec<Self> = Vec::new();
        for (index, server) in servers.iter_mut().enumerate() {
            let Some(number) = of_plan[index] else { continue };
            let known = slots.iter().position(|slot| slot.of_plan == number);
            let slot = known.unwrap_or_else(|| {
                // The last server counts as the previous one, so the first server is offered the first turn.
                slots.push(Self { of_plan: number, servers: Vec::new(), last: 0, taken: false });
                slots.len() - 1
            });
            slots[slot].servers.push(index);
            slots[slot].last = slots[slot].servers.len() - 1;
            server.time_slot = Some(slot);
        }
        slots
    }
}

impl<S: RecordSink> GpuSimulation<'_, S> {
    /// Gives the turn to a server that has taken a batch, if it takes turns.
    pub(super) fn begin_turn(&mut self, server: usize) {
        let Some(slot) = self.servers[server].time_slot else { return };
        let slot = &mut self.time_slots[slot];
        debug_assert!(!slot.taken, "one turn at a time");
        slot.taken = true;
        slot.last = slot.servers.iter().position(|of| *of == server).expect("one of the slot's");
        for &other in &slot.servers {
            self.servers[other].hold_instances();
        }
    }

    /// Ends the turn of a server whose batch is done, if it takes turns.
    pub(super) fn end_turn(&mut self, server: usize) {
        if let Some(slot) = self.servers[server].time_slot {
            self.time_slots[slot].taken = false;
        }
    }

    /// Ends the turn of a server that has crashed, if it had the turn.
    pub(super) fn lose_turn(&mut self, server: usize) {
        if let Some(slot) = self.servers[server].time_slot {
            let slot = &mut self.time_slots[slot];
            slot.taken &= slot.servers[slot.last] != server;
        }
    }

    /// In every slot where no server has the turn, gives it to the next server that has a batch.
    pub(super) fn pass_turns(&mut self, now: Nanoseconds) -> Result<(), BadNumber> {
        (0..self.time_slots.len()).try_for_each(|slot| self.pass_turn(slot, now))
    }

    /// If no server has the turn, gives it to the next server of the slot that has a batch. All servers without a batch
    /// are left waiting for one.
    pub(super) fn pass_turn(&mut self, slot: usize, now: Nanoseconds) -> Result<(), BadNumber> {
        let TimeSlot { ref servers, last, .. } = self.time_slots[slot];
        let count = servers.len();
        for place in (1..=count).map(|step| (last + step) % count) {
            if self.time_slots[slot].taken {
                break;
            }
            let index = self.time_slots[slot].servers[place];
            let server = &mut self.servers[index];
            // Only one instance of each server waits, since only one batch of the slot executes at a time.
            if server.paused || server.instances.iter().any(|instance| instance.ready) {
                continue;
            }
            if let Some(instance) = server.instances.iter().position(|instance| instance.held) {
                server.instances[instance].held = false;
                self.offer(index, instance, now)?;
            }
        }
        Ok(())
    }
}
