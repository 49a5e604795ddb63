//! A directory of results where every file is either complete or absent.

use super::manifest::{FileHash, Manifest, hex};
use super::staging::{STAGING_PREFIX, Staging, create, is_staged, no_discarding, remove_empty};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::{Component, Path, PathBuf};
use tempfile::NamedTempFile;

/// File name of the manifest, which identifies a directory as one written by this program.
pub(super) const MANIFEST: &str = "manifest.json";

/// An error in writing results.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// The directory cannot be created or written to.
    #[error("cannot use {} as the output directory: {source}", .path.display())]
    Directory { path: PathBuf, source: io::Error },
    /// The directory holds something that this program did not write.
    #[error(
        "{} holds files that igniter did not write ({found}); choose a new or empty directory with -o",
        .path.display()
    )]
    Foreign { path: PathBuf, found: String },
    /// The directory holds results of a sweep or a validation, which other commands never overwrite.
    #[error(
        "{} holds the results of `{command}`, which would be lost; choose another directory with -o, or remove this one",
        .path.display()
    )]
    LongRun { path: PathBuf, command: String },
    /// The directory holds results of another command or scenario, which are not replaced.
    #[error(
        "{} holds the results of {what}, and not of {wanted}; they would be lost; choose another directory with -o, or \
         remove this one",
        .path.display()
    )]
    Another { path: PathBuf, what: String, wanted: String },
    /// An entry of the directory is neither a file nor a folder.
    #[error(
        "{} is {what}, not a regular file; remove it, or choose another directory with -o",
        .path.display()
    )]
    Irregular { path: PathBuf, what: &'static str },
    /// A file cannot be written completely; no part of it is kept.
    #[error("cannot write {}: {source}{}", .path.display(), hint(source))]
    File { path: PathBuf, source: io::Error },
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free some space or choose another disk with -o"
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            "; choose a directory that you may write to with -o"
        }
        _ => "",
    }
}

/// Treatment of results that already exist in the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// The results belong to an earlier run. Files that this run does not write again are removed at the end. Results
    /// of sweeps and measurements are refused.
    Replace,
    /// Like [`Existing::Replace`], but also replaces results of sweeps and measurements; for commands that make such
    /// results.
    ReplaceLongRuns,
    /// The results belong to this run and are kept unless written again.
    Keep,
}

/// An output directory for the results of one run.
///
/// Each file is written to a hidden staging folder in the directory and flushed to disk; only [`OutputDir::finish`]
/// moves all files to their final paths. [`OutputDir::open`] creates the directory and checks that it is writable, so
/// that a run whose results cannot be kept fails before it starts. If the value is dropped before it is finished, or
/// the process is interrupted ([`super::discard_unfinished`]), everything that it wrote and every directory that it
/// created is removed.
#[derive(Debug)]
pub struct OutputDir {
    path: PathBuf,
    existing: Existing,
    written: BTreeMap<String, FileHash>,
    /// Holds files until all are complete; also removes what was created.
    staging: Staging,
    /// Complete files in the staging folder, with their final paths.
    pending: Vec<(PathBuf, PathBuf)>,
    /// Whether an earlier process may have been killed while it moved files to their final paths.
    killed: bool,
}

/// Identity of results: the command and the scenario. A run only replaces results with the same identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Program and subcommand.
    command: String,
    /// Name of the scenario, if there is one.
    scenario: Option<String>,
}

impl Identity {
    /// Returns the identity of the results that a run is about to write.
    #[must_use]
    pub fn new(manifest: &Manifest, scenario: Option<&str>) -> Self {
        Self { command: manifest.command_name(), scenario: scenario.map(str::to_owned) }
    }

    /// Returns the identity of existing results.
    fn of(manifest: &Manifest) -> Self {
        let text = manifest.scenario.as_deref().and_then(|text| text.parse::<toml::Table>().ok());
        let name = text.and_then(|table| Some(table.get("name")?.as_str()?.to_owned()));
        Self { command: manifest.command_name(), scenario: name }
    }

