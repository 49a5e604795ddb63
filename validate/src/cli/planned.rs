//! Which plan of which scenario: the flags of every command that starts the servers of a plan.

use anyhow::{Context as _, bail};
use clap::Args;
use igniter::domain::Plan;
use igniter::plan::{is_artifact_plan, strategy};
use igniter::results::Manifest;
use igniter::run::{Overrides, Study, scenario_of};
use igniter::scenario::Document;
use igniter::units::Nanoseconds;
use std::path::{Path, PathBuf};

/// A scenario, and a plan for it.
#[derive(Debug, Clone, Args)]
pub(super) struct PlannedArgs {
    /// The scenario, a TOML file; plan files of the iGniter artifact (--plan) do without
    #[arg(required_unless_present = "plan")]
    scenario: Option<PathBuf>,
    /// The plan of `igniter plan`, or plan files of the iGniter artifact (config_gpu1.json …, or their folder), one after
    /// the other [default: make one with --strategy]
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "strategy")]
    plan: Vec<PathBuf>,
    /// Make the plan with this strategy
    #[arg(long, short, default_value = "igniter")]
    strategy: String,
    /// A GPU kind (v100), the folder of a profile, or a coefficients file of `igniter fit`
    #[arg(long, value_name = "KIND|PATH")]
    profile: Option<String>,
    /// The performance model [default: that of a coefficients file, else igniter]
    #[arg(long, value_name = "NAME")]
    predictor: Option<String>,
    /// Replace the scenario's seed
    #[arg(long)]
    seed: Option<u64>,
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
        let (named, plans) = self.files();
        let (mut scenario, read) = match named {
            Some(path) => {
                let document = Document::load(path)?;
                (document.scenario()?, document.files().to_vec())
            }
            None => {
                if let Some(path) = plans.iter().find(|path| !is_artifact_plan(path)) {
                    bail!(
                        "--plan {}: without a scenario only plan files of the iGniter artifact can be used; fix: name \
                         the scenario before --plan",
                        path.display()
                    );
                }
                let (scenario, assumptions) = scenario_of(plans, self.profile.as_deref())?;
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
        let overrides = Overrides {
            seed: self.seed,
            profile: self.profile.clone(),
            predictor: self.predictor.clone(),
            ..Overrides::default()
        };
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
        Ok((study, plan))
    }

    /// Notes in the manifest of results what they were made from.
    pub(super) fn note(&self, study: &Study, manifest: &mut Manifest) -> std::io::Result<()> {
        study.note(manifest)?;
        let (_, plans) = self.files();
        plans.iter().try_for_each(|path| manifest.input_path(path))
    }

    /// What messages call it.
    pub(super) fn name(&self) -> String {
        let (scenario, plans) = self.files();
        scenario
            .or(plans.first().map(PathBuf::as_path))
            .map_or_else(String::new, |path| path.display().to_string())
    }

    /// The scenario and the plan files. A scenario after `--plan FILE` is taken for another plan by the command line's
    /// grammar, and known by its name.
    fn files(&self) -> (Option<&Path>, &[PathBuf]) {
        let is_scenario =
            |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "toml");
        match (&self.scenario, self.plan.split_last()) {
            (None, Some((last, plans))) if is_scenario(&last) && !plans.is_empty() => {
                (Some(last), plans)
            }
            (scenario, _) => (scenario.as_deref(), &self.plan),
        }
    }
}
