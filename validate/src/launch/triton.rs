//! Where Triton is on this machine.

use super::LaunchError;
use std::env;
use std::path::{Path, PathBuf};

/// The variable that names the server's program.
const VARIABLE: &str = "VALIDATE_TRITON";

/// Looks for the program of the server: as given, in `VALIDATE_TRITON`, where `scripts/setup_triton.sh` puts it
/// (below the current folder), in the folder `triton` beside this program, in `PATH`, and where NVIDIA's images
/// have it.
///
/// # Errors
/// When it is nowhere, or not where it was said to be.
pub fn find_triton(given: Option<&Path>) -> Result<PathBuf, LaunchError> {
    let said = given.map(Path::to_owned).or_else(|| env::var_os(VARIABLE).map(PathBuf::from));
    let places = said.map_or_else(usual_places, |path| vec![path]);
    places
        .iter()
        .find(|place| place.is_file())
        .map(|found| std::path::absolute(found).unwrap_or_else(|_| found.clone()))
        .ok_or_else(|| LaunchError::NoTriton {
            looked: places
                .iter()
                .map(|place| place.display().to_string())
                .collect::<Vec<_>>()
                .join(", "),
        })
}

fn usual_places() -> Vec<PathBuf> {
    let mut places = vec![PathBuf::from(".triton/tritonserver")];
    if let Some(folder) = env::current_exe().ok().as_deref().and_then(Path::parent) {
        places.push(folder.join("triton/tritonserver"));
    }
    places.extend(in_path("tritonserver"));
    places.push("/opt/tritonserver/bin/tritonserver".into());
    places
}

/// A program of `PATH`.
#[must_use]
pub fn in_path(program: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders).map(|folder| folder.join(program)).find(|path| path.is_file())
}
