//! The `arrival` key of a workload.

use super::Defaults;
use super::reader::{KeyNeed, KeyRule, Problems, Read, TomlTable, quoted};
use super::rules::{Least, NumberRule, WholeRule};
use super::suggest::nearest;
use igniter_model::input::{Format, TimeUnit, TraceLayout};
use igniter_model::units::{Milliseconds, Nanoseconds};
use igniter_sim::arrivals::{
    ArrivalPart, ArrivalPhase, ArrivalSpec, ClosedLoopSpec, MmppState, RateShape, RateStep,
    Thinking, TraceSpec,
};
use std::path::{Path, PathBuf};
use toml::de::DeValue;

/// Every process, with its keys other than `process`.
pub(super) const PROCESSES: [(&str, &[&str]); 16] = [
    ("constant", &[]),
    ("poisson", &[]),
    ("gamma", &["cv"]),
    ("weibull", &["cv"]),
    ("normalised", &[]),
    ("mmpp", &["states"]),
    ("diurnal", &["period_s", "peak_s", "peak_to_trough", "gaps"]),
    ("spike", &["start_s", "end_s", "factor", "gaps"]),
    ("ramp", &["start_s", "end_s", "from", "to", "gaps"]),
    ("drain", &["start_s", "end_s", "gaps"]),
    ("steps", &["steps", "repeat", "gaps"]),
    ("rates", &["path", "rate_scale", "gaps"]),
    (
        "trace",
        &[
            "path",
            "format",
            "column",
            "key_column",
            "unit",
            "sort",
            "workload",
            "start_s",
            "rate_scale",
        ],
    ),
    ("sum", &["parts"]),
    ("phases", &["phases"]),
    ("closed_loop", &["clients", "think_ms", "thinking"]),
];
const fn number(least: Least, most: f64, unit: &'static str, fix: &'static str) -> NumberRule {
    NumberRule { least, most, unit, fix }
}

pub(super) const CV: NumberRule = number(
    Least::From(0.01),
    100.0,
    "",
    "give the standard deviation of the gaps divided by their mean, such as cv = 4 (1 is Poisson)",
);
pub(super) const WEIBULL_CV: NumberRule = number(
    Least::From(0.01),
    10.4,
    "",
    "give the standard deviation of the gaps divided by their mean, such as cv = 4 (1 is Poisson)",
);
/// A positive length of time.
pub(super) const LENGTH: NumberRule =
    number(Least::From(1e-6), 1e6, "s", "give a time in seconds, such as 10");
/// A point in time.
pub(super) const TIME: NumberRule =
    number(Least::From(0.0), 1e6, "s", "give a time since the start in seconds, such as 10");
/// A factor on a rate.
pub(super) const FACTOR: NumberRule =
    number(Least::From(0.0), 1e6, "", "give what the rate is multiplied by, such as 3");
pub(super) const RATIO: NumberRule = number(
    Least::From(1.0),
    1e6,
    "",
    "give the highest rate divided by the lowest, such as peak_to_trough = 4",
);
pub(super) const RELATIVE_RATE: NumberRule = number(
    Least::From(0.0),
    1e6,
    "",
    "give the rate in relation to the other states; their mean becomes rate_rps",
);
pub(super) const SHARE: NumberRule =
    number(Least::From(1e-6), 1e6, "", "give the part of the rate in relation to the other parts");
