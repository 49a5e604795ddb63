//! Runs a sweep, or one shard of it, from wherever an earlier process left it.

use super::finish::{RowSource, write_tables};
use super::folder::{UnfinishedSweep, discard};
use super::rows::columns;
use super::work::in_order;
use super::{Shard, Sweep, SweepError};
use crate::results::{Existing, Manifest, OutputDir, SweepFacts};
use crate::run::RunError;
use csv::StringRecord;
use serde::Serialize;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Options for running a sweep.
#[derive(Debug, Clone)]
pub struct SweepOptions {
    /// The folder of results; a shard makes a folder of its own in it.
    pub output: PathBuf,
    /// The part of the sweep to run.
    pub shard: Shard,
    /// Whether unfinished work is continued, and finished work left as it is.
    pub resume: bool,
    /// Number of worker threads.
    pub threads: usize,
}

/// The progress of a sweep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SweepProgress {
    /// Number of points that are done.
    pub done: u64,
    /// Number of points of this shard.
    pub points: u64,
    /// Number of points that were done before this process started.
    pub before: u64,
    /// Number of failed runs so far.
    pub failed: u64,
}

/// The outcome of a sweep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SweepOutcome {
    /// The name of the sweep.
    pub sweep: String,
    /// The folder of its files.
    pub output: PathBuf,
    /// The index of the shard that was run, from 0.
    pub shard: u32,
    /// Number of shards.
    pub shards: u32,
    /// Number of points of this shard.
    pub points: u64,
    /// Number of points that an earlier process had done.
    pub resumed_points: u64,
    /// Number of runs: one for each point, strategy, predictor, truth and seed.
    pub runs: u64,
    /// Number of runs that failed.
    pub failed: u64,
    /// Number of rows of the tables.
    pub rows: u64,
}

/// Runs a sweep. The caller has already started `manifest`; `report` receives progress, and may stop the work.
///
/// # Errors
/// When the folder cannot be used or holds other work, files cannot be written, or `report` stopped the sweep; finished
/// points are kept then. Points that fail are not errors.
pub fn run_sweep(
    sweep: &Sweep,
    options: &SweepOptions,
    mut manifest: Manifest,
    report: &mut dyn FnMut(SweepProgress) -> ControlFlow<()>,
) -> Result<SweepOutcome, SweepError> {
    let shard = options.shard;
    if shard.count() > 1 {
        check_siblings(&options.output, shard)?;
    }
    let dir = shard_folder(&options.output, shard);
    if options.resume
        && let Some(facts) = finished(&dir, sweep, shard)
    {
        discard(&dir)?;
        return Ok(outcome(facts, dir, None));
    }
    check_same(&dir, sweep.id())?;
    // Check that results can be written there before anything runs.
    drop(OutputDir::open(&dir, Existing::ReplaceLongRuns).map_err(RunError::from)?);
    let mut work = UnfinishedSweep::open(&dir, sweep, shard, options.resume)?;
    let mine = |index: u64| {
        let point = sweep.grid.point(index);
        (shard.count() == 1 || sweep.grid.shard_of(&point, shard.count()) == shard.index())
            .then_some(point)
    };
    let points = match shard.count() {
        1 => sweep.points(),
        _ => (0..sweep.points()).filter_map(mine).count() as u64,
    };
    let before = work.done().points;
    let skip = usize::try_from(before).unwrap_or(usize::MAX);
    let mut tell = |work: &UnfinishedSweep| {
        let done = work.done();
        match report(SweepProgress { done: done.points, points, before, failed: done.failed }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(SweepError::Stopped),
        }
    };
    tell(&work)?;
    let jobs = (0..sweep.points()).filter_map(mine).skip(skip);
    let left = points.saturating_sub(before);
    in_order(
        jobs,
        left,
        options.threads,
        |point| sweep.run_point(&point),
        |rows| {
            work.add(&rows.csv, rows.runs, rows.failed)?;
            tell(&work)
        },
    )?;

    let done = work.done();
    let mut out = OutputDir::open(&dir, Existing::ReplaceLongRuns).map_err(RunError::from)?;
    let columns = columns(&sweep.grid);
    let axes: Vec<String> = sweep.grid.fields().map(|field| field.column.clone()).collect();
    let source = RowFile { path: work.rows_path() };
    let rows = write_tables(&mut out, &source, &columns, axes.len(), sweep.confidence())?;
    let facts = SweepFacts {
        name: sweep.name().to_owned(),
        id: sweep.id().to_owned(),
        shard: shard.index(),
        shards: shard.count(),
        total_points: sweep.points(),
        points,
        runs: done.runs,
        failed: done.failed,
        rows,
        confidence: sweep.confidence(),
        axes,
        columns,
        notes: sweep.notes().to_vec(),
    };
    manifest.seed = Some(sweep.seeds.first);
    manifest.scenario = Some(sweep.first_scenario().to_toml());
    manifest.inputs.extend_from_slice(sweep.inputs());
    manifest.sweep = Some(facts.clone());
    manifest.stop();
    out.finish(manifest).map_err(RunError::from)?;
    work.remove()?;
    Ok(outcome(facts, dir, Some(before)))
}

