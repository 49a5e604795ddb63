//! Runs that end while requests are on their way: what is said, kept and left.

use crate::support::{ONE, Running, Setting, shared_memory_of, signal_to};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use validate::client::ServerClient;

/// A run that lasts until something ends it; requests have been answered. The client has regions in shared
/// memory of its own.
struct LongRun {
    setting: Setting,
    running: Running,
    out: PathBuf,
}

impl LongRun {
    fn start(name: &str) -> Option<Self> {
        let setting = Setting::new(name)?;
        let one = setting.write("one.toml", ONE);
        let out = setting.path("run");
        let flags = ["--duration-s", "300", "--calibration-s", "0", "--shared-memory", "--quiet"];
        let running = setting.run(&one, &out, &flags);
        let run = Self { setting, running, out };
        let deadline = Instant::now() + Duration::from_secs(90);
        // 100 requests come each second; the warm-up has fewer.
        while run.answered().is_none_or(|answered| answered < 150) {
            assert!(Instant::now() < deadline, "it does not begin to measure");
            std::thread::sleep(Duration::from_millis(50));
        }
        Some(run)
    }

    /// How many requests its server has answered, once there is one.
    fn answered(&self) -> Option<u64> {
        let folder = fs::read_dir(self.setting.temporary()).ok()?.next()?.ok()?.path();
        let log = fs::read_to_string(folder.join("servers/0-W1/server.log")).ok()?;
        let (_, address) = log.split_once("Started HTTPService at ")?;
        let address = address.split(['"', '\n']).next()?.trim();
        let statistics =
            ServerClient::new(&format!("http://{address}")).statistics("alexnet").ok()?;
        statistics["inference_count"].as_u64()
    }

    /// The process of the server itself, without the guard.
    fn server(&self) -> u32 {
        let found = self.setting.processes().into_iter().find(|(_, command)| {
            let program = command.split(' ').next().unwrap_or_default();
            program.ends_with("/bin/tritonserver")
        });
        found.expect("its server runs").0
    }

    /// Waits for its end: exit code, messages, and how many requests were kept. Nothing may be left.
    fn end(&mut self) -> (Option<i32>, String, usize) {
        let (code, errors) = self.running.wait();
        self.setting.assert_nothing_left();
        assert_eq!(shared_memory_of(self.running.pid()), Vec::<String>::new());
        (code, errors, rows(&self.out))
    }

    /// How many requests are on the disk of a run that did not end by itself.
    fn partial(&self) -> usize {
        rows(&self.out.join("partial"))
    }

    /// The run as it was kept can be looked at, but not judged.
    fn assert_comparable(&self) {
        let arguments = ["compare", self.out.to_str().unwrap(), "--json"];
        let mut compared = self.setting.validate(&arguments);
        let document = compared.document();
        assert_eq!(compared.wait().0, Some(1));
        let warnings = document["warnings"].as_array().unwrap();
        assert!(warnings.iter().any(|warning| warning["kind"] == "incomplete"), "{warnings:?}");
        assert_eq!(document["passed"], false);
    }
}

fn rows(folder: &Path) -> usize {
    let kept = fs::read_to_string(folder.join("requests.csv")).unwrap_or_default();
    kept.lines().count().saturating_sub(1)
}

#[test]
fn ctrl_c_keeps_what_was_recorded_and_says_so() {
    let Some(mut run) = LongRun::start("midrun-interrupted") else { return };
    run.running.signal("INT");
    let (code, errors, kept) = run.end();
    assert_eq!(code, Some(130), "{errors}");
    let said = format!("interrupted; what was recorded until then is in {}", run.out.display());
    assert!(errors.contains(&said), "{errors}");
    assert!(kept > 0, "{errors}");
    run.assert_comparable();
}

#[test]
fn a_server_that_dies_under_load_ends_the_run_with_its_records() {
    let Some(mut run) = LongRun::start("midrun-dies") else { return };
    signal_to(run.server(), "KILL");
    let (code, errors, kept) = run.end();
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("the server of W1 (model alexnet) ended"), "{errors}");
    assert!(errors.contains("what was recorded until then is in"), "{errors}");
    assert!(kept > 0, "{errors}");
    let log = run.out.with_extension("logs").join("0-W1.log");
    assert!(log.is_file() && errors.contains(log.to_str().unwrap()), "{errors}");
    run.assert_comparable();
}

#[test]
fn a_server_that_hangs_under_load_is_found_out_and_ended() {
    let Some(mut run) = LongRun::start("midrun-hangs") else { return };
    signal_to(run.server(), "STOP");
    let (code, errors, kept) = run.end();
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("the server of W1 (model alexnet) does not answer"), "{errors}");
    assert!(errors.contains("what was recorded until then is in"), "{errors}");
    assert!(kept > 0, "{errors}");
    run.assert_comparable();
}

