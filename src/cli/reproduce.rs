//! `igniter reproduce`

use super::CommandOutcome;
use super::args::ReproduceArgs;
use super::output;
use super::progress::StepProgress;
use super::results::in_pool;
use crate::figures;
use crate::reproduce::{self, Numbers, ReproducedFigure};
use crate::results::{Existing, Identity, Manifest, OutputDir};
use serde_json::{Value, json};

pub(super) fn run(args: &ReproduceArgs) -> anyhow::Result<CommandOutcome> {
    let names = reproduce::chosen(&args.figures)?;
    let mut manifest = Manifest::start(super::command_line());
    // If only some figures are made, the others stay in the folder.
    let existing = if args.figures.is_empty() { Existing::Replace } else { Existing::Keep };
    let mut dir = OutputDir::open_for(&args.output, existing, &Identity::new(&manifest, None))?;
    let progress = StepProgress::new(names.len() + 1, args.print.quiet);
    let made = in_pool(args.threads, || {
        reproduce::make(&names, |name| {
            progress.at(format!("making {name}"));
            progress.step();
        })
    })??;
    progress.at("writing figures");
    for one in &made {
        figures::write_figures(&mut dir, &one.figures)?;
        for numbers in &one.numbers {
            write(&mut dir, numbers)?;
        }
    }
    if args.figures.is_empty() {
        let text = reproduce::readme(&made);
        dir.write("README.md", |file| file.write_all(text.as_bytes()))?;
    }
    manifest.stop();
    dir.finish(manifest)?;
    drop(progress);
    if args.print.json {
        output::print_json(&made.iter().map(described).collect::<Vec<_>>())?;
    } else if !args.print.quiet {
        let row = |one: &ReproducedFigure| {
            let files = one.figures.iter().map(|f| format!("figures/{}.svg", f.stem));
            let tables = one.numbers.iter().map(|n| format!("{}.csv", n.stem));
            vec![one.name.to_owned(), files.chain(tables).collect::<Vec<_>>().join(" ")]
        };
        let text = output::table(&["figure", "files"], made.iter().map(row));
        output::print(&format!("{text}\n\nwrote {}", args.output.display()))?;
    }
    Ok(CommandOutcome::Done)
}

fn write(dir: &mut OutputDir, numbers: &Numbers) -> anyhow::Result<()> {
    dir.write(&format!("{}.csv", numbers.stem), |file| {
        let mut table = csv::Writer::from_writer(file);
        table.write_record(&numbers.header)?;
        for row in &numbers.rows {
            table.write_record(row)?;
        }
        table.flush()
    })?;
    Ok(())
}

fn described(one: &ReproducedFigure) -> Value {
    let figures: Vec<Value> =
        one.figures.iter().map(|f| json!({ "stem": f.stem, "caption": f.caption })).collect();
    let tables: Vec<&str> = one.numbers.iter().map(|n| n.stem.as_str()).collect();
    json!({ "name": one.name, "basis": one.basis, "figures": figures, "tables": tables })
}
