//! What arrived, beside what became of it.

use super::{RunError, Study};
use crate::domain::{GpuId, WorkloadName};
use crate::report::{ArrivalRow, Comparison, StrategyResult};
use crate::scenario::ScenarioWorkload;
use crate::sim::{ServerOutcome, SimError};
use crate::workload::ArrivalStatistics;
use rayon::prelude::*;

impl Study {
    /// The same with what arrived for each workload in the whole run. Arrivals that are known without a run are drawn
    /// once more, one after another, none kept.
    ///
    /// # Errors
    /// When arrivals cannot be made any more, as a file has changed.
    pub fn with_arrivals(&self, mut comparison: Comparison) -> Result<Comparison, RunError> {
        let scenario = self.scenario();
        let draw = |entry: &ScenarioWorkload| {
            if entry.arrival.waits_for_answers() {
                return Ok(None);
            }
            let (name, rate) = (&entry.workload.name, entry.workload.rate);
            let process = entry.arrival.build(name, rate, scenario.duration, scenario.seed);
            let mut process = process.map_err(SimError::from)?;
            let found = ArrivalStatistics::of(process.as_mut(), scenario.duration);
            let asked_rps = (!entry.arrival.has_own_rate()).then(|| rate.get());
            Ok(Some(ArrivalRow { asked_rps, ..row(name, &found) }))
        };
        let open: Vec<Option<ArrivalRow>> =
            scenario.workloads.par_iter().map(draw).collect::<Result<_, RunError>>()?;
        for result in &mut comparison.strategies {
            let closed = std::mem::take(&mut result.arrivals);
            for (entry, open) in scenario.workloads.iter().zip(&open) {
                let of_workload = closed.iter().filter(|row| row.workload == entry.workload.name);
                result.arrivals.extend(open.iter().chain(of_workload).cloned());
            }
        }
        Ok(comparison)
    }

    /// The result with what the clients of each server sent, where they are in a closed loop.
    pub(super) fn with_clients(
        &self,
        result: StrategyResult,
        servers: &[(GpuId, ServerOutcome)],
    ) -> StrategyResult {
        let sent = servers.iter().filter_map(|(gpu, server)| {
            let name = &self.workloads()[server.workload.index()].name;
            Some(ArrivalRow { gpu: Some(gpu.index()), ..row(name, &server.sent?) })
        });
        StrategyResult { arrivals: sent.collect(), ..result }
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
