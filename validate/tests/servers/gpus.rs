//! Whole runs on GPUs that are not there.

use crate::standins::{H200, with_gpus};
use crate::support::ONE;
use serde_json::Value;
use std::fs;

#[test]
fn a_run_records_its_gpu_and_lives_through_its_loss() {
    // The driver loses the GPU in the middle: after so many calls of it.
    let lost = H200.replace("mode 0", "mode 0\n lost_after 400");
    let Some((setting, _)) = with_gpus("lost", &lost) else { return };
    let one = setting.write("one.toml", ONE);
    let out = setting.path("run");
    let flags = ["--gpus", "0", "--duration-s", "4", "--calibration-s", "0", "--quiet"];
    let (code, errors) = setting.run(&one, &out, &flags).wait();
    assert!(matches!(code, Some(0 | 1)), "{code:?} {errors}");
    setting.assert_nothing_left();
    let info: Value =
        serde_json::from_str(&fs::read_to_string(out.join("run.json")).unwrap()).unwrap();
    let gpu = &info["gpus"][0];
    assert_eq!(gpu["facts"]["name"], "NVIDIA H200");
    assert_eq!(gpu["facts"]["uuid"], "GPU-00000000-0000-0000-0000-000000000000");
    assert_eq!((&gpu["facts"]["sms"], &gpu["sharing"]), (&132.into(), &"percentage".into()));
    assert_eq!(gpu["machine"]["driver"], "580.82.07");
    assert_eq!(gpu["at_start"]["sm_clock_mhz"], 345);
    assert!(info["server"].as_str().unwrap().starts_with("triton 2."));
    let warnings = info["warnings"].as_array().unwrap();
    let other = warnings.iter().find(|warning| warning["kind"] == "other_gpu");
    assert_eq!(other.unwrap_or_else(|| panic!("{warnings:?}"))["found"], "NVIDIA H200");
    let samples = fs::read_to_string(out.join("gpus.csv")).unwrap();
    let missed = samples.lines().filter(|line| line.ends_with(",1")).count();
    let taken = samples.lines().filter(|line| line.ends_with(",0")).count();
    assert!(missed > 5 && taken > 5, "{missed} {taken}");
    assert_eq!(fs::read_to_string(out.join("requests.csv")).unwrap().lines().count(), 401);
}

#[test]
fn a_profile_of_this_gpu_gives_no_warning() {
    let v100 = H200
        .replace("NVIDIA H200", "Tesla V100-SXM2-16GB")
        .replace("9 0", "7 0")
        .replace("16896", "5120");
    let Some((mut setting, _)) = with_gpus("same", &v100) else { return };
    setting.set("STANDIN_MPS_SMS", "80");
    let one = setting.write("one.toml", ONE);
    let out = setting.path("run");
    let flags = ["--gpus", "0", "--duration-s", "2", "--calibration-s", "0", "--quiet"];
    let (code, errors) = setting.run(&one, &out, &flags).wait();
    assert!(matches!(code, Some(0 | 1)), "{code:?} {errors}");
    let info: Value =
        serde_json::from_str(&fs::read_to_string(out.join("run.json")).unwrap()).unwrap();
    let warnings = info["warnings"].as_array().unwrap();
    assert!(warnings.iter().all(|warning| warning["kind"] != "other_gpu"), "{warnings:?}");
    setting.assert_nothing_left();
}
