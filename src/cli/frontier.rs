//! `igniter frontier`

use super::capacity::{CELLS, candidate_cells, open, plain_cells};
use super::results::in_pool;
use super::shared::write_page;
use super::strategies;
use super::sweep_args::FrontierArgs;
use super::{CommandOutcome, output};
use crate::figures::{SweepMark, SweepSeries, pareto_figure, write_figures};
use crate::results::{Manifest, OutputDir};
use crate::sweep::{Candidate, pareto};
use serde::Serialize;

#[derive(Serialize)]
struct FrontierRow<'a> {
    #[serde(flatten)]
    candidate: &'a Candidate,
    on_the_front: bool,
}

pub(super) fn run(args: &FrontierArgs) -> anyhow::Result<CommandOutcome> {
    let (search, dir, manifest) = open(&args.scenario, &args.judge, args.result.output.as_deref())?;
    let names = &strategies::chosen(&args.judge.strategies);
    let found = in_pool(args.threads, || search.frontier(names, args.to, args.step))??;
    let front = pareto(&found);
    if let Some(dir) = dir {
        write(dir, manifest, &found, &front, args)?;
    }
    if args.result.print.json {
        let row = |(candidate, on_the_front): (_, &bool)| FrontierRow {
            candidate,
            on_the_front: *on_the_front,
        };
        output::print_json(&found.iter().zip(&front).map(row).collect::<Vec<_>>())?;
    } else if !args.result.print.quiet {
        output::print(&text(&found, &front))?;
    }
    Ok(CommandOutcome::of(found.iter().any(|candidate| candidate.met)))
}

/// Formats the points on the front only, by cost.
fn text(found: &[Candidate], front: &[bool]) -> String {
    let mut shown: Vec<&Candidate> =
        found.iter().zip(front).filter(|(_, on)| **on).map(|(candidate, _)| candidate).collect();
    shown.sort_by(|a, b| a.cost_per_hour.total_cmp(&b.cost_per_hour));
    let rows = shown.iter().map(|candidate| {
        let mut row = vec![candidate.strategy.clone(), candidate.at.to_string()];
        row.extend(candidate_cells(candidate));
        row.push(if candidate.met { "met" } else { "" }.to_owned());
        row
    });
    let header =
        ["strategy", "headroom %", "GPUs", "$/h", "attainment %", "interval", "seeds", "target"];
    output::table(&header, rows)
}

fn write(
    mut dir: OutputDir,
    mut manifest: Manifest,
    found: &[Candidate],
    front: &[bool],
    args: &FrontierArgs,
) -> anyhow::Result<()> {
    dir.write("frontier.csv", |file| {
        let mut out = csv::Writer::from_writer(file);
        let ends = ["met", "on_the_front"];
        out.write_record(["strategy", "headroom_pct"].into_iter().chain(CELLS).chain(ends))?;
        for (candidate, on_the_front) in found.iter().zip(front) {
            let mut row = vec![candidate.strategy.clone(), candidate.at.to_string()];
            row.extend(plain_cells(candidate));
            row.extend([candidate.met.to_string(), on_the_front.to_string()]);
            out.write_record(&row)?;
        }
        out.flush()
    })?;
    let series: Vec<SweepSeries> = args
        .judge
        .strategies
        .iter()
        .map(|name| {
            let own = found.iter().filter(|candidate| candidate.strategy == *name);
            let mark = |c: &Candidate| SweepMark {
                x: c.cost_per_hour,
                y: c.attainment_pct,
                low: c.low_pct,
                high: c.high_pct,
            };
            SweepSeries { name: name.clone(), marks: own.map(mark).collect() }
        })
        .collect();
    let all = found.iter().map(|c| (c.cost_per_hour, c.attainment_pct)).collect();
    let figure = pareto_figure(
        "frontier",
        &series,
        ("cost_per_hour", "attainment_pct"),
        Some(args.judge.target),
        &[all],
    )?;
    write_figures(&mut dir, &[figure])?;
    manifest.stop();
    let folder = dir.path().to_owned();
    dir.finish(manifest)?;
    write_page(&folder)?;
    Ok(())
}
