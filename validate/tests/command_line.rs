//! What the binary answers to help, version and mistakes.

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;

fn validate() -> Command {
    Command::new(env!("CARGO_BIN_EXE_validate"))
}

#[test]
fn version_is_the_version_of_the_workspace() {
    let version = format!("validate {}\n", env!("CARGO_PKG_VERSION"));
    validate().arg("--version").assert().success().stdout(version);
}

#[test]
fn what_it_does_not_know_is_refused_with_code_2() {
    let refused: [&[&str]; 3] = [&["docter"], &["--jsn"], &[""]];
    for arguments in refused {
        validate()
            .args(arguments)
            .assert()
            .code(2)
            .stdout("")
            .stderr(contains("error:").or(contains("Usage")));
    }
}
