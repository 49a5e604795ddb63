//! Shares of the SMs: the MPS daemon, the variables of its clients, and what they see. GPU, driver and MPS are stand-ins;
//! the server and its model processes are real.

use crate::standins::{H200, gpus_alone, second, with_gpus};
use crate::support::{Running, Setting, signal_to};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;

fn seen(running: &mut Running) -> Vec<Option<u64>> {
    running.servers().iter().map(|server| server["seen_sm"].as_u64()).collect()
}

fn fails(mut running: Running) -> String {
    let (code, errors) = running.wait();
    assert_eq!(code, Some(2), "{errors}");
    errors
}

#[test]
fn every_server_gets_its_share_from_a_daemon_of_ours() {
    let Some((mut setting, log)) = with_gpus("share", H200) else { return };
    // What is set around us is not for our servers.
    setting.set("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE", "1");
    let mut running = setting.launch(&["--gpus", "0"]);
    // 37.5, 30 and 10 % of 132 SMs, in pairs
    assert_eq!(seen(&mut running), [Some(48), Some(38), Some(12)]);
    running.signal("TERM");
    let (code, errors) = running.wait();
    assert_eq!(code, Some(0), "{errors}");
    setting.assert_nothing_left();
    let told = fs::read_to_string(log).unwrap();
    let uuid = "GPU-00000000-0000-0000-0000-000000000000";
    assert!(told.starts_with(&format!("started for {uuid}, share ''\n")), "{told}");
    for share in ["37.5", "30", "10"] {
        assert!(told.contains(&format!("client: share {share}, partition -: OK")), "{told}");
    }
    assert!(told.contains("told: quit\n") && told.ends_with("ended\n"), "{told}");
}

#[test]
fn a_daemon_ends_with_a_run_that_is_killed() {
    let Some((mut setting, log)) = with_gpus("killed-daemon", H200) else { return };
    // Its own server would stay.
    setting.set("STANDIN_MPS_SERVER", "stays");
    let mut running = setting.launch(&["--gpus", "0"]);
    running.servers();
    running.signal("KILL");
    running.wait();
    setting.assert_nothing_left();
    assert!(fs::read_to_string(log).unwrap().contains("told: quit\n"));
}

#[test]
fn a_share_that_is_not_applied_is_an_error() {
    let Some((mut setting, _)) = with_gpus("unapplied", H200) else { return };
    setting.set("STANDIN_MPS_IGNORED", "1");
    let errors = fails(setting.launch(&["--gpus", "0"]));
    let message = "the share of W3 (model vgg19) is not in force: vgg19_0_0: 37.5 % of 132 SMs are 49.5, but it \
        sees 132";
    assert!(errors.contains(message), "{errors}");
    setting.assert_nothing_left();
}

#[test]
fn a_share_that_is_more_than_a_unit_too_small_is_an_error() {
    let Some((mut setting, _)) = with_gpus("too-small", H200) else { return };
    // Eight SMs at a time: 30 % are 39.6, of which it grants 32. A unit of the profile is 3.3.
    setting.set("STANDIN_MPS_STEP", "8");
    let errors = fails(setting.launch(&["--gpus", "0"]));
    assert!(
        errors.contains("the share of W2") && errors.contains("more than one allocation unit"),
        "{errors}"
    );
    setting.assert_nothing_left();
}

#[test]
fn without_mps_there_is_no_daemon_and_no_check() {
    let Some((setting, log)) = with_gpus("whole", H200) else { return };
    let mut running = setting.launch(&["--gpus", "0", "--mps", "off"]);
    assert_eq!(seen(&mut running), [Some(132); 3]);
    running.signal("INT");
    running.wait();
    assert!(!log.exists());
    setting.assert_nothing_left();
}

#[test]
fn shares_without_a_gpu_are_refused() {
    let Some((setting, _)) = with_gpus("no-gpu", "driver 580.82.07\n") else { return };
    let errors = fails(setting.launch(&["--mps", "on"]));
    assert!(errors.contains("no GPU whose SMs could be shared"), "{errors}");
}

