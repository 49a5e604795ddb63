//! `igniter study`

use super::CommandOutcome;
use super::fit::constants_of;
use super::model_args::{MeasuredArgs, StudyArgs};
use super::output;
use super::shared::write_page;
use crate::figures::{self, PredictedMark, StudyPoint, StudySeries};
use crate::profile::{
    self, ColocatedRun, Profile, SoloTable, profile_files, read_colocated, read_solo_table,
};
use crate::reproduce::predicted_mark;
use crate::results::{Existing, Identity, Manifest, OutputDir};
use crate::study::{
    AccuracyStudy, CurveRow, ExperimentRow, Score, ScoredSet, StudyData, StudyOptions,
    accuracy_study, coverage_curve, experiments, solo_curves,
};
use anyhow::bail;
use serde::Serialize;
use std::path::Path;

/// The recipes that figures show: one for each predictor and each budget with a single fit.
const SHOWN: [&str; 5] =
    ["igniter", "gpulets", "A: profile", "B: + kernel list", "D: solo as served + all runs"];

/// The measurements named on the command line, or those of the profile where it names none.
#[derive(Debug)]
pub(super) struct StudyMeasurements {
    pub(super) profile: Profile,
    pub(super) solo: SoloTable,
    pub(super) colocated: Vec<ColocatedRun>,
}

impl StudyMeasurements {
    /// Reads all files.
    pub(super) fn read(args: &MeasuredArgs) -> anyhow::Result<Self> {
        let mut profile = profile::load(&args.profile)?;
        if let Some(path) = &args.kernels {
            profile::read_kernels(path, &mut profile)?;
        }
        let solo = match &args.solo {
            Some(path) => read_solo_table(path)?,
            None => profile.solo_table.clone(),
        };
        let colocated = match &args.colocated {
            Some(path) => read_colocated(path)?,
            None => profile.colocated.clone(),
        };
        Ok(Self { profile, solo, colocated })
    }
}

#[derive(Serialize)]
struct StudyJson<'a> {
    #[serde(flatten)]
    study: &'a AccuracyStudy,
    experiments: &'a [ExperimentRow],
    solo_curves: &'a [CurveRow],
}

pub(super) fn run(args: &StudyArgs) -> anyhow::Result<CommandOutcome> {
    let mut manifest = Manifest::start(super::command_line());
    let measured = StudyMeasurements::read(&args.measured)?;
    if measured.colocated.is_empty() {
        bail!("nothing to score predictors on: give measured co-locations with --colocated FILE");
    }
    let identity = Identity::new(&manifest, None);
    let open = |path| OutputDir::open_for(path, Existing::Replace, &identity);
    let dir = args.output.as_deref().map(open).transpose()?;
    let other = args.constants_of.as_deref().map(constants_of).transpose()?;
    let data = StudyData {
        profile: &measured.profile,
        solo: &measured.solo,
        colocated: &measured.colocated,
        pressure: args.measured.pressure.map(Into::into),
        other: other.as_ref(),
    };
    let options = StudyOptions { seed: args.seed, repeats: usize::from(args.repeats) };
    let study = accuracy_study(&data, &options)?;
    let experiments = experiments(&data)?;
    let curves = solo_curves(&measured.solo, &measured.profile.kind);
    if let Some(mut dir) = dir {
        manifest.seed = Some(args.seed);
        for (name, text) in profile_files(&measured.profile) {
            let folder = Path::new("profile").join(measured.profile.kind.name.as_str());
            manifest.input(&folder.join(name), text.as_bytes());
        }
        let files = [
            &args.measured.colocated,
            &args.measured.solo,
            &args.measured.kernels,
            &args.constants_of,
        ];
        for path in files.into_iter().flatten() {
            manifest.input(path, &std::fs::read(path)?);
        }
        write(&mut dir, &study, &experiments, &curves, args.seed)?;
        manifest.stop();
        let folder = dir.path().to_owned();
        dir.finish(manifest)?;
        write_page(&folder)?;
    }
    if args.print.json {
        output::print_json(&StudyJson {
            study: &study,
            experiments: &experiments,
            solo_curves: &curves,
        })?;
    } else if !args.print.quiet {
        let mut text = output::table(&HEADER, rows(&study)) + "\n" + &notes(&study);
        if !experiments.is_empty() {
            text += "\n\nthe paper's accuracy experiments, vgg19 beside ssd\n";
            text += &output::table(&EXPERIMENT_HEADER, experiment_rows(&experiments));
        }
        if !curves.is_empty() {
            text += "\n\nlatency alone, from some rows of the solo table, on the others\n";
            text += &output::table(&CURVE_HEADER, curve_rows(&curves));
        }
        if let Some(path) = &args.output {
            text += &format!("\n\nwrote {}", path.display());
        }
        output::print(&text)?;
    }
    Ok(CommandOutcome::Done)
}