    fn words(&self) -> String {
        match &self.scenario {
            Some(name) => format!("`{}` of the scenario {name:?}", self.command),
            None => format!("`{}`", self.command),
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        let scenarios = self.scenario.as_ref().zip(other.scenario.as_ref());
        self.command == other.command && scenarios.is_none_or(|(one, other)| one == other)
    }
}

impl OutputDir {
    /// Creates the directory if needed and checks that it can be written to.
    ///
    /// # Errors
    /// When it cannot be created or written to, or contains files that igniter did not write, or
    /// finished results that must not be overwritten.
    pub fn open(path: &Path, existing: Existing) -> Result<Self, OutputError> {
        Self::opened(path, existing, None)
    }

    /// Like [`OutputDir::open`], but refuses a directory with the results of another command or scenario.
    ///
    /// # Errors
    /// As for [`OutputDir::open`], and when the existing results are of another command or scenario.
    pub fn open_for(
        path: &Path,
        existing: Existing,
        identity: &Identity,
    ) -> Result<Self, OutputError> {
        Self::opened(path, existing, Some(identity))
    }

    fn opened(
        path: &Path,
        existing: Existing,
        identity: Option<&Identity>,
    ) -> Result<Self, OutputError> {
        let failed = |source: io::Error| {
            let source = match source.kind() {
                io::ErrorKind::AlreadyExists => io::Error::new(
                    source.kind(),
                    "it is no directory; results are several files: choose another name with -o",
                ),
                _ => source,
            };
            OutputError::Directory { path: path.to_owned(), source }
        };
        // Another process may remove its empty directory between two steps here.
        let mut attempts = 0;
        loop {
            let mut created = Vec::new();
            let killed = is_staged(path);
            let staging = create(path, &mut created)
                .and_then(|()| refused(path, existing, identity))
                .and_then(|refused| match refused {
                    None => Staging::new(path, &created).map(Ok),
                    Some(refused) => Ok(Err(refused)),
                });
            attempts += 1;
            let refused = match staging {
                Ok(Ok(staging)) => {
                    return Ok(Self {
                        path: path.to_owned(),
                        existing,
                        written: BTreeMap::new(),
                        staging,
                        pending: Vec::new(),
                        killed,
                    });
                }
                Err(source) if source.kind() == io::ErrorKind::NotFound && attempts < 20 => {
                    continue;
                }
                Ok(Err(refused)) => refused,
                Err(source) => failed(source),
            };
            remove_empty(&created);
            return Err(refused);
        }
    }

    /// Returns the path of the directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes one file, which appears when the output is finished. `name` is relative and may include a folder
    /// (`figures/plan.svg`).
    ///
    /// # Errors
    /// When it cannot be written completely; no part of it is kept.
    pub fn write(
        &mut self,
        name: &str,
        content: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
    ) -> Result<(), OutputError> {
        let path = self.path.join(name);
        let hash = self
            .write_file(&path, content)
            .map_err(|source| OutputError::File { path: path.clone(), source })?;
        let (sha256, bytes) = hash;
        self.written.insert(name.to_owned(), FileHash { path: name.to_owned(), bytes, sha256 });
        Ok(())
    }

    /// Creates a temporary file on the same disk, for data that is collected during the run.
    pub(super) fn scratch(&self, name: &str) -> Result<NamedTempFile, OutputError> {
        NamedTempFile::new_in(self.staging.path())
            .map_err(|source| OutputError::File { path: self.path.join(name), source })
    }

    /// Returns an unused path for a figure that is moved out of the way of this run's figures.
    fn free_place(&self, path: &str, outputs: &BTreeMap<String, FileHash>) -> String {
        let below = path.strip_prefix("figures/").unwrap_or(path);
        let (stem, end) = below.rsplit_once('.').unwrap_or((below, ""));
        let place = |number: usize| match number {
            1 => format!("{EARLIER}{below}"),
            _ => format!("{EARLIER}{stem}-{number}.{end}"),
        };
        let is_free =
            |place: &String| !outputs.contains_key(place) && !self.path.join(place).exists();
        (1..).map(place).find(is_free).expect("a number that no file has")
    }

