//! The manifest: how results were made. It is the only file with clock time, host and command line.
#![expect(
    clippy::disallowed_types,
    reason = "the manifest is where clock time belongs; no result depends on it"
)]

use super::{ColumnType, Truth};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A file and the hash of its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileHash {
    /// Path: as given for inputs, relative to the output directory for outputs.
    pub path: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 hash of the content, in hexadecimal.
    pub sha256: String,
}

impl FileHash {
    /// Hashes a file, which may be larger than memory.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn of(path: &Path) -> io::Result<Self> {
        let mut file = BufReader::with_capacity(1 << 16, File::open(path)?);
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        loop {
            let part = file.fill_buf()?;
            if part.is_empty() {
                break;
            }
            hash.update(part);
            let read = part.len();
            bytes += read as u64;
            file.consume(read);
        }
        Ok(Self { path: path.display().to_string(), bytes, sha256: hex(&hash.finalize()) })
    }

    /// Hashes content that was already read from the file of this name.
    #[must_use]
    pub fn of_bytes(path: &Path, content: &[u8]) -> Self {
        Self {
            path: path.display().to_string(),
            bytes: content.len() as u64,
            sha256: hex(&Sha256::digest(content)),
        }
    }

    /// Whether the file in this directory still has the recorded content.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn holds_in(&self, dir: &Path) -> io::Result<bool> {
        Ok(Self::of(&dir.join(&self.path))?.sha256 == self.sha256)
    }
}

/// Formats bytes as lower-case hexadecimal text.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The machine that a run was made on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Host name, if it can be determined.
    pub name: Option<String>,
    /// Operating system.
    pub os: String,
    /// Processor architecture.
    pub arch: String,
    /// Number of threads that can run at once.
    pub threads: usize,
}

/// Description of a sweep, or of one shard: enough to merge shards and to draw figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SweepFacts {
    pub name: String,
    /// Identifier that distinguishes the sweep from all others.
    pub id: String,
    /// Index of this shard, from 0.
    pub shard: u32,
    pub shards: u32,
    /// Number of points in all shards.
    pub total_points: u64,
    /// Number of points in this shard.
    pub points: u64,
    /// Number of runs in this shard: one for each point, strategy, predictor, truth and seed.
    pub runs: u64,
    /// Number of failed runs.
    pub failed: u64,
    /// Number of rows in this shard.
    pub rows: u64,
    /// Confidence level of the intervals in `points.csv`.
    pub confidence: f64,
    /// Columns that are axes.
    pub axes: Vec<String>,
    /// All columns of the rows with their types, in order.
    pub columns: Vec<(String, ColumnType)>,
    /// Notes for readers of the tables, for example that an axis changes only some of the workloads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Record of how a directory of results was made.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Manifest {
    /// Name of the program, `igniter`.
    pub program: String,
    pub version: String,
    /// The exact command line, argument by argument.
    pub command: Vec<String>,
    /// The seed, if the run had one.
    pub seed: Option<u64>,
    /// The truth that plans were simulated with, if it is not the predictor that made them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub truth: Option<Truth>,
    /// Planning time of each strategy, in seconds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub planning_s: BTreeMap<String, f64>,
    /// Whether plans were searched with a time limit, so that they depend on the speed of the machine.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub time_limited: bool,
    /// The resolved scenario, with every default filled in.
    pub scenario: Option<String>,
    /// Description of the sweep, or of one shard of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sweep: Option<SweepFacts>,
    /// The files that were read.
    pub inputs: Vec<FileHash>,
    /// The files that were written, except the manifest itself.
    pub outputs: Vec<FileHash>,
    /// Files that `plot` added to the results of another command.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub plotted: BTreeSet<String>,
    /// The machine.
    pub host: Host,
    /// When the run started, in UTC (RFC 3339).
    pub started: String,
    /// Time until the manifest was completed, in seconds.
    pub wall_s: f64,
    #[serde(skip)]
    clock: Option<Instant>,
}

