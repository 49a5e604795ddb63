//! The means of a sweep, read back from its table of points.

use super::manifest::Manifest;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// An error in reading or using a table of points.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PointsError {
    /// The table does not exist or is damaged.
    #[error("cannot read {}: {message}; give the folder of a finished or merged sweep", .path.display())]
    Unreadable { path: PathBuf, message: String },
    /// The table has no column of that name.
    #[error("{}: there is no column {given:?}; allowed: {known}", .path.display())]
    NoColumn { path: PathBuf, given: String, known: String },
    /// A column that should hold numbers does not.
    #[error("{}: column {column:?} holds {value:?}, which is no number", .path.display())]
    NoNumber { path: PathBuf, column: String, value: String },
    /// No row of the column has that value.
    #[error("{}: column {column:?} has no {given:?}; it has: {known}", .path.display())]
    NoValue { path: PathBuf, column: String, given: String, known: String },
}

/// The file `points.csv` of a sweep: a row for each point and strategy.
#[derive(Debug, Clone, PartialEq)]
pub struct PointTable {
    path: PathBuf,
    header: Vec<String>,
    axes: Vec<String>,
    notes: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl PointTable {
    /// Reads the table from a folder.
    ///
    /// # Errors
    /// When the folder does not hold the results of a sweep.
    pub fn read(dir: &Path) -> Result<Self, PointsError> {
        let path = dir.join("points.csv");
        let unreadable = |message: String| PointsError::Unreadable { path: path.clone(), message };
        let manifest = Manifest::read(&dir.join("manifest.json"));
        let manifest =
            manifest.map_err(|error| unreadable(format!("its manifest.json: {error}")))?;
        if path.is_file() && !manifest.intact(dir, &["points.csv"]) {
            let what =
                "it was changed since the sweep wrote it; merge its shards or run the sweep again";
            return Err(unreadable(what.to_owned()));
        }
        let facts =
            manifest.sweep.ok_or_else(|| unreadable("its manifest is of no sweep".to_owned()))?;
        let bad = |error: csv::Error| unreadable(error.to_string());
        let mut reader = csv::Reader::from_path(&path).map_err(bad)?;
        let texts = |row: &csv::StringRecord| row.iter().map(ToOwned::to_owned).collect();
        let header = texts(reader.headers().map_err(bad)?);
        let mut rows = Vec::new();
        for row in reader.records() {
            rows.push(texts(&row.map_err(bad)?));
        }
        Ok(Self { path, header, axes: facts.axes, notes: facts.notes, rows })
    }

    /// Returns notes on the axes for the reader.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Returns the columns that are axes of the sweep.
    #[must_use]
    pub fn axes(&self) -> &[String] {
        &self.axes
    }

    /// Whether the table has no rows.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the position of a column.
    ///
    /// # Errors
    /// When no column has that name.
    pub fn column(&self, name: &str) -> Result<usize, PointsError> {
        self.header.iter().position(|known| known == name).ok_or_else(|| PointsError::NoColumn {
            path: self.path.clone(),
            given: name.to_owned(),
            known: self.header.join(", "),
        })
    }

    /// Returns the rows with this value in a column; numbers may be written in any form (`4` and `4.0`).
    ///
    /// # Errors
    /// When there is no such column, or no row with that value.
    pub fn only(&self, column: &str, value: &str) -> Result<Self, PointsError> {
        let at = self.column(column)?;
        let same = |cell: &str| {
            cell == value
                || matches!((cell.parse::<f64>(), value.parse::<f64>()),
                    (Ok(a), Ok(b)) if a.total_cmp(&b).is_eq())
        };
        let rows: Vec<_> = self.rows.iter().filter(|row| same(&row[at])).cloned().collect();
        if rows.is_empty() && !self.rows.is_empty() {
            let mut known = self.distinct(column)?;
            known.truncate(20);
            return Err(PointsError::NoValue {
                path: self.path.clone(),
                column: column.to_owned(),
                given: value.to_owned(),
                known: known.join(", "),
            });
        }
        Ok(Self { rows, ..self.clone() })
    }

    /// Returns the distinct values of a column, numbers in ascending order.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn distinct(&self, column: &str) -> Result<Vec<String>, PointsError> {
        let at = self.column(column)?;
        let mut seen = std::collections::BTreeSet::new();
        let mut values: Vec<String> = Vec::new();
        for row in &self.rows {
            if seen.insert(row[at].clone()) {
                values.push(row[at].clone());
            }
        }
        if values.iter().all(|value| value.parse::<f64>().is_ok()) {
            let number = |value: &String| value.parse::<f64>().unwrap_or(0.0);
            values.sort_by(|a, b| number(a).total_cmp(&number(b)));
        }
        Ok(values)
    }

