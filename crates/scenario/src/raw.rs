//! The raw scenario: every key is read and checked on its own; nothing is compared with anything else.

use super::batching::RawBatching;
use super::control::RawControl;
use super::reader::{Field, FilePlace, KeyNeed, KeyRule, Problems, Read, SeenKind, TomlTable};
use super::replan::RawReplan;
use super::rules::{Least, NumberRule, WholeRule};
use super::server::RawServer;
use super::{ProfileChoice, arrival, display, planning, replan};
use igniter_model::domain::{GpuKindName, ModelName, WorkloadName};
use igniter_model::predictor::ErrorDraw;
use igniter_model::units::{Dollars, Nanoseconds};
use igniter_plan::PlanOptions;
use igniter_sim::arrivals::ArrivalSpec;
use igniter_sim::metrics::Percentiles;
use igniter_sim::{EngineSpec, Interference, LoadOverlap, PcieLink, ServiceTime};
use std::collections::BTreeMap;
use std::path::Path;
use toml::de::DeValue;

const VERSION: WholeRule = WholeRule {
    least: 1,
    most: 1,
    fix: "write version = 1, the only version of the scenario format that this program knows",
};
const SEED: WholeRule = WholeRule {
    least: 0,
    most: u64::MAX,
    fix: "give a whole number; every seed is as good as any other",
};
const DURATION: NumberRule = NumberRule {
    least: Least::Above(0.0),
    most: 1e6,
    unit: "s",
    fix: "give the simulated time in seconds, such as duration_s = 60",
};
const CUT: NumberRule = NumberRule {
    least: Least::From(0.0),
    most: 1e6,
    unit: "s",
    fix: "give the time that the statistics leave out, in seconds",
};
const PRICE: NumberRule = NumberRule {
    least: Least::From(0.0),
    most: 1e6,
    unit: "$/h",
    fix: "give the price of one GPU for an hour, or leave the key out for the profile's own",
};
pub(super) const SLO: NumberRule = NumberRule {
    least: Least::From(0.01),
    most: 3.6e6,
    unit: "ms",
    fix: "give the whole latency SLO of a request in milliseconds, such as slo_ms = 10",
};
pub(super) const SLO_X_SOLO: NumberRule = NumberRule {
    least: Least::From(0.01),
    most: 1e4,
    unit: "times the solo latency",
    fix: "give the SLO as a multiple of the latency of one request alone on the whole GPU, such as slo_x_solo = 5",
};
pub(super) const RATE: NumberRule = NumberRule {
    least: Least::From(0.001),
    most: 1e6,
    unit: "requests/s",
    fix: "give the mean arrival rate in requests per second, such as rate_rps = 400",
};
const RATE_SCALE: NumberRule = NumberRule {
    least: Least::From(1e-6),
    most: 1e6,
    unit: "",
    fix: "give what all rates are multiplied by, such as rate_scale = 1.5",
};
const SLO_SCALE: NumberRule = NumberRule {
    least: Least::From(1e-6),
    most: 1e6,
    unit: "",
    fix: "give what all SLOs are multiplied by, such as slo_scale = 2",
};
const NO_SLO: &str = "give the whole latency SLO of a request in milliseconds, such as slo_ms = 10, or slo_x_solo = 5 \
                      for five times the solo latency";
const ONE_SLO: KeyRule<'_> =
    KeyRule { allowed: "slo_ms or slo_x_solo, not both", fix: "remove one of them" };
const COUNT: WholeRule = WholeRule {
    least: 1,
    most: 10_000,
    fix: "give how many workloads of this kind there are, or leave the key out for one",
};
const EXTENDS: KeyRule<'_> =
    KeyRule { allowed: "no extends where there is no file", fix: "load the scenario from a file" };
const SCENARIO_NAME: KeyRule<'_> = KeyRule {
    allowed: "1 to 64 characters without control characters, / and \\",
    fix: "write for example name = \"paper-12\"",
};
const WORKLOAD_NAME: KeyRule<'_> = KeyRule {
    allowed: "1 to 64 characters without control or invisible characters",
    fix: "write for example name = \"W1\"",
};
const MODEL: KeyRule<'_> = KeyRule {
    allowed: "1 to 64 characters without control or invisible characters",
    fix: "name a model of the profile, such as model = \"alexnet\"",
};
const KIND: KeyRule<'_> = KeyRule {
    allowed: "the name of a folder of profiles/, or a path (with a /) relative to the scenario file",
    fix: "write for example kind = \"v100\"",
};
const OVERLAP: KeyRule<'_> = KeyRule {
    allowed: "true or false",
    fix: "write true when the next batch is copied while the current one executes, else false",
};
const GPU_LIST: KeyRule<'_> = KeyRule {
    allowed: "one [[gpu]] table for each GPU kind",
    fix: "write [[gpu]] and below it kind = \"v100\"",
};
const WORKLOAD_LIST: KeyRule<'_> = KeyRule {
    allowed: "one or more [[workload]] tables",
    fix: "write [[workload]] and below it name, model, slo_ms and rate_rps",
};
const PHASE_LIST: KeyRule<'_> = KeyRule {
    allowed: "1 to 1000 [[phase]] tables",
    fix: "write [[phase]] and below it duration_s and rate_scale",
};
const ENGINE: KeyRule<'_> = KeyRule {
    allowed: "a table",
    fix: "write [engine] and below it for example interference = \"static\"",
};

