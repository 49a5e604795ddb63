//! Co-located measurements: long-format CSV, one row for each member of a run.

use super::ProfileError;
use super::csv_rows::CsvRows;
use super::fields::{batch, positive, quoted, share};
use crate::domain::ModelName;
use crate::units::{BatchSize, Milliseconds, SmPercent};
use std::path::Path;

/// One measured co-location.
#[derive(Debug, Clone, PartialEq)]
pub struct ColocatedRun {
    /// The run's number in its file.
    pub run: u64,
    /// Who ran together.
    pub members: Vec<ColocatedMember>,
}

/// One member of a measured co-location.
#[derive(Debug, Clone, PartialEq)]
pub struct ColocatedMember {
    /// The model.
    pub model: ModelName,
    /// Batch size.
    pub batch: BatchSize,
    /// SM share.
    pub sm: SmPercent,
    /// Measured mean latency of a batch: load, execution and feedback.
    pub latency: Milliseconds,
    /// Standard deviation of the latency within the run, where measured.
    pub std: Option<Milliseconds>,
}

/// Reads `run,member,model,batch,sm_pct,latency_ms[,std_ms]`; the members of a run stand on
/// consecutive lines and are numbered from 0.
///
/// # Errors
/// When the file cannot be read or a value in it is unusable: the error names file, line and column.
pub fn read_colocated(path: &Path) -> Result<Vec<ColocatedRun>, ProfileError> {
    let text = std::fs::read_to_string(path).map_err(|e| ProfileError::io(path, e))?;
    parse_colocated(path, &text)
}

/// Parses the text of such a file.
pub(super) fn parse_colocated(path: &Path, text: &str) -> Result<Vec<ColocatedRun>, ProfileError> {
    let required = ["run", "member", "model", "batch", "sm_pct", "latency_ms"];
    let table = CsvRows::parse(path, text, &required, &["std_ms"])?;
    let mut runs: Vec<ColocatedRun> = Vec::new();
    for row in table.rows() {
        let run: u64 = row.parse("run", "a whole number from 0")?;
        let member: usize = row.parse("member", "a whole number from 0")?;
        if runs.last().is_none_or(|last| last.run != run) {
            if runs.iter().any(|known| known.run == run) {
                return Err(row.error("run", "its members must stand on consecutive lines"));
            }
            runs.push(ColocatedRun { run, members: Vec::new() });
        }
        let members = &mut runs.last_mut().expect("one was just made sure of").members;
        if member != members.len() {
            return Err(
                row.error("member", format!("must be {}: members count from 0", members.len()))
            );
        }
        members.push(ColocatedMember {
            model: ModelName::new(row.text("model")).map_err(|e| row.error("model", e))?,
            batch: batch(&row)?,
            sm: share(&row)?,
            latency: positive(&row, "latency_ms")?,
            std: row.optional("std_ms")?,
        });
    }
    Ok(runs)
}

/// The runs as the CSV text that [`read_colocated`] reads.
#[must_use]
pub fn write_colocated(runs: &[ColocatedRun]) -> String {
    let mut text = "run,member,model,batch,sm_pct,latency_ms,std_ms\n".to_owned();
    for run in runs {
        for (index, m) in run.members.iter().enumerate() {
            text += &format!(
                "{},{index},{},{},{},{},{}\n",
                run.run,
                quoted(m.model.as_str()),
                m.batch,
                m.sm,
                m.latency,
                m.std.map_or_else(String::new, |v| v.to_string()),
            );
        }
    }
    text
}
