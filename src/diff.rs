//! Compares two folders of results: what differs, by how much, and whether the difference is more than chance.
//!
//! Comparisons are matched by strategy and workload, all other tables by the columns that name a row. Where both sides
//! have confidence intervals over seeds, a difference counts as more than chance when it is larger than the root of the
//! summed squares of both half-widths: the interval of a difference of two independent means. (Runs with the same seeds
//! see the same arrivals, so the test errs on the side of "no difference".) Without intervals, chance is not assessed.

mod inputs;
mod tables;
#[cfg(test)]
mod tests;

use crate::metrics::WorkloadSummary;
use crate::page::{Cell, PageError, PageSource, read_source};
use crate::results::{Comparison, StrategyResult, column_words};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tables::{better, of_tables};

/// The direction in which a number improves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Less is better, as for a latency.
    Less,
    /// More is better, as for attainment.
    More,
    /// Neither.
    Neither,
}

/// The role of chance in a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chance {
    /// The difference is larger than both intervals explain.
    Beyond,
    /// The difference is within the intervals.
    Within,
    /// There are no confidence intervals.
    Unknown,
}

/// One number in both folders.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The subject of the number: a strategy with its workload, or a row of a table.
    pub of: String,
    /// The workload, where the number belongs to one.
    pub workload: Option<String>,
    /// The name of the number, with its unit.
    pub what: String,
    /// The direction in which the number improves.
    pub better: Better,
    /// The value in the first folder.
    pub a: f64,
    /// The value in the second folder.
    pub b: f64,
    /// The confidence intervals (low, high) of both values, where both have one.
    pub intervals: Option<[(f64, f64); 2]>,
}

impl Difference {
    /// Returns the second value minus the first.
    #[must_use]
    pub fn change(&self) -> f64 {
        self.b - self.a
    }

    /// Returns the change in percent of the first value; `None` where that is zero.
    #[must_use]
    pub fn percent(&self) -> Option<f64> {
        (self.a.abs() > 0.0).then(|| 100.0 * self.change() / self.a.abs())
    }

    /// Returns whether both values are equal except for rounding.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.change().abs() <= 1e-9 * self.a.abs().max(self.b.abs())
    }

    /// Returns whether the difference is too small to be good or bad: below 0.05 % of the number, unless it is beyond
    /// chance. One request more or less at the edge of the measured window has an effect of that size.
    #[must_use]
    pub fn is_negligible(&self) -> bool {
        const PART: f64 = 5e-4;
        let small = self.change().abs() < PART * self.a.abs().max(self.b.abs());
        self.is_same() || (small && self.chance() != Chance::Beyond)
    }

    /// Returns whether the difference is more than chance.
    #[must_use]
    pub fn chance(&self) -> Chance {
        let Some(intervals) = self.intervals else { return Chance::Unknown };
        let [first, second] = intervals.map(|(low, high)| 0.5 * (high - low));
        let allowed = (first * first + second * second).sqrt();
        if self.change().abs() > allowed && !self.is_same() {
            Chance::Beyond
        } else {
            Chance::Within
        }
    }

    /// Returns whether the second value is better (`Some(true)`), worse, or neither.
    #[must_use]
    pub fn is_better(&self) -> Option<bool> {
        match self.better {
            _ if self.is_negligible() => None,
            Better::Neither => None,
            Better::Less => Some(self.b < self.a),
            Better::More => Some(self.b > self.a),
        }
    }
}

/// The comparison of two folders.
#[derive(Debug, Clone, PartialEq)]
pub struct Diff {
    /// The names of both folders.
    pub names: [String; 2],
    /// The kind of results that were compared, in a word or two.
    pub kind: &'static str,
    /// All numbers that exist in both folders.
    pub rows: Vec<Difference>,
    /// Notes on data that only one folder has, and other remarks.
    pub notes: Vec<String>,
}

