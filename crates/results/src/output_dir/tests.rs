use super::*;

fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn put(dir: &mut OutputDir, name: &str, text: &str) {
    dir.write(name, |file| file.write_all(text.as_bytes())).unwrap();
}

fn manifest() -> Manifest {
    Manifest::start(vec!["igniter".into(), "compare".into()])
}

#[test]
fn files_are_complete_and_hashed() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("a/b");
    let mut dir = OutputDir::open(&path, Existing::Replace).unwrap();
    put(&mut dir, "summary.csv", "abc");
    put(&mut dir, "figures/plan.svg", "<svg/>");
    dir.finish(manifest()).unwrap();
    assert_eq!(names(&path), ["figures", "manifest.json", "summary.csv"]);
    let manifest = Manifest::read(&path.join(MANIFEST)).unwrap();
    let abc = &manifest.outputs[1];
    assert_eq!((abc.path.as_str(), abc.bytes), ("summary.csv", 3));
    // FIPS 180-2, example B.1
    assert_eq!(abc.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn a_failed_write_leaves_nothing_and_removes_the_new_directory() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("new/out");
    let mut dir = OutputDir::open(&path, Existing::Replace).unwrap();
    let error = dir
        .write("summary.csv", |file| {
            file.write_all(b"half")?;
            Err(io::Error::from(io::ErrorKind::StorageFull))
        })
        .unwrap_err()
        .to_string();
    assert!(error.contains("summary.csv") && error.contains("free some space"), "{error}");
    assert!(names(&path).iter().all(|name| name.starts_with(STAGING_PREFIX)));
    drop(dir);
    assert!(names(root.path()).is_empty());
}

#[test]
fn a_run_that_does_not_finish_leaves_the_results_of_the_run_before() {
    let root = tempfile::tempdir().unwrap();
    let mut dir = OutputDir::open(root.path(), Existing::Replace).unwrap();
    put(&mut dir, "summary.csv", "old");
    dir.finish(manifest()).unwrap();

    let mut dir = OutputDir::open(root.path(), Existing::Replace).unwrap();
    put(&mut dir, "summary.csv", "new");
    put(&mut dir, "figures/plan.svg", "new");
    dir.write("gpus.csv", |_| Err(io::Error::other("no"))).unwrap_err();
    drop(dir);
    assert_eq!(std::fs::read_to_string(root.path().join("summary.csv")).unwrap(), "old");
    assert_eq!(names(root.path()), ["manifest.json", "summary.csv"]);
}

#[test]
fn files_of_an_earlier_run_do_not_stay_behind() {
    let root = tempfile::tempdir().unwrap();
    let mut dir = OutputDir::open(root.path(), Existing::Replace).unwrap();
    put(&mut dir, "summary.csv", "1");
    put(&mut dir, "requests.csv", "1");
    dir.finish(manifest()).unwrap();
    std::fs::write(root.path().join("notes.txt"), "mine").unwrap();

    let mut dir = OutputDir::open(root.path(), Existing::Keep).unwrap();
    put(&mut dir, "figures/plan.svg", "1");
    dir.finish(manifest()).unwrap();
    let kept = Manifest::read(&root.path().join(MANIFEST)).unwrap().outputs.len();
    assert_eq!(kept, 3, "an update keeps what it does not write");

    let mut dir = OutputDir::open(root.path(), Existing::Replace).unwrap();
    put(&mut dir, "summary.csv", "2");
    dir.finish(manifest()).unwrap();
    assert_eq!(names(root.path()), ["figures", "manifest.json", "notes.txt", "summary.csv"]);
}

#[test]
fn a_directory_of_somebody_else_is_refused_and_left_alone() {
    let root = tempfile::tempdir().unwrap();
    std::fs::write(root.path().join("thesis.tex"), "years of work").unwrap();
    let error = OutputDir::open(root.path(), Existing::Replace).unwrap_err().to_string();
    assert!(error.contains("thesis.tex"), "{error}");
    assert_eq!(names(root.path()), ["thesis.tex"]);
}

#[test]
fn what_an_interrupted_run_left_is_no_obstacle() {
    let root = tempfile::tempdir().unwrap();
    for name in ["summary.csv", "requests-igniter.csv", "plan.csv"] {
        std::fs::write(root.path().join(name), "").unwrap();
    }
    let error = OutputDir::open(root.path(), Existing::Replace).unwrap_err().to_string();
    assert!(error.contains("plan.csv"), "somebody's own tables: {error}");
    // Killed while files got their names.
    std::fs::create_dir(root.path().join(".igniter-AbC12")).unwrap();
    OutputDir::open(root.path(), Existing::Replace).unwrap();
}

#[test]
fn what_took_long_is_replaced_by_its_like_alone() {
    for (command, precious) in [("/usr/bin/validate", true), ("target/igniter", false)] {
        let root = tempfile::tempdir().unwrap();
        let mut dir = OutputDir::open(root.path(), Existing::Replace).unwrap();
        put(&mut dir, "requests.csv", "1");
        dir.finish(Manifest::start(vec![command.into(), "run".into(), "s.toml".into()])).unwrap();
        let replaced = OutputDir::open(root.path(), Existing::Replace);
        assert_eq!(replaced.is_err(), precious, "{command}");
        if let Err(error) = replaced {
            assert!(error.to_string().contains("the results of `validate run`"), "{error}");
        }
        OutputDir::open(root.path(), Existing::ReplacePrecious).unwrap();
    }
}

#[test]
fn a_file_in_the_way_is_a_clear_error() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("file");
    std::fs::write(&path, "").unwrap();
    let error = OutputDir::open(&path.join("out"), Existing::Replace).unwrap_err().to_string();
    assert!(error.contains("as the output directory"), "{error}");
    OutputDir::open(&path, Existing::Replace).unwrap_err();
}

#[test]
fn a_manifest_cannot_reach_outside_its_directory() {
    assert!(is_plain("figures/plan.svg"));
    assert!(!is_plain("../thesis.tex"));
    assert!(!is_plain("/etc/passwd"));
}
