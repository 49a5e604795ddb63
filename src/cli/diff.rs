//! `igniter diff`: compares two folders of results.

use super::args::{DiffArgs, DiffFormat};
use super::files::{check_writable, write_file};
use super::{CommandOutcome, output};
use crate::diff::{Chance, Diff, Difference, diff};
use crate::domain::escaped;
use crate::page;
use crate::results::{markdown_escape, short};
use serde_json::json;

/// Maximum number of rows that are printed; the page and `--all` contain every one.
const ROWS: usize = 40;

pub(super) fn run(args: &DiffArgs) -> anyhow::Result<CommandOutcome> {
    if let Some(path) = &args.output {
        check_writable(path)?;
    }
    let found = diff(&args.a, &args.b)?;
    if let Some(path) = &args.output {
        write_file(path, &page::page(&page::PageSource::of_diff(&found)))?;
    }
    if args.print.json {
        let rows = found.rows.iter().map(|row| {
            json!({
                "of": row.of, "workload": row.workload, "what": row.what, "a": row.a, "b": row.b,
                "change": row.change(), "percent": row.percent(), "intervals": row.intervals,
                "beyond_chance": match row.chance() {
                    Chance::Unknown => None,
                    known => Some(known == Chance::Beyond),
                },
                "better": row.is_better(),
            })
        });
        output::print_json(&json!({
            "a": found.names[0], "b": found.names[1], "kind": found.kind, "notes": found.notes,
            "rows": rows.collect::<Vec<_>>(),
        }))?;
    } else if !args.print.quiet {
        output::print(&match args.format {
            DiffFormat::Text => text(&found, args.all),
            DiffFormat::Markdown => markdown(&found, args.all),
        })?;
    }
    Ok(CommandOutcome::Done)
}

/// Returns the rows to show, and the number of rows that are left out.
fn shown(found: &Diff, all: bool) -> (Vec<&Difference>, usize) {
    let mut rows = if all { found.rows.iter().collect() } else { found.changed() };
    let n = rows.len();
    if !all {
        rows.truncate(ROWS);
    }
    let left = n - rows.len();
    (rows, left)
}

/// Returns the cells of a row: its subject, the name of the number, both values, the change, and
/// its meaning.
fn cells(row: &Difference) -> Vec<String> {
    let sign = if row.is_same() {
        ""
    } else if row.change() > 0.0 {
        "+"
    } else {
        "−"
    };
    let percent = row.percent().filter(|_| !row.is_same());
    let percent = percent.map_or_else(String::new, |p| format!("{sign}{} %", short(p.abs())));
    let meaning = match (row.is_better(), row.chance()) {
        (None, _) => String::new(),
        (Some(better), chance) => {
            let word = if better { "better" } else { "worse" };
            match chance {
                Chance::Beyond => format!("{word}, beyond chance"),
                Chance::Within => format!("{word}, within chance"),
                Chance::Unknown => word.to_owned(),
            }
        }
    };
    let of = row.workload.as_ref().map_or_else(|| row.of.clone(), |w| format!("{} {w}", row.of));
    vec![
        of,
        row.what.clone(),
        number(row.a),
        number(row.b),
        format!("{sign}{}", number(row.change().abs())),
        percent,
        meaning,
    ]
}

/// Formats counts exactly and other numbers with three digits.
fn number(value: f64) -> String {
    if value.fract().abs() > 0.0 || value.abs() > 1e9 { short(value) } else { format!("{value}") }
}

const HEAD: [&str; 7] = ["of", "what", "A", "B", "change", "%", ""];

fn text(found: &Diff, all: bool) -> String {
    let mut text = format!("A  {}\nB  {}\n\n", escaped(&found.names[0]), escaped(&found.names[1]));
    let (rows, left) = shown(found, all);
    if !rows.is_empty() {
        text += &output::table(&HEAD, rows.into_iter().map(cells));
        text += "\n";
    }
    if left > 0 {
        text +=
            &format!("{left} more differ: --all prints every number, -o PAGE.html makes a page\n");
    }
    text += &format!("\n{}\n", escaped(&found.verdict()));
    for note in &found.notes {
        text += &format!("note: {}\n", escaped(note));
    }
    text
}

fn markdown(found: &Diff, all: bool) -> String {
    let escape = markdown_escape;
    let mut text = format!("**{}**\n\n", escape(&found.verdict()));
    text += &format!("A: {}  \nB: {}\n\n", escape(&found.names[0]), escape(&found.names[1]));
    let (rows, left) = shown(found, all);
    text += &format!("| {} |\n|---|---|---:|---:|---:|---:|---|\n", HEAD.join(" | "));
    for row in rows {
        let cells: Vec<String> = cells(row).iter().map(|cell| escape(cell)).collect();
        text += &format!("| {} |\n", cells.join(" | "));
    }
    if left > 0 {
        text += &format!("\n{left} more differ.\n");
    }
    for note in &found.notes {
        text += &format!("\n{}\n", escape(note));
    }
    text
}
