//! The `[replan]` table: plans that follow the load.

use super::ScenarioWorkload;
use super::reader::{FilePlace, KeyNeed, KeyRule, Problems, Read, SeenKind, TomlTable};
use super::rules::{Least, NumberRule, WholeRule};
use igniter_model::units::Nanoseconds;
use igniter_plan::PlanOptions;
use igniter_plan::replan::{
    ForecastKind, ForecastSpec, HandoverMode, HandoverSpec, Policy, ReplanSpec, ReplicaTarget,
    ReplicasSpec, Statistic,
};
use igniter_sim::{Control, ControllerSpec};
use std::fmt::{self, Write};

const REPLAN: KeyRule<'_> =
    KeyRule { allowed: "a table", fix: "write [replan] and below it policy = \"sticky\"" };
const POLICY: &str = "write for example policy = \"sticky\"";
const FORECAST: KeyRule<'_> = KeyRule {
    allowed: "a table",
    fix: "write for example forecast = { kind = \"last\", headroom_pct = 10 }",
};
const HANDOVER: KeyRule<'_> = KeyRule {
    allowed: "a table",
    fix: "write [replan.handover] and below it for example load_s = 20",
};
const REPLICAS: KeyRule<'_> = KeyRule {
    allowed: "a table",
    fix: "write [replan.replicas] and below it for example target_pct = 70",
};
const PERIOD: NumberRule = NumberRule {
    least: Least::From(10.0),
    most: 86_400.0,
    unit: "s",
    fix: "give the time from one plan to the next, in seconds, such as period_s = 900",
};
const MOVE_COST: NumberRule = NumberRule {
    least: Least::From(0.0),
    most: 86_400.0,
    unit: "s of a GPU",
    fix: "give for how long a GPU must be saved to pay for one move, such as move_cost_gpu_s = 60",
};
const HOLD: NumberRule = NumberRule {
    least: Least::From(0.0),
    most: 86_400.0,
    unit: "s",
    fix: "give for how long a GPU must have been superfluous before it is emptied, or 0",
};
const EARLY: KeyRule<'_> = KeyRule {
    allowed: "true or false",
    fix: "write true to add servers within an epoch where a rate exceeds its forecast",
};
const HEADROOM: NumberRule = NumberRule {
    least: Least::From(0.0),
    most: 1000.0,
    unit: "%",
    fix: "give how much more than the forecast is planned for, such as headroom_pct = 10",
};
const WINDOW: NumberRule = NumberRule {
    least: Least::From(1.0),
    most: 86_400.0,
    unit: "s",
    fix: "give the windows in which arrivals are counted, in seconds, such as window_s = 60",
};
const EPOCHS: WholeRule = WholeRule {
    least: 1,
    most: 1000,
    fix: "give of how many epochs before the highest rate counts, such as epochs = 3",
};
const DAY: NumberRule = NumberRule {
    least: Least::From(20.0),
    most: 8_640_000.0,
    unit: "s",
    fix: "give the length of a day, in seconds, such as period_s = 86400",
};
const LOAD: NumberRule = NumberRule {
    least: Least::From(0.0),
    most: 3600.0,
    unit: "s",
    fix: "give how long a server loads before it can execute, in seconds",
};
const BOOT: NumberRule = NumberRule {
    least: Least::From(0.0),
    most: 3600.0,
    unit: "s",
    fix: "give how long a GPU boots before servers can load on it, in seconds",
};
const BILLING: KeyRule<'_> = KeyRule {
    allowed: "1, 60 or 3600 (s)",
    fix: "give in which units of time GPUs are billed: by the second, the minute or the hour",
};
const TARGET: NumberRule = NumberRule {
    least: Least::From(1.0),
    most: 100.0,
    unit: "%",
    fix: "give which part of a replica's throughput is aimed at, or \"slo\" for the highest rate that keeps its SLO",
};
/// Value of `target_pct` that stands for the highest rate within the SLO.
const TARGET_SLO: &str = "slo";
const AT_PEAK: WholeRule = WholeRule {
    least: 1,
    most: 64,
    fix: "give how many replicas a workload has at its highest rate, which sets their size",
};
const SCALE_DOWN: NumberRule = NumberRule {
    least: Least::From(0.0),
    most: 3600.0,
    unit: "s",
    fix: "give for how long fewer replicas must have been enough before any goes (300 s in Kubernetes)",
};
const STABLE: NumberRule = NumberRule {
    least: Least::From(6.0),
    most: 3600.0,
    unit: "s",
    fix: "give the stable window of the autoscaler, in seconds (60 s in Knative)",
};
const PANIC_WINDOW: NumberRule = NumberRule {
    least: Least::From(1.0),
    most: 100.0,
    unit: "% of the stable window",
    fix: "give the panic window of the autoscaler (10 % in Knative)",
};
const PANIC: NumberRule = NumberRule {
    least: Least::From(110.0),
    most: 1000.0,
    unit: "% of the replicas",
    fix: "give from how many times the replicas on the autoscaler panics (200 % in Knative)",
};

