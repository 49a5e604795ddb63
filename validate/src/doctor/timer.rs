//! Checks how late the machine wakes a sleeping thread, and whether its host takes processor time for other
//! machines.

use super::DoctorCheck;
use crate::measure::CpuTimes;
use igniter::stats::percentile;
use std::thread;
use std::time::{Duration, Instant};

/// Duration of the observation.
const WATCHED: Duration = Duration::from_secs(1);
/// Duration of one sleep.
const NAP: Duration = Duration::from_millis(1);
/// A wake-up delay above this at the 99th percentile spoils a P99. The limit is half of the delay at which a
/// client gets a warning.
const LATE_MS: f64 = 0.5;
/// Stolen time above this, in percent, is more than an occasional tick.
const STOLEN_PCT: f64 = 1.0;

/// Sleeps repeatedly for a millisecond, for one second in total, and evaluates the delays.
pub(super) fn check() -> DoctorCheck {
    let before = CpuTimes::now();
    let began = Instant::now();
    let mut late_ms = Vec::new();
    while began.elapsed() < WATCHED {
        let asleep = Instant::now();
        thread::sleep(NAP);
        late_ms.push(asleep.elapsed().saturating_sub(NAP).as_secs_f64() * 1e3);
    }
    let stolen_pct =
        before.zip(CpuTimes::now()).map(|(before, after)| after.stolen_since_pct(before));
    judged(late_ms, stolen_pct)
}

/// Evaluates the delays of these sleeps.
fn judged(mut late_ms: Vec<f64>, stolen_pct: Option<f64>) -> DoctorCheck {
    let name = "timer";
    late_ms.sort_by(f64::total_cmp);
    let (Some(p50), Some(p99)) = (percentile(&late_ms, 0.5), percentile(&late_ms, 0.99)) else {
        return DoctorCheck::warning(
            name,
            "no sleep of 1 ms ended within a second",
            "wait until the machine is idle",
        );
    };
    let stolen = stolen_pct.map_or_else(
        || "the system does not say how much time a host takes".to_owned(),
        |pct| format!("{pct:.1} % of the processors' time went to the host's other machines"),
    );
    let found = format!("sleeps of 1 ms end {p50:.2} ms late (P50), {p99:.2} ms (P99); {stolen}");
    if stolen_pct.is_some_and(|pct| pct > STOLEN_PCT) {
        return DoctorCheck::warning(
            name,
            found,
            "the host of this virtual machine is busy, which nothing in here can change: measure at another hour, or \
             on a machine of your own",
        );
    }
    if p99 > LATE_MS {
        return DoctorCheck::warning(
            name,
            found,
            "one request in a hundred would be later than this for no fault of the server: end other programs; on a \
             virtual machine its host may be busy though it says nothing",
        );
    }
    DoctorCheck::ok(name, found)
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn naps_are_judged_by_their_tail_and_by_what_the_host_took() {
        let mut late = vec![0.06; 990];
        let calm = judged(late.clone(), Some(0.0));
        assert_eq!(calm.status, Status::Ok);
        assert_eq!(
            calm.found,
            "sleeps of 1 ms end 0.06 ms late (P50), 0.06 ms (P99); 0.0 % of the processors' time went to the host's \
             other machines"
        );
        assert_eq!(judged(late.clone(), None).status, Status::Ok);
        let stolen = judged(late.clone(), Some(7.0));
        assert_eq!(stolen.status, Status::Warning);
        assert!(stolen.fix.unwrap().contains("host"));
        // Two in a hundred are late.
        late.extend([3.0; 20]);
        let busy = judged(late, Some(0.0));
        assert_eq!(busy.status, Status::Warning);
        assert!(busy.found.contains("3.00 ms (P99)"), "{}", busy.found);
        assert_eq!(judged(Vec::new(), None).status, Status::Warning);
    }

    #[test]
    fn a_second_has_many_naps() {
        let check = check();
        assert!(check.found.starts_with("sleeps of 1 ms end "), "{}", check.found);
    }
}
