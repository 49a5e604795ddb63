//! Which plan of which scenario: the flags of every command that starts the servers of a plan.

use anyhow::{Context as _, bail};
use clap::Args;
use igniter::cli::PlannedScenarioArgs;
use igniter::domain::{Plan, Timeline};
use igniter::plan::replan::{PlansFile, is_plans_text, read_plans_text};
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

/// What servers are started for.
#[derive(Debug)]
pub(super) enum ServerPurpose {
    /// One plan for the whole run.
    One(Plan),
    /// Plans that follow each other, and the servers that follow from them.
    Following(Box<PlansFile>, Timeline),
}

impl PlannedArgs {
    /// The scenario with what the command line changes of it, and the plan.
    pub(super) fn study(&self, times: &TimeArgs) -> anyhow::Result<(Study, Plan)> {
        match self.work(times)? {
            (study, ServerPurpose::One(plan)) => Ok((study, plan)),
            (_, ServerPurpose::Following(..)) => bail!(
                "{}: plans that follow each other; servers come and go with them in `validate run` alone; fix: use that, or \
                 give one plan of `igniter plan` with --plan",
                self.name()
            ),
        }
    }

    /// As [`PlannedArgs::study`], or with plans that follow each other: those of `igniter replan` that are given, or by the
    /// `[replan]` table of the scenario.
    pub(super) fn work(&self, times: &TimeArgs) -> anyhow::Result<(Study, ServerPurpose)> {
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
        if let Some(following) = self.following(&study)? {
            return Ok((study, following));
        }
        let plan = if plans.is_empty() {
            study.plan(strategy(&self.strategy)?.as_ref())
        } else {
            study.read_plans(plans)?
        };
        if let Some(gpu) = plan.gpus.iter().position(|gpu| gpu.takes_turns()) {
            bail!(
                "{}: the plan of strategy {}: placements of GPU {gpu} take turns on the same SMs (time_slot); servers \
                 of their own under NVIDIA MPS do not take turns; fix: use a strategy whose workloads have SMs of their \
                 own, or `igniter simulate`",
                self.name(),
                plan.strategy
            );
        }
        if plan.placements().next().is_none() {
            bail!("the plan places no workload; no server would be started");
        }
        Ok((study, ServerPurpose::One(plan)))
    }

    fn following(&self, study: &Study) -> anyhow::Result<Option<ServerPurpose>> {
        let (_, plans) = self.files.files();
        if let [path] = plans {
            // What cannot be read is reported where plans are read.
            let text = std::fs::read_to_string(path).unwrap_or_default();
            if !is_plans_text(&text) {
                return Ok(None);
            }
            let duration_s = study.scenario().duration.as_seconds();
            let known = (study.kinds(), study.workloads());
            let (file, timeline) = read_plans_text(path, &text, (&known.0, known.1), duration_s)
                .map_err(anyhow::Error::msg)?;
            return Ok(Some(ServerPurpose::Following(Box::new(file), timeline)));
        }
        let Some(spec) = study.scenario().replan.filter(|_| plans.is_empty()) else {
            return Ok(None);
        };
        let strategy = strategy(&self.strategy)?;
        let done = study.replan(strategy.as_ref(), &spec)?;
        let file = study.plans_file(&done, strategy.name());
        Ok(Some(ServerPurpose::Following(Box::new(file), done.replanned.timeline)))
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