    /// Writes the manifest, which lists every file with its hash, moves all files to their final paths, and removes
    /// leftovers of an earlier run ([`Existing::Replace`]).
    ///
    /// # Errors
    /// When the manifest cannot be written, a file cannot be moved, or an old file cannot be removed.
    pub fn finish(mut self, mut manifest: Manifest) -> Result<(), OutputError> {
        let before = Manifest::read(&self.path.join(MANIFEST)).ok();
        self.check_places(before.as_ref())?;
        let mut outputs = self.written.clone();
        let mut stale = Vec::new();
        // Old and new paths of figures that are moved out of the way of this run's figures.
        let mut moved = Vec::new();
        let same_tables = before.as_ref().is_some_and(|before| self.has_tables_of(before));
        let plotted = before.as_ref().map(|before| before.plotted.clone()).unwrap_or_default();
        // Figures of an earlier run are removed together with its tables; figures that `plot` added are kept if the
        // tables stay the same.
        let draws = outputs.keys().any(|name| is_figure(name));
        for old in before.into_iter().flat_map(|manifest| manifest.outputs) {
            if outputs.contains_key(&old.path) || !is_plain(&old.path) {
                continue;
            }
            match self.existing {
                Existing::Keep => {
                    outputs.insert(old.path.clone(), old);
                }
                // Figures that a user drew with `plot` are kept, but moved away from figures of other data, where they
                // would mislead.
                _ if plotted.contains(&old.path) => {
                    let mut kept = old.clone();
                    if !same_tables && !old.path.starts_with(EARLIER) {
                        kept.path = self.free_place(&old.path, &outputs);
                        moved.push((self.path.join(&old.path), self.path.join(&kept.path)));
                    }
                    manifest.plotted.insert(kept.path.clone());
                    outputs.insert(kept.path.clone(), kept);
                }
                _ if draws || !is_figure(&old.path) => {
                    stale.push(self.path.join(&old.path));
                }
                _ => {
                    outputs.insert(old.path.clone(), old);
                }
            }
        }
        manifest.outputs = outputs.into_values().collect();
        self.write(MANIFEST, |file| {
            serde_json::to_writer_pretty(&mut *file, &manifest)?;
            file.write_all(b"\n")
        })?;
        // Ctrl-C is deferred until all files are moved.
        let not_now = no_discarding();
        for (file, path) in &self.pending {
            let folder = path.parent().unwrap_or(&self.path);
            std::fs::create_dir_all(folder)
                .and_then(|()| std::fs::rename(file, path))
                .map_err(|source| OutputError::File { path: path.clone(), source })?;
        }
        for (from, to) in moved {
            let folder = to.parent().unwrap_or(&self.path);
            let done = std::fs::create_dir_all(folder).and_then(|()| std::fs::rename(&from, &to));
            match done {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(OutputError::File { path: to, source });
                }
                _ => {}
            }
        }
        drop(not_now);
        for path in stale {
            match std::fs::remove_file(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(OutputError::File { path, source });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether the tables that figures are drawn from are unchanged since an earlier run.
    fn has_tables_of(&self, before: &Manifest) -> bool {
        let same = |name: &&str| {
            let old = before.outputs.iter().find(|file| file.path == **name);
            let new = self.written.get(*name);
            old.zip(new).is_some_and(|(old, new)| old.sha256 == new.sha256)
        };
        ["comparison.json", "points.csv"].iter().any(same)
    }

    /// Checks, before any file is moved, that no final path is taken by a foreign file or an irregular entry.
    fn check_places(&self, before: Option<&Manifest>) -> Result<(), OutputError> {
        let ours = |name: &str| {
            before.is_none_or(|before| before.outputs.iter().any(|file| file.path == name))
        };
        for name in self.written.keys() {
            let path = self.path.join(name);
            let Ok(data) = std::fs::symlink_metadata(&path) else { continue };
            if let Some(what) = irregular(&data) {
                return Err(OutputError::Irregular { path, what });
            }
            if !self.killed && !ours(name) {
                let (path, found) = (self.path.clone(), name.clone());
                return Err(OutputError::Foreign { path, found });
            }
        }
        Ok(())
    }

    fn write_file(
        &mut self,
        path: &Path,
        content: impl FnOnce(&mut (dyn Write + Send)) -> io::Result<()>,
    ) -> io::Result<(String, u64)> {
        let staged = self.staging.path().join(self.pending.len().to_string());
        let mut file = BufWriter::with_capacity(1 << 16, std::fs::File::create(&staged)?);
        let mut hashing = Hashing { file: &mut file, hasher: Sha256::new(), bytes: 0 };
        content(&mut hashing)?;
        let (digest, bytes) = (hashing.hasher.finalize(), hashing.bytes);
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        self.pending.push((staged, path.to_owned()));
        Ok((hex(&digest), bytes))
    }
}

struct Hashing<'a, W> {
    file: &'a mut W,
    hasher: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Hashing<'_, W> {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        let n = self.file.write(data)?;
        self.hasher.update(&data[..n]);
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// Whether a path names a file below the directory, without any other path components.
fn is_plain(name: &str) -> bool {
    Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
}

/// Folder for figures that `plot` drew from earlier results.
const EARLIER: &str = "figures/earlier/";

/// Whether a file is a figure.
fn is_figure(name: &str) -> bool {
    name.starts_with("figures/")
}

/// Describes an entry that is not a regular file.
fn irregular(data: &std::fs::Metadata) -> Option<&'static str> {
    let kind = data.file_type();
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a folder")
    } else if kind.is_symlink() {
        Some("a symbolic link")
    } else {
        Some("a pipe or a device")
    }
}

/// Refuses links, pipes and devices among the results: files would replace links, and writing to the others could
/// block.
fn check_regular(dir: &Path) -> io::Result<Option<OutputError>> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let Ok(data) = std::fs::symlink_metadata(entry.path()) else { continue };
        let path = entry.path();
        let name = entry.file_name();
        let what = match irregular(&data) {
            None => continue,
            // Folders are refused only under the name of a table.
            Some("a folder") if !is_table(&name.to_string_lossy()) => {
                let refused = if name == "figures" { check_regular(&path)? } else { None };
                if refused.is_some() {
                    return Ok(refused);
                }
                continue;
            }
            Some(what) => what,
        };
        return Ok(Some(OutputError::Irregular { path, what }));
    }
    Ok(None)
}

