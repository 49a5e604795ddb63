//! The documents are true: what they show of a command is what the command prints, and links lead somewhere.

use crate::common::{compared, igniter};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

/// The blocks of a document that are fenced as one language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let open = format!("```{language}\n");
    text.split(&open).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// A line without how wide its columns are, and without the time that a plan took: it differs from run to run.
fn words(line: &str) -> String {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    if matches!(words.last(), Some(&"ms" | &"s")) {
        words.truncate(words.len() - 2);
    }
    words.join(" ")
}

/// Fails on a line that is shown but not printed; `…` stands for any.
fn assert_shown(shown: &str, printed: &str, command: &str) {
    let printed: BTreeSet<String> = printed.lines().map(words).collect();
    for line in shown.lines().map(words).filter(|line| !line.is_empty() && line != "…") {
        assert!(printed.contains(&line), "`{command}` does not print:\n{line}\nbut:\n{printed:#?}");
    }
}

/// Commands with what is shown of their output.
fn transcripts(block: &str) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = Vec::new();
    for line in block.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            let command = command.split('#').next().unwrap().trim();
            found.push((command.to_owned(), String::new()));
        } else if let Some((_, shown)) = found.last_mut() {
            *shown += line;
            *shown += "\n";
        }
    }
    found
}

#[test]
fn the_readme_shows_what_commands_print() {
    let run = check_transcripts(&readme());
    assert!(run >= 5, "{run} commands");
}

#[test]
fn the_other_documents_show_what_commands_print() {
    let mut run = 0;
    for path in documents().iter().filter(|path| path.parent() == Some(&root().join("docs"))) {
        // Its commands build on each other: the next test runs them in their order.
        if path.ends_with("tutorial.md") {
            continue;
        }
        run += check_transcripts(&fs::read_to_string(path).unwrap());
    }
    assert!(run >= 8, "{run} commands");
}

/// Runs the commands of a document that need nothing else; how many these are.
fn check_transcripts(document: &str) -> usize {
    let mut run = 0;
    for (command, shown) in blocks(document, "text").iter().flat_map(|block| transcripts(block)) {
        // Measurements that do not come with the project, servers, and a file that the next test writes.
        let elsewhere = ["tables", "validate", "mine.toml"];
        let Some(arguments) = command.strip_prefix("igniter ") else { continue };
        if elsewhere.iter().any(|word| arguments.contains(word)) {
            continue;
        }
        let arguments: Vec<&str> = arguments.split_whitespace().collect();
        if let ["compare", scenario] = arguments[..] {
            // With `-o`, it prints the same and then where the files are; other tests look at those.
            let name = scenario.trim_start_matches("scenarios/").trim_end_matches(".toml");
            compared(name, |found| assert_shown(&shown, &found.stdout, &command));
        } else {
            let output = igniter().args(&arguments).output().unwrap();
            assert_shown(&shown, &String::from_utf8(output.stdout).unwrap(), &command);
        }
        run += 1;
    }
    run
}

#[test]
fn the_first_command_of_the_readme_prints_what_stands_below_it() {
    let blocks = blocks(&readme(), "text");
    let shown = blocks.iter().find(|block| block.contains("report   results/paper-12")).unwrap();
    let command = "igniter compare scenarios/paper-12.toml -o results/paper-12";
    compared("paper-12", |found| assert_shown(shown, &found.stdout, command));
}

#[test]
fn the_scenario_of_the_readme_works_and_its_mistakes_are_reported_as_shown() {
    let scenario = blocks(&readme(), "toml")[0].clone();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mine.toml");
    fs::write(&file, &scenario).unwrap();
    igniter().current_dir(dir.path()).args(["check", "mine.toml"]).assert().success();
    let wrong =
        scenario.replace("slo_ms = 10\n", "slo = 10\n").replace("rate_rps = 1200", "rate_rps = 0");
    fs::write(&file, wrong).unwrap();
    let output = igniter().current_dir(dir.path()).args(["compare", "mine.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let all = blocks(&readme(), "text");
    let (_, shown) = all
        .iter()
        .flat_map(|block| transcripts(block))
        .find(|(command, _)| command == "igniter compare mine.toml")
        .unwrap();
    assert_shown(&shown, &String::from_utf8(output.stderr).unwrap(), "igniter compare mine.toml");
}

/// The words of a command line, those in single quotes as they are.
fn shell_words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in command.chars() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (c, Some(open)) if c == open => quote = None,
            (' ', None) => words.push(String::new()),
            (c, _) => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

#[test]
fn the_tutorial_prints_what_it_shows_from_its_first_command_to_its_last() {
    let tutorial = fs::read_to_string(root().join("docs/tutorial.md")).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let files = blocks(&tutorial, "toml");
    fs::write(dir.path().join("mine.toml"), &files[0]).unwrap();
    fs::write(dir.path().join("load.toml"), &files[1]).unwrap();
    let mut run = 0;
    for (command, shown) in blocks(&tutorial, "text").iter().flat_map(|block| transcripts(block)) {
        let words = shell_words(&command);
        assert_eq!(words[0], "igniter");
        let output = igniter().current_dir(dir.path()).args(&words[1..]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{command}: {output:?}");
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_shown(&shown, &printed, &command);
        run += 1;
    }
    assert!(run >= 9, "{run} commands");
    for file in [
        "out/even/report.html",
        "out/load/figures/attainment.pdf",
        "out/load/figures/attainment.pgf",
    ] {
        assert!(dir.path().join(file).is_file(), "{file}");
    }
}

/// Documents for people: those of the root, of `docs`, and of the folders of results, scenarios and checks.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let folders = [
        "",
        "docs",
        "scenarios",
        "traces",
        "results/paper",
        "results/paper-12",
        "results/bursts",
        "benches/peers",
        "tests/it/real_triton",
        "scripts/emulated_gpu",
    ];
    for folder in folders {
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    assert!(found.len() > 15, "{found:?}");
    found
}

/// The targets of links and pictures, code left out.
fn targets(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        // What stands between an even number of backquotes and the next is text; `[a](b)` in code is none.
        let plain: Vec<&str> = line.split("](").skip(1).collect();
        found.extend(plain.iter().filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())));
    }
    found
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn has_anchor(document: &Path, wanted: &str) -> bool {
    let text = fs::read_to_string(document).unwrap();
    text.lines().filter(|line| line.starts_with('#')).any(|line| anchor(line) == wanted)
}

