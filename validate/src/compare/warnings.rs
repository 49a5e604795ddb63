//! Conditions that may spoil a comparison.

use super::{ComparedWorkload, RunFolder, RunInfo};
use crate::measure::{Arm, MeasuredRequest, NO_ANSWER, Warning, spread_pct, window_means};
use igniter::metrics::Window;

/// The P99 lateness of the client above which it gets a warning, in ms.
const LATE_MS: f64 = 1.0;
/// Number of parts into which the run is cut to check that it was steady.
const STRETCHES: usize = 3;
/// The maximum by which the mean latencies of the parts may differ more than in the simulation, in percent.
const UNSTEADY_PCT: f64 = 10.0;
/// The maximum part of the run in which some process of the machine may wait for a processor, in
/// percent.
const BUSY_PCT: f64 = 30.0;

/// Returns the warnings of a whole run: those noted during the run, and too few processors.
pub(super) fn warnings_of_run(info: &RunInfo) -> Vec<Warning> {
    let mut warnings = info.warnings.clone();
    if let Some(waiting_pct) = info.cpu_wait_pct.filter(|&pct| pct > BUSY_PCT) {
        warnings.push(Warning::BusyMachine { waiting_pct, limit_pct: BUSY_PCT });
    }
    warnings
}

/// Returns the warnings about the measurement of one workload.
pub(super) fn warnings_of(
    run: &RunFolder,
    index: usize,
    row: &ComparedWorkload,
    (simulated, measured): (&Arm, &Arm),
    own: &[MeasuredRequest],
    window: Window,
) -> Vec<Warning> {
    let info = &run.info.workloads[index];
    let workload = || row.workload.clone();
    let mut warnings = Vec::new();
    let at_limit = info.most_connections > 0 && info.connections >= info.most_connections;
    if at_limit && info.exhausted > 0 {
        // Lateness here comes from the client's connection limit, not from the machine.
        let (limit, p99_ms) = (info.most_connections, row.late_p99_ms);
        warnings.push(Warning::ConnectionLimit { workload: workload(), limit, p99_ms });
    } else if row.late_p99_ms > LATE_MS {
        let (p99_ms, limit_ms) = (row.late_p99_ms, LATE_MS);
        let stolen_pct = run.info.cpu_stolen_pct;
        warnings.push(Warning::LateSends { workload: workload(), p99_ms, limit_ms, stolen_pct });
    }
    if info.exhausted > 0 {
        warnings.push(Warning::PoolExhausted { workload: workload(), times: info.exhausted });
    }
    let spread = |arm: &Arm| spread_pct(&window_means(&arm.latencies(index), window, STRETCHES));
    if let (Some(spread_pct), Some(simulated_pct)) = (spread(measured), spread(simulated))
        && spread_pct > simulated_pct + UNSTEADY_PCT
    {
        warnings.push(Warning::Unstable { workload: workload(), spread_pct, simulated_pct });
    }
    let batching = &run.study.scenario().workloads[index].batching;
    let max_queue_delay_ms = batching.max_queue_delay.get();
    if max_queue_delay_ms > 0.0 && !batching.variable_shape {
        warnings.push(Warning::BatchRace { workload: workload(), max_queue_delay_ms });
    }
    // The run itself already reported the requests without an answer.
    let failed = own.iter().filter_map(|r| r.error.as_ref()).filter(|why| *why != NO_ANSWER);
    if let Some(first) = failed.clone().next() {
        warnings.push(Warning::FailedRequests {
            workload: workload(),
            failed: failed.count() as u64,
            requests: own.len() as u64,
            first: first.clone(),
        });
    }
    if own.iter().any(|r| r.output_bytes == Some(0)) {
        warnings.push(Warning::EmptyTensors { workload: workload() });
    }
    if let Some(statistics) = &info.statistics {
        let client = own.iter().filter(|r| r.error.is_none()).count() as u64;
        if statistics.success != client {
            let server = statistics.success;
            warnings.push(Warning::CountsDiffer { workload: workload(), server, client });
        }
    }
    if own.iter().all(|r| r.start_ns.is_none()) {
        warnings.push(Warning::NoTrace { workload: workload() });
    }
    warnings
}
