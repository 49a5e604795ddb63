//! `igniter compare`: the main job.

use super::Outcome;
use super::args::CompareArgs;
use super::output;
use super::plan::planned_study;
use super::planning::Planner;
use super::progress::Progress;
use super::results::{ResultFolder, in_pool, written};
use crate::results::{Comparison, StrategyResult, comparison_text, short};
use crate::run::Logging;
use rayon::prelude::*;

pub(super) fn run(args: &CompareArgs) -> anyhow::Result<Outcome> {
    let strategies = Planner::list(&args.strategies, &args.refine)?;
    let quiet = args.print.quiet;
    let (study, given) = planned_study(&args.scenario, &args.planning, Some(&args.truth), quiet)?;
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
    let mut results = results;
    if let Some(plan) = given {
        let arrivals = args.output.is_some();
        let logging = Logging { arrivals, ..Logging::default() };
        let simulated = in_pool(args.threads, || study.simulate_logged(&plan, logging))??;
        let (_, files) = args.scenario.files();
        files.iter().try_for_each(|path| folder.note_input(path))?;
        results.insert(0, (simulated.0, 0.0));
    }
    let (results, seconds): (Vec<_>, Vec<f64>) = results.into_iter().unzip();
    let made = &seconds[seconds.len() - strategies.len()..];
    for (strategy, seconds) in strategies.iter().zip(made) {
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

/// The share of requests over their SLO in percent, mean of the workloads.
fn over_slo(result: &StrategyResult) -> Option<f64> {
    let shares = result.workloads.iter().filter_map(|w| w.slo_violation_pct);
    let (sum, n) = shares.fold((0.0, 0_u32), |(sum, n), share| (sum + share, n + 1));
    (n > 0).then(|| sum / f64::from(n))
}

/// The lowest and the highest P99 of the workloads, as parts of their SLOs.
fn p99_ratios(result: &StrategyResult) -> Option<(f64, f64)> {
    let ratios = result.workloads.iter().filter_map(|w| Some(w.p99_ms? / w.slo_ms));
    let (low, high) =
        ratios.fold((f64::INFINITY, 0.0_f64), |(low, high), r| (low.min(r), high.max(r)));
    low.is_finite().then_some((low, high))
}

/// One line for each strategy. Planning time is shown to people only: it differs from run to run.
fn overview(comparison: &Comparison, seconds: &[f64]) -> String {
    let header = [
        "strategy",
        "GPUs",
        "bound",
        "$/h",
        "predicted misses",
        "simulated misses",
        "over SLO",
        "P99 / SLO",
        "planned in",
    ];
    let rows = comparison.strategies.iter().zip(seconds).map(|(result, seconds)| {
        let of = result.workloads.len();
        vec![
            result.strategy.clone(),
            result.gpu_count.to_string(),
            result.gpu_bound.map_or_else(|| "–".to_owned(), |bound| format!("≥ {bound}")),
            format!("{:.2}", result.cost_per_hour),
            format!("{} of {of}", result.predicted_violations),
            format!("{} of {of}", result.misses()),
            over_slo(result).map_or_else(|| "–".to_owned(), |pct| format!("{} %", short(pct))),
            p99_ratios(result).map_or_else(
                || "–".to_owned(),
                |(low, high)| format!("{} – {}", short(low), short(high)),
            ),
            if *seconds < 1.0 {
                format!("{:.1} ms", seconds * 1e3)
            } else {
                format!("{seconds:.1} s")
            },
        ]
    });
    // A narrow terminal does without the time first, the strategy and its misses stay.
    output::fitted_table(&header, rows, &[8, 2, 7, 4, 6])
}
