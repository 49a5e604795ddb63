//! `igniter check`: describes a scenario in words and checks it, before anything runs.

use super::args::CheckArgs;
use super::plan::study;
use super::strategies;
use super::{CommandOutcome, output};
use crate::arrivals::{ArrivalSpec, RateShape};
use crate::domain::{Plan, WorkloadFix};
use crate::plan::{plan_json, strategy};
use crate::results::counted;
use crate::rules::execution_budget;
use crate::run::{Study, solo_latency_ms};
use crate::scenario::ScenarioWorkload;
use crate::units::Nanoseconds;
use serde::Serialize;

#[derive(Debug, Serialize)]
struct CheckJson {
    scenario: String,
    strategy: String,
    requests_per_s: f64,
    expected_requests: f64,
    gpu_count: usize,
    cost_per_hour: f64,
    workloads: Vec<CheckedWorkloadRow>,
    gpus: Vec<GpuRow>,
    infeasible: Vec<Refused>,
    violations: Vec<String>,
    notes: Vec<String>,
    /// The same document for each of the other requested strategies.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    others: Vec<CheckJson>,
}

#[derive(Debug, Serialize)]
struct CheckedWorkloadRow {
    workload: String,
    model: String,
    slo_ms: f64,
    /// The SLO divided by the latency of one request alone on the whole (first) GPU; `None` where the predictor of that
    /// GPU does not know the model.
    slo_x_solo: Option<f64>,
    rate_rps: f64,
    arrivals: String,
    /// The GPU in the plan; `None` for a workload without a placement.
    gpu: Option<usize>,
    /// Rate divided by predicted throughput, in percent.
    load_pct: Option<f64>,
    /// Predicted latency of a full batch divided by half of the SLO, in percent.
    half_slo_pct: Option<f64>,
}

