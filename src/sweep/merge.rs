//! Merges shards into the same bytes that one machine would have written.

use super::drive::shards_in;
use super::finish::{RowSource, write_tables};
use super::folder::WORK;
use super::rows::fixed_columns;
use super::{Shard, SweepError, SweepOutcome};
use crate::results::{Existing, Manifest, OutputDir, SweepFacts};
use crate::run::RunError;
use csv::{Reader, StringRecord};
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A finished shard.
#[derive(Debug)]
struct FinishedShard {
    dir: PathBuf,
    manifest: Manifest,
    facts: SweepFacts,
}

/// Merges the shards of `folders`: folders of shards, or folders that contain such folders.
///
/// # Errors
/// When shards are missing, unfinished, duplicated, from different sweeps or versions, or were changed.
pub fn merge_shards(
    folders: &[PathBuf],
    output: &Path,
    mut manifest: Manifest,
) -> Result<SweepOutcome, SweepError> {
    let parts = parts(folders)?;
    let first =
        parts.first().ok_or_else(|| SweepError::Merge("no shards were given".to_owned()))?;
    check_same(&parts)?;
    check_complete(&parts)?;
    for part in &parts {
        check_content(part)?;
    }
    let sum = |number: fn(&SweepFacts) -> u64| {
        parts.iter().fold(0_u64, |sum, part| sum.saturating_add(number(&part.facts)))
    };
    let facts = SweepFacts { shard: 0, shards: 1, ..first.facts.clone() };
    let facts = SweepFacts {
        points: sum(|f| f.points),
        runs: sum(|f| f.runs),
        failed: sum(|f| f.failed),
        rows: sum(|f| f.rows),
        ..facts
    };
    if facts.points != facts.total_points {
        return Err(SweepError::Merge(format!(
            "the shards hold {} of {} points; run the sweep again",
            facts.points, facts.total_points
        )));
    }
    super::drive::check_same(output, &facts.id)?;
    let mut out = OutputDir::open(output, Existing::ReplaceLongRuns).map_err(RunError::from)?;
    let source = Merged { parts: &parts, columns: facts.columns.len() };
    let rows = write_tables(&mut out, &source, &facts.columns, facts.axes.len(), facts.confidence)?;
    if rows != facts.rows {
        return Err(SweepError::Merge(format!("found {rows} rows instead of {}", facts.rows)));
    }
    manifest.seed = first.manifest.seed;
    manifest.scenario.clone_from(&first.manifest.scenario);
    manifest.inputs.clone_from(&first.manifest.inputs);
    manifest.sweep = Some(facts.clone());
    manifest.stop();
    out.finish(manifest).map_err(RunError::from)?;
    Ok(SweepOutcome {
        sweep: facts.name,
        output: output.to_owned(),
        shard: 0,
        shards: 1,
        points: facts.points,
        resumed_points: 0,
        runs: facts.runs,
        failed: facts.failed,
        rows,
    })
}

/// Finds the shards, in order.
fn parts(folders: &[PathBuf]) -> Result<Vec<FinishedShard>, SweepError> {
    let mut dirs = Vec::new();
    for folder in folders {
        let inside = shards_in(folder);
        if inside.is_empty() {
            dirs.push(folder.clone());
        } else {
            dirs.extend(inside.into_iter().map(|shard| folder.join(shard.folder())));
        }
    }
    let mut parts = Vec::new();
    for dir in dirs {
        let manifest = match Manifest::read(&dir.join("manifest.json")) {
            Ok(manifest) => manifest,
            Err(_) if dir.join(WORK).is_dir() => {
                return Err(SweepError::Merge(format!(
                    "{} is not finished; run its shard again with --resume",
                    dir.display()
                )));
            }
            Err(source) => return Err(SweepError::file(&dir.join("manifest.json"))(source)),
        };
        let Some(facts) = manifest.sweep.clone() else {
            return Err(SweepError::Merge(format!("{} holds no sweep", dir.display())));
        };
        let shard = Shard::new(facts.shard, facts.shards);
        let fits = shard.is_ok() && is_sound(&facts);
        if !fits {
            return Err(SweepError::Merge(format!(
                "{} was changed since it was written: what it says of the sweep does not fit together; run that \
                 shard again",
                dir.join("manifest.json").display()
            )));
        }
        parts.push(FinishedShard { dir, manifest, facts });
    }
    parts.sort_by_key(|part| part.facts.shard);
    Ok(parts)
}

/// Returns whether the columns in a manifest are consistent: somebody may have edited it.
fn is_sound(facts: &SweepFacts) -> bool {
    let names: Vec<&str> = facts.columns.iter().map(|(name, _)| name.as_str()).collect();
    let fixed = fixed_columns();
    let (before, after) = fixed.split_at(2);
    let axes = facts.axes.iter().map(String::as_str);
    let expected: Vec<&str> =
        before.iter().copied().chain(axes).chain(after.iter().copied()).collect();
    names == expected && facts.confidence > 0.0 && facts.confidence < 1.0
}

