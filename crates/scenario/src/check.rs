//! Turns a raw scenario into a checked one: fills in defaults and compares values with each other.

use super::arrival::{CLIENTS, FILE_SCALE, MOST_CLIENTS, check_closed_loop};
use super::disk::Disk;
use super::raw::{self, RawGpu, RawPhase, RawRate, RawScenario, RawSlo, RawWorkload};
use super::reader::{FilePlace, KeyRule, Problems, Read};
use super::rules::NumberRule;
use super::{Catalogue, Defaults, Scenario, ScenarioGpu, ScenarioWorkload, replan};
use igniter_model::domain::{Workload, WorkloadName};
use igniter_model::units::{Milliseconds, Nanoseconds, RequestsPerSecond};
use igniter_sim::arrivals::{
    ArrivalPhase, ArrivalSpec, ClosedLoopSpec, RateShape, RateStep, TraceSpec,
};
use std::collections::BTreeMap;

const TRACE_FILE: KeyRule<'_> = KeyRule {
    allowed: "a trace whose file exists",
    fix: "correct `path` (it is relative to the file that names it), or put the file there",
};
const OTHER_KIND: KeyRule<'_> = KeyRule {
    allowed: "one [[gpu]] for each GPU kind",
    fix: "remove one of them: a plan uses as many GPUs of a kind as it needs",
};

/// Checks the keys against each other. Returns `None` exactly when a problem was reported, here or by the reader.
pub(super) fn check(
    raw: RawScenario,
    problems: &mut Problems<'_>,
    default_name: String,
    (disk, catalogue): (&dyn Disk, Option<&dyn Catalogue>),
) -> Option<Scenario> {
    let defaults = Defaults::default();
    if let Some(catalogue) = catalogue {
        super::catalogue::check(&raw.gpus, &raw.workloads, catalogue, problems);
    }
    let times = check_times(raw.duration, raw.warmup, raw.cooldown, problems);
    let gpus = check_gpus(raw.gpus, problems);
    check_trace(&raw.arrival, problems, disk);
    let in_phases = !raw.phases.is_empty();
    check_closed_loop(&raw.arrival, in_phases, problems);
    let of_phases = raw.phases.iter().filter_map(|phase| phase.arrival.as_ref());
    for arrival in as_given(&raw.arrival).into_iter().chain(of_phases) {
        check_scaled(arrival, &raw.rate_scale, problems);
    }
    check_unique(&raw.workloads, problems);
    // Reported here even if every workload overrides the faulty keys.
    let batching_is_sound = raw.batching.clone().check(problems).is_some();
    let (engine, server) = raw.engine;
    let server_is_sound = server.clone().check().is_some();
    let rate_scale = raw.rate_scale.clone().given().unwrap_or(1.0);
    let duration = times.map(|(duration, ..)| duration);
    let workloads: Vec<Option<ScenarioWorkload>> = raw
        .workloads
        .into_iter()
        .flat_map(|workload| {
            check_trace(&workload.arrival, problems, disk);
            check_closed_loop(&workload.arrival, in_phases, problems);
            if let Some(arrival) = as_given(&workload.arrival) {
                check_scaled(arrival, &raw.rate_scale, problems);
            }
            let (slo, slo_x_solo) = check_slo(workload.slo, &raw.slo_scale, problems);
            let batching = workload.batching.overriding(raw.batching.clone()).check(problems);
            let serving = workload.server.overriding(server.clone()).check();
            let arrival = workload.arrival.overriding(raw.arrival.clone());
            let arrival = arrival
                .or(defaults.arrival.clone())
                .map(|arrival| with_phases(arrival, &raw.phases).scaled(rate_scale));
            let rate = match workload.rate {
                Read::Given(RawRate::OfTrace, place) => {
                    // Arrivals from files are already scaled.
                    let of = arrival.as_ref().zip(duration);
                    of.and_then(|(arrival, end)| rate_of_file(arrival, end, &place, disk, problems))
                }
                given => {
                    let rate = given.convert(|rate| match rate {
                        RawRate::Given(rate) => Some(rate),
                        RawRate::OfTrace => None,
                    });
                    scaled(rate, &raw.rate_scale, &raw::RATE, |rate| rate, problems)
                }
            };
            let names = names(workload.name, &workload.count, problems);
            let first = || {
                Some(ScenarioWorkload {
                    workload: Workload {
                        name: names.first()?.clone(),
                        model: workload.model.given()?,
                        slo: slo?,
                        rate: RequestsPerSecond::new(rate?).ok()?,
                    },
                    slo_x_solo,
                    arrival: arrival?,
                    batching: batching?,
                    server: serving?,
                })
            };
            match first() {
                None => vec![None],
                Some(first) => {
                    let member = |name: &WorkloadName| {
                        let mut member = first.clone();
                        member.workload.name = name.clone();
                        Some(member)
                    };
                    names.iter().map(member).collect()
                }
            }
        })
        .collect();
    // The names of all workloads are known only if every workload is valid.
    let workloads: Option<Vec<ScenarioWorkload>> = workloads.into_iter().collect();
    let names = workloads.as_ref().map(|all| all.iter().map(|w| &w.workload.name).collect());
    let control = raw.control.check(duration, names, problems);
    let rest = replan::ReplanContext {
        duration,
        control: control.as_ref(),
        plan: raw.plan.as_ref(),
        workloads: workloads.as_deref(),
    };
    let replan = replan::check(raw.replan, &rest, problems);
    let (duration, warmup, cooldown) = times?;
    (batching_is_sound && server_is_sound).then_some(())?;
    Some(Scenario {
        name: raw.name.or(default_name)?,
        seed: raw.seed.or(defaults.seed)?,
        duration,
        warmup,
        cooldown,
        percentiles: raw.percentiles.or(defaults.percentiles)?,
        gpus: gpus?,
        engine: engine?,
        control: control?,
        plan: raw.plan?,
        replan: replan?,
        display: raw.display.or(BTreeMap::new())?,
        prediction_error: raw.prediction_error.convert(|draw| Some(Some(draw))).or(None)?,
        workloads: workloads?,
    })
}

