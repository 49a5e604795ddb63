//! `igniter schema`: the JSON Schema of scenario files.

use super::args::SchemaArgs;
use super::files::write_file;
use super::{CommandOutcome, output};
use crate::scenario::json_schema;

pub(super) fn run(args: &SchemaArgs) -> anyhow::Result<CommandOutcome> {
    let schema = json_schema();
    match &args.output {
        Some(path) => write_file(path, &(serde_json::to_string_pretty(&schema)? + "\n"))?,
        None => output::print_json(&schema)?,
    }
    Ok(CommandOutcome::Done)
}
