//! Copies between host and GPU, where they share the PCIe link.

use super::event::{Direction, Event};
use super::gpu::GpuSimulation;
use super::link::Link;
use crate::speed::BadNumber;
use igniter_model::domain::RecordSink;
use igniter_model::units::Nanoseconds;

impl<S: RecordSink> GpuSimulation<'_, S> {
    pub(super) fn begin_copy(
        &mut self,
        direction: Direction,
        server: usize,
        instance: usize,
        alone: Nanoseconds,
        now: Nanoseconds,
    ) {
        if let Some(links) = &mut self.links {
            links[direction as usize].begin(server, instance, alone, now);
            self.await_copy(direction);
        }
    }

    /// Schedules the end of the copy that ends first.
    pub(super) fn await_copy(&mut self, direction: Direction) {
        let link = self.links.as_ref().map(|links| &links[direction as usize]);
        if let Some((end, generation)) = link.and_then(Link::next_end) {
            self.events.push(end, Event::CopyEnd { direction, generation });
        }
    }

    pub(super) fn end_copy(
        &mut self,
        direction: Direction,
        generation: u64,
        now: Nanoseconds,
    ) -> Result<(), BadNumber> {
        let Some(links) = &mut self.links else { return Ok(()) };
        let link = &mut links[direction as usize];
        if !link.is_current(generation) {
            return Ok(());
        }
        let (server, instance) = link.end_first(now);
        self.await_copy(direction);
        match direction {
            Direction::In => self.loaded(server, instance, now),
            Direction::Out => self.complete(server, instance, now),
        }
    }
}
