//! What the binary answers: help, version, and a refusal of everything else.

use assert_cmd::Command;
use predicates::prelude::*;
use predicates::str::contains;

fn validate() -> Command {
    Command::new(env!("CARGO_BIN_EXE_validate"))
}

#[test]
fn help_says_what_is_missing_and_what_to_use_now() {
    for flag in ["--help", "-h"] {
        validate().arg(flag).assert().success().stdout(contains("has no commands yet")).stderr("");
    }
    let help = contains("None of it exists yet").and(contains("igniter compare"));
    validate().arg("--help").assert().success().stdout(help);
}

#[test]
fn version_is_the_version_of_the_workspace() {
    let version = format!("validate {}\n", env!("CARGO_PKG_VERSION"));
    validate().arg("--version").assert().success().stdout(version);
}

#[test]
fn everything_else_is_refused_with_code_2() {
    let refused: [&[&str]; 6] =
        [&["doctor"], &["run", "plan.json"], &["profile"], &["compare"], &["--json"], &[""]];
    for arguments in refused {
        let reason = format!("it cannot do `{}`", arguments.join(" "));
        let message = contains(reason).and(contains("fix: use `igniter compare`"));
        validate().args(arguments).assert().code(2).stdout("").stderr(message);
    }
}

#[test]
fn no_argument_is_no_success_either() {
    validate().assert().code(2).stdout("").stderr(contains("validate has no commands yet"));
}
