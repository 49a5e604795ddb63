//! `igniter bound`

use super::args::BoundArgs;
use super::plan::study;
use super::{Outcome, output};
use crate::plan::{lower_bound, strategy};
use serde::Serialize;

#[derive(Serialize)]
struct Document {
    gpus: Option<usize>,
    fractional_gpus: Option<f64>,
    method: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    least_cost_per_hour: Option<f64>,
    note: Option<String>,
}

pub(super) fn run(args: &BoundArgs) -> anyhow::Result<Outcome> {
    let study = study(&args.scenario, &args.planning, None)?;
    let bound = match study.request() {
        Some(request) => Some(lower_bound(&request)),
        // With several kinds, the bound comes with a plan.
        None => study.plan(strategy("optimal")?.as_ref()).bound,
    };
    if args.print.json {
        output::print_json(&Document {
            gpus: bound.as_ref().map(|b| b.gpus),
            fractional_gpus: bound.as_ref().map(|b| b.fractional_gpus),
            method: bound.as_ref().map(|b| b.method.as_str()),
            least_cost_per_hour: bound
                .as_ref()
                .and_then(|b| b.least_cost_per_hour)
                .map(|c| c.get()),
            note: bound.as_ref().map(|b| b.note.clone()),
        })?;
    } else if !args.print.quiet {
        let text = bound.map_or_else(
            || "nothing is proven".to_owned(),
            |bound| {
                let cost = bound.least_cost_per_hour.map_or_else(String::new, |cost| {
                    format!(", and none costs less than {:.2} $/h", cost.get())
                });
                format!(
                    "no plan uses fewer than {} ({:.3} before rounding up){cost}\nproof: {}: {}",
                    super::planning::gpus(bound.gpus),
                    bound.fractional_gpus,
                    bound.method.as_str(),
                    bound.note
                )
            },
        );
        output::print(&text)?;
    }
    Ok(Outcome::Done)
}