fn write(
    dir: &mut OutputDir,
    study: &AccuracyStudy,
    experiments: &[ExperimentRow],
    curves: &[CurveRow],
    seed: u64,
) -> anyhow::Result<()> {
    let json =
        serde_json::to_string_pretty(&StudyJson { study, experiments, solo_curves: curves })?
            + "\n";
    dir.write("study.json", |file| file.write_all(json.as_bytes()))?;
    let mut text = markdown(&HEADER, rows(study)) + "\n" + &notes(study) + "\n";
    if !experiments.is_empty() {
        text += "\n";
        text += &markdown(&EXPERIMENT_HEADER, experiment_rows(experiments));
    }
    if !curves.is_empty() {
        text += "\n";
        text += &markdown(&CURVE_HEADER, curve_rows(curves));
    }
    dir.write("study.md", |file| file.write_all(text.as_bytes()))?;
    dir.write("study.csv", |file| csv_rows(file, &HEADER, rows(study)))?;
    dir.write("experiments.csv", |file| {
        csv_rows(file, &EXPERIMENT_HEADER, experiment_rows(experiments))
    })?;
    let shown = study.scored.iter().filter(|set| SHOWN.contains(&set.recipe));
    let series: Vec<StudySeries> = shown.map(|set| series(set, seed)).collect();
    let mut figures = figures::study_figures(&series)?;
    let marks: Vec<PredictedMark> = experiments.iter().map(predicted_mark).collect();
    figures.extend(figures::experiment_figures(&marks)?);
    figures::write_figures(dir, &figures)?;
    Ok(())
}

fn series(set: &ScoredSet, seed: u64) -> StudySeries {
    let point = |s: &crate::study::Scored| StudyPoint {
        model: s.model.clone(),
        batch: s.batch,
        sm: s.sm,
        members: s.members,
        predicted_ms: s.predicted_ms,
        measured_ms: s.measured_ms,
        slowdowns: s.measured_slowdown.map(|measured| (s.predicted_slowdown, measured)),
    };
    StudySeries {
        name: set.recipe.to_owned(),
        points: set.scored.iter().map(point).collect(),
        coverage: coverage_curve(&set.scored, seed),
    }
}

const HEADER: [&str; 13] = [
    "recipe",
    "held out",
    "n",
    "mean %",
    "p95 %",
    "max %",
    "bias %",
    "slowdown r",
    "± %",
    "covers %",
    "+ %",
    "+ covers %",
    "launching leads",
];

fn rows(study: &AccuracyStudy) -> Vec<Vec<String>> {
    let row = |row: &crate::study::StudyRow| {
        let Score { n, mape_pct, p95_pct, max_pct, bias_pct, slowdown_correlation, .. } = row.score;
        let or_dash = |value: Option<String>| value.unwrap_or_else(|| "–".to_owned());
        let bound = |of: fn(&crate::study::Coverage) -> f64| {
            or_dash(row.coverage.as_ref().map(|c| format!("{:.1}", of(c))))
        };
        vec![
            row.recipe.to_owned(),
            row.split.to_owned(),
            n.to_string(),
            format!("{mape_pct:.2}"),
            format!("{p95_pct:.2}"),
            format!("{max_pct:.1}"),
            format!("{bias_pct:+.2}"),
            or_dash(slowdown_correlation.map(|r| format!("{r:.2}"))),
            bound(|c| c.two_sided_pct),
            bound(|c| c.two_sided_coverage_pct),
            bound(|c| c.one_sided_pct),
            bound(|c| c.one_sided_coverage_pct),
            or_dash(row.score.launch.as_ref().map(|group| {
                let bounds = row.launch_coverage.as_ref().map_or_else(String::new, |c| {
                    format!(" ± {:.0} ({:.1})", c.two_sided_pct, c.two_sided_coverage_pct)
                });
                format!("{} of {n}: {:.1} %{bounds}", group.n, group.mape_pct)
            })),
        ]
    };
    study.rows.iter().map(row).collect()
}

