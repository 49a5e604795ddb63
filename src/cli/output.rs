//! Prints results to stdout, and everything else to stderr.

use crate::domain::escaped;
use crate::figures::Figure;
use crate::results::{Colours, Screen, fitted_lines};
use serde::Serialize;
use std::io::{self, IsTerminal};

/// Prints text on stdout.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    Ok(super::shared::print(text)?)
}

/// Prints one JSON document on stdout.
pub(super) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print(&serde_json::to_string_pretty(value)?)
}

/// Prints a line on stderr.
pub(super) fn tell(text: &str) {
    super::shared::say("igniter", text);
}

/// Prints a note with the characters of figures that no installed font can draw.
pub(super) fn tell_undrawn(figures: &[Figure]) -> anyhow::Result<()> {
    let mut missing: Vec<char> = Vec::new();
    for figure in figures {
        missing.extend(figure.undrawn()?);
    }
    missing.sort_unstable();
    missing.dedup();
    if !missing.is_empty() {
        const SHOWN: usize = 20;
        let more = if missing.len() > SHOWN { " …" } else { "" };
        let shown: String = missing.iter().take(SHOWN).collect();
        tell(&format!(
            "note: no font here has {}{more}: PNG and PDF figures show boxes instead. Install a font that has them, such as \
             Noto Sans CJK (Debian: fonts-noto-cjk) or Symbola (fonts-symbola), and run `igniter plot`",
            escaped(&shown)
        ));
    }
    Ok(())
}

/// Returns whether the reader of stdout closed it, as `| head` does. This is not a failure.
pub(super) fn is_closed_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::BrokenPipe)
    })
}

/// Returns the capabilities of stdout for tables: colours on a terminal, unless NO_COLOR is set,
/// and the width.
pub(super) fn screen() -> Screen {
    if !io::stdout().is_terminal() {
        return Screen::PLAIN;
    }
    let wanted = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let asked = std::env::var("COLUMNS").ok().and_then(|value| value.parse().ok());
    let columns = asked.or_else(|| Some(usize::from(console::Term::stdout().size_checked()?.1)));
    Screen {
        colours: if wanted { Colours::On } else { Colours::Off },
        columns: columns.filter(|columns| *columns > 0),
    }
}

/// Formats a plain table: a header and rows of equally many cells.
pub(super) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let lines = fitted_lines(&mut made(header, rows), &[], None);
    lines.join("\n")
}

/// Same as [`table`], but drops the columns in `spared` where the table is too wide for the
/// terminal.
pub(super) fn fitted_table(
    header: &[&str],
    rows: impl IntoIterator<Item = Vec<String>>,
    spared: &[usize],
) -> String {
    fitted_lines(&mut made(header, rows), spared, screen().columns).join("\n")
}

fn made(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> comfy_table::Table {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(header.to_vec());
    for row in rows {
        // A name from a file must not act as a command for the terminal.
        table.add_row(row.iter().map(|cell| escaped(cell)));
    }
    // Numbers read best when their ends are aligned; the first column holds names.
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(comfy_table::CellAlignment::Right);
    }
    table
}
