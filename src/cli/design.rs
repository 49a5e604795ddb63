//! `igniter design`

use super::CommandOutcome;
use super::files::{check_writable, write_file};
use super::model_args::DesignArgs;
use super::output;
use super::study::StudyMeasurements;
use crate::fit::{FitData, SoloUse, fit_contention};
use crate::study::{Reason, Suggestion, next_measurements};
use std::collections::BTreeSet;

pub(super) fn run(args: &DesignArgs) -> anyhow::Result<CommandOutcome> {
    if let Some(path) = &args.output {
        check_writable(path)?;
    }
    let measured = StudyMeasurements::read(&args.measured)?;
    let data = FitData::of(&measured.profile)
        .with_colocated(&measured.colocated)
        .with_solo(&measured.solo, SoloUse::WhileFitting);
    let data = FitData { pressure: args.measured.pressure.map(Into::into), ..data };
    let (predictor, _) = fit_contention(&data)?;
    let list = next_measurements(&predictor, &measured.colocated, args.count);
    if let Some(path) = &args.output {
        write_file(path, &runs_csv(&list))?;
    }
    if args.print.json {
        output::print_json(&list)?;
    } else if !args.print.quiet {
        let mut text = described(&list);
        if let Some(path) = &args.output {
            text += &format!("\n\nwrote {}", path.display());
        }
        output::print(&text)?;
    }
    Ok(CommandOutcome::Done)
}

fn described(list: &[Suggestion]) -> String {
    let rows = (1..).zip(list).map(|(rank, suggestion)| {
        let members = suggestion.members.iter();
        let members: Vec<String> = members.map(|(m, b, r)| format!("{m}:{b}:{r}")).collect();
        vec![
            format!("{rank}"),
            members.join(" "),
            format!("{:.1}", suggestion.at_stake_pct),
            reason(suggestion.reason).to_owned(),
        ]
    });
    let mut table = output::table(&["rank", "co-location", "at stake %", "why"], rows);
    table += "\nmeasure each member alone at the same batch size and share, too";
    table
}

fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::UnknownCoupling => "coupling unknown",
        Reason::FewRuns => "few runs",
        Reason::UnmeasuredSize => "no co-location of this size",
        Reason::Launching => "launching in company unknown",
    }
}

/// Returns a list of runs as CSV: the co-locations by rank, then each of their configurations
/// alone, once.
fn runs_csv(list: &[Suggestion]) -> String {
    let mut text = "run,member,model,batch,sm_pct,why\n".to_owned();
    for (run, suggestion) in list.iter().enumerate() {
        let why = reason(suggestion.reason);
        for (member, (model, batch, share)) in suggestion.members.iter().enumerate() {
            text += &format!("{run},{member},{},{batch},{share},{why}\n", field(model));
        }
    }
    let members = list.iter().flat_map(|suggestion| &suggestion.members);
    let alone: BTreeSet<String> =
        members.map(|(model, batch, share)| format!("{},{batch},{share}", field(model))).collect();
    for (run, configuration) in (list.len()..).zip(alone) {
        text += &format!("{run},0,{configuration},alone\n");
    }
    text
}

/// Quotes a model's name as a CSV field where necessary.
fn field(name: &str) -> String {
    if name.contains([',', '"']) {
        format!("\"{}\"", name.replace('"', "\"\""))
    } else {
        name.to_owned()
    }
}