pub(super) const FILE_SCALE: NumberRule = number(
    Least::From(1e-6),
    1e6,
    "",
    "give how many times faster than in the file requests shall arrive, such as rate_scale = 2",
);
/// Maximum number of clients of one workload.
pub(super) const MOST_CLIENTS: u32 = 1_000_000;
pub(super) const CLIENTS: WholeRule = WholeRule {
    least: 1,
    most: MOST_CLIENTS as u64,
    fix: "give how many clients send one request at a time, such as clients = 16",
};
const THINK: NumberRule = number(
    Least::From(0.0),
    3.6e6,
    "ms",
    "give how long a client waits between an answer and its next request, such as think_ms = 50",
);
const TABLE: KeyRule<'_> = KeyRule {
    allowed: "a table with the key `process`",
    fix: "write for example arrival = { process = \"poisson\" }",
};
const PATH: KeyRule<'_> = KeyRule {
    allowed: "the path of a CSV file, relative to the scenario file",
    fix: "write for example path = \"../traces/day.csv\"",
};
const COLUMN: KeyRule<'_> = KeyRule {
    allowed: "the name of a column of the trace file, 1 to 256 characters; its number in a file without a header",
    fix: "write for example column = \"arrival_s\", or leave the key out where the first line shows the format",
};
const KEY_COLUMN: KeyRule<'_> = KeyRule {
    allowed: "the name of the column that tells services apart, 1 to 256 characters",
    fix: "write for example key_column = \"Model\"",
};
const WORKLOAD: KeyRule<'_> = KeyRule {
    allowed: "what the key column of the trace says (`workload` in this program's own form), 1 to 256 characters",
    fix: "write for example workload = \"W1\", or leave the key out for all rows",
};
const SORT: KeyRule<'_> = KeyRule {
    allowed: "true or false",
    fix: "write true to sort rows that are out of order, which are refused otherwise",
};
const REPEAT: KeyRule<'_> = KeyRule {
    allowed: "true or false",
    fix: "write true to begin again after the last step, else false",
};
const LIST: KeyRule<'_> = KeyRule {
    allowed: "an array of 1 to 10000 tables",
    fix: "write for example steps = [{ duration_s = 10, factor = 1 }, { duration_s = 5, factor = 3 }]",
};

/// Reads the `arrival` key of a workload or of the whole scenario; paths are relative to `folder`.
pub(super) fn read(
    parent: &mut TomlTable<'_>,
    problems: &mut Problems<'_>,
    folder: &Path,
) -> Read<ArrivalSpec> {
    read_key(parent, "arrival", problems, folder)
}

fn read_key(
    parent: &mut TomlTable<'_>,
    key: &'static str,
    problems: &mut Problems<'_>,
    folder: &Path,
) -> Read<ArrivalSpec> {
    let Some(field) = parent.field(key) else { return Read::Absent };
    let Some(table) = field.table() else { return field.refuse(problems, TABLE) };
    read_process(table, problems, folder).map_or(Read::Bad, |spec| Read::Given(spec, field.place))
}

/// Reads a required `arrival`.
fn read_needed(
    parent: &mut TomlTable<'_>,
    problems: &mut Problems<'_>,
    folder: &Path,
) -> Option<ArrivalSpec> {
    let arrival = read(parent, problems, folder);
    if matches!(arrival, Read::Absent) {
        parent.missing(problems, "arrival", TABLE);
    }
    arrival.given()
}

/// Returns all names of processes.
pub(super) fn words() -> Vec<&'static str> {
    PROCESSES.iter().map(|&(word, _)| word).collect()
}

/// Reads a table with the key `process`.
fn read_process(
    mut table: TomlTable<'_>,
    problems: &mut Problems<'_>,
    folder: &Path,
) -> Option<ArrivalSpec> {
    let words = words();
    let Some(process) = table.field("process") else {
        let rule =
            KeyRule { allowed: &quoted(&words), fix: "add it, such as process = \"poisson\"" };
        table.missing(problems, "process", rule);
        return None;
    };
    let word = process.value.as_str();
    let t = &mut table;
    let spec = match word {
        Some("constant") => Some(ArrivalSpec::Constant),
        Some("poisson") => Some(ArrivalSpec::Poisson),
        Some("normalised") => Some(ArrivalSpec::Normalised),
        Some("gamma") => {
            let cv = CV.read(t, problems, "cv", KeyNeed::Required);
            cv.given().map(|cv| ArrivalSpec::Gamma { cv })
        }
        Some("weibull") => {
            let cv = WEIBULL_CV.read(t, problems, "cv", KeyNeed::Required);
            cv.given().map(|cv| ArrivalSpec::Weibull { cv })
        }
        Some("mmpp") => read_mmpp(t, problems),
        Some("diurnal" | "spike" | "ramp" | "drain" | "steps") => {
            let shape = match word {
                Some("diurnal") => read_diurnal(t, problems),
                Some("steps") => read_steps(t, problems),
                _ => read_window(word.unwrap_or_default(), t, problems),
            };
            let gaps = read_gaps(t, problems, folder);
            shape.zip(gaps).map(|(shape, gaps)| ArrivalSpec::Shaped { gaps, shape })
        }
        Some("rates") => {
            let path = read_path(t, problems, folder);
            let rate_scale = FILE_SCALE.read(t, problems, "rate_scale", KeyNeed::Optional).or(1.0);
            let gaps = read_gaps(t, problems, folder);
            path.zip(rate_scale).zip(gaps).map(|((path, rate_scale), gaps)| ArrivalSpec::Rates {
                gaps,
                path,
                rate_scale,
            })
        }
        Some("trace") => read_trace(t, problems, folder),
        Some("sum") => read_parts(t, problems, folder),
        Some("phases") => read_phases(t, problems, folder),
        Some("closed_loop") => read_closed_loop(t, problems),
        other => {
            let fix = match other.and_then(|word| nearest(word, &words)) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => "write one of them, in quotes".to_owned(),
            };
            // The valid keys depend on the process, so the others are not checked.
            let rule = KeyRule { allowed: &quoted(&words), fix: &fix };
            let _: Read<()> = process.refuse(problems, rule);
            return None;
        }
    };
    table.finish(problems, |key| {
        let (process, _) = PROCESSES.iter().find(|(_, keys)| keys.contains(&key))?;
        Some(format!("remove it: it belongs to process = \"{process}\""))
    });
    spec
}

