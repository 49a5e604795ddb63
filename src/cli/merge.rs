//! `igniter merge`

use super::CommandOutcome;
use super::sweep::print_outcome;
use super::sweep_args::MergeArgs;
use crate::results::Manifest;
use crate::sweep::{Shard, merge_shards};
use anyhow::bail;
use std::path::Path;

pub(super) fn run(args: &MergeArgs) -> anyhow::Result<CommandOutcome> {
    let manifest = Manifest::start(super::command_line());
    let output = match (&args.result.output, args.folders.as_slice()) {
        (Some(output), _) => output,
        (None, [folder]) if holds_shards(folder) => folder,
        _ => bail!("say where the merged tables go: -o DIR"),
    };
    let outcome = merge_shards(&args.folders, output, manifest)?;
    print_outcome(&outcome, args.result.print)?;
    Ok(CommandOutcome::of(outcome.failed == 0))
}

fn holds_shards(folder: &Path) -> bool {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|e| Shard::of_folder(&e.file_name().to_string_lossy()).is_some())
}
