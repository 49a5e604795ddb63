//! `igniter simulate` for plans that follow each other.

use super::CommandOutcome;
use super::args::SimulateArgs;
use super::output;
use super::plan::overrides;
use super::progress::StepProgress;
use super::results::{ResultFolder, in_pool, written};
use crate::domain::Timeline;
use crate::plan::replan::{PlansFile, is_plans_text, read_plans_text};
use crate::plan::strategy;
use crate::results::{OutputDir, OutputError, comparison_text};
use crate::run::{FollowedPlans, JUDGED_WINDOW, Lateness, Study, lateness};
use anyhow::{bail, ensure};
use serde::Serialize;

/// The JSON document that `--json` prints.
#[derive(Serialize)]
struct FollowJson<'a> {
    scenario: &'a str,
    strategy: &'a str,
    policy: &'a str,
    seed: u64,
    plans: usize,
    /// The maximum number of GPUs at once.
    gpu_count: usize,
    gpu_hours: f64,
    /// The mean cost over the run, in $/h.
    cost_per_hour: f64,
    #[serde(flatten)]
    lateness: Lateness,
    workloads: &'a [crate::metrics::WorkloadSummary],
    simulated_s: f64,
    wall_s: f64,
}

/// A row of `windows.csv`.
#[derive(Serialize)]
struct FollowWindowRow<'a> {
    workload: &'a str,
    start_s: f64,
    end_s: f64,
    requests: u64,
    late: u64,
    late_in_handover: u64,
}

/// Returns the text of the plan file, if it contains plans that follow each other.
pub(super) fn given(args: &SimulateArgs) -> Option<String> {
    let (_, files) = args.scenario.files();
    let [file] = files else { return None };
    // Files that cannot be read are reported where plans are read. So are pipes, whose content is gone once it is read.
    if !file.is_file() {
        return None;
    }
    let text = std::fs::read_to_string(file).ok()?;
    is_plans_text(&text).then_some(text)
}

/// Loads the scenario of plans that follow each other.
pub(super) fn study(args: &SimulateArgs) -> anyhow::Result<Study> {
    let (Some(scenario), _) = args.scenario.files() else {
        bail!(
            "--plan: plans that follow each other need their scenario; fix: name it before --plan"
        );
    };
    let (change, predictor) = (&args.scenario.change, &args.scenario.predictor);
    let overrides = overrides(change, predictor, &args.planning, Some(&args.truth));
    Ok(Study::load(scenario, &overrides)?)
}

/// Simulates plans that follow each other: those in `text`, or those made by the scenario's `[replan]` table.
pub(super) fn run(
    args: &SimulateArgs,
    study: &Study,
    text: Option<&str>,
) -> anyhow::Result<CommandOutcome> {
    let (_, files) = args.scenario.files();
    refuse_what_is_not_there(args)?;
    let mut folder = ResultFolder::open(args.output.as_deref(), study)?;
    let progress = StepProgress::new(2 + folder.steps(), args.print.quiet);
    progress.at("planning".to_owned());
    let (file, timeline) = match (files.first(), text) {
        (Some(path), Some(text)) => {
            folder.note_input(path)?;
            let duration_s = study.scenario().duration.as_seconds();
            let known = (study.kinds(), study.workloads());
            read_plans_text(path, text, (&known.0, known.1), duration_s)
                .map_err(anyhow::Error::msg)?
        }
        _ => planned(args, study, &mut folder)?,
    };
    progress.step();
    progress.at(format!("simulating {}", file.strategy));
    let followed =
        in_pool(args.threads, || study.follow(&file.strategy, &timeline, JUDGED_WINDOW))??;
    progress.step();
    let sums = lateness(&followed.windows, &file.planned(), study.scenario().plan.attainment_pct);
    if let Some(dir) = folder.dir() {
        write_files(dir, study, &file, &followed)?;
    }
    let comparison = study.comparison(vec![study.with_following(&file, &timeline, &followed)]);
    let wall_s = folder.finish(&comparison, &progress)?;
    drop(progress);
    let hours = gpu_hours(&followed, study);
    let result = &comparison.strategies[0];
    if args.print.json {
        output::print_json(&FollowJson {
            scenario: &comparison.scenario,
            strategy: &file.strategy,
            policy: &file.policy,
            seed: comparison.seed,
            plans: file.plans.len(),
            gpu_count: result.gpu_count,
            gpu_hours: hours,
            cost_per_hour: result.cost_per_hour,
            lateness: sums,
            workloads: &result.workloads,
            simulated_s: comparison.simulated_s,
            wall_s,
        })?;
    } else if !args.print.quiet {
        let mut text = comparison_text(&comparison, output::screen());
        text += &described(&file, &followed, hours, &sums);
        if let Some(path) = &args.output {
            text += &written(path);
        }
        output::print(&text)?;
    }
    Ok(CommandOutcome::of(result.misses() == 0))
}

