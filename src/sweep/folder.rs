//! The unfinished work of a sweep: the rows kept so far, and where to continue.
//!
//! `DIR/.sweep/` holds the rows of complete points in order (`rows.csv`, without a header) and `progress`, with one
//! line for each time that rows were added: the number of points, the length and a checksum of all rows. Rows are
//! written before their line. A process that is killed therefore leaves at most rows without a line, and a machine that
//! loses power at most lines with a wrong checksum; both are cut off.

use super::{Shard, Sweep, SweepError};
use crc32fast::Hasher;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

/// The name of the folder of unfinished work in a folder of results.
pub(super) const WORK: &str = ".sweep";

/// The identity of the sweep that owns the work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Owner {
    sweep: String,
    version: String,
    shard: u32,
    shards: u32,
}

/// The progress of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct SweepCompletion {
    /// Complete points of this shard.
    pub(super) points: u64,
    pub(super) runs: u64,
    pub(super) failed: u64,
    /// Number of bytes of rows.
    bytes: u64,
}

/// Unfinished work that is being continued.
#[derive(Debug)]
pub(super) struct UnfinishedSweep {
    path: PathBuf,
    rows: File,
    progress: File,
    hash: Hasher,
    done: SweepCompletion,
    /// A file that is locked while this process works here; the lock ends with the process.
    _lock: File,
}

impl UnfinishedSweep {
    /// Starts the work, or continues where an earlier process stopped. Without `resume`, unfinished work is refused.
    pub(super) fn open(
        dir: &Path,
        sweep: &Sweep,
        shard: Shard,
        resume: bool,
    ) -> Result<Self, SweepError> {
        let path = dir.join(WORK);
        let owner = Owner {
            sweep: sweep.id().to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            shard: shard.index(),
            shards: shard.count(),
        };
        let lock = lock(dir, &path)?;
        let file = path.join("sweep.json");
        match std::fs::read(&file) {
            Ok(text) => check_owner(dir, &text, &owner, resume)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let text = serde_json::to_string(&owner).expect("plain values are JSON");
                // Renamed into place, so that the file is either whole or absent.
                let new = path.join("sweep.json.new");
                std::fs::write(&new, text)
                    .and_then(|()| std::fs::rename(&new, &file))
                    .map_err(SweepError::file(&file))?;
            }
            Err(error) => return Err(SweepError::file(&file)(error)),
        }
        let rows_path = path.join("rows.csv");
        let progress_path = path.join("progress");
        let rows = open_file(&rows_path)?;
        let progress = open_file(&progress_path)?;
        let (done, lines, hash) =
            good_part(&rows, &progress).map_err(SweepError::file(&progress_path))?;
        for (file, length, path) in
            [(&rows, done.bytes, &rows_path), (&progress, lines, &progress_path)]
        {
            cut(file, length).map_err(SweepError::file(path))?;
        }
        Ok(Self { path, rows, progress, hash, done, _lock: lock })
    }

    pub(super) fn done(&self) -> SweepCompletion {
        self.done
    }

    pub(super) fn rows_path(&self) -> PathBuf {
        self.path.join("rows.csv")
    }

    /// Appends the rows of one point.
    pub(super) fn add(&mut self, csv: &[u8], runs: u64, failed: u64) -> Result<(), SweepError> {
        self.rows.write_all(csv).map_err(SweepError::file(&self.rows_path()))?;
        self.hash.update(csv);
        self.done.points += 1;
        self.done.runs += runs;
        self.done.failed += failed;
        self.done.bytes += csv.len() as u64;
        let SweepCompletion { points, runs, failed, bytes } = self.done;
        let line =
            format!("{points} {runs} {failed} {bytes} {:08x}\n", self.hash.clone().finalize());
        self.progress
            .write_all(line.as_bytes())
            .map_err(SweepError::file(&self.path.join("progress")))
    }

    /// Removes the folder once its rows are in the results.
    pub(super) fn remove(self) -> Result<(), SweepError> {
        std::fs::remove_dir_all(&self.path).map_err(SweepError::file(&self.path))
    }
}

/// Removes the leftovers of a process that was killed after it wrote the results; refused while another process works
/// there.
pub(super) fn discard(dir: &Path) -> Result<(), SweepError> {
    let work = dir.join(WORK);
    if !work.is_dir() {
        return Ok(());
    }
    let _lock = lock(dir, &work)?;
    std::fs::remove_dir_all(&work).map_err(SweepError::file(&work))
}

