//! Servers that take turns on the same SMs: one of them serves a batch at a time.
//!
//! A turn lasts from the moment at which an instance takes a batch until the results are copied back. Then the servers of
//! the time slot are asked in the order of the plan, beginning with the one after the last, and the first whose batcher
//! gives a batch has the next turn; its batch holds what has come until then, as nobody waits for a batch to fill. While nobody has a batch, whoever gets one
//! first has the turn. So nobody has two turns while another waits, and no turn goes unused: the round robin of Nexus.

use super::gpu::GpuSimulation;
use super::server::FullServer;
use crate::speed::BadNumber;
use igniter_model::domain::RecordSink;
use igniter_model::units::Nanoseconds;

/// A time slot of a GPU.
#[derive(Debug)]
pub(super) struct TimeSlot {
    /// The number in the plan.
    of_plan: u32,
    /// Its servers, in the order of the plan.
    servers: Vec<usize>,
    /// The place among them of the one that has the turn, or had it last.
    last: usize,
    /// Whether one has it.
    taken: bool,
}

impl TimeSlot {
    /// Those of a GPU whose servers have these slots in the plan.
    pub(super) fn group(of_plan: &[Option<u32>], servers: &mut [FullServer]) -> Vec<Self> {
        let mut slots: Vec<Self> = Vec::new();
        for (index, server) in servers.iter_mut().enumerate() {
            let Some(number) = of_plan[index] else { continue };
            let known = slots.iter().position(|slot| slot.of_plan == number);
            let slot = known.unwrap_or_else(|| {
                // The first server is asked first: it comes after the last.
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
    /// A server has taken a batch: if it takes turns, the turn is its own.
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

    /// A batch of a server is done: if it takes turns, its turn is over.
    pub(super) fn end_turn(&mut self, server: usize) {
        if let Some(slot) = self.servers[server].time_slot {
            self.time_slots[slot].taken = false;
        }
    }

    /// A server has crashed: if it had the turn, nobody has it now.
    pub(super) fn lose_turn(&mut self, server: usize) {
        if let Some(slot) = self.servers[server].time_slot {
            let slot = &mut self.time_slots[slot];
            slot.taken &= slot.servers[slot.last] != server;
        }
    }

    /// In every slot where nobody has the turn, the next that has a batch takes it.
    pub(super) fn pass_turns(&mut self, now: Nanoseconds) -> Result<(), BadNumber> {
        (0..self.time_slots.len()).try_for_each(|slot| self.pass_turn(slot, now))
    }

    /// If nobody has the turn, the next server of the slot that has a batch takes it. All that have none are left
    /// waiting for one.
    pub(super) fn pass_turn(&mut self, slot: usize, now: Nanoseconds) -> Result<(), BadNumber> {
        let TimeSlot { ref servers, last, .. } = self.time_slots[slot];
        let count = servers.len();
        for place in (1..=count).map(|step| (last + step) % count) {
            if self.time_slots[slot].taken {
                break;
            }
            let index = self.time_slots[slot].servers[place];
            let server = &mut self.servers[index];
            // One instance of each waits: a slot has room for one batch.
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
