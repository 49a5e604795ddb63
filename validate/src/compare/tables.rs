//! Builds the table of a comparison.

use super::full_batches::{FullBatches, error_pct, full_batches, share};
use super::hand_overs::{HandOverRow, hand_overs};
use super::warnings::{warnings_of, warnings_of_run};
use super::{Limits, ModelKind, RunFolder, SimulatedRun, VerdictCheck, simulated_arm};
use crate::measure::{Arm, MeasuredRequest, ServerStatistics, Warning, measured_arm};
use igniter::domain::{ModelName, WorkloadName};
use igniter::figures::ValidationWorkload;
use igniter::metrics::{Window, WorkloadSummary};
use igniter::results::StrategyResult;
use igniter::stats::{bias_pct, mape_pct, mean, pearson, percentile};
use igniter::units::Nanoseconds;
use serde::{Deserialize, Serialize};

/// Simulated minus measured values, in percent of the measured ones.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SimulationErrors {
    /// Error of the mean latency.
    pub mean_pct: Option<f64>,
    /// Error of the median latency.
    pub p50_pct: Option<f64>,
    /// Error of the 90th percentile.
    pub p90_pct: Option<f64>,
    /// Error of the 99th percentile.
    pub p99_pct: Option<f64>,
    pub throughput_pct: Option<f64>,
    /// Error of the share of requests over the SLO, in percentage points.
    pub violation_points: Option<f64>,
}

/// The comparison of one workload. Where several placements serve it, GPU, batch, share and the times of full batches
/// are those of the placement with the worst prediction error of full batches.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ComparedWorkload {
    pub workload: WorkloadName,
    pub model: ModelName,
    /// Number of placements that serve it.
    pub replicas: usize,
    /// Its GPU in the plan.
    pub gpu: usize,
    /// Its largest batch.
    pub batch: u32,
    /// Its share of the SMs, in percent.
    pub sm_pct: f64,
    /// Its SLO, in ms.
    pub slo_ms: f64,
    /// The predicted time of a full batch in the planned co-location, in ms.
    pub predicted_batch_ms: f64,
    /// The same with the measured overhead of the host, in ms.
    pub hosted_batch_ms: f64,
    /// The mean time for which full batches occupied their instance, in ms; `None` without a full batch or a trace.
    pub measured_batch_ms: Option<f64>,
    /// The prediction with the host's overhead minus the measured time, in percent of the measured time.
    pub batch_error_pct: Option<f64>,
    /// The predicted throughput with full batches back to back, in requests/s.
    pub predicted_capacity_rps: f64,
    /// The result of simulating the arrivals that were sent.
    pub simulated: WorkloadSummary,
    /// The measured result.
    pub measured: WorkloadSummary,
    /// The differences between the two.
    pub errors: SimulationErrors,
    /// The 99th percentile of the lateness of sending, in ms.
    pub late_p99_ms: f64,
    /// The maximum lateness of sending, in ms.
    pub late_max_ms: f64,
    /// P99 latency counted from the actual send time, in ms: the value that a client that omits its own lateness would
    /// report.
    pub p99_from_sent_ms: Option<f64>,
    /// Mean latency counted in the same way, in ms.
    pub mean_from_sent_ms: Option<f64>,
    /// The time at which its first standby took over in the simulation, in seconds; `None` where none did.
    pub simulated_switch_s: Option<f64>,
    /// The time at which its first standby took over in the measurement, in seconds; `None` where none did.
    pub measured_switch_s: Option<f64>,
    /// The artifact's GPU latency: the mean over requests of the execution time of their batches in ms, as the server
    /// counted it over the whole run; `None` without its statistics.
    #[serde(default)]
    pub server_gpu_ms: Option<f64>,
    /// The artifact's average latency: the same with the copies of inputs and outputs, without queueing.
    #[serde(default)]
    pub server_batch_ms: Option<f64>,
}