/// Applies the phases of the scenario to arrivals.
///
/// If the phases only change rates, a single process runs on a clock that goes faster or slower. Otherwise each phase
/// has its own process.
fn with_phases(arrival: ArrivalSpec, phases: &[RawPhase]) -> ArrivalSpec {
    if phases.is_empty() {
        return arrival;
    }
    if phases.iter().all(|phase| phase.arrival.is_none()) {
        let steps = phases.iter().map(|p| RateStep { duration: p.duration, factor: p.rate_scale });
        let shape = RateShape::Steps { steps: steps.collect(), repeat: false };
        return ArrivalSpec::Shaped { gaps: Box::new(arrival), shape };
    }
    let phases = phases.iter().map(|phase| ArrivalPhase {
        duration: phase.duration,
        rate_scale: phase.rate_scale,
        arrival: phase.arrival.clone().unwrap_or_else(|| arrival.clone()),
    });
    ArrivalSpec::Phases { phases: phases.collect() }
}

/// Returns the mean rate, over the run, of the file that arrivals are read from.
fn rate_of_file(
    arrival: &ArrivalSpec,
    end: Nanoseconds,
    place: &FilePlace,
    disk: &dyn Disk,
    problems: &mut Problems<'_>,
) -> Option<f64> {
    let allowed = raw::RATE.allowed();
    let found = match arrival {
        ArrivalSpec::Trace(trace) => disk.trace_rate(trace, end),
        ArrivalSpec::Rates { .. } => {
            let one = RequestsPerSecond::new(1.0).ok()?;
            Ok(arrival.expected(one, end) / end.as_seconds())
        }
        _ => Err("the arrivals are of no file".to_owned()),
    };
    let (what, fix) = match found {
        Ok(rate) if raw::RATE.accepts(rate) => return Some(rate),
        Ok(rate) => (
            format!("the file has {rate} requests/s in the run"),
            "choose another part of the file with start_s, or give the rate as a number",
        ),
        Err(what) => (
            format!("given \"trace\", but {what}"),
            "use process = \"trace\" or \"rates\" with a file that can be read, or give the rate as a number",
        ),
    };
    problems.add(place, what, KeyRule { allowed: &allowed, fix });
    None
}

/// Returns the SLO of a workload in ms and, if it was given as a multiple of the solo latency, that multiple.
fn check_slo(
    slo: Read<RawSlo>,
    scale: &Read<f64>,
    problems: &mut Problems<'_>,
) -> (Option<Milliseconds>, Option<f64>) {
    match slo {
        Read::Given(RawSlo::XSolo(factor), place) => {
            let factor = Read::Given(factor, place);
            let factor = scaled(factor, scale, &raw::SLO_X_SOLO, |factor| factor, problems);
            // The value in milliseconds is known only together with the GPU.
            (factor.and(Milliseconds::new(raw::SLO.most).ok()), factor)
        }
        slo => {
            let ms = slo.convert(|slo| match slo {
                RawSlo::Given(ms) => Some(ms),
                RawSlo::XSolo(_) => None,
            });
            let ms = scaled(ms, scale, &raw::SLO, |ms| ms, problems);
            (ms.and_then(|ms| Milliseconds::new(ms).ok()), None)
        }
    }
}

/// Multiplies a number by the scale of the whole scenario. The result must stay within the range of its key.
fn scaled<T>(
    number: Read<T>,
    scale: &Read<f64>,
    rule: &NumberRule,
    get: fn(T) -> f64,
    problems: &mut Problems<'_>,
) -> Option<f64> {
    let (number, place) = match number {
        Read::Given(number, place) => (get(number), place),
        Read::Absent | Read::Bad => return None,
    };
    let Read::Given(scale, scaled_at) = scale else { return Some(number) };
    let product = number * scale;
    if rule.accepts(product) {
        return Some(product);
    }
    let what =
        format!("{} = {number} times {} = {scale} gives {product}", place.key, scaled_at.key);
    let rule = KeyRule { allowed: &rule.allowed(), fix: "choose another scale" };
    problems.add(scaled_at, what, rule);
    None
}

