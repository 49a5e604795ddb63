//! The arrivals of one server, in blocks.

use crate::arrivals::ArrivalProcess;
use igniter_model::units::Nanoseconds;

/// How many arrivals are generated at a time, at least.
const BLOCK: usize = 256;

/// Arrivals in order. They are drawn when a batch is formed, so a backlog takes no memory: only those
/// that are in an instance, and less than two blocks that are to come, are kept.
#[derive(Debug)]
pub(super) struct ArrivalStream {
    /// None, where others say who arrives.
    process: Option<Box<dyn ArrivalProcess>>,
    ended: bool,
    times: Vec<Nanoseconds>,
    /// The number of the first of `times` among all arrivals.
    base: u64,
    /// The first of `times` that is in no batch.
    head: usize,
}

impl ArrivalStream {
    /// Without a process, arrivals are [pushed](Self::push) when they happen.
    pub(super) fn new(process: Option<Box<dyn ArrivalProcess>>) -> Self {
        Self { ended: process.is_none(), process, times: Vec::new(), base: 0, head: 0 }
    }

    /// A request arrives.
    pub(super) fn push(&mut self, arrival: Nanoseconds) {
        self.times.push(arrival);
    }

    /// Whether the next [push](Self::push) needs more memory, so that those that are no longer needed should be
    /// forgotten before.
    pub(super) fn is_full(&self) -> bool {
        self.times.len() == self.times.capacity()
    }

    /// Arrivals before the number `keep` are no longer needed.
    pub(super) fn forget(&mut self, keep: u64) {
        let unused = usize::try_from(keep - self.base).expect("a position in memory");
        self.times.drain(..unused);
        self.base = keep;
        self.head -= unused;
        // As many again as are needed: to forget then costs each arrival the same.
        self.times.reserve(self.times.len().max(BLOCK));
    }

    /// Whether fewer than `count` arrivals without a batch are here, although there may be more.
    pub(super) fn lacks(&self, count: usize) -> bool {
        !self.ended && self.times.len() - self.head < count
    }

    /// Draws at least `count` more arrivals, if there are so many. Arrivals before the number `keep` are
    /// no longer needed.
    pub(super) fn refill(&mut self, count: usize, keep: u64) {
        let unused = usize::try_from(keep - self.base).expect("a position in memory");
        self.times.drain(..unused);
        self.base = keep;
        self.head -= unused;
        let wanted = self.times.len() + count.max(BLOCK);
        if let Some(process) = &mut self.process {
            process.fill(count.max(BLOCK), &mut self.times);
        }
        self.ended = self.times.len() < wanted;
    }

    /// The number of the next arrival that is in no batch: how many are in one.
    pub(super) fn taken(&self) -> u64 {
        self.base + self.head as u64
    }

    /// How many of the next `limit` arrivals are there at `now`.
    #[inline(always)]
    pub(super) fn waiting(&self, now: Nanoseconds, limit: usize) -> usize {
        let next = &self.times[self.head..];
        let next = &next[..next.len().min(limit)];
        next.iter().position(|&arrival| arrival > now).unwrap_or(next.len())
    }

    /// The next `count` arrivals, if so many are here.
    #[inline(always)]
    pub(super) fn ahead(&self, count: usize) -> Option<&[Nanoseconds]> {
        self.times.get(self.head..)?.get(..count)
    }

    /// The time of the arrival `ahead` after the next one that is in no batch.
    pub(super) fn next(&self, ahead: usize) -> Option<Nanoseconds> {
        self.times.get(self.head + ahead).copied()
    }

    /// Puts the next `rows` arrivals in a batch; returns the number of the first.
    pub(super) fn take(&mut self, rows: usize) -> u64 {
        let first = self.taken();
        self.head += rows;
        first
    }

    /// The arrivals of a batch.
    #[inline(always)]
    pub(super) fn batch(&self, first: u64, rows: u32) -> &[Nanoseconds] {
        let start = usize::try_from(first - self.base).expect("a position in memory");
        &self.times[start..start + rows as usize]
    }
}
