//! `igniter compare`: the main job.

use super::Outcome;
use super::args::CompareArgs;
use super::output;
use super::plan::study;
use super::progress::Progress;
use super::results::{ResultFolder, in_pool};
use crate::plan::{Strategy, strategy};
use crate::report::comparison_text;
use anyhow::bail;
use rayon::prelude::*;

pub(super) fn run(args: &CompareArgs) -> anyhow::Result<Outcome> {
    let mut strategies: Vec<Box<dyn Strategy>> = Vec::new();
    for name in &args.strategies {
        let chosen = strategy(name.trim())?;
        if strategies.iter().any(|known| known.name() == chosen.name()) {
            bail!("strategy {name:?} is listed twice");
        }
        strategies.push(chosen);
    }
    let study = study(&args.scenario, Some(&args.truth))?;
    let folder = ResultFolder::open(args.output.as_deref(), &args.scenario, &study)?;
    let progress = Progress::new(strategies.len() + folder.steps(), args.print.quiet);
    let results = in_pool(args.threads, || {
        strategies
            .par_iter()
            .map(|strategy| {
                progress.at(format!("planning and simulating {}", strategy.name()));
                let result = study.simulate(&study.plan(strategy.as_ref()));
                progress.step();
                result
            })
            .collect::<Result<Vec<_>, _>>()
    })??;
    let comparison = study.comparison(results);
    folder.finish(&comparison, &progress)?;
    drop(progress);
    if args.print.json {
        output::print_json(&comparison)?;
    } else if !args.print.quiet {
        let mut text = comparison_text(&comparison, output::colours());
        if let Some(path) = &args.output {
            text += &format!(
                "\nreport   {}\nfigures  {}\ntables   {}",
                path.join("report.html").display(),
                path.join("figures").display(),
                path.join("summary.csv").display(),
            );
        }
        output::print(&text)?;
    }
    // A baseline that misses SLOs is what a comparison is for; a workload that nobody could place is a
    // failed check.
    let placed = comparison.strategies.iter().all(|result| result.infeasible.is_empty());
    Ok(Outcome::of(placed))
}
