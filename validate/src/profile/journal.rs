//! The journal of the finished runs of a campaign: one JSON document per line, after a first line that identifies
//! the campaign.

use super::{ProfileRun, RunResult};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The error for a journal that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("{}:{line}: {why}; remove the line, or choose another folder", .path.display())]
    Line { path: PathBuf, line: usize, why: String },
    #[error(
        "{}: another `validate profile` writes to this folder; fix: choose another one with -o, or wait until it has \
         ended",
        .path.display()
    )]
    Busy { path: PathBuf },
    #[error("{}: {key}: measured with {old}, and now given {new}; fix: give the same as before, or choose another folder", .path.display())]
    OtherCampaign { path: PathBuf, key: &'static str, old: String, new: String },
}

/// The identity of a campaign: runs of two campaigns that differ in it do not belong in one profile. The lengths of
/// runs may differ; each entry records its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Campaign {
    /// The name of the GPU kind.
    pub kind: String,
    /// The value of `--models`.
    pub models: String,
    /// The SHA-256 of the source of the times of emulated models.
    pub times: Option<String>,
    /// Number of allocation units of the whole GPU, in which shares are counted.
    pub units: u32,
    /// The UUID of the GPU; `None` without one.
    pub gpu: Option<String>,
    /// Whether SM shares are applied.
    pub mps: bool,
    /// The method of sharing, where it is not by percentages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sharing: Option<String>,
    /// Whether tensors are passed through shared memory.
    pub shared_memory: bool,
}

impl Campaign {
    /// Returns the first field in which two campaigns differ, with both values.
    fn difference(&self, new: &Self) -> Option<(&'static str, String, String)> {
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
        let on = |on: bool| if on { "on" } else { "off" }.to_owned();
        let of = |one: &Self| {
            [
                ("--kind", one.kind.clone()),
                ("--models", one.models.clone()),
                ("times of emulated models (--emulate, --from, --predictor)", text(&one.times)),
                ("allocation units of --from", one.units.to_string()),
                ("GPU", text(&one.gpu)),
                ("--mps", one.sharing.clone().unwrap_or_else(|| on(one.mps))),
                ("--shared-memory", on(one.shared_memory)),
            ]
        };
        let both = of(self).into_iter().zip(of(new));
        let mut differing = both.filter(|((_, old), (_, new))| old != new);
        differing.next().map(|((key, old), (_, new))| (key, old, new))
    }
}

/// The first line of a journal.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct JournalHead {
    campaign: Campaign,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct JournalEntry {
    run: ProfileRun,
    result: RunResult,
    /// The requested length of the measurement, in seconds.
    seconds: f64,
}

/// The finished runs.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    entries: Vec<JournalEntry>,
    /// A file that is locked for the lifetime of this value; the system releases the lock however the process ends.
    _lock: File,
}