fn outcome(facts: SweepFacts, output: PathBuf, before: Option<u64>) -> SweepOutcome {
    SweepOutcome {
        sweep: facts.name,
        output,
        shard: facts.shard,
        shards: facts.shards,
        points: facts.points,
        resumed_points: before.unwrap_or(facts.points),
        runs: facts.runs,
        failed: facts.failed,
        rows: facts.rows,
    }
}

/// Returns whether a folder holds this shard of a sweep, finished and unchanged.
#[must_use]
pub fn is_finished(output: &Path, sweep: &Sweep, shard: Shard) -> bool {
    finished(&shard_folder(output, shard), sweep, shard).is_some()
}

/// Returns the folder of a shard.
fn shard_folder(output: &Path, shard: Shard) -> PathBuf {
    if shard.count() == 1 { output.to_owned() } else { output.join(shard.folder()) }
}

/// Returns the facts recorded in a folder, where it holds exactly this shard, finished and unchanged.
fn finished(dir: &Path, sweep: &Sweep, shard: Shard) -> Option<SweepFacts> {
    let manifest = Manifest::read(&dir.join("manifest.json")).ok()?;
    let intact = manifest.intact(dir, &["rows.csv", "rows.parquet", "points.csv"]);
    manifest.sweep.filter(|facts| {
        let part = (facts.shard, facts.shards) == (shard.index(), shard.count());
        intact && part && facts.id == sweep.id()
    })
}

/// Refuses a folder with finished results of any other sweep, because they took long to compute.
pub(super) fn check_same(dir: &Path, id: &str) -> Result<(), SweepError> {
    let Ok(manifest) = Manifest::read(&dir.join("manifest.json")) else { return Ok(()) };
    let what = match &manifest.sweep {
        Some(facts) if facts.id == id => return Ok(()),
        Some(facts) if manifest.version != env!("CARGO_PKG_VERSION") => {
            format!("the finished sweep {:?}, made by igniter {}", facts.name, manifest.version)
        }
        Some(facts) => format!(
            "another finished sweep, {:?} (or its file, its scenario or a profile was changed since)",
            facts.name
        ),
        None => "results that are of no sweep".to_owned(),
    };
    Err(SweepError::Folder {
        path: dir.to_owned(),
        what: format!("holds {what}"),
        fix: format!("choose another folder with -o, or remove {}", dir.display()),
    })
}

/// Refuses to split a sweep differently from its other shards: a task of a job array that is resubmitted alone may take
/// itself for the only one.
fn check_siblings(output: &Path, shard: Shard) -> Result<(), SweepError> {
    for other in shards_in(output) {
        if other.count() != shard.count() {
            return Err(SweepError::Folder {
                path: output.to_owned(),
                what: format!("holds {}, but this would be {}", other.folder(), shard.folder()),
                fix: format!("use --shard I/{0} or --shards {0}, or another folder", other.count()),
            });
        }
    }
    Ok(())
}

/// Returns the shards that have a folder here, by name.
pub(super) fn shards_in(output: &Path) -> Vec<Shard> {
    let entries = std::fs::read_dir(output).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| Shard::of_folder(&entry.file_name().to_string_lossy()));
    let mut shards: Vec<Shard> = names.collect();
    shards.sort();
    shards
}

/// A file of rows without a header.
struct RowFile {
    path: PathBuf,
}

impl RowSource for RowFile {
    fn rows(
        &self,
        take: &mut dyn FnMut(&StringRecord) -> io::Result<()>,
    ) -> Result<(), SweepError> {
        let failed = |error: csv::Error| SweepError::file(&self.path)(error.into());
        let mut reader =
            csv::ReaderBuilder::new().has_headers(false).from_path(&self.path).map_err(failed)?;
        let mut row = StringRecord::new();
        while reader.read_record(&mut row).map_err(failed)? {
            take(&row).map_err(SweepError::file(&self.path))?;
        }
        Ok(())
    }
}
