//! `validate launch`: the servers of a plan, kept until somebody says stop.

use super::Outcome;
use crate::launch::LaunchArgs;
use crate::life;
use anyhow::Context as _;
use clap::Args;
use igniter::plan::strategy;
use igniter::run::{Overrides, Study};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The flags of `validate launch`.
#[derive(Debug, Args)]
pub(super) struct LaunchCommand {
    /// The scenario
    scenario: PathBuf,
    /// The plan, of `igniter plan` [default: make one with --strategy]
    #[arg(long, value_name = "FILE", conflicts_with = "strategy")]
    plan: Option<PathBuf>,
    /// Make the plan with this strategy
    #[arg(long, short, default_value = "igniter")]
    strategy: String,
    /// Another profile than the scenario's: a name, a folder, or a file of coefficients
    #[arg(long, value_name = "KIND|PATH")]
    profile: Option<String>,
    #[command(flatten)]
    launch: LaunchArgs,
    /// End after so many seconds [default: at Ctrl-C]
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<f64>,
    /// Where logs, model repositories and traces go [default: a temporary folder]
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Print the servers as one JSON document on stdout
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &LaunchCommand) -> anyhow::Result<Outcome> {
    let overrides = Overrides { profile: args.profile.clone(), ..Overrides::default() };
    let study = Study::load(&args.scenario, &overrides)?;
    let plan = match &args.plan {
        Some(path) => study.read_plan(path)?,
        None => study.plan(strategy(&args.strategy)?.as_ref()),
    };
    let time = args.seconds.map(Duration::try_from_secs_f64).transpose().context("--for")?;
    let devices = args.launch.devices()?;
    let specs = args.launch.specs(&study, &plan, &devices)?;
    let mut launcher = args.launch.launcher(&devices)?;
    // A temporary folder goes when this function ends, after the servers, which are dropped first.
    let scratch;
    let dir = if let Some(dir) = &args.output {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot use {}", dir.display()))?;
        dir.as_path()
    } else {
        scratch = tempfile::Builder::new().prefix("igniter-launch-").tempdir()?;
        scratch.path()
    };
    let mut deployment = launcher.launch(&specs, dir)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(deployment.endpoints())?);
    } else {
        for endpoint in deployment.endpoints() {
            println!(
                "{}  GPU {}  {}/v2/models/{}  batch {}{}",
                endpoint.workload,
                endpoint.gpu,
                endpoint.url,
                endpoint.served_as,
                endpoint.max_batch,
                endpoint.seen_sm.map_or_else(String::new, |sms| format!("  {sms} SMs")),
            );
        }
    }
    let started = Instant::now();
    let ended = loop {
        if time.is_some_and(|time| started.elapsed() >= time) {
            break Ok(());
        }
        deployment.check()?;
        if let Err(interrupted) = life::sleep(Duration::from_millis(50)) {
            break Err(interrupted);
        }
    };
    deployment.stop()?;
    // Ctrl-C is how this command is meant to end where no time was given.
    match ended {
        Err(interrupted) if time.is_some() => Err(interrupted.into()),
        _ => Ok(Outcome::Done),
    }
}
