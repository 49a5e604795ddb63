//! Which plan of which scenario: the flags of every command that starts the servers of a plan.

use anyhow::{Context as _, bail};
use clap::Args;
use igniter::cli::PlannedScenarioArgs;
use igniter::domain::Plan;
use igniter::plan::strategy;
use igniter::results::Manifest;
use igniter::run::{Overrides, Study, scenario_of};
use igniter::scenario::Document;
use igniter::units::Nanoseconds;
use std::path::PathBuf;

/// A scenario, and a plan for it.
#[derive(Debug, Clone, Args)]
pub(super) struct PlannedArgs {
    #[command(flatten)]
    files: PlannedScenarioArgs,
    /// Make the plan with this strategy
    #[arg(long, short, default_value = "igniter", conflicts_with = "plan")]
    strategy: String,
}

/// What replaces the scenario's times.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(super) struct TimeArgs {
    /// Replace the scenario's duration, in seconds
    #[arg(long, value_name = "SECONDS")]
    duration_s: Option<f64>,
    /// Replace the scenario's warm-up, which is cut from the statistics at the start, in seconds
    #[arg(long, value_name = "SECONDS")]
    warmup_s: Option<f64>,
    /// Replace the scenario's cool-down, which is cut at the end, in seconds
    #[arg(long, value_name = "SECONDS")]
    cooldown_s: Option<f64>,
}

impl PlannedArgs {
    /// The scenario with what the command line changes of it, and the plan.
    pub(super) fn study(&self, times: &TimeArgs) -> anyhow::Result<(Study, Plan)> {
        let (predictor, change) = (&self.files.predictor, &self.files.change);
        let overrides = Overrides {
            set: change.set.clone(),
            seed: change.seed,
            profile: predictor.profile.clone(),
            predictor: predictor.predictor.clone(),
            ..Overrides::default()
        };
        let (_, plans) = self.files.files();
        let (mut scenario, read) = match self.files.scenario()? {
            Some(path) => {
                let mut document = Document::load(path)?;
                overrides.set_in(&mut document)?;
                (document.scenario()?, document.files().to_vec())
            }
            None => {
                if let Some((key, _)) = change.set.first() {
                    bail!(
                        "--set {key}: there is no scenario; fix: write it with `igniter plan --scenario-out` and name it"
                    );
                }
                let (scenario, assumptions) = scenario_of(plans, predictor.profile.as_deref())?;
                for assumption in assumptions {
                    eprintln!("assumed: {assumption}");
                }
                (scenario, plans.to_vec())
            }
        };
        let seconds =
            |value: Option<f64>, old: Nanoseconds| value.map_or(Ok(old), Nanoseconds::from_seconds);
        scenario.duration = seconds(times.duration_s, scenario.duration).context("--duration-s")?;
        scenario.warmup = seconds(times.warmup_s, scenario.warmup).context("--warmup-s")?;
        scenario.cooldown = seconds(times.cooldown_s, scenario.cooldown).context("--cooldown-s")?;
        let study = Study::new(scenario, &overrides)?.read_from(&read);
        let kinds = study.kinds();
        if kinds.len() > 1 {
            let names: Vec<&str> = kinds.iter().map(|kind| kind.name.as_str()).collect();
            bail!(
                "{}: [[gpu]]: given {}; allowed: one kind, that of this machine; fix: keep one [[gpu]] table, or choose \
                 with --profile",
                self.name(),
                names.join(", ")
            );
        }
        let plan = if plans.is_empty() {
            study.plan(strategy(&self.strategy)?.as_ref())
        } else {
            study.read_plans(plans)?
        };
        if plan.placements().next().is_none() {
            bail!("the plan places no workload; no server would be started");
        }
        Ok((study, plan))
    }

    /// Notes in the manifest of results what they were made from.
    pub(super) fn note(&self, study: &Study, manifest: &mut Manifest) -> std::io::Result<()> {
        study.note(manifest)?;
        let (_, plans) = self.files.files();
        plans.iter().try_for_each(|path| manifest.input_path(path))
    }

    /// What messages call it.
    pub(super) fn name(&self) -> String {
        let (scenario, plans) = self.files.files();
        scenario
            .or(plans.first().map(PathBuf::as_path))
            .map_or_else(String::new, |path| path.display().to_string())
    }
}
