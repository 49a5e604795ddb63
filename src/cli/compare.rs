//! `igniter compare`: the main job.

use super::Outcome;
use super::args::CompareArgs;
use super::output;
use super::plan::study;
use super::planning::Planner;
use super::progress::Progress;
use super::results::{ResultFolder, in_pool, written};
use crate::results::{Comparison, StrategyResult, comparison_text, pick};
use crate::run::Logging;
use rayon::prelude::*;

pub(super) fn run(args: &CompareArgs) -> anyhow::Result<Outcome> {
    let strategies = Planner::list(&args.strategies, &args.refine)?;
    let study = study(&args.scenario, &args.planning, Some(&args.truth))?;
    let mut folder = ResultFolder::open(args.output.as_deref(), &study)?;
    let progress = Progress::new(strategies.len() + folder.steps(), args.print.quiet);
    let results = in_pool(args.threads, || {
        strategies
            .par_iter()
            .map(|strategy| {
                progress.at(format!("planning and simulating {}", strategy.name()));
                let planned = strategy.plan(&study)?;
                let arrivals = args.output.is_some();
                let logging = Logging { arrivals, ..Logging::default() };
                let (result, _) = study.simulate_logged(&planned.plan, logging)?;
                progress.step();
                anyhow::Ok((result, planned.seconds))
            })
            .collect::<Result<Vec<_>, _>>()
    })??;
    let (results, seconds): (Vec<_>, Vec<f64>) = results.into_iter().unzip();
    for (strategy, seconds) in strategies.iter().zip(&seconds) {
        folder.note_planning(strategy.name(), *seconds);
    }
    let comparison = study.comparison(results);
    folder.finish(&comparison, &progress)?;
    drop(progress);
    if args.print.json {
        output::print_json(&comparison)?;
    } else if !args.print.quiet {
        let mut text = comparison_text(&comparison, output::screen());
        text += &format!("\n{}\n", overview(&comparison, &seconds));
        let by_rule = |planner: &Planner| !matches!(planner.name(), "queueing" | "refined");
        if strategies.iter().any(by_rule) {
            for advice in study.advice() {
                text += &format!("\nnote: {advice}\n");
            }
        }
        if let Some(path) = &args.output {
            text += &written(path);
        }
        output::print(&text)?;
    }
    // A baseline that misses SLOs is what a comparison is for; a workload that nobody could place is a
    // failed check.
    let placed = comparison.strategies.iter().all(|result| result.infeasible.is_empty());
    Ok(Outcome::of(placed))
}

/// One line for each strategy. Planning time is shown to people only: it differs from run to run.
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
    // A narrow terminal does without the time first, the strategy and its misses stay.
    output::fitted_table(&header, rows, &[8, 2, 7, 4, 6])
}
