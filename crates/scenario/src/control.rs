//! The `[controller]` and `[[fault]]` tables.

use super::reader::{Field, FilePlace, KeyNeed, KeyRule, Problems, Read, TomlTable};
use super::rules::{Least, NumberRule, WholeRule};
use igniter_model::domain::WorkloadName;
use igniter_model::units::Nanoseconds;
use igniter_sim::{
    Control, ControllerSpec, Fault, FaultKind, FaultyGpu, GsliceSpec, Oversubscription, ShadowSpec,
};

const CONTROLLER: KeyRule<'_> =
    KeyRule { allowed: "a table", fix: "write [controller] and below it kind = \"shadow\"" };
const FAULT_LIST: KeyRule<'_> = KeyRule {
    allowed: "[[fault]] tables",
    fix: "write [[fault]] and below it for example kind = \"workload-crashes\"",
};
const PERIOD: NumberRule = NumberRule {
    least: Least::From(0.001),
    most: 1e6,
    unit: "s",
    fix: "give the time between two decisions of the controller, in seconds",
};
const EXTRA: NumberRule = NumberRule {
    least: Least::Above(0.0),
    most: 100.0,
    unit: "% of the SMs",
    fix: "give how much more the standby gets, such as 10",
};
const DELAY: NumberRule = NumberRule {
    least: Least::From(0.0),
    most: 3.6e6,
    unit: "ms",
    fix: "give the time that a change takes, in milliseconds",
};
const AT: NumberRule = NumberRule {
    least: Least::From(0.0),
    most: 1e6,
    unit: "s",
    fix: "give when it happens, in seconds since the start",
};
const LASTS: NumberRule = NumberRule {
    least: Least::Above(0.0),
    most: 1e6,
    unit: "s",
    fix: "give how long it lasts, in seconds, or omit the key to last until the end",
};
const FACTOR: NumberRule = NumberRule {
    least: Least::From(0.01),
    most: 1e4,
    unit: "times as long",
    fix: "give the factor by which executions take longer, such as 1.5",
};
const GPU: WholeRule = WholeRule {
    least: 0,
    most: 1_000_000,
    fix: "give the number of a GPU of the plan, from 0, or name one of its workloads with `workload`",
};
const WORKLOAD: KeyRule<'_> =
    KeyRule { allowed: "the name of a workload", fix: "write for example workload = \"W1\"" };
const FRESH: KeyRule<'_> = KeyRule {
    allowed: "true or false",
    fix: "write true to begin with batch 1 and 30 % for every workload, false to begin with the plan",
};

#[derive(Debug, Clone, Copy, PartialEq)]
enum FaultKindName {
    None,
    Shadow,
    Gslice,
}

const KINDS: [(&str, FaultKindName); 3] = [
    ("none", FaultKindName::None),
    ("shadow", FaultKindName::Shadow),
    ("gslice", FaultKindName::Gslice),
];

/// Values of `oversubscription`.
pub(super) const OVERSUBSCRIPTIONS: [(&str, Oversubscription); 2] =
    [("scale", Oversubscription::Scale), ("overlap", Oversubscription::Overlap)];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Struck {
    GpuFails,
    GpuSlows,
    WorkloadCrashes,
}

const STRUCK: [(&str, Struck); 3] = [
    ("gpu-fails", Struck::GpuFails),
    ("gpu-slows", Struck::GpuSlows),
    ("workload-crashes", Struck::WorkloadCrashes),
];

/// A fault, with the places of the keys that refer to the rest of the file.
#[derive(Debug)]
pub(super) struct RawFault {
    fault: Option<Fault>,
    at: Read<Nanoseconds>,
    workload: Read<WorkloadName>,
}

/// Both tables as they were written.
#[derive(Debug)]
pub(super) struct RawControl {
    controller: Option<ControllerSpec>,
    faults: Option<Vec<RawFault>>,
}

