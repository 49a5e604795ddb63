//! iGniter's shadow processes: a standby for each workload, with more SMs, that takes over when the observed
//! P99 exceeds the SLO.

use crate::client::Answer;
use crate::launch::{Device, LaunchArgs, LaunchError, ServerSpec};
use igniter::domain::Plan;
use igniter::run::Study;
use igniter::stats::percentile;
use igniter::units::{Milliseconds, Nanoseconds, SmUnits};
use std::collections::VecDeque;

/// How many more SMs a standby gets, in percent of the GPU, as far as they are free.
const MORE_PCT: u32 = 10;
/// The stretch over which P99 is observed.
const STRETCH: Nanoseconds = Nanoseconds::new(2_000_000_000);
/// Fewer answers than this say nothing of a P99.
const LEAST: usize = 100;

/// The standby of each placement of a plan.
///
/// # Errors
/// As [`LaunchArgs::specs`].
pub fn standby_specs(
    args: &LaunchArgs,
    study: &Study,
    plan: &Plan,
    devices: &[Device],
) -> Result<Vec<ServerSpec>, LaunchError> {
    let units = study.kind().units.get();
    let mut standbys = Vec::new();
    for (gpu, co_location) in plan.gpus.iter().enumerate() {
        let free = units.saturating_sub(co_location.total_sm().get());
        for position in 0..co_location.placements.len() {
            let mut larger = plan.clone();
            let placement = &mut larger.gpus[gpu].placements[position];
            placement.sm = placement.sm + SmUnits::new((units * MORE_PCT / 100).min(free));
            let name = placement.workload.clone();
            let specs = args.specs(study, &larger, devices)?;
            let own = specs.into_iter().find(|spec| spec.workload == name && spec.gpu == gpu);
            standbys.extend(own.map(|spec| ServerSpec { active: false, ..spec }));
        }
    }
    Ok(standbys)
}

/// Watches the latencies of one workload.
#[derive(Debug)]
pub(super) struct Watch {
    slo: Nanoseconds,
    /// When answers came, with their latencies.
    recent: VecDeque<(Nanoseconds, Nanoseconds)>,
}

impl Watch {
    pub(super) fn new(slo: Milliseconds) -> Self {
        Self { slo: slo.to_nanoseconds(), recent: VecDeque::new() }
    }

    /// Takes new answers and says whether the P99 of the last two seconds exceeds the SLO.
    pub(super) fn should_switch<'a>(
        &mut self,
        answers: impl Iterator<Item = &'a Answer>,
        now: Nanoseconds,
    ) -> bool {
        self.recent.extend(answers.map(|a| (a.done, a.done.saturating_sub(a.intended))));
        self.recent.retain(|(done, _)| *done + STRETCH >= now);
        if self.recent.len() < LEAST {
            return false;
        }
        let mut latencies: Vec<Nanoseconds> = self.recent.iter().map(|(_, l)| *l).collect();
        latencies.sort_unstable();
        percentile(&latencies, 0.99).is_some_and(|p99| p99 > self.slo)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Tag;

    #[test]
    fn a_standby_is_called_when_p99_is_over_the_slo_and_not_for_one_straggler() {
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
        let mut watch = Watch::new(Milliseconds::new(10.0).unwrap());
        let good: Vec<Answer> = (0..199).map(|i| answer(1_000 + i, 10)).collect();
        assert!(!watch.should_switch(good[..90].iter(), ms(1_100)), "too few to say");
        let straggler = answer(1_200, 500);
        assert!(!watch.should_switch(good[90..].iter().chain([&straggler]), ms(1_200)));
        // 3 of 202 are more than 1 %.
        let more = [answer(1_210, 11), answer(1_211, 11)];
        assert!(watch.should_switch(more.iter(), ms(1_211)));
        // What is older than two seconds does not count.
        assert!(!watch.should_switch(std::iter::empty(), ms(3_500)));
    }
}
