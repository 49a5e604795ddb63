//! `igniter accuracy`

use super::CommandOutcome;
use super::model_args::AccuracyArgs;
use super::output;
use super::shared::write_page;
use crate::accuracy::{AccuracyReport, ErrorSummary, accuracy};
use crate::cli::model_args::contradicting;
use crate::figures::{self, PredictedPoint};
use crate::profile::{read_colocated, read_solo_table};
use crate::results::{Existing, Identity, Manifest, OutputDir};
use crate::run::load_predictor;
use anyhow::Context;

pub(super) fn run(args: &AccuracyArgs) -> anyhow::Result<CommandOutcome> {
    let mut manifest = Manifest::start(super::command_line());
    let runs = read_colocated(&args.colocated)?;
    let solo = args.solo.as_deref().map(read_solo_table).transpose()?;
    let profile = args.predictor.profile.as_deref().unwrap_or("v100");
    let loaded = load_predictor(profile, args.predictor.predictor.as_deref(), None)?;
    let notes = contradicting(&[], solo.as_ref(), &runs, args.strict)?;
    let identity = Identity::new(&manifest, None);
    let open = |path| OutputDir::open_for(path, Existing::Replace, &identity);
    let dir = args.output.as_deref().map(open).transpose()?;
    let report = accuracy(loaded.predictor.as_ref(), &runs, solo.as_ref())
        .with_context(|| args.colocated.display().to_string())?;
    if let Some(mut dir) = dir {
        manifest.input(&args.colocated, &std::fs::read(&args.colocated)?);
        if let Some(solo) = &args.solo {
            manifest.input(solo, &std::fs::read(solo)?);
        }
        for (name, text) in &loaded.inputs {
            manifest.input(name, text.as_bytes());
        }
        dir.write("accuracy.csv", |file| {
            let mut table = csv::Writer::from_writer(file);
            for point in &report.points {
                table.serialize(point).map_err(std::io::Error::other)?;
            }
            table.flush()
        })?;
        let json = serde_json::to_string_pretty(&report)? + "\n";
        dir.write("accuracy.json", |file| file.write_all(json.as_bytes()))?;
        let marks: Vec<PredictedPoint> = report
            .points
            .iter()
            .map(|p| PredictedPoint {
                model: p.model.clone(),
                predicted_ms: p.predicted_ms,
                measured_ms: p.measured_ms,
            })
            .collect();
        let figure = figures::accuracy_figure(&marks)?;
        figures::write_figures(&mut dir, figure.as_slice())?;
        manifest.stop();
        let folder = dir.path().to_owned();
        dir.finish(manifest)?;
        write_page(&folder)?;
    }
    if args.print.json {
        output::print_json(&report)?;
    } else if !args.print.quiet {
        let mut text = described(&report);
        for note in notes {
            text += &format!("\nwarning: {note}");
        }
        if !loaded.predictor.assumed().is_empty() {
            let assumed = loaded.predictor.assumed().join("; ");
            text += &format!("\nnot measured on this GPU: {assumed}");
        }
        if let Some(path) = &args.output {
            text += &format!("\n\nwrote {}", path.display());
        }
        output::print(&text)?;
    }
    Ok(CommandOutcome::Done)
}

/// Formats the report as tables.
pub(super) fn described(report: &AccuracyReport) -> String {
    fn row(name: &str, e: &ErrorSummary) -> Vec<String> {
        let mut row = vec![name.to_owned(), e.n.to_string()];
        row.extend([e.mape_pct, e.p95_pct, e.max_pct].map(|v| format!("{v:.2}")));
        row.push(format!("{:+.2}", e.bias_pct));
        row
    }
    fn covered(mut row: Vec<String>, covered: Option<f64>, width: Option<f64>) -> Vec<String> {
        let or_dash = |v: Option<f64>| v.map_or_else(|| "–".to_owned(), |v| format!("{v:.1}"));
        row.extend([or_dash(width), or_dash(covered)]);
        row
    }
    let plain = |name: &str, e: &ErrorSummary| covered(row(name, e), None, None);
    let mut rows = vec![plain(report.predictor, &report.errors)];
    rows.extend(report.per_model.iter().map(|m| plain(&format!("  {}", m.model), &m.errors)));
    rows.extend(report.parts.iter().map(|part| {
        covered(row(&format!("  {}", part.of), &part.errors), part.covered_pct, part.two_sided_pct)
    }));
    rows.extend(report.makespans.iter().map(|e| plain("  makespans", e)));
    rows.extend(report.null_models.iter().map(|m| plain(m.name, &m.errors)));
    let header =
        ["predictor", "n", "mean |error| %", "p95 %", "max %", "bias %", "± %", "covers %"];
    let mut text = output::table(&header, rows);
    if report.untimed > 0 {
        text += &format!("\n{} members ran beside others but were not timed", report.untimed);
    }
    if report.without_solo > 0 {
        text += &format!(
            "\n{} latencies have no solo latency of the same configuration, and no measured slowdown",
            report.without_solo
        );
    }
    if let Some(correlation) = report.slowdown_correlation {
        text += &format!("\ncorrelation of predicted and measured slowdown: {correlation:.2}");
    }
    text
}
