//! What several integration tests share.

mod cases;
mod compared;
pub(crate) mod engine_cases;
pub(crate) mod fake;
#[path = "../../../examples/instances/mod.rs"]
pub(crate) mod instances;

pub(crate) use cases::cases;
pub(crate) use compared::{compared, contents};

use assert_cmd::Command;
use std::path::{Path, PathBuf};

/// The folder of V100 reference data, which is not part of the project: `IGNITER_REFERENCE` names it, and it may lie
/// beside the checkout. `None` (with a message) where it is missing, as on a user's machine. CONTRIBUTING.md says
/// what is in it.
///
/// Stops the test where the variable names a folder that does not exist: nothing would be tested, unseen.
pub(crate) fn reference_data() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("IGNITER_REFERENCE").map(PathBuf::from) {
        assert!(folder.is_dir(), "IGNITER_REFERENCE: there is no folder {}", folder.display());
        return Some(folder);
    }
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data/v100");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!(
        "skipped: the reference data folder {} is not here (IGNITER_REFERENCE can name it)",
        folder.display()
    );
    None
}

/// Prints a number and requires a limit.
#[track_caller]
pub(crate) fn at_most(what: &str, value: f64, limit: f64) {
    println!("{what}: {value:.3} (limit {limit})");
    assert!(value <= limit, "{what}: {value:.3} exceeds {limit}");
}

/// The program, run in the repository.
pub(crate) fn igniter() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_igniter"));
    command.current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// A short scenario: three workloads, Poisson arrivals, three simulated seconds.
pub(crate) const SHORT: &str = r#"
version = 1
name = "short"
duration_s = 3
warmup_s = 0.5
cooldown_s = 0.5
[[gpu]]
kind = "v100"
[[workload]]
name = "W1"
model = "alexnet"
slo_ms = 15
rate_rps = 500
arrival = { process = "poisson" }
[[workload]]
name = "W2"
model = "resnet50"
slo_ms = 40
rate_rps = 400
arrival = { process = "gamma", cv = 2.0 }
[[workload]]
name = "W3"
model = "vgg19"
slo_ms = 60
rate_rps = 200
"#;

/// Writes a file into a folder and returns its path.
pub(crate) fn file(folder: &Path, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path
}