    /// Returns the axes that a figure of these columns averages over: those with several values among rows of the same
    /// arm with the same values in these columns. If two axes change together, only one of them is named.
    ///
    /// # Errors
    /// When one of the columns does not exist.
    pub fn averaged(&self, shown: &[&str]) -> Result<Vec<String>, PointsError> {
        let shown = shown.iter().map(|name| self.column(name)).collect::<Result<Vec<_>, _>>();
        let mut known = shown?;
        let mut averaged = Vec::new();
        for axis in &self.axes {
            let at = self.column(axis)?;
            let mut seen = BTreeMap::new();
            let several = self.rows.iter().any(|row| {
                let cells: Vec<&String> = known.iter().map(|&column| &row[column]).collect();
                *seen.entry((self.arm_of(row), cells)).or_insert(&row[at]) != &row[at]
            });
            if several {
                averaged.push(axis.clone());
                known.push(at);
            }
        }
        Ok(averaged)
    }

    /// Returns the cells of a column as they are written.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn texts(&self, column: &str) -> Result<Vec<String>, PointsError> {
        let at = self.column(column)?;
        Ok(self.rows.iter().map(|row| row[at].clone()).collect())
    }

    /// Returns the numbers of a column; `None` for empty cells.
    ///
    /// # Errors
    /// When there is no such column, or a cell is not a number.
    pub fn numbers(&self, column: &str) -> Result<Vec<Option<f64>>, PointsError> {
        let at = self.column(column)?;
        let number = |row: &Vec<String>| {
            let cell = &row[at];
            if cell.is_empty() {
                return Ok(None);
            }
            cell.parse().map(Some).map_err(|_| PointsError::NoNumber {
                path: self.path.clone(),
                column: column.to_owned(),
                value: cell.clone(),
            })
        };
        self.rows.iter().map(number).collect()
    }

    /// Returns the arms that made the points: strategies, with their predictors if there are several.
    #[must_use]
    pub fn arms(&self) -> Vec<String> {
        let mut arms: Vec<String> = Vec::new();
        for row in &self.rows {
            let arm = self.arm_of(row);
            if !arms.contains(&arm) {
                arms.push(arm);
            }
        }
        arms
    }

    /// Returns the rows of one of [`PointTable::arms`].
    #[must_use]
    pub fn arm(&self, arm: &str) -> Self {
        let rows = self.rows.iter().filter(|row| self.arm_of(row) == arm).cloned().collect();
        Self { rows, ..self.clone() }
    }

    fn arm_of(&self, row: &[String]) -> String {
        let cell = |name: &str| self.column(name).map_or("", |at| row[at].as_str());
        arm_name(cell("strategy"), cell("predictor"), cell("truth"))
    }
}

/// Returns the name of the arm that made a row of a sweep: the strategy, plus the predictor and the truth if they are
/// not the usual ones.
#[must_use]
pub fn arm_name(strategy: &str, predictor: &str, truth: &str) -> String {
    match (predictor, truth) {
        ("igniter", "igniter") => strategy.to_owned(),
        (p, t) if p == t => format!("{strategy} ({p})"),
        (p, t) => format!("{strategy} ({p} on {t})"),
    }
}

/// Returns the readable name of a column of a sweep, with its unit.
#[must_use]
pub fn column_words(column: &str) -> String {
    match column {
        "attainment_pct" => "SLO attainment (%)".to_owned(),
        "worst_attainment_pct" => "Worst SLO attainment (%)".to_owned(),
        "cost_per_hour" => "Cost ($/h)".to_owned(),
        "gpu_count" => "GPUs".to_owned(),
        "workloads_met" => "Workloads that meet their SLO".to_owned(),
        "goodput_rps" => "Requests/s within SLO".to_owned(),
        "power_w" => "Power (W)".to_owned(),
        "utilisation" => "Share of time GPUs are busy".to_owned(),
        "rate_scale" => "Load (times the rates of the scenario)".to_owned(),
        // An axis named `load` is defined by the sweep; nothing else is known about it.
        "load" => "Load".to_owned(),
        "slo_scale" => "SLO scale".to_owned(),
        "cv" | "arrival.cv" | "workload.*.arrival.cv" => "Burstiness (CV of the gaps)".to_owned(),
        "headroom" | "plan.headroom_pct" => "Headroom of the plan (%)".to_owned(),
        "delay" | "batching.max_queue_delay_ms" | "workload.*.batching.max_queue_delay_ms" => {
            "Queue delay (ms)".to_owned()
        }
        other => other.to_owned(),
    }
}
