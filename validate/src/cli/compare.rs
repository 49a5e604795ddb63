//! `validate compare`: tables and figures of runs, again from their files.

use super::CommandOutcome;
use super::output::{LimitArgs, finish_comparison};
use crate::compare::{RunFolder, compare, write_comparison};
use anyhow::bail;
use clap::Args;
use igniter::results::{Existing, Manifest, OutputDir};
use std::path::PathBuf;

/// The flags of `validate compare`.
#[derive(Debug, Args)]
pub(super) struct CompareCommand {
    /// Folders that `validate run` wrote; comparison, figures and report are overwritten
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    #[command(flatten)]
    limits: LimitArgs,
}

pub(super) fn run(args: &CompareCommand) -> anyhow::Result<CommandOutcome> {
    if args.limits.json && args.folders.len() > 1 {
        bail!("--json prints one document; name one folder");
    }
    let mut all = CommandOutcome::Done;
    for path in &args.folders {
        let folder = RunFolder::read(path)?;
        let comparison = compare(&folder, &args.limits.limits())?;
        // How the records were made stays known; this command only re-makes what is made of them.
        let manifest = Manifest::read(&path.join("manifest.json"))?;
        let mut dir = OutputDir::open(path, Existing::Keep)?;
        write_comparison(&mut dir, &comparison)?;
        dir.finish(manifest)?;
        if finish_comparison(&comparison, path, &args.limits)? == CommandOutcome::CheckFailed {
            all = CommandOutcome::CheckFailed;
        }
    }
    Ok(all)
}