/// The reasons why two folders cannot be compared.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "messages name the fields")]
#[non_exhaustive]
pub enum DiffError {
    /// A folder cannot be read.
    #[error(transparent)]
    Read(#[from] PageError),
    /// The folders hold different kinds of results.
    #[error("{} holds {first}, {} holds {second}: these cannot be compared; give two folders of the same command", .a.display(), .b.display())]
    Kinds { a: PathBuf, b: PathBuf, first: &'static str, second: &'static str },
    /// The folders have nothing in common.
    #[error("{} and {} have no {what} in common: {first} and {second}", .a.display(), .b.display())]
    Nothing { a: PathBuf, b: PathBuf, what: &'static str, first: String, second: String },
}

/// Compares two folders of results.
///
/// # Errors
/// When a folder cannot be read, or the folders hold different kinds of results or have nothing in common.
pub fn diff(a: &Path, b: &Path) -> Result<Diff, DiffError> {
    let sources = [read_source(a)?, read_source(b)?];
    let kinds = [kind(&sources[0]), kind(&sources[1])];
    if kinds[0] != kinds[1] {
        let [first, second] = kinds;
        return Err(DiffError::Kinds { a: a.to_owned(), b: b.to_owned(), first, second });
    }
    let nothing = |what, first: &[String], second: &[String]| {
        let listed = |names: &[String]| {
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        };
        let (first, second) = (listed(first), listed(second));
        DiffError::Nothing { a: a.to_owned(), b: b.to_owned(), what, first, second }
    };
    let mut made = Diff {
        names: [a, b].map(|path| path.display().to_string()),
        kind: kinds[0],
        rows: Vec::new(),
        notes: Vec::new(),
    };
    let changed = inputs::differences(&sources[0].provenance, &sources[1].provenance);
    if !changed.is_empty() {
        made.notes.push(format!("The inputs differ: {}.", changed.join("; ")));
    }
    if let (Some(first), Some(second)) = (&sources[0].comparison, &sources[1].comparison) {
        let seeds = sources.each_ref().map(seeds);
        made.notes.extend(settings(first, second, &seeds));
        let names = |c: &Comparison| -> Vec<String> {
            c.strategies.iter().map(|result| result.strategy.clone()).collect()
        };
        let pairs = pairs(first, second);
        if pairs.is_empty() {
            return Err(nothing("strategy", &names(first), &names(second)));
        }
        made.notes.extend(alone(
            &made.names,
            "strategies",
            &names(first),
            &names(second),
            pairs.len(),
        ));
        let workloads = |c: &Comparison| -> Vec<String> {
            c.workloads().iter().map(|w| w.workload.to_string()).collect()
        };
        let (own, other) = (workloads(first), workloads(second));
        if !own.iter().any(|name| other.contains(name)) {
            return Err(nothing("workload", &own, &other));
        }
        let common = own.iter().filter(|name| other.contains(name)).count();
        made.notes.extend(alone(&made.names, "workloads", &own, &other, common));
        for (first, second) in pairs {
            of_strategies(&mut made.rows, first, second, &seeds);
        }
        return Ok(made);
    }
    let mut tables: Vec<String> = Vec::new();
    for first in &sources[0].tables {
        let second = sources[1].tables.iter().find(|table| table.title == first.title);
        // Rows of single runs have no intervals; the means of a sweep are more informative.
        let Some(second) = second.filter(|_| first.title != "rows.csv") else { continue };
        let axes = sources.each_ref().map(|source| {
            source
                .sweep
                .as_ref()
                .filter(|_| first.title == "points.csv")
                .map(|facts| facts.axes.clone())
        });
        if axes[0] != axes[1] {
            let words = |axes: &Option<Vec<String>>| axes.clone().unwrap_or_default();
            return Err(nothing("axes", &words(&axes[0]), &words(&axes[1])));
        }
        let axes = axes[0].clone().unwrap_or_default();
        let before = made.rows.len();
        of_tables(&mut made, first, second, &axes);
        if made.rows.len() > before {
            tables.push(first.title.clone());
        }
    }
    for first in &sources[0].documents {
        let second = sources[1].documents.iter().find(|document| document.name == first.name);
        for (path, value) in second.iter().flat_map(|_| &first.values) {
            let other = second.and_then(|d| d.values.iter().find(|(known, _)| known == path));
            let pair = value.number().zip(other.and_then(|(_, value)| value.number()));
            if let Some((a, b)) = pair {
                made.rows.push(Difference {
                    of: first.name.clone(),
                    workload: None,
                    what: path.clone(),
                    better: better(path),
                    a,
                    b,
                    intervals: None,
                });
            }
        }
    }
    if made.rows.is_empty() {
        let titles = |source: &PageSource<'_>| -> Vec<String> {
            source.tables.iter().map(|table| table.title.clone()).collect()
        };
        return Err(nothing("row of a table", &titles(&sources[0]), &titles(&sources[1])));
    }
    Ok(made)
}

fn kind(source: &PageSource<'_>) -> &'static str {
    if source.comparison.is_some() {
        "a comparison"
    } else if source.sweep.is_some() {
        "a sweep"
    } else if source.validation.is_some() {
        "a validation"
    } else if source.accuracy.is_some() {
        "an accuracy"
    } else {
        "tables"
    }
}

/// Pairs the strategies of both sides: by name, or the only strategy of each side.
fn pairs<'a>(
    first: &'a Comparison,
    second: &'a Comparison,
) -> Vec<(&'a StrategyResult, &'a StrategyResult)> {
    if let ([one], [other]) = (first.strategies.as_slice(), second.strategies.as_slice()) {
        return vec![(one, other)];
    }
    let same = |result: &'a StrategyResult| {
        let other = second.strategies.iter().find(|other| other.strategy == result.strategy)?;
        Some((result, other))
    };
    first.strategies.iter().filter_map(same).collect()
}