/// Returns the reason why results may not be written to a directory, if there is one.
fn refused(
    path: &Path,
    existing: Existing,
    identity: Option<&Identity>,
) -> io::Result<Option<OutputError>> {
    let Ok(manifest) = Manifest::read(&path.join(MANIFEST)) else {
        let foreign = |found| OutputError::Foreign { path: path.to_owned(), found };
        return match foreign_file(path)?.map(foreign) {
            None => check_regular(path),
            foreign => Ok(foreign),
        };
    };
    let path_of = || path.to_owned();
    if existing == Existing::Replace && manifest.took_long() {
        let command = manifest.command_name();
        return Ok(Some(OutputError::LongRun { path: path_of(), command }));
    }
    let there = Identity::of(&manifest);
    if let Some(wanted) = identity.filter(|wanted| !wanted.is_like(&there)) {
        let (what, wanted) = (there.words(), wanted.words());
        return Ok(Some(OutputError::Another { path: path_of(), what, wanted }));
    }
    check_regular(path)
}

/// Returns the first file, by name, that an interrupted run cannot have left; it shows that a directory without a
/// manifest was not written by this program.
fn foreign_file(path: &Path) -> io::Result<Option<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let staging = |name: &str| name.starts_with(STAGING_PREFIX);
    // A process that is killed while it moves files leaves the staging folder with the remaining ones.
    let killed = names.iter().any(|name| staging(name));
    let ours = |name: &str| {
        // Records of an unfinished run on real servers.
        let partial = name == "partial" || name.starts_with("partial-");
        let sweep =
            partial || name == ".sweep" || (name.starts_with("shard-") && name.contains("-of-"));
        let named = name == "figures" || is_table(name);
        sweep || staging(name) || (killed && named)
    };
    Ok(names.into_iter().find(|name| !ours(name)))
}

/// Whether a file has the name of a table of this program.
fn is_table(name: &str) -> bool {
    let known = ["csv", "parquet", "json", "md", "html"];
    let extension = name.rsplit_once('.').map(|(_, extension)| extension);
    extension.is_some_and(|extension| known.contains(&extension)) && known_stem(name)
}

fn known_stem(name: &str) -> bool {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    [
        "summary",
        "gpus",
        "cdf",
        "gpu_series",
        "latency_series",
        "batches",
        "plan",
        "report",
        "requests",
        "accuracy",
        "study",
        "experiments",
        "rows",
        "points",
        "capacity",
        "frontier",
        "seeds",
    ]
    .iter()
    .any(|known| stem == *known || stem.strip_prefix(known).is_some_and(|r| r.starts_with('-')))
}

#[cfg(test)]
mod tests;
