//! One server as the queueing analysis sees it, and the results of the analysis.

/// When the input of the next batch is copied to the GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loading {
    /// While the batch before it executes: the next batch is formed at the moment that this one starts.
    Ahead,
    /// After the batch before it is done: a batch is formed when the server is free.
    Serial,
}

/// A server that executes one batch at a time, and the requests that it gets.
///
/// All times are in ms, by batch size: entry k is for a batch of k requests, entry 0 is 0.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueueingServer<'a> {
    /// Rate of the workload's whole stream, in requests/ms (> 0).
    pub rate_per_ms: f64,
    /// Number R of equal replicas (≥ 1), of which this server is one: it gets every R-th request of the stream.
    pub every: usize,
    /// Time for which a batch holds the server: execution, and the copy of the results back.
    pub hold_ms: &'a [f64],
    /// Time for host work and the copy of the input before that; all 0 where it is part of `hold_ms`
    /// ([`Loading::Serial`]).
    pub load_ms: &'a [f64],
    /// A request is in time if its batch is done within this time after the request arrived.
    pub deadline_ms: f64,
    /// When the next batch is formed.
    pub loading: Loading,
}

impl QueueingServer<'_> {
    /// Returns the size of the largest batch.
    pub(super) fn most(&self) -> usize {
        self.hold_ms.len() - 1
    }

    /// Returns the part of the time for which the server would be busy with full batches only; at 1 and above its
    /// queue grows without limit.
    pub(super) fn load(&self) -> f64 {
        let most = self.most();
        let period_ms = self.hold_ms[most].max(self.load_ms[most]);
        #[expect(clippy::cast_precision_loss, reason = "small numbers")]
        let requests = (most * self.every) as f64;
        self.rate_per_ms * period_ms / requests
    }

    /// Returns whether the server is hopeless without any analysis: its queue grows without limit (or nearly so), or
    /// even a request that finds the server idle is late.
    pub(super) fn is_hopeless(&self) -> bool {
        self.load() >= MOST_LOAD || self.load_ms[1] + self.hold_ms[1] > self.deadline_ms
    }
}

/// Servers that would be busy for more of the time than this with full batches are not analysed: queues
/// are then hundreds of requests long, and no SLO of a few batches is met.
const MOST_LOAD: f64 = 0.98;

/// The long-run behaviour of a server.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Steady {
    /// Part of its requests that are in time, from 0 to 1.
    pub attained: f64,
    /// Part of the time for which it executes, from 0 to 1.
    pub busy: f64,
    /// Requests in a batch, on average.
    pub mean_batch: f64,
    /// Part of its batches that are as large as they may be.
    pub full: f64,
}

impl Steady {
    /// Returns the values for a server that cannot keep up.
    #[expect(clippy::cast_precision_loss, reason = "a batch size")]
    pub(super) fn overloaded(server: &QueueingServer<'_>) -> Self {
        Self { attained: 0.0, busy: 1.0, mean_batch: server.most() as f64, full: 1.0 }
    }
}
