//! `igniter replan`

use super::args::ReplanArgs;
use super::files::{check_writable, write_file, write_file_with};
use super::plan::study;
use super::{CommandOutcome, output};
use crate::figures::{FigureFormat, lanes_figures};
use crate::plan::replan::{Account, Epoch, PlansFile};
use crate::plan::strategy;
use crate::results::counted;
use crate::run::{ReplannedStudy, Study};
use anyhow::{Context, bail};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Maximum number of plans that are listed one by one.
const MOST_LISTED: usize = 48;

#[derive(Serialize)]
struct ReplanJson {
    gpu_hours: f64,
    billed_gpu_hours: f64,
    cost: f64,
    /// The saving compared with one plan for the highest rate of each workload.
    saved_pct: f64,
    fixed_gpu_hours: f64,
    fixed_gpus: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    bound_gpu_hours: Option<f64>,
    peak_gpus: usize,
    epochs: usize,
    early: usize,
    moves: usize,
    restarts: usize,
    boots: usize,
    without_room: usize,
    plans: PlansFile,
}

pub(super) fn run(args: &ReplanArgs) -> anyhow::Result<CommandOutcome> {
    let strategy = strategy(args.strategy.trim())?;
    for path in args.output.iter().chain(&args.figure) {
        check_writable(path)?;
    }
    let format = args.figure.as_deref().map(figure_format).transpose()?;
    let study = study(&args.scenario, &args.planning, None)?;
    let Some(spec) = study.scenario().replan else {
        bail!(
            "{}: has no [replan] table; fix: write [replan] and below it policy = \"sticky\" (docs/replan.md)",
            args.scenario.scenario.display()
        );
    };
    let done = study.replan(strategy.as_ref(), &spec)?;
    let file = study.plans_file(&done, strategy.name());
    if let Some(path) = &args.output {
        write_file(path, &(serde_json::to_string_pretty(&file)? + "\n"))?;
    }
    let mut written: Vec<PathBuf> = args.output.iter().cloned().collect();
    if let Some((path, format)) = args.figure.as_ref().zip(format) {
        let lanes = study.following(&file, &done.replanned.timeline, None).lanes;
        let figures = lanes_figures("lanes", &format!("Plans of {}", strategy.name()), &lanes)?;
        output::tell_undrawn(&figures)?;
        for (page, figure) in figures.iter().enumerate() {
            let path = page_of(path, page);
            let bytes = figure.bytes(format)?;
            write_file_with(&path, |out| out.write_all(&bytes))?;
            written.push(path);
        }
    }
    if args.print.json {
        output::print_json(&json(&done, file))?;
    } else if !args.print.quiet {
        let mut text = described(&done, strategy.name(), &study);
        for path in written {
            text += &format!("\nwrote {}", path.display());
        }
        output::print(&text)?;
    }
    Ok(CommandOutcome::Done)
}

/// Returns the format of a figure by the extension of its file.
fn figure_format(path: &Path) -> anyhow::Result<FigureFormat> {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    let known = [FigureFormat::Svg, FigureFormat::Png, FigureFormat::Pdf, FigureFormat::Pgf];
    known.into_iter().find(|format| format.extension() == extension).with_context(|| {
        format!(
            "--figure {}: allowed: a file that ends in .svg, .png, .pdf or .pgf",
            path.display()
        )
    })
}

/// Returns the file of a page: `day.svg`, then `day-2.svg`.
fn page_of(path: &Path, page: usize) -> PathBuf {
    if page == 0 {
        return path.to_owned();
    }
    let (stem, end) = (path.file_stem().unwrap_or_default(), path.extension().unwrap_or_default());
    let name = format!("{}-{}.{}", stem.to_string_lossy(), page + 1, end.to_string_lossy());
    path.with_file_name(name)
}

