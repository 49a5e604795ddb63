//! Tables for papers and reports in LaTeX, Markdown or CSV, with the best value of a column in bold.

use crate::{Cell, Column, markdown_escape};
use std::collections::BTreeMap;
use std::io;

/// Output format of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PaperFormat {
    /// A `tabular` with the rules of the package booktabs.
    Latex,
    /// A table of GitHub's Markdown.
    Markdown,
    /// Comma-separated values.
    Csv,
}

/// The end of a column that is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Best {
    Lowest,
    Highest,
    Neither,
}

/// Numeric columns where less is better.
const LESS_IS_BETTER: [&str; 9] = [
    "gpu_count",
    "cost_per_hour",
    "missed",
    "over_slo_pct",
    "worst_violation_pct",
    "worst_p99_of_slo",
    "power_w",
    "energy_per_request_mj",
    "mape_pct",
];

/// Numeric columns where more is better.
const MORE_IS_BETTER: [&str; 4] =
    ["attainment_pct", "worst_attainment_pct", "workloads_met", "goodput_rps"];

fn best(key: &str) -> Best {
    match key {
        _ if LESS_IS_BETTER.contains(&key) => Best::Lowest,
        _ if MORE_IS_BETTER.contains(&key) => Best::Highest,
        _ => Best::Neither,
    }
}

/// Rows of text below headings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PaperTable {
    /// Headings of the columns, with units.
    heads: Vec<String>,
    /// Whether each column is right-aligned.
    right: Vec<bool>,
    /// Cells, each with a flag for bold type.
    rows: Vec<Vec<(String, bool)>>,
}

impl PaperTable {
    /// Creates a table of rows with these columns. `mark` sets the best value of a column in bold.
    #[must_use]
    pub fn new<R>(columns: &[Column<R>], rows: &[R], mark: bool) -> Self {
        let mut table = Self::default();
        let mut cells: Vec<Vec<(String, bool)>> = vec![Vec::new(); rows.len()];
        for column in columns {
            let numbers: Vec<Option<f64>> =
                rows.iter().map(|row| (column.of)(row).number()).collect();
            let texts: Vec<String> = rows.iter().map(|row| column.shown(row)).collect();
            let which = if mark { best(column.key) } else { Best::Neither };
            let one_group = vec![Vec::new(); rows.len()];
            table.push(column.heading(), (&numbers, &one_group), texts, which, &mut cells);
        }
        table.rows = cells;
        table
    }

    /// Creates a table from CSV text. Columns `x_low` and `x_high` beside `x` become its interval and are left out.
    /// `name` returns the heading of a column. `columns` selects the columns and their order; if it is empty, all are
    /// shown except those that count rows and predictor columns with the same value in every row. `axes` are columns
    /// whose values are shown as written; `mark` sets the best value in bold among the rows with the same axis values.
    ///
    /// # Errors
    /// When the text cannot be read, or lacks one of the columns.
    pub fn of_csv(
        text: impl io::Read,
        name: impl Fn(&str) -> String,
        columns: &[String],
        axes: &[String],
        mark: bool,
    ) -> io::Result<Self> {
        let mut reader = csv::Reader::from_reader(text);
        let keys: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
        let records = reader.records().collect::<Result<Vec<_>, _>>()?;
        let mut table = Self::default();
        let mut cells: Vec<Vec<(String, bool)>> = vec![Vec::new(); records.len()];
        let place = |key: String| keys.iter().position(|known| *known == key);
        let varies =
            |column: usize| records.iter().any(|record| record[column] != records[0][column]);
        let dull = |column: usize| match keys[column].as_str() {
            "point" | "point_id" | "seeds" | "failed" => true,
            "predictor" | "truth" => !varies(column),
            _ => false,
        };
        let mut shown: Vec<usize> = (0..keys.len()).filter(|column| !dull(*column)).collect();
        if !columns.is_empty() {
            shown = columns
                .iter()
                .map(|asked| {
                    place(asked.clone()).ok_or_else(|| {
                        let known = keys.join(", ");
                        io::Error::other(format!("there is no column {asked:?}; allowed: {known}"))
                    })
                })
                .collect::<io::Result<_>>()?;
        }
        let axes: Vec<usize> = axes.iter().filter_map(|axis| place(axis.clone())).collect();
        let group = |record: &csv::StringRecord| -> Vec<String> {
            axes.iter().map(|&axis| record[axis].to_owned()).collect()
        };
        let groups: Vec<Vec<String>> = records.iter().map(group).collect();
        for column in shown {
            let key = &keys[column];
            let ends = [place(format!("{key}_low")), place(format!("{key}_high"))];
            let of = ["_low", "_high"].iter().find_map(|end| key.strip_suffix(end));
            if of.is_some_and(|of| keys.iter().any(|known| known == of)) {
                continue;
            }
            let texts: Vec<&str> = records.iter().map(|record| &record[column]).collect();
            let column_of = Cell::column(key, &texts);
            let numbers: Vec<Option<f64>> = column_of.iter().map(Cell::number).collect();
            let number = |record: &csv::StringRecord, at: Option<usize>| {
                record.get(at?).and_then(|text| text.parse::<f64>().ok())
            };
            let shown = column_of.iter().zip(&records).map(|(cell, record)| {
                let interval = number(record, ends[0]).zip(number(record, ends[1]));
                match (cell, interval) {
                    (Cell::Number(number), _) if axes.contains(&column) => number.to_string(),
                    (Cell::Number(mean), Some((low, high))) if high - low < 0.005 => {
                        format!("{mean:.2}")
                    }
                    (Cell::Number(mean), Some((low, high))) => {
                        format!("{mean:.2} ({low:.2} – {high:.2})")
                    }
                    _ => cell.shown(),
                }
            });
            let which = if mark { best(key) } else { Best::Neither };
            let rows = (numbers.as_slice(), groups.as_slice());
            table.push(name(key), rows, shown.collect(), which, &mut cells);
        }
        table.rows = cells;
        Ok(table)
    }

