//! Writes the records of a run to disk as they arrive, so that they survive any end of the program.
//!
//! They are stored in the folder `partial` of the output folder, in the same files as those of a finished
//! run: `validate compare DIR/partial` reads them. The folder is removed once the run itself is kept.

use crate::client::Answer;
use crate::compare::{RunFolder, RunInfo};
use crate::measure::MeasuredRequest;
use crate::run::ServedRun;
use anyhow::{Context, bail};
use igniter::domain::WorkloadName;
use igniter::results::Manifest;
use igniter::run::Study;
use igniter::units::Nanoseconds;
use std::fs::{self, File, TryLockError};
use std::io::{self, BufWriter};
use std::path::{Path, PathBuf};

/// The name of the folder inside the output folder.
pub const PARTIAL: &str = "partial";
const LOCK: &str = ".lock";

/// The records of a run in progress.
#[derive(Debug)]
pub struct RunJournal {
    folder: PathBuf,
    /// The lock, held for as long as the run lasts; the system releases it however this process ends.
    _lock: File,
    rows: Option<csv::Writer<BufWriter<File>>>,
    failed: Option<io::Error>,
    kept: bool,
}

impl RunJournal {
    /// Creates the folder in the output folder and locks it for this run. The records of a run that was
    /// killed are renamed to `partial-1`, …
    ///
    /// # Errors
    /// When another run uses the folder, or it cannot be written to.
    pub fn open(output: &Path) -> anyhow::Result<Self> {
        let folder = output.join(PARTIAL);
        let failed = || format!("cannot use {}", folder.display());
        loop {
            fs::create_dir_all(&folder).with_context(failed)?;
            let path = folder.join(LOCK);
            let lock = match File::options().create(true).append(true).open(&path) {
                // Another process has just renamed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                other => other.with_context(failed)?,
            };
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => bail!(
                    "{}: another `validate run` writes to this folder; fix: choose another one with -o, or wait \
                     until it has ended",
                    output.display()
                ),
                Err(TryLockError::Error(error)) => return Err(error).with_context(failed),
            }
            if !path.exists() {
                continue;
            }
            if folder.join(RunFolder::REQUESTS).exists() {
                let old = free_name(output);
                fs::rename(&folder, &old).with_context(failed)?;
                eprintln!(
                    "validate: an earlier run into {} did not end; its records are in {}",
                    output.display(),
                    old.display()
                );
                continue;
            }
            return Ok(Self { folder, _lock: lock, rows: None, failed: None, kept: false });
        }
    }

    /// Returns the folder of the records.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes all files that a comparison needs besides the records, as far as their content is known before
    /// the run.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn describe(
        &mut self,
        study: &Study,
        served: ServedRun<'_>,
        info: &RunInfo,
        manifest: &Manifest,
    ) -> anyhow::Result<()> {
        let write = |name: &str, text: String| {
            let path = self.folder.join(name);
            fs::write(&path, text).with_context(|| {
                format!(
                    "cannot write {}; fix: free some space, or choose another disk",
                    path.display()
                )
            })
        };
        write(RunFolder::SCENARIO, study.scenario().to_toml())?;
        write(RunFolder::COEFFICIENTS, study.shared_predictors()[0].source.file.to_json())?;
        write(served.file(), served.json(study)?)?;
        write(RunFolder::INFO, serde_json::to_string_pretty(info)?)?;
        write("manifest.json", serde_json::to_string_pretty(manifest)?)?;
        let path = self.folder.join(RunFolder::REQUESTS);
        let file =
            File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        self.rows = Some(csv::Writer::from_writer(BufWriter::new(file)));
        Ok(())
    }

    /// Appends answers of one workload. A write error is reported once; the run continues without these
    /// records.
    pub fn add(&mut self, workload: &WorkloadName, answers: &[(u8, Answer)], start: Nanoseconds) {
        let Some(rows) = self.rows.as_mut().filter(|_| !answers.is_empty()) else { return };
        let mut write = || {
            for (server, answer) in answers {
                let row = MeasuredRequest::new(workload, *server, answer, start, None);
                rows.serialize(row).map_err(io::Error::other)?;
            }
            rows.flush()
        };
        if let Err(error) = write() {
            eprintln!(
                "validate: records cannot be written to {} as they come ({error}); they stay in memory until the end",
                self.folder.display()
            );
            self.rows = None;
            self.failed = Some(error);
        }
    }

    /// Returns whether everything that was added is on disk.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.failed.is_none() && self.rows.is_some()
    }

    /// Removes these records, which are no longer needed because the run itself is kept.
    pub fn done(mut self) {
        self.kept = true;
    }
}