fn json(done: &ReplannedStudy, plans: PlansFile) -> ReplanJson {
    let Account {
        gpu_hours,
        billed_gpu_hours,
        cost,
        peak_gpus,
        bound_gpu_hours,
        epochs,
        early,
        moves,
        restarts,
        boots,
        without_room,
        ..
    } = done.account;
    ReplanJson {
        gpu_hours,
        billed_gpu_hours,
        cost,
        saved_pct: saved_pct(done),
        fixed_gpu_hours: done.fixed.billed_gpu_hours,
        fixed_gpus: done.fixed.peak_gpus,
        bound_gpu_hours,
        peak_gpus,
        epochs,
        early,
        moves,
        restarts,
        boots,
        without_room,
        plans,
    }
}

/// Returns the saving in billed GPU-hours compared with one plan for the highest rates, in percent.
fn saved_pct(done: &ReplannedStudy) -> f64 {
    100.0 * (1.0 - done.account.billed_gpu_hours / done.fixed.billed_gpu_hours)
}

/// Formats a time as `1:30:00`.
fn clock(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a run's length")]
    let whole = seconds.round() as u64;
    format!("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60)
}

fn described(done: &ReplannedStudy, strategy: &str, study: &Study) -> String {
    let ReplannedStudy { spec, replanned, account, fixed, .. } = done;
    let header = [
        "from",
        "rate /s",
        "GPUs",
        "bound",
        "moves",
        "restarts",
        "boots",
        "no room",
        "hand-over s",
    ];
    let row = |epoch: &Epoch| {
        let total: f64 = epoch.rates.iter().sum();
        vec![
            format!("{}{}", clock(epoch.at_s), if epoch.early { " early" } else { "" }),
            format!("{total:.0}"),
            epoch.machines.len().to_string(),
            epoch.bound.map_or_else(String::new, |bound| bound.to_string()),
            epoch.moves.to_string(),
            epoch.restarts.to_string(),
            epoch.boots.to_string(),
            epoch.forced.to_string(),
            format!("{:.0}", epoch.handover_s.1 - epoch.handover_s.0),
        ]
    };
    let mut text = format!(
        "{strategy}, {}: {} in {}\n",
        spec.policy.as_str(),
        plans(replanned.epochs.len()),
        clock(study.scenario().duration.as_seconds())
    );
    text += &output::table(&header, replanned.epochs.iter().take(MOST_LISTED).map(row));
    if let Some(more) = replanned.epochs.len().checked_sub(MOST_LISTED).filter(|more| *more > 0) {
        text += &format!("\n… and {more} more (-o writes all)");
    }
    let bound = account.bound_gpu_hours.map_or_else(String::new, |hours| {
        format!("; no plans for these rates need fewer than {hours:.1}")
    });
    text += &format!(
        "\n{:.1} GPU-hours, {:.1} billed by the {}, {:.2} $; at most {}{bound}",
        account.gpu_hours,
        account.billed_gpu_hours,
        match spec.handover.billing_s {
            3600 => "hour",
            60 => "minute",
            _ => "second",
        },
        account.cost,
        counted(account.peak_gpus, "GPU"),
    );
    text += &format!(
        "\n{:.1} % saved: one plan for the highest rate of each workload needs {}, {:.1} GPU-hours",
        saved_pct(done),
        counted(fixed.peak_gpus, "GPU"),
        fixed.billed_gpu_hours
    );
    #[expect(clippy::cast_precision_loss, reason = "counts of plans and of moves")]
    let per = |count: usize| count as f64 / account.epochs.max(1) as f64;
    text += &format!(
        "\nfor each new plan {:.2} moves and {:.2} restarts; {} early; {} booted; {} without room",
        per(account.moves),
        per(account.restarts),
        plans(account.early),
        counted(account.boots, "GPU"),
        counted(account.without_room, "hand-over"),
    );
    text += &format!(
        "\nplanned in {:.2} s, {:.0} ms for each plan",
        done.seconds,
        1000.0 * done.seconds / replanned.epochs.len().max(1) as f64
    );
    text
}

fn plans(count: usize) -> String {
    counted(count, "plan")
}
