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
        let mut running = if whole {
            let out = setting.path(&format!("run{run}"));
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
        match signal {
            _ if ended_before => assert!(matches!(code, Some(0 | 1)), "{code:?} {errors}"),
            "KILL" => assert_eq!(code, None),
            // 130 in the middle of work; 0 where servers were only kept, or 0 and 1 where a run was finished all
            // the same; none where the signal came before the program watched for it.
            _ => assert!(
                matches!(code, Some(0 | 1 | 130) | None),
                "SIG{signal} after {moment:?}: {code:?} {errors}"
            ),
        }
        setting.assert_nothing_left();
        let left = shared_memory_of(running.pid());
        assert!(left.is_empty(), "SIG{signal} after {moment:?} left {left:?}");
    }
}
