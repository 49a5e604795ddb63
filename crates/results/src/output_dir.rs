//! A directory of results in which every file is either complete or absent.

use super::manifest::{FileHash, Manifest, hex};
use super::staging::{STAGING_PREFIX, Staging, create, is_staged, no_discarding, remove_empty};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::{Component, Path, PathBuf};
use tempfile::NamedTempFile;

/// The name of the manifest; the file by which a directory is known as ours.
pub(super) const MANIFEST: &str = "manifest.json";

/// Results that cannot be written.
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
    /// The directory holds results of a sweep or a validation, which are never overwritten by others.
    #[error(
        "{} holds the results of `{command}`, which would be lost; choose another directory with -o, or remove this one",
        .path.display()
    )]
    LongRun { path: PathBuf, command: String },
    /// The directory holds results of something else, which are not replaced.
    #[error(
        "{} holds the results of {what}, and not of {wanted}; they would be lost; choose another directory with -o, or \
         remove this one",
        .path.display()
    )]
    Another { path: PathBuf, what: String, wanted: String },
    /// Something in the directory is neither a file nor a folder.
    #[error(
        "{} is {what}, not a regular file; remove it, or choose another directory with -o",
        .path.display()
    )]
    Irregular { path: PathBuf, what: &'static str },
    /// A file cannot be written completely; nothing of it is left.
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

/// What to do with results that are already in the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// They belong to an earlier run: files that this run does not write again are removed at the end. Results of
    /// sweeps and measurements are refused.
    Replace,
    /// As [`Existing::Replace`], for results of sweeps and measurements too: for commands that make such results.
    ReplaceLongRuns,
    /// They belong to this run: they stay unless written again.
    Keep,
}

/// A directory that takes the results of one run.
///
/// Each file is written to a hidden staging folder in the directory and flushed to the disk; only
/// [`OutputDir::finish`] moves all of them to their places. The directory is created, and checked to be
/// writable, by [`OutputDir::open`], so that a run that cannot be kept fails before it starts. Dropped
/// before it is finished, or interrupted ([`super::discard_unfinished`]), it takes back all that it wrote
/// and every directory that it created.
#[derive(Debug)]
pub struct OutputDir {
    path: PathBuf,
    existing: Existing,
    written: BTreeMap<String, FileHash>,
    /// Where files wait until all are complete; it also takes back what was created.
    staging: Staging,
    /// Complete files of the staging folder, with the places that they are to get.
    pending: Vec<(PathBuf, PathBuf)>,
    /// An earlier process may have been killed while files got their names.
    killed: bool,
}

/// What results are of: a run replaces only those of its like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The program and the subcommand.
    command: String,
    /// The name of the scenario, where there is one.
    scenario: Option<String>,
}

impl Identity {
    /// What a run is about to make.
    #[must_use]
    pub fn new(manifest: &Manifest, scenario: Option<&str>) -> Self {
        Self { command: manifest.command_name(), scenario: scenario.map(str::to_owned) }
    }

    /// What was made.
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
    /// Creates the directory where needed and checks that it can be written to.
    ///
    /// # Errors
    /// When it cannot be created or written to, or contains files that igniter did not write, or
    /// finished results that must not be overwritten.
    pub fn open(path: &Path, existing: Existing) -> Result<Self, OutputError> {
        Self::opened(path, existing, None)
    }

    /// As [`OutputDir::open`], and refuses a directory that holds the results of something else.
    ///
    /// # Errors
    /// As those, and when the results there are of another command or scenario.
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
        // Another process that takes back an empty directory may do so between two steps here.
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

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes one file, to appear when all is finished; `name` is relative and may name a folder
    /// (`figures/plan.svg`).
    ///
    /// # Errors
    /// When it cannot be written completely; nothing of it is left then.
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

    /// A temporary file on the same disk, for content that is gathered during the run.
    pub(super) fn scratch(&self, name: &str) -> Result<NamedTempFile, OutputError> {
        NamedTempFile::new_in(self.staging.path())
            .map_err(|source| OutputError::File { path: self.path.join(name), source })
    }

    /// Where a figure goes that is kept out of the way, without taking the place of one that went before it.
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

    /// Writes the manifest, which lists every file with its hash, gives all files their names, and
    /// removes what an earlier run left ([`Existing::Replace`]).
    ///
    /// # Errors
    /// When the manifest cannot be written, a file not be named, or an old file not be removed.
    pub fn finish(mut self, mut manifest: Manifest) -> Result<(), OutputError> {
        let before = Manifest::read(&self.path.join(MANIFEST)).ok();
        self.check_places(before.as_ref())?;
        let mut outputs = self.written.clone();
        let mut stale = Vec::new();
        // Figures that are kept out of the way of those of this run, with their old places.
        let mut moved = Vec::new();
        let same_tables = before.as_ref().is_some_and(|before| self.has_tables_of(before));
        let plotted = before.as_ref().map(|before| before.plotted.clone()).unwrap_or_default();
        // Figures of an earlier run go with its tables, those that `plot` added to tables that stay the same do not.
        let draws = outputs.keys().any(|name| is_figure(name));
        for old in before.into_iter().flat_map(|manifest| manifest.outputs) {
            if outputs.contains_key(&old.path) || !is_plain(&old.path) {
                continue;
            }
            match self.existing {
                Existing::Keep => {
                    outputs.insert(old.path.clone(), old);
                }
                // What a user drew with care stays; beside figures of other numbers it would mislead.
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
        // Ctrl-C waits until all have their names.
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

    /// Whether the tables that figures are drawn from are those of an earlier run.
    fn has_tables_of(&self, before: &Manifest) -> bool {
        let same = |name: &&str| {
            let old = before.outputs.iter().find(|file| file.path == **name);
            let new = self.written.get(*name);
            old.zip(new).is_some_and(|(old, new)| old.sha256 == new.sha256)
        };
        ["comparison.json", "points.csv"].iter().any(same)
    }

    /// Makes sure, before any file gets its name, that each of them has a place which is its own.
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

/// Whether a path names a file below the directory and nothing else.
fn is_plain(name: &str) -> bool {
    Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
}

/// Where figures go that `plot` drew of earlier results.
const EARLIER: &str = "figures/earlier/";

/// Whether a file is one of the figures.
fn is_figure(name: &str) -> bool {
    name.starts_with("figures/")
}

/// What something is that is no regular file.
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

/// Refuses links, pipes and devices among the results, which files would replace or wait for.
fn check_regular(dir: &Path) -> io::Result<Option<OutputError>> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let Ok(data) = std::fs::symlink_metadata(entry.path()) else { continue };
        let path = entry.path();
        let name = entry.file_name();
        let what = match irregular(&data) {
            None => continue,
            // A folder in the place of a table.
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

/// Why results may not be written to a directory.
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

/// The first file, by name, that shows that a directory without a manifest is not ours: it holds more than what an
/// interrupted run may leave.
fn foreign_file(path: &Path) -> io::Result<Option<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(path)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    let staging = |name: &str| name.starts_with(STAGING_PREFIX);
    // A process that is killed while files get their names leaves the folder of the others.
    let killed = names.iter().any(|name| staging(name));
    let ours = |name: &str| {
        // Records of a run on real servers that did not end.
        let partial = name == "partial" || name.starts_with("partial-");
        let sweep =
            partial || name == ".sweep" || (name.starts_with("shard-") && name.contains("-of-"));
        let named = name == "figures" || is_table(name);
        sweep || staging(name) || (killed && named)
    };
    Ok(names.into_iter().find(|name| !ours(name)))
}

/// Whether a file has the name of one of our tables.
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
