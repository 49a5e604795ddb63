//! The interim results of a sweep that is still running: its means so far.

use super::Sweep;
use super::aggregate::Aggregate;
use super::folder::WORK;
use super::rows::columns;
use crate::results::SweepFacts;
use std::io;
use std::path::Path;

impl Sweep {
    /// Returns the means of the points that are done in a folder in which this sweep is running, in the format of
    /// `points.csv`, and the facts of the sweep so far. The means are empty before the first point is done, and when
    /// the sweep has finished.
    ///
    /// # Errors
    /// When the rows cannot be read.
    pub fn so_far(&self, folder: &Path) -> io::Result<(SweepFacts, Vec<u8>)> {
        let rows = match std::fs::read(folder.join(WORK).join("rows.csv")) {
            Ok(rows) => rows,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        // The last line may be incomplete.
        let whole = rows.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let all = columns(&self.grid);
        let axes: Vec<String> = self.grid.fields().map(|field| field.column.clone()).collect();
        let mut table = Vec::new();
        let mut means = Aggregate::new(&mut table, &all, axes.len(), self.confidence())?;
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&rows[..whole]);
        let (mut points, mut last) = (0, String::new());
        for row in reader.records() {
            let row = row?;
            if row.len() != all.len() {
                continue;
            }
            if row[0] != last {
                points += 1;
                row[0].clone_into(&mut last);
            }
            means.row(&row)?;
        }
        means.finish()?;
        let facts = SweepFacts {
            name: self.name().to_owned(),
            id: String::new(),
            shard: 0,
            shards: 1,
            total_points: self.points(),
            points,
            runs: points.saturating_mul(self.runs_of_a_point()),
            failed: 0,
            rows: 0,
            confidence: self.confidence(),
            axes,
            columns: all,
            notes: self.notes().to_vec(),
        };
        Ok((facts, table))
    }
}