fn check_same(parts: &[FinishedShard]) -> Result<(), SweepError> {
    let first = &parts[0];
    for part in &parts[1..] {
        let what = if part.manifest.version != first.manifest.version {
            format!("of versions {} and {}", first.manifest.version, part.manifest.version)
        } else if part.facts.id != first.facts.id {
            "of different sweeps (or a file of it was changed in between)".to_owned()
        } else if part.facts.shards != first.facts.shards {
            format!("of {} and of {} shards", first.facts.shards, part.facts.shards)
        } else {
            continue;
        };
        return Err(SweepError::Merge(format!(
            "{} and {} are {what}; they cannot be merged",
            first.dir.display(),
            part.dir.display()
        )));
    }
    Ok(())
}

fn check_complete(parts: &[FinishedShard]) -> Result<(), SweepError> {
    let shards = parts[0].facts.shards;
    let mut found: BTreeMap<u32, &FinishedShard> = BTreeMap::new();
    for part in parts {
        if let Some(other) = found.insert(part.facts.shard, part) {
            return Err(SweepError::Merge(format!(
                "shard {}/{shards} appears twice: {} and {}; remove one",
                part.facts.shard,
                other.dir.display(),
                part.dir.display()
            )));
        }
    }
    let missing: Vec<String> =
        (0..shards).filter(|shard| !found.contains_key(shard)).map(|s| s.to_string()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let shown = missing.iter().take(20).cloned().collect::<Vec<_>>().join(",");
    let more = if missing.len() > 20 { ",…" } else { "" };
    Err(SweepError::Merge(format!(
        "{} of {shards} shards are missing: {shown}{more}; run them with --shard I/{shards}",
        missing.len()
    )))
}

/// Checks the rows against the hash that was recorded when they were complete.
fn check_content(part: &FinishedShard) -> Result<(), SweepError> {
    let path = part.dir.join("rows.csv");
    File::open(&path).map_err(SweepError::file(&path))?;
    if part.manifest.intact(&part.dir, &["rows.csv"]) {
        return Ok(());
    }
    Err(SweepError::Merge(format!(
        "{} was changed since shard {} wrote it; run that shard again",
        path.display(),
        Shard::new(part.facts.shard, part.facts.shards)?
    )))
}

/// The rows of all shards in the order of points.
struct Merged<'a> {
    parts: &'a [FinishedShard],
    columns: usize,
}

/// A shard that is being read: its next row and the point of that row.
struct ShardReading {
    path: PathBuf,
    reader: Reader<File>,
    row: StringRecord,
    point: u64,
}

impl ShardReading {
    /// Reads the next row; returns false at the end.
    fn advance(&mut self, columns: usize) -> Result<bool, SweepError> {
        let more = self.reader.read_record(&mut self.row);
        let more = more.map_err(|error| SweepError::file(&self.path)(error.into()))?;
        if more {
            let point = self.row.get(0).and_then(|text| text.parse().ok());
            self.point = point.filter(|_| self.row.len() == columns).ok_or_else(|| {
                SweepError::Merge(format!("{} has a damaged row", self.path.display()))
            })?;
        }
        Ok(more)
    }
}

impl RowSource for Merged<'_> {
    fn rows(
        &self,
        take: &mut dyn FnMut(&StringRecord) -> io::Result<()>,
    ) -> Result<(), SweepError> {
        // Keyed by point: no point is in two shards.
        let mut next: BTreeMap<u64, ShardReading> = BTreeMap::new();
        let mut file = |reading: ShardReading| match next.insert(reading.point, reading) {
            None => Ok(()),
            Some(other) => {
                let text =
                    format!("{} and another shard hold the same point", other.path.display());
                Err(SweepError::Merge(text))
            }
        };
        let mut waiting: Vec<ShardReading> = Vec::new();
        for part in self.parts {
            let path = part.dir.join("rows.csv");
            let reader =
                Reader::from_path(&path).map_err(|error| SweepError::file(&path)(error.into()))?;
            waiting.push(ShardReading { path, reader, row: StringRecord::new(), point: 0 });
        }
        for mut reading in waiting {
            if reading.advance(self.columns)? {
                file(reading)?;
            }
        }
        while let Some((point, mut reading)) = next.pop_first() {
            loop {
                take(&reading.row).map_err(SweepError::file(&reading.path))?;
                if !reading.advance(self.columns)? {
                    break;
                }
                if reading.point != point {
                    if let Some(other) = next.insert(reading.point, reading) {
                        let text = format!("point {} is in two shards", other.point);
                        return Err(SweepError::Merge(text));
                    }
                    break;
                }
            }
        }
        Ok(())
    }
}