#[test]
fn a_socket_gets_a_path_that_is_short_enough() {
    let Some((mut setting, _)) = with_gpus("deep", H200) else { return };
    let deep = setting.path("tmp").join("d".repeat(110));
    fs::create_dir_all(&deep).unwrap();
    setting.set("TMPDIR", deep.to_str().unwrap());
    let mut running = setting.launch(&["--gpus", "0"]);
    assert_eq!(seen(&mut running)[0], Some(48));
    let pid = running.pid();
    let pipes = |pid: u32| -> Vec<_> {
        let entries = fs::read_dir("/tmp").unwrap().flatten().map(|entry| entry.path());
        let ours = entries.filter(|path| {
            let keeper = fs::read_to_string(path.join(".keeper")).unwrap_or_default();
            keeper == pid.to_string()
        });
        ours.collect()
    };
    assert_eq!(pipes(pid).len(), 1);
    running.signal("TERM");
    assert_eq!(running.wait().0, Some(0));
    assert!(pipes(pid).is_empty());
    assert_eq!(fs::read_dir(&deep).unwrap().count(), 0);
    fs::remove_dir(&deep).unwrap();
    setting.assert_nothing_left();
}

#[test]
fn a_daemon_without_a_flag_for_the_foreground_is_used_all_the_same() {
    let Some((mut setting, log)) = with_gpus("old-daemon", H200) else { return };
    setting.set("STANDIN_MPS_OLD", "1");
    let mut running = setting.launch(&["--gpus", "0"]);
    assert_eq!(seen(&mut running)[0], Some(48));
    running.signal("TERM");
    let (code, errors) = running.wait();
    assert_eq!(code, Some(0), "{errors}");
    setting.assert_nothing_left();
    assert!(fs::read_to_string(log).unwrap().contains("told: quit\n"));
}

#[test]
fn a_client_is_terminated_before_it_is_killed() {
    let Some((setting, log)) = with_gpus("terminated", H200) else { return };
    let mut running = setting.launch(&["--gpus", "0"]);
    for server in running.servers() {
        signal_to(u32::try_from(server["pid"].as_u64().unwrap()).unwrap(), "STOP");
    }
    running.signal("TERM");
    let (code, errors) = running.wait();
    assert_eq!(code, Some(0), "{errors}");
    setting.assert_nothing_left();
    let told = fs::read_to_string(log).unwrap();
    let (before, after) = told.split_once("told: quit").unwrap();
    assert_eq!(before.matches("told: terminate_client").count(), 3, "{told}");
    assert!(after.contains("ended"), "{told}");
}

#[test]
fn the_gpu_that_the_environment_shows_is_used() {
    let two = format!("{H200}{}", second());
    let Some((mut setting, log)) = with_gpus("visible", &two) else { return };
    setting.set("CUDA_VISIBLE_DEVICES", "1");
    let mut running = setting.launch(&["--mps", "percentage"]);
    running.servers();
    running.signal("TERM");
    running.wait();
    assert!(fs::read_to_string(log).unwrap().starts_with("started for GPU-1111"));
    let errors = fails(setting.launch(&["--gpus", "0"]));
    assert!(errors.contains("CUDA_VISIBLE_DEVICES=1 hides this GPU"), "{errors}");
    setting.assert_nothing_left();
}

#[test]
fn one_gpu_that_cannot_be_used_does_not_block_the_others() {
    for (code, why) in [("4", "permission"), ("15", "fell off the bus")] {
        let two = format!("{}handle {code}\n{}", H200, second());
        let Some((setting, log)) = with_gpus("one-bad", &two) else { return };
        let mut running = setting.launch(&["--mps", "percentage"]);
        running.servers();
        running.signal("TERM");
        let (ended, errors) = running.wait();
        assert_eq!(ended, Some(0), "{errors}");
        assert!(
            errors.contains("a GPU is left out: GPU 0") && errors.to_lowercase().contains(why),
            "{errors}"
        );
        assert!(fs::read_to_string(log).unwrap().starts_with("started for GPU-1111"));
        let errors = fails(setting.launch(&["--gpus", "0"]));
        assert!(
            errors.to_lowercase().contains(why) && errors.contains("give --gpus of 1"),
            "{errors}"
        );
        setting.assert_nothing_left();
    }
}

