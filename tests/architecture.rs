//! The arrows between the rooms of the library, kept as one table and checked against the source.
//!
//! A room is a top-level module of `src`. What it may import is listed in [`ROOMS`]; everything else
//! that is written `crate::…` (or reaches the crate's root through `super::…`) fails the test. Code
//! inside `#[cfg(test)]` may import anything: tests like to wire whole stages together.
//!
//! The arrows that matter most: the engine never knows planners, the predictor never knows how it was
//! fitted, planners never see a profile, statistics never know where records come from, and figures
//! are made of tables alone.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// A room and what it may import: a room, or with `room::Item` that item of a room alone.
const ROOMS: [(&str, &[&str]); 24] = [
    ("units", &[]),
    ("stats", &[]),
    // Files of other people, opened.
    ("input", &[]),
    ("domain", &["units"]),
    ("profile", &["units", "domain"]),
    ("predictor", &["units", "domain"]),
    ("fit", &["units", "domain", "stats", "profile", "predictor"]),
    ("accuracy", &["units", "domain", "stats", "profile", "predictor", "fit"]),
    // How accurate fits are on data that they did not see, and what to measure next.
    ("study", &["units", "domain", "stats", "profile", "predictor", "fit"]),
    // Published rules that strategies and controllers share.
    ("rules", &["units"]),
    ("plan", &["units", "domain", "rules", "predictor"]),
    ("workload", &["units", "domain", "input"]),
    // Foreign traces, and what is made of them.
    ("trace", &["units", "domain", "input", "workload"]),
    ("sim", &["units", "stats", "domain", "rules", "predictor", "workload"]),
    ("metrics", &["units", "domain", "stats"]),
    // Besides words, only the types in which a user asks for something.
    (
        "scenario",
        &[
            "units",
            "domain",
            "workload::ArrivalPart",
            "workload::ArrivalPhase",
            "workload::ArrivalSpec",
            "workload::ClosedLoopSpec",
            "workload::MmppState",
            "workload::Thinking",
            "workload::RateShape",
            "workload::RateStep",
            "workload::Thinking",
            "workload::TraceSpec",
            // A rate that is that of a file.
            "workload::TraceFacts",
            "input",
            "metrics::Percentiles",
            "plan::Margin",
            "plan::PlanOptions",
            "plan::Replicas",
            "predictor::ErrorDraw",
            "sim::BatchingSpec",
            "sim::Control",
            "sim::ControllerSpec",
            "sim::EngineSpec",
            "sim::Fault",
            "sim::FaultKind",
            "sim::FaultyGpu",
            "sim::GsliceSpec",
            "sim::Interference",
            "sim::LoadOverlap",
            "sim::Noise",
            "sim::Oversubscription",
            "sim::PcieLink",
            "sim::ServerSpec",
            "sim::ServiceTime",
            "sim::ShadowSpec",
            "sim::TimeoutAction",
        ],
    ),
    ("report", &["units", "domain", "metrics"]),
    ("plot", &["units", "domain", "metrics", "report"]),
    ("page", &["units", "domain", "metrics", "report"]),
    ("run", STAGES),
    (
        "sweep",
        &[
            "run",
            "units",
            "stats",
            "domain",
            "profile",
            "predictor",
            "fit",
            "plan",
            "workload",
            "sim",
            "metrics",
            "scenario",
            // Its tables are kept as those of any other run are.
            "report",
        ],
    ),
    // The evaluation of the paper: many runs, and their figures.
    (
        "reproduce",
        &[
            "run",
            "units",
            "domain",
            "profile",
            "predictor",
            "fit",
            "study",
            "plan",
            "workload",
            "sim",
            "metrics",
            "scenario",
            "report",
            "plot",
        ],
    ),
    ("cli", ALL),
    ("main", &["cli"]),
];

/// All stages of a run.
const STAGES: &[&str] = &[
    "units",
    "stats",
    "domain",
    "profile",
    "predictor",
    "fit",
    "study",
    "plan",
    "workload",
    "sim",
    "metrics",
    "scenario",
    "report",
];

/// Every room but `cli` itself and `main`.
const ALL: &[&str] = &[
    "accuracy",
    "input",
    "units",
    "stats",
    "domain",
    "profile",
    "predictor",
    "fit",
    "study",
    "rules",
    "plan",
    "workload",
    "sim",
    "metrics",
    "scenario",
    "run",
    "sweep",
    "trace",
    "report",
    "plot",
    "page",
    "reproduce",
];

/// Crates that only `validate` may use: the simulator talks to no network and to no GPU.
const ONLY_IN_VALIDATE: [&str; 3] = ["tokio", "reqwest", "nvml"];

