//! Single files and new folders, written whole or not at all.

use crate::results::Staging;
use crate::traces::WriteError;
use anyhow::{Context, bail};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// The folder that a path lies in.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Checks, before the work begins, that a file can be written there.
pub(super) fn check_writable(path: &Path) -> anyhow::Result<()> {
    if path.is_dir() {
        bail!("cannot write {}: it is a folder; name a file", path.display());
    }
    tempfile::NamedTempFile::new_in(parent(path))
        .map(drop)
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a file under a temporary name and renames it.
pub(super) fn write_file(path: &Path, text: &str) -> anyhow::Result<()> {
    write_file_with(path, |out| out.write_all(text.as_bytes()))
}

/// As [`write_file`], with content that is written piece by piece.
pub(super) fn write_file_with(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> anyhow::Result<()> {
    write_file_of(path, |out| Ok(content(out)?))
}

/// As [`write_file_with`], with content that may itself turn out wrong on the way. Then nothing is written, and the
/// error is the content's.
pub(super) fn write_file_of(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> Result<(), WriteError>,
) -> anyhow::Result<()> {
    let write = || {
        let staging = Staging::new(parent(path), &[])?;
        let staged = staging.path().join("file");
        let mut out = BufWriter::new(File::create(&staged)?);
        content(&mut out)?;
        out.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(&staged, path)?;
        Ok(())
    };
    match write() {
        Ok(()) => Ok(()),
        Err(WriteError::Import(error)) => Err(error.into()),
        Err(error) => Err(error).with_context(|| format!("cannot write {}", path.display())),
    }
}

/// Writes a new folder of files under a temporary name and renames it.
pub(super) fn write_folder(path: &Path, files: &[(String, String)]) -> anyhow::Result<()> {
    if path.exists() {
        bail!("cannot write {}: it exists; remove it or name another folder", path.display());
    }
    let write = || {
        let staging = Staging::new(parent(path), &[])?;
        let folder = staging.path().join("folder");
        std::fs::create_dir(&folder)?;
        for (name, text) in files {
            let file = folder.join(name);
            std::fs::write(&file, text)?;
            File::open(&file)?.sync_all()?;
        }
        std::fs::rename(&folder, path)?;
        anyhow::Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
