//! Keeps the logs of servers and daemons, which are in a temporary folder.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Logs that were kept, with the original and the new path of each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeptLogs(Vec<(PathBuf, PathBuf)>);

impl KeptLogs {
    /// Replaces the original paths of logs in a text by their new ones.
    #[must_use]
    pub fn in_text(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (from, to)| {
            text.replace(&from.display().to_string(), &to.display().to_string())
        })
    }

    /// Returns whether there were no logs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The name prefix of the folders of servers that are started one by one.
pub const STARTED_ALONE: &str = "server-";

/// Copies the logs in a launcher's folder to `target`: those of each server, and of the MPS daemon of each
/// GPU.
///
/// # Errors
/// When a log cannot be copied.
pub fn keep_logs(scratch: &Path, target: &Path) -> io::Result<KeptLogs> {
    let mut logs: Vec<(PathBuf, String)> = Vec::new();
    // Servers that start and stop during a run are started one by one, each in its own folder.
    let own = folders(scratch).into_iter().filter(|(name, _)| name.starts_with(STARTED_ALONE));
    let prefixed = own.map(|(name, folder)| (format!("{name}-"), folder));
    for (prefix, root) in prefixed.chain([(String::new(), scratch.to_owned())]) {
        for (name, folder) in folders(&root.join("servers")) {
            logs.push((folder.join("server.log"), format!("{prefix}{name}.log")));
        }
    }
    let gpus = folders(scratch).into_iter().filter(|(name, _)| name.starts_with("gpu"));
    let daemons = gpus.map(|(name, folder)| (format!("{name}-"), folder));
    for (prefix, folder) in daemons.chain([(String::new(), scratch.to_owned())]) {
        for entry in fs::read_dir(folder.join("mps")).into_iter().flatten().flatten() {
            let name = format!("{prefix}mps-{}", entry.file_name().to_string_lossy());
            logs.push((entry.path(), name));
        }
    }
    logs.retain(|(from, _)| from.is_file());
    let mut kept = KeptLogs::default();
    for (from, name) in logs {
        fs::create_dir_all(target)?;
        let to = target.join(name);
        fs::copy(&from, &to)?;
        kept.0.push((from, to));
    }
    Ok(kept)
}

fn folders(parent: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.path().is_dir());
    folders.map(|e| (e.file_name().to_string_lossy().into_owned(), e.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_of_servers_and_daemons_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (scratch, target) = (folder.path().join("scratch"), folder.path().join("logs"));
        let write = |name: &str| {
            let path = scratch.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, name).unwrap();
        };
        fs::create_dir(&scratch).unwrap();
        assert!(keep_logs(&scratch, &target).unwrap().is_empty());
        assert!(!target.exists());
        for name in
            ["servers/0-W1/server.log", "gpu0/mps/daemon.log", "mps/server.log", "other/x.log"]
        {
            write(name);
        }
        let kept = keep_logs(&scratch, &target).unwrap();
        let mut names: Vec<String> = fs::read_dir(&target)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["0-W1.log", "gpu0-mps-daemon.log", "mps-server.log"]);
        let said = format!("see {}", scratch.join("gpu0/mps/daemon.log").display());
        let now = format!("see {}", target.join("gpu0-mps-daemon.log").display());
        assert_eq!(kept.in_text(&said), now);
    }
}