fn read_gaps(
    table: &mut TomlTable<'_>,
    problems: &mut Problems<'_>,
    folder: &Path,
) -> Option<Box<ArrivalSpec>> {
    read_key(table, "gaps", problems, folder).or(Defaults::default().gaps).map(Box::new)
}

fn read_mmpp(table: &mut TomlTable<'_>, problems: &mut Problems<'_>) -> Option<ArrivalSpec> {
    let rule = KeyRule {
        allowed: "an array of 2 to 1000 tables with rate and mean_s, not all rates 0",
        fix: "write for example states = [{ rate = 1, mean_s = 10 }, { rate = 5, mean_s = 2 }]",
    };
    let states =
        read_list(table, problems, "states", rule, 2..=1000, &mut |mut state, problems| {
            let rate = RELATIVE_RATE.read(&mut state, problems, "rate", KeyNeed::Required).given();
            let mean = read_seconds(&LENGTH, &mut state, problems, "mean_s");
            state.finish(problems, |_| None);
            Some(MmppState { rate: rate?, mean: mean? })
        })?;
    if states.iter().all(|state| state.rate <= 0.0) {
        let field = table.field("states")?;
        let _: Read<()> = field.refuse(problems, rule);
        return None;
    }
    Some(ArrivalSpec::Mmpp { states })
}

fn read_diurnal(table: &mut TomlTable<'_>, problems: &mut Problems<'_>) -> Option<RateShape> {
    let period = read_seconds(&LENGTH, table, problems, "period_s");
    let peak = TIME.read(table, problems, "peak_s", KeyNeed::Optional).convert(seconds);
    let ratio = RATIO.read(table, problems, "peak_to_trough", KeyNeed::Required).given();
    let period = period?;
    let peak = peak.or(Nanoseconds::new(period.get() / 2))?;
    Some(RateShape::Diurnal { period, peak, peak_to_trough: ratio? })
}

fn read_window(
    process: &str,
    table: &mut TomlTable<'_>,
    problems: &mut Problems<'_>,
) -> Option<RateShape> {
    let start = TIME.read(table, problems, "start_s", KeyNeed::Required).convert(seconds).given();
    let end = TIME.read(table, problems, "end_s", KeyNeed::Required).convert(seconds);
    let shape = match process {
        "spike" => {
            let factor = FACTOR.read(table, problems, "factor", KeyNeed::Required).given();
            factor.map(|factor| (factor, None))
        }
        "ramp" => {
            let from = FACTOR.read(table, problems, "from", KeyNeed::Optional).or(1.0);
            let to = FACTOR.read(table, problems, "to", KeyNeed::Required).given();
            from.zip(to).map(|(from, to)| (from, Some(to)))
        }
        _ => Some((1.0, Some(0.0))),
    };
    let (start, Read::Given(end, place)) = (start?, end) else { return None };
    if end <= start {
        let allowed = format!("more than start_s = {}", start.as_seconds());
        let rule = KeyRule { allowed: &allowed, fix: "let it end after its start" };
        problems.add(&place, format!("given {}", end.as_seconds()), rule);
        return None;
    }
    Some(match shape? {
        (factor, None) => RateShape::Spike { start, end, factor },
        (from, Some(to)) => RateShape::Ramp { start, end, from, to },
    })
}

