//! Files that cannot be read as text, and traces that are not there.

use super::*;
use crate::source::LIMIT;
use std::fs;
use std::path::PathBuf;

fn load(
    name: &str,
    content: &[u8],
) -> (tempfile::TempDir, PathBuf, Result<Scenario, ScenarioError>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    let result = Scenario::load(&path);
    (folder, path, result)
}

/// The file must be refused with a message that names it, what is allowed, and a fix.
fn refused(name: &str, content: &[u8], words: &str) {
    let (_folder, path, result) = load(name, content);
    let message = result.unwrap_err().to_string();
    assert!(message.starts_with(&path.display().to_string()), "{message}");
    assert!(message.contains(words), "{message}");
    assert!(message.contains("allowed: ") && message.contains("fix: "), "{message}");
}

#[test]
fn a_good_file_loads() {
    let (_folder, _, result) = load("good.toml", SMALL.as_bytes());
    assert_eq!(result.unwrap().name, "good");
}

#[test]
fn a_missing_file_is_named() {
    let error = Scenario::load(Path::new("no/such.toml")).unwrap_err();
    assert!(matches!(error, ScenarioError::Unreadable { .. }));
    let message = error.to_string();
    assert!(message.starts_with("no/such.toml: cannot read the scenario file: No such file"));
}

#[test]
fn a_directory_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let error = Scenario::load(folder.path()).unwrap_err();
    assert!(matches!(error, ScenarioError::IsDirectory { .. }));
    assert!(error.to_string().contains("is a directory"));
}

#[test]
fn binary_files_are_refused() {
    refused("latin1.toml", b"name = \"caf\xe9\"\n", "byte 11 is not UTF-8");
    refused("image.toml", b"\x89PNG\r\n\x1a\n\x00\x00", "is not text");
    refused("zeros.toml", &[0; 64], "byte 0 is not UTF-8 or is NUL");
}

#[test]
fn a_huge_file_is_refused() {
    let size = usize::try_from(LIMIT).unwrap() + 1;
    refused("huge.toml", &vec![b'#'; size], "is larger than 33554432 bytes");
}

#[test]
fn truncated_files_are_refused() {
    refused("empty.toml", b"", ":1: version: missing");
    refused("cut.toml", &SMALL.as_bytes()[..SMALL.len() - 20], "not TOML");
}

#[test]
fn every_cut_of_a_file_gives_an_answer() {
    for end in 0..SMALL.len() {
        // Only a cut inside the last number leaves a valid file.
        let valid = SMALL[..end].contains("rate_rps = 1");
        assert_eq!(parse(&SMALL[..end]).is_ok(), valid, "{end}");
    }
}

#[test]
fn a_trace_must_exist() {
    let text = format!("{SMALL}arrival = {{ process = \"trace\", path = \"day.csv\" }}\n");
    let (folder, path, result) = load("traced.toml", text.as_bytes());
    let message = result.unwrap_err().to_string();
    assert!(message.contains(":12: workload[0].arrival: there is no file"), "{message}");
    fs::write(folder.path().join("day.csv"), "arrival_s\n0.5\n").unwrap();
    assert!(Scenario::load(&path).is_ok());
}