fn as_given<T>(read: &Read<T>) -> Option<&T> {
    match read {
        Read::Given(value, _) => Some(value),
        Read::Absent | Read::Bad => None,
    }
}

/// Checks that the numbers inside arrivals stay within their ranges when multiplied by the scale of the whole scenario.
fn check_scaled(arrival: &ArrivalSpec, scale: &Read<f64>, problems: &mut Problems<'_>) {
    let Read::Given(factor, scaled_at) = scale else { return };
    for part in arrival.parts() {
        check_scaled(part, scale, problems);
    }
    let (key, number, allowed) = match arrival {
        ArrivalSpec::Trace(TraceSpec { rate_scale, .. })
        | ArrivalSpec::Rates { rate_scale, .. } => {
            if FILE_SCALE.accepts(rate_scale * factor) {
                return;
            }
            ("rate_scale of a file", *rate_scale, FILE_SCALE.allowed())
        }
        ArrivalSpec::ClosedLoop(ClosedLoopSpec { clients, .. }) => {
            // Less than one client counts as one client.
            if (f64::from(*clients) * factor).round() <= f64::from(MOST_CLIENTS) {
                return;
            }
            ("clients", f64::from(*clients), CLIENTS.allowed())
        }
        _ => return,
    };
    let what =
        format!("{key} = {number} times {} = {factor} gives {}", scaled_at.key, number * factor);
    let rule = KeyRule { allowed: &allowed, fix: "choose another scale" };
    problems.add(scaled_at, what, rule);
}

/// Returns the names of the workloads that a `[[workload]]` stands for: its own name or, with `count`, that name with
/// numbers.
fn names(
    name: Read<WorkloadName>,
    count: &Read<u64>,
    problems: &mut Problems<'_>,
) -> Vec<WorkloadName> {
    let Read::Given(name, place) = name else { return Vec::new() };
    let count = match count {
        Read::Given(count, _) => *count,
        Read::Absent => return vec![name],
        Read::Bad => return Vec::new(),
    };
    let member = |i: u64| WorkloadName::new(&format!("{name}-{i}")).ok();
    let names: Option<Vec<WorkloadName>> = (1..=count).map(member).collect();
    names.unwrap_or_else(|| {
        let rule = KeyRule {
            allowed: "a name that leaves room for the number of each workload: 64 characters with it",
            fix: "give a shorter name",
        };
        problems.add(&place, "name of a group", rule);
        Vec::new()
    })
}

/// Checks that time is left to measure after warm-up and cool-down are cut off.
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
        let rule = KeyRule {
            allowed: &allowed,
            fix: "simulate longer, or set warmup_s and cooldown_s lower",
        };
        problems.add(&place, format!("given {}", duration.as_seconds()), rule);
        return None;
    }
    Some((duration, warmup, cooldown))
}

fn check_gpus(gpus: Vec<RawGpu>, problems: &mut Problems<'_>) -> Option<Vec<ScenarioGpu>> {
    let mut checked: Vec<Option<ScenarioGpu>> = Vec::new();
    for gpu in gpus {
        let profile = gpu.profile.given();
        let again = checked.iter().flatten().any(|known| Some(&known.profile) == profile.as_ref());
        if again {
            problems.add(&gpu.place, "the same kind again", OTHER_KIND);
        }
        let price = gpu.price_per_hour.convert(|price| Some(Some(price))).or(None);
        checked.push(match (profile, price) {
            (Some(profile), Some(price_per_hour)) if !again => {
                Some(ScenarioGpu { profile, price_per_hour })
            }
            _ => None,
        });
    }
    let checked: Option<Vec<ScenarioGpu>> = checked.into_iter().collect();
    checked.filter(|gpus| !gpus.is_empty())
}

fn check_unique(workloads: &[RawWorkload], problems: &mut Problems<'_>) {
    let mut lines: BTreeMap<String, usize> = BTreeMap::new();
    for workload in workloads {
        let Read::Given(name, place) = &workload.name else { continue };
        let names: Vec<String> = match &workload.count {
            Read::Given(count, _) => (1..=*count).map(|i| format!("{name}-{i}")).collect(),
            _ => vec![name.to_string()],
        };
        let (_, own_line) = problems.origin(place);
        for name in names {
            let Some(line) = lines.get(&name) else {
                lines.insert(name, own_line);
                continue;
            };
            let allowed = format!("a name that no other workload has (line {line} has this one)");
            let rule = KeyRule { allowed: &allowed, fix: "give each workload its own name" };
            problems.add(place, format!("given \"{name}\" again"), rule);
            break;
        }
    }
}

fn check_trace(arrival: &Read<ArrivalSpec>, problems: &mut Problems<'_>, disk: &dyn Disk) {
    let Read::Given(spec, place) = arrival else { return };
    for path in spec.files().into_iter().filter(|path| !disk.is_file(path)) {
        problems.add(place, format!("there is no file {}", path.display()), TRACE_FILE);
    }
}