    /// Adds a column; numbers are compared among rows of the same group.
    fn push(
        &mut self,
        head: String,
        (numbers, groups): (&[Option<f64>], &[Vec<String>]),
        texts: Vec<String>,
        best: Best,
        cells: &mut [Vec<(String, bool)>],
    ) {
        let mut ends: BTreeMap<&[String], (f64, bool)> = BTreeMap::new();
        let better = |a: f64, b: f64| if best == Best::Lowest { a < b } else { a > b };
        for (number, group) in numbers.iter().zip(groups) {
            let Some(number) = *number else { continue };
            let (end, differ) = ends.entry(group).or_insert((number, false));
            // If all values are equal, none is marked as the best.
            *differ |= end.total_cmp(&number).is_ne();
            if better(number, *end) {
                *end = number;
            }
        }
        let is_best = |number: &Option<f64>, group: &Vec<String>| {
            let end = ends.get(group.as_slice()).filter(|(_, differ)| *differ);
            best != Best::Neither
                && number.zip(end).is_some_and(|(number, (end, _))| number.total_cmp(end).is_eq())
        };
        self.heads.push(head);
        self.right.push(numbers.iter().any(Option::is_some));
        for (((row, number), group), text) in cells.iter_mut().zip(numbers).zip(groups).zip(texts) {
            row.push((text, is_best(number, group)));
        }
    }

    /// Replaces names in cells; returns the names that no cell has.
    pub fn rename(&mut self, names: &BTreeMap<String, String>) -> Vec<String> {
        let mut unknown: Vec<String> = names.keys().cloned().collect();
        for (text, _) in self.rows.iter_mut().flatten() {
            if let Some(name) = names.get(text) {
                unknown.retain(|one| one != text);
                name.clone_into(text);
            }
        }
        unknown
    }

    /// Returns the headings of the columns.
    #[must_use]
    pub fn heads(&self) -> &[String] {
        &self.heads
    }

    /// Returns the cells as displayed, row by row.
    pub fn cells(&self) -> impl Iterator<Item = Vec<&str>> {
        self.rows.iter().map(|row| row.iter().map(|(text, _)| text.as_str()).collect())
    }

    /// Formats the table as text.
    ///
    /// # Panics
    /// Never: writing to memory cannot fail.
    #[must_use]
    pub fn text(&self, format: PaperFormat) -> String {
        match format {
            PaperFormat::Latex => self.latex(),
            PaperFormat::Markdown => self.markdown(),
            PaperFormat::Csv => {
                let mut out = csv::Writer::from_writer(Vec::new());
                out.write_record(&self.heads).expect("text goes into memory");
                for row in &self.rows {
                    let cells = row.iter().map(|(text, _)| text);
                    out.write_record(cells).expect("text goes into memory");
                }
                let bytes = out.into_inner().expect("text goes into memory");
                String::from_utf8(bytes).expect("text stays text")
            }
        }
    }

    fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let rule = self.right.iter().map(|right| if *right { "---:" } else { "---" });
        let mut text = line(self.heads.iter().map(|head| markdown_escape(head)).collect());
        text += &format!("|{}|\n", rule.collect::<Vec<_>>().join("|"));
        for row in &self.rows {
            let cell = |(text, bold): &(String, bool)| {
                let text = markdown_escape(text);
                if *bold { format!("**{text}**") } else { text }
            };
            text += &line(row.iter().map(cell).collect());
        }
        text
    }

    fn latex(&self) -> String {
        let columns: String =
            self.right.iter().map(|right| if *right { 'r' } else { 'l' }).collect();
        let line = |cells: Vec<String>| format!("  {} \\\\\n", cells.join(" & "));
        let mut text =
            format!("% \\usepackage{{booktabs}}\n\\begin{{tabular}}{{{columns}}}\n  \\toprule\n");
        text += &line(self.heads.iter().map(|head| latex_escape(head)).collect());
        text += "  \\midrule\n";
        for row in &self.rows {
            let cell = |(text, bold): &(String, bool)| {
                let text = latex_escape(text);
                if *bold { format!("\\textbf{{{text}}}") } else { text }
            };
            text += &line(row.iter().map(cell).collect());
        }
        text + "  \\bottomrule\n\\end{tabular}\n"
    }
}

/// Escapes text for LaTeX.
#[must_use]
pub fn latex_escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                escaped.push('\\');
                escaped.push(c);
            }
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '<' => escaped.push_str("\\textless{}"),
            '>' => escaped.push_str("\\textgreater{}"),
            '|' => escaped.push_str("\\textbar{}"),
            '±' => escaped.push_str("$\\pm$"),
            '≥' => escaped.push_str("$\\geq$"),
            '–' => escaped.push_str("--"),
            _ => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::small_comparison;
    use crate::{StrategyResult, pick};

    #[test]
    fn the_best_of_a_column_is_bold_and_text_is_literal() {
        let keys = ["strategy", "gpu_count", "missed"];
        let mut comparison = small_comparison();
        comparison.strategies[1].strategy = "a_b & 5 %".to_owned();
        let columns = pick(&StrategyResult::COLUMNS, &keys);
        let table = PaperTable::new(&columns, &comparison.strategies, true);
        // Both have one GPU: none of them is best.
        let latex = table.text(PaperFormat::Latex);
        assert!(latex.contains("\\begin{tabular}{lrr}"), "{latex}");
        assert!(latex.contains("  igniter & 1 & \\textbf{0} \\\\\n"), "{latex}");
        assert!(latex.contains("  a\\_b \\& 5 \\% & 1 & 1 \\\\\n"), "{latex}");
        let markdown = table.text(PaperFormat::Markdown);
        assert!(markdown.contains("| igniter | 1 | **0** |"), "{markdown}");
        assert!(
            table.text(PaperFormat::Csv).starts_with("Strategy,GPUs,SLOs missed\nigniter,1,0\n")
        );
    }

    #[test]
    fn intervals_stand_beside_their_means() {
        let csv = "strategy,attainment_pct,attainment_pct_low,attainment_pct_high\na,99.5,99,100\nb,90,,\n";
        let table = PaperTable::of_csv(csv.as_bytes(), str::to_owned, &[], &[], true).unwrap();
        let expected = "| strategy | attainment\\_pct |\n|---|---:|\n| a | **99.50 (99.00 – 100.00)** |\n| b | 90 |\n";
        assert_eq!(table.text(PaperFormat::Markdown), expected);
    }

    #[test]
    fn the_best_of_each_load_is_bold() {
        let csv =
            "load,strategy,cost_per_hour\n0.5,a,1\n0.5,b,2\n1.25,a,4\n1.25,b,3\n2,a,5\n2,b,5\n";
        let axes = ["load".to_owned()];
        let mut table =
            PaperTable::of_csv(csv.as_bytes(), str::to_owned, &[], &axes, true).unwrap();
        let names = [("a", "A+"), ("c", "C")].map(|(from, to)| (from.to_owned(), to.to_owned()));
        assert_eq!(table.rename(&BTreeMap::from(names)), ["c"]);
        let expected = "| 0.5 | A+ | **1** |\n| 0.5 | b | 2 |\n| 1.25 | A+ | 4 |\n| 1.25 | b | **3** |\n| 2 | A+ | 5 |\n\
                        | 2 | b | 5 |\n";
        let text = table.text(PaperFormat::Markdown);
        assert!(text.ends_with(expected), "{text}");
    }
}
