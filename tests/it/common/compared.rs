//! Comparisons of shipped scenarios, each run once for all tests.

use super::igniter;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// What `igniter compare scenarios/NAME.toml -o results/NAME` prints and writes.
#[derive(Debug)]
pub(crate) struct Compared {
    pub stdout: String,
    /// Every file but the manifest, which holds clock time, host and command.
    pub files: BTreeMap<PathBuf, Vec<u8>>,
}

/// Every file below a folder but the manifest, which holds clock time, host and command.
pub(crate) fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(&next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("manifest.json") {
                let name = path.strip_prefix(folder).unwrap().to_owned();
                found.insert(name, std::fs::read(&path).unwrap());
            }
        }
    }
    found
}

type Shared = Arc<OnceLock<Compared>>;

/// The comparison of a shipped scenario. Tests that ask for the same one share a run; files are kept in memory, so no
/// folder stays behind.
pub(crate) fn compared<T>(name: &str, look: impl FnOnce(&Compared) -> T) -> T {
    static ALL: Mutex<BTreeMap<String, Shared>> = Mutex::new(BTreeMap::new());
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    let one = Shared::clone(all.entry(name.to_owned()).or_default());
    drop(all);
    look(one.get_or_init(|| {
        let root = tempfile::tempdir().unwrap();
        let out = root.path().join("out");
        let scenario = format!("scenarios/{name}.toml");
        let assert = igniter().args(["compare", &scenario, "-o"]).arg(&out).assert().code(0);
        let stdout = String::from_utf8(assert.get_output().stdout.clone()).unwrap();
        let stdout = stdout.replace(out.to_str().unwrap(), &format!("results/{name}"));
        Compared { stdout, files: contents(&out) }
    }))
}