impl RawControl {
    pub(super) fn read(top: &mut TomlTable<'_>, problems: &mut Problems<'_>) -> Self {
        Self { controller: read_controller(top, problems), faults: read_faults(top, problems) }
    }

    /// Compares faults with the rest of the scenario, as far as it is known.
    pub(super) fn check(
        self,
        duration: Option<Nanoseconds>,
        workloads: Option<Vec<&WorkloadName>>,
        problems: &mut Problems<'_>,
    ) -> Option<Control> {
        for fault in self.faults.iter().flatten() {
            if let Read::Given(at, place) = &fault.at
                && let Some(duration) = duration
                && *at >= duration
            {
                let allowed = format!("a time before duration_s = {}", duration.as_seconds());
                let rule =
                    KeyRule { allowed: &allowed, fix: "let it happen earlier, or remove it" };
                problems.add(place, format!("given {}", at.as_seconds()), rule);
            }
            if let Read::Given(name, place) = &fault.workload
                && workloads.as_ref().is_some_and(|known| !known.contains(&name))
            {
                let rule = KeyRule {
                    allowed: "the name of a [[workload]]",
                    fix: "correct the name; it must be written as in the workload",
                };
                problems.add(place, format!("given \"{name}\""), rule);
            }
        }
        let faults = self.faults?.into_iter().map(|raw| raw.fault).collect::<Option<_>>()?;
        Some(Control { controller: self.controller?, faults })
    }
}

fn read_controller(top: &mut TomlTable<'_>, problems: &mut Problems<'_>) -> Option<ControllerSpec> {
    let Some(field) = top.field("controller") else { return Some(ControllerSpec::None) };
    let Some(mut table) = field.table() else {
        let _: Read<()> = field.refuse(problems, CONTROLLER);
        return None;
    };
    let t = &mut table;
    let place = t.place().clone();
    let kind = t.choice(problems, "kind", &KINDS);
    if matches!(kind, Read::Absent) {
        missing(&place, "kind", "\"none\" | \"shadow\" | \"gslice\"", problems);
    }
    let controller = match kind.given()? {
        FaultKindName::None => Some(ControllerSpec::None),
        FaultKindName::Shadow => read_shadow(t, problems).map(ControllerSpec::Shadow),
        FaultKindName::Gslice => read_gslice(t, problems).map(ControllerSpec::Gslice),
    };
    table.finish(problems, |_| None);
    controller
}

fn read_shadow(t: &mut TomlTable<'_>, problems: &mut Problems<'_>) -> Option<ShadowSpec> {
    let default = ShadowSpec::default();
    let period = PERIOD.read(t, problems, "period_s", KeyNeed::Optional).convert(seconds);
    let extra = EXTRA.read(t, problems, "extra_pct", KeyNeed::Optional);
    let switch = DELAY.read(t, problems, "switch_ms", KeyNeed::Optional).convert(ms);
    Some(ShadowSpec {
        period: period.or(default.period)?,
        extra_pct: extra.or(default.extra_pct)?,
        switch: switch.or(default.switch)?,
    })
}

fn read_gslice(t: &mut TomlTable<'_>, problems: &mut Problems<'_>) -> Option<GsliceSpec> {
    let default = GsliceSpec::default();
    let period = PERIOD.read(t, problems, "period_s", KeyNeed::Optional).convert(seconds);
    let cost = DELAY.read(t, problems, "reconfigure_ms", KeyNeed::Optional).convert(ms);
    let oversubscription = t.choice(problems, "oversubscription", &OVERSUBSCRIPTIONS);
    let fresh =
        t.read(problems, "fresh_start", KeyNeed::Optional, FRESH, toml::de::DeValue::as_bool);
    Some(GsliceSpec {
        period: period.or(default.period)?,
        reconfigure: cost.or(default.reconfigure)?,
        oversubscription: oversubscription.or(default.oversubscription)?,
        fresh_start: fresh.or(default.fresh_start)?,
    })
}

