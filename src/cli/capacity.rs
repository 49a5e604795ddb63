//! `igniter capacity`

use super::common_args::ScenarioArgs;
use super::results::in_pool;
use super::shared::write_page;
use super::strategies;
use super::sweep_args::{CapacityArgs, FindArg, JudgeArgs};
use super::{CommandOutcome, output};
use crate::plan::Replicas;
use crate::results::{Existing, Identity, Manifest, OutputDir, short};
use crate::run::Overrides;
use crate::sweep::{AcceptanceRule, Candidate, Capacity, CapacitySearch, FactorRange, Find};
use anyhow::ensure;
use serde::Serialize;
use std::path::Path;

#[derive(Serialize)]
struct CapacityJson<'a> {
    scenario: &'a str,
    find: Find,
    target_pct: f64,
    confidence: f64,
    strategies: &'a [Capacity],
}

/// A search, the folder for its results, if there is one, and their manifest.
pub(super) type OpenedSearch = (CapacitySearch, Option<OutputDir>, Manifest);

/// Opens the search of a command.
pub(super) fn open(
    scenario: &ScenarioArgs,
    judge: &JudgeArgs,
    output: Option<&Path>,
) -> anyhow::Result<OpenedSearch> {
    let mut manifest = Manifest::start(super::command_line());
    let overrides = Overrides {
        set: scenario.change.set.clone(),
        seed: scenario.change.seed,
        profile: scenario.predictor.profile.clone(),
        predictor: scenario.predictor.predictor.clone(),
        ..Overrides::default()
    };
    let replicas = judge.replicas;
    let judge = AcceptanceRule {
        target_pct: judge.target,
        worst: judge.worst,
        confidence: judge.confidence,
        least: judge.least.into(),
        most: judge.most.into(),
    };
    let mut search = CapacitySearch::new(&scenario.scenario, &overrides, judge)?;
    if replicas {
        search = search.with_replicas(Replicas::Allowed);
    }
    let identity = Identity::new(&manifest, Some(&search.scenario().name));
    let open = |path| OutputDir::open_for(path, Existing::Replace, &identity);
    let dir = output.map(open).transpose()?;
    if dir.is_some() {
        search.note(&mut manifest)?;
    }
    Ok((search, dir, manifest))
}

pub(super) fn run(args: &CapacityArgs) -> anyhow::Result<CommandOutcome> {
    let (search, dir, manifest) = open(&args.scenario, &args.judge, args.result.output.as_deref())?;
    let (find, from, to, precision) = match args.find {
        FindArg::Rate => (Find::Rate, 0.05, 2.0, 0.01),
        FindArg::Slo => (Find::Slo, 0.5, 20.0, 0.05),
        FindArg::Gpus => (Find::Gpus, 0.0, 400.0, 10.0),
    };
    let range = FactorRange {
        from: args.from.unwrap_or(from),
        to: args.to.unwrap_or(to),
        precision: args.precision.unwrap_or(precision),
    };
    ensure!(
        !args.keep_plan || find != Find::Gpus,
        "--keep-plan: --find gpus makes a plan for every headroom; remove one of the two"
    );
    let keep = args.keep_plan;
    let names = &strategies::chosen(&args.judge.strategies);
    let found = in_pool(args.threads, || search.capacity(names, find, range, keep))??;
    if let Some(dir) = dir {
        write(dir, manifest, &found)?;
    }
    if args.result.print.json {
        output::print_json(&CapacityJson {
            scenario: &search.scenario().name,
            find,
            target_pct: args.judge.target,
            confidence: args.judge.confidence,
            strategies: &found,
        })?;
    } else if !args.result.print.quiet {
        output::print(&text(&found, find, range, args))?;
    }
    Ok(CommandOutcome::of(found.iter().all(|capacity| capacity.best.is_some())))
}

fn text(found: &[Capacity], find: Find, range: FactorRange, args: &CapacityArgs) -> String {
    let what = match find {
        Find::Rate => "highest rate scale",
        Find::Slo => "lowest SLO scale",
        Find::Gpus => "cheapest: headroom %",
    };
    let rows = found.iter().map(|capacity| {
        let Some(best) = &capacity.best else {
            let mut row = vec![capacity.strategy.clone(), "none".to_owned()];
            let next = capacity.next.as_ref();
            row.extend(next.map_or_else(|| vec![String::new(); 5], candidate_cells));
            return row;
        };
        let at = if capacity.at_the_end && find != Find::Gpus {
            let sign = if find == Find::Rate { "≥" } else { "≤" };
            format!("{sign} {}", best.at)
        } else {
            best.at.to_string()
        };
        let mut row = vec![capacity.strategy.clone(), at];
        row.extend(candidate_cells(best));
        row
    });
    let header = ["strategy", what, "GPUs", "$/h", "attainment %", "interval", "seeds"];
    let by = if args.judge.worst { "of the worst workload" } else { "of all requests" };
    let mut text = format!(
        "{} % {by} within their SLO, with confidence {}; searched from {} to {}\n{}",
        args.judge.target,
        args.judge.confidence,
        range.from,
        range.to,
        output::table(&header, rows)
    );
    if found.iter().any(|capacity| capacity.best.is_none()) {
        text += "\nnone: the target is not met by any candidate; the numbers are those of the one that comes closest";
    }
    text
}

/// Returns a candidate as table cells: GPUs, cost, attainment, its interval, and seeds.
pub(super) fn candidate_cells(candidate: &Candidate) -> Vec<String> {
    vec![
        candidate.gpu_count.to_string(),
        format!("{:.2}", candidate.cost_per_hour),
        short(candidate.attainment_pct),
        format!("{:.2} – {:.2}", candidate.low_pct, candidate.high_pct),
        candidate.seeds.to_string(),
    ]
}

fn write(mut dir: OutputDir, mut manifest: Manifest, found: &[Capacity]) -> anyhow::Result<()> {
    dir.write("capacity.csv", |file| {
        let mut out = csv::Writer::from_writer(file);
        out.write_record(["strategy", "answer", "at_the_end", "judged"].into_iter().chain(CELLS))?;
        for capacity in found {
            let best = capacity.best.as_ref();
            let mut row = vec![
                capacity.strategy.clone(),
                best.map_or_else(String::new, |best| best.at.to_string()),
                capacity.at_the_end.to_string(),
                capacity.judged.to_string(),
            ];
            row.extend(best.map_or_else(|| vec![String::new(); CELLS.len()], plain_cells));
            out.write_record(&row)?;
        }
        out.flush()
    })?;
    manifest.stop();
    let folder = dir.path().to_owned();
    dir.finish(manifest)?;
    write_page(&folder)?;
    Ok(())
}

/// The columns of [`plain_cells`].
pub(super) const CELLS: [&str; 7] = [
    "gpu_count",
    "cost_per_hour",
    "infeasible",
    "attainment_pct",
    "attainment_pct_low",
    "attainment_pct_high",
    "seeds",
];

/// Returns a candidate as cells of a CSV file.
pub(super) fn plain_cells(candidate: &Candidate) -> Vec<String> {
    vec![
        candidate.gpu_count.to_string(),
        candidate.cost_per_hour.to_string(),
        candidate.infeasible.to_string(),
        candidate.attainment_pct.to_string(),
        candidate.low_pct.to_string(),
        candidate.high_pct.to_string(),
        candidate.seeds.to_string(),
    ]
}
