//! Signals at any moment.

use crate::support::{ONE, Setting, shared_memory_of};
use std::time::Duration;

/// How many runs are interrupted, each at another moment with another signal.
const RUNS: u64 = 20;

#[test]
fn nothing_is_left_whenever_a_run_is_interrupted() {
    let Some(setting) = Setting::new("interrupted") else { return };
    let one = setting.write("one.toml", ONE);
    for run in 0..RUNS {
        // Spread evenly and visited in a mixed order (7 and 20 have no common factor): some lie in the start
        // of three servers, the others anywhere in a whole run of one: start, warm-up, calibration, load,
        // tables.
        let moment = run * 7 % RUNS;
        let whole = run % 8 >= 4;
        let out = setting.path(&format!("run{run}"));
        let mut running = if whole {
            setting.run(&one, &out, &["--duration-s", "4", "--calibration-s", "1", "--quiet"])
        } else {
            setting.launch(&[])
        };
        let moment = Duration::from_millis(moment * if whole { 500 } else { 150 });
        std::thread::sleep(moment);
        let signal = ["INT", "TERM", "KILL", "HUP"][usize::try_from(run % 4).unwrap()];
        let ended_before = running.ended();
        if !ended_before {
            running.signal(signal);
        }
        let (code, errors) = running.wait();
        let expected = match code {
            // It was finished, before the signal or as it came.
            Some(0 | 1) if whole => out.join("run.json").is_file(),
            // Servers were only kept.
            Some(0) => signal != "KILL",
            // In the middle of work.
            Some(130) => !ended_before && signal != "KILL",
            // At once, or before the program watched for signals.
            None => !ended_before,
            _ => false,
        };
        assert!(expected, "SIG{signal} after {moment:?}, run {run}: {code:?} {errors}");
        setting.assert_nothing_left();
        let left = shared_memory_of(running.pid());
        assert!(left.is_empty(), "SIG{signal} after {moment:?} left {left:?}");
    }
}
