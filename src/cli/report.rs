//! `igniter report`

use super::CommandOutcome;
use super::args::ReportArgs;
use super::files::{check_writable, write_file};
use super::output;
use crate::page;
use serde_json::json;

pub(super) fn run(args: &ReportArgs) -> anyhow::Result<CommandOutcome> {
    check_writable(&args.output)?;
    let source = page::read_source(&args.folder)?;
    let html = page::page(&source);
    write_file(&args.output, &html)?;
    if args.print.json {
        output::print_json(&json!({ "report": args.output, "bytes": html.len() }))?;
    } else if !args.print.quiet {
        output::print(&format!(
            "wrote {} ({:.2} MB); open it in a browser",
            args.output.display(),
            html.len() as f64 / 1e6
        ))?;
    }
    Ok(CommandOutcome::Done)
}
