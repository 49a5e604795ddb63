//! Scenarios that the program carries, so that their names are enough, wherever you are.

use std::path::{Path, PathBuf};

/// Where they are said to be. No file is ever looked for there.
const FOLDER: &str = "shipped:";

macro_rules! shipped {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../../scenarios/", $name, ".toml")))),+]
    };
}

/// Their names and texts. `two-kinds` is not among them: it needs a profile beside it.
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

/// The names of the scenarios that the program carries, such as `paper-12`.
pub fn shipped_scenarios() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}

/// The text of a file that the program carries, by the path under which [`super::Document::files`] lists it.
#[must_use]
pub fn shipped_text(path: &Path) -> Option<&'static str> {
    let name = path.strip_prefix(FOLDER).ok()?.to_str()?.strip_suffix(".toml")?;
    SHIPPED.iter().find(|(known, _)| *known == name).map(|(_, text)| *text)
}

/// Where a scenario is that a user names, seen from a folder: a file, or else one that the program carries.
pub(super) fn find(folder: &Path, name: &Path) -> PathBuf {
    let file = folder.join(name);
    let carried = Path::new(FOLDER).join(name).with_extension("toml");
    // One that is not there is reported under the name that was given.
    let is_name = name.components().count() == 1 && name.extension().is_none();
    if is_name && !file.exists() && shipped_text(&carried).is_some() { carried } else { file }
}