#[derive(Debug, Clone, Copy, PartialEq)]
enum ForecastKindName {
    Oracle,
    Last,
    Peak,
    Season,
}

const KINDS: [(&str, ForecastKindName); 4] = [
    ("oracle", ForecastKindName::Oracle),
    ("last", ForecastKindName::Last),
    ("peak", ForecastKindName::Peak),
    ("season", ForecastKindName::Season),
];
const STATISTICS: [(&str, Statistic); 2] = [("max", Statistic::Max), ("mean", Statistic::Mean)];

/// Default length of a day and number of epochs.
const DEFAULT_DAY_S: f64 = 86_400.0;
const DEFAULT_EPOCHS: u32 = 3;

/// The table, with the places of the keys that are compared with others.
#[derive(Debug)]
pub(super) struct RawReplan {
    spec: ReplanSpec,
    table: FilePlace,
    period: FilePlace,
    forecast: FilePlace,
    handover: FilePlace,
}

/// Reads the table; if it is absent, one plan is used for the whole run.
pub(super) fn read(parent: &mut TomlTable<'_>, problems: &mut Problems<'_>) -> Read<RawReplan> {
    use KeyNeed::Optional;
    let default = ReplanSpec::default();
    let Some(field) = parent.field("replan") else { return Read::Absent };
    let Some(mut table) = field.table() else { return field.refuse(problems, REPLAN) };
    let place = table.place().clone();
    let t = &mut table;
    let policy = t.choice(problems, "policy", &Policy::ALL);
    if matches!(policy, Read::Absent) {
        let words: Vec<String> =
            Policy::ALL.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        t.missing(problems, "policy", KeyRule { allowed: &words.join(" | "), fix: POLICY });
    }
    let period = PERIOD.read(t, problems, "period_s", Optional);
    let period_at = at(&period, &place, "period_s");
    let forecast_at = t.field("forecast").map_or(place.clone(), |field| field.place);
    let forecast = read_forecast(t, problems);
    let cost = MOVE_COST.read(t, problems, "move_cost_gpu_s", Optional);
    let hold = HOLD.read(t, problems, "hold_s", Optional);
    let early = t.read(problems, "early", Optional, EARLY, toml::de::DeValue::as_bool);
    let handover_at = t.field("handover").map_or(place.clone(), |field| field.place);
    let handover = read_handover(t, problems);
    let replicas = read_replicas(t, problems);
    table.finish(problems, |_| None);
    let spec = || {
        Some(ReplanSpec {
            policy: policy.given()?,
            period_s: period.or(default.period_s)?,
            forecast: forecast?,
            move_cost_gpu_s: cost.or(default.move_cost_gpu_s)?,
            hold_s: hold.or(default.hold_s)?,
            early: early.or(default.early)?,
            handover: handover?,
            replicas: replicas?,
        })
    };
    match spec() {
        Some(spec) => {
            let raw = RawReplan {
                spec,
                table: place.clone(),
                period: period_at,
                forecast: forecast_at,
                handover: handover_at,
            };
            Read::Given(raw, place)
        }
        None => Read::Bad,
    }
}

/// Returns the place of a key, or the place where it would be.
fn at<T>(read: &Read<T>, table: &FilePlace, key: &str) -> FilePlace {
    match read {
        Read::Given(_, place) => place.clone(),
        _ => FilePlace { key: format!("{}.{key}", table.key), offset: table.offset },
    }
}