#[test]
fn mig_slices_are_listed_and_used_by_name() {
    let cut = H200.replace(
        "mig 0",
        "mig 1\n slice MIG-aaaa-1 16 18000000000\n slice MIG-bbbb-2 16 18000000000",
    );
    let Some((mut setting, log)) = with_gpus("mig", &cut) else { return };
    setting.set("STANDIN_MPS_SMS", "16");
    let errors = fails(setting.launch(&["--mps", "percentage"]));
    assert!(
        errors.contains("cut into MIG slices") && errors.contains("MIG-aaaa-1, MIG-bbbb-2"),
        "{errors}"
    );
    let mut running = setting.launch(&["--gpus", "MIG-bbbb"]);
    // 37.5, 30 and 10 % of the 16 SMs of one slice
    assert_eq!(seen(&mut running), [Some(6), Some(4), Some(2)]);
    running.signal("TERM");
    running.wait();
    assert!(fs::read_to_string(log).unwrap().starts_with("started for MIG-bbbb-2"));
    setting.assert_nothing_left();
}

#[test]
fn exclusive_mode_takes_one_server_without_mps() {
    let exclusive = H200.replace("mode 0", "mode 3");
    let Some((setting, _)) = with_gpus("exclusive", &exclusive) else { return };
    let errors = fails(setting.launch(&["--gpus", "0", "--mps", "off"]));
    assert!(
        errors.contains("EXCLUSIVE_PROCESS") && errors.contains("nvidia-smi -c DEFAULT"),
        "{errors}"
    );
    let mut running = setting.launch(&["--gpus", "0"]);
    assert_eq!(seen(&mut running)[0], Some(48), "with MPS it is as it should be");
    running.signal("TERM");
    running.wait();
    setting.assert_nothing_left();
}

#[test]
fn facts_are_found_out_by_clients_of_a_daemon_of_ours() {
    let (setting, log) = gpus_alone("facts", H200);
    let out = setting.path("facts");
    let percentages = ["--percentages", "2,4,10,50,100"];
    let arguments = [&["facts"][..], &percentages, &["-o", out.to_str().unwrap()]].concat();
    let mut running = setting.validate(&arguments);
    let (code, errors) = running.wait();
    assert_eq!(code, Some(0), "{errors}");
    setting.assert_nothing_left();
    let table = fs::read_to_string(out.join("sm_table.csv")).unwrap();
    let expected = "sm_pct,sms_attribute,sms_affinity,sms_touched\n2,2,,2\n4,4,,4\n10,12,,12\n50,66,,66\n100,132,,132\n";
    assert_eq!(table, expected);
    let facts: Value =
        serde_json::from_str(&fs::read_to_string(out.join("facts.json")).unwrap()).unwrap();
    assert_eq!(facts["facts"]["overlap"].as_array().unwrap().len(), 2);
    let fits = facts["facts"]["transfer_fits"].as_array().unwrap();
    assert_eq!(fits.len(), 4, "two directions, two kinds of memory");
    // The stand-in copies no faster than 1 GB/s; a busy machine makes it slower.
    let bandwidth = fits[0]["bytes_per_ms"].as_f64().unwrap();
    assert!(bandwidth > 0.0 && bandwidth < 1.1e6, "{facts}");
    assert!(fs::read_to_string(log).unwrap().ends_with("ended\n"));
}

