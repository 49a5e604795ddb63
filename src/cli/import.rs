//! `igniter import`

use super::CommandOutcome;
use super::files::write_folder;
use super::model_args::ImportArgs;
use super::output;
use crate::domain::GpuKindName;
use crate::profile::{
    Imported, import_measurements, profile_files, write_colocated, write_solo_table,
};
use serde::Serialize;

#[derive(Serialize)]
struct Summary {
    kind: &'static str,
    files: Vec<String>,
    note: String,
}

pub(super) fn run(args: &ImportArgs) -> anyhow::Result<CommandOutcome> {
    let kind = GpuKindName::new(&args.kind)?;
    let (what, files, note) = match import_measurements(&args.file, &kind, args.session.as_deref())?
    {
        Imported::Profile(profile) => (
            "profile",
            profile_files(&profile).into_iter().map(|(n, t)| (n.to_owned(), t)).collect(),
            "The artifact names no price: set price_per_hour in profile.toml.".to_owned(),
        ),
        Imported::Tables { solo, colocated } => (
            "tables",
            vec![
                ("solo_table.csv".to_owned(), write_solo_table(&solo)),
                ("colocated.csv".to_owned(), write_colocated(&colocated)),
            ],
            {
                let at = |name: &str| args.output.join(name).display().to_string();
                format!(
                    "Use them with `igniter accuracy --colocated {} --solo {}`.",
                    at("colocated.csv"),
                    at("solo_table.csv")
                )
            },
        ),
        Imported::Folder { files, note } => ("profile", files, note),
    };
    write_folder(&args.output, &files)?;
    let names: Vec<String> =
        files.iter().map(|(name, _)| args.output.join(name).display().to_string()).collect();
    if args.print.json {
        output::print_json(&Summary { kind: what, files: names, note })?;
    } else if !args.print.quiet {
        output::print(&format!("wrote {}\n{note}", names.join("\nwrote ")))?;
    }
    Ok(CommandOutcome::Done)
}
