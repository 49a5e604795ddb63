//! `igniter man`

use super::CommandOutcome;
use super::args::IgniterCli;
use super::files::write_file;
use clap::CommandFactory;
use std::path::Path;

pub(super) fn run(folder: &Path) -> anyhow::Result<CommandOutcome> {
    std::fs::create_dir_all(folder)?;
    let mut cli = IgniterCli::command();
    cli.build();
    pages(&cli, folder)?;
    super::output::print(&format!("wrote {}; read them with: man -l FILE", folder.display()))?;
    Ok(CommandOutcome::Done)
}

/// Writes the pages of a command and of all its subcommands.
fn pages(command: &clap::Command, folder: &Path) -> anyhow::Result<()> {
    page(command, folder)?;
    let below = command.get_subcommands().filter(|below| below.get_name() != "help");
    below.into_iter().try_for_each(|below| pages(below, folder))
}

fn page(command: &clap::Command, folder: &Path) -> anyhow::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let mut text = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut text)?;
    write_file(&folder.join(format!("{name}.1")), &String::from_utf8(text)?)
}