#[test]
fn the_base_profile_has_the_units_that_were_measured() {
    let (mut setting, _) = gpus_alone("steps", H200);
    setting.set("STANDIN_MPS_STEP", "8");
    let out = setting.path("facts");
    let percentages = "7,13,19,25,31,37,50,100";
    let arguments = ["facts", "--percentages", percentages, "-o", out.to_str().unwrap()];
    let (code, errors) = setting.validate(&arguments).wait();
    assert_eq!(code, Some(0), "{errors}");
    let base = igniter::profile::read_profile(&out.join("base")).unwrap();
    assert_eq!(
        (base.kind.name.as_str(), base.kind.units.get()),
        ("gpu", 16),
        "eight SMs a unit, not two"
    );
    setting.assert_nothing_left();
}

#[test]
fn static_partitions_have_their_own_sms() {
    let Some((mut setting, log)) = with_gpus("static", H200) else { return };
    // The V100's profile is of percentages.
    let errors = fails(setting.launch(&["--gpus", "0", "--mps", "static"]));
    assert!(errors.contains("--mps: given static; allowed: percentage or off"), "{errors}");
    let out = setting.path("facts");
    let arguments = ["facts", "--static", "--percentages", "50,100", "-o", out.to_str().unwrap()];
    let errors = fails(setting.validate(&arguments));
    assert!(errors.contains("has no static partitions of SMs (version 13000)"), "{errors}");
    setting.set("STANDIN_MPS_VERSION", "13020");
    // A profile of this mechanism, and a plan for it.
    let (code, errors) = setting.validate(&arguments).wait();
    assert_eq!(code, Some(0), "{errors}");
    let base = out.join("base");
    let kind = igniter::profile::read_profile(&base).unwrap().kind;
    assert_eq!((kind.units.get(), kind.mps.as_str()), (15, "static"), "the chunks of the GPU");
    let profile = base.to_str().unwrap();
    let flags = ["--gpus", "0", "--mps", "percentage", "--profile", profile];
    let errors = fails(setting.launch(&flags));
    assert!(errors.contains("--mps: given percentage; allowed: static or off"), "{errors}");
    // Its plans are served by its mechanism, unsaid.
    let flags = ["--gpus", "0", "--profile", profile];
    let mut running = setting.launch(&flags);
    let seen = seen(&mut running);
    assert!(seen.iter().all(|sms| sms.is_some_and(|sms| sms > 0 && sms % 8 == 0)), "{seen:?}");
    running.signal("TERM");
    running.wait();
    let told = fs::read_to_string(log).unwrap();
    assert!(
        told.contains("told: sm_partition add GPU-0000")
            && told.contains("client: share -, partition GPU-")
    );
    setting.assert_nothing_left();
}

fn doctor(setting: &Setting, flags: &[&str]) -> Value {
    let mut running = setting.validate(&[&["doctor", "--json", "--need", "gpu"], flags].concat());
    let document = running.document();
    running.wait();
    document
}

fn check<'d>(document: &'d Value, name: &str) -> &'d Value {
    let checks = document["checks"].as_array().unwrap();
    checks
        .iter()
        .find(|check| check["name"] == name)
        .unwrap_or_else(|| panic!("no {name} in {document}"))
}

#[test]
fn the_doctor_tries_a_client_and_a_server() {
    let Some((setting, log)) = with_gpus("doctor", H200) else { return };
    let triton = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.triton/tritonserver");
    let document = doctor(&setting, &["--triton", triton.to_str().unwrap()]);
    setting.assert_nothing_left();
    for name in ["driver", "GPU", "MPS control", "MPS daemon", "Triton", "Python backend"] {
        assert_eq!(check(&document, name)["status"], "ok", "{name}: {document}");
    }
    let found = check(&document, "MPS daemon")["found"].as_str().unwrap();
    assert_eq!(found, "a client with 50 % sees 66 of 132 SMs");
    assert_eq!(check(&document, "static partitions")["status"], "unneeded");
    assert!(fs::read_to_string(log).unwrap().contains("client: share 50, partition -: OK 66"));
}

