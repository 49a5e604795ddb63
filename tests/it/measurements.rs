//! Measurements that say less than a fit would like, or too much: what is said, kept and refused.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

use crate::common::{file, igniter};
use igniter::accuracy::accuracy;
use igniter::fit::{FitData, fit_predictor, members_of};
use igniter::profile::{self, read_colocated};
use predicates::str::contains;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const PROFILE: &str = "version = 1\nkind = \"mine\"\nsource = \"a test\"\n\n[gpu]\nunits = 54\n\
    max_clock_mhz = 1410.0\npower_cap_w = 400.0\nidle_power_w = 60.0\npcie_bytes_per_ms = 2.4e7\n\
    memory_bytes = 85899345920\nprice_per_hour = 0.0\n\n[[model]]\nname = \"m\"\n";

/// A profile of one model with these latencies (batch, share in %, ms).
fn eager(root: &Path, rows: &[(u32, u32, f64)]) -> PathBuf {
    let folder = root.join("mine");
    std::fs::create_dir(&folder).unwrap();
    file(&folder, "profile.toml", PROFILE);
    let mut solo = "model,batch,sm_pct,latency_ms\n".to_owned();
    for (batch, share, ms) in rows {
        solo += &format!("m,{batch},{share},{ms}\n");
    }
    file(&folder, "solo.csv", solo);
    folder
}

#[test]
fn a_model_that_is_launch_bound_everywhere_has_no_gpu_terms() {
    let root = TempDir::new().unwrap();
    let rows: Vec<(u32, u32, f64)> = [(1, 5.0), (2, 5.01), (4, 4.99), (8, 5.02)]
        .into_iter()
        .flat_map(|(batch, ms)| [(batch, 50, ms), (batch, 100, ms - 0.01)])
        .collect();
    let folder = eager(root.path(), &rows);
    let run = igniter()
        .arg("fit")
        .arg(&folder)
        .args(["--predictor", "contention"])
        .assert()
        .code(0)
        .stdout(contains("model m is launch-bound at every solo point"))
        .stdout(contains("the GPU terms (a, w, g, d) are unknown"));
    // The table says so, too.
    let text = String::from_utf8(run.get_output().stdout.clone()).unwrap();
    let measured = |term: &str| {
        let line = text.lines().find(|line| line.trim_start().starts_with(&format!("{term} m ")));
        !line.unwrap().contains("not measured")
    };
    assert_eq!(["a", "w", "g", "d", "l"].map(measured), [false, false, false, false, true]);
    // One that the GPU leads at some points is not.
    let root = TempDir::new().unwrap();
    let rows = [(1, 50, 5.0), (1, 100, 5.0), (8, 100, 5.1), (32, 100, 16.0), (32, 50, 32.0)];
    let folder = eager(root.path(), &rows);
    let run =
        igniter().arg("fit").arg(&folder).args(["--predictor", "contention"]).assert().code(0);
    let text = String::from_utf8(run.get_output().stdout.clone()).unwrap();
    assert!(!text.contains("at every solo point"), "{text}");
    assert!(text.contains("launching in company (lambda) was not measured"), "{text}");
}

#[test]
fn measurements_that_contradict_each_other_are_named_and_kept_or_refused() {
    let root = TempDir::new().unwrap();
    let rows = [(1, 50, 3.0), (1, 100, 2.0), (1, 100, 2.5), (8, 100, 9.0), (8, 50, 17.0)];
    let folder = eager(root.path(), &rows);
    let fit = || {
        let mut command = igniter();
        command.arg("fit").arg(&folder).args(["--predictor", "contention"]);
        command
    };
    let named = "m, batch 1, 100 %: measured 2 times, as 2 to 2.5 ms, 25 % apart";
    fit().assert().code(0).stdout(contains("contradictory, all kept")).stdout(contains(named));
    let out = root.path().join("c.json");
    fit()
        .arg("--strict")
        .arg("-o")
        .arg(&out)
        .assert()
        .code(2)
        .stderr(contains("--strict"))
        .stderr(contains(named));
    assert!(!out.exists());
    // 19 % are noise.
    let root = TempDir::new().unwrap();
    let rows = [(1, 50, 3.0), (1, 100, 2.0), (1, 100, 2.38), (8, 100, 9.0), (8, 50, 17.0)];
    let folder = eager(root.path(), &rows);
    igniter()
        .arg("fit")
        .arg(&folder)
        .args(["--predictor", "contention", "--strict"])
        .assert()
        .code(0);
}