/// The agreement of one kind of number with the measurement, over all workloads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Agreement {
    pub what: String,
    /// Mean absolute error, in percent.
    pub mape_pct: Option<f64>,
    /// Mean error, in percent; positive where the simulated or predicted value is too high.
    pub bias_pct: Option<f64>,
    /// Pearson's correlation with the measured values; `None` below two workloads.
    pub correlation: Option<f64>,
}

/// The result of a comparison: the source of all its text, files and figures.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ValidationResult {
    pub scenario: String,
    /// The strategy that planned.
    pub strategy: String,
    /// The predictor.
    pub predictor: String,
    /// The launcher that started the servers.
    pub launcher: String,
    /// The kind of models that they served.
    pub models: ModelKind,
    /// The server's name and version.
    pub server: Option<String>,
    /// The measured window, in seconds since the start.
    pub window_s: (f64, f64),
    /// One row for each workload that the plan serves, in the scenario's order.
    pub rows: Vec<ComparedWorkload>,
    /// The agreement over all workloads.
    pub agreement: Vec<Agreement>,
    /// The P99 around each hand-over, where plans followed each other.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hand_overs: Vec<HandOverRow>,
    /// Conditions that may spoil the comparison.
    pub warnings: Vec<Warning>,
    pub checks: Vec<VerdictCheck>,
    /// Whether all checks passed and the measurement can be judged at all.
    pub passed: bool,
    /// The warnings that make the measurement invalid, so that agreement would mean nothing. Empty where it is valid.
    pub invalid: Vec<String>,
    /// For figures: the arms in the form of strategies, simulated before measured.
    #[serde(skip)]
    pub arms: igniter::results::Comparison,
    /// For figures: the data of each workload of the scenario that the arms' tables do not hold.
    #[serde(skip)]
    pub shown: Vec<ValidationWorkload>,
}

/// Compares the arms of a run.
///
/// # Errors
/// When the simulation rejects the plan or its arrivals.
pub fn compare(run: &RunFolder, limits: &Limits) -> anyhow::Result<ValidationResult> {
    let window = run.window()?;
    let scenario = run.study.scenario();
    let predictor = run.study.simulated();
    let mut measured = measured_arm(&run.plan, run.study.workloads(), window, &run.rows);
    let SimulatedRun { arm: simulated, switched } = simulated_arm(
        scenario,
        (&run.plan, run.timeline.as_ref()),
        predictor,
        window,
        &run.info,
        &run.rows,
    )?;
    let (mut rows, mut shown): (Vec<ComparedWorkload>, _) = (Vec::new(), Vec::new());
    let mut warnings = warnings_of_run(&run.info);
    for (index, switched) in switched.into_iter().enumerate() {
        let name = &run.study.workloads()[index].name;
        let series = [&simulated, &measured].map(|arm| series(arm, index, window)).into();
        let mut show =
            ValidationWorkload { predicted_batch_ms: 0.0, measured_batch_ms: None, series };
        let own: Vec<MeasuredRequest> =
            run.rows.iter().filter(|r| r.workload == *name).cloned().collect();
        let Some(batches) = full_batches(run, predictor, index, &own, window) else {
            shown.push(show);
            continue;
        };
        let arms = (&simulated, &measured);
        let mut row = row(run, index, batches, arms, &own, window);
        row.simulated_switch_s = switched.map(Nanoseconds::as_seconds);
        warnings.extend(warnings_of(run, index, &row, arms, &own, window));
        show.predicted_batch_ms = row.predicted_batch_ms;
        show.measured_batch_ms = row.measured_batch_ms;
        shown.push(show);
        rows.push(row);
    }
    for row in &rows {
        let of = |summary: &&mut WorkloadSummary| summary.workload == row.workload;
        if let Some(summary) = measured.metrics.workloads.iter_mut().find(of) {
            summary.clone_from(&row.measured);
        }
    }
    let checks = VerdictCheck::all(&rows, limits);
    let passed = checks.iter().all(|check| check.passed)
        && !warnings.iter().any(Warning::is_fatal)
        && !rows.is_empty();
    // Under a queue policy requests fail as in the simulation.
    let policy = scenario.workloads.iter().any(|w| w.batching.has_policy());
    let voids = |warning: &&Warning| {
        warning.voids() && !(policy && matches!(warning, Warning::FailedRequests { .. }))
    };
    Ok(ValidationResult {
        scenario: scenario.name.clone(),
        strategy: run.plan.strategy.clone(),
        predictor: predictor.name().to_owned(),
        launcher: run.info.launcher.clone(),
        models: run.info.models,
        server: run.info.server.clone(),
        window_s: (window.start().as_seconds(), window.end().as_seconds()),
        invalid: warnings.iter().filter(voids).map(ToString::to_string).collect(),
        agreement: agreement(&rows),
        hand_overs: hand_overs(run, &simulated, &measured),
        rows,
        warnings,
        checks,
        passed,
        arms: arms(run, window, [simulated, measured]),
        shown,
    })
}