/// A scenario as it was written.
#[derive(Debug)]
pub(super) struct RawScenario {
    pub(super) name: Read<String>,
    pub(super) seed: Read<u64>,
    pub(super) duration: Read<Nanoseconds>,
    pub(super) warmup: Read<Nanoseconds>,
    pub(super) cooldown: Read<Nanoseconds>,
    pub(super) percentiles: Read<Percentiles>,
    pub(super) gpus: Vec<RawGpu>,
    /// The engine, and the defaults for servers without values of their own.
    pub(super) engine: (Option<EngineSpec>, RawServer),
    pub(super) control: RawControl,
    pub(super) plan: Option<PlanOptions>,
    pub(super) replan: Read<RawReplan>,
    pub(super) display: Read<BTreeMap<String, String>>,
    pub(super) prediction_error: Read<ErrorDraw>,
    pub(super) rate_scale: Read<f64>,
    pub(super) slo_scale: Read<f64>,
    pub(super) arrival: Read<ArrivalSpec>,
    pub(super) batching: RawBatching,
    pub(super) phases: Vec<RawPhase>,
    pub(super) workloads: Vec<RawWorkload>,
}

/// One `[[gpu]]` as it was written.
#[derive(Debug)]
pub(super) struct RawGpu {
    pub(super) place: FilePlace,
    pub(super) profile: Read<ProfileChoice>,
    pub(super) price_per_hour: Read<Dollars>,
}

/// One `[[phase]]`; only valid ones are kept.
#[derive(Debug)]
pub(super) struct RawPhase {
    pub(super) duration: Nanoseconds,
    pub(super) rate_scale: f64,
    pub(super) arrival: Option<ArrivalSpec>,
}

/// An SLO as it was written.
#[derive(Debug, Clone, Copy)]
pub(super) enum RawSlo {
    /// In ms.
    Given(f64),
    /// As a multiple of the solo latency.
    XSolo(f64),
}

/// A rate as it was written.
#[derive(Debug, Clone, Copy)]
pub(super) enum RawRate {
    /// In requests per second.
    Given(f64),
    /// The mean rate of the file that the arrivals are read from.
    OfTrace,
}

/// Value of `rate_rps` for [`RawRate::OfTrace`].
const RATE_OF_TRACE: &str = "trace";

/// One `[[workload]]` as it was written.
#[derive(Debug)]
pub(super) struct RawWorkload {
    pub(super) name: Read<WorkloadName>,
    pub(super) count: Read<u64>,
    pub(super) model: Read<ModelName>,
    pub(super) slo: Read<RawSlo>,
    pub(super) rate: Read<RawRate>,
    pub(super) arrival: Read<ArrivalSpec>,
    pub(super) batching: RawBatching,
    pub(super) server: RawServer,
}

/// Reads the whole file. Relative paths start at `folder`.
pub(super) fn read(
    mut table: TomlTable<'_>,
    problems: &mut Problems<'_>,
    folder: &Path,
) -> RawScenario {
    use KeyNeed::{Optional, Required};
    let t = &mut table;
    if let Some(extends) = t.field("extends") {
        let _: Read<()> = extends.refuse(problems, EXTENDS);
    }
    VERSION.read(t, problems, "version", Required);
    let raw = RawScenario {
        name: t.read(problems, "name", Optional, SCENARIO_NAME, scenario_name),
        seed: SEED.read(t, problems, "seed", Optional),
        duration: DURATION.read(t, problems, "duration_s", Required).convert(seconds),
        warmup: CUT.read(t, problems, "warmup_s", Optional).convert(seconds),
        cooldown: CUT.read(t, problems, "cooldown_s", Optional).convert(seconds),
        percentiles: t.choice(problems, "percentiles", &PERCENTILES),
        gpus: tables(t, problems, "gpu", GPU_LIST)
            .into_iter()
            .map(|gpu| read_gpu(gpu, problems, folder))
            .collect(),
        engine: read_engine(t, problems),
        control: RawControl::read(t, problems),
        plan: planning::read(t, problems),
        replan: replan::read(t, problems),
        display: display::read(t, problems),
        prediction_error: planning::read_error(t, problems),
        rate_scale: RATE_SCALE.read(t, problems, "rate_scale", Optional),
        slo_scale: SLO_SCALE.read(t, problems, "slo_scale", Optional),
        arrival: arrival::read(t, problems, folder),
        batching: RawBatching::read(t, problems),
        phases: read_phases(t, problems, folder),
        workloads: tables(t, problems, "workload", WORKLOAD_LIST)
            .into_iter()
            .map(|workload| read_workload(workload, problems, folder))
            .collect(),
    };
    table.finish(problems, |key| {
        let of_sweep = ["axis", "scenario", "strategies", "predictors", "truths", "seeds", "set"];
        of_sweep.contains(&key).then(|| {
            "it belongs into a sweep file; if this is one, run it with `igniter sweep`".to_owned()
        })
    });
    raw
}

