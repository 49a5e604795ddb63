//! `igniter plan`

use super::CommandOutcome;
use super::args::{PlanArgs, PlanFormat};
use super::common_args::{ChangeArgs, PredictorArgs, ScenarioArgs, TruthArgs};
use super::files::{check_writable, write_file, write_folder};
use super::output;
use super::planning::{Planned, Planner, PlanningArgs, bound_text, gpus};
use super::shared::PlannedScenarioArgs;
use crate::deploy;
use crate::domain::{GpuKindName, Plan, WorkloadFix};
use crate::plan::{
    Forecast, PlanFile, PlanRequest, ServerForecast, explain, lower_bound, plan_json,
    plans_by_half_of_slo, write_igniter_plan,
};
use crate::run::{ArtifactStudy, Overrides, Refined, Study};
use anyhow::bail;
use clap::ValueEnum as _;
use serde::Serialize;
use std::collections::BTreeMap;

/// Maximum number of workloads for which a bound is computed where the strategy proves none. With more, a bound may
/// take seconds, and is left to `igniter bound`.
const MOST_BOUNDED: usize = 14;

#[derive(Serialize)]
struct PlanJson {
    #[serde(flatten)]
    plan: PlanFile,
    violations: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    explanations: Vec<String>,
    /// The forecast of each workload, where the plan was made by such an analysis.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    forecast: Vec<Forecast>,
}

/// Reads the scenario of a command.
pub(super) fn study(
    args: &ScenarioArgs,
    planning: &PlanningArgs,
    truth: Option<&TruthArgs>,
) -> anyhow::Result<Study> {
    let overrides = overrides(&args.change, &args.predictor, planning, truth);
    Ok(Study::load(&args.scenario, &overrides)?)
}

pub(super) fn overrides(
    change: &ChangeArgs,
    predictor: &PredictorArgs,
    planning: &PlanningArgs,
    truth: Option<&TruthArgs>,
) -> Overrides {
    Overrides {
        set: change.set.clone(),
        seed: change.seed,
        profile: predictor.profile.clone(),
        predictor: predictor.predictor.clone(),
        truth: truth.and_then(|truth| truth.truth.clone()),
        prediction_error: truth.is_some_and(|truth| truth.prediction_error),
        plan: planning.overrides(),
    }
}

/// Reads the scenario of a command, and its plan where one is given; plan files of the artifact need no scenario.
/// Assumptions beyond the files are printed to stderr, unless `quiet` is set.
pub(super) fn planned_study(
    args: &PlannedScenarioArgs,
    planning: &PlanningArgs,
    truth: Option<&TruthArgs>,
    quiet: bool,
) -> anyhow::Result<(Study, Option<Plan>)> {
    let overrides = overrides(&args.change, &args.predictor, planning, truth);
    let (_, plans) = args.files();
    let Some(scenario) = args.scenario()? else {
        if let Some((key, _)) = args.change.set.first() {
            bail!(
                "--set {key}: there is no scenario; fix: write it with `igniter plan --scenario-out` and name it"
            );
        }
        let read = ArtifactStudy::read(plans, &overrides)?;
        if !quiet {
            for assumption in &read.assumptions {
                eprintln!("assumed: {assumption}");
            }
        }
        return Ok((read.study, Some(read.plan)));
    };
    let study = Study::load(scenario, &overrides)?;
    let plan = if plans.is_empty() { None } else { Some(study.read_plans(plans)?) };
    Ok((study, plan))
}