impl Journal {
    /// Reads the runs that the same campaign finished earlier, if any. A truncated last line is dropped, and its
    /// run is measured again.
    ///
    /// # Errors
    /// When the file cannot be read or written, a line is invalid, or another campaign wrote it.
    pub fn open(path: &Path, campaign: &Campaign) -> Result<Self, JournalError> {
        let failed = |line, why: String| JournalError::Line { path: path.to_owned(), line, why };
        let lock = OpenOptions::new().create(true).append(true).open(path);
        let lock = lock.map_err(|error| failed(1, error.to_string()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(JournalError::Busy { path: path.to_owned() });
            }
            Err(TryLockError::Error(error)) => return Err(failed(1, error.to_string())),
        }
        let mut text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(failed(1, error.to_string())),
        };
        let whole = text.rfind('\n').map_or(0, |last| last + 1);
        if whole < text.len() {
            let cut_off: Result<JournalEntry, _> = serde_json::from_str(&text[whole..]);
            match cut_off {
                // Only the line break is missing.
                Ok(_) => text.push('\n'),
                Err(_) => text.truncate(whole),
            }
            std::fs::write(path, &text).map_err(|error| failed(1, error.to_string()))?;
        }
        let mut journal = Self { path: path.to_owned(), entries: Vec::new(), _lock: lock };
        let mut lines = text.lines();
        match lines.next() {
            None => {
                let head = JournalHead { campaign: campaign.clone() };
                journal.append(&head).map_err(|error| failed(1, error.to_string()))?;
            }
            Some(line) => {
                let head: JournalHead = serde_json::from_str(line).map_err(|error| {
                    failed(1, format!("it does not say what was measured: {error}"))
                })?;
                if let Some((key, old, new)) = head.campaign.difference(campaign) {
                    let path = path.to_owned();
                    return Err(JournalError::OtherCampaign { path, key, old, new });
                }
            }
        }
        for (i, line) in lines.enumerate() {
            let entry = serde_json::from_str(line);
            journal.entries.push(entry.map_err(|error| failed(i + 2, error.to_string()))?);
        }
        Ok(journal)
    }

    /// Returns the result of a run, if it is finished.
    #[must_use]
    pub fn find(&self, run: &ProfileRun) -> Option<&RunResult> {
        self.entries.iter().find(|entry| entry.run == *run).map(|entry| &entry.result)
    }

    /// Returns the shortest and the longest length of the finished runs of models alone, in seconds; `None` where
    /// there are none.
    #[must_use]
    pub fn seconds(&self) -> Option<(f64, f64)> {
        let alone = self.entries.iter().filter(|entry| entry.run.members.len() == 1);
        alone
            .map(|entry| (entry.seconds, entry.seconds))
            .reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// Appends a finished run with a requested length of `seconds`, and flushes it to disk.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn add(&mut self, run: ProfileRun, seconds: f64, result: RunResult) -> std::io::Result<()> {
        let entry = JournalEntry { run, result, seconds };
        self.append(&entry)?;
        self.entries.push(entry);
        Ok(())
    }

    fn append(&self, document: &impl Serialize) -> std::io::Result<()> {
        let mut line = serde_json::to_string(document)?;
        line.push('\n');
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        file.write_all(line.as_bytes())?;
        file.sync_data()
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

    fn campaign() -> Campaign {
        Campaign {
            kind: "h200".to_owned(),
            models: "torchvision".to_owned(),
            times: None,
            units: 66,
            gpu: Some("GPU-1".to_owned()),
            mps: true,
            sharing: None,
            shared_memory: true,
        }
    }

    #[test]
    fn another_campaign_does_not_go_on_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal.jsonl");
        Journal::open(&path, &campaign()).unwrap();
        let before = std::fs::read_to_string(&path).unwrap();
        let others = [
            (
                Campaign { models: "emulated".to_owned(), ..campaign() },
                "--models: measured with torchvision, and now given emulated",
            ),
            (Campaign { kind: "a100".to_owned(), ..campaign() }, "--kind"),
            (Campaign { times: Some("ab12".to_owned()), ..campaign() }, "--emulate"),
            (Campaign { units: 40, ..campaign() }, "allocation units of --from: measured with 66"),
            (Campaign { gpu: None, ..campaign() }, "GPU: measured with GPU-1, and now given none"),
            (Campaign { mps: false, ..campaign() }, "--mps"),
            (Campaign { shared_memory: false, ..campaign() }, "--shared-memory"),
        ];
        for (other, words) in others {
            let error = Journal::open(&path, &other).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("another folder"), "{error}");
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
        // The power failed while the first line was written.
        std::fs::write(&path, &before[..before.len() - 9]).unwrap();
        Journal::open(&path, &campaign()).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), before);
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
            software: Vec::new(),
        };
        let mut journal = Journal::open(&path, &campaign()).unwrap();
        assert!(journal.find(&run("a")).is_none());
        journal.add(run("a"), 2.0, result.clone()).unwrap();
        journal.add(run("b"), 5.0, result.clone()).unwrap();
        // The power failed while the second line was written.
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 5]).unwrap();
        assert_eq!(journal.seconds(), Some((2.0, 5.0)));
        // While one process adds to it, no other does.
        let busy = Journal::open(&path, &campaign()).unwrap_err().to_string();
        assert!(busy.contains("another `validate profile`"), "{busy}");
        drop(journal);
        let mut journal = Journal::open(&path, &campaign()).unwrap();
        assert_eq!(journal.find(&run("a")), Some(&result));
        assert!(journal.find(&run("b")).is_none());
        journal.add(run("b"), 5.0, result).unwrap();
        drop(journal);
        assert!(Journal::open(&path, &campaign()).unwrap().find(&run("b")).is_some());
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(Journal::open(&path, &campaign()).is_ok());
        for (text, place) in
            [("{}\n".to_owned(), "journal.jsonl:1: "), (text + "{}\n", "journal.jsonl:4: ")]
        {
            std::fs::write(&path, text).unwrap();
            let error = Journal::open(&path, &campaign()).unwrap_err().to_string();
            assert!(error.contains(place), "{error}");
        }
    }
}
