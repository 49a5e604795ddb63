//! From the keys of a trace to workloads.

use super::Trace;

/// Which workload a key becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mapping {
    /// Each key is a workload of its own.
    Keys,
    /// Key i is workload i mod n ("stripe", as AlpaServe maps functions to models).
    Stripe(Vec<String>),
    /// Request i is workload i mod n, whatever its key.
    RoundRobin(Vec<String>),
}

impl Mapping {
    /// The trace with workloads for keys.
    #[must_use]
    pub fn apply(&self, trace: Trace) -> Trace {
        let count = |names: &[String]| u32::try_from(names.len()).unwrap_or(u32::MAX).max(1);
        let Trace { arrivals, keys, length } = trace;
        match self {
            Self::Keys => Trace { arrivals, keys, length },
            Self::Stripe(names) => {
                let n = count(names);
                let arrivals = arrivals.into_iter().map(|(time, key)| (time, key % n)).collect();
                Trace { arrivals, keys: names.clone(), length }
            }
            Self::RoundRobin(names) => {
                let turns = (0..count(names)).cycle();
                let arrivals =
                    arrivals.into_iter().zip(turns).map(|((time, _), turn)| (time, turn));
                Trace { arrivals: arrivals.collect(), keys: names.clone(), length }
            }
        }
    }
}