pub(super) fn run(args: &PlanArgs) -> anyhow::Result<CommandOutcome> {
    let planner = Planner::new(&args.strategy, &args.refine)?;
    if let Some(path) = args.output.as_ref().filter(|_| args.format != PlanFormat::Igniter) {
        check_writable(path)?;
    }
    let (study, _) = planned_study(&args.scenario, &args.planning, None, args.print.quiet)?;
    if let Some(path) = &args.scenario_out {
        write_file(path, &study.scenario().to_toml())?;
    }
    let by_queues = planner.name() == "queueing";
    if args.explain && !by_queues && study.request().is_none() {
        bail!("--explain takes a scenario with one GPU kind; name one with --profile");
    }
    let mut planned = planner.plan(&study)?;
    // Plans by other rules are outside of what these bounds cover.
    let by_rule = plans_by_half_of_slo(&planned.plan.strategy);
    if let (None, true, Some(request)) = (&planned.refined, by_rule, study.request()) {
        improve_bound(&mut planned.plan, &request);
    }
    let plan = &planned.plan;
    let violations: Vec<String> = study.check(plan).iter().map(ToString::to_string).collect();
    let forecast = if by_queues { study.forecast(plan, args.explain) } else { Vec::new() };
    let explanations: Vec<String> = match study.request().filter(|_| args.explain) {
        _ if by_queues => forecast.iter().map(|f| f.to_string().trim_end().to_owned()).collect(),
        Some(request) => explain(plan, &request).iter().map(ToString::to_string).collect(),
        None => Vec::new(),
    };
    if let Some(gpu) = plan.gpus.iter().position(|gpu| gpu.takes_turns())
        && args.format != PlanFormat::Json
    {
        let format =
            args.format.to_possible_value().map_or_else(String::new, |v| v.get_name().to_owned());
        bail!(
            "--format {format}: placements of GPU {gpu} of the plan take turns on the same SMs (time_slot), which this \
             format cannot say; allowed: json; fix: leave --format out, or use a strategy whose workloads have SMs of \
             their own"
        );
    }
    let file = plan_json(plan, &study.kinds());
    let igniter = || write_igniter_plan(plan, &study.kinds(), study.workloads());
    match (&args.output, args.format) {
        (Some(path), PlanFormat::Json) => {
            write_file(path, &(serde_json::to_string_pretty(&file)? + "\n"))?;
        }
        (Some(path), PlanFormat::Igniter) => {
            let named = (1..).zip(igniter()).map(|(n, text)| (format!("config_gpu{n}.json"), text));
            write_folder(path, &named.collect::<Vec<_>>())?;
        }
        (Some(path), PlanFormat::Compose | PlanFormat::Kubernetes) => {
            write_file(path, &manifests(args.format, plan, &study))?;
        }
        (None, _) => {}
    }
    let met = planned.refined.as_ref().is_none_or(|refined| refined.met);
    let passed = violations.is_empty() && plan.infeasible.is_empty() && met;
    if args.print.json {
        output::print_json(&PlanJson { plan: file, violations, explanations, forecast })?;
    } else if args.output.is_none() && args.format == PlanFormat::Igniter {
        output::print(&igniter().join("\n"))?;
    } else if args.output.is_none() && args.format != PlanFormat::Json {
        output::print(&manifests(args.format, plan, &study))?;
    } else if !args.print.quiet {
        let mut text = described(&planned, &study, &violations);
        if !forecast.is_empty() {
            text += &forecast_text(&forecast, &study);
        }
        for explanation in &explanations {
            text += &format!("\n\n{explanation}");
        }
        if let Some(path) = &args.output {
            text += &format!("\nwrote {}", path.display());
        }
        output::print(&text)?;
    }
    Ok(CommandOutcome::of(passed))
}

/// Replaces a weaker bound by the one that `igniter bound` proves, where that takes seconds at most or the strategy is
/// `optimal`, which takes long itself.
fn improve_bound(plan: &mut Plan, request: &PlanRequest<'_>) {
    let is_met = plan.bound.as_ref().is_some_and(|bound| plan.gpus.len() <= bound.gpus);
    let few = request.workloads().len() <= MOST_BOUNDED;
    if is_met || !(few || plan.strategy == "optimal") {
        return;
    }
    let better = lower_bound(request);
    if plan.bound.as_ref().is_none_or(|known| known.gpus < better.gpus) {
        plan.bound = Some(better);
    }
}

/// Returns the files that start the servers of a plan.
fn manifests(format: PlanFormat, plan: &Plan, study: &Study) -> String {
    let (kinds, scenario) = (study.kinds(), study.scenario());
    if format == PlanFormat::Compose {
        deploy::compose(plan, &kinds, scenario)
    } else {
        deploy::kubernetes(plan, &kinds, scenario)
    }
}

/// Returns the number of GPUs of each kind, such as `2 v100 + 1 t4`, or only `v100` where there is one kind.
fn kinds(plan: &Plan, study: &Study) -> String {
    let kinds = study.kinds();
    if let [one] = kinds.as_slice() {
        return one.name.to_string();
    }
    let count = |name: &GpuKindName| plan.gpus.iter().filter(|gpu| gpu.kind == *name).count();
    let used = kinds.iter().filter(|kind| count(&kind.name) > 0);
    used.map(|kind| format!("{} {}", count(&kind.name), kind.name)).collect::<Vec<_>>().join(" + ")
}

