//! What several integration tests share.

use std::path::PathBuf;

/// The folder of V100 reference data that lies beside a development checkout, or `None` (with a message)
/// where it is missing, as on a user's machine.
pub(crate) fn reference_data() -> Option<PathBuf> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/v100");
    if folder.is_dir() {
        Some(folder)
    } else {
        eprintln!("skipped: the reference data folder {} is not here", folder.display());
        None
    }
}
