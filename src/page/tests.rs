//! Pages of comparisons and of folders, without a browser; `tests/browser` has one.

use super::*;
use crate::report::{Existing, Manifest, OutputDir, write_tables};

/// Names that would be markup, were they not escaped.
const HOSTILE: &str = "<img src=x onerror=alert(1)>";

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

/// The data of a page.
fn data(html: &str) -> serde_json::Value {
    let start = html.find("id=\"data\">").unwrap() + "id=\"data\">".len();
    let end = start + html[start..].find("</script>").unwrap();
    serde_json::from_str(&html[start..end]).unwrap()
}

fn comparison() -> crate::report::Comparison {
    crate::report::tests_support::small_comparison()
}

#[test]
fn a_comparison_has_all_sections_and_no_markup_of_others() {
    let comparison = comparison();
    let html = page(&Source::of_comparison(&comparison, &Manifest::start(Vec::new())));
    for id in ["summary", "strategies", "plans", "latencies", "gpus", "workloads", "provenance"] {
        assert!(html.contains(&format!("<section id=\"{id}\">")), "{id}");
    }
    // small_comparison has a workload named `W|2 <b>`.
    assert!(html.contains("W|2 &lt;b&gt;") && !html.contains("W|2 <b>"));
    assert!(html.contains("1 of 2 workloads miss their SLO: W|2 &lt;b&gt;"));
    assert!(html.contains("The least cost at which every SLO is met is 3.06 $/h, by igniter."));
    let data = data(&html);
    let titles: Vec<&str> =
        data["tables"].as_array().unwrap().iter().map(|t| t["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["Strategies", "Placements", "Workloads", "GPUs"]);
    // p99, violations, two breakdowns, predicted, two of GPUs for each strategy, three for each workload
    assert_eq!(data["charts"].as_array().unwrap().len(), 2 + 2 + 1 + 4 + 6);
}

#[test]
fn a_page_beside_its_tables_depends_on_results_alone() {
    let comparison = comparison();
    let page = |command: &str| {
        page(&Source::of_comparison(&comparison, &Manifest::start(vec![command.to_owned()])))
    };
    assert_eq!(page("a"), page("b"));
}

#[test]
fn a_page_is_made_of_a_folder_that_compare_wrote() {
    let root = tempfile::tempdir().unwrap();
    let comparison = comparison();
    let mut dir = OutputDir::open(root.path(), Existing::Replace).unwrap();
    write_tables(&mut dir, &comparison).unwrap();
    dir.finish(Manifest::start(vec!["igniter".into(), "it's".into()])).unwrap();
    let source = read_source(root.path()).unwrap();
    assert_eq!(source.comparison, Some(comparison));
    assert!(source.tables.is_empty() && source.documents.is_empty());
    let html = page(&source);
    assert!(html.contains("igniter &#39;it&#39;\\&#39;&#39;s&#39;"), "the command is there");
    assert!(html.len() < 3_000_000);
}

#[test]
fn other_folders_are_tables_values_and_pictures() {
    let csv = format!("name,rate,p99_ms\n\"{HOSTILE}\",10,1.5\nb,20,\n");
    let json =
        format!("{{\"n\": 3, \"deep\": {{\"mape\": 1.25}}, \"who\": \"{HOSTILE}\", \"l\": [1]}}");
    let dir = folder(&[
        ("sweep.csv", &csv),
        ("accuracy.json", &json),
        ("figures/a.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\" onload=\"alert(1)\"/>"),
        ("notes.json", "not json"),
    ]);
    let source = read_source(dir.path()).unwrap();
    assert_eq!(source.tables[0].rows[1][2], Cell::Absent);
    let values = [("deep.mape", "1.25"), ("n", "3"), ("who", HOSTILE)];
    assert_eq!(source.documents[0].values, values.map(|(k, v)| (k.to_owned(), v.to_owned())));
    let html = page(&source);
    assert!(
        !html.contains("<img src=x") && !html.contains("onload=\"alert"),
        "nothing of it is markup"
    );
    assert!(html.contains("&lt;img src=x onerror=alert(1)&gt;"));
    assert_eq!(html.matches("<img loading").count(), 1);
}

#[test]
fn a_folder_without_results_is_a_clear_error() {
    let empty = folder(&[("readme.txt", "hello")]);
    let error = read_source(empty.path()).unwrap_err().to_string();
    assert!(error.contains("holds no results") && error.contains("-o"), "{error}");
    let missing = read_source(&empty.path().join("no")).unwrap_err().to_string();
    assert!(missing.contains("cannot read"), "{missing}");
}

#[test]
fn long_tables_are_cut_and_say_so() {
    let mut csv = String::from("a,b\n");
    for i in 0..70_000 {
        csv += &format!("{i},{}\n", i * 2);
    }
    let source = read_source(folder(&[("long.csv", &csv)]).path()).unwrap();
    assert_eq!(source.tables[0].rows.len(), 60_000);
    let note = source.tables[0].note.clone().unwrap();
    assert_eq!(note, "The first 60000 of 70000 rows; long.csv has all.");
}

#[test]
fn only_our_two_scripts_may_run() {
    let html = page(&Source { title: HOSTILE.to_owned(), ..Source::default() });
    let policy = html.split("Content-Security-Policy").nth(1).unwrap();
    let policy = &policy[..policy.find("\">").unwrap()];
    assert_eq!(policy.matches("'sha256-").count(), 2);
    assert!(policy.contains("default-src 'none'") && !policy.contains("http"));
    assert_eq!(html.matches("<script").count(), 3, "two that run, and the data");
}