/// One import of a source file.
#[derive(Debug, PartialEq, Eq)]
struct Arrow {
    from: String,
    to: String,
    file: PathBuf,
    line: usize,
}

impl fmt::Display for Arrow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {} → {}", self.file.display(), self.line, self.from, self.to)
    }
}

#[test]
fn no_room_imports_what_it_must_not() {
    let forbidden: Vec<String> = source_files()
        .iter()
        .flat_map(|file| arrows(file, &read(&root().join(file))))
        .filter(|arrow| !is_allowed(arrow))
        .map(|arrow| arrow.to_string())
        .collect();
    assert!(
        forbidden.is_empty(),
        "forbidden imports (the table is at the top of tests/architecture.rs):\n{}",
        forbidden.join("\n")
    );
}

#[test]
fn every_room_is_in_the_table() {
    for file in source_files() {
        let room = room_of(&file);
        let known = room == "lib" || ROOMS.iter().any(|&(name, _)| name == room);
        assert!(known, "{}: the room `{room}` is not in the table", file.display());
    }
}

#[test]
fn the_arrows_of_the_table_have_no_cycle() {
    // Rooms are listed in such an order that each imports only rooms above it or single items.
    for (position, (room, imports)) in ROOMS.iter().enumerate() {
        for import in imports.iter().filter(|import| !import.contains("::")) {
            let above = ROOMS[..position].iter().any(|(name, _)| name == import);
            assert!(above, "`{room}` imports `{import}`, which does not stand above it");
        }
    }
}

#[test]
fn the_simulator_depends_on_no_network_and_no_gpu() {
    let manifest: toml::Table = read(&root().join("Cargo.toml")).parse().unwrap();
    let sections = ["dependencies", "dev-dependencies", "build-dependencies"];
    for section in sections {
        let Some(dependencies) = manifest.get(section).and_then(toml::Value::as_table) else {
            continue;
        };
        for name in dependencies.keys() {
            let banned = ONLY_IN_VALIDATE.iter().any(|banned| name.starts_with(banned));
            assert!(!banned, "[{section}] of the root package names {name}");
        }
    }
    assert!(
        !manifest.contains_key("target"),
        "dependencies of single targets are not checked here"
    );
}

#[test]
fn main_is_short() {
    let lines = read(&root().join("src/main.rs")).lines().count();
    assert!(lines < 60, "src/main.rs has {lines} lines; what it does belongs in src/cli");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files of `src` relative to the root, without those that are compiled for tests alone.
fn source_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("src is readable") {
            let path = entry.expect("src is readable").path();
            let for_tests = path.file_stem().is_some_and(|stem| stem == "tests");
            if path.is_dir() && !for_tests {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !for_tests {
                files.push(path.strip_prefix(root()).expect("it is below the root").to_owned());
            }
        }
    }
    files.sort();
    files
}

/// The room of `src/<room>/…` or `src/<room>.rs`.
fn room_of(file: &Path) -> String {
    let first = file.components().nth(1).expect("files lie in src").as_os_str();
    first.to_string_lossy().trim_end_matches(".rs").to_owned()
}

fn is_allowed(arrow: &Arrow) -> bool {
    let to_room = arrow.to.split("::").next().unwrap_or_default();
    let is_room = |name: &str| ROOMS.iter().any(|&(room, _)| room == name);
    // The root file lists the rooms, and names that are no rooms are items of the root.
    if arrow.from == "lib" || arrow.from == to_room || !is_room(to_room) {
        return true;
    }
    let imports = ROOMS.iter().find(|(room, _)| *room == arrow.from).map_or(&[][..], |room| room.1);
    imports.iter().any(|&allowed| {
        allowed == to_room || arrow.to == allowed || arrow.to.starts_with(&format!("{allowed}::"))
    })
}

/// Every path of a file that starts at the root of the crate.
fn arrows(file: &Path, text: &str) -> Vec<Arrow> {
    let from = room_of(file);
    let code = without_tests_and_comments(text);
    let arrow = |offset: usize, path: &[String]| Arrow {
        from: from.clone(),
        to: path.join("::"),
        file: file.to_owned(),
        line: code[..offset].matches('\n').count() + 1,
    };
    // The binary sees the library as another crate.
    let library = if from == "main" { "igniter::" } else { "crate::" };
    let mut found = Vec::new();
    for (offset, rest) in starts(&code, library) {
        found.extend(expand(rest).iter().map(|path| arrow(offset, path)));
    }
    for (offset, rest) in starts(&code, "super::") {
        for path in expand(rest) {
            let further = path.iter().take_while(|segment| *segment == "super").count();
            if 1 + further >= depth(file) {
                found.push(arrow(offset, &path[further..]));
            }
        }
    }
    found
}

