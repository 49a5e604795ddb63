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
        // Spread evenly and visited in a mixed order (7 and 20 have no common factor): half of the moments lie
        // in the start of three servers, half after the one server is ready.
        let moment = Duration::from_millis(run * 7 % RUNS * 150);
        let mut running = if run % 8 < 4 {
            setting.launch(&[])
        } else {
            let mut running = setting.launch_scenario(&one, &[]);
            running.servers();
            running
        };
        std::thread::sleep(if run % 8 < 4 { moment } else { moment / 10 });
        let signal = ["INT", "TERM", "KILL", "HUP"][usize::try_from(run % 4).unwrap()];
        running.signal(signal);
        let (code, errors) = running.wait();
        match signal {
            "KILL" => assert_eq!(code, None),
            // 130 while it starts servers, 0 once it only waits for the signal; none where the signal came
            // before the program watched for it.
            _ => assert!(
                matches!(code, Some(0 | 130) | None),
                "SIG{signal} after {moment:?}: {code:?} {errors}"
            ),
        }
        setting.assert_nothing_left();
        let left = shared_memory_of(running.pid());
        assert!(left.is_empty(), "SIG{signal} after {moment:?} left {left:?}");
    }
}