fn read_steps(table: &mut TomlTable<'_>, problems: &mut Problems<'_>) -> Option<RateShape> {
    let repeat = table.read(problems, "repeat", KeyNeed::Optional, REPEAT, DeValue::as_bool);
    let steps =
        read_list(table, problems, "steps", LIST, 1..=10_000, &mut |mut step, problems| {
            let duration = read_seconds(&LENGTH, &mut step, problems, "duration_s");
            let factor = FACTOR.read(&mut step, problems, "factor", KeyNeed::Required).given();
            step.finish(problems, |_| None);
            Some(RateStep { duration: duration?, factor: factor? })
        })?;
    Some(RateShape::Steps { steps, repeat: repeat.or(false)? })
}

fn read_trace(
    table: &mut TomlTable<'_>,
    problems: &mut Problems<'_>,
    folder: &Path,
) -> Option<ArrivalSpec> {
    let path = read_path(table, problems, folder);
    let formats = Format::ALL;
    let format = table.choice(problems, "format", &formats);
    let column = table.read(problems, "column", KeyNeed::Optional, COLUMN, text::<256>);
    let key_column = table.read(problems, "key_column", KeyNeed::Optional, KEY_COLUMN, text::<256>);
    let unit = table.choice(problems, "unit", &TimeUnit::ALL);
    let sort = table.read(problems, "sort", KeyNeed::Optional, SORT, DeValue::as_bool).or(false);
    let workload = table.read(problems, "workload", KeyNeed::Optional, WORKLOAD, text::<256>);
    let workload = workload.convert(|name| Some(Some(name))).or(None);
    let start = TIME.read(table, problems, "start_s", KeyNeed::Optional).convert(seconds);
    let rate_scale = FILE_SCALE.read(table, problems, "rate_scale", KeyNeed::Optional).or(1.0);
    Some(ArrivalSpec::Trace(TraceSpec {
        path: path?,
        reading: TraceLayout {
            format: some(format)?,
            time_column: some(column)?,
            key_column: some(key_column)?,
            unit: some(unit)?,
            sort: sort?,
        },
        workload: workload?,
        start: start.or(Nanoseconds::ZERO)?,
        rate_scale: rate_scale?,
    }))
}

/// Returns an optional value; `None` when a problem was reported.
fn some<T>(read: Read<T>) -> Option<Option<T>> {
    read.convert(|value| Some(Some(value))).or(None)
}

fn read_parts(
    table: &mut TomlTable<'_>,
    problems: &mut Problems<'_>,
    folder: &Path,
) -> Option<ArrivalSpec> {
    let rule = KeyRule {
        allowed: "an array of 1 to 64 tables with arrival and share",
        fix: "write for example parts = [{ share = 9, arrival = { process = \"poisson\" } }, { share = 1, arrival = { process = \"gamma\", cv = 4 } }]",
    };
    let parts = read_list(table, problems, "parts", rule, 1..=64, &mut |mut part, problems| {
        let share = SHARE.read(&mut part, problems, "share", KeyNeed::Optional).or(1.0);
        let arrival = read_needed(&mut part, problems, folder);
        part.finish(problems, |_| None);
        Some(ArrivalPart { share: share?, arrival: arrival? })
    })?;
    Some(ArrivalSpec::Sum { parts })
}

fn read_phases(
    table: &mut TomlTable<'_>,
    problems: &mut Problems<'_>,
    folder: &Path,
) -> Option<ArrivalSpec> {
    let rule = KeyRule {
        allowed: "an array of 1 to 1000 tables with duration_s, rate_scale and arrival",
        fix: "write for example phases = [{ duration_s = 10, arrival = { process = \"poisson\" } }, { duration_s = 5, rate_scale = 2, arrival = { process = \"gamma\", cv = 4 } }]",
    };
    let phases =
        read_list(table, problems, "phases", rule, 1..=1000, &mut |mut phase, problems| {
            let duration = read_seconds(&LENGTH, &mut phase, problems, "duration_s");
            let rate_scale =
                FACTOR.read(&mut phase, problems, "rate_scale", KeyNeed::Optional).or(1.0);
            let arrival = read_needed(&mut phase, problems, folder);
            phase.finish(problems, |_| None);
            Some(ArrivalPhase { duration: duration?, rate_scale: rate_scale?, arrival: arrival? })
        })?;
    Some(ArrivalSpec::Phases { phases })
}

