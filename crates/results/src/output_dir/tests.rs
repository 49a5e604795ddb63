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
        OutputDir::open(root.path(), Existing::ReplaceLongRuns).unwrap();
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
fn processes_that_start_at_once_do_not_sweep_each_other_away() {
    let root = tempfile::tempdir().unwrap();
    let start = || {
        for _ in 0..200 {
            let staging = Staging::new(root.path(), &[]).unwrap();
            std::fs::write(staging.path().join("0"), "half").unwrap();
            assert!(staging.path().join("0").exists());
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(start);
        }
    });
    assert!(names(root.path()).is_empty());
}

#[test]
fn what_killed_processes_left_is_swept_and_the_work_of_others_stays() {
    let root = tempfile::tempdir().unwrap();
    let dead = root.path().join(".igniter-AbC123");
    std::fs::create_dir(&dead).unwrap();
    std::fs::write(dead.join(".lock"), "").unwrap();
    std::fs::write(dead.join("0"), "half").unwrap();
    // Killed before it made its lock, or after it removed it; other names are none of ours.
    let early = root.path().join(".igniter-AbC124");
    let others = root.path().join(".igniter-settings");
    std::fs::create_dir(&early).unwrap();
    std::fs::create_dir(&others).unwrap();
    let working = OutputDir::open(root.path(), Existing::Replace).unwrap();
    let mut dir = OutputDir::open(root.path(), Existing::Replace).unwrap();
    assert!(!dead.exists() && !early.exists() && others.exists());
    assert!(working.staging.path().exists());
    put(&mut dir, "summary.csv", "1");
    dir.finish(manifest()).unwrap();
    drop(working);
    let left = names(root.path());
    assert_eq!(left, [".igniter-settings", "manifest.json", "summary.csv"]);
}

#[test]
fn results_of_something_else_are_not_replaced() {
    let root = tempfile::tempdir().unwrap();
    let identity = |command: &str, scenario| {
        let manifest = Manifest::start(vec!["bin/igniter".into(), command.into()]);
        Identity::new(&manifest, scenario)
    };
    let compare = identity("compare", Some("a"));
    let mut dir = OutputDir::open_for(root.path(), Existing::Replace, &compare).unwrap();
    put(&mut dir, "summary.csv", "1");
    let mut made = manifest();
    made.scenario = Some("name = \"a\"\n".into());
    dir.finish(made).unwrap();
    let open = |identity: &Identity| {
        OutputDir::open_for(root.path(), Existing::Replace, identity)
            .map(drop)
            .map_err(|error| error.to_string())
    };
    assert_eq!(open(&compare), Ok(()));
    for other in [identity("compare", Some("b")), identity("simulate", Some("a"))] {
        let error = open(&other).unwrap_err();
        assert!(
            error.contains("the results of `igniter compare` of the scenario \"a\""),
            "{error}"
        );
    }
}

#[test]
fn figures_that_were_added_stay_with_tables_that_are_made_again() {
    let root = tempfile::tempdir().unwrap();
    let write = |existing, name: &str| {
        let mut dir = OutputDir::open(root.path(), existing).unwrap();
        put(&mut dir, name, "1");
        dir.finish(manifest()).unwrap();
    };
    write(Existing::Replace, "rows.csv");
    write(Existing::Keep, "figures/attainment.svg");
    write(Existing::Replace, "rows.csv");
    let kept = root.path().join("figures/attainment.svg");
    assert!(kept.exists());
    write(Existing::Replace, "figures/plan.svg");
    assert!(!kept.exists());
}

#[cfg(unix)]
#[test]
fn links_and_folders_in_the_place_of_files_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let mine = root.path().join("mine");
    std::fs::write(&mine, "mine").unwrap();
    let open = |path: &Path| {
        let opened = OutputDir::open(path, Existing::Replace);
        opened.map(drop).map_err(|error| error.to_string())
    };
    let results = root.path().join("out");
    let mut dir = OutputDir::open(&results, Existing::Replace).unwrap();
    put(&mut dir, "gpus.csv", "1");
    dir.finish(manifest()).unwrap();
    std::os::unix::fs::symlink(&mine, results.join("summary.csv")).unwrap();
    assert!(open(&results).unwrap_err().contains("summary.csv is a symbolic link"));
    std::fs::remove_file(results.join("summary.csv")).unwrap();
    std::fs::create_dir(results.join("summary.csv")).unwrap();
    assert!(open(&results).unwrap_err().contains("summary.csv is a folder"));
    std::fs::remove_dir(results.join("summary.csv")).unwrap();
    // A file of somebody else that would be replaced.
    std::fs::write(results.join("summary.csv"), "mine").unwrap();
    let mut dir = OutputDir::open(&results, Existing::Replace).unwrap();
    put(&mut dir, "summary.csv", "1");
    let error = dir.finish(manifest()).unwrap_err().to_string();
    assert!(error.contains("did not write (summary.csv)"), "{error}");
    assert_eq!(std::fs::read_to_string(results.join("summary.csv")).unwrap(), "mine");
}

#[test]
fn a_manifest_cannot_reach_outside_its_directory() {
    assert!(is_plain("figures/plan.svg"));
    assert!(!is_plain("../thesis.tex"));
    assert!(!is_plain("/etc/passwd"));
}

#[test]
fn figures_that_plot_added_outlive_a_run() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("out");
    let run = |table: &str| {
        let mut dir = OutputDir::open(&path, Existing::Replace).unwrap();
        dir.write("comparison.json", |file| file.write_all(table.as_bytes())).unwrap();
        dir.write("figures/p99.svg", |file| file.write_all(b"svg")).unwrap();
        dir.finish(Manifest::start(vec!["igniter".into(), "compare".into()])).unwrap();
    };
    run("1");
    let plot = |text: &str| {
        let mut dir = OutputDir::open(&path, Existing::Keep).unwrap();
        dir.write("figures/p99.pdf", |file| file.write_all(text.as_bytes())).unwrap();
        let mut manifest = Manifest::read(&path.join("manifest.json")).unwrap();
        manifest.plotted.insert("figures/p99.pdf".into());
        dir.finish(manifest).unwrap();
    };
    plot("pdf");
    run("1");
    assert_eq!(std::fs::read(path.join("figures/p99.pdf")).unwrap(), b"pdf");
    // Of other numbers: out of the way, and there for good.
    for _ in 0..2 {
        run("2");
        assert!(!path.join("figures/p99.pdf").exists());
        assert_eq!(std::fs::read(path.join("figures/earlier/p99.pdf")).unwrap(), b"pdf");
    }
    let manifest = Manifest::read(&path.join("manifest.json")).unwrap();
    assert!(manifest.outputs.iter().any(|file| file.path == "figures/earlier/p99.pdf"));
    assert_eq!(manifest.changed(&path), None);
    // A second one does not take the place of the first.
    plot("other");
    run("3");
    assert_eq!(std::fs::read(path.join("figures/earlier/p99.pdf")).unwrap(), b"pdf");
    assert_eq!(std::fs::read(path.join("figures/earlier/p99-2.pdf")).unwrap(), b"other");
}
