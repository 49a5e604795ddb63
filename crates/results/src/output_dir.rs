//! A directory of results in which every file is either complete or absent.

use super::manifest::{FileHash, Manifest, hex};
use super::staging::{STAGING_PREFIX, Staging, create, no_discarding, remove_empty};
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
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory holds something that this program did not write.
    #[error(
        "{} holds files that igniter did not write ({found}); choose a new or empty directory with -o",
        .path.display()
    )]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// One such file.
        found: String,
    },
    /// The directory holds results that took long to make, which are not replaced by others.
    #[error(
        "{} holds the results of `{command}`, which would be lost; choose another directory with -o, or remove this one",
        .path.display()
    )]
    Precious {
        /// The directory.
        path: PathBuf,
        /// How they were made.
        command: String,
    },
    /// A file cannot be written completely; nothing of it is left.
    #[error("cannot write {}: {source}{}", .path.display(), hint(source))]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
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
    /// They belong to an earlier run: those that this run does not write again are removed at the end. Sweeps and
    /// measurements, which took long, are refused.
    Replace,
    /// As [`Existing::Replace`], of sweeps and measurements too: for commands that make such.
    ReplacePrecious,
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
}

impl OutputDir {
    /// Creates the directory where needed and checks that it can be written to.
    ///
    /// # Errors
    /// When it cannot be created or written to, or holds files of somebody else, or results that took long.
    pub fn open(path: &Path, existing: Existing) -> Result<Self, OutputError> {
        let failed = |source| OutputError::Directory { path: path.to_owned(), source };
        let mut created = Vec::new();
        let staging =
            create(path, &mut created).and_then(|()| refused(path, existing)).and_then(|refused| {
                match refused {
                    None => Staging::new(path, &created).map(Ok),
                    Some(refused) => Ok(Err(refused)),
                }
            });
        let refused = match staging {
            Ok(Ok(staging)) => {
                return Ok(Self {
                    path: path.to_owned(),
                    existing,
                    written: BTreeMap::new(),
                    staging,
                    pending: Vec::new(),
                });
            }
            Ok(Err(refused)) => refused,
            Err(source) => failed(source),
        };
        remove_empty(&created);
        Err(refused)
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

    /// Writes the manifest, which lists every file with its hash, gives all files their names, and
    /// removes what an earlier run left ([`Existing::Replace`]).
    ///
    /// # Errors
    /// When the manifest cannot be written, a file not be named, or an old file not be removed.
    pub fn finish(mut self, mut manifest: Manifest) -> Result<(), OutputError> {
        let before = Manifest::read(&self.path.join(MANIFEST)).ok();
        let mut outputs = self.written.clone();
        let mut stale = Vec::new();
        for old in before.into_iter().flat_map(|manifest| manifest.outputs) {
            if outputs.contains_key(&old.path) || !is_plain(&old.path) {
                continue;
            }
            match self.existing {
                Existing::Replace | Existing::ReplacePrecious => {
                    stale.push(self.path.join(&old.path))
                }
                Existing::Keep => {
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

/// Why results may not be written to a directory.
fn refused(path: &Path, existing: Existing) -> io::Result<Option<OutputError>> {
    let Ok(manifest) = Manifest::read(&path.join(MANIFEST)) else {
        let foreign = |found| OutputError::Foreign { path: path.to_owned(), found };
        return Ok(foreign_file(path)?.map(foreign));
    };
    let refused = existing == Existing::Replace && manifest.is_precious();
    Ok(refused
        .then(|| OutputError::Precious { path: path.to_owned(), command: manifest.command_name() }))
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
        let table = ["csv", "parquet", "json", "md", "html"]
            .iter()
            .any(|extension| name.strip_suffix(extension).is_some_and(|rest| rest.ends_with('.')));
        // Records of a run on real servers that did not end.
        let partial = name == "partial" || name.starts_with("partial-");
        let sweep =
            partial || name == ".sweep" || (name.starts_with("shard-") && name.contains("-of-"));
        let named = name == "figures" || (table && known_stem(name));
        sweep || staging(name) || (killed && named)
    };
    Ok(names.into_iter().find(|name| !ours(name)))
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
    ]
    .iter()
    .any(|known| stem == *known || stem.strip_prefix(known).is_some_and(|r| r.starts_with('-')))
}

#[cfg(test)]
mod tests;
