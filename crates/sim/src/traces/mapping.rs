//! Maps the keys of a trace to workloads.

use super::{ImportError, TraceStream};
use igniter_model::units::Nanoseconds;
use std::path::Path;

/// How keys are mapped to workloads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mapping {
    /// Each key is a workload of its own.
    Keys,
    /// Key i is workload i mod n ("stripe", as AlpaServe maps functions to models).
    Stripe(Vec<String>),
    /// Request i is workload i mod n, whatever its key.
    RoundRobin(Vec<String>),
}

/// A trace whose keys are workloads.
#[derive(Debug)]
pub struct Mapped<S> {
    trace: S,
    mapping: Mapping,
    /// The workload of the next request.
    turn: u32,
}

impl<S: TraceStream> Mapped<S> {
    /// Maps the keys of a trace. A mapping to workloads must have at least one workload.
    pub fn new(trace: S, mapping: Mapping) -> Self {
        Self { trace, mapping, turn: 0 }
    }
}

impl<S: TraceStream> TraceStream for Mapped<S> {
    fn next_arrival(&mut self) -> Result<Option<(Nanoseconds, u32)>, ImportError> {
        let count = |names: &[String]| u32::try_from(names.len()).unwrap_or(u32::MAX).max(1);
        let Some((time, key)) = self.trace.next_arrival()? else { return Ok(None) };
        let workload = match &self.mapping {
            Mapping::Keys => key,
            Mapping::Stripe(names) => key % count(names),
            Mapping::RoundRobin(names) => {
                let turn = self.turn;
                self.turn = (turn + 1) % count(names);
                turn
            }
        };
        Ok(Some((time, workload)))
    }

    fn keys(&self) -> &[String] {
        match &self.mapping {
            Mapping::Keys => self.trace.keys(),
            Mapping::Stripe(names) | Mapping::RoundRobin(names) => names,
        }
    }

    fn length(&self) -> Nanoseconds {
        self.trace.length()
    }

    fn path(&self) -> &Path {
        self.trace.path()
    }

    fn notes(&self) -> Vec<String> {
        self.trace.notes()
    }
}
