//! Adds statistics of the arrivals to results.

use super::{RunError, Study};
use crate::arrivals::ArrivalStatistics;
use crate::domain::{GpuId, WorkloadId, WorkloadName};
use crate::results::{ArrivalRow, StrategyResult};
use crate::sim::{ServerOutcome, SimError};
use std::collections::BTreeMap;

impl Study {
    /// Adds the arrivals of each workload in the whole run to the result: those counted during the run, and the
    /// requests that the clients of each server sent. Arrivals of workloads without a placement, which are in no run,
    /// are drawn here.
    pub(super) fn with_arrivals(
        &self,
        mut result: StrategyResult,
        arrived: &[(WorkloadId, ArrivalStatistics)],
        servers: &[(GpuId, ServerOutcome)],
    ) -> Result<StrategyResult, RunError> {
        let scenario = self.scenario();
        let mut counted = vec![None; scenario.workloads.len()];
        for (id, found) in arrived {
            counted[id.index()] = Some(*found);
        }
        let mut sent: BTreeMap<usize, Vec<ArrivalRow>> = BTreeMap::new();
        for (gpu, server) in servers {
            let index = server.workload.index();
            let Some(found) = &server.sent else { continue };
            let own = row(&scenario.workloads[index].workload.name, found);
            sent.entry(index).or_default().push(ArrivalRow { gpu: Some(gpu.index()), ..own });
        }
        let mut arrivals = Vec::new();
        for (index, entry) in scenario.workloads.iter().enumerate() {
            let (name, rate) = (&entry.workload.name, entry.workload.rate);
            if entry.arrival.waits_for_answers() {
                arrivals.extend(sent.remove(&index).into_iter().flatten());
                continue;
            }
            let found = match counted[index] {
                Some(found) => found,
                None => {
                    let process = entry.arrival.build(name, rate, scenario.duration, scenario.seed);
                    let mut process = process.map_err(SimError::from)?;
                    ArrivalStatistics::of(process.as_mut(), scenario.duration)
                }
            };
            let asked_rps = (!entry.arrival.has_own_rate()).then(|| rate.get());
            arrivals.push(ArrivalRow { asked_rps, ..row(name, &found) });
        }
        result.details.arrivals = arrivals;
        Ok(result)
    }
}

fn row(workload: &WorkloadName, found: &ArrivalStatistics) -> ArrivalRow {
    ArrivalRow {
        workload: workload.clone(),
        gpu: None,
        asked_rps: None,
        requests: found.requests,
        rate_rps: found.rate_rps,
        gap_cv: found.gap_cv,
        peak_rps: found.peak_rps,
        dispersion: found.dispersion,
        longest_gap_s: found.longest_gap_s,
    }
}