/// Makes plans by the scenario's `[replan]` table.
fn planned(
    args: &SimulateArgs,
    study: &Study,
    folder: &mut ResultFolder,
) -> anyhow::Result<(PlansFile, Timeline)> {
    let strategy = strategy(args.strategy.trim())?;
    let Some(spec) = study.scenario().replan else {
        bail!("the scenario has no [replan] table");
    };
    let done = in_pool(args.threads, || study.replan(strategy.as_ref(), &spec))??;
    folder.note_planning(strategy.name(), done.seconds);
    let file = study.plans_file(&done, strategy.name());
    Ok((file, done.replanned.timeline))
}

fn refuse_what_is_not_there(args: &SimulateArgs) -> anyhow::Result<()> {
    let flags = [
        (args.requests, "--requests"),
        (args.trace_out.is_some(), "--trace-out"),
        (args.refine.refine.is_some(), "--refine"),
        (args.refine.strategy_command.is_some(), "--strategy-command"),
    ];
    for (given, flag) in flags {
        ensure!(
            !given,
            "{flag}: not there for plans that follow each other; fix: leave it out, or simulate one plan of `igniter plan`"
        );
    }
    Ok(())
}

fn gpu_hours(followed: &FollowedPlans, study: &Study) -> f64 {
    let end = study.scenario().duration;
    let rents = followed.rented.iter().flatten();
    let seconds = rents.map(|(from, until)| (*until).min(end).saturating_sub(*from).as_seconds());
    seconds.sum::<f64>() / 3600.0
}

/// Writes the plans, their steps, and counts of requests for each minute.
fn write_files(
    dir: &mut OutputDir,
    study: &Study,
    file: &PlansFile,
    followed: &FollowedPlans,
) -> Result<(), OutputError> {
    dir.write("plans.json", |out| {
        serde_json::to_writer_pretty(&mut *out, file).map_err(std::io::Error::other)?;
        out.write_all(b"\n")
    })?;
    write_rows(dir, "plans.csv", &file.plan_rows())?;
    write_rows(dir, "actions.csv", &file.action_rows())?;
    let windows: Vec<FollowWindowRow<'_>> = followed
        .windows
        .iter()
        .map(|window| FollowWindowRow {
            workload: study.workloads()[window.workload.index()].name.as_str(),
            start_s: window.start.as_seconds(),
            end_s: window.end.as_seconds(),
            requests: window.requests,
            late: window.late,
            late_in_handover: window.late_in_hand_over,
        })
        .collect();
    write_rows(dir, "windows.csv", &windows)
}

fn write_rows(dir: &mut OutputDir, name: &str, rows: &[impl Serialize]) -> Result<(), OutputError> {
    dir.write(name, |out| {
        let mut table = csv::Writer::from_writer(out);
        for row in rows {
            table.serialize(row).map_err(std::io::Error::other)?;
        }
        table.flush()
    })
}

fn described(file: &PlansFile, followed: &FollowedPlans, hours: f64, sums: &Lateness) -> String {
    #[expect(clippy::cast_precision_loss, reason = "counts of requests and of windows")]
    let percent = |part: u64, of: u64| 100.0 * part as f64 / of.max(1) as f64;
    let late = |part: u64| percent(part, sums.late);
    let mut text = format!(
        "\n{} {} by {}: {hours:.1} GPU-hours, at most {} GPUs at once\n",
        file.plans.len(),
        if file.plans.len() == 1 { "plan" } else { "plans" },
        file.policy,
        followed.result.gpu_count,
    );
    text += &format!(
        "{:.3} % of {} requests within their SLO; of the late ones {:.0} % in hand-overs, {:.0} % where more came than \
         was planned for, {:.0} % by plan\n",
        100.0 - percent(sums.late, sums.requests),
        sums.requests,
        late(sums.late_in_handover),
        late(sums.late_by_forecast),
        late(sums.late_by_plan),
    );
    text += &format!("{} of {} workload-minutes below target\n", sums.windows_below, sums.windows);
    let lost: u64 = followed.gaps.iter().map(|gap| gap.requests).sum();
    if lost > 0 {
        text += &format!("{lost} requests came while their workload had no server\n");
    }
    text
}
