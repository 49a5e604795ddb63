//! Scenarios bundled with the program, so that they can be used by name from any directory.

use std::path::{Path, PathBuf};

/// Pseudo-folder in the paths of bundled scenarios. No file is ever looked up there.
const FOLDER: &str = "shipped:";

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../../scenarios/", $name, ".toml")))),+]
    };
}

/// Names and texts of the bundled scenarios. `two-kinds` is not included, because it needs a profile beside it.
const SHIPPED: &[(&str, &str)] = shipped![
    "paper-12",
    "paper-12-poisson",
    "paper-12-bursty",
    "motivating-3",
    "validate-3",
    "shadow",
    "gslice",
    "faults",
    "day",
];

/// Returns the names of the bundled scenarios, such as `paper-12`.
pub fn shipped_scenarios() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}

/// Returns the text of a bundled file, by the path under which [`super::Document::files`] lists it.
#[must_use]
pub fn shipped_text(path: &Path) -> Option<&'static str> {
    let name = path.strip_prefix(FOLDER).ok()?.to_str()?.strip_suffix(".toml")?;
    SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// Returns the path of the scenario that a user names, relative to a folder: a file, or else a bundled one.
pub(super) fn find(folder: &Path, name: &Path) -> PathBuf {
    let file = folder.join(name);
    let carried = Path::new(FOLDER).join(name).with_extension("toml");
    // A name that matches neither is reported as it was given.
    let is_name = name.components().count() == 1 && name.extension().is_none();
    if is_name && !file.exists() && shipped_text(&carried).is_some() { carried } else { file }
}
