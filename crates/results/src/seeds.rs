//! Means over seeds, for a comparison whose plans were simulated several times.

use crate::{Comparison, short};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The mean of a metric over seeds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeedRow {
    /// The strategy.
    pub strategy: String,
    /// The workload; empty for a metric of the whole run.
    pub workload: String,
    /// The metric, named like the columns of a sweep.
    pub metric: Cow<'static, str>,
    /// Number of seeds in which the metric is defined.
    pub seeds: usize,
    /// The mean.
    pub mean: f64,
    /// Lower end of the confidence interval (Student's t); `None` with one seed.
    pub low: Option<f64>,
    /// Upper end of the confidence interval.
    pub high: Option<f64>,
}

impl SeedRow {
    /// Formats the mean with its interval for display.
    #[must_use]
    pub fn shown(&self) -> String {
        match (self.low, self.high) {
            (Some(low), Some(high)) => {
                format!("{} ({} – {})", short(self.mean), short(low), short(high))
            }
            _ => short(self.mean),
        }
    }
}

/// The rows of a table of means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeansOf {
    /// A row for each strategy, with metrics of the whole run.
    Strategies,
    /// A row for each workload of each strategy.
    Workloads,
}

impl Comparison {
    /// Describes the seeds that the plans were simulated with: `seed 7`, `3 seeds (7 to 9)`.
    #[must_use]
    pub fn seeds_in_words(&self) -> String {
        match self.seeds.iter().map(|row| row.seeds).max() {
            Some(count) if count > 1 => {
                let last = self.seed.wrapping_add(count as u64 - 1);
                format!("{count} seeds ({} to {last})", self.seed)
            }
            _ => format!("seed {}", self.seed),
        }
    }

    /// Explains which seed the other tables belong to; `None` if there are no means.
    #[must_use]
    pub fn seeds_note(&self) -> Option<String> {
        (!self.seeds.is_empty()).then(|| {
            format!(
                "Means are over {}, with 95 % confidence intervals; all other numbers and the figures are those of seed {}.",
                self.seeds_in_words(),
                self.seed
            )
        })
    }

    /// Returns the means as CSV in full precision, each followed by columns `_low` and `_high`; `None` without means.
    ///
    /// # Panics
    /// Never: writing to memory cannot fail.
    #[must_use]
    pub fn means_csv(&self, of: MeansOf) -> Option<String> {
        let own = |row: &&SeedRow| row.workload.is_empty() == (of == MeansOf::Strategies);
        let rows: Vec<&SeedRow> = self.seeds.iter().filter(own).collect();
        let mut metrics: Vec<&str> = Vec::new();
        for row in &rows {
            if !metrics.contains(&row.metric.as_ref()) {
                metrics.push(&row.metric);
            }
        }
        let fixed: &[&str] = match of {
            MeansOf::Strategies => &["strategy", "gpu_count", "cost_per_hour"],
            MeansOf::Workloads => &["strategy", "workload", "model", "slo_ms"],
        };
        if rows.is_empty() {
            return None;
        }
        let mut head: Vec<String> = fixed.iter().map(ToString::to_string).collect();
        for metric in &metrics {
            head.extend(["", "_low", "_high"].map(|end| format!("{metric}{end}")));
        }
        let mut out = csv::Writer::from_writer(Vec::new());
        out.write_record(&head).expect("text goes into memory");
        let known: BTreeMap<(&str, &str, &str), &SeedRow> = (rows.iter())
            .map(|row| ((&*row.strategy, &*row.workload, &*row.metric), *row))
            .collect();
        let mut write = |mut cells: Vec<String>, strategy: &str, workload: &str| {
            for metric in &metrics {
                let found = known.get(&(strategy, workload, *metric));
                let number = |value: Option<f64>| value.map_or_else(String::new, |v| v.to_string());
                cells.push(number(found.map(|row| row.mean)));
                cells.push(number(found.and_then(|row| row.low)));
                cells.push(number(found.and_then(|row| row.high)));
            }
            out.write_record(&cells).expect("text goes into memory");
        };
        for result in &self.strategies {
            let strategy = result.strategy.clone();
            if of == MeansOf::Strategies {
                let cells = vec![
                    strategy.clone(),
                    result.gpu_count.to_string(),
                    result.cost_per_hour.to_string(),
                ];
                write(cells, &strategy, "");
                continue;
            }
            for workload in &result.workloads {
                let name = workload.workload.to_string();
                let cells = vec![
                    strategy.clone(),
                    name.clone(),
                    workload.model.to_string(),
                    workload.slo_ms.to_string(),
                ];
                write(cells, &strategy, &name);
            }
        }
        let bytes = out.into_inner().expect("text goes into memory");
        Some(String::from_utf8(bytes).expect("text stays text"))
    }
}

/// Returns the readable name of a column of means.
#[must_use]
pub fn means_words(column: &str) -> String {
    match column {
        "strategy" => "Strategy".to_owned(),
        "workload" => "Workload".to_owned(),
        "model" => "Model".to_owned(),
        "slo_ms" => "SLO (ms)".to_owned(),
        "mean_ms" => "Mean (ms)".to_owned(),
        "p99_ms" => "P99 (ms)".to_owned(),
        "slo_violation_pct" => "Violations (%)".to_owned(),
        other => crate::column_words(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::small_comparison;
    use crate::{PaperFormat, PaperTable, report_markdown};

    fn row(workload: &str, metric: &'static str, mean: f64) -> SeedRow {
        let (low, high) = (Some(mean - 1.0), Some(mean + 1.0));
        let (strategy, workload) = ("igniter".to_owned(), workload.to_owned());
        SeedRow { strategy, workload, metric: metric.into(), seeds: 3, mean, low, high }
    }

    #[test]
    fn a_report_of_several_seeds_says_so_and_has_intervals() {
        let mut comparison = small_comparison();
        assert_eq!(comparison.seeds_in_words(), "seed 7");
        assert_eq!(
            (comparison.seeds_note(), comparison.means_csv(MeansOf::Strategies)),
            (None, None)
        );
        comparison.seeds = vec![row("", "attainment_pct", 98.0), row("W1", "p99_ms", 12.5)];
        assert_eq!(comparison.seeds_in_words(), "3 seeds (7 to 9)");
        let csv = comparison.means_csv(MeansOf::Strategies).unwrap();
        assert_eq!(
            csv,
            "strategy,gpu_count,cost_per_hour,attainment_pct,attainment_pct_low,attainment_pct_high\n\
             igniter,1,3.06,98,97,99\nffd,1,3.06,,,\n"
        );
        let table = PaperTable::of_csv(csv.as_bytes(), means_words, &[], &[], false).unwrap();
        assert!(table.text(PaperFormat::Markdown).contains("| 98.00 (97.00 – 99.00) |"));
        let report = report_markdown(&comparison, &[]);
        assert!(report.contains("3 seeds (7 to 9)"), "{report}");
        assert!(report.contains("98.00 (97.00 – 99.00)"), "{report}");
        assert!(report.contains("12.50 (11.50 – 13.50)"), "{report}");
    }
}