fn row(
    run: &RunFolder,
    index: usize,
    batches: FullBatches<'_>,
    (simulated, measured): (&Arm, &Arm),
    own: &[MeasuredRequest],
    window: Window,
) -> ComparedWorkload {
    let info = &run.info.workloads[index];
    let FullBatches { gpu, placement, replicas, .. } = batches;
    let summaries = [simulated, measured].map(|arm| arm.metrics.workloads[index].clone());
    let [simulated, mut measured] = summaries;
    // Without a trace, the server's counters over the whole run give the times of batches and stages.
    let untraced = own.iter().all(|row| row.start_ns.is_none());
    let counted = info.statistics.as_ref().filter(|_| untraced);
    if let Some(statistics) = counted {
        stages_of(&mut measured, statistics);
    }
    let of_size = |s: &ServerStatistics| s.of_size(placement.batch.get());
    let counted_ms = counted.and_then(of_size).map(|(stages, _)| stages.iter().sum());
    let measured_batch_ms = batches.measured_ms.or(counted_ms.filter(|_| replicas == 1));
    let inside = || own.iter().filter(|row| window.contains(Nanoseconds::new(row.intended_ns)));
    let mut late: Vec<Nanoseconds> = inside().map(MeasuredRequest::lag).collect();
    late.sort_unstable();
    let answered = inside().filter(|row| row.error.is_none());
    let mut from_sent: Vec<u64> = answered.map(|row| row.done_ns - row.sent_ns).collect();
    from_sent.sort_unstable();
    ComparedWorkload {
        workload: placement.workload.clone(),
        model: placement.model.clone(),
        replicas,
        gpu,
        batch: placement.batch.get(),
        sm_pct: share(run, placement).get(),
        slo_ms: measured.slo_ms,
        predicted_batch_ms: batches.predicted_ms,
        hosted_batch_ms: batches.hosted_ms,
        measured_batch_ms,
        batch_error_pct: error_pct(Some(batches.hosted_ms), measured_batch_ms),
        predicted_capacity_rps: batches.predicted_capacity_rps,
        errors: errors(&simulated, &measured),
        simulated,
        measured,
        late_p99_ms: percentile(&late, 0.99).unwrap_or_default().as_ms(),
        late_max_ms: late.last().copied().unwrap_or_default().as_ms(),
        p99_from_sent_ms: percentile(&from_sent, 0.99).map(|ns| ns as f64 / 1e6),
        mean_from_sent_ms: mean(&from_sent.iter().map(|&ns| ns as f64 / 1e6).collect::<Vec<_>>()),
        simulated_switch_s: None,
        measured_switch_s: info.switched_s,
        server_gpu_ms: info.statistics.as_ref().and_then(|s| s.per_request_ms(2..3)),
        server_batch_ms: info.statistics.as_ref().and_then(|s| s.per_request_ms(1..4)),
    }
}