fn read_forecast(parent: &mut TomlTable<'_>, problems: &mut Problems<'_>) -> Option<ForecastSpec> {
    use KeyNeed::Optional;
    let default = ReplanSpec::default().forecast;
    let Some(field) = parent.field("forecast") else { return Some(default) };
    let Some(mut table) = field.table() else {
        let _: Read<()> = field.refuse(problems, FORECAST);
        return None;
    };
    let t = &mut table;
    let kind = t.choice(problems, "kind", &KINDS);
    let headroom = HEADROOM.read(t, problems, "headroom_pct", Optional);
    let statistic = t.choice(problems, "statistic", &STATISTICS);
    let window = WINDOW.read(t, problems, "window_s", Optional);
    let epochs = EPOCHS.read(t, problems, "epochs", Optional);
    let day = DAY.read(t, problems, "period_s", Optional);
    table.finish(problems, |_| None);
    let kind = kind.or(ForecastKindName::Last)?;
    for (read, key, of) in [
        (
            matches!(epochs, Read::Given(..)).then(|| at(&epochs, &field.place, "epochs")),
            "epochs",
            ForecastKindName::Peak,
        ),
        (
            matches!(day, Read::Given(..)).then(|| at(&day, &field.place, "period_s")),
            "period_s",
            ForecastKindName::Season,
        ),
    ] {
        let Some(place) = read.filter(|_| kind != of) else { continue };
        let word = word(&KINDS, of);
        let rule = KeyRule {
            allowed: "epochs with kind = \"peak\" and period_s with kind = \"season\" only",
            fix: "remove it, or choose that kind",
        };
        problems.add(&place, format!("{key} without kind = \"{word}\""), rule);
        return None;
    }
    let epochs = epochs.convert(|n| u32::try_from(n).ok()).or(DEFAULT_EPOCHS)?;
    let day_s = day.or(DEFAULT_DAY_S)?;
    Some(ForecastSpec {
        kind: match kind {
            ForecastKindName::Oracle => ForecastKind::Oracle,
            ForecastKindName::Last => ForecastKind::Last,
            ForecastKindName::Peak => ForecastKind::Peak { epochs },
            ForecastKindName::Season => ForecastKind::Season { period_s: day_s },
        },
        headroom_pct: headroom.or(default.headroom_pct)?,
        statistic: statistic.or(default.statistic)?,
        window_s: window.or(default.window_s)?,
    })
}

fn read_handover(parent: &mut TomlTable<'_>, problems: &mut Problems<'_>) -> Option<HandoverSpec> {
    use KeyNeed::Optional;
    let default = ReplanSpec::default().handover;
    let Some(field) = parent.field("handover") else { return Some(default) };
    let Some(mut table) = field.table() else {
        let _: Read<()> = field.refuse(problems, HANDOVER);
        return None;
    };
    let t = &mut table;
    let mode = t.choice(problems, "mode", &HandoverMode::ALL);
    let load = LOAD.read(t, problems, "load_s", Optional);
    let boot = BOOT.read(t, problems, "boot_s", Optional);
    let billing = t.read(problems, "billing_s", Optional, BILLING, |value| {
        let seconds = super::rules::real(value)?;
        [1, 60, 3600].into_iter().find(|granule| (f64::from(*granule) - seconds).abs() < 1e-9)
    });
    table.finish(problems, |_| None);
    Some(HandoverSpec {
        mode: mode.or(default.mode)?,
        load_s: load.or(default.load_s)?,
        boot_s: boot.or(default.boot_s)?,
        billing_s: billing.or(default.billing_s)?,
    })
}

fn read_replicas(parent: &mut TomlTable<'_>, problems: &mut Problems<'_>) -> Option<ReplicasSpec> {
    use KeyNeed::Optional;
    let default = ReplanSpec::default().replicas;
    let Some(field) = parent.field("replicas") else { return Some(default) };
    let Some(mut table) = field.table() else {
        let _: Read<()> = field.refuse(problems, REPLICAS);
        return None;
    };
    let t = &mut table;
    let allowed = format!("{}, or \"{TARGET_SLO}\"", TARGET.allowed());
    let rule = KeyRule { allowed: &allowed, fix: TARGET.fix };
    let kind = SeenKind::NumberOr { least: 1.0, most: TARGET.most, word: TARGET_SLO };
    problems.note(t, "target_pct", kind, false, rule);
    let target = t.read(problems, "target_pct", Optional, rule, |value| match value.as_str() {
        Some(word) => (word == TARGET_SLO).then_some(ReplicaTarget::Slo),
        None => TARGET.accept(value).map(ReplicaTarget::ThroughputPct),
    });
    let at_peak = AT_PEAK
        .read(t, problems, "at_peak", Optional)
        .convert(|replicas| u32::try_from(replicas).ok());
    let scale_down = SCALE_DOWN.read(t, problems, "scale_down_s", Optional);
    let window = STABLE.read(t, problems, "window_s", Optional);
    let panic_window = PANIC_WINDOW.read(t, problems, "panic_window_pct", Optional);
    let panic = PANIC.read(t, problems, "panic_threshold_pct", Optional);
    table.finish(problems, |_| None);
    Some(ReplicasSpec {
        target: target.or(default.target)?,
        at_peak: at_peak.or(default.at_peak)?,
        scale_down_s: scale_down.or(default.scale_down_s)?,
        window_s: window.or(default.window_s)?,
        panic_window_pct: panic_window.or(default.panic_window_pct)?,
        panic_threshold_pct: panic.or(default.panic_threshold_pct)?,
    })
}

