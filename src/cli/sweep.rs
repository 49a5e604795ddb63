//! `igniter sweep`

use super::CommandOutcome;
use super::output;
use super::progress::StepProgress;
use super::serve;
use super::sweep_args::SweepArgs;
use crate::results::{Manifest, quoted};
use crate::sweep::{
    Shard, Sweep, SweepOptions, SweepOutcome, SweepProgress, find_shard, run_sweep, unknown_numbers,
};
use serde::Serialize;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether a run that is interrupted now can be continued.
static RESUMABLE: AtomicBool = AtomicBool::new(false);

/// Describes the state that an interrupted run leaves behind.
pub(super) fn after_interrupt() -> &'static str {
    if RESUMABLE.load(Ordering::Relaxed) {
        "finished points are kept; continue with --resume"
    } else {
        "nothing was written"
    }
}

#[derive(Serialize)]
struct SweepSize {
    sweep: String,
    points: u64,
    runs_at_least: u64,
    simulated_s_of_a_run: f64,
}

pub(super) fn run(args: &SweepArgs) -> anyhow::Result<CommandOutcome> {
    let manifest = Manifest::start(super::command_line());
    let asked = args.shard.as_deref().map(str::parse::<Shard>).transpose()?;
    let shard = find_shard(asked, args.shards, &|name| std::env::var(name).ok())?;
    if args.shard.is_none() && shard == Shard::ALL && !args.dry_run {
        warn_of_numbers();
    }
    let sweep = Sweep::load(&args.sweep)?;
    let Some(dir) = args.result.output.as_ref().filter(|_| !args.dry_run) else {
        return dry_run(&sweep, args);
    };
    sweep.check_size(args.yes)?;
    for note in sweep.notes().iter().chain(&sweep.formula_note()) {
        output::tell(&format!("note: {note}"));
    }
    let options = SweepOptions {
        output: dir.clone(),
        shard,
        resume: args.resume,
        threads: args.threads.threads.map_or_else(threads, usize::from),
    };
    let progress =
        StepProgress::long(sweep.points(), args.result.print.quiet || args.result.print.json);
    let mut begun = false;
    let listener = args.serve.map(serve::open).transpose()?;
    let ended = AtomicBool::new(false);
    let mut report = |now: SweepProgress| {
        if !begun {
            begun = true;
            RESUMABLE.store(true, Ordering::Relaxed);
            progress.of(now.points);
            progress.begin_at(now.before);
        }
        progress.to(now.done);
        if now.failed > 0 {
            progress.at(format!("({} runs failed)", now.failed));
        }
        ControlFlow::Continue(())
    };
    let outcome = std::thread::scope(|scope| {
        if let Some(listener) = &listener {
            scope.spawn(|| serve::answer(listener, &sweep, dir, &ended));
        }
        let outcome = run_sweep(&sweep, &options, manifest, &mut report);
        ended.store(true, Ordering::Relaxed);
        outcome
    })?;
    drop(progress);
    print_outcome(&outcome, args.result.print)?;
    Ok(CommandOutcome::of(outcome.failed == 0))
}

/// Warns a user whose batch tasks may each be running the whole sweep.
fn warn_of_numbers() {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let found = unknown_numbers(variables);
    if !found.is_empty() {
        output::tell(&format!(
            "note: {} may be the number of a task, and this process does the whole sweep; if several tasks run, give \
             each its part with --shard I/N",
            found.join(", ")
        ));
    }
}

/// Returns the number of processors that this process may use: that of its task, where a batch
/// system states it.
fn threads() -> usize {
    let number = |name| std::env::var(name).ok()?.trim().parse().ok().filter(|n| *n > 0);
    let of_task = number("SLURM_CPUS_PER_TASK").or_else(|| number("SLURM_CPUS_ON_NODE"));
    of_task.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from))
}

fn dry_run(sweep: &Sweep, args: &SweepArgs) -> anyhow::Result<CommandOutcome> {
    let size = SweepSize {
        sweep: sweep.name().to_owned(),
        points: sweep.points(),
        runs_at_least: sweep.points().saturating_mul(sweep.runs_of_a_point()),
        simulated_s_of_a_run: sweep.first_scenario().duration.as_seconds(),
    };
    if args.result.print.json {
        output::print_json(&size)?;
    } else if !args.result.print.quiet {
        output::print(&format!(
            "{}: {} points, at least {} runs; {} s are simulated at the first point",
            size.sweep, size.points, size.runs_at_least, size.simulated_s_of_a_run
        ))?;
    }
    Ok(CommandOutcome::Done)
}

/// Prints the outcome of a sweep or a merge.
pub(super) fn print_outcome(
    outcome: &SweepOutcome,
    print: super::common_args::PrintArgs,
) -> anyhow::Result<()> {
    if print.json {
        return output::print_json(outcome);
    }
    if print.quiet {
        return Ok(());
    }
    let mut text = format!("{}: {} points, {} runs", outcome.sweep, outcome.points, outcome.runs);
    if outcome.shards > 1 {
        text += &format!(", shard {} of {}", outcome.shard, outcome.shards);
    }
    if outcome.resumed_points > 0 {
        text += &format!("; {} points were done before", outcome.resumed_points);
    }
    if outcome.failed > 0 {
        text += &format!("\n{} runs failed: see the column `error`", outcome.failed);
    }
    let dir = outcome.output.display();
    text += &format!("\n\ntables   {dir}/rows.csv, {dir}/rows.parquet ({} rows)", outcome.rows);
    text += &format!("\nmeans    {dir}/points.csv");
    let (folder, page) = (quoted(&dir.to_string()), quoted(&format!("{dir}.html")));
    text += &format!("\n\nfor a page: igniter report {folder} -o {page}");
    output::print(&text)
}
