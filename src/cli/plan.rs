//! `igniter plan`

use super::Outcome;
use super::args::{PlanArgs, PlanFormat};
use super::common_args::{PlannedScenarioArgs, PredictorArgs, ScenarioArgs, TruthArgs};
use super::files::{check_writable, write_file, write_folder};
use super::output;
use super::planning::{Planned, Planner, PlanningArgs, bound_text, gpus};
use crate::deploy;
use crate::domain::{GpuKindName, Plan, WorkloadFix};
use crate::plan::{
    PlanFile, explain, is_artifact_plan, lower_bound, plan_json, write_igniter_plan,
};
use crate::run::{ArtifactStudy, Overrides, Refined, Study};
use anyhow::bail;
use serde::Serialize;

/// For more workloads a bound may take seconds: those of strategies that prove none are left to `igniter bound`.
const MOST_BOUNDED: usize = 14;

#[derive(Serialize)]
struct Document {
    #[serde(flatten)]
    plan: PlanFile,
    violations: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    explanations: Vec<String>,
}

/// Reads the scenario of a command.
pub(super) fn study(
    args: &ScenarioArgs,
    planning: &PlanningArgs,
    truth: Option<&TruthArgs>,
) -> anyhow::Result<Study> {
    let overrides = overrides(args.seed, &args.predictor, planning, truth);
    Ok(Study::load(&args.scenario, &overrides)?)
}

fn overrides(
    seed: Option<u64>,
    predictor: &PredictorArgs,
    planning: &PlanningArgs,
    truth: Option<&TruthArgs>,
) -> Overrides {
    Overrides {
        seed,
        profile: predictor.profile.clone(),
        predictor: predictor.predictor.clone(),
        truth: truth.and_then(|truth| truth.truth.clone()),
        prediction_error: truth.is_some_and(|truth| truth.prediction_error),
        plan: planning.overrides(),
    }
}

/// Reads the scenario of a command and its plan, where one is given; plan files of the artifact need no scenario. What
/// is assumed beyond them is said on stderr, unless that is not wanted.
pub(super) fn planned_study(
    args: &PlannedScenarioArgs,
    planning: &PlanningArgs,
    truth: Option<&TruthArgs>,
    quiet: bool,
) -> anyhow::Result<(Study, Option<Plan>)> {
    let overrides = overrides(args.seed, &args.predictor, planning, truth);
    let (scenario, plans) = args.files();
    let Some(scenario) = scenario else {
        let alone = plans.iter().find(|path| !is_artifact_plan(path));
        if let Some(path) = alone {
            bail!(
                "--plan {}: without a scenario only plan files of the iGniter artifact can be used; fix: name the \
                 scenario before --plan",
                path.display()
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

pub(super) fn run(args: &PlanArgs) -> anyhow::Result<Outcome> {
    let planner = Planner::new(&args.strategy, &args.refine)?;
    if let Some(path) = args.output.as_ref().filter(|_| args.format != PlanFormat::Igniter) {
        check_writable(path)?;
    }
    let (study, _) = planned_study(&args.scenario, &args.planning, None, args.print.quiet)?;
    if let Some(path) = &args.scenario_out {
        write_file(path, &study.scenario().to_toml())?;
    }
    if args.explain && study.request().is_none() {
        bail!("--explain takes a scenario with one GPU kind; name one with --profile");
    }
    let mut planned = planner.plan(&study)?;
    if let (None, Some(request)) = (&planned.plan.bound, study.request())
        && study.workloads().len() <= MOST_BOUNDED
    {
        planned.plan.bound = Some(lower_bound(&request));
    }
    let plan = &planned.plan;
    let violations: Vec<String> = match &planned.refined {
        // What half of the SLO promises is what a refined plan does not go by.
        Some(_) => Vec::new(),
        None => study.check(plan).iter().map(ToString::to_string).collect(),
    };
    let explanations: Vec<String> = match study.request().filter(|_| args.explain) {
        Some(request) => explain(plan, &request).iter().map(ToString::to_string).collect(),
        None => Vec::new(),
    };
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
        output::print_json(&Document { plan: file, violations, explanations })?;
    } else if args.output.is_none() && args.format == PlanFormat::Igniter {
        output::print(&igniter().join("\n"))?;
    } else if args.output.is_none() && args.format != PlanFormat::Json {
        output::print(&manifests(args.format, plan, &study))?;
    } else if !args.print.quiet {
        let mut text = described(&planned, &study, &violations);
        for explanation in &explanations {
            text += &format!("\n\n{explanation}");
        }
        if let Some(path) = &args.output {
            text += &format!("\nwrote {}", path.display());
        }
        output::print(&text)?;
    }
    Ok(Outcome::of(passed))
}

/// Files that start the servers of a plan.
fn manifests(format: PlanFormat, plan: &Plan, study: &Study) -> String {
    let (kinds, scenario) = (study.kinds(), study.scenario());
    if format == PlanFormat::Compose {
        deploy::compose(plan, &kinds, scenario)
    } else {
        deploy::kubernetes(plan, &kinds, scenario)
    }
}

/// `2 v100 + 1 t4`, or `v100` where there is one kind.
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
    let rows = plan.placements().map(|(gpu, p)| {
        let workload = study.workloads().iter().find(|w| w.name == p.workload);
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
            sm.map_or_else(String::new, |sm| format!("{sm} %")),
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
        bound_text(plan, study),
    );
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

/// What simulation found out about each workload.
fn refined_text(refined: &Refined) -> String {
    let header = [
        "workload",
        "replicas",
        "batch",
        "SMs alone",
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
    let plural = if refined.rounds == 1 { "" } else { "s" };
    format!(
        "\n\nwhat each workload needs alone, found by simulation ({} round{plural}; {verdict}):\n{}",
        refined.rounds,
        output::table(&header, rows)
    )
}
