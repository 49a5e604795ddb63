//! Where the requests of a server come from.

use super::SimWorkload;
use crate::units::{Nanoseconds, RequestsPerSecond};
use crate::workload::{
    ArrivalError, ArrivalProcess, ArrivalSpec, ArrivalStatistics, Clients, SplitArrivals,
    TraceFault,
};

/// Where the requests of a server come from.
#[derive(Debug)]
pub(super) enum Arrivals {
    /// They come whatever happens.
    Open(Box<dyn ArrivalProcess>),
    /// From clients that wait for their answers.
    Closed(Box<Clients>),
}

impl Arrivals {
    /// Those of the server `own` of several that serve the workload at the given rates; of the only one, where
    /// there are fewer than two rates.
    pub(super) fn new(
        entry: &SimWorkload,
        rates: &[RequestsPerSecond],
        own: usize,
        duration: Nanoseconds,
        seed: u64,
    ) -> Result<Self, ArrivalError> {
        let SimWorkload { workload, arrival, .. } = entry;
        if let ArrivalSpec::ClosedLoop(spec) = arrival {
            let clients = Clients::new(*spec, &workload.name, rates, own, duration, seed);
            return Ok(Self::Closed(Box::new(clients)));
        }
        let whole = arrival.build(&workload.name, workload.rate, duration, seed)?;
        Ok(Self::Open(if rates.len() > 1 {
            Box::new(SplitArrivals::new(whole, rates, own))
        } else {
            whole
        }))
    }

    /// As [`ArrivalProcess::faults`].
    pub(super) fn faults(&self) -> Vec<TraceFault> {
        match self {
            Self::Open(process) => process.faults(),
            Self::Closed(_) => Vec::new(),
        }
    }

    /// What clients sent so far amounts to.
    pub(super) fn statistics(&self) -> Option<ArrivalStatistics> {
        match self {
            Self::Open(_) => None,
            Self::Closed(clients) => Some(clients.statistics()),
        }
    }
}