/// How many `super::` lead from a file's module to the root of the crate.
fn depth(file: &Path) -> usize {
    let below_src = file.components().count() - 1;
    if file.file_name().is_some_and(|name| name == "mod.rs") { below_src - 1 } else { below_src }
}

/// The code up to its test module, with line comments blanked so that line numbers stay right.
fn without_tests_and_comments(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        // A test module with a body is the last item of its file (clippy sees to that).
        let opens_tests = line.trim() == "#[cfg(test)]"
            && lines.peek().is_some_and(|next| next.contains("mod ") && next.ends_with('{'));
        if opens_tests {
            break;
        }
        code.push_str(line.split("//").next().unwrap_or_default());
        code.push('\n');
    }
    code
}

/// Where `start` begins a path, with what follows it.
fn starts<'c>(code: &'c str, start: &str) -> Vec<(usize, &'c str)> {
    let begins_word = |offset: usize| {
        let before = code[..offset].chars().next_back();
        before.is_none_or(|c| !c.is_alphanumeric() && c != '_' && c != ':')
    };
    code.match_indices(start)
        .filter(|&(offset, _)| begins_word(offset))
        .map(|(offset, _)| (offset, &code[offset + start.len()..]))
        .collect()
}

/// `a::{b, c::d}` → `a::b`, `a::c::d`
fn expand(tree: &str) -> Vec<Vec<String>> {
    let tree = tree.trim_start();
    if let Some(group) = tree.strip_prefix('{') {
        return members(group).into_iter().flat_map(expand).collect();
    }
    let end = tree.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(tree.len());
    let (segment, rest) = tree.split_at(end);
    if segment.is_empty() {
        return vec![Vec::new()];
    }
    let tails = rest.strip_prefix("::").map_or_else(|| vec![Vec::new()], expand);
    let with_segment = |tail: Vec<String>| [vec![segment.to_owned()], tail].concat();
    tails.into_iter().map(with_segment).collect()
}

/// The comma-separated members of a group whose opening brace is already read.
fn members(group: &str) -> Vec<&str> {
    let (mut members, mut start, mut open) = (Vec::new(), 0, 0_usize);
    for (offset, c) in group.char_indices() {
        match c {
            '{' => open += 1,
            '}' if open > 0 => open -= 1,
            ',' | '}' if open == 0 => {
                members.push(&group[start..offset]);
                start = offset + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    members.retain(|member| !member.trim().is_empty());
    members
}

/// The arrows of a text in a file, as `to (line)`, and whether each is allowed.
fn seen(file: &str, text: &str) -> Vec<(String, bool)> {
    let describe = |arrow: &Arrow| (format!("{} ({})", arrow.to, arrow.line), is_allowed(arrow));
    arrows(Path::new(file), text).iter().map(describe).collect()
}

#[test]
fn the_reader_of_paths_sees_every_form() {
    let text = "//! [`x`](crate::cli)\n\
                use crate::units::{\n    BatchSize, Milliseconds,\n};\n\
                use crate::{domain::{Plan, Workload}, fit as f};\n\
                fn g() -> crate::profile::Profile { $crate::stats::mean() }\n\
                #[cfg(test)]\nmod tests {\n    use crate::sim::Engine;\n}\n";
    let expected = [
        ("units::BatchSize (2)", true),
        ("units::Milliseconds (2)", true),
        ("domain::Plan (5)", true),
        ("domain::Workload (5)", true),
        ("fit (5)", false),
        ("profile::Profile (6)", false),
        ("stats::mean (6)", false),
    ];
    assert_eq!(seen("src/plan/ffd.rs", text), expected.map(|(to, ok)| (to.to_owned(), ok)));
}

#[test]
fn roundabout_ways_are_seen_too() {
    let found = |file, text| seen(file, text).iter().any(|(_, allowed)| !allowed);
    assert!(found("src/sim/engine.rs", "use super::super::plan::Strategy;"));
    assert!(found("src/sim/mod.rs", "use super::plan::Strategy;"));
    assert!(found("src/run.rs", "use super::{cli, units};"));
    assert!(!found("src/sim/engine.rs", "use super::spec::EngineSpec;"));
    assert!(found("src/main.rs", "fn main() { igniter::sim::go() }"));
    assert!(!found("src/main.rs", "fn main() { igniter::cli::main() }"));
}

#[test]
fn single_items_are_let_through_alone() {
    let scenario = |text| seen("src/scenario/raw.rs", text).iter().all(|&(_, allowed)| allowed);
    assert!(scenario("use crate::sim::{EngineSpec, ServiceTime}; EngineSpec::default()"));
    assert!(scenario("crate::workload::ArrivalSpec::Poisson"));
    assert!(!scenario("use crate::sim::Engine;"));
    assert!(!scenario("use crate::workload::*;"));
    assert!(!scenario("use crate::sim;"));
}
