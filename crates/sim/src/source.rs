//! The sources of the requests of servers.

use super::{SimInput, SimWorkload};
use crate::arrivals::{
    ArrivalCount, ArrivalError, ArrivalProcess, ArrivalSpec, ArrivalStatistics, Clients,
    CountedArrivals, PartTimeArrivals, Shift, TraceFault,
};
use igniter_model::units::{Nanoseconds, RequestsPerSecond};

/// The source of the requests of a server.
#[derive(Debug)]
pub(super) enum ServerArrivals {
    /// Open arrivals, which do not depend on answers.
    Open(Box<dyn ArrivalProcess>),
    /// Clients that wait for their answers.
    Closed(Box<Clients>),
}

impl ServerArrivals {
    /// Creates the arrivals of server `own` of several that serve the workload at the given rates; with fewer than two
    /// rates, of the only server. If arrivals are counted, the count of all requests of the workload is returned with
    /// the first of its servers.
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
        // Each of several servers draws all requests of the workload, so only one of them counts.
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

    /// Returns the faults of the process, see [`ArrivalProcess::faults`].
    pub(super) fn faults(&self) -> Vec<TraceFault> {
        match self {
            Self::Open(process) => process.faults(),
            Self::Closed(_) => Vec::new(),
        }
    }

    /// Returns the statistics of the requests that clients have sent so far; `None` for open arrivals.
    pub(super) fn statistics(&self) -> Option<ArrivalStatistics> {
        match self {
            Self::Open(_) => None,
            Self::Closed(clients) => Some(clients.statistics()),
        }
    }
}