fn described(planned: &Planned, study: &Study, violations: &[String]) -> String {
    let plan = &planned.plan;
    let several = study.kinds().len() > 1;
    let by_name: BTreeMap<_, _> = study.workloads().iter().map(|w| (&w.name, w)).collect();
    let rows = plan.placements().map(|(gpu, p)| {
        let workload = by_name.get(&p.workload);
        let (slo, rate) = workload.map_or((0.0, 0.0), |w| (w.slo.get(), w.rate.get()));
        let kind = &plan.gpus[gpu].kind;
        let units = study.kinds().iter().find(|k| k.name == *kind).map(|k| k.units);
        let sm = units.and_then(|units| p.sm.to_percent(units));
        let rate = p.served.map_or_else(
            || rate.to_string(),
            |part| format!("{:.4} of {rate}", part.get()).replace(".0000", ""),
        );
        vec![
            if several { format!("{gpu} {kind}") } else { gpu.to_string() },
            p.workload.to_string(),
            p.model.to_string(),
            p.batch.to_string(),
            match (sm, p.time_slot) {
                (None, _) => String::new(),
                (Some(sm), None) => format!("{sm} %"),
                (Some(sm), Some(slot)) => format!("{sm} % in turn ({slot})"),
            },
            slo.to_string(),
            p.predicted.map_or_else(String::new, |s| format!("{:.3}", s.latency.get())),
            rate,
            p.predicted.map_or_else(String::new, |s| format!("{:.1}", s.throughput.get())),
        ]
    });
    let header = [
        "GPU",
        "workload",
        "model",
        "batch",
        "SMs",
        "SLO ms",
        "batch latency ms",
        "rate /s",
        "throughput /s",
    ];
    let mut text = format!(
        "{}: {} ({}), {:.2} $/h\n{}\n{}",
        plan.strategy,
        gpus(plan.gpus.len()),
        kinds(plan, study),
        plan.cost_per_hour(&study.kinds()).get(),
        output::table(&header, rows),
        match planned.refined {
            Some(_) => "found by simulation: nothing is proven about other plans".to_owned(),
            None => bound_text(plan, study),
        },
    );
    if !plan.infeasible.is_empty() {
        text += &format!(
            "\n{} of {} workloads cannot be served and are left out",
            plan.infeasible.len(),
            study.workloads().len()
        );
    }
    for infeasible in &plan.infeasible {
        text += &format!("\ninfeasible: {}: {}", infeasible.workload, infeasible.reason);
        for fix in &infeasible.fixes {
            text += &match fix {
                WorkloadFix::Slo(slo) => format!("\n  feasible with an SLO of {slo} ms"),
                WorkloadFix::Rate(rate) => format!("\n  feasible at {rate} requests/s"),
            };
        }
    }
    for violation in violations {
        text += &format!("\npredicted violation: {violation}");
    }
    if let Some(refined) = &planned.refined {
        text += &refined_text(refined);
    }
    text
}

/// Formats the forecast of each workload.
fn forecast_text(forecast: &[Forecast], study: &Study) -> String {
    let header = [
        "workload",
        "servers",
        "within SLO",
        "in such a run",
        "planned for",
        "busy",
        "mean batch",
        "slowed by",
    ];
    let rows = forecast.iter().map(|f| {
        let mean = |of: fn(&ServerForecast) -> f64| {
            let sum: f64 = f.servers.iter().map(of).sum();
            sum / f.servers.len().max(1) as f64
        };
        vec![
            f.workload.clone(),
            f.servers.len().to_string(),
            format!("{:.2} %", f.attained_pct),
            format!("{:.2} to {:.2} %", f.interval_pct.0, f.interval_pct.1),
            format!("{:.2} %", f.goal_pct),
            format!("{:.0} %", mean(|server| server.busy_pct)),
            format!("{:.2}", mean(|server| server.mean_batch)),
            format!("{:.0} %", mean(|server| server.slowdown_pct)),
        ]
    });
    let plan = &study.scenario().plan;
    let mut text = format!(
        "\n\nexpected by the analysis of queues, without simulation ({} % within the SLO; a run as long as the \
         scenario's reaches that with a confidence of {} %):\n{}",
        plan.attainment_pct,
        plan.confidence_pct,
        output::table(&header, rows)
    );
    for f in forecast {
        if let Some(note) = &f.note {
            text += &format!("\nnote: {}: {note}", f.workload);
        }
    }
    text
}

/// Formats the resources of each workload that simulation found.
fn refined_text(refined: &Refined) -> String {
    let header = [
        "workload",
        "replicas",
        "batch",
        "SMs",
        "latency / SLO",
        "rate / throughput",
        "within SLO",
    ];
    let rows = refined.needs.iter().map(|need| {
        vec![
            need.workload.to_string(),
            need.replicas.to_string(),
            need.batch.to_string(),
            format!("{:.1} %", need.sm_pct),
            format!("{:.2}", need.latency_part),
            format!("{:.2}", need.load),
            format!("{:.2} %", need.attained_pct),
        ]
    });
    let verdict =
        if refined.met { "every workload reaches the target" } else { "the target is missed" };
    format!(
        "\n\nwhat each workload has, found by simulation ({verdict}):\n{}",
        output::table(&header, rows)
    )
}
