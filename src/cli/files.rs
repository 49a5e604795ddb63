//! Writes single files and new folders, completely or not at all.

use crate::results::Staging;
use crate::traces::WriteError;
use anyhow::{Context, bail};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Returns the folder that contains a path.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The destination of content that is written to a path.
enum WriteTarget {
    /// A regular file, which is replaced as a whole, or a path where no file exists yet. Links have been followed.
    File(PathBuf),
    /// A pipe, a device or a terminal, or anything that stands for one under /dev: it is written to, never replaced.
    Stream,
}

/// Follows links and determines the kind of the destination.
fn target(path: &Path) -> std::io::Result<WriteTarget> {
    // `/dev/stdout` is a link to the file behind stdout, which another process may hold open.
    if ["/dev", "/proc"].iter().any(|folder| path.starts_with(folder)) {
        return Ok(WriteTarget::Stream);
    }
    let mut path = path.to_owned();
    for _ in 0..40 {
        match std::fs::symlink_metadata(&path) {
            Ok(data) if data.file_type().is_symlink() => {
                path = parent(&path).join(std::fs::read_link(&path)?);
                if ["/dev", "/proc"].iter().any(|folder| path.starts_with(folder)) {
                    return Ok(WriteTarget::Stream);
                }
            }
            Ok(data) if data.is_file() => return Ok(WriteTarget::File(path)),
            Ok(data) if data.is_dir() => return Err(std::io::ErrorKind::IsADirectory.into()),
            Ok(_) => return Ok(WriteTarget::Stream),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(WriteTarget::File(path));
            }
            Err(error) => return Err(error),
        }
    }
    Err(std::io::Error::other("too many links lead from one to the next"))
}

/// Checks that a path is a folder, which may hold results.
pub(super) fn is_folder(path: &Path) -> anyhow::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let what = if path.exists() { "is no folder" } else { "there is no such folder" };
    bail!("{}: {what}; give a folder that igniter wrote with -o", path.display())
}

/// Checks, before the work begins, that a file can be written to a path.
pub(super) fn check_writable(path: &Path) -> anyhow::Result<()> {
    if path.is_dir() {
        bail!("cannot write {}: it is a folder; name a file", path.display());
    }
    let check = || match target(path)? {
        WriteTarget::Stream => Ok(()),
        WriteTarget::File(file) => tempfile::NamedTempFile::new_in(parent(&file)).map(drop),
    };
    check().with_context(|| format!("cannot write {}", path.display()))
}

/// Writes a file under a temporary name and renames it.
pub(super) fn write_file(path: &Path, text: &str) -> anyhow::Result<()> {
    write_file_with(path, |out| out.write_all(text.as_bytes()))
}

/// Same as [`write_file`], with content that is written piece by piece.
pub(super) fn write_file_with(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> anyhow::Result<()> {
    write_file_of(path, |out| Ok(content(out)?))
}

/// Same as [`write_file_with`], with content that may itself fail while it is written. In that case, no file is
/// written, and the error of the content is returned.
pub(super) fn write_file_of(
    path: &Path,
    content: impl FnOnce(&mut dyn Write) -> Result<(), WriteError>,
) -> anyhow::Result<()> {
    let write = || {
        let path = match target(path)? {
            WriteTarget::File(path) => path,
            WriteTarget::Stream => {
                let stream = std::fs::OpenOptions::new().write(true).open(path)?;
                let mut out = BufWriter::new(stream);
                content(&mut out)?;
                out.flush()?;
                return Ok(());
            }
        };
        let staging = Staging::new(parent(&path), &[])?;
        let staged = staging.path().join("file");
        let file = File::create(&staged)?;
        if let Ok(before) = std::fs::metadata(&path) {
            file.set_permissions(before.permissions())?;
        }
        let mut out = BufWriter::new(file);
        content(&mut out)?;
        out.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(&staged, &path)?;
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
            std::fs::create_dir_all(file.parent().unwrap_or(&folder))?;
            std::fs::write(&file, text)?;
            File::open(&file)?.sync_all()?;
        }
        std::fs::rename(&folder, path)?;
        anyhow::Ok(())
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};

    #[test]
    fn links_are_followed_and_modes_stay() {
        let root = tempfile::tempdir().unwrap();
        let (file, link, twice) =
            (root.path().join("f"), root.path().join("l"), root.path().join("m"));
        std::fs::write(&file, "old").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        symlink("f", &link).unwrap();
        symlink(&link, &twice).unwrap();
        check_writable(&twice).unwrap();
        write_file(&twice, "new").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        assert!(std::fs::symlink_metadata(&twice).unwrap().is_symlink());
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        // One that leads nowhere yet, and one that leads to itself.
        symlink("none", root.path().join("n")).unwrap();
        write_file(&root.path().join("n"), "new").unwrap();
        assert_eq!(std::fs::read_to_string(root.path().join("none")).unwrap(), "new");
        symlink("self", root.path().join("self")).unwrap();
        assert!(check_writable(&root.path().join("self")).is_err());
    }

    #[test]
    fn pipes_and_devices_are_written_into() {
        let root = tempfile::tempdir().unwrap();
        let pipe = root.path().join("p");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        let reading = pipe.clone();
        let reader = std::thread::spawn(move || {
            let mut text = String::new();
            File::open(reading).unwrap().read_to_string(&mut text).unwrap();
            text
        });
        check_writable(&pipe).unwrap();
        write_file(&pipe, "through").unwrap();
        assert_eq!(reader.join().unwrap(), "through");
        assert!(std::fs::symlink_metadata(&pipe).unwrap().file_type().is_fifo());
        let link = root.path().join("null");
        symlink("/dev/null", &link).unwrap();
        write_file(&link, "gone").unwrap();
        assert!(std::fs::symlink_metadata(&link).unwrap().is_symlink());
        assert!(write_file(Path::new("/dev/full"), "x").is_err());
    }
}
