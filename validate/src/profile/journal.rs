//! The finished runs of a campaign, one JSON document on each line.

use super::{ProfileRun, RunResult};
use serde::{Deserialize, Serialize};
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A journal that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}:{line}: {why}; remove the line, or choose another folder", .path.display())]
pub struct JournalError {
    path: PathBuf,
    line: usize,
    why: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    run: ProfileRun,
    result: RunResult,
}

/// The finished runs.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    entries: Vec<Entry>,
}

impl Journal {
    /// Reads what an earlier campaign finished; nothing where there was none. A last line that was cut off is
    /// left out: its run is measured again.
    ///
    /// # Errors
    /// When the file cannot be read, or another line is not what it should be.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let failed = |line, why: String| JournalError { path: path.to_owned(), line, why };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed(1, error.to_string())),
        };
        let mut entries = Vec::new();
        for (i, line) in text.split_inclusive('\n').enumerate() {
            match serde_json::from_str(line) {
                Ok(entry) => entries.push(entry),
                Err(_) if !line.ends_with('\n') => {
                    let whole = &text[..text.len() - line.len()];
                    std::fs::write(path, whole).map_err(|e| failed(i + 1, e.to_string()))?;
                }
                Err(error) => return Err(failed(i + 1, error.to_string())),
            }
        }
        Ok(Self { path: path.to_owned(), entries })
    }

    /// The result of a run, where it is finished.
    #[must_use]
    pub fn find(&self, run: &ProfileRun) -> Option<&RunResult> {
        self.entries.iter().find(|entry| entry.run == *run).map(|entry| &entry.result)
    }

    /// Adds a finished run, also on the disk.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&mut self, run: ProfileRun, result: RunResult) -> std::io::Result<()> {
        let entry = Entry { run, result };
        let mut line = serde_json::to_string(&entry)?;
        line.push('\n');
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        file.write_all(line.as_bytes())?;
        file.sync_data()?;
        self.entries.push(entry);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MemberResult, RunMember};
    use super::*;
    use igniter::domain::ModelName;
    use igniter::units::{BatchSize, SmUnits};

    fn run(model: &str) -> ProfileRun {
        let model = ModelName::new(model).unwrap();
        let batch = BatchSize::new(4).unwrap();
        ProfileRun::new(vec![RunMember { model, batch, units: SmUnits::new(10) }])
    }

    #[test]
    fn a_campaign_goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        let result = RunResult {
            members: vec![MemberResult {
                input_ms: 0.5,
                infer_ms: 7.0,
                output_ms: 0.25,
                batches: 9,
                busy_pct: None,
                std_ms: None,
                noise_cv: None,
            }],
            power_w: None,
            clock_mhz: Some(1530.0),
            throttle: None,
            idle_w: None,
        };
        let mut journal = Journal::open(&path).unwrap();
        assert!(journal.find(&run("a")).is_none());
        journal.add(run("a"), result.clone()).unwrap();
        journal.add(run("b"), result.clone()).unwrap();
        // The power failed while the second line was written.
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 5]).unwrap();
        let mut journal = Journal::open(&path).unwrap();
        assert_eq!(journal.find(&run("a")), Some(&result));
        assert!(journal.find(&run("b")).is_none());
        journal.add(run("b"), result).unwrap();
        assert!(Journal::open(&path).unwrap().find(&run("b")).is_some());
        std::fs::write(&path, "{}\n").unwrap();
        assert!(Journal::open(&path).unwrap_err().to_string().contains("journal.jsonl:1: "));
    }
}