/// Describes the skipped recipes, the noise floor, and the errors by model.
fn notes(study: &AccuracyStudy) -> String {
    let mut text = String::new();
    for (recipe, reason) in &study.skipped {
        text += &format!("\nskipped: {recipe}: {reason}");
    }
    text += &study.noise_floor.map_or_else(
        || "\nnoise floor: no configuration was measured twice".to_owned(),
        |floor| {
            format!(
                "\nnoise floor: {} repeats differ by {:.2} % on average, p95 {:.2} %",
                floor.n, floor.mape_pct, floor.p95_pct
            )
        },
    );
    let sizes = study
        .rows
        .iter()
        .filter(|row| row.split.starts_with("overall") && row.score.per_members.len() > 1);
    for (i, row) in sizes.enumerate() {
        if i == 0 {
            text += "\n\nmean error (bias) in % by number of members, on unseen runs\n";
        }
        let sizes = row.score.per_members.iter();
        let sizes: Vec<String> = sizes
            .map(|g| format!("{}: {:.2} ({:+.2}, n {})", g.of, g.mape_pct, g.bias_pct, g.n))
            .collect();
        text += &format!("\n- {}: {}", row.recipe, sizes.join(", "));
    }
    text += "\n\nmean error (bias) in % by model, on unseen runs\n";
    for row in study.rows.iter().filter(|row| row.split.starts_with("overall")) {
        let models = row.score.per_model.iter();
        let models: Vec<String> =
            models.map(|g| format!("{} {:.2} ({:+.2})", g.of, g.mape_pct, g.bias_pct)).collect();
        text += &format!("\n- {}: {}", row.recipe, models.join(", "));
    }
    text
}

const CURVE_HEADER: [&str; 7] = [
    "runs alone for each model",
    "models",
    "launch-bound",
    "n",
    "mean %",
    "p95 %",
    "worst model %",
];

fn curve_rows(curves: &[CurveRow]) -> Vec<Vec<String>> {
    let row = |row: &CurveRow| {
        vec![
            row.runs.to_owned(),
            row.models.to_string(),
            row.launch_bound.to_string(),
            row.n.to_string(),
            format!("{:.2}", row.mape_pct),
            format!("{:.1}", row.p95_pct),
            format!("{:.2}", row.worst_pct),
        ]
    };
    curves.iter().map(row).collect()
}

const EXPERIMENT_HEADER: [&str; 9] = [
    "experiment",
    "setting",
    "model",
    "batch",
    "SM %",
    "predictor",
    "predicted ms",
    "± %",
    "measured ms",
];

fn experiment_rows(experiments: &[ExperimentRow]) -> Vec<Vec<String>> {
    let row = |row: &ExperimentRow| {
        vec![
            row.experiment.to_string(),
            row.setting.clone(),
            row.model.to_string(),
            row.batch.to_string(),
            row.sm.to_string(),
            row.predictor.to_owned(),
            format!("{:.2}", row.predicted_ms),
            row.two_sided_pct.map_or_else(|| "–".to_owned(), |v| format!("{v:.1}")),
            row.measured_ms.map_or_else(|| "no measurement".to_owned(), |v| format!("{v:.2}")),
        ]
    };
    experiments.iter().map(row).collect()
}

fn markdown(header: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut text = format!("| {} |\n|{}\n", header.join(" | "), "---|".repeat(header.len()));
    for row in rows {
        text += &format!("| {} |\n", row.join(" | "));
    }
    text
}

fn csv_rows(
    file: &mut dyn std::io::Write,
    header: &[&str],
    rows: Vec<Vec<String>>,
) -> std::io::Result<()> {
    let mut table = csv::Writer::from_writer(file);
    table.write_record(header)?;
    for row in rows {
        table.write_record(row)?;
    }
    table.flush()
}
