//! `igniter bound`

use super::args::BoundArgs;
use super::plan::study;
use super::shared::write_page;
use super::{CommandOutcome, output};
use crate::plan::{lower_bound, strategy};
use crate::results::{Existing, Identity, Manifest, OutputDir};
use serde::Serialize;
use std::path::PathBuf;

#[derive(Serialize)]
struct BoundJson {
    gpus: Option<usize>,
    fractional_gpus: Option<f64>,
    method: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    least_cost_per_hour: Option<f64>,
    note: Option<String>,
    covers: Option<String>,
    /// Number of workloads that cannot be served and are left out.
    infeasible: usize,
}

pub(super) fn run(args: &BoundArgs) -> anyhow::Result<CommandOutcome> {
    let manifest = Manifest::start(std::env::args().collect());
    let study = study(&args.scenario, &args.planning, None)?;
    let identity = Identity::new(&manifest, Some(&study.scenario().name));
    let open = |path: &PathBuf| OutputDir::open_for(path, Existing::Replace, &identity);
    let folder = args.result.output.as_ref().map(open).transpose()?.map(|dir| (dir, manifest));
    let bound = match study.request() {
        Some(request) => Some(lower_bound(&request)),
        // With several kinds, a bound is part of a plan.
        None => study.plan(strategy("optimal")?.as_ref()).bound,
    };
    // `dedicated` is the fastest of the strategies that leave out only the workloads that no GPU
    // can serve.
    let infeasible = match study.request() {
        Some(_) => study.plan(strategy("dedicated")?.as_ref()).infeasible.len(),
        None => 0,
    };
    let json = BoundJson {
        gpus: bound.as_ref().map(|b| b.gpus),
        fractional_gpus: bound.as_ref().map(|b| b.fractional_gpus),
        method: bound.as_ref().map(|b| b.method.as_str()),
        least_cost_per_hour: bound.as_ref().and_then(|b| b.least_cost_per_hour).map(|c| c.get()),
        note: bound.as_ref().map(|b| b.note.clone()),
        covers: bound.as_ref().map(|b| b.covers.clone()),
        infeasible,
    };
    if let Some((mut dir, mut manifest)) = folder {
        study.note(&mut manifest)?;
        let text = serde_json::to_string_pretty(&json)? + "\n";
        dir.write("bound.json", |file| file.write_all(text.as_bytes()))?;
        manifest.stop();
        let path = dir.path().to_owned();
        dir.finish(manifest)?;
        write_page(&path)?;
    }
    if args.result.print.json {
        output::print_json(&json)?;
    } else if !args.result.print.quiet {
        let mut text = bound.map_or_else(
            || "nothing is proven".to_owned(),
            |bound| {
                let cost = bound.least_cost_per_hour.map_or_else(String::new, |cost| {
                    format!(", and none costs less than {:.2} $/h", cost.get())
                });
                format!(
                    "no plan uses fewer than {} ({:.3} before rounding up){cost}\nof {}\nproof: {}: {}",
                    super::planning::gpus(bound.gpus),
                    bound.fractional_gpus,
                    bound.covers,
                    bound.method.as_str(),
                    bound.note
                )
            },
        );
        if infeasible > 0 {
            let all = study.workloads().len();
            text += &format!("\n{infeasible} of {all} workloads cannot be served and are left out");
        }
        output::print(&text)?;
    }
    Ok(CommandOutcome::Done)
}
