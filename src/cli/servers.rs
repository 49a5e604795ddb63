//! `igniter servers`

use super::CommandOutcome;
use super::model_args::ServersArgs;
use super::output;
use crate::domain::ModelName;
use crate::figures::{self, PredictedPoint};
use crate::results::{Existing, Identity, Manifest, OutputDir};
use crate::servers::{
    Constants, SectionErrors, Servers, compare, cross_validate, fit_pages, read_sections,
};
use serde_json::json;

pub(super) fn run(args: &ServersArgs) -> anyhow::Result<CommandOutcome> {
    let mut manifest = Manifest::start(super::command_line());
    let sections = read_sections(&args.offline, &args.online)?;
    let chosen: Vec<_> = sections
        .into_iter()
        .filter(|s| args.only.as_ref().is_none_or(|o| s.name.contains(o)))
        .collect();
    let pages = match &args.constants {
        Some(path) => Constants::parse(&std::fs::read_to_string(path)?)?,
        None => Constants::built_in(),
    };
    let identity = Identity::new(&manifest, None);
    let open = |path| OutputDir::open_for(path, Existing::Replace, &identity);
    let dir = args.output.as_deref().map(open).transpose()?;
    let held = args.fit.then(|| cross_validate(&chosen, &pages)).transpose()?;
    let fitted = args.fit.then(|| fit_pages(&chosen, &pages)).transpose()?;
    let found = compare(&chosen, fitted.as_deref().unwrap_or(&pages))?;
    if let Some(mut dir) = dir {
        for path in [Some(&args.offline), Some(&args.online), args.constants.as_ref()] {
            let Some(path) = path else { continue };
            manifest.input(path, &std::fs::read(path)?);
        }
        write_rows(&mut dir, "servers.csv", &found)?;
        if let Some(held) = &held {
            write_rows(&mut dir, "held_out.csv", held)?;
        }
        if let Some(fitted) = &fitted {
            let text = Constants::written(fitted);
            dir.write("constants.toml", |file| file.write_all(text.as_bytes()))?;
        }
        let errors = json!({ "errors": found.errors, "held_out": held.as_ref().map(|h| &h.errors),
                             "skipped": found.skipped });
        let text = serde_json::to_string_pretty(&errors)? + "\n";
        dir.write("servers.json", |file| file.write_all(text.as_bytes()))?;
        let figure = figure_of(held.as_ref().unwrap_or(&found))?;
        figures::write_figures(&mut dir, figure.as_slice())?;
        manifest.stop();
        dir.finish(manifest)?;
    }
    if args.print.json {
        output::print_json(&found)?;
    } else if !args.print.quiet {
        let mut text = described(&found, "all tables");
        if let Some(held) = &held {
            text = format!("{}\n\n{text}", described(held, "held-out thirds"));
        }
        if let Some(path) = &args.output {
            text += &format!("\n\nwrote {}", path.display());
        }
        output::print(&text)?;
    }
    Ok(CommandOutcome::Done)
}

fn write_rows(dir: &mut OutputDir, name: &str, found: &Servers) -> anyhow::Result<()> {
    dir.write(name, |file| {
        let mut table = csv::Writer::from_writer(file);
        for row in &found.rows {
            table.serialize(row).map_err(std::io::Error::other)?;
        }
        table.flush()
    })?;
    Ok(())
}

/// Plots simulated against published mean latency, by page.
fn figure_of(found: &Servers) -> anyhow::Result<Option<figures::Figure>> {
    let marks: Vec<PredictedPoint> = found
        .rows
        .iter()
        .filter_map(|row| {
            let page = if row.page.is_empty() { "other" } else { &row.page };
            Some(PredictedPoint {
                model: ModelName::new(&page.replace([' ', '/'], "-")).ok()?,
                predicted_ms: row.simulated_mean_ms,
                measured_ms: row.published_mean_ms,
            })
        })
        .collect();
    Ok(figures::accuracy_figure(&marks)?)
}

fn described(found: &Servers, what: &str) -> String {
    let row = |e: &SectionErrors| {
        let mut row = vec![e.of.clone(), e.sections.to_string(), e.n.to_string()];
        row.extend(
            [e.throughput, e.mean, e.p99]
                .map(|d| format!("{:.1} ({:+.1})", d.mape_pct, d.bias_pct)),
        );
        row
    };
    let title = format!("{what}: mean |error| % (bias %)");
    let header = [title.as_str(), "sections", "rows", "throughput", "mean latency", "P99 latency"];
    let mut text = output::table(&header, found.errors.iter().map(row));
    for (section, reason) in &found.skipped {
        text += &format!("\nleft out: {section}: {reason}");
    }
    text
}
