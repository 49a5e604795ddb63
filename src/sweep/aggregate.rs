//! Aggregates rows into one row for each point and strategy: means over seeds with their confidence
//! intervals.

use super::finish::TableColumns;
use super::rows::RUN_METRICS;
use crate::stats::{confidence_interval, mean};
use csv::StringRecord;
use std::io::{self, Write};

/// Aggregates rows, in their order, into `points.csv`.
pub(super) struct Aggregate<W: Write> {
    out: csv::Writer<W>,
    confidence: f64,
    /// Positions of the columns that identify the point and its strategy.
    key: Vec<usize>,
    status: usize,
    seed: usize,
    metrics: Vec<usize>,
    current: Option<PointGroup>,
}

struct PointGroup {
    key: Vec<String>,
    /// The seed of the last row; a run has one row for each workload.
    seed: Option<String>,
    failed: u64,
    values: Vec<Vec<f64>>,
}

impl<W: Write> Aggregate<W> {
    /// Starts the table; `axes` is the number of columns of axes.
    pub(super) fn new(
        out: W,
        columns: &TableColumns,
        axes: usize,
        confidence: f64,
    ) -> io::Result<Self> {
        let position = |name: &str| {
            let after_axes = columns.iter().enumerate().rev().find(|(_, (n, _))| n == name);
            after_axes.map(|(i, _)| i).expect("a column of the rows")
        };
        // point, point_id, the axes, strategy, predictor, truth
        let key: Vec<usize> = (0..2 + axes + 3).collect();
        let mut out = csv::Writer::from_writer(out);
        let mut header: Vec<String> = key.iter().map(|i| columns[*i].0.clone()).collect();
        header.extend(["seeds".to_owned(), "failed".to_owned()]);
        for name in RUN_METRICS {
            header.extend([name.to_owned(), format!("{name}_low"), format!("{name}_high")]);
        }
        out.write_record(&header)?;
        Ok(Self {
            out,
            confidence,
            key,
            status: position("status"),
            seed: position("seed"),
            metrics: RUN_METRICS.iter().map(|name| position(name)).collect(),
            current: None,
        })
    }

    pub(super) fn row(&mut self, row: &StringRecord) -> io::Result<()> {
        let same = |group: &PointGroup| {
            self.key.iter().zip(&group.key).all(|(i, known)| &row[*i] == known.as_str())
        };
        if !self.current.as_ref().is_some_and(same) {
            self.close()?;
            self.current = Some(PointGroup {
                key: self.key.iter().map(|i| row[*i].to_owned()).collect(),
                seed: None,
                failed: 0,
                values: vec![Vec::new(); self.metrics.len()],
            });
        }
        let group = self.current.as_mut().expect("just made");
        if group.seed.as_deref() == Some(&row[self.seed]) {
            return Ok(());
        }
        group.seed = Some(row[self.seed].to_owned());
        if &row[self.status] != "ok" {
            group.failed += 1;
            return Ok(());
        }
        for (values, i) in group.values.iter_mut().zip(&self.metrics) {
            let bad = || io::Error::other(format!("{:?} is not a number", &row[*i]));
            values.push(row[*i].parse().map_err(|_| bad())?);
        }
        Ok(())
    }

    fn close(&mut self) -> io::Result<()> {
        let Some(group) = self.current.take() else { return Ok(()) };
        let mut row = group.key;
        let seeds = group.values.first().map_or(0, Vec::len);
        row.extend([seeds.to_string(), group.failed.to_string()]);
        for (values, name) in group.values.iter().zip(RUN_METRICS) {
            let interval = confidence_interval(values, self.confidence);
            // Student's t ignores that none of these numbers is below 0, and no percentage above 100.
            let most = if name.ends_with("_pct") { 100.0 } else { f64::INFINITY };
            let ends = interval
                .map(|i| [(i.mean - i.half_width).max(0.0), (i.mean + i.half_width).min(most)]);
            row.push(mean(values).map_or_else(String::new, number));
            match ends {
                Some(ends) => row.extend(ends.map(number)),
                None => row.extend([String::new(), String::new()]),
            }
        }
        self.out.write_record(&row)?;
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.close()?;
        self.out.flush()
    }
}

/// Formats a number with nine significant digits: quantiles of distributions may differ in their last
/// bits between machines.
fn number(value: f64) -> String {
    let rounded: f64 = format!("{value:.8e}").parse().expect("a formatted number is a number");
    rounded.to_string()
}