fn read_closed_loop(table: &mut TomlTable<'_>, problems: &mut Problems<'_>) -> Option<ArrivalSpec> {
    let clients = CLIENTS.read(table, problems, "clients", KeyNeed::Required).given();
    let think = THINK.read(table, problems, "think_ms", KeyNeed::Optional);
    let think = think.convert(|ms| Some(Milliseconds::new(ms).ok()?.to_nanoseconds()));
    let words = Thinking::ALL.map(|thinking| (thinking.as_str(), thinking));
    let thinking = table.choice(problems, "thinking", &words);
    Some(ArrivalSpec::ClosedLoop(ClosedLoopSpec {
        clients: u32::try_from(clients?).ok()?,
        think: think.or(Nanoseconds::ZERO)?,
        thinking: thinking.or(Thinking::default())?,
    }))
}

/// Refuses a closed loop as a part of another process or with phases: its clients wait for answers, so they cannot
/// follow another clock.
pub(super) fn check_closed_loop(
    arrival: &Read<ArrivalSpec>,
    in_phases: bool,
    problems: &mut Problems<'_>,
) {
    let Read::Given(spec, place) = arrival else { return };
    let rule = KeyRule {
        allowed: "closed_loop as the whole arrival of a workload, in a scenario without [[phase]]",
        fix: "give the workload an open process such as poisson, or take closed_loop out of the other process",
    };
    let alone = matches!(spec, ArrivalSpec::ClosedLoop(_)) && !in_phases;
    if spec.waits_for_answers() && !alone {
        problems.add(place, "closed_loop as a part of another process", rule);
    }
}

/// Reads an array of tables. Every element is checked, so that all bad ones are reported.
fn read_list<T>(
    table: &mut TomlTable<'_>,
    problems: &mut Problems<'_>,
    key: &'static str,
    rule: KeyRule<'_>,
    count: std::ops::RangeInclusive<usize>,
    read: &mut dyn FnMut(TomlTable<'_>, &mut Problems<'_>) -> Option<T>,
) -> Option<Vec<T>> {
    let Some(field) = table.field(key) else {
        table.missing(problems, key, rule);
        return None;
    };
    let Some(elements) = field.elements().filter(|elements| count.contains(&elements.len())) else {
        let _: Read<()> = field.refuse(problems, rule);
        return None;
    };
    let mut all = Vec::new();
    for element in elements {
        let Some(table) = element.table() else {
            let _: Read<()> = element.refuse(problems, rule);
            all.push(None);
            continue;
        };
        all.push(read(table, problems));
    }
    all.into_iter().collect()
}

/// Reads a required number of seconds.
pub(super) fn read_seconds(
    rule: &NumberRule,
    table: &mut TomlTable<'_>,
    problems: &mut Problems<'_>,
    key: &'static str,
) -> Option<Nanoseconds> {
    rule.read(table, problems, key, KeyNeed::Required).convert(seconds).given()
}

fn seconds(number: f64) -> Option<Nanoseconds> {
    Nanoseconds::from_seconds(number).ok()
}

fn read_path(
    table: &mut TomlTable<'_>,
    problems: &mut Problems<'_>,
    folder: &Path,
) -> Option<PathBuf> {
    let path = table.read(problems, "path", KeyNeed::Required, PATH, text::<4096>);
    Some(resolve(folder, &path.given()?))
}

/// Resolves a path in the file against `folder`.
pub(super) fn resolve(folder: &Path, path: &str) -> PathBuf {
    folder.join(path)
}

fn text<const LONGEST: usize>(value: &DeValue<'_>) -> Option<String> {
    let text = value.as_str()?;
    let fits = !text.is_empty()
        && text.len() <= LONGEST
        && !text.chars().any(igniter_model::domain::is_hidden);
    fits.then(|| text.to_owned())
}