/// Notes the data that only one side has.
fn alone(
    sides: &[String; 2],
    what: &str,
    first: &[String],
    second: &[String],
    common: usize,
) -> Vec<String> {
    let mut notes = Vec::new();
    for (side, own, other) in [(0, first, second), (1, second, first)] {
        let only: Vec<&str> =
            own.iter().filter(|name| !other.contains(name)).map(String::as_str).collect();
        // If each side has only one strategy, the two are compared whatever their names.
        if !only.is_empty() && common < own.len().max(other.len()) {
            const NAMED: usize = 8;
            let more = if only.len() > NAMED { " …" } else { "" };
            let named = only[..only.len().min(NAMED)].join(", ");
            notes.push(format!("Only {} has the {what} {named}{more}.", sides[side]));
        }
    }
    notes
}

/// (strategy, workload, metric) → mean and interval over seeds.
type SeedMeans = BTreeMap<(String, String, String), (f64, Option<(f64, f64)>)>;

fn seeds(source: &PageSource<'_>) -> SeedMeans {
    let Some(table) = source.tables.iter().find(|table| table.title == "seeds.csv") else {
        return SeedMeans::new();
    };
    let at = |name: &str| table.columns.iter().position(|column| column == name);
    let columns = ["strategy", "workload", "metric", "mean", "low", "high"].map(at);
    let mut found = SeedMeans::new();
    for row in &table.rows {
        let cell = |i: usize| columns[i].map_or(&Cell::Absent, |column| &row[column]);
        let Some(mean) = cell(3).number() else { continue };
        let text = |i: usize| match cell(i) {
            Cell::Absent => String::new(),
            cell => cell.shown(),
        };
        let key = (text(0), text(1), text(2));
        found.insert(key, (mean, cell(4).number().zip(cell(5).number())));
    }
    found
}

/// Notes the differences between the runs besides the results, and what can be said about chance.
fn settings(first: &Comparison, second: &Comparison, seeds: &[SeedMeans; 2]) -> Vec<String> {
    let mut notes = Vec::new();
    if first.scenario != second.scenario {
        notes.push(format!("The scenarios are {} and {}.", first.scenario, second.scenario));
    }
    let window = |c: &Comparison| (c.window_start_s, c.window_end_s);
    let (a, b) = (window(first), window(second));
    if (a.0 - b.0).abs() + (a.1 - b.1).abs() > 1e-9 {
        notes.push(format!(
            "The measured windows differ: {} to {} s and {} to {} s.",
            a.0, a.1, b.0, b.1
        ));
    }
    if matched(first, second).any(|(one, other)| slos_differ(one, other)) {
        notes.push(
            "Where SLOs differ, latencies are not judged: violations and P99 / SLO say what is better."
                .to_owned(),
        );
    }
    if matched(first, second).any(|(one, other)| arrivals_differ(one, other)) {
        notes.push("Where other requests arrived, throughput is not judged.".to_owned());
    }
    if seeds.iter().any(BTreeMap::is_empty) {
        let seed = if first.seed == second.seed {
            format!("Both have seed {}", first.seed)
        } else {
            format!("The seeds are {} and {}", first.seed, second.seed)
        };
        notes.push(format!(
            "{seed}, one run each: nothing can be said about chance. `igniter compare … --seeds 10` on both sides gives \
             intervals."
        ));
    }
    notes
}

/// Returns the workloads that both folders have.
fn matched<'c>(
    first: &'c Comparison,
    second: &'c Comparison,
) -> impl Iterator<Item = (&'c WorkloadSummary, &'c WorkloadSummary)> {
    first.workloads().iter().filter_map(|one| {
        let other = second.workloads().iter().find(|other| other.workload == one.workload);
        other.map(|other| (one, other))
    })
}

/// Returns whether a workload has another SLO.
fn slos_differ(one: &WorkloadSummary, other: &WorkloadSummary) -> bool {
    one.slo_ms.total_cmp(&other.slo_ms).is_ne()
}

/// Returns whether other requests arrived for a workload.
fn arrivals_differ(one: &WorkloadSummary, other: &WorkloadSummary) -> bool {
    one.requests != other.requests || one.rate_rps.total_cmp(&other.rate_rps).is_ne()
}