/// Returns the tables of a `[[key]]`, of which there must be at least one.
fn tables<'a>(
    parent: &mut TomlTable<'a>,
    problems: &mut Problems<'_>,
    key: &'static str,
    rule: KeyRule<'_>,
) -> Vec<TomlTable<'a>> {
    let Some(field) = parent.field(key) else {
        parent.missing(problems, key, rule);
        return Vec::new();
    };
    let single = field.table().is_some();
    let elements = field.elements().unwrap_or_default();
    if single {
        let fix =
            format!("did you mean [[{key}]]? Write two brackets: each such table is one of a list");
        problems.add(&field.place, format!("[{key}] is one table"), KeyRule { fix: &fix, ..rule });
    } else if elements.is_empty() {
        let _: Read<()> = field.refuse(problems, rule);
    }
    let mut table = |element: Field<'a>| {
        let table = element.table();
        if table.is_none() {
            let _: Read<()> = element.refuse(problems, rule);
        }
        table
    };
    elements.into_iter().filter_map(&mut table).collect()
}

fn read_gpu(mut table: TomlTable<'_>, problems: &mut Problems<'_>, folder: &Path) -> RawGpu {
    let place = table.place().clone();
    let profile =
        table.read(problems, "kind", KeyNeed::Required, KIND, |value| profile(value, folder));
    let price_per_hour = PRICE.read(&mut table, problems, "price_per_hour", KeyNeed::Optional);
    table.finish(problems, |_| None);
    RawGpu { place, profile, price_per_hour: price_per_hour.convert(|v| Dollars::new(v).ok()) }
}

fn read_phases(
    parent: &mut TomlTable<'_>,
    problems: &mut Problems<'_>,
    folder: &Path,
) -> Vec<RawPhase> {
    let Some(field) = parent.field("phase") else { return Vec::new() };
    let elements = field.elements().unwrap_or_default();
    if !(1..=1000).contains(&elements.len()) {
        let _: Read<()> = field.refuse(problems, PHASE_LIST);
        return Vec::new();
    }
    let mut read = |element: Field<'_>| {
        let Some(mut table) = element.table() else {
            let _: Read<()> = element.refuse(problems, PHASE_LIST);
            return None;
        };
        let t = &mut table;
        let duration = arrival::read_seconds(&arrival::LENGTH, t, problems, "duration_s");
        let rate_scale = arrival::FACTOR.read(t, problems, "rate_scale", KeyNeed::Optional).or(1.0);
        let arrival = arrival::read(t, problems, folder);
        arrival::check_closed_loop(&arrival, true, problems);
        let arrival = arrival.convert(|arrival| Some(Some(arrival)));
        table.finish(problems, |_| None);
        Some(RawPhase { duration: duration?, rate_scale: rate_scale?, arrival: arrival.or(None)? })
    };
    elements.into_iter().filter_map(&mut read).collect()
}

fn read_workload(
    mut table: TomlTable<'_>,
    problems: &mut Problems<'_>,
    folder: &Path,
) -> RawWorkload {
    use KeyNeed::{Optional, Required};
    let t = &mut table;
    let raw = RawWorkload {
        name: t.read(problems, "name", Required, WORKLOAD_NAME, |value| {
            WorkloadName::new(value.as_str()?).ok()
        }),
        count: COUNT.read(t, problems, "count", Optional),
        model: t
            .read(problems, "model", Required, MODEL, |value| ModelName::new(value.as_str()?).ok()),
        slo: read_slo(t, problems),
        rate: read_rate(t, problems),
        arrival: arrival::read(t, problems, folder),
        batching: RawBatching::read(t, problems),
        server: RawServer::read(t, problems),
    };
    table.finish(problems, |_| None);
    raw
}