/// Fills in the stages of a request from the server's counters: means over the whole run. The rest of the latency is
/// queueing, as with a trace.
fn stages_of(summary: &mut WorkloadSummary, statistics: &ServerStatistics) {
    let of = |stage: usize| statistics.per_request_ms(stage..stage + 1);
    let (Some(load), Some(exec), Some(feedback)) = (of(1), of(2), of(3)) else { return };
    summary.queue_ms = summary.mean_ms.map(|mean| (mean - load - exec - feedback).max(0.0));
    summary.load_ms = Some(load);
    summary.exec_ms = Some(exec);
    summary.feedback_ms = Some(feedback);
    summary.mean_batch = (statistics.executions > 0)
        .then(|| statistics.inferences as f64 / statistics.executions as f64);
}

fn errors(simulated: &WorkloadSummary, measured: &WorkloadSummary) -> SimulationErrors {
    let of =
        |value: fn(&WorkloadSummary) -> Option<f64>| error_pct(value(simulated), value(measured));
    let points = (simulated.slo_violation_pct, measured.slo_violation_pct);
    SimulationErrors {
        mean_pct: of(|s| s.mean_ms),
        p50_pct: of(|s| s.p50_ms),
        p90_pct: of(|s| s.p90_ms),
        p99_pct: of(|s| s.p99_ms),
        throughput_pct: of(|s| Some(s.throughput_rps)),
        violation_points: points.0.zip(points.1).map(|(simulated, measured)| simulated - measured),
    }
}

/// A number of a row and its measured counterpart.
type Pair = fn(&ComparedWorkload) -> (Option<f64>, Option<f64>);

fn agreement(rows: &[ComparedWorkload]) -> Vec<Agreement> {
    let kinds: [(&str, Pair); 6] = [
        ("time of a full batch, predicted", |r| (Some(r.predicted_batch_ms), r.measured_batch_ms)),
        ("the same with the host's overhead", |r| (Some(r.hosted_batch_ms), r.measured_batch_ms)),
        ("mean latency, simulated", |r| (r.simulated.mean_ms, r.measured.mean_ms)),
        ("median latency, simulated", |r| (r.simulated.p50_ms, r.measured.p50_ms)),
        ("P90 latency, simulated", |r| (r.simulated.p90_ms, r.measured.p90_ms)),
        ("P99 latency, simulated", |r| (r.simulated.p99_ms, r.measured.p99_ms)),
    ];
    let agreement = |(what, of): (&str, Pair)| {
        let pairs = rows.iter().filter_map(|row| of(row).0.zip(of(row).1));
        let (got, measured): (Vec<f64>, Vec<f64>) = pairs.unzip();
        Agreement {
            what: what.to_owned(),
            mape_pct: mape_pct(&got, &measured),
            bias_pct: bias_pct(&got, &measured),
            correlation: pearson(&got, &measured),
        }
    };
    kinds.into_iter().map(agreement).collect()
}

/// Returns the arms in the form of strategies, for the tables of a report.
fn arms(run: &RunFolder, window: Window, arms: [Arm; 2]) -> igniter::results::Comparison {
    let kinds = std::slice::from_ref(run.study.kind());
    let results = ["simulated", "measured"].into_iter().zip(arms).map(|(name, arm)| {
        let result = StrategyResult::new(&run.plan, kinds, run.study.workloads(), arm.metrics);
        StrategyResult { strategy: name.to_owned(), ..result }
    });
    let scenario = run.study.scenario();
    igniter::results::Comparison::new(&scenario.name, scenario.seed, window, results.collect())
}

/// Returns the mean latency over time: seconds since the start, and ms.
fn series(arm: &Arm, index: usize, window: Window) -> Vec<(f64, f64)> {
    const POINTS: u64 = 60;
    let latencies = arm.latencies(index);
    let step = window.duration().get() / POINTS;
    let mut series = Vec::new();
    let mut from = 0;
    for i in 0..POINTS {
        let end = Nanoseconds::new((i + 1) * step);
        let to = latencies.partition_point(|(at, _)| *at < end);
        let values: Vec<f64> = latencies[from..to].iter().map(|(_, ms)| *ms).collect();
        from = to;
        if let Some(mean_ms) = mean(&values) {
            series.push((Nanoseconds::new(i * step + step / 2).as_seconds(), mean_ms));
        }
    }
    series
}