/// The parts of the scenario that the table is compared with, as far as they are known.
pub(super) struct ReplanContext<'a> {
    pub duration: Option<Nanoseconds>,
    pub control: Option<&'a Control>,
    pub plan: Option<&'a PlanOptions>,
    pub workloads: Option<&'a [ScenarioWorkload]>,
}

/// Compares the table with the rest of the scenario and reports conflicts. Returns `None` if the table itself is bad.
pub(super) fn check(
    raw: Read<RawReplan>,
    rest: &ReplanContext<'_>,
    problems: &mut Problems<'_>,
) -> Option<Option<ReplanSpec>> {
    let raw = match raw {
        Read::Absent => return Some(None),
        Read::Bad => return None,
        Read::Given(raw, _) => raw,
    };
    let spec = raw.spec;
    if let Some(control) = rest.control
        && (control.controller != ControllerSpec::None || !control.faults.is_empty())
    {
        let rule = KeyRule {
            allowed: "[replan] without a [controller] and without [[fault]] tables",
            fix: "remove one of them: what they would do to each other is not defined",
        };
        problems.add(&raw.table, "given together with a controller or a fault", rule);
    }
    if spec.policy != Policy::Static {
        check_workloads(&raw, rest, problems);
    }
    if matches!(spec.policy, Policy::Scratch | Policy::Matched | Policy::Sticky) {
        check_times(&raw, rest, problems);
    }
    Some(Some(spec))
}

fn check_workloads(raw: &RawReplan, rest: &ReplanContext<'_>, problems: &mut Problems<'_>) {
    let waits = |entry: &&ScenarioWorkload| entry.arrival.waits_for_answers();
    if let Some(entry) = rest.workloads.unwrap_or_default().iter().find(waits) {
        let what = format!(
            "the clients of workload \"{}\" wait for their answers (closed_loop)",
            entry.workload.name
        );
        let rule = KeyRule {
            allowed: "arrivals of another kind, for how many requests come then depends on the plan",
            fix: "give the workload another arrival process, or write policy = \"static\"",
        };
        problems.add(&raw.table, what, rule);
    }
    if raw.spec.handover.mode == HandoverMode::Room
        && raw.spec.policy != Policy::Replicas
        && rest.plan.is_some_and(|plan| plan.process_limit == 1)
    {
        let rule = KeyRule {
            allowed: "mode = \"room\" where a GPU serves two processes at least (plan.process_limit)",
            fix: "write mode = \"gap\" in [replan.handover], so that the old server goes first, or allow more processes",
        };
        problems.add(
            &raw.handover,
            "no hand-over can have room for an old and a new server: process_limit = 1",
            rule,
        );
    }
}

/// Whether one time is a multiple of another.
fn is_multiple(of: f64, unit: f64) -> bool {
    let times = of / unit;
    (times - times.round()).abs() < 1e-9 && times > 0.5
}

