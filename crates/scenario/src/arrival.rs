//! The `arrival` key of a workload.

use super::Defaults;
use super::reader::{Need, Problems, Read, Rule, Table, quoted};
use super::rules::{Least, NumberRule, WholeRule};
use super::suggest::nearest;
use igniter_model::units::{Milliseconds, Nanoseconds};
use igniter_sim::arrivals::{
    ArrivalPart, ArrivalPhase, ArrivalSpec, ClosedLoopSpec, MmppState, RateShape, RateStep,
    Thinking, TraceSpec,
};
use std::path::{Path, PathBuf};
use toml::de::DeValue;

/// Every process with the keys that it has beside `process`.
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
    ("trace", &["path", "column", "workload", "start_s", "rate_scale"]),
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
/// A length of time that is not nothing.
pub(super) const LENGTH: NumberRule =
    number(Least::From(1e-6), 1e6, "s", "give a time in seconds, such as 10");
/// A point in time.
pub(super) const TIME: NumberRule =
    number(Least::From(0.0), 1e6, "s", "give a time since the start in seconds, such as 10");
/// What a rate is multiplied by.
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
/// One scenario may have so many in each workload.
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
const TABLE: Rule<'_> = Rule {
    allowed: "a table with the key `process`",
    fix: "write for example arrival = { process = \"poisson\" }",
};
const PATH: Rule<'_> = Rule {
    allowed: "the path of a CSV file, relative to the scenario file",
    fix: "write for example path = \"../traces/day.csv\"",
};
const COLUMN: Rule<'_> = Rule {
    allowed: "the name of a column of the trace file, 1 to 64 characters",
    fix: "write for example column = \"arrival_s\" (times in seconds since the start)",
};
const WORKLOAD: Rule<'_> = Rule {
    allowed: "what the column `workload` of the trace says, 1 to 64 characters",
    fix: "write for example workload = \"W1\", or leave the key out for all rows",
};
const REPEAT: Rule<'_> = Rule {
    allowed: "true or false",
    fix: "write true to begin again after the last step, else false",
};
const LIST: Rule<'_> = Rule {
    allowed: "an array of 1 to 10000 tables",
    fix: "write for example steps = [{ duration_s = 10, factor = 1 }, { duration_s = 5, factor = 3 }]",
};

/// Reads the `arrival` key of a workload or of the whole scenario; paths are relative to `folder`.
pub(super) fn read(
    parent: &mut Table<'_>,
    problems: &mut Problems<'_>,
    folder: &Path,
) -> Read<ArrivalSpec> {
    read_key(parent, "arrival", problems, folder)
}

fn read_key(
    parent: &mut Table<'_>,
    key: &'static str,
    problems: &mut Problems<'_>,
    folder: &Path,
) -> Read<ArrivalSpec> {
    let Some(field) = parent.field(key) else { return Read::Absent };
    let Some(table) = field.table() else { return field.refuse(problems, TABLE) };
    read_process(table, problems, folder).map_or(Read::Bad, |spec| Read::Given(spec, field.place))
}

/// Reads an `arrival` that must be there.
fn read_needed(
    parent: &mut Table<'_>,
    problems: &mut Problems<'_>,
    folder: &Path,
) -> Option<ArrivalSpec> {
    let arrival = read(parent, problems, folder);
    if matches!(arrival, Read::Absent) {
        parent.missing(problems, "arrival", TABLE);
    }
    arrival.given()
}

/// All words that name a process.
pub(super) fn words() -> Vec<&'static str> {
    PROCESSES.iter().map(|&(word, _)| word).collect()
}

