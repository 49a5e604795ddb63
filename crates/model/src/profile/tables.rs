//! Solo tables: the measured latency of each model alone, over many batch sizes and SM shares.

use super::ProfileError;
use super::csv_rows::CsvRows;
use super::fields::{batch, positive, quoted, share};
use crate::domain::ModelName;
use crate::units::{BatchSize, Milliseconds, SmPercent};
use std::path::Path;

/// One measured configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct SoloRow {
    /// The model.
    pub model: ModelName,
    /// Batch size.
    pub batch: BatchSize,
    /// SM share.
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
    /// The row of exactly this configuration.
    #[must_use]
    pub fn find(&self, model: &ModelName, batch: BatchSize, sm: SmPercent) -> Option<&SoloRow> {
        self.rows.iter().find(|row| &row.model == model && row.batch == batch && row.sm == sm)
    }
}

/// Reads `model,batch,sm_pct,latency_ms[,throughput_img_s][,l2_pct][,dram_pct]`.
///
/// # Errors
/// When the file cannot be read or a value in it is unusable: the error names file, line and column.
pub fn read_solo_table(path: &Path) -> Result<SoloTable, ProfileError> {
    let text = std::fs::read_to_string(path).map_err(|e| ProfileError::io(path, e))?;
    parse_solo_table(path, &text)
}

/// Parses the text of such a file.
pub(super) fn parse_solo_table(path: &Path, text: &str) -> Result<SoloTable, ProfileError> {
    let required = ["model", "batch", "sm_pct", "latency_ms"];
    let rows = CsvRows::parse(path, text, &required, &["throughput_img_s", "l2_pct", "dram_pct"])?;
    let mut table = SoloTable::default();
    for row in rows.rows() {
        let optional = |column: &str, high: f64| {
            if row.text(column).is_empty() {
                Ok(None)
            } else {
                row.number_in(column, 0.0, high).map(Some)
            }
        };
        let point = SoloRow {
            model: ModelName::new(row.text("model")).map_err(|e| row.error("model", e))?,
            batch: batch(&row)?,
            sm: share(&row)?,
            latency: positive(&row, "latency_ms")?,
            throughput_img_s: optional("throughput_img_s", f64::MAX)?,
            l2_pct: optional("l2_pct", 100.0)?,
            dram_pct: optional("dram_pct", 100.0)?,
        };
        if table.find(&point.model, point.batch, point.sm).is_some() {
            return Err(row.error("batch", "this model, batch and sm_pct stood on an earlier line"));
        }
        table.rows.push(point);
    }
    Ok(table)
}

/// The table as the CSV text that [`read_solo_table`] reads.
#[must_use]
pub fn write_solo_table(table: &SoloTable) -> String {
    let mut text = "model,batch,sm_pct,latency_ms,throughput_img_s,l2_pct,dram_pct\n".to_owned();
    let optional = |v: Option<f64>| v.map_or_else(String::new, |v| v.to_string());
    for row in &table.rows {
        text += &format!(
            "{},{},{},{},{},{},{}\n",
            quoted(row.model.as_str()),
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