#[test]
fn every_link_and_picture_of_the_documents_leads_somewhere() {
    let mut wrong = Vec::new();
    let mut checked = 0;
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for target in targets(&text) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            checked += 1;
            let (file, section) = target.split_once('#').unwrap_or((&target, ""));
            let path = if file.is_empty() {
                document.clone()
            } else {
                document.parent().unwrap().join(file)
            };
            let found = path.exists() && (section.is_empty() || has_anchor(&path, section));
            if !found {
                wrong.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(checked > 60, "{checked} links");
}

/// Paths of sources in backticks, such as `crates/sim/src/speed.rs`: who names them goes out of date in silence.
/// All Rust files below these folders, with their texts.
fn sources(folders: &[&str]) -> Vec<(PathBuf, String)> {
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut texts = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                texts.push((path, text));
            }
        }
    }
    texts
}

/// The type that a line defines, where it is not indented.
fn defined_type(line: &str) -> Option<&str> {
    let mut words = line.split([' ', '<', '(', '{', ';', ':']);
    let mut word = words.next()?;
    if word == "pub" {
        // `pub(in …)` is not used.
        word = words.find(|word| !["", "crate)", "super)"].contains(word))?;
    }
    ["struct", "enum", "trait", "type"].contains(&word).then(|| words.next())?
}

#[test]
fn no_two_types_of_the_product_have_one_name() {
    let mut places: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for (path, text) in sources(&["crates", "src", "validate/src", "python/src"]) {
        if path.to_str().unwrap().contains("tests") {
            continue;
        }
        for name in text.lines().filter_map(defined_type) {
            places.entry(name.to_owned()).or_default().push(path.clone());
        }
    }
    assert!(places.len() > 900, "{} types", places.len());
    let shared: Vec<_> = places.iter().filter(|(_, places)| places.len() > 1).collect();
    assert!(shared.is_empty(), "a reader who searches for one finds the other: {shared:#?}");
}

#[test]
fn every_source_that_documents_and_comments_name_exists() {
    const FOLDERS: [&str; 6] =
        ["crates/", "src/", "validate/src/", "tests/", "examples/", "scripts/"];
    let documents = documents().into_iter().map(|path| {
        let text = fs::read_to_string(&path).unwrap();
        (path, text)
    });
    let comments =
        sources(&["crates", "src", "validate", "tests", "examples", "benches", "python/src"])
            .into_iter()
            .map(|(path, text)| {
                let comments: Vec<&str> =
                    text.lines().map(str::trim).filter(|line| line.starts_with("//")).collect();
                (path, comments.join("\n"))
            });
    let mut wrong = Vec::new();
    let mut checked = 0;
    for (path, text) in documents.chain(comments) {
        for code in text.split('`').skip(1).step_by(2) {
            let is_source = FOLDERS.iter().any(|folder| code.starts_with(folder));
            if is_source && !code.contains([' ', '*', '\n']) {
                checked += 1;
                if !root().join(code).exists() {
                    wrong.push(format!("{}: {code}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(checked > 100, "{checked} paths");
}

#[test]
fn the_citation_has_what_readers_of_it_need() {
    let text = fs::read_to_string(root().join("CITATION.cff")).unwrap();
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{key}:")));
        line.unwrap_or_else(|| panic!("no {key}")).trim().trim_matches('"').to_owned()
    };
    assert_eq!(value("cff-version"), "1.2.0");
    assert_eq!(value("version"), env!("CARGO_PKG_VERSION"));
    assert!(value("title").starts_with("igniter"));
    for key in ["message", "authors", "license"] {
        let _ = value(key);
    }
}