fn read_faults(top: &mut TomlTable<'_>, problems: &mut Problems<'_>) -> Option<Vec<RawFault>> {
    let Some(field) = top.field("fault") else { return Some(Vec::new()) };
    let Some(elements) = field.elements() else {
        let _: Read<()> = field.refuse(problems, FAULT_LIST);
        return None;
    };
    let mut read = |element: &Field<'_>| match element.table() {
        Some(table) => Some(read_fault(table, problems)),
        None => {
            let _: Read<()> = element.refuse(problems, FAULT_LIST);
            None
        }
    };
    // Check every element so that all bad ones are reported.
    let faults: Vec<Option<RawFault>> = elements.iter().map(&mut read).collect();
    faults.into_iter().collect()
}

fn read_fault(mut table: TomlTable<'_>, problems: &mut Problems<'_>) -> RawFault {
    let t = &mut table;
    let place = t.place().clone();
    let kind = t.choice(problems, "kind", &STRUCK);
    if matches!(kind, Read::Absent) {
        let kinds = "\"gpu-fails\" | \"gpu-slows\" | \"workload-crashes\"";
        missing(&place, "kind", kinds, problems);
    }
    let at = AT.read(t, problems, "at_s", KeyNeed::Required).convert(seconds);
    let lasts = LASTS.read(t, problems, "lasts_s", KeyNeed::Optional).convert(seconds);
    let workload = t.read(problems, "workload", KeyNeed::Optional, WORKLOAD, |value| {
        WorkloadName::new(value.as_str()?).ok()
    });
    let what = match kind.given() {
        None => None,
        Some(Struck::WorkloadCrashes) => {
            if matches!(workload, Read::Absent) {
                t.missing(problems, "workload", WORKLOAD);
            }
            workload.clone().given().map(FaultKind::WorkloadCrashes)
        }
        Some(Struck::GpuFails) => faulty_gpu(t, &workload, problems).map(FaultKind::GpuFails),
        Some(Struck::GpuSlows) => {
            let factor = FACTOR.read(t, problems, "factor", KeyNeed::Required).given();
            let gpu = faulty_gpu(t, &workload, problems);
            gpu.zip(factor).map(|(gpu, factor)| FaultKind::GpuSlows { gpu, factor })
        }
    };
    // Without a kind, the allowed keys are unknown.
    if what.is_some() {
        table.finish(problems, |_| None);
    }
    let fault = match (what, at.clone().given(), lasts.convert(|lasts| Some(Some(lasts))).or(None))
    {
        (Some(what), Some(at), Some(lasts)) => Some(Fault { at, lasts, what }),
        _ => None,
    };
    RawFault { fault, at, workload }
}

/// Reads the GPU of a fault, given by its number or by a workload: exactly one of them.
fn faulty_gpu(
    t: &mut TomlTable<'_>,
    workload: &Read<WorkloadName>,
    problems: &mut Problems<'_>,
) -> Option<FaultyGpu> {
    let place = t.place().clone();
    match (GPU.read(t, problems, "gpu", KeyNeed::Optional), workload) {
        (Read::Absent, Read::Given(name, _)) => Some(FaultyGpu::Of(name.clone())),
        (Read::Given(number, _), Read::Absent) => {
            usize::try_from(number).ok().map(FaultyGpu::Number)
        }
        (Read::Absent, Read::Absent) | (Read::Given(..), Read::Given(..)) => {
            missing(&place, "gpu", "either gpu = N or workload = \"W1\", not both", problems);
            None
        }
        (Read::Bad, _) | (_, Read::Bad) => None,
    }
}

fn missing(place: &FilePlace, key: &str, allowed: &str, problems: &mut Problems<'_>) {
    let place = FilePlace { key: format!("{}.{key}", place.key), offset: place.offset };
    problems.add(&place, "missing or ambiguous", KeyRule { allowed, fix: "write one of them" });
}

fn seconds(number: f64) -> Option<Nanoseconds> {
    Nanoseconds::from_seconds(number).ok()
}

fn ms(number: f64) -> Option<Nanoseconds> {
    seconds(number / 1e3)
}
