//! Co-located measurements: a CSV table in long format, with one row for each member of a run.

use super::ProfileError;
use super::csv_rows::{CsvRow, CsvRows};
use super::fields::{batch, csv_field, positive, share};
use super::read::read_file;
use crate::domain::ModelName;
use crate::units::{BatchSize, Milliseconds, SmPercent};
use std::path::Path;

/// One measured co-location.
#[derive(Debug, Clone, PartialEq)]
pub struct ColocatedRun {
    /// The run's number in its file.
    pub run: u64,
    /// The models that ran together.
    pub members: Vec<ColocatedMember>,
    /// Time from the common start of one batch of each member to the end of the last one, where only this was measured.
    pub makespan: Option<Milliseconds>,
}

/// One member of a measured co-location.
#[derive(Debug, Clone, PartialEq)]
pub struct ColocatedMember {
    pub model: ModelName,
    pub batch: BatchSize,
    /// The SM share.
    pub sm: SmPercent,
    /// Measured mean latency of a batch: load, execution and feedback. `None` for a co-runner that was present but not
    /// timed.
    pub latency: Option<Milliseconds>,
    /// Standard deviation of the latency within the run, where measured.
    pub std: Option<Milliseconds>,
}

/// Reads `run,member,model,batch,sm_pct,latency_ms[,std_ms][,makespan_ms]`. The members of a run are on consecutive
/// lines and are numbered from 0. The latency may be empty for members that were not timed, but each run needs at least
/// one latency or a makespan (the same on all its lines, or only on the first).
///
/// # Errors
/// When the file cannot be read or a value in it is unusable: the error names file, line and column.
pub fn read_colocated(path: &Path) -> Result<Vec<ColocatedRun>, ProfileError> {
    parse_colocated(path, &read_file(path)?)
}

/// Parses the text of a file for [`read_colocated`].
pub(super) fn parse_colocated(path: &Path, text: &str) -> Result<Vec<ColocatedRun>, ProfileError> {
    let required = ["run", "member", "model", "batch", "sm_pct", "latency_ms"];
    let table = CsvRows::parse(path, text, &required, &["std_ms", "makespan_ms"])?;
    let mut runs: Vec<ColocatedRun> = Vec::new();
    for row in table.rows() {
        let run: u64 = row.whole("run", "a whole number from 0")?;
        let member: usize = row.whole("member", "a whole number from 0")?;
        if runs.last().is_none_or(|last| last.run != run) {
            if runs.iter().any(|known| known.run == run) {
                return Err(row.error("run", "its members must stand on consecutive lines"));
            }
            let makespan = optional_time(&row, "makespan_ms")?;
            runs.push(ColocatedRun { run, members: Vec::new(), makespan });
        }
        let last = runs.last_mut().expect("one was just made sure of");
        if let Some(makespan) = optional_time(&row, "makespan_ms")?
            && last.makespan != Some(makespan)
        {
            return Err(row.error("makespan_ms", "must be the same on all lines of a run"));
        }
        let members = &mut last.members;
        if member != members.len() {
            return Err(
                row.error("member", format!("must be {}: members count from 0", members.len()))
            );
        }
        members.push(ColocatedMember {
            model: ModelName::new(row.text("model")).map_err(|e| row.error("model", e))?,
            batch: batch(&row)?,
            sm: share(&row)?,
            latency: optional_time(&row, "latency_ms")?,
            std: row.optional("std_ms")?,
        });
    }
    let unmeasured = |run: &&ColocatedRun| {
        run.makespan.is_none() && run.members.iter().all(|m| m.latency.is_none())
    };
    if let Some(run) = runs.iter().find(unmeasured) {
        return Err(ProfileError::file(
            path,
            format!("run {}: has neither a latency_ms nor a makespan_ms", run.run),
        ));
    }
    Ok(runs)
}

/// Reads a duration above 0, or `None` where the field is empty.
fn optional_time(row: &CsvRow<'_>, column: &str) -> Result<Option<Milliseconds>, ProfileError> {
    if row.text(column).is_empty() { Ok(None) } else { positive(row, column).map(Some) }
}

/// Returns the runs as CSV text that [`read_colocated`] can read.
#[must_use]
pub fn write_colocated(runs: &[ColocatedRun]) -> String {
    let makespans = runs.iter().any(|run| run.makespan.is_some());
    let mut text = "run,member,model,batch,sm_pct,latency_ms,std_ms".to_owned();
    text += if makespans { ",makespan_ms\n" } else { "\n" };
    let number = |v: Option<Milliseconds>| v.map_or_else(String::new, |v| v.to_string());
    for run in runs {
        for (index, m) in run.members.iter().enumerate() {
            text += &format!(
                "{},{index},{},{},{},{},{}",
                run.run,
                csv_field(m.model.as_str()),
                m.batch,
                m.sm,
                number(m.latency),
                number(m.std),
            );
            if makespans {
                text += &format!(",{}", number(run.makespan));
            }
            text += "\n";
        }
    }
    text
}
