//! `igniter compare`: the main command.

use super::CommandOutcome;
use super::args::CompareArgs;
use super::output;
use super::plan::planned_study;
use super::planning::Planner;
use super::progress::StepProgress;
use super::results::{ResultFolder, in_pool, written};
use super::strategies;
use crate::domain::escaped;
use crate::results::{
    Comparison, Recommendation, SeedRow, StrategyResult, comparison_text, pick, plans_by_rule,
};
use crate::run::{Course, Logging, Study};
use crate::sweep::repeat;
use rayon::prelude::*;

pub(super) fn run(args: &CompareArgs) -> anyhow::Result<CommandOutcome> {
    let mut strategies = Planner::list(&strategies::chosen(&args.strategies), &args.refine)?;
    let quiet = args.print.quiet;
    let (study, given) = planned_study(&args.scenario, &args.planning, Some(&args.truth), quiet)?;
    let mut folder = ResultFolder::open(args.output.as_deref(), &study)?;
    let progress = StepProgress::new(strategies.len() + folder.steps(), args.print.quiet);
    let results = in_pool(args.threads, || {
        strategies
            .par_iter()
            .map(|strategy| {
                progress.at(format!("planning and simulating {}", strategy.name()));
                let made = planned_and_run(&study, strategy, args);
                progress.step();
                made
            })
            .collect::<Vec<_>>()
    })?;
    let results = if strategies::are_all(&args.strategies) {
        strategies::without_unable(&mut strategies, Planner::name, results)?
    } else {
        results.into_iter().collect::<anyhow::Result<Vec<_>>>()?
    };
    let (mut results, mut repeated): (Vec<_>, Vec<Vec<SeedRow>>) = results.into_iter().unzip();
    if let Some(plan) = given {
        let arrivals = args.output.is_some();
        let logging = Logging { arrivals, ..Logging::default() };
        let simulated = in_pool(args.threads, || study.simulate_logged(&plan, logging))??;
        let (_, files) = args.scenario.files();
        files.iter().try_for_each(|path| folder.note_input(path))?;
        results.insert(0, (simulated.0, 0.0));
        if args.seeds > 1 {
            let seeds = args.seeds.into();
            let course = Course::Plan(plan);
            repeated
                .insert(0, in_pool(args.threads, || repeat(&study, &course, seeds, CONFIDENCE))??);
        }
    }
    let (results, seconds): (Vec<_>, Vec<f64>) = results.into_iter().unzip();
    let repeated: Vec<SeedRow> = repeated.into_iter().flatten().collect();
    let made = &seconds[seconds.len() - strategies.len()..];
    for (strategy, seconds) in strategies.iter().zip(made) {
        folder.note_planning(strategy.name(), *seconds);
    }
    let comparison = Comparison { seeds: repeated, ..study.comparison(results) };
    let repeated = &comparison.seeds;
    if let Some(first) = comparison.strategies.first() {
        for note in study.arrival_notes(&first.details.arrivals) {
            output::tell(&format!("note: {note}"));
        }
    }
    folder.finish(&comparison, &progress)?;
    drop(progress);
    if args.print.json {
        output::print_json(&comparison)?;
    } else if !args.print.quiet {
        let mut text = comparison_text(&comparison, output::screen());
        text += &format!("\n{}\n", overview(&comparison, &seconds));
        text += &format!("\n{}\n", escaped(&comparison.verdict()));
        match comparison.recommendation(&super::command_line()) {
            Some(Recommendation::Use(words)) => {
                text += &format!("Recommended: {}\n", escaped(&words));
            }
            Some(Recommendation::Try(words, command)) => {
                text += &format!("Try next: {words}\n  {}\n", escaped(&command));
            }
            None => {}
        }
        if !repeated.is_empty() {
            text += &format!("\n{}\n", over_seeds(repeated, args.seeds));
        }
        if strategies.iter().any(|planner| plans_by_rule(planner.name())) {
            // Advice that the text already contains is not repeated.
            let said = |advice: &String| text.contains(&escaped(advice));
            let notes: Vec<String> = study.advice().into_iter().filter(|one| !said(one)).collect();
            for advice in notes {
                text += &format!("\nnote: {advice}\n");
            }
        }
        if let Some(path) = &args.output {
            text += &written(path);
        }
        output::print(&text)?;
    }
    // A baseline that misses SLOs is an expected result of a comparison; a workload that a strategy
    // could not place is a failed check.
    let placed = comparison.strategies.iter().all(|result| result.infeasible.is_empty());
    Ok(CommandOutcome::of(placed))
}

/// The result of a strategy with its planning time, and its numbers over several seeds.
type StrategyRun = ((StrategyResult, f64), Vec<SeedRow>);

fn planned_and_run(
    study: &Study,
    strategy: &Planner,
    args: &CompareArgs,
) -> anyhow::Result<StrategyRun> {
    let (course, seconds) = strategy.course(study)?;
    let logging = Logging { arrivals: args.output.is_some(), ..Logging::default() };
    let result = study.run_in_full(&course, logging)?;
    let repeated = match args.seeds {
        0 | 1 => Vec::new(),
        seeds => repeat(study, &course, seeds.into(), CONFIDENCE)?,
    };
    Ok(((result, seconds), repeated))
}

/// The confidence of intervals over seeds.
const CONFIDENCE: f64 = 0.95;

/// Formats the numbers of whole runs over seeds, with a line for each strategy.
fn over_seeds(rows: &[SeedRow], seeds: u16) -> String {
    let of_runs = || rows.iter().filter(|row| row.workload.is_empty());
    let mut strategies: Vec<&str> = of_runs().map(|row| row.strategy.as_str()).collect();
    strategies.dedup();
    let cells = |strategy: &&str| {
        let own = of_runs().filter(|row| row.strategy == **strategy);
        std::iter::once((*strategy).to_owned()).chain(own.map(SeedRow::shown)).collect()
    };
    let header =
        ["strategy", "within SLO %", "worst workload %", "workloads met", "requests/s within SLO"];
    let table = output::table(&header, strategies.iter().map(cells));
    format!("means over {seeds} seeds (95 % confidence)\n{table}")
}

/// Formats one line for each strategy. Planning time is for people only, as it differs from run to
/// run.
fn overview(comparison: &Comparison, seconds: &[f64]) -> String {
    let keys = [
        "strategy",
        "gpu_count",
        "gpu_bound",
        "cost_per_hour",
        "predicted_misses",
        "missed_of",
        "over_slo",
        "p99_range",
    ];
    let columns = pick(&StrategyResult::COLUMNS, &keys);
    let header: Vec<&str> =
        columns.iter().map(|column| column.short).chain(["planned in"]).collect();
    let rows = comparison.strategies.iter().zip(seconds).map(|(result, seconds)| {
        let time = match *seconds {
            seconds if seconds < 1.0 => format!("{:.1} ms", seconds * 1e3),
            seconds => format!("{seconds:.1} s"),
        };
        columns.iter().map(|column| column.shown(result)).chain([time]).collect()
    });
    // On a narrow terminal, the planning time is dropped first; the strategy and its misses always
    // stay.
    output::fitted_table(&header, rows, &[8, 2, 7, 4, 6])
}