#[test]
fn the_doctor_says_what_a_client_meets() {
    for (behaviour, words) in [("fails", "CUDA error 805"), ("fault", "CUDA error 807")] {
        let (mut setting, _) = gpus_alone("doctor-refused", H200);
        setting.set("STANDIN_MPS_SERVER", behaviour);
        let document = doctor(&setting, &["--triton", "/nowhere"]);
        let daemon = check(&document, "MPS daemon");
        assert_eq!(daemon["status"], "missing", "{behaviour}: {daemon}");
        assert!(daemon["found"].as_str().unwrap().contains(words), "{daemon}");
        setting.assert_nothing_left();
    }
    let (mut setting, _) = gpus_alone("doctor-ignored", H200);
    setting.set("STANDIN_MPS_IGNORED", "1");
    let daemon = check(&doctor(&setting, &["--triton", "/nowhere"]), "MPS daemon").clone();
    assert_eq!(daemon["status"], "missing");
    assert!(
        daemon["found"].as_str().unwrap().contains("sees 132 of 132 SMs: no share is applied"),
        "{daemon}"
    );
    setting.assert_nothing_left();
}

#[test]
fn what_the_doctor_does_not_know_is_not_ok() {
    // An old card: no MPS shares, and a driver that tells neither energy nor reasons.
    let old = "driver 470.82.01\ncuda 11040\ngpu\n uuid GPU-aaaaaaaa\n name Tesla P40\n capability 6 1\n cores 3840\n\
        clock 1303\n maxclock 1531\n power 55000\n limit 250000\n mode 3\n temperature 40\n\
        gpu\n uuid GPU-bbbbbbbb\n name A card\n";
    let (setting, _) = gpus_alone("doctor-old", old);
    let document = doctor(&setting, &["--quick", "--triton", "/nowhere"]);
    let checks = document["checks"].as_array().unwrap();
    let of = |name: &str| -> Vec<String> {
        let of = checks.iter().filter(|check| check["name"] == name);
        of.map(|check| format!("{}: {} {}", check["status"], check["found"], check["fix"]))
            .collect()
    };
    let gpus = of("GPU");
    assert!(gpus[0].starts_with("\"warning\"") && gpus[0].contains("before Volta"), "{gpus:?}");
    assert!(gpus[1].starts_with("\"warning\"") && gpus[1].contains("not known"), "{gpus:?}");
    let clocks = of("clock");
    assert!(clocks.iter().all(|clock| clock.starts_with("\"warning\"")), "{clocks:?}");
    assert!(clocks[0].contains("does not say whether its clock is limited"), "{clocks:?}");
    assert!(of("power limit").iter().all(|power| power.starts_with("\"warning\"")));
    assert_eq!(of("compute mode").len(), 1);
    assert_eq!(of("idle").len(), 2, "utilisation is not told either");
}

#[test]
fn a_driver_that_does_not_answer_says_why() {
    for (code, words) in [("9", "driver"), ("18", "mismatch"), ("999", "internal driver error")] {
        let (setting, _) = gpus_alone("no-driver", &format!("init {code}\n"));
        let document = doctor(&setting, &["--quick", "--triton", "/nowhere"]);
        let driver = check(&document, "driver");
        assert_eq!(driver["status"], "missing", "{driver}");
        assert!(driver["found"].as_str().unwrap().to_lowercase().contains(words), "{driver}");
    }
}

#[test]
fn the_stand_in_of_the_socket_has_its_limit() {
    // Else the test of long paths would pass whatever the program does.
    let (setting, _) = gpus_alone("limit", H200);
    let deep = setting.path("p").join("d".repeat(110));
    fs::create_dir_all(&deep).unwrap();
    let control = setting.path("bin/nvidia-cuda-mps-control");
    let started = Command::new(control).arg("-f").env("CUDA_MPS_PIPE_DIRECTORY", &deep).status();
    assert_eq!(started.unwrap().code(), Some(1));
}
