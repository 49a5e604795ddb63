//! Where the requests of a server come from.

use super::{SimInput, SimWorkload};
use crate::arrivals::{
    ArrivalCount, ArrivalError, ArrivalProcess, ArrivalSpec, ArrivalStatistics, Clients,
    CountedArrivals, PartTimeArrivals, Shift, TraceFault,
};
use igniter_model::units::{Nanoseconds, RequestsPerSecond};

/// Where the requests of a server come from.
#[derive(Debug)]
pub(super) enum ServerArrivals {
    /// They come whatever happens.
    Open(Box<dyn ArrivalProcess>),
    /// From clients that wait for their answers.
    Closed(Box<Clients>),
}

impl ServerArrivals {
    /// Those of the server `own` of several that serve the workload at the given rates; of the only one, where
    /// there are fewer than two rates. Where arrivals are counted, the count of all requests of
    /// the workload comes with the first of its servers.
    pub(super) fn new(
        entry: &SimWorkload,
        rates: &[RequestsPerSecond],
        own: usize,
        input: &SimInput<'_>,
    ) -> Result<(Self, Option<ArrivalCount>), ArrivalError> {
        let SimInput { duration, seed, .. } = *input;
        let SimWorkload { workload, arrival, .. } = entry;
        if let ArrivalSpec::ClosedLoop(spec) = arrival {
            let clients = Clients::new(*spec, &workload.name, rates, own, duration, seed);
            return Ok((Self::Closed(Box::new(clients)), None));
        }
        let mut whole = arrival.build(&workload.name, workload.rate, duration, seed)?;
        // Every server of several goes through all requests of the workload: one of them counts.
        let mut count = None;
        if input.count_arrivals && own == 0 {
            let counted = CountedArrivals::new(whole, duration);
            count = Some(counted.count());
            whole = Box::new(counted);
        }
        if rates.len() > 1 {
            let whole_run = Shift::new((Nanoseconds::ZERO, Nanoseconds::MAX), rates, own);
            whole = Box::new(PartTimeArrivals::new(whole, vec![whole_run]));
        }
        Ok((Self::Open(whole), count))
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
