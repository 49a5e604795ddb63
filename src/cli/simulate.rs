//! `igniter simulate`

use super::CommandOutcome;
use super::args::SimulateArgs;
use super::files::{check_writable, write_file_with};
use super::follow;
use super::output;
use super::plan::planned_study;
use super::planning::Planner;
use super::progress::StepProgress;
use super::results::{ResultFolder, in_pool, written};
use crate::metrics::{GpuSummary, WorkloadSummary};
use crate::results::{ActionRow, ArrivalRow, InfeasibleRow, Truth, comparison_text, write_trace};
use crate::run::Logging;
use crate::units::Nanoseconds;
use anyhow::ensure;
use serde::Serialize;

#[derive(Serialize)]
struct SimulateJson<'a> {
    scenario: &'a str,
    strategy: &'a str,
    seed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    truth: Option<&'a Truth>,
    gpu_count: usize,
    cost_per_hour: f64,
    infeasible: &'a [InfeasibleRow],
    workloads: &'a [WorkloadSummary],
    arrivals: &'a [ArrivalRow],
    gpus: &'a [GpuSummary],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    actions: &'a [ActionRow],
    simulated_s: f64,
    wall_s: f64,
}

pub(super) fn run(args: &SimulateArgs) -> anyhow::Result<CommandOutcome> {
    let planner = Planner::new(&args.strategy, &args.refine)?;
    let quiet = args.print.quiet;
    if let Some(text) = follow::given(args) {
        return follow::run(args, &follow::study(args)?, Some(&text));
    }
    let (study, given) = planned_study(&args.scenario, &args.planning, Some(&args.truth), quiet)?;
    if given.is_none() && study.scenario().replan.is_some() {
        return follow::run(args, &study, None);
    }
    ensure!(
        given.is_none() || (args.refine.refine.is_none() && args.refine.strategy_command.is_none()),
        "--plan and --refine or --strategy-command: a plan that is given is not made by them; fix: leave one of them out"
    );
    if let Some(path) = &args.trace_out {
        check_writable(path)?;
    }
    let end = study.scenario().duration;
    if let Some((from, _)) = args.trace_window {
        ensure!(
            from < end,
            "--trace-window: starts at {} s, but the run ends at {} s; allowed: a part of the run",
            from.as_seconds(),
            end.as_seconds()
        );
    }
    let mut folder = ResultFolder::open(args.output.as_deref(), &study)?;
    let plan = match given {
        Some(plan) => {
            let (_, files) = args.scenario.files();
            files.iter().try_for_each(|path| folder.note_input(path))?;
            plan
        }
        None => {
            let planned = in_pool(args.threads, || planner.plan(&study))??;
            folder.note_planning(planner.name(), planned.seconds);
            planned.plan
        }
    };
    let progress = StepProgress::new(1 + folder.steps(), args.print.quiet);
    progress.at(format!("simulating {}", plan.strategy));
    let logging = Logging {
        requests: folder.dir().filter(|_| args.requests).map(|dir| (dir, args.requests_format)),
        trace: args
            .trace_out
            .as_ref()
            .map(|_| args.trace_window.unwrap_or((Nanoseconds::ZERO, Nanoseconds::MAX))),
        // Without any output, nobody would see the arrivals.
        arrivals: args.output.is_some() || args.print.json || !args.print.quiet,
        columns: None,
    };
    let (result, traces) = in_pool(args.threads, || study.simulate_logged(&plan, logging))??;
    if let Some(path) = &args.trace_out {
        progress.at("writing the trace");
        write_file_with(path, |out| write_trace(out, &plan, study.workloads(), &traces))?;
    }
    progress.step();
    let comparison = study.comparison(vec![result]);
    let wall_s = folder.finish(&comparison, &progress)?;
    drop(progress);
    let result = &comparison.strategies[0];
    for note in study.arrival_notes(&result.details.arrivals) {
        output::tell(&format!("note: {note}"));
    }
    if args.print.json {
        output::print_json(&SimulateJson {
            scenario: &comparison.scenario,
            strategy: &result.strategy,
            seed: comparison.seed,
            truth: comparison.truth.as_ref(),
            gpu_count: result.gpu_count,
            cost_per_hour: result.cost_per_hour,
            infeasible: &result.infeasible,
            workloads: &result.workloads,
            arrivals: &result.details.arrivals,
            gpus: &result.gpus,
            actions: &result.actions,
            simulated_s: comparison.simulated_s,
            wall_s,
        })?;
    } else if !args.print.quiet {
        let mut text = comparison_text(&comparison, output::screen());
        if let Some(path) = &args.output {
            text += &written(path);
        }
        if let Some(path) = &args.trace_out {
            text += &format!("\ntrace    {} (open it at https://ui.perfetto.dev)", path.display());
        }
        output::print(&text)?;
    }
    Ok(CommandOutcome::of(result.misses() == 0))
}
