//! Solo tables: the measured latency of each model alone, over many batch sizes and SM shares.

use super::ProfileError;
use super::csv_rows::CsvRows;
use super::fields::{batch, csv_field, positive, share};
use super::read::read_file;
use crate::domain::ModelName;
use crate::units::{BatchSize, Milliseconds, SmPercent};
use std::path::Path;

/// One measured configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct SoloRow {
    pub model: ModelName,
    pub batch: BatchSize,
    /// The SM share.
    pub sm: SmPercent,
    /// Measured mean latency of a batch: load, execution and feedback.
    pub latency: Milliseconds,
    /// Images per second, where measured.
    pub throughput_img_s: Option<f64>,
    /// L2 utilisation in percent, where measured.
    pub l2_pct: Option<f64>,
    /// DRAM utilisation in percent, where measured.
    pub dram_pct: Option<f64>,
}

/// Measured solo latencies that can be looked up by configuration.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SoloTable {
    /// All rows, in file order.
    pub rows: Vec<SoloRow>,
}

impl SoloTable {
    /// Returns the first row with exactly this configuration.
    #[must_use]
    pub fn find(&self, model: &ModelName, batch: BatchSize, sm: SmPercent) -> Option<&SoloRow> {
        self.of(model, batch, sm).next()
    }

    /// Returns the mean latency of exactly this configuration over its repeats, in ms.
    #[must_use]
    pub fn latency_ms(&self, model: &ModelName, batch: BatchSize, sm: SmPercent) -> Option<f64> {
        let times: Vec<f64> = self.of(model, batch, sm).map(|row| row.latency.get()).collect();
        crate::stats::mean(&times)
    }

    /// Iterates over all rows with exactly this configuration.
    pub fn of(
        &self,
        model: &ModelName,
        batch: BatchSize,
        sm: SmPercent,
    ) -> impl Iterator<Item = &SoloRow> {
        self.rows.iter().filter(move |r| &r.model == model && r.batch == batch && r.sm == sm)
    }
}

/// Reads `model,batch,sm_pct,latency_ms[,throughput_img_s][,l2_pct][,dram_pct]`.
///
/// # Errors
/// When the file cannot be read or a value in it is unusable: the error names file, line and column.
pub fn read_solo_table(path: &Path) -> Result<SoloTable, ProfileError> {
    parse_solo_table(path, &read_file(path)?)
}

/// Parses the text of a file for [`read_solo_table`].
pub(super) fn parse_solo_table(path: &Path, text: &str) -> Result<SoloTable, ProfileError> {
    let required = ["model", "batch", "sm_pct", "latency_ms"];
    let rows = CsvRows::parse(path, text, &required, &["throughput_img_s", "l2_pct", "dram_pct"])?;
    let mut table = SoloTable::default();
    for row in rows.rows() {
        let point = SoloRow {
            model: ModelName::new(row.text("model")).map_err(|e| row.error("model", e))?,
            batch: batch(&row)?,
            sm: share(&row)?,
            latency: positive(&row, "latency_ms")?,
            throughput_img_s: row.optional_in("throughput_img_s", 0.0, f64::MAX)?,
            l2_pct: row.optional_in("l2_pct", 0.0, 100.0)?,
            dram_pct: row.optional_in("dram_pct", 0.0, 100.0)?,
        };
        table.rows.push(point);
    }
    Ok(table)
}

/// Returns the table as CSV text that [`read_solo_table`] can read.
#[must_use]
pub fn write_solo_table(table: &SoloTable) -> String {
    let mut text = "model,batch,sm_pct,latency_ms,throughput_img_s,l2_pct,dram_pct\n".to_owned();
    let optional = |v: Option<f64>| v.map_or_else(String::new, |v| v.to_string());
    for row in &table.rows {
        text += &format!(
            "{},{},{},{},{},{},{}\n",
            csv_field(row.model.as_str()),
            row.batch,
            row.sm,
            row.latency,
            optional(row.throughput_img_s),
            optional(row.l2_pct),
            optional(row.dram_pct),
        );
    }
    text
}