fn check_times(raw: &RawReplan, rest: &ReplanContext<'_>, problems: &mut Problems<'_>) {
    let ReplanSpec { period_s, forecast, handover, .. } = raw.spec;
    let duration_s = rest.duration.map(Nanoseconds::as_seconds);
    if let Some(duration_s) = duration_s
        && period_s > duration_s
    {
        let allowed = format!("at most duration_s = {duration_s}");
        let fix = "plan more often, or simulate longer; a run of one epoch is planned once";
        let rule = KeyRule { allowed: &allowed, fix };
        problems.add(&raw.period, format!("epochs of {period_s} s are longer than the run"), rule);
    }
    if !is_multiple(period_s, forecast.window_s) {
        let allowed = format!("a part of period_s = {period_s}");
        let rule = KeyRule {
            allowed: &allowed,
            fix: "choose window_s so that an epoch is a multiple of it",
        };
        problems.add(&raw.forecast, format!("window_s = {}", forecast.window_s), rule);
    }
    if let ForecastKind::Season { period_s: day_s } = forecast.kind {
        if !is_multiple(day_s, period_s) {
            let allowed = format!("a multiple of the epochs of {period_s} s");
            let rule =
                KeyRule { allowed: &allowed, fix: "choose another length of the day or of epochs" };
            problems.add(&raw.forecast, format!("a day of {day_s} s"), rule);
        } else if let Some(duration_s) = duration_s
            && day_s + period_s >= duration_s
        {
            let allowed =
                format!("a day and an epoch that are shorter than duration_s = {duration_s}");
            let rule = KeyRule {
                allowed: &allowed,
                fix: "simulate longer than a day, or use kind = \"last\" or \"peak\"",
            };
            let what = format!("no epoch has a day of {day_s} s before it, so there is no history");
            problems.add(&raw.forecast, what, rule);
        }
    }
    let startup = |entry: &ScenarioWorkload| entry.server.startup.as_seconds();
    let slowest = rest.workloads.unwrap_or_default().iter().map(startup);
    let load_s = slowest.fold(handover.load_s, f64::max);
    if load_s + handover.boot_s >= period_s {
        let allowed = format!("less than the epochs of {period_s} s");
        let rule = KeyRule {
            allowed: &allowed,
            fix: "choose longer epochs (period_s), or shorter load_s, boot_s or startup_s",
        };
        let what = format!(
            "a server on a new GPU is ready after {} s ({load_s} s to load, {} s to boot), when the next plan is made",
            load_s + handover.boot_s,
            handover.boot_s
        );
        problems.add(&raw.handover, what, rule);
    }
}

fn word<T: PartialEq + Copy>(words: &[(&'static str, T)], wanted: T) -> &'static str {
    words.iter().find(|(_, value)| *value == wanted).map_or("", |(word, _)| word)
}

/// Writes the table.
pub(super) fn write(spec: &ReplanSpec, out: &mut String) -> fmt::Result {
    let number = super::write::number;
    let ReplanSpec {
        policy,
        period_s,
        forecast,
        move_cost_gpu_s,
        hold_s,
        early,
        handover,
        replicas,
    } = spec;
    writeln!(out, "\n[replan]")?;
    writeln!(out, "policy = \"{}\"", policy.as_str())?;
    writeln!(out, "period_s = {}", number(*period_s))?;
    let (kind, more) = match forecast.kind {
        ForecastKind::Oracle => (ForecastKindName::Oracle, String::new()),
        ForecastKind::Last => (ForecastKindName::Last, String::new()),
        ForecastKind::Peak { epochs } => (ForecastKindName::Peak, format!(", epochs = {epochs}")),
        ForecastKind::Season { period_s } => {
            (ForecastKindName::Season, format!(", period_s = {}", number(period_s)))
        }
    };
    writeln!(
        out,
        "forecast = {{ kind = \"{}\", headroom_pct = {}, statistic = \"{}\", window_s = {}{more} }}",
        word(&KINDS, kind),
        number(forecast.headroom_pct),
        word(&STATISTICS, forecast.statistic),
        number(forecast.window_s),
    )?;
    writeln!(out, "move_cost_gpu_s = {}", number(*move_cost_gpu_s))?;
    writeln!(out, "hold_s = {}", number(*hold_s))?;
    writeln!(out, "early = {early}")?;
    writeln!(out, "\n[replan.handover]")?;
    writeln!(out, "mode = \"{}\"", word(&HandoverMode::ALL, handover.mode))?;
    writeln!(out, "load_s = {}", number(handover.load_s))?;
    writeln!(out, "boot_s = {}", number(handover.boot_s))?;
    writeln!(out, "billing_s = {}", handover.billing_s)?;
    writeln!(out, "\n[replan.replicas]")?;
    match replicas.target {
        ReplicaTarget::Slo => writeln!(out, "target_pct = \"{TARGET_SLO}\"")?,
        ReplicaTarget::ThroughputPct(pct) => writeln!(out, "target_pct = {}", number(pct))?,
    }
    writeln!(out, "at_peak = {}", replicas.at_peak)?;
    writeln!(out, "scale_down_s = {}", number(replicas.scale_down_s))?;
    writeln!(out, "window_s = {}", number(replicas.window_s))?;
    writeln!(out, "panic_window_pct = {}", number(replicas.panic_window_pct))?;
    writeln!(out, "panic_threshold_pct = {}", number(replicas.panic_threshold_pct))
}
