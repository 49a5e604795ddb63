//! Checks whether the machine had enough processors for client and servers.

use crate::clock;
use igniter::units::Nanoseconds;
use std::fs;

/// A snapshot of Linux' pressure stall information of the processors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuPressure {
    at: Nanoseconds,
    waited_us: u64,
}

impl CpuPressure {
    /// Takes a snapshot; `None` where the system does not report it.
    #[must_use]
    pub fn now() -> Option<Self> {
        let text = fs::read_to_string("/proc/pressure/cpu").ok()?;
        Some(Self { at: clock::now(), waited_us: waited_us(&text)? })
    }

    /// Returns the part of the time since an earlier snapshot in which some process, of any user, was ready to
    /// run and had no processor, in percent.
    #[must_use]
    pub fn since_pct(self, earlier: Self) -> f64 {
        let time_us = self.at.saturating_sub(earlier.at).get() as f64 / 1e3;
        let waited_us = self.waited_us.saturating_sub(earlier.waited_us) as f64;
        if time_us > 0.0 { (waited_us / time_us * 100.0).min(100.0) } else { 0.0 }
    }
}

/// Returns the total of the line `some`, in µs.
fn waited_us(text: &str) -> Option<u64> {
    let some = text.lines().find(|line| line.starts_with("some "))?;
    some.split(' ').find_map(|word| word.strip_prefix("total=")?.parse().ok())
}

/// A snapshot of how the processors' time was spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuTimes {
    /// The time that the host of a virtual machine took, in ticks of all processors together.
    stolen: u64,
    /// The total time.
    all: u64,
}

impl CpuTimes {
    /// Takes a snapshot; `None` where the system does not report it.
    #[must_use]
    pub fn now() -> Option<Self> {
        Self::read(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// Parses the line of all processors: user, nice, system, idle, iowait, irq, softirq, steal, and two that
    /// are parts of the first ones.
    fn read(text: &str) -> Option<Self> {
        let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let ticks: Vec<u64> = line.split_whitespace().map_while(|word| word.parse().ok()).collect();
        let [counted @ .., stolen] = ticks.get(..8)? else { return None };
        Some(Self { stolen: *stolen, all: counted.iter().sum::<u64>() + stolen })
    }

    /// Returns the part of the processors' time that the host took for others since an earlier snapshot, in
    /// percent.
    #[must_use]
    pub fn stolen_since_pct(self, earlier: Self) -> f64 {
        let all = self.all.saturating_sub(earlier.all) as f64;
        let stolen = self.stolen.saturating_sub(earlier.stolen) as f64;
        if all > 0.0 { (stolen / all * 100.0).min(100.0) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stolen_time_by_hand() {
        let before =
            CpuTimes::read("cpu  10 0 5 80 1 0 1 3 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n").unwrap();
        assert_eq!(before, CpuTimes { stolen: 3, all: 100 });
        // 200 ticks more, of which 50 were stolen; those of guests are counted as user time already.
        let after = CpuTimes::read("cpu  60 0 5 180 1 0 1 53 9 9\n").unwrap();
        assert!((after.stolen_since_pct(before) - 25.0).abs() < 1e-12);
        assert!(before.stolen_since_pct(after).abs() < 1e-12);
        assert_eq!(
            CpuTimes::read("cpu  10 0 5 80 1 0 1\n"),
            None,
            "a kernel that does not count it"
        );
        assert_eq!(CpuTimes::read("intr 5\n"), None);
    }

    #[test]
    fn pressure_by_hand() {
        let text = "some avg10=98.38 avg60=98.28 avg300=90.24 total=5000\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n";
        let at =
            |ms: u64, waited_us| CpuPressure { at: Nanoseconds::new(ms * 1_000_000), waited_us };
        assert_eq!(waited_us(text), Some(5000));
        assert_eq!(waited_us("full total=7"), None);
        // 5 ms of 20 ms
        assert!((at(30, 6000).since_pct(at(10, 1000)) - 25.0).abs() < 1e-12);
        assert!(at(10, 6000).since_pct(at(10, 1000)).abs() < 1e-12, "no time, no pressure");
    }
}