/// Reads a table with the key `process`.
fn read_process(
    mut table: Table<'_>,
    problems: &mut Problems<'_>,
    folder: &Path,
) -> Option<ArrivalSpec> {
    let words = words();
    let Some(process) = table.field("process") else {
        let rule = Rule { allowed: &quoted(&words), fix: "add it, such as process = \"poisson\"" };
        table.missing(problems, "process", rule);
        return None;
    };
    let word = process.value.as_str();
    let t = &mut table;
    let spec =
        match word {
            Some("constant") => Some(ArrivalSpec::Constant),
            Some("poisson") => Some(ArrivalSpec::Poisson),
            Some("normalised") => Some(ArrivalSpec::Normalised),
            Some("gamma") => {
                let cv = CV.read(t, problems, "cv", Need::Required);
                cv.given().map(|cv| ArrivalSpec::Gamma { cv })
            }
            Some("weibull") => {
                let cv = WEIBULL_CV.read(t, problems, "cv", Need::Required);
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
                let rate_scale = FILE_SCALE.read(t, problems, "rate_scale", Need::Optional).or(1.0);
                let gaps = read_gaps(t, problems, folder);
                path.zip(rate_scale)
                    .zip(gaps)
                    .map(|((path, rate_scale), gaps)| ArrivalSpec::Rates { gaps, path, rate_scale })
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
                // Which other keys are right depends on the process, so they are not looked at.
                let rule = Rule { allowed: &quoted(&words), fix: &fix };
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
    table: &mut Table<'_>,
    problems: &mut Problems<'_>,
    folder: &Path,
) -> Option<Box<ArrivalSpec>> {
    read_key(table, "gaps", problems, folder).or(Defaults::default().gaps).map(Box::new)
}

fn read_mmpp(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<ArrivalSpec> {
    let rule = Rule {
        allowed: "an array of 2 to 1000 tables with rate and mean_s, not all rates 0",
        fix: "write for example states = [{ rate = 1, mean_s = 10 }, { rate = 5, mean_s = 2 }]",
    };
    let states =
        read_list(table, problems, "states", rule, 2..=1000, &mut |mut state, problems| {
            let rate = RELATIVE_RATE.read(&mut state, problems, "rate", Need::Required).given();
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

fn read_diurnal(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<RateShape> {
    let period = read_seconds(&LENGTH, table, problems, "period_s");
    let peak = TIME.read(table, problems, "peak_s", Need::Optional).convert(seconds);
    let ratio = RATIO.read(table, problems, "peak_to_trough", Need::Required).given();
    let period = period?;
    let peak = peak.or(Nanoseconds::new(period.get() / 2))?;
    Some(RateShape::Diurnal { period, peak, peak_to_trough: ratio? })
}

fn read_window(
    process: &str,
    table: &mut Table<'_>,
    problems: &mut Problems<'_>,
) -> Option<RateShape> {
    let start = TIME.read(table, problems, "start_s", Need::Required).convert(seconds).given();
    let end = TIME.read(table, problems, "end_s", Need::Required).convert(seconds);
    let shape = match process {
        "spike" => {
            let factor = FACTOR.read(table, problems, "factor", Need::Required).given();
            factor.map(|factor| (factor, None))
        }
        "ramp" => {
            let from = FACTOR.read(table, problems, "from", Need::Optional).or(1.0);
            let to = FACTOR.read(table, problems, "to", Need::Required).given();
            from.zip(to).map(|(from, to)| (from, Some(to)))
        }
        _ => Some((1.0, Some(0.0))),
    };
    let (start, Read::Given(end, place)) = (start?, end) else { return None };
    if end <= start {
        let allowed = format!("more than start_s = {}", start.as_seconds());
        let rule = Rule { allowed: &allowed, fix: "let it end after its start" };
        problems.add(&place, format!("given {}", end.as_seconds()), rule);
        return None;
    }
    Some(match shape? {
        (factor, None) => RateShape::Spike { start, end, factor },
        (from, Some(to)) => RateShape::Ramp { start, end, from, to },
    })
}

fn read_steps(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<RateShape> {
    let repeat = table.read(problems, "repeat", Need::Optional, REPEAT, DeValue::as_bool);
    let steps =
        read_list(table, problems, "steps", LIST, 1..=10_000, &mut |mut step, problems| {
            let duration = read_seconds(&LENGTH, &mut step, problems, "duration_s");
            let factor = FACTOR.read(&mut step, problems, "factor", Need::Required).given();
            step.finish(problems, |_| None);
            Some(RateStep { duration: duration?, factor: factor? })
        })?;
    Some(RateShape::Steps { steps, repeat: repeat.or(false)? })
}

fn read_trace(
    table: &mut Table<'_>,
    problems: &mut Problems<'_>,
    folder: &Path,
) -> Option<ArrivalSpec> {
    let path = read_path(table, problems, folder);
    let column = table.read(problems, "column", Need::Optional, COLUMN, text::<64>);
    let column = column.or(Defaults::default().trace_column.to_owned());
    let workload = table.read(problems, "workload", Need::Optional, WORKLOAD, text::<64>);
    let workload = workload.convert(|name| Some(Some(name))).or(None);
    let start = TIME.read(table, problems, "start_s", Need::Optional).convert(seconds);
    let rate_scale = FILE_SCALE.read(table, problems, "rate_scale", Need::Optional).or(1.0);
    Some(ArrivalSpec::Trace(TraceSpec {
        path: path?,
        column: column?,
        workload: workload?,
        start: start.or(Nanoseconds::ZERO)?,
        rate_scale: rate_scale?,
    }))
}

fn read_parts(
    table: &mut Table<'_>,
    problems: &mut Problems<'_>,
    folder: &Path,
) -> Option<ArrivalSpec> {
    let rule = Rule {
        allowed: "an array of 1 to 64 tables with arrival and share",
        fix: "write for example parts = [{ share = 9, arrival = { process = \"poisson\" } }, { share = 1, arrival = { process = \"gamma\", cv = 4 } }]",
    };
    let parts = read_list(table, problems, "parts", rule, 1..=64, &mut |mut part, problems| {
        let share = SHARE.read(&mut part, problems, "share", Need::Optional).or(1.0);
        let arrival = read_needed(&mut part, problems, folder);
        part.finish(problems, |_| None);
        Some(ArrivalPart { share: share?, arrival: arrival? })
    })?;
    Some(ArrivalSpec::Sum { parts })
}

fn read_phases(
    table: &mut Table<'_>,
    problems: &mut Problems<'_>,
    folder: &Path,
) -> Option<ArrivalSpec> {
    let rule = Rule {
        allowed: "an array of 1 to 1000 tables with duration_s, rate_scale and arrival",
        fix: "write for example phases = [{ duration_s = 10, arrival = { process = \"poisson\" } }, { duration_s = 5, rate_scale = 2, arrival = { process = \"gamma\", cv = 4 } }]",
    };
    let phases =
        read_list(table, problems, "phases", rule, 1..=1000, &mut |mut phase, problems| {
            let duration = read_seconds(&LENGTH, &mut phase, problems, "duration_s");
            let rate_scale =
                FACTOR.read(&mut phase, problems, "rate_scale", Need::Optional).or(1.0);
            let arrival = read_needed(&mut phase, problems, folder);
            phase.finish(problems, |_| None);
            Some(ArrivalPhase { duration: duration?, rate_scale: rate_scale?, arrival: arrival? })
        })?;
    Some(ArrivalSpec::Phases { phases })
}

fn read_closed_loop(table: &mut Table<'_>, problems: &mut Problems<'_>) -> Option<ArrivalSpec> {
    let clients = CLIENTS.read(table, problems, "clients", Need::Required).given();
    let think = THINK.read(table, problems, "think_ms", Need::Optional);
    let think = think.convert(|ms| Some(Milliseconds::new(ms).ok()?.to_nanoseconds()));
    let words = Thinking::ALL.map(|thinking| (thinking.as_str(), thinking));
    let thinking = table.choice(problems, "thinking", &words);
    Some(ArrivalSpec::ClosedLoop(ClosedLoopSpec {
        clients: u32::try_from(clients?).ok()?,
        think: think.or(Nanoseconds::ZERO)?,
        thinking: thinking.or(Thinking::default())?,
    }))
}

/// Refuses clients that are a part of something: they wait for answers, and go by no clock but their own.
pub(super) fn check_closed_loop(
    arrival: &Read<ArrivalSpec>,
    in_phases: bool,
    problems: &mut Problems<'_>,
) {
    let Read::Given(spec, place) = arrival else { return };
    let rule = Rule {
        allowed: "closed_loop as the whole arrival of a workload, in a scenario without [[phase]]",
        fix: "give the workload an open process such as poisson, or take closed_loop out of the other process",
    };
    let alone = matches!(spec, ArrivalSpec::ClosedLoop(_)) && !in_phases;
    if spec.waits_for_answers() && !alone {
        problems.add(place, "closed_loop as a part of another process", rule);
    }
}

/// Reads an array of tables; every one is looked at, so that every bad one is reported.
fn read_list<T>(
    table: &mut Table<'_>,
    problems: &mut Problems<'_>,
    key: &'static str,
    rule: Rule<'_>,
    count: std::ops::RangeInclusive<usize>,
    read: &mut dyn FnMut(Table<'_>, &mut Problems<'_>) -> Option<T>,
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
    table: &mut Table<'_>,
    problems: &mut Problems<'_>,
    key: &'static str,
) -> Option<Nanoseconds> {
    rule.read(table, problems, key, Need::Required).convert(seconds).given()
}

fn seconds(number: f64) -> Option<Nanoseconds> {
    Nanoseconds::from_seconds(number).ok()
}

fn read_path(table: &mut Table<'_>, problems: &mut Problems<'_>, folder: &Path) -> Option<PathBuf> {
    let path = table.read(problems, "path", Need::Required, PATH, text::<4096>);
    Some(resolve(folder, &path.given()?))
}

/// A path of the file as seen from where the program runs.
pub(super) fn resolve(folder: &Path, path: &str) -> PathBuf {
    folder.join(path)
}

fn text<const LONGEST: usize>(value: &DeValue<'_>) -> Option<String> {
    let text = value.as_str()?;
    let fits = !text.is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}
