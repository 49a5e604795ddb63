//! `validate launch`: the servers of a plan, kept until somebody says stop.

use super::CommandOutcome;
use super::output::{print, warn_of_cpu, warn_of_left_out};
use super::planned::{PlannedArgs, TimeArgs};
use crate::launch::{Devices, Endpoint, LaunchArgs};
use crate::signals;
use anyhow::Context as _;
use clap::Args;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The flags of `validate launch`.
#[derive(Debug, Args)]
pub(super) struct LaunchCommand {
    #[command(flatten)]
    planned: PlannedArgs,
    #[command(flatten)]
    launch: LaunchArgs,
    /// Stop after this many seconds [default: at Ctrl-C]
    #[arg(long = "for", value_name = "SECONDS")]
    seconds: Option<f64>,
    /// Write logs, model repositories and traces to this folder [default: a temporary folder]
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Print the servers as one JSON document on stdout
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &LaunchCommand) -> anyhow::Result<CommandOutcome> {
    let (study, plan) = args.planned.study(&TimeArgs::default())?;
    let mut launch = args.launch.clone();
    launch.measured = study.kind().mps;
    let time = args.seconds.map(Duration::try_from_secs_f64).transpose().context("--for")?;
    let Devices { list: devices, on_cpu, left_out, .. } = launch.devices()?;
    warn_of_cpu(on_cpu.as_deref());
    warn_of_left_out(&left_out);
    let specs = launch.specs(&study, &plan, &devices)?;
    // Goes when this function ends, after the servers, which are dropped first.
    let scratch = launch.scratch("igniter-launch-")?;
    let mut launcher = launch.launcher(&devices, scratch.path())?;
    let dir = args.output.as_deref().unwrap_or(scratch.path());
    std::fs::create_dir_all(dir).with_context(|| format!("cannot use {}", dir.display()))?;
    let mut deployment = launcher.launch(&specs, dir)?;
    print(&if args.json {
        serde_json::to_string_pretty(deployment.endpoints())?
    } else {
        deployment.endpoints().iter().map(described).collect::<Vec<_>>().join("\n")
    })?;
    let started = Instant::now();
    let ended = loop {
        if time.is_some_and(|time| started.elapsed() >= time) {
            break Ok(());
        }
        deployment.check()?;
        if let Err(interrupted) = signals::sleep(Duration::from_millis(50)) {
            break Err(interrupted);
        }
    };
    deployment.stop()?;
    // Ctrl-C is how this command is meant to end where no time was given.
    match ended {
        Err(interrupted) if time.is_some() => Err(interrupted.into()),
        _ => Ok(CommandOutcome::Done),
    }
}

fn described(endpoint: &Endpoint) -> String {
    format!(
        "{}  GPU {}  {}/v2/models/{}  batch {}{}",
        endpoint.workload,
        endpoint.gpu,
        endpoint.url,
        endpoint.served_as,
        endpoint.max_batch,
        endpoint.seen_sm.map_or_else(String::new, |sms| format!("  {sms} SMs")),
    )
}
