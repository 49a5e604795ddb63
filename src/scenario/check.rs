//! Raw → checked: defaults filled in, and values compared with each other.

use super::raw::{RawGpu, RawScenario, RawWorkload};
use super::reader::{Problems, Read, Rule};
use super::{Defaults, Scenario, ScenarioGpu, ScenarioWorkload};
use crate::domain::{Workload, WorkloadName};
use crate::units::Nanoseconds;
use crate::workload::ArrivalSpec;
use std::collections::BTreeMap;
use std::path::Path;

const TRACE_FILE: Rule<'_> = Rule {
    allowed: "a trace whose file exists",
    fix: "correct `path` (it is relative to the scenario file), or put the file there",
};
const ONE_GPU: Rule<'_> = Rule {
    allowed: "exactly one [[gpu]]",
    fix: "keep one of them: plans that mix GPU kinds are not supported yet, so write one scenario for each kind",
};

/// Checks what the keys say together. `None` exactly when a problem was noted, here or by the reader.
pub(super) fn check(
    raw: RawScenario,
    problems: &mut Problems<'_>,
    default_name: String,
    exists: &dyn Fn(&Path) -> bool,
) -> Option<Scenario> {
    let defaults = Defaults::default();
    let times = check_times(raw.duration, raw.warmup, raw.cooldown, problems);
    let gpu = check_gpus(raw.gpus, problems);
    check_unique(&raw.workloads, problems);
    // Reported here even when every workload overrides what is wrong with it.
    let batching_is_sound = raw.batching.clone().check(problems).is_some();
    let (engine, server) = raw.engine;
    let server_is_sound = server.clone().check().is_some();
    let names: Vec<&WorkloadName> =
        raw.workloads.iter().filter_map(|w| w.name.as_given()).collect();
    let control = times
        .map(|(duration, ..)| duration)
        .and_then(|duration| raw.control.check(duration, &names, problems));
    let workloads: Vec<Option<ScenarioWorkload>> = raw
        .workloads
        .into_iter()
        .map(|workload| {
            check_trace(&workload.arrival, problems, exists);
            let batching = workload.batching.overriding(raw.batching.clone()).check(problems);
            Some(ScenarioWorkload {
                workload: Workload {
                    name: workload.name.given()?,
                    model: workload.model.given()?,
                    slo: workload.slo.given()?,
                    rate: workload.rate.given()?,
                },
                arrival: workload.arrival.or(defaults.arrival.clone())?,
                batching: batching?,
                server: workload.server.overriding(server.clone()).check()?,
            })
        })
        .collect();
    let (duration, warmup, cooldown) = times?;
    (batching_is_sound && server_is_sound).then_some(())?;
    Some(Scenario {
        name: raw.name.or(default_name)?,
        seed: raw.seed.or(defaults.seed)?,
        duration,
        warmup,
        cooldown,
        percentiles: raw.percentiles.or(defaults.percentiles)?,
        gpu: gpu?,
        engine: engine?,
        control: control?,
        workloads: workloads.into_iter().collect::<Option<_>>()?,
    })
}

/// The statistics must have something left to look at.
fn check_times(
    duration: Read<Nanoseconds>,
    warmup: Read<Nanoseconds>,
    cooldown: Read<Nanoseconds>,
    problems: &mut Problems<'_>,
) -> Option<(Nanoseconds, Nanoseconds, Nanoseconds)> {
    let defaults = Defaults::default();
    let Read::Given(duration, place) = duration else { return None };
    let (warmup, cooldown) = (warmup.or(defaults.warmup)?, cooldown.or(defaults.cooldown)?);
    if warmup.saturating_add(cooldown) >= duration {
        let (cut_at_start, cut_at_end) = (warmup.as_seconds(), cooldown.as_seconds());
        let allowed = format!(
            "more than warmup_s + cooldown_s = {cut_at_start} + {cut_at_end} s, which are cut from the statistics"
        );
        let rule = Rule {
            allowed: &allowed,
            fix: "simulate longer, or set warmup_s and cooldown_s lower",
        };
        problems.add(&place, format!("given {}", duration.as_seconds()), rule);
        return None;
    }
    Some((duration, warmup, cooldown))
}

fn check_gpus(gpus: Vec<RawGpu>, problems: &mut Problems<'_>) -> Option<ScenarioGpu> {
    for surplus in gpus.iter().skip(1) {
        problems.add(&surplus.place, "one [[gpu]] too many", ONE_GPU);
    }
    let gpu = gpus.into_iter().next()?;
    Some(ScenarioGpu {
        profile: gpu.profile.given()?,
        price_per_hour: gpu.price_per_hour.convert(|price| Some(Some(price))).or(None)?,
    })
}

fn check_unique(workloads: &[RawWorkload], problems: &mut Problems<'_>) {
    let mut lines: BTreeMap<&WorkloadName, usize> = BTreeMap::new();
    for workload in workloads {
        let Read::Given(name, place) = &workload.name else { continue };
        if let Some(line) = lines.get(name) {
            let allowed = format!("a name that no other workload has (line {line} has this one)");
            let rule = Rule { allowed: &allowed, fix: "give each workload a name of its own" };
            problems.add(place, format!("given \"{name}\" again"), rule);
        } else {
            lines.insert(name, problems.line(place.offset));
        }
    }
}

fn check_trace(
    arrival: &Read<ArrivalSpec>,
    problems: &mut Problems<'_>,
    exists: &dyn Fn(&Path) -> bool,
) {
    if let Read::Given(ArrivalSpec::Trace { path, .. }, place) = arrival
        && !exists(path)
    {
        problems.add(place, format!("there is no file {}", path.display()), TRACE_FILE);
    }
}
