//! The outcome of a request, and its binary form in a temporary file.

use igniter_model::domain::{FailedRequest, Failure, GpuId, RequestRecord, WorkloadId};
use igniter_model::units::Nanoseconds;

/// Length of an entry in a temporary file, in bytes.
pub(super) const RAW: usize = 10 * 8;

/// Reasons for failures, in the order of their codes; code 0 is a completed request.
const FAILURES: [Failure; 3] = [Failure::Rejected, Failure::TimedOut, Failure::Lost];

/// A request in the log.
#[derive(Debug, Clone, Copy)]
pub(super) enum LogEntry {
    Completed(RequestRecord),
    Failed(FailedRequest),
}

impl LogEntry {
    pub(super) fn workload(&self) -> usize {
        match self {
            Self::Completed(record) => record.workload.index(),
            Self::Failed(request) => request.workload.index(),
        }
    }

    pub(super) fn gpu(&self) -> usize {
        match self {
            Self::Completed(record) => record.gpu.index(),
            Self::Failed(request) => request.gpu.index(),
        }
    }

    pub(super) fn arrival(&self) -> Nanoseconds {
        match self {
            Self::Completed(record) => record.arrival,
            Self::Failed(request) => request.arrival,
        }
    }

    /// Returns the time at which the request was completed or failed.
    pub(super) fn end(&self) -> Nanoseconds {
        match self {
            Self::Completed(record) => record.done,
            Self::Failed(request) => request.at,
        }
    }

    pub(super) fn latency(&self) -> Nanoseconds {
        self.end() - self.arrival()
    }

    /// Returns the record if the request was completed.
    pub(super) fn record(&self) -> Option<&RequestRecord> {
        match self {
            Self::Completed(record) => Some(record),
            Self::Failed(_) => None,
        }
    }

    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::Completed(_) => "completed",
            Self::Failed(request) => request.failure.as_str(),
        }
    }

    pub(super) fn meets(&self, slo: Nanoseconds) -> bool {
        self.record().is_some_and(|record| record.latency() <= slo)
    }

    pub(super) fn encode(&self) -> [u8; RAW] {
        let workload = self.workload() as u64;
        let numbers = match self {
            Self::Completed(record) => [
                0,
                workload,
                record.batch,
                u64::from(record.batch_size),
                record.arrival.get(),
                record.load_start.get(),
                record.load_end.get(),
                record.exec_start.get(),
                record.exec_end.get(),
                record.done.get(),
            ],
            Self::Failed(request) => {
                let code = (1..).zip(FAILURES).find(|(_, failure)| *failure == request.failure);
                let code = code.expect("every failure has a code").0;
                [code, workload, request.arrival.get(), request.at.get(), 0, 0, 0, 0, 0, 0]
            }
        };
        let mut raw = [0; RAW];
        for (place, number) in raw.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        raw
    }

    pub(super) fn decode(raw: &[u8; RAW], gpu: GpuId) -> Self {
        let number = |i: usize| {
            u64::from_le_bytes(raw[8 * i..8 * i + 8].try_into().expect("eight bytes of a number"))
        };
        let index = |i| usize::try_from(number(i)).expect("it was an index");
        let time = |i| Nanoseconds::new(number(i));
        let workload = WorkloadId::new(index(1));
        if let Some(failure) = index(0).checked_sub(1) {
            let failure = FAILURES[failure];
            let (arrival, at) = (time(2), time(3));
            return Self::Failed(FailedRequest { workload, gpu, arrival, at, failure });
        }
        Self::Completed(RequestRecord {
            workload,
            gpu,
            batch: number(2),
            batch_size: u32::try_from(number(3)).expect("it was a batch size"),
            arrival: time(4),
            load_start: time(5),
            load_end: time(6),
            exec_start: time(7),
            exec_end: time(8),
            done: time(9),
        })
    }
}
