//! `igniter plan`

use super::Outcome;
use super::args::{PlanArgs, PlanFormat, ScenarioArgs, TruthArgs};
use super::files::{check_writable, write_file, write_folder};
use super::output;
use crate::domain::{Plan, WorkloadFix};
use crate::plan::{PlanFile, plan_json, strategy, write_igniter_plan};
use crate::run::{Overrides, Study};
use serde::Serialize;

#[derive(Serialize)]
struct Document {
    #[serde(flatten)]
    plan: PlanFile,
    violations: Vec<String>,
}

/// Reads the scenario of a command.
pub(super) fn study(args: &ScenarioArgs, truth: Option<&TruthArgs>) -> anyhow::Result<Study> {
    let overrides = Overrides {
        seed: args.seed,
        profile: args.predictor.profile.clone(),
        predictor: args.predictor.predictor.clone(),
        truth: truth.and_then(|truth| truth.truth.clone()),
        prediction_error: truth.is_some_and(|truth| truth.prediction_error),
    };
    Ok(Study::load(&args.scenario, &overrides)?)
}

pub(super) fn run(args: &PlanArgs) -> anyhow::Result<Outcome> {
    let chosen = strategy(&args.strategy)?;
    if let (Some(path), PlanFormat::Json) = (&args.output, args.format) {
        check_writable(path)?;
    }
    let study = study(&args.scenario, None)?;
    let plan = study.plan(chosen.as_ref());
    let violations: Vec<String> = study.check(&plan).iter().map(ToString::to_string).collect();
    let file = plan_json(&plan, study.kind());
    let igniter = || write_igniter_plan(&plan, study.kind(), study.workloads());
    match (&args.output, args.format) {
        (Some(path), PlanFormat::Json) => {
            write_file(path, &(serde_json::to_string_pretty(&file)? + "\n"))?;
        }
        (Some(path), PlanFormat::Igniter) => {
            let named = (1..).zip(igniter()).map(|(n, text)| (format!("config_gpu{n}.json"), text));
            write_folder(path, &named.collect::<Vec<_>>())?;
        }
        (None, _) => {}
    }
    let passed = violations.is_empty() && plan.infeasible.is_empty();
    if args.print.json {
        output::print_json(&Document { plan: file, violations })?;
    } else if args.output.is_none() && args.format == PlanFormat::Igniter {
        output::print(&igniter().join("\n"))?;
    } else if !args.print.quiet {
        let mut text = described(&plan, &study, file.cost_per_hour().get(), &violations);
        if let Some(path) = &args.output {
            text += &format!("\nwrote {}", path.display());
        }
        output::print(&text)?;
    }
    Ok(Outcome::of(passed))
}

fn described(plan: &Plan, study: &Study, cost: f64, violations: &[String]) -> String {
    let units = study.kind().units;
    let rows = plan.placements().map(|(gpu, p)| {
        let workload = study.workloads().iter().find(|w| w.name == p.workload);
        let (slo, rate) = workload.map_or((0.0, 0.0), |w| (w.slo.get(), w.rate.get()));
        vec![
            gpu.to_string(),
            p.workload.to_string(),
            p.model.to_string(),
            p.batch.to_string(),
            p.sm.to_percent(units).map_or_else(String::new, |sm| format!("{sm} %")),
            slo.to_string(),
            p.predicted.map_or_else(String::new, |s| format!("{:.3}", s.latency.get())),
            rate.to_string(),
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
        "{}: {} GPU{} ({}), {cost:.2} $/h\n{}",
        plan.strategy,
        plan.gpus.len(),
        if plan.gpus.len() == 1 { "" } else { "s" },
        study.kind().name,
        output::table(&header, rows)
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
    text
}