fn of_strategies(
    rows: &mut Vec<Difference>,
    first: &StrategyResult,
    second: &StrategyResult,
    seeds: &[SeedMeans; 2],
) {
    let of = if first.strategy == second.strategy {
        first.strategy.clone()
    } else {
        format!("{} → {}", first.strategy, second.strategy)
    };
    let mut add =
        |workload: Option<&str>, what: &str, better, metric: &str, pair: Option<(f64, f64)>| {
            let key = |result: &StrategyResult| {
                (result.strategy.clone(), workload.unwrap_or("").to_owned(), metric.to_owned())
            };
            let over_seeds = seeds[0].get(&key(first)).zip(seeds[1].get(&key(second)));
            let (pair, intervals) = match over_seeds {
                Some(((a, one), (b, other))) => {
                    (Some((*a, *b)), one.zip(*other).map(|(one, other)| [one, other]))
                }
                None => (pair, None),
            };
            let Some((a, b)) = pair else { return };
            let (of, workload) = (of.clone(), workload.map(str::to_owned));
            rows.push(Difference { of, workload, what: what.to_owned(), better, a, b, intervals });
        };
    let gpus = (first.gpu_count as f64, second.gpu_count as f64);
    add(None, "GPUs", Better::Less, "", Some(gpus));
    add(None, "cost ($/h)", Better::Less, "", Some((first.cost_per_hour, second.cost_per_hour)));
    let misses = (first.misses() as f64, second.misses() as f64);
    add(None, "SLOs missed", Better::Less, "", Some(misses));
    let worst = first.worst_p99_of_slo().zip(second.worst_p99_of_slo());
    add(None, "worst P99 / SLO", Better::Less, "", worst);
    add(None, "mean power (W)", Better::Less, "", Some((first.power_w(), second.power_w())));
    let same_load = |one: &WorkloadSummary| {
        let other = second.workloads.iter().find(|other| other.workload == one.workload);
        other.is_some_and(|other| !arrivals_differ(one, other))
    };
    let other_load =
        first.workloads.len() != second.workloads.len() || !first.workloads.iter().all(same_load);
    let unless = |differ: bool, better| if differ { Better::Neither } else { better };
    for (metric, better) in
        [("attainment_pct", Better::More), ("goodput_rps", unless(other_load, Better::More))]
    {
        add(None, &column_words(metric), better, metric, None);
    }
    for one in &first.workloads {
        let Some(other) = second.workloads.iter().find(|w| w.workload == one.workload) else {
            continue;
        };
        let name = Some(one.workload.as_str());
        let latency = unless(slos_differ(one, other), Better::Less);
        add(name, "P99 (ms)", latency, "p99_ms", one.p99_ms.zip(other.p99_ms));
        add(name, "mean (ms)", latency, "mean_ms", one.mean_ms.zip(other.mean_ms));
        let violations = one.slo_violation_pct.zip(other.slo_violation_pct);
        add(name, "violations (%)", Better::Less, "slo_violation_pct", violations);
        let throughput = (one.throughput_rps, other.throughput_rps);
        let more = unless(arrivals_differ(one, other), Better::More);
        add(name, "throughput (req/s)", more, "", Some(throughput));
    }
}

impl Diff {
    /// Returns the rows that differ: those of whole runs first, then the largest changes.
    #[must_use]
    pub fn changed(&self) -> Vec<&Difference> {
        let mut rows: Vec<&Difference> = self.rows.iter().filter(|row| !row.is_same()).collect();
        rows.sort_by(|a, b| {
            let size = |row: &Difference| row.percent().map_or(f64::INFINITY, f64::abs);
            let beyond = |row: &Difference| row.chance() == Chance::Beyond;
            (a.workload.is_some().cmp(&b.workload.is_some()))
                .then(beyond(b).cmp(&beyond(a)))
                .then(size(b).total_cmp(&size(a)))
        });
        rows
    }

    /// Summarises the differences in one line.
    #[must_use]
    pub fn verdict(&self) -> String {
        let changed = self.changed();
        if changed.is_empty() {
            return format!("All {} numbers that both folders have are the same.", self.rows.len());
        }
        let count = |better: bool| {
            let own = || changed.iter().filter(|row| row.is_better() == Some(better));
            let beyond = own().filter(|row| row.chance() == Chance::Beyond).count();
            (own().count(), beyond)
        };
        let known = changed.iter().any(|row| row.chance() != Chance::Unknown);
        let words = |(all, beyond): (usize, usize), what: &str| {
            if known {
                format!("{all} {what} ({beyond} beyond chance)")
            } else {
                format!("{all} {what}")
            }
        };
        let mut text = format!(
            "{} of {} numbers differ from {} to {}: {}, {}",
            changed.len(),
            self.rows.len(),
            self.names[0],
            self.names[1],
            words(count(true), "better"),
            words(count(false), "worse")
        );
        let small = changed.iter().filter(|row| row.is_negligible()).count();
        if small > 0 {
            text += &format!(", {small} by less than 0.05 %");
        }
        text + "."
    }
}