#[derive(Debug, Serialize)]
struct GpuRow {
    gpu: usize,
    workloads: Vec<String>,
    sm_pct: f64,
    /// The highest load of the workloads on the GPU, in percent.
    highest_load_pct: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Refused {
    workload: String,
    reason: String,
    feasible_with: Vec<String>,
}

pub(super) fn run(args: &CheckArgs) -> anyhow::Result<CommandOutcome> {
    let study = study(&args.scenario, &args.planning, None)?;
    let mut names = strategies::chosen(&args.strategies);
    let results = names.iter().map(|name| {
        let plan = study.plan(strategy(name.trim())?.as_ref());
        study.check_run(&plan)?;
        Ok(document(&study, &plan))
    });
    let mut documents = if strategies::are_all(&args.strategies) {
        let results = results.collect();
        strategies::without_unable(&mut names, String::as_str, results)?
    } else {
        results.collect::<anyhow::Result<Vec<_>>>()?
    };
    let passed = |one: &CheckJson| one.violations.is_empty() && one.infeasible.is_empty();
    let passed = documents.iter().all(passed);
    if !args.print.json && !args.print.quiet {
        output::print(&text(&study, &documents))?;
    } else if args.print.json && !documents.is_empty() {
        let mut first = documents.remove(0);
        first.others = documents;
        output::print_json(&first)?;
    }
    Ok(CommandOutcome::of(passed))
}

fn document(study: &Study, plan: &Plan) -> CheckJson {
    let scenario = study.scenario();
    let units = study.kind().units;
    let rate = |name: &str| {
        let workload = study.workloads().iter().find(|w| w.name.as_str() == name);
        workload.map_or(0.0, |w| w.rate.get())
    };
    let load = |p: &crate::domain::Placement| {
        let served = p.served.map_or_else(|| rate(p.workload.as_str()), |served| served.get());
        p.predicted.map(|service| 100.0 * served / service.throughput.get())
    };
    let first = study.predictors().first().copied();
    let workloads = scenario.workloads.iter().map(|entry| {
        let workload = &entry.workload;
        let found = plan.placements().find(|(_, p)| p.workload == workload.name);
        let latency = found.and_then(|(_, p)| p.predicted).map(|service| service.latency.get());
        CheckedWorkloadRow {
            workload: workload.name.to_string(),
            model: workload.model.to_string(),
            slo_ms: workload.slo.get(),
            slo_x_solo: first.and_then(|first| {
                Some(workload.slo.get() / solo_latency_ms(first, &workload.model)?)
            }),
            rate_rps: workload.rate.get(),
            arrivals: arrivals(&entry.arrival),
            gpu: found.map(|(gpu, _)| gpu),
            load_pct: found.and_then(|(_, p)| load(p)),
            half_slo_pct: latency.map(|ms| 100.0 * ms / (execution_budget(workload.slo).get())),
        }
    });
    let workloads: Vec<CheckedWorkloadRow> = workloads.collect();
    let gpus = plan.gpus.iter().enumerate().map(|(gpu, co)| GpuRow {
        gpu,
        workloads: co.placements.iter().map(|p| p.workload.to_string()).collect(),
        sm_pct: co.total_sm().to_percent(units).map_or(0.0, |share| share.get()),
        highest_load_pct: co.placements.iter().filter_map(load).reduce(f64::max),
    });
    let infeasible = plan.infeasible.iter().map(|refused| Refused {
        workload: refused.workload.to_string(),
        reason: refused.reason.clone(),
        feasible_with: (refused.fixes.iter())
            .map(|fix| match fix {
                WorkloadFix::Slo(slo) => format!("an SLO of {slo} ms"),
                WorkloadFix::Rate(rate) => format!("{rate} requests/s"),
            })
            .collect(),
    });
    let total: f64 = workloads.iter().map(|row| row.rate_rps).sum();
    CheckJson {
        scenario: scenario.name.clone(),
        strategy: plan.strategy.clone(),
        requests_per_s: total,
        expected_requests: (total * scenario.duration.as_seconds()).round(),
        gpu_count: plan.gpus.len(),
        cost_per_hour: plan_json(plan, &study.kinds()).cost_per_hour().get(),
        gpus: gpus.collect(),
        infeasible: infeasible.collect(),
        violations: study.check(plan).iter().map(ToString::to_string).collect(),
        notes: notes(study, &workloads, &plan.strategy),
        workloads,
        others: Vec::new(),
    }
}

/// Returns notes on facts that the plan itself does not show.
fn notes(study: &Study, rows: &[CheckedWorkloadRow], strategy: &str) -> Vec<String> {
    let mut notes = if strategy == "queueing" { Vec::new() } else { study.advice() };
    let follows = study.scenario().replan.is_some();
    if follows {
        let command = crate::results::replan_again(&super::command_line(), strategy);
        notes.insert(
            0,
            format!(
                "plans of this scenario follow its load ([replan]), and the plan above is for rate_rps alone: the plans that run, \
                 and their GPUs, are those of `{command}`"
            ),
        );
    }
    let entries = &study.scenario().workloads;
    let uneven = entries.iter().filter(|e| e.arrival != ArrivalSpec::Constant).count();
    let tight = rows.iter().filter(|row| row.load_pct.is_some_and(|load| load > 90.0)).count();
    if uneven > 0 && tight > 0 {
        notes.push(format!(
            "{tight} of {} workloads {} planned to more than 90 % of {} throughput, and {uneven} {} \
             arrivals that are not evenly spaced: expect queues, and simulate before you trust the plan",
            rows.len(),
            if tight == 1 { "is" } else { "are" },
            if tight == 1 { "its" } else { "their" },
            if uneven == 1 { "has" } else { "have" },
        ));
    }
    let closed = |arrival: &ArrivalSpec| matches!(arrival, ArrivalSpec::ClosedLoop(_));
    let waiting = entries.iter().filter(|entry| closed(&entry.arrival)).count();
    if waiting > 0 {
        notes.push(format!(
            "{} clients that wait for their answers, so the servers determine the rate; the \
             plan uses rate_rps: compare it with the rate that a simulation reports",
            with_verb(waiting, "has", "have")
        ));
    }
    notes.extend(study.trace_notes());
    notes.extend(study.formula_note());
    let traced = |arrival: &ArrivalSpec| matches!(arrival, ArrivalSpec::Trace(_));
    let of_files = |e: &&ScenarioWorkload| {
        e.arrival.has_own_rate() && !closed(&e.arrival) && !traced(&e.arrival)
    };
    let own = entries.iter().filter(of_files).count();
    if own > 0 {
        notes.push(format!(
            "{} arrivals from files; the plan uses rate_rps, so check with `igniter trace inspect` that it is the rate of \
             the file",
            with_verb(own, "takes its", "take their")
        ));
    }
    let higher = entries.iter().filter(|entry| peak(&entry.arrival) > 1.0).count();
    if higher > 0 && !follows {
        notes.push(format!(
            "{} rate_rps at times; plans are made for rate_rps",
            with_verb(higher, "exceeds", "exceed")
        ));
    }
    let policies = entries.iter().filter(|entry| entry.batching.has_policy()).count();
    if policies > 0 {
        notes.push(format!(
            "{} a queue policy (max_queue_size or timeout_ms). {}",
            with_verb(policies, "has", "have"),
            crate::results::LOST_WAKE_UPS
        ));
    }
    notes
}

/// Returns a count with its verb: `1 workload has`, `2 workloads have`.
fn with_verb(n: usize, one: &str, several: &str) -> String {
    format!("{} {}", counted(n, "workload"), if n == 1 { one } else { several })
}

/// Returns the highest rate of an arrival process over time, as a multiple of `rate_rps`, as far as the scenario states
/// it.
fn peak(arrival: &ArrivalSpec) -> f64 {
    match arrival {
        ArrivalSpec::Shaped { gaps, shape } => {
            let own = match shape {
                RateShape::Diurnal { peak_to_trough: r, .. } => 2.0 * r / (r + 1.0),
                RateShape::Spike { factor, .. } => factor.max(1.0),
                RateShape::Ramp { from, to, .. } => from.max(*to),
                RateShape::Steps { steps, .. } => {
                    steps.iter().map(|s| s.factor).fold(0.0, f64::max)
                }
            };
            own * peak(gaps)
        }
        ArrivalSpec::Phases { phases } => {
            phases.iter().map(|phase| phase.rate_scale * peak(&phase.arrival)).fold(0.0, f64::max)
        }
        _ => 1.0,
    }
}

/// Describes arrivals in a few words.
fn arrivals(arrival: &ArrivalSpec) -> String {
    match arrival {
        ArrivalSpec::Constant => "evenly spaced".to_owned(),
        ArrivalSpec::Poisson => "Poisson".to_owned(),
        ArrivalSpec::Gamma { cv } => format!("gamma, CV {cv}"),
        ArrivalSpec::Weibull { cv } => format!("Weibull, CV {cv}"),
        ArrivalSpec::Normalised => "normalised Poisson".to_owned(),
        ArrivalSpec::Mmpp { states } => format!("MMPP of {} states", states.len()),
        ArrivalSpec::Shaped { gaps, shape } => {
            let gaps = arrivals(gaps);
            match shape {
                RateShape::Diurnal { period, peak_to_trough, .. } => {
                    format!("{gaps}, sine of {} s, {peak_to_trough}:1", period.as_seconds())
                }
                RateShape::Spike { start, end, factor } => {
                    format!(
                        "{gaps}, x{factor} from {} to {} s",
                        start.as_seconds(),
                        end.as_seconds()
                    )
                }
                RateShape::Ramp { start, end, from, to } => format!(
                    "{gaps}, x{from} to x{to} from {} to {} s",
                    start.as_seconds(),
                    end.as_seconds()
                ),
                RateShape::Steps { steps, .. } => format!("{gaps}, {} steps", steps.len()),
            }
        }
        ArrivalSpec::Rates { gaps, path, .. } => {
            format!("{}, rates of {}", arrivals(gaps), path.display())
        }
        ArrivalSpec::Trace(trace) => format!("trace {}", trace.path.display()),
        ArrivalSpec::Times(times) => format!("{} given times", times.len()),
        ArrivalSpec::Sum { parts } => {
            let parts: Vec<String> = parts.iter().map(|part| arrivals(&part.arrival)).collect();
            parts.join(" + ")
        }
        ArrivalSpec::Phases { phases } => format!("{} phases", phases.len()),
        ArrivalSpec::ClosedLoop(spec) => match (spec.think, spec.thinking) {
            (Nanoseconds::ZERO, _) => format!("{} clients in a closed loop", spec.clients),
            (think, thinking) => {
                let (ms, how) = (think.as_ms(), thinking.as_str());
                format!("{} clients that think {ms} ms ({how})", spec.clients)
            }
        },
    }
}

fn text(study: &Study, documents: &[CheckJson]) -> String {
    let Some(document) = documents.first() else { return String::new() };
    let scenario = study.scenario();
    let kind = study.kind();
    let seconds = |time: crate::units::Nanoseconds| time.as_seconds();
    let end = seconds(scenario.duration) - seconds(scenario.cooldown);
    let mut text = format!(
        "{}: {} workload{}, {} requests/s in all, on {} GPUs at {} $/h each\n\
         {} s of arrivals with seed {}, about {} requests; statistics from {} to {end} s\n",
        document.scenario,
        document.workloads.len(),
        if document.workloads.len() == 1 { "" } else { "s" },
        document.requests_per_s,
        kind.name,
        kind.price_per_hour,
        seconds(scenario.duration),
        scenario.seed,
        document.expected_requests,
        seconds(scenario.warmup),
    );
    let mut said: Vec<&str> = Vec::new();
    for (index, document) in documents.iter().enumerate() {
        if index > 0 {
            text += "\n\n";
        }
        text += &of_strategy(document, scenario.replan.is_some(), &said);
        said.extend(document.notes.iter().map(String::as_str));
    }
    text
}

/// Describes the plan of one strategy; notes in `said` are left out, as they were printed before.
fn of_strategy(document: &CheckJson, follows: bool, said: &[&str]) -> String {
    let mut text = String::new();
    let percent = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.0}"));
    let rows = document.workloads.iter().map(|row| {
        vec![
            row.workload.clone(),
            row.model.clone(),
            row.slo_ms.to_string(),
            row.slo_x_solo.map_or("-".to_owned(), |factor| format!("{factor:.1}")),
            row.rate_rps.to_string(),
            row.arrivals.clone(),
            row.gpu.map_or("-".to_owned(), |gpu| gpu.to_string()),
            percent(row.load_pct),
            percent(row.half_slo_pct),
        ]
    });
    let header = [
        "workload",
        "model",
        "SLO ms",
        "x solo",
        "rate /s",
        "arrivals",
        "GPU",
        "load %",
        "of SLO/2 %",
    ];
    text += &output::table(&header, rows);
    text += &format!(
        "\n{} needs {} GPU{}, {:.2} $/h{}:",
        document.strategy,
        document.gpu_count,
        if document.gpu_count == 1 { "" } else { "s" },
        document.cost_per_hour,
        if follows { ", for rate_rps alone" } else { "" },
    );
    for gpu in &document.gpus {
        text += &format!(
            "\n  GPU {}: {} % of the SMs for {}; the busiest has a load of {} %",
            gpu.gpu,
            gpu.sm_pct,
            gpu.workloads.join(", "),
            percent(gpu.highest_load_pct),
        );
    }
    for refused in &document.infeasible {
        text += &format!("\ninfeasible: {}: {}", refused.workload, refused.reason);
        for fix in &refused.feasible_with {
            text += &format!("\n  feasible with {fix}");
        }
    }
    for violation in &document.violations {
        text += &format!("\npredicted violation: {violation}");
    }
    for note in document.notes.iter().filter(|note| !said.contains(&note.as_str())) {
        text += &format!("\nnote: {note}");
    }
    if document.infeasible.is_empty() && document.violations.is_empty() {
        text += "\npredicted to be feasible";
    }
    text
}