/// Creates the folder of unfinished work where needed and locks it; fails where another process holds the lock.
fn lock(dir: &Path, work: &Path) -> Result<File, SweepError> {
    let path = work.join("lock");
    let mut attempts = 0;
    loop {
        let file = std::fs::create_dir_all(work)
            .and_then(|()| OpenOptions::new().read(true).append(true).create(true).open(&path));
        let file = match file {
            Ok(file) => file,
            // Another process has just finished and is removing the folder.
            Err(error) if error.kind() == io::ErrorKind::NotFound && attempts < 100 => {
                attempts += 1;
                continue;
            }
            Err(error) => return Err(SweepError::file(&path)(error)),
        };
        match file.try_lock() {
            // A lock on a deleted file excludes nobody.
            Ok(()) if attempts < 100 && !is_at(&file, &path) => attempts += 1,
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {
                return Err(SweepError::Folder {
                    path: dir.to_owned(),
                    what: "another process is doing this sweep, or this shard of it, here"
                        .to_owned(),
                    fix: "wait for it, or choose another folder with -o".to_owned(),
                });
            }
            // Some network file systems have no locks.
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                return Ok(file);
            }
            Err(TryLockError::Error(error)) => return Err(SweepError::file(&path)(error)),
        }
    }
}

/// Returns whether an open file is the one at a path.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let own = file.metadata().map(|data| (data.dev(), data.ino()));
    let there = std::fs::metadata(path).map(|data| (data.dev(), data.ino()));
    matches!((own, there), (Ok(own), Ok(there)) if own == there)
}

/// Returns whether an open file is the one at a path.
#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> bool {
    path.exists()
}

fn check_owner(dir: &Path, text: &[u8], owner: &Owner, resume: bool) -> Result<(), SweepError> {
    let refuse = |what: &str, fix: &str| {
        Err(SweepError::Folder {
            path: dir.to_owned(),
            what: what.to_owned(),
            fix: format!("{fix}, or remove {} to start again", dir.join(WORK).display()),
        })
    };
    let known: Option<Owner> = serde_json::from_slice(text).ok();
    match known {
        Some(known) if known == *owner && resume => Ok(()),
        Some(known) if known == *owner => {
            refuse("holds an unfinished run of this sweep", "continue it with --resume")
        }
        Some(known) if known.version != owner.version => refuse(
            &format!("holds an unfinished sweep of igniter {}", known.version),
            "continue it with that version",
        ),
        Some(known) if known.sweep == owner.sweep => refuse(
            &format!("holds unfinished shard {}/{}", known.shard, known.shards),
            "continue that one",
        ),
        _ => refuse(
            "holds an unfinished run of another sweep (or its file, its scenario or a profile was changed since)",
            "choose another folder with -o",
        ),
    }
}

fn open_file(path: &Path) -> Result<File, SweepError> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .open(path)
        .map_err(SweepError::file(path))
}

/// Returns the longest prefix of the progress that the rows confirm, its length in bytes, and the state of its
/// checksum.
fn good_part(rows: &File, progress: &File) -> io::Result<(SweepCompletion, u64, Hasher)> {
    let mut rows = BufReader::with_capacity(1 << 16, rows);
    let (mut done, mut lines, mut hash) = (SweepCompletion::default(), 0, Hasher::new());
    let mut reader = BufReader::new(progress);
    let mut line = String::new();
    loop {
        line.clear();
        // Anything that is not text is not progress either.
        let read = reader.read_line(&mut line).unwrap_or(0);
        let Some((next, sum)) = line.strip_suffix('\n').and_then(parse) else { break };
        let Some(more) = next.bytes.checked_sub(done.bytes) else { break };
        if next.points != done.points + 1 {
            break;
        }
        let mut longer = hash.clone();
        if update(&mut rows, more, &mut longer)? < more || longer.clone().finalize() != sum {
            break;
        }
        (done, lines, hash) = (next, lines + read as u64, longer);
    }
    Ok((done, lines, hash))
}

fn parse(line: &str) -> Option<(SweepCompletion, u32)> {
    let mut words = line.split(' ');
    let mut number = || words.next()?.parse::<u64>().ok();
    let done =
        SweepCompletion { points: number()?, runs: number()?, failed: number()?, bytes: number()? };
    let sum = u32::from_str_radix(words.next()?, 16).ok()?;
    words.next().is_none().then_some((done, sum))
}

/// Adds up to `count` bytes to a checksum; returns how many there were.
fn update(rows: &mut impl Read, count: u64, hash: &mut Hasher) -> io::Result<u64> {
    let mut left = rows.take(count);
    let mut buffer = [0; 1 << 14];
    let mut all = 0;
    loop {
        let n = left.read(&mut buffer)?;
        if n == 0 {
            return Ok(all);
        }
        hash.update(&buffer[..n]);
        all += n as u64;
    }
}

fn cut(file: &File, length: u64) -> io::Result<()> {
    if file.metadata()?.len() > length { file.set_len(length) } else { Ok(()) }
}
