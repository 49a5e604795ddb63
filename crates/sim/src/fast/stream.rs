//! The arrivals of one server, in blocks.

use crate::arrivals::ArrivalProcess;
use igniter_model::units::Nanoseconds;

/// The smallest number of arrivals that are generated at a time.
const BLOCK: usize = 256;

/// Arrivals in order. They are drawn when a batch is formed, so a backlog takes no memory: only the arrivals that are
/// in an instance and less than two blocks of future arrivals are kept.
#[derive(Debug)]
pub(super) struct ArrivalStream {
    /// The source of arrivals; `None` where they are pushed.
    process: Option<Box<dyn ArrivalProcess>>,
    ended: bool,
    times: Vec<Nanoseconds>,
    /// The number of the first of `times` among all arrivals.
    base: u64,
    /// The position in `times` of the first arrival that is in no batch.
    head: usize,
}

impl ArrivalStream {
    /// Creates a stream. Without a process, arrivals are [pushed](Self::push) when they happen.
    pub(super) fn new(process: Option<Box<dyn ArrivalProcess>>) -> Self {
        Self { ended: process.is_none(), process, times: Vec::new(), base: 0, head: 0 }
    }

    /// Adds a request that arrives.
    pub(super) fn push(&mut self, arrival: Nanoseconds) {
        self.times.push(arrival);
    }

    /// Returns whether the next [push](Self::push) needs more memory. Arrivals that are no longer needed should then be
    /// forgotten first.
    pub(super) fn is_full(&self) -> bool {
        self.times.len() == self.times.capacity()
    }

    /// Drops the arrivals before the number `keep`.
    pub(super) fn forget(&mut self, keep: u64) {
        let unused = usize::try_from(keep - self.base).expect("a position in memory");
        self.times.drain(..unused);
        self.base = keep;
        self.head -= unused;
        // Space for as many again as are kept: the cost of dropping is then constant for each arrival.
        self.times.reserve(self.times.len().max(BLOCK));
    }

    /// Returns whether fewer than `count` arrivals without a batch are in memory, although there may be more.
    pub(super) fn lacks(&self, count: usize) -> bool {
        !self.ended && self.times.len() - self.head < count
    }

    /// Draws at least `count` more arrivals, if there are that many, and drops the arrivals before the number `keep`.
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

    /// Returns the number of the next arrival that is in no batch, which is also the number of arrivals in batches.
    pub(super) fn taken(&self) -> u64 {
        self.base + self.head as u64
    }

    /// Returns how many of the next `limit` arrivals have occurred at `now`.
    #[inline(always)]
    pub(super) fn waiting(&self, now: Nanoseconds, limit: usize) -> usize {
        let next = &self.times[self.head..];
        let next = &next[..next.len().min(limit)];
        next.iter().position(|&arrival| arrival > now).unwrap_or(next.len())
    }

    /// Returns the next `count` arrivals, if that many are in memory.
    #[inline(always)]
    pub(super) fn ahead(&self, count: usize) -> Option<&[Nanoseconds]> {
        self.times.get(self.head..)?.get(..count)
    }

    /// Returns the time of the arrival `ahead` places after the next one that is in no batch.
    pub(super) fn next(&self, ahead: usize) -> Option<Nanoseconds> {
        self.times.get(self.head + ahead).copied()
    }

    /// Puts the next `rows` arrivals in a batch; returns the number of the first one.
    pub(super) fn take(&mut self, rows: usize) -> u64 {
        let first = self.taken();
        self.head += rows;
        first
    }

    /// Returns the arrivals of a batch.
    #[inline(always)]
    pub(super) fn batch(&self, first: u64, rows: u32) -> &[Nanoseconds] {
        let start = usize::try_from(first - self.base).expect("a position in memory");
        &self.times[start..start + rows as usize]
    }
}
