//! Compares tables side by side: rows are matched by the columns that name them.

use super::{Better, Diff, Difference};
use crate::page::{Cell, SortableTable};
use crate::results::column_words;
use std::collections::BTreeMap;

/// Returns which direction of change in a column is an improvement, by the column's name.
pub(super) fn better(column: &str) -> Better {
    let any = |words: &[&str]| words.iter().any(|word| column.contains(word));
    if any(&["attainment", "goodput", "workloads_met", "throughput", "coverage", "correlation"]) {
        Better::More
    } else if any(&[
        "cost",
        "gpu_count",
        "p99",
        "p95",
        "mean_ms",
        "violation",
        "missed",
        "power",
        "energy",
        "mape",
        "max_pct",
        "error",
        "infeasible",
    ]) {
        Better::Less
    } else {
        Better::Neither
    }
}

/// Adds the differences between the rows of two tables that match in the columns that name a row.
pub(super) fn of_tables(
    made: &mut Diff,
    first: &SortableTable,
    second: &SortableTable,
    axes: &[String],
) {
    if first.columns != second.columns {
        made.notes.push(format!("{}: the columns differ; it is left out.", first.title));
        return;
    }
    /// Columns that count rows or runs, and are no results.
    const COUNTS: [&str; 4] = ["point", "seeds", "failed", "judged"];
    let name = |c: usize| first.columns[c].as_str();
    let columns: Vec<usize> = (0..first.columns.len()).collect();
    let interval = |c: usize| {
        let at =
            |end: &str| columns.iter().copied().find(|&o| name(o) == format!("{}_{end}", name(c)));
        at("low").zip(at("high"))
    };
    let is_end = |c: usize| ["_low", "_high"].iter().any(|end| name(c).ends_with(end));
    let is_axis = |c: usize| axes.iter().any(|axis| axis == name(c));
    let (mut keys, numbers): (Vec<usize>, Vec<usize>) = (columns.iter().copied())
        .filter(|&c| !is_end(c) && !COUNTS.contains(&name(c)))
        .partition(|&c| !first.is_numeric(c) || is_axis(c));
    // Numeric columns, from the left, also name a row, until every row has a distinct name.
    let mut numbers = numbers.into_iter();
    let distinct = |keys: &[usize]| {
        let mut all: Vec<Vec<String>> = first.rows.iter().map(|row| key_of(row, keys)).collect();
        let n = all.len();
        all.sort();
        all.dedup();
        all.len() == n
    };
    while !distinct(&keys) {
        let Some(next) = numbers.next() else {
            made.notes
                .push(format!("{}: no columns tell its rows apart; it is left out.", first.title));
            return;
        };
        keys.push(next);
    }
    let values: Vec<usize> = numbers.collect();
    let others: BTreeMap<Vec<String>, &Vec<Cell>> =
        second.rows.iter().map(|row| (key_of(row, &keys), row)).collect();
    let mut matched = 0;
    // Predictors that are the same everywhere give no information.
    let dull = |c: usize| {
        let mut all = first.rows.iter().chain(&second.rows).map(|row| &row[c]);
        let one = all.next();
        name(c) == "point_id"
            || (matches!(name(c), "predictor" | "truth") && all.all(|cell| Some(cell) == one))
    };
    for row in &first.rows {
        let key = key_of(row, &keys);
        let Some(other) = others.get(&key) else { continue };
        matched += 1;
        let said = keys.iter().zip(&key).filter(|(c, text)| !dull(**c) && !text.is_empty());
        let said: Vec<String> = said
            .map(|(c, text)| match row[*c].number() {
                Some(number) if first.is_numeric(*c) => format!("{} = {number}", name(*c)),
                _ => text.clone(),
            })
            .collect();
        for &c in &values {
            let Some((a, b)) = row[c].number().zip(other[c].number()) else { continue };
            let ends = |row: &[Cell]| {
                interval(c).and_then(|(low, high)| row[low].number().zip(row[high].number()))
            };
            let intervals = ends(row).zip(ends(other)).map(|(one, other)| [one, other]);
            made.rows.push(Difference {
                of: said.join(", "),
                workload: None,
                what: column_words(name(c)),
                better: better(name(c)),
                a,
                b,
                intervals,
            });
        }
    }
    for (rows, side) in [(first.rows.len(), 0), (second.rows.len(), 1)] {
        if rows > matched {
            let n = rows - matched;
            made.notes.push(format!("{}: {n} rows are only in {}.", first.title, made.names[side]));
        }
    }
}

fn key_of(row: &[Cell], keys: &[usize]) -> Vec<String> {
    keys.iter().map(|&c| row.get(c).map_or_else(String::new, Cell::shown)).collect()
}