#[test]
fn a_slice_is_a_part_of_its_gpu() {
    let root = TempDir::new().unwrap();
    let whole = [(1, 50, 3.0), (1, 100, 2.0), (8, 100, 9.0), (8, 50, 17.0)];
    eager(root.path(), &whole);
    let folder = root.path().join("slice");
    std::fs::create_dir(&folder).unwrap();
    let fit = |slice: &str| {
        let text = format!("version = 1\nkind = \"part\"\nsource = \"a test\"\n\n[slice]\n{slice}");
        file(&folder, "profile.toml", text);
        let mut command = igniter();
        command.arg("fit").arg(&folder).args(["--predictor", "contention"]);
        command.assert()
    };
    let too_large = [
        (
            "sm_pct = 120.0",
            "slice.sm_pct: given 120.0; allowed: a number above 0 and at most 100 %",
        ),
        ("sm_pct = 0.0", "slice.sm_pct: given 0.0; allowed: a number above 0 and at most 100 %"),
        ("sm_pct = 50.0\nbandwidth_pct = 101.0", "slice.bandwidth_pct: given 101.0"),
        (
            "sm_pct = 50.0\nmemory_bytes = 85899345921",
            "slice.memory_bytes = 85899345921: must be at most the 85899345920 bytes of ../mine",
        ),
    ];
    for (keys, message) in too_large {
        fit(&format!("of = \"../mine\"\n{keys}\n")).code(2).stderr(contains(message));
    }
    fit("of = \"../mine\"\nsm_pct = 50.0\nmemory_bytes = 42949672960\n").code(0);
    fit("of = \"nowhere\"\nsm_pct = 50.0\n").code(2).stderr(contains("nowhere"));
}

/// Of groups that start together and of which only the end of the last is known: the fast member runs beside the slow
/// one, then the slow one goes on alone.
#[test]
fn groups_of_which_only_the_makespan_is_known_are_scored() {
    let v100 = profile::load("v100").unwrap();
    let (predictor, _) = fit_predictor("contention", &FitData::of(&v100)).unwrap();
    let text = |makespan: f64| {
        format!(
            "run,member,model,batch,sm_pct,latency_ms,makespan_ms\n0,0,alexnet,4,50,,{makespan}\n\
             0,1,vgg19,8,50,,{makespan}\n"
        )
    };
    let root = TempDir::new().unwrap();
    let read = |makespan| read_colocated(&file(root.path(), "groups.csv", text(makespan))).unwrap();
    let members = members_of(predictor.as_ref(), &read(1.0)[0]).unwrap();
    let together = predictor.predict(&members).members;
    let (fast, slow) = (together[0].latency_ms(), together[1].latency_ms());
    assert!(fast < slow);
    let alone = predictor.predict(&members[1..]).members[0].latency_ms();
    let makespan = fast + (1.0 - fast / slow) * alone;
    // Measured a tenth longer: 9.09 % too low.
    let report = accuracy(predictor.as_ref(), &read(1.1 * makespan), None).unwrap();
    let found = report.makespans.unwrap();
    assert_eq!((found.n, report.untimed, report.points.len()), (1, 0, 0));
    assert!((found.bias_pct + 100.0 / 11.0).abs() < 1e-6, "{found:?}");
    let groups = file(root.path(), "groups.csv", text(1.1 * makespan));
    igniter()
        .args(["accuracy", "--predictor", "contention", "--colocated"])
        .arg(&groups)
        .assert()
        .code(0)
        .stdout(contains("makespans"));
}

#[test]
fn constants_of_another_gpu_are_per_the_same_pressure() {
    let root = TempDir::new().unwrap();
    let rows = [(1, 50, 3.0), (1, 100, 2.0), (8, 100, 9.0), (8, 50, 17.0)];
    let folder = eager(root.path(), &rows);
    let v100 = |pressure: &str| {
        let out = root.path().join(format!("{pressure}.json"));
        let mut command = igniter();
        command.args(["fit", "v100", "--predictor", "contention", "--pressure", pressure, "-o"]);
        command.arg(&out).assert().code(0);
        out
    };
    let fit = |constants: PathBuf| {
        let mut command = igniter();
        command.arg("fit").arg(&folder).args(["--predictor", "contention", "--constants-of"]);
        command.arg(constants).assert()
    };
    // The one model has latencies alone, so its share stands for pressure.
    fit(v100("power"))
        .code(2)
        .stderr(contains("per power, and pressure is SM share here"))
        .stderr(contains("--pressure"));
    fit(v100("share")).code(0).stdout(contains("not measured on this GPU"));
}
