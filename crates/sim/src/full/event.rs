//! The events of a GPU, and the batches that execute on it.

use igniter_model::units::Nanoseconds;

/// An event of a GPU.
#[derive(Debug, Clone, Copy)]
pub(super) enum Event {
    /// A request arrives.
    Arrival {
        server: usize,
    },
    /// A batcher may have to act without an arrival.
    BatcherTimer {
        server: usize,
    },
    /// The instances of a server have started.
    Started {
        server: usize,
        life: u32,
    },
    /// The host has prepared a batch; its copy to the GPU begins on the shared link.
    CopyIn {
        server: usize,
        instance: usize,
        life: u32,
        alone: Nanoseconds,
    },
    /// The next copy to end in a direction of the shared link ends, unless the link has changed since.
    CopyEnd {
        direction: Direction,
        generation: u64,
    },
    /// A batch is on the GPU.
    Loaded {
        server: usize,
        instance: usize,
        life: u32,
    },
    /// The next execution to end ends, unless the prediction has changed since.
    ExecutionEnd {
        server: usize,
        generation: u64,
    },
    /// The results of a batch are on the host.
    Done {
        server: usize,
        instance: usize,
        life: u32,
    },
    /// A window of the controller ends.
    Tick,
    /// A change that a controller requested takes effect.
    Change {
        index: usize,
        life: u32,
    },
    /// One plan follows another.
    Follow,
    /// A fault begins, or ends.
    FaultBegins {
        index: usize,
    },
    FaultEnds {
        index: usize,
    },
}

impl Event {
    /// Returns the server that the event concerns; `None` for the whole GPU.
    pub(super) fn server(self) -> Option<usize> {
        match self {
            Self::Arrival { server }
            | Self::BatcherTimer { server }
            | Self::Started { server, .. }
            | Self::CopyIn { server, .. }
            | Self::Loaded { server, .. }
            | Self::ExecutionEnd { server, .. }
            | Self::Done { server, .. } => Some(server),
            _ => None,
        }
    }
}

/// A direction of the PCIe link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    In,
    Out,
}

/// A batch that executes.
#[derive(Debug, Clone, Copy)]
pub(super) struct ExecutingBatch {
    pub(super) server: usize,
    pub(super) instance: usize,
    pub(super) slot: usize,
    /// Its work as a multiple of `exec_ns`.
    pub(super) work: f64,
    /// The time of the predicted work at the current speed; 0 before the first speed is set.
    pub(super) exec_ns: f64,
    /// The end of the execution: in ns, and rounded to a moment.
    pub(super) end_ns: f64,
    pub(super) end: Nanoseconds,
}
