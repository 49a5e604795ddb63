//! The section of a sweep: what was swept, how each strategy did over all of it, and its explorer.
//!
//! The script (`assets/sweep.js`) draws the explorer from the table of points; this module tells it which
//! column is which.

use super::{Cell, FoundPage, SortableTable};
use crate::results::{SweepFacts, arm_name, column_words, short, trimmed};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The table of a sweep's means.
pub(super) const POINTS: &str = "points.csv";
/// Number of columns before the axes: the number of the point and its identifier.
const BEFORE_AXES: usize = 2;
/// The columns that identify who made a row: strategy, predictor and truth.
const MAKERS: [&str; 3] = ["strategy", "predictor", "truth"];
/// The target percentage of requests within their SLO: at most 1 % may exceed it, as P99 says.
const TARGET: f64 = 99.0;

/// The roles of the columns of the table of points.
struct PointColumns<'a> {
    table: &'a SortableTable,
    facts: &'a SweepFacts,
}

impl<'a> PointColumns<'a> {
    /// Returns `None` for a table that is not the table of points of this sweep.
    fn of(facts: &'a SweepFacts, tables: &'a [SortableTable]) -> Option<Self> {
        let table = tables.iter().find(|table| table.title == POINTS)?;
        let found = Self { table, facts };
        let names = |from: usize, count| table.columns.get(from..from + count);
        let fits = names(BEFORE_AXES, facts.axes.len())? == facts.axes.as_slice()
            && names(found.makers(), MAKERS.len())? == MAKERS.as_slice();
        fits.then_some(found)
    }

    /// Returns the first of the columns that identify who made a row.
    fn makers(&self) -> usize {
        BEFORE_AXES + self.facts.axes.len()
    }

    /// Returns the columns that have an interval: (mean, low, high).
    fn metrics(&self) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
        let columns = &self.table.columns;
        let after = self.makers() + MAKERS.len();
        (after..columns.len().saturating_sub(2))
            .filter(|&c| columns[c + 1] == format!("{}_low", columns[c]))
            .map(|c| (c, c + 1, c + 2))
    }

    fn metric(&self, name: &str) -> Option<usize> {
        self.metrics().map(|(c, ..)| c).find(|&c| self.table.columns[c] == name)
    }

    /// Groups the rows by strategy, predictor and truth, in their order.
    fn arms(&self) -> Vec<(Vec<Cell>, Vec<&'a Vec<Cell>>)> {
        let first = self.makers();
        let mut arms: Vec<(Vec<Cell>, Vec<&Vec<Cell>>)> = Vec::new();
        for row in &self.table.rows {
            let key = &row[first..first + MAKERS.len()];
            match arms.iter_mut().find(|(known, _)| known == key) {
                Some((_, rows)) => rows.push(row),
                None => arms.push((key.to_vec(), vec![row])),
            }
        }
        arms
    }

    /// Returns the number of distinct values of a column, and the first and last as they are shown.
    fn range(&self, column: usize) -> (usize, String) {
        let mut known = BTreeSet::new();
        let mut values: Vec<&Cell> = Vec::new();
        for row in &self.table.rows {
            if known.insert(row[column].shown()) {
                values.push(&row[column]);
            }
        }
        let numbers = values.iter().filter_map(|cell| cell.number());
        let (low, high) =
            numbers.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let words = if self.table.is_numeric(column) && values.len() > 1 {
            format!("{} values from {low} to {high}", values.len())
        } else {
            let shown: Vec<String> = values.iter().take(6).map(|cell| cell.shown()).collect();
            let more = if values.len() > shown.len() { ", …" } else { "" };
            format!("{}{more}", shown.join(", "))
        };
        (values.len(), words)
    }
}