/// Ways out that let this program say nothing more: its helpers do the rest, and its records are on the disk.
#[test]
fn nothing_is_left_and_nothing_lost_when_the_program_cannot_clean_up() {
    let Some(mut killed) = LongRun::start("midrun-killed") else { return };
    killed.running.signal("KILL");
    assert_eq!(killed.end().0, None);
    assert!(killed.partial() > 20, "{}", killed.partial());
    // They can be looked at, but not judged.
    let partial = killed.out.join("partial");
    let mut compared = killed.setting.validate(&["compare", partial.to_str().unwrap(), "--json"]);
    let document = compared.document();
    assert_eq!(compared.wait().0, Some(1));
    let warnings = document["warnings"].as_array().unwrap();
    assert!(warnings.iter().any(|warning| warning["kind"] == "unfinished"), "{warnings:?}");
    let mut compared = killed.setting.validate(&["compare", killed.out.to_str().unwrap()]);
    assert!(compared.wait().1.contains("the records of a run that did not end are in"));

    // A second signal ends it at once.
    let Some(mut twice) = LongRun::start("midrun-twice") else { return };
    signal_to(twice.server(), "STOP");
    twice.running.signal("INT");
    std::thread::sleep(Duration::from_millis(300));
    twice.running.signal("INT");
    let (code, errors, _) = twice.end();
    assert_eq!(code, Some(130), "{errors}");
    assert!(twice.partial() > 20, "{}", twice.partial());
    let others = fs::read_dir(&twice.out).unwrap().flatten().filter(|e| e.file_name() != "partial");
    assert_eq!(others.count(), 0, "nothing half-written");
}

/// A disk of this size in the setting's folder; `None`, with a message, where it cannot be mounted.
fn small_disk(setting: &Setting, size: &str) -> Option<PathBuf> {
    let disk = setting.path("disk");
    fs::create_dir(&disk).unwrap();
    let mount = ["-t", "tmpfs", "-o", size, "tmpfs"];
    if !Command::new("mount").args(mount).arg(&disk).status().is_ok_and(|status| status.success()) {
        eprintln!("skipped: only root can mount a small disk");
        return None;
    }
    Some(disk)
}

fn unmount(disk: &Path) {
    assert!(Command::new("umount").arg(disk).status().unwrap().success());
}

#[test]
fn a_disk_that_fills_up_under_load_is_named() {
    let Some(setting) = Setting::new("midrun-full") else { return };
    let Some(disk) = small_disk(&setting, "size=512k") else { return };
    let one = setting.write("one.toml", ONE);
    let flags = ["--duration-s", "3", "--calibration-s", "0", "--quiet"];
    let mut running = setting.run(&one, &disk.join("run"), &flags);
    let deadline = Instant::now() + Duration::from_secs(90);
    while rows(&disk.join("run/partial")) < 20 {
        assert!(!running.ended(), "{:?}", running.wait());
        assert!(Instant::now() < deadline, "it does not begin to measure");
        std::thread::sleep(Duration::from_millis(5));
    }
    // Somebody else takes the rest.
    fs::write(disk.join("other"), vec![1_u8; 1 << 20]).expect_err("the disk is smaller");
    let (code, errors) = running.wait();
    // What the disk cannot take is in the temporary folder.
    let kept = fs::read_dir(setting.temporary()).unwrap().next().map(|entry| entry.unwrap().path());
    let kept = kept.unwrap_or_else(|| panic!("nothing was kept: {errors}"));
    assert_eq!(rows(&kept), 300, "all requests of 3 s: {errors}");
    assert!(
        errors.contains(&format!("the records of all requests are in {}", kept.display())),
        "{errors}"
    );
    fs::remove_dir_all(&kept).unwrap();
    setting.assert_nothing_left();
    unmount(&disk);
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("free some space or choose another disk"), "{errors}");
}

#[test]
fn a_disk_that_is_too_small_is_named_before_the_load() {
    let Some(setting) = Setting::new("midrun-small") else { return };
    let Some(disk) = small_disk(&setting, "size=16k") else { return };
    let one = setting.write("one.toml", ONE);
    let flags = ["--duration-s", "300", "--calibration-s", "0", "--quiet"];
    let (code, errors) = setting.run(&one, &disk.join("run"), &flags).wait();
    setting.assert_nothing_left();
    unmount(&disk);
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("cannot write") && errors.contains("free some space"), "{errors}");
}