impl Drop for RunJournal {
    fn drop(&mut self) {
        let measured = self.rows.take().is_some() || self.failed.is_some();
        if self.kept || !measured {
            // If the folder cannot be removed, the next run renames it.
            let _ = fs::remove_dir_all(&self.folder);
            if let Some(output) = self.folder.parent() {
                // Only if the folder is empty and was created for this run.
                let _ = fs::remove_dir(output);
            }
        }
    }
}

fn free_name(output: &Path) -> PathBuf {
    let name = |n: u32| output.join(format!("{PARTIAL}-{n}"));
    (1..).map(name).find(|path| !path.exists()).expect("one of 2^32 names is free")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Tag;

    fn answer(index: u32) -> (u8, Answer) {
        let at = Nanoseconds::new(1_000);
        let tag = Tag { phase: 'm', index };
        let times = (at, at, at);
        let answer = Answer {
            tag,
            intended: times.0,
            sent: times.1,
            written: at,
            first_byte: at,
            done: times.2,
            connection: 0,
            result: Ok(4),
        };
        (0, answer)
    }

    fn with_rows(journal: &mut RunJournal) {
        let file = File::create(journal.folder.join(RunFolder::REQUESTS)).unwrap();
        journal.rows = Some(csv::Writer::from_writer(BufWriter::new(file)));
    }

    #[test]
    fn a_second_run_into_the_folder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("out");
        let first = RunJournal::open(&output).unwrap();
        let error = RunJournal::open(&output).unwrap_err().to_string();
        assert!(error.contains("another `validate run`") && error.contains("fix: "), "{error}");
        drop(first);
        assert!(!output.exists(), "nothing was measured, so nothing is left");
        RunJournal::open(&output).unwrap();
    }

    #[test]
    fn records_stay_unless_the_run_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let name = WorkloadName::new("W1").unwrap();
        let requests = |place: &str| {
            let path = folder.path().join(place).join(RunFolder::REQUESTS);
            crate::measure::read_requests(&path).unwrap().len()
        };
        let mut journal = RunJournal::open(folder.path()).unwrap();
        with_rows(&mut journal);
        journal.add(&name, &[answer(0), answer(1)], Nanoseconds::ZERO);
        assert!(journal.is_whole());
        assert_eq!(requests(PARTIAL), 2, "they are on the disk before anything ends");
        drop(journal);
        assert_eq!(requests(PARTIAL), 2);
        let mut next = RunJournal::open(folder.path()).unwrap();
        assert_eq!(requests("partial-1"), 2, "a killed run's records get a name of their own");
        with_rows(&mut next);
        next.add(&name, &[answer(0)], Nanoseconds::ZERO);
        next.done();
        assert!(!folder.path().join(PARTIAL).exists());
        assert_eq!(requests("partial-1"), 2);
    }

    #[test]
    fn a_full_disk_is_said_once_and_the_run_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let mut journal = RunJournal::open(folder.path()).unwrap();
        let Ok(full) = File::options().write(true).open("/dev/full") else { return };
        journal.rows = Some(csv::Writer::from_writer(BufWriter::new(full)));
        let name = WorkloadName::new("W1").unwrap();
        journal.add(&name, &[answer(0)], Nanoseconds::ZERO);
        journal.add(&name, &[answer(1)], Nanoseconds::ZERO);
        assert!(!journal.is_whole());
    }
}
