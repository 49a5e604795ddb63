//! One direction of the PCIe link of a GPU, shared by concurrent copies.

use igniter_model::units::Nanoseconds;

/// A copy in progress.
#[derive(Debug, Clone, Copy)]
struct Copy {
    server: usize,
    instance: usize,
    /// The remaining work at the last change, in ns at the full bandwidth.
    remaining_ns: f64,
    end: Nanoseconds,
}

/// The copies that share the bandwidth evenly.
#[derive(Debug, Default)]
pub(super) struct Link {
    copies: Vec<Copy>,
    /// The time of the last change.
    since: Nanoseconds,
    /// Number of changes; distinguishes a valid end event from superseded ones.
    generation: u64,
}

impl Link {
    /// Begins a copy that takes `alone` on the whole link.
    pub(super) fn begin(
        &mut self,
        server: usize,
        instance: usize,
        alone: Nanoseconds,
        now: Nanoseconds,
    ) {
        self.advance(now);
        self.copies.push(Copy { server, instance, remaining_ns: alone.as_f64(), end: now });
        self.share_out(now);
    }

    /// Ends the copy that is due now; returns its server and instance.
    pub(super) fn end_first(&mut self, now: Nanoseconds) -> (usize, usize) {
        self.advance(now);
        let first = (0..self.copies.len()).min_by_key(|&i| self.copies[i].end);
        let Copy { server, instance, .. } =
            self.copies.remove(first.expect("a valid end event has a copy"));
        self.share_out(now);
        (server, instance)
    }

    /// Drops all copies of a server. Returns whether there were any, in which case the scheduled end event is no longer
    /// valid.
    pub(super) fn drop_server(&mut self, server: usize, now: Nanoseconds) -> bool {
        if self.copies.iter().all(|copy| copy.server != server) {
            return false;
        }
        self.advance(now);
        self.copies.retain(|copy| copy.server != server);
        self.share_out(now);
        true
    }

    /// Returns when the next copy ends, and the generation for which this holds.
    pub(super) fn next_end(&self) -> Option<(Nanoseconds, u64)> {
        let end = self.copies.iter().map(|copy| copy.end).min()?;
        Some((end, self.generation))
    }

    /// Returns whether an end event is still valid.
    pub(super) fn is_current(&self, generation: u64) -> bool {
        generation == self.generation
    }

    fn advance(&mut self, now: Nanoseconds) {
        if !self.copies.is_empty() {
            let passed = (now - self.since).as_f64() / self.copies.len() as f64;
            for copy in &mut self.copies {
                copy.remaining_ns = (copy.remaining_ns - passed).max(0.0);
            }
        }
        self.since = now;
    }

    fn share_out(&mut self, now: Nanoseconds) {
        self.generation += 1;
        let count = self.copies.len() as f64;
        for copy in &mut self.copies {
            copy.end = now.saturating_add(Nanoseconds::from_f64(copy.remaining_ns * count));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_copies_take_turns() {
        // A needs 100 ns and begins at 0; B needs 30 and begins at 40. From 40 on each has half: B ends at
        // 40 + 60 = 100. A has 60 left at 40, 30 at 100, and ends at 130.
        let at = Nanoseconds::new;
        let mut link = Link::default();
        link.begin(0, 0, at(100), at(0));
        assert_eq!(link.next_end().unwrap().0, at(100));
        link.begin(1, 0, at(30), at(40));
        let (end, generation) = link.next_end().unwrap();
        assert!(link.is_current(generation) && !link.is_current(generation - 1));
        assert_eq!((end, link.end_first(end)), (at(100), (1, 0)));
        let (end, _) = link.next_end().unwrap();
        assert_eq!((end, link.end_first(end)), (at(130), (0, 0)));
        assert!(link.next_end().is_none());
    }

    #[test]
    fn a_dropped_copy_leaves_the_link_to_the_others() {
        let at = Nanoseconds::new;
        let mut link = Link::default();
        link.begin(0, 0, at(100), at(0));
        link.begin(1, 0, at(100), at(0));
        assert!(link.drop_server(1, at(100)) && !link.drop_server(1, at(100)));
        // 50 of the 100 are left.
        assert_eq!(link.next_end().unwrap().0, at(150));
    }

    #[test]
    fn a_server_without_copies_leaves_the_others_alone() {
        let at = Nanoseconds::new;
        let mut link = Link::default();
        link.begin(0, 0, at(100), at(0));
        let (_, awaited) = link.next_end().unwrap();
        assert!(!link.drop_server(1, at(40)));
        assert!(link.is_current(awaited), "its end is still awaited");
        assert!(link.drop_server(0, at(40)));
        assert_eq!(link.next_end(), None);
    }
}
