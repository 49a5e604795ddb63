//! Prints the accuracy tables of `docs/predictor.md`.
//!
//! ```text
//! cargo run --release --example accuracy_study -- FOLDER [PROFILE]
//! ```
//! FOLDER holds `colocated.csv` (required), `solo.csv` (a solo table, optional) and `kernels.csv`
//! (optional); PROFILE is a GPU kind or a profile folder, `v100` by default.

use anyhow::{Context, Result, bail};
use igniter::fit::{FitData, fit_contention};
use igniter::profile::{self, SoloTable};
use igniter::study::{Score, StudyData, StudyOptions, accuracy_study, next_measurements};
use std::path::Path;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(folder) = arguments.first().map(Path::new) else {
        bail!("usage: accuracy_study FOLDER [PROFILE]");
    };
    let kind = arguments.get(1).map_or("v100", String::as_str);
    let mut profile = profile::load(kind)?;
    let kernels = folder.join("kernels.csv");
    if kernels.is_file() {
        profile::read_kernels(&kernels, &mut profile)?;
    }
    let solo = folder.join("solo.csv");
    let solo = if solo.is_file() { profile::read_solo_table(&solo)? } else { SoloTable::default() };
    let colocated = profile::read_colocated(&folder.join("colocated.csv"))?;
    let data = StudyData { profile: &profile, solo: &solo, colocated: &colocated };
    let study = accuracy_study(&data, &StudyOptions::default()).context("no study")?;

    println!(
        "| recipe | held out | n | mean % | p95 % | max % | bias % | slowdown r | ± % (covers) | \
         + % (covers) |\n|---|---|---|---|---|---|---|---|---|---|"
    );
    for row in &study.rows {
        let Score { n, mape_pct, p95_pct, max_pct, bias_pct, .. } = row.score;
        let correlation =
            row.score.slowdown_correlation.map_or_else(|| "–".to_owned(), |r| format!("{r:.2}"));
        let bounds = row.coverage.map_or_else(
            || "– | –".to_owned(),
            |c| {
                format!(
                    "{:.1} ({:.1}) | {:.1} ({:.1})",
                    c.two_sided_pct,
                    c.two_sided_coverage_pct,
                    c.one_sided_pct,
                    c.one_sided_coverage_pct
                )
            },
        );
        println!(
            "| {} | {} | {n} | {mape_pct:.2} | {p95_pct:.2} | {max_pct:.1} | {bias_pct:+.2} | \
             {correlation} | {bounds} |",
            row.recipe, row.split
        );
    }
    for (recipe, reason) in &study.skipped {
        println!("skipped: {recipe}: {reason}");
    }
    match study.noise_floor {
        Some(floor) => println!(
            "\nnoise floor: {} repeats differ by {:.2} % on average, p95 {:.2} %",
            floor.n, floor.mape_pct, floor.p95_pct
        ),
        None => println!("\nnoise floor: no configuration was measured twice"),
    }
    println!("\nmean error (bias) in % by model:\n");
    for row in study.rows.iter().filter(|row| row.split.starts_with("overall")) {
        let models = row.score.per_model.iter();
        let models: Vec<String> =
            models.map(|g| format!("{} {:.2} ({:+.2})", g.of, g.mape_pct, g.bias_pct)).collect();
        println!("{}: {}", row.recipe, models.join(", "));
    }
    println!("\nnext measurements, starting from the profile alone:\n");
    let (predictor, _) = fit_contention(&FitData::of(&profile))?;
    for suggestion in next_measurements(&predictor, &[], 8) {
        let members = suggestion.members.iter();
        let members: Vec<String> = members.map(|(m, b, r)| format!("{m}:{b}:{r}")).collect();
        println!(
            "{} ({:?}, {:.1} % at stake)",
            members.join(" "),
            suggestion.reason,
            suggestion.at_stake_pct
        );
    }
    Ok(())
}