impl Manifest {
    /// Creates a manifest at the start of a run.
    #[must_use]
    pub fn start(command: Vec<String>) -> Self {
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            program: "igniter".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command,
            seed: None,
            truth: None,
            planning_s: BTreeMap::new(),
            time_limited: false,
            scenario: None,
            sweep: None,
            inputs: Vec::new(),
            outputs: Vec::new(),
            plotted: BTreeSet::new(),
            host: Host {
                name: name.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()),
                os: std::env::consts::OS.to_owned(),
                arch: std::env::consts::ARCH.to_owned(),
                threads: std::thread::available_parallelism().map_or(1, usize::from),
            },
            started: rfc3339(since_1970.as_secs()),
            wall_s: 0.0,
            clock: Some(Instant::now()),
        }
    }

    /// Records a file that was read, by its path as given and its content.
    pub fn input(&mut self, path: &Path, content: &[u8]) {
        self.inputs.push(FileHash::of_bytes(path, content));
    }

    /// Records a file that was read, by its path as given, or all files of a folder. They may be larger than memory.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn input_path(&mut self, path: &Path) -> io::Result<()> {
        if !path.is_dir() {
            self.inputs.push(FileHash::of(path)?);
            return Ok(());
        }
        let mut files = std::fs::read_dir(path)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>()?;
        files.sort();
        for file in files.iter().filter(|file| file.is_file()) {
            self.inputs.push(FileHash::of(file)?);
        }
        Ok(())
    }

    /// Stops the clock and sets `wall_s` to the time since [`Manifest::start`].
    pub fn stop(&mut self) {
        if let Some(clock) = self.clock {
            self.wall_s = clock.elapsed().as_secs_f64();
        }
    }

    /// Returns the program and subcommand that made these results, such as `igniter sweep`.
    pub(super) fn command_name(&self) -> String {
        let mut words = self.command.iter();
        let program = words.next().map(Path::new).and_then(Path::file_name).unwrap_or_default();
        let mut name = program.to_string_lossy().into_owned();
        for word in words.take_while(|word| !word.starts_with('-')).take(1) {
            name = format!("{name} {word}");
        }
        name
    }

    /// Whether these results are expensive to reproduce: those of a sweep, or of `validate`, which needs real servers.
    pub(super) fn took_long(&self) -> bool {
        self.sweep.is_some() || self.command_name().starts_with("validate ")
    }

    /// Whether files of these names were written and are still unchanged.
    #[must_use]
    pub fn intact(&self, dir: &Path, names: &[&str]) -> bool {
        names.iter().all(|name| {
            let noted = self.outputs.iter().find(|file| file.path == *name);
            noted.is_some_and(|file| file.holds_in(dir).unwrap_or(false))
        })
    }

    /// Returns the first written file that still exists but has changed: edited, truncated, or from another run.
    #[must_use]
    pub fn changed(&self, dir: &Path) -> Option<&str> {
        let is_changed = |file: &&FileHash| {
            dir.join(&file.path).is_file() && !file.holds_in(dir).unwrap_or(false)
        };
        self.outputs.iter().find(is_changed).map(|file| file.path.as_str())
    }

    /// Reads the manifest of an earlier run.
    ///
    /// # Errors
    /// When the file cannot be read, or is not a manifest.
    pub fn read(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_slice(&std::fs::read(path)?)?)
    }
}

/// A stopwatch for elapsed time, which only the terminal and the manifest may show.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts the stopwatch.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Returns the seconds since the start.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// Formats seconds since 1970 as `2026-11-22T20:17:09Z`, by the civil-from-days algorithm of H. Hinnant.
fn rfc3339(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_by_hand() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        // 2000-02-29 is day 11 016: 30 years × 365 + 7 leap days + 59
        assert_eq!(rfc3339(11_016 * 86_400 + 3_661), "2000-02-29T01:01:01Z");
        assert_eq!(rfc3339(1_000_000_000), "2001-09-09T01:46:40Z");
        assert_eq!(rfc3339(4_102_444_799), "2099-12-31T23:59:59Z");
    }

    #[test]
    fn a_manifest_reads_back() {
        let mut manifest = Manifest::start(vec!["igniter".into(), "-o".into(), "a b".into()]);
        manifest.input(Path::new("x.toml"), b"abc");
        let file = tempfile::NamedTempFile::new().unwrap();
        let large = vec![b'x'; 200_000];
        std::fs::write(file.path(), &large).unwrap();
        manifest.input_path(file.path()).unwrap();
        manifest.input(file.path(), &large);
        assert_eq!(manifest.inputs[1], manifest.inputs[2]);
        manifest.stop();
        let text = serde_json::to_string(&manifest).unwrap();
        let back: Manifest = serde_json::from_str(&text).unwrap();
        assert_eq!(back.command, ["igniter", "-o", "a b"]);
        assert_eq!(back.inputs, manifest.inputs);
        assert!(manifest.inputs[0].sha256.starts_with("ba7816bf"));
        assert!(manifest.wall_s >= 0.0 && manifest.started.ends_with('Z'));
    }
}