fn numbers(rows: &[&Vec<Cell>], column: Option<usize>) -> Vec<f64> {
    rows.iter().filter_map(|row| row[column?].number()).collect()
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// Returns which strategy meets the target at most points, and how the others do; `None` without a point.
pub(super) fn verdict(facts: &SweepFacts, tables: &[SortableTable]) -> Option<String> {
    /// Maximum number of other strategies that are named.
    const OTHERS: usize = 3;
    let columns = PointColumns::of(facts, tables)?;
    let attainment = columns.metric("attainment_pct");
    let arms = columns.arms().into_iter().filter_map(|(arm, rows)| {
        let attained = numbers(&rows, attainment);
        let enough = attained.iter().filter(|pct| **pct >= TARGET).count();
        let cost = mean(&numbers(&rows, columns.metric("cost_per_hour"))).unwrap_or(0.0);
        let name = arm_name(&arm[0].shown(), &arm[1].shown(), &arm[2].shown());
        (!attained.is_empty()).then_some((name, enough, attained.len(), cost))
    });
    let mut arms: Vec<(String, usize, usize, f64)> = arms.collect();
    arms.sort_by(|a, b| b.1.cmp(&a.1).then(a.3.total_cmp(&b.3)));
    let (name, enough, all, cost) = arms.first()?;
    let mut text = format!(
        "{name} keeps {TARGET} % of requests within their SLO at {enough} of {all} points, for {cost:.2} $/h on average"
    );
    for (name, enough, _, cost) in arms.iter().skip(1).take(OTHERS) {
        text += &format!("; {name} at {enough}, for {cost:.2} $/h");
    }
    Some(text + ".")
}

/// Returns the summary, sentence by sentence.
pub(super) fn summary(facts: &SweepFacts, tables: &[SortableTable]) -> Vec<String> {
    let mut first = format!(
        "{} points and {} runs: one for each point, strategy, predictor, truth and seed.",
        facts.points, facts.runs
    );
    if facts.shards > 1 {
        first += &format!(" This is shard {} of {}.", facts.shard + 1, facts.shards);
    }
    if facts.failed > 0 {
        first += &format!(" {} runs failed: see the column `error` of the rows.", facts.failed);
    }
    let mut sentences = vec![first];
    sentences.extend(facts.notes.iter().cloned());
    let Some(columns) = PointColumns::of(facts, tables) else { return sentences };
    if let Some(note) = &columns.table.note {
        sentences.push(format!("What follows is of a part of the points. {note}"));
    }
    for (index, axis) in facts.axes.iter().enumerate() {
        let (_, words) = columns.range(BEFORE_AXES + index);
        let name = column_words(axis);
        let name = if name == *axis { name } else { format!("{axis}: {name}") };
        sentences.push(format!("Axis {name}; {words}."));
    }
    let attainment = columns.metric("attainment_pct");
    for (arm, rows) in columns.arms() {
        let attained = numbers(&rows, attainment);
        let Some(average) = mean(&attained) else { continue };
        let enough = attained.iter().filter(|pct| **pct >= TARGET).count();
        let cost = mean(&numbers(&rows, columns.metric("cost_per_hour")));
        let cost = cost.map_or(String::new(), |cost| format!(" for {cost:.2} $/h on average"));
        sentences.push(format!(
            "{} keeps at least {TARGET} % of all requests within their SLO at {enough} of {} points{cost}; \
             {} % on average over the points.",
            arm_name(&arm[0].shown(), &arm[1].shown(), &arm[2].shown()),
            attained.len(),
            short(average)
        ));
    }
    sentences
}

pub(super) fn write(page: &mut FoundPage, facts: &SweepFacts, tables: &[SortableTable]) {
    let Some(columns) = PointColumns::of(facts, tables) else { return };
    page.section("sweep", "Sweep explorer");
    page.body.raw("<p>Means over seeds, with their ");
    page.body.text(&trimmed(100.0 * facts.confidence));
    page.body.raw(" % confidence intervals as bands. ");
    if let Some(note) = &columns.table.note {
        page.body.text("Drawn are ");
        page.body.text(note);
        page.body.raw(" ");
    }
    page.body.raw(
        "Choose what is drawn, over which axis, and in which panels; every \
         other axis is fixed at one value.</p>\n<noscript><p class=\"note\">The explorer needs scripts; \
         points.csv below has its numbers.</p></noscript>\n\
         <div id=\"sweep-controls\" class=\"controls\"></div>\n\
         <figure id=\"sweep-figure\"><ul id=\"sweep-legend\" class=\"legend\" aria-label=\"What is drawn\"></ul>\n\
         <div id=\"sweep-panels\"></div>\
         <figcaption id=\"sweep-caption\" aria-live=\"polite\"></figcaption></figure>\n\
         <div id=\"sweep-target\" class=\"scroll\" tabindex=\"0\" role=\"region\" \
         aria-label=\"Where the target is met\"></div>\n\
         <details><summary>The numbers that are drawn</summary><div id=\"sweep-numbers\" class=\"scroll\" \
         tabindex=\"0\" role=\"region\" aria-label=\"The numbers that are drawn\"></div></details>\n",
    );
    page.table(&at_a_glance(&columns));
    page.end_section();
    page.sweep = spec(&columns);
}

/// Builds the table of how each strategy did over all points.
fn at_a_glance(columns: &PointColumns<'_>) -> SortableTable {
    let attainment = columns.metric("attainment_pct");
    let row = |(arm, rows): &(Vec<Cell>, Vec<&Vec<Cell>>)| {
        let attained = numbers(rows, attainment);
        let enough = attained.iter().filter(|pct| **pct >= TARGET).count();
        let of = |name| mean(&numbers(rows, columns.metric(name)));
        let mut cells = arm.clone();
        cells.extend([
            Cell::Number(rows.len() as f64),
            Cell::Number(enough as f64),
            mean(&attained).into(),
            attained.iter().copied().reduce(f64::min).into(),
            of("gpu_count").into(),
            of("cost_per_hour").into(),
            of("power_w").into(),
        ]);
        cells
    };
    let names = [
        "strategy",
        "predictor",
        "truth",
        "points",
        "points with at least 99 % within SLO",
        "mean attainment (%)",
        "worst attainment (%)",
        "mean GPUs",
        "mean cost ($/h)",
        "mean power (W)",
    ];
    SortableTable {
        title: "Strategies over all points".to_owned(),
        columns: names.map(str::to_owned).to_vec(),
        rows: columns.arms().iter().map(row).collect(),
        note: None,
    }
}

/// Returns the description of the table that the script needs.
fn spec(columns: &PointColumns<'_>) -> Value {
    let name = |c: usize| column_words(&columns.table.columns[c]);
    let one = |c: usize| json!({ "column": c, "words": name(c) });
    let first = columns.makers();
    let metrics = columns.metrics().map(|(c, low, high)| {
        let percent = columns.table.columns[c].ends_with("attainment_pct");
        json!({ "column": c, "low": low, "high": high, "words": name(c), "percent": percent })
    });
    json!({
        "table": POINTS,
        "axes": (BEFORE_AXES..first).map(one).collect::<Vec<_>>(),
        "makers": (first..first + MAKERS.len()).map(one).collect::<Vec<_>>(),
        "metrics": metrics.collect::<Vec<_>>(),
        "seeds": first + MAKERS.len(),
        "confidence": columns.facts.confidence,
        "target": TARGET,
    })
}