/// Reads the rate of a workload, or the word for the rate of its trace.
fn read_rate(t: &mut TomlTable<'_>, problems: &mut Problems<'_>) -> Read<RawRate> {
    let allowed = format!("{}, or \"{RATE_OF_TRACE}\"", RATE.allowed());
    let rule = KeyRule { allowed: &allowed, fix: RATE.fix };
    let kind = SeenKind::NumberOr { least: 0.001, most: RATE.most, word: RATE_OF_TRACE };
    problems.note(t, "rate_rps", kind, true, rule);
    t.read(problems, "rate_rps", KeyNeed::Required, rule, |value| match value.as_str() {
        Some(word) => (word == RATE_OF_TRACE).then_some(RawRate::OfTrace),
        None => RATE.accept(value).map(RawRate::Given),
    })
}

/// Reads the SLO of a workload, given in ms or as a multiple of the solo latency.
fn read_slo(t: &mut TomlTable<'_>, problems: &mut Problems<'_>) -> Read<RawSlo> {
    let ms = SLO.read(t, problems, "slo_ms", KeyNeed::Optional);
    let x_solo = SLO_X_SOLO.read(t, problems, "slo_x_solo", KeyNeed::Optional);
    match (ms, x_solo) {
        (Read::Absent, Read::Absent) => {
            t.missing(problems, "slo_ms", KeyRule { allowed: &SLO.allowed(), fix: NO_SLO });
            Read::Bad
        }
        (ms, Read::Absent) => ms.convert(|ms| Some(RawSlo::Given(ms))),
        (Read::Absent, x_solo) => x_solo.convert(|factor| Some(RawSlo::XSolo(factor))),
        (_, x_solo) => {
            if let Read::Given(factor, place) = x_solo {
                problems.add(&place, format!("given {factor} together with slo_ms"), ONE_SLO);
            }
            Read::Bad
        }
    }
}

/// Values of `percentiles`.
pub(super) const PERCENTILES: [(&str, Percentiles); 2] =
    [("exact", Percentiles::Exact), ("histogram", Percentiles::Histogram)];

/// Values of `interference`.
pub(super) const INTERFERENCES: [(&str, Interference); 3] = [
    ("dynamic", Interference::Dynamic),
    ("static", Interference::Static),
    ("none", Interference::None),
];

/// Values of `service`.
pub(super) const SERVICES: [(&str, ServiceTime); 2] =
    [("deterministic", ServiceTime::Deterministic), ("exponential", ServiceTime::Exponential)];

/// Values of `pcie`.
pub(super) const LINKS: [(&str, PcieLink); 2] =
    [("private", PcieLink::Private), ("shared", PcieLink::Shared)];

fn read_engine(
    parent: &mut TomlTable<'_>,
    problems: &mut Problems<'_>,
) -> (Option<EngineSpec>, RawServer) {
    let default = EngineSpec::default();
    let Some(field) = parent.field("engine") else { return (Some(default), RawServer::silent()) };
    let Some(mut table) = field.table() else {
        let _: Read<()> = field.refuse(problems, ENGINE);
        return (None, RawServer::silent());
    };
    let server = RawServer::read_keys(&mut table, problems);
    let engine = read_engine_spec(&mut table, problems);
    table.finish(problems, |_| None);
    (engine, server)
}

fn read_engine_spec(table: &mut TomlTable<'_>, problems: &mut Problems<'_>) -> Option<EngineSpec> {
    let default = EngineSpec::default();
    let interference = table.choice(problems, "interference", &INTERFERENCES);
    let overlap = table.read(problems, "overlap_load", KeyNeed::Optional, OVERLAP, |value| {
        match value.as_bool()? {
            true => Some(LoadOverlap::Overlapped),
            false => Some(LoadOverlap::Serial),
        }
    });
    let service = table.choice(problems, "service", &SERVICES);
    let pcie = table.choice(problems, "pcie", &LINKS);
    Some(EngineSpec {
        interference: interference.or(default.interference)?,
        overlap: overlap.or(default.overlap)?,
        service: service.or(default.service)?,
        pcie: pcie.or(default.pcie)?,
    })
}

fn scenario_name(value: &DeValue<'_>) -> Option<String> {
    let name = value.as_str()?;
    super::is_scenario_name(name).then(|| name.to_owned())
}

fn profile(value: &DeValue<'_>, folder: &Path) -> Option<ProfileChoice> {
    let text = value.as_str()?;
    if text.contains('/') && !text.chars().any(igniter_model::domain::is_hidden) {
        return Some(ProfileChoice::Path(arrival::resolve(folder, text)));
    }
    GpuKindName::new(text).ok().map(ProfileChoice::Kind)
}

fn seconds(number: f64) -> Option<Nanoseconds> {
    Nanoseconds::from_seconds(number).ok()
}
