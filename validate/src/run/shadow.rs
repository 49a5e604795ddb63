//! iGniter's shadow processes: a standby for each workload, with more SMs, that takes over when the observed
//! P99 exceeds the SLO.

use crate::client::Answer;
use crate::compare::shadow_spec;
use crate::launch::{Device, LaunchArgs, LaunchError, LaunchSpec};
use igniter::domain::Plan;
use igniter::run::Study;
use igniter::stats::percentile;
use igniter::units::{Milliseconds, Nanoseconds, SmUnits};

/// Returns the standby of each placement of a plan, where enough SMs are free for a larger share.
///
/// # Errors
/// As [`LaunchArgs::specs`].
pub fn standby_specs(
    args: &LaunchArgs,
    study: &Study,
    plan: &Plan,
    devices: &[Device],
) -> Result<Vec<LaunchSpec>, LaunchError> {
    let units = study.kind().units.get();
    let more = more_units(shadow_spec(study.scenario()).extra_pct, units);
    let mut standbys = Vec::new();
    let mut number = 0;
    for (gpu, co_location) in plan.gpus.iter().enumerate() {
        let extra = more.min(units.saturating_sub(co_location.total_sm().get()));
        for position in 0..co_location.placements.len() {
            if extra > 0 {
                let mut larger = plan.clone();
                let placement = &mut larger.gpus[gpu].placements[position];
                placement.sm = placement.sm + SmUnits::new(extra);
                let own = args.specs(study, &larger, devices)?.swap_remove(number);
                standbys.push(LaunchSpec { active: false, ..own });
            }
            number += 1;
        }
    }
    Ok(standbys)
}

/// Returns the largest whole number of allocation units in a part of a GPU.
fn more_units(extra_pct: f64, units: u32) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "`as` saturates")]
    let whole = (extra_pct / 100.0 * f64::from(units) + 1e-9).floor() as u32;
    whole
}

/// Monitors the latencies of one server in consecutive windows, as the engine's controller does.
#[derive(Debug)]
pub(super) struct Watch {
    slo: Nanoseconds,
    period: Nanoseconds,
    /// End of the current window.
    end: Nanoseconds,
    /// Arrival times of answers with their latencies; none from an earlier window.
    recent: Vec<(Nanoseconds, Nanoseconds)>,
}

impl Watch {
    /// Creates a watch whose first window begins at `start`.
    pub(super) fn new(slo: Milliseconds, period: Nanoseconds, start: Nanoseconds) -> Self {
        Self { slo: slo.to_nanoseconds(), period, end: start + period, recent: Vec::new() }
    }

    /// Adds new answers; returns whether the P99 of a window that has ended by `now` exceeds the SLO.
    pub(super) fn should_switch<'a>(
        &mut self,
        answers: impl Iterator<Item = &'a Answer>,
        now: Nanoseconds,
    ) -> bool {
        self.recent.extend(answers.map(|a| (a.done, a.done.saturating_sub(a.intended))));
        let mut late = false;
        while now >= self.end {
            let ended = self.recent.extract_if(.., |(done, _)| *done < self.end);
            let mut latencies: Vec<Nanoseconds> = ended.map(|(_, latency)| latency).collect();
            latencies.sort_unstable();
            late |= percentile(&latencies, 0.99).is_some_and(|p99| p99 > self.slo);
            self.end += self.period;
        }
        late
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Tag;

    #[test]
    fn a_standby_is_called_when_the_p99_of_a_window_is_over_the_slo() {
        let ms = |ms: u64| Nanoseconds::new(ms * 1_000_000);
        let answer = |done: u64, latency: u64| Answer {
            tag: Tag { phase: 'm', index: 0 },
            intended: ms(done - latency),
            sent: ms(done),
            written: ms(done),
            first_byte: ms(done),
            done: ms(done),
            connection: 0,
            result: Ok(4),
        };
        let second = Nanoseconds::new(1_000_000_000);
        let mut watch = Watch::new(Milliseconds::new(10.0).unwrap(), second, second);
        // The window is [1 s, 2 s). Of 200 answers one may be late, of 202 three may not.
        let good: Vec<Answer> = (0..199).map(|i| answer(1_000 + i, 10)).collect();
        let straggler = answer(1_200, 500);
        let later = answer(2_001, 11);
        let first = good.iter().chain([&straggler, &later]);
        assert!(!watch.should_switch(first, ms(1_999)), "the window has not ended");
        assert!(!watch.should_switch(std::iter::empty(), ms(2_010)), "one straggler");
        assert!(watch.should_switch(std::iter::empty(), ms(3_000)), "the only answer was late");
        let more: Vec<Answer> = (0..3).map(|i| answer(3_300 + i, 11)).collect();
        let good: Vec<Answer> = (0..199).map(|i| answer(3_000 + i, 10)).collect();
        assert!(watch.should_switch(good.iter().chain(&more), ms(4_020)));
        assert!(!watch.should_switch(std::iter::empty(), ms(9_000)), "nothing came since");
    }

    #[test]
    fn a_standby_gets_whole_units() {
        // 10 % of the 40 units of a V100 are 4; of the 66 of an H100 6.6.
        assert_eq!([more_units(10.0, 40), more_units(10.0, 66), more_units(0.0, 40)], [4, 6, 0]);
    }
}
