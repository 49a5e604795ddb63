//! Reads the axes of a sweep file into a checked grid.

use super::axis::{Values, cell};
use super::decimal::DecimalRange;
use super::file::{short, switch, text};
use super::first_point::PathProblem;
use super::grid::{GridAxis, SweepGrid, SweptField};
use super::latin::Coordinate;
use super::rows::fixed_columns;
use crate::input::toml_keys::{
    Field as Given, FilePlace, KeyNeed, KeyRule, Problems, Read, TomlTable, WholeRule, real,
};
use std::collections::BTreeMap;
use toml::de::DeValue;

const AXES: KeyRule<'_> = KeyRule {
    allowed: "[[axis]] tables",
    fix: "write [[axis]] and below it for example path = \"rate_scale\" and values = [0.5, 1]",
};
const PATH: KeyRule<'_> = KeyRule {
    allowed: "a field of the scenario, such as \"rate_scale\" or \"workload.*.slo_ms\"",
    fix: "name the field that the axis changes",
};
const NAME: KeyRule<'_> = KeyRule {
    allowed: "1 to 64 characters without control characters",
    fix: "give the axis a short name, such as name = \"cv\"",
};
const VALUES: KeyRule<'_> = KeyRule {
    allowed: "a list of one or more values",
    fix: "list the values, such as values = [1, 2, 4], or remove the axis",
};
const RANGE: KeyRule<'_> = KeyRule {
    allowed: "finite numbers with a step that is not 0 and leads from the first to the last, at most 30 digits",
    fix: "write range = { from = 0.5, to = 1.5, step = 0.1 }, for example",
};
const SPACED: KeyRule<'_> = KeyRule {
    allowed: "the first and the last value, and how many there are",
    fix: "write { from = 0.5, to = 1.5, count = 11 }, for example",
};
const NUMBER: KeyRule<'_> = KeyRule { allowed: "a number", fix: "write one, such as 0.5" };
const COUNT: WholeRule =
    WholeRule { least: 2, most: 1_000_000, fix: "give the number of values, both ends included" };
const ZIP: KeyRule<'_> = KeyRule {
    allowed: "two or more fields with equally many values",
    fix: "give each field a value for every step, such as zip = [{ path = \"rate_scale\", values = [1, 2] }, \
          { path = \"slo_scale\", values = [1, 1.5] }]",
};
const LATIN: KeyRule<'_> = KeyRule {
    allowed: "one or more fields with from and to",
    fix: "write latin = [{ path = \"rate_scale\", from = 0.5, to = 1.5 }], for example",
};
const SAMPLES: WholeRule = WholeRule {
    least: 1,
    most: 1_000_000_000_000,
    fix: "give how many samples to take, such as samples = 100",
};
const SEED: WholeRule = WholeRule {
    least: 0,
    most: u64::MAX >> 1,
    fix: "give a whole number; every seed is as good as any other",
};

/// The keys by which an axis may give its values.
const WAYS: [&str; 4] = ["values", "range", "linear", "log"];
const AXIS_KEYS: [&str; 10] =
    ["path", "name", "values", "range", "linear", "log", "zip", "latin", "samples", "seed"];
const EXCLUDED: &str = "an axis has path with values, range, linear or log; or zip alone; or latin with samples (and \
                        seed); make two axes of it";

/// A field that was read, and the place of its path in the file.
type FoundField = (SweptField, FilePlace);

/// A function that returns what is wrong with the path of a field, as far as that is known.
pub(super) type PathFault<'f> = &'f dyn Fn(&str) -> Option<PathProblem>;

/// Reads all axes.
pub(super) fn read_grid(
    t: &mut TomlTable<'_>,
    problems: &mut Problems<'_>,
    fault: PathFault<'_>,
) -> SweepGrid {
    let mut grid = SweepGrid::default();
    let Some(list) = t.field("axis") else { return grid };
    let Some(elements) = list.elements() else {
        match list.table() {
            Some(_) => {
                let fix =
                    "did you mean [[axis]]? Write two brackets: each such table is one of a list";
                problems.add(&list.place, "[axis] is one table", KeyRule { fix, ..AXES });
            }
            None => drop(list.refuse::<()>(problems, AXES)),
        }
        return grid;
    };
    let mut known: Vec<FoundField> = Vec::new();
    for element in elements {
        let Some(mut table) = element.table() else {
            let _: Read<()> = element.refuse(problems, AXES);
            continue;
        };
        let sampled = table.has("latin");
        let fields = match (table.has("zip"), sampled) {
            (true, _) => zipped(&mut table, problems, fault),
            (false, true) => hypercube(&mut table, problems, fault),
            (false, false) => field(&mut table, problems, fault).map(|field| vec![field]),
        };
        table.finish(problems, |key| AXIS_KEYS.contains(&key).then(|| EXCLUDED.to_owned()));
        for field in fields.iter().flatten() {
            check_among(field, &known, problems);
            known.push(field.clone());
        }
        let Some(fields) = fields else { continue };
        let axis = GridAxis { fields: fields.into_iter().map(|(field, _)| field).collect() };
        if !sampled {
            refuse_repeats(&axis, &element.place, problems);
        }
        grid.axes.push(axis);
    }
    grid
}

/// Reports a field that conflicts with earlier ones.
fn check_among((field, place): &FoundField, known: &[FoundField], problems: &mut Problems<'_>) {
    let mut wrong = |what: String, allowed: &str, fix: &str| {
        problems.add(place, what, KeyRule { allowed, fix })
    };
    if field.path == "seed" {
        wrong(
            "is not an axis".to_owned(),
            "seeds = { first = 1, count = 10 }",
            "give seeds in [seeds]: every strategy then sees the same ones",
        );
    } else if known.iter().any(|(other, _)| other.path == field.path) {
        let fix = "remove one of them";
        wrong("a second axis of this field".to_owned(), "one axis for each field", fix);
    } else if let Some((other, _)) = known.iter().find(|(f, _)| says_the_same(&f.path, &field.path))
    {
        wrong(
            format!("gives the same SLO as the axis {:?}, in another way", other.path),
            "an axis of slo_ms or of slo_x_solo",
            "remove one of them",
        );
    }
    let column = field.column.as_str();
    if fixed_columns().contains(&column) || known.iter().any(|(other, _)| other.column == column) {
        wrong(
            format!("its column {column:?} has the name of another column"),
            "a name that no other column has",
            "give the axis another name, such as name = \"scale\"",
        );
    }
}

/// Returns whether two paths are the two ways of setting one SLO.
fn says_the_same(one: &str, other: &str) -> bool {
    let of = |path: &str, key: &str| path.strip_suffix(key).map(str::to_owned);
    let (ms, x_solo) = (".slo_ms", ".slo_x_solo");
    [(one, other), (other, one)]
        .into_iter()
        .any(|(one, other)| of(one, ms).is_some_and(|table| of(other, x_solo) == Some(table)))
}

/// Reports duplicate steps of an axis: their points would be identical, run twice and counted twice. (Rounded samples
/// of a Latin hypercube may coincide.)
fn refuse_repeats(axis: &GridAxis, place: &FilePlace, problems: &mut Problems<'_>) {
    let [first, others @ ..] = axis.fields.as_slice() else { return };
    let steps = || 0..first.values.len();
    let says = |step: u64| axis.fields.iter().map(move |field| cell(&field.values.value(step)));
    let (value, earlier, later) = match &first.values {
        // Their steps are not 0: `DecimalRange` checks that.
        _ if axis.fields.iter().any(|f| matches!(f.values, Values::Range { .. })) => return,
        // The values are monotonic, so equal ones are neighbours, and there is no need to keep all.
        Values::Spaced { .. } if others.is_empty() => {
            let same = |step: &u64| first.values.value(*step) == first.values.value(step + 1);
            let Some(step) = steps().skip(1).map(|step| step - 1).find(same) else { return };
            (says(step).next().unwrap_or_default(), step, step + 1)
        }
        _ => {
            let mut known: BTreeMap<Vec<String>, u64> = BTreeMap::new();
            let mut again = steps().filter_map(|step| {
                let values: Vec<String> = says(step).collect();
                let text = values.join(" with ");
                known.insert(values, step).map(|earlier| (text, earlier, step))
            });
            let Some(found) = again.next() else { return };
            found
        }
    };
    let columns: Vec<&str> = axis.fields.iter().map(|field| field.column.as_str()).collect();
    let what = format!(
        "gives {} the value {value} twice, as number {} and {}",
        columns.join(" with "),
        earlier + 1,
        later + 1
    );
    let rule = KeyRule {
        allowed: "values that differ (numbers that are computed have six significant digits)",
        fix: "remove one of them; for more than one run of a point, set count in [seeds]",
    };
    problems.add(place, what, rule);
}

fn zipped(
    t: &mut TomlTable<'_>,
    problems: &mut Problems<'_>,
    fault: PathFault<'_>,
) -> Option<Vec<FoundField>> {
    let list = t.field("zip")?;
    let mut read = |element: Given<'_>| {
        let Some(mut table) = element.table() else {
            let _: Read<()> = element.refuse(problems, ZIP);
            return None;
        };
        let found = field(&mut table, problems, fault);
        table.finish(problems, |key| AXIS_KEYS.contains(&key).then(|| EXCLUDED.to_owned()));
        found
    };
    let elements = list.elements().unwrap_or_default();
    let found: Vec<Option<FoundField>> = elements.into_iter().map(&mut read).collect();
    let lengths: Vec<u64> = found.iter().flatten().map(|(field, _)| field.values.len()).collect();
    if found.len() < 2 || lengths.iter().any(|n| *n != lengths[0]) {
        problems.add(&list.place, format!("{} fields with {lengths:?} values", found.len()), ZIP);
        return None;
    }
    found.into_iter().collect()
}

fn hypercube(
    t: &mut TomlTable<'_>,
    problems: &mut Problems<'_>,
    fault: PathFault<'_>,
) -> Option<Vec<FoundField>> {
    let list = t.field("latin")?;
    let samples = SAMPLES.read(t, problems, "samples", KeyNeed::Required).given();
    let seed = SEED.read(t, problems, "seed", KeyNeed::Optional).or(1);
    let elements = list.elements().unwrap_or_default();
    if elements.is_empty() {
        return list.refuse(problems, LATIN).given();
    }
    let mut read = |(number, element): (u64, Given<'_>)| {
        let Some(mut table) = element.table() else {
            let _: Read<()> = element.refuse(problems, LATIN);
            return None;
        };
        let t = &mut table;
        let named = named(t, problems, fault);
        let [from, to] = ["from", "to"].map(|key| number_of(t, problems, key));
        let log = switch(t, problems, "log");
        let round = switch(t, problems, "round");
        table.finish(problems, |_| None);
        let (column, path, place) = named?;
        let ((from, _), (to, _)) = (from?, to?);
        check_ends(from, to, log, &element.place, problems)?;
        let (count, coordinate) = (samples?, Coordinate::new(samples?, seed?, number));
        let values = Values::Latin { from, to, log, round, coordinate, count };
        Some((SweptField { column, path, values }, place))
    };
    // Read all of them, so that all mistakes are reported.
    let found: Vec<Option<FoundField>> = (0..).zip(elements).map(&mut read).collect();
    found.into_iter().collect()
}

/// Reports the path of a field that the scenario does not have.
pub(super) fn refuse_path(
    path: &str,
    place: &FilePlace,
    found: &PathProblem,
    problems: &mut Problems<'_>,
) {
    let rule = KeyRule { allowed: &found.allowed, fix: &found.fix };
    problems.add(place, format!("{path:?}, in the scenario: {}", found.what), rule);
}

/// Returns the column and the path of a field, and the place of the path.
fn named(
    t: &mut TomlTable<'_>,
    problems: &mut Problems<'_>,
    fault: PathFault<'_>,
) -> Option<(String, String, FilePlace)> {
    let path = t.read(problems, "path", KeyNeed::Required, PATH, text);
    let name = t.read(problems, "name", KeyNeed::Optional, NAME, short);
    let Read::Given(path, place) = path else { return None };
    if let Some(found) = fault(&path) {
        refuse_path(&path, &place, &found, problems);
    }
    let name = match name {
        Read::Given(name, _) => name,
        Read::Bad => return None,
        Read::Absent => {
            let Some(name) = short(&DeValue::String(path.as_str().into())) else {
                problems.add(&place, "is too long for the name of a column", NAME);
                return None;
            };
            name
        }
    };
    Some((name, path, place))
}

fn field(
    t: &mut TomlTable<'_>,
    problems: &mut Problems<'_>,
    fault: PathFault<'_>,
) -> Option<FoundField> {
    let named = named(t, problems, fault);
    let mut given = Vec::new();
    for way in WAYS {
        given.extend(t.field(way).map(|field| (way, field)));
    }
    let [(way, given)] = given.as_slice() else {
        let rule = KeyRule {
            allowed: "exactly one of them",
            fix: "write values = [1, 2, 4], for example",
        };
        let what = format!("has {} of values, range, linear and log", given.len());
        problems.add(t.place(), what, rule);
        return None;
    };
    let values = match *way {
        "values" => listed(given, problems),
        "range" => decimal_range(given, problems),
        way => spaced(given, way == "log", problems),
    };
    let (column, path, place) = named?;
    Some((SweptField { column, path, values: values? }, place))
}

fn listed(given: &Given<'_>, problems: &mut Problems<'_>) -> Option<Values> {
    let elements = given.elements();
    match elements.and_then(|list| list.iter().map(Given::owned).collect::<Option<Vec<_>>>()) {
        Some(values) if values.is_empty() => {
            problems.add(&given.place, "is empty", VALUES);
            None
        }
        Some(values) => Some(Values::List(values)),
        None => given.refuse(problems, VALUES).given(),
    }
}

fn decimal_range(given: &Given<'_>, problems: &mut Problems<'_>) -> Option<Values> {
    let mut t = table(given, problems, RANGE)?;
    let [from, to, step] = ["from", "to", "step"].map(|key| number_of(&mut t, problems, key));
    t.finish(problems, |_| None);
    let [(from, a), (to, b), (step, c)] = [from?, to?, step?];
    if let Some(numbers) = DecimalRange::new(from, to, step) {
        return Some(Values::Range { numbers, whole: a && b && c });
    }
    problems.add(&given.place, format!("from {from} to {to} in steps of {step}"), RANGE);
    None
}

fn spaced(given: &Given<'_>, log: bool, problems: &mut Problems<'_>) -> Option<Values> {
    let mut t = table(given, problems, SPACED)?;
    let [from, to] = ["from", "to"].map(|key| number_of(&mut t, problems, key));
    let count = COUNT.read(&mut t, problems, "count", KeyNeed::Required).given();
    t.finish(problems, |_| None);
    let ((from, _), (to, _)) = (from?, to?);
    check_ends(from, to, log, &given.place, problems)?;
    Some(Values::Spaced { from, to, count: count?, log })
}

fn table<'a>(
    given: &Given<'a>,
    problems: &mut Problems<'_>,
    rule: KeyRule<'_>,
) -> Option<TomlTable<'a>> {
    given.table().or_else(|| given.refuse(problems, rule).given())
}

/// Reads a number, and whether it is written as a whole one.
fn number_of(
    t: &mut TomlTable<'_>,
    problems: &mut Problems<'_>,
    key: &'static str,
) -> Option<(f64, bool)> {
    let number = |value: &DeValue<'_>| Some((real(value)?, value.as_integer().is_some()));
    t.read(problems, key, KeyNeed::Required, NUMBER, number).given()
}

fn check_ends(
    from: f64,
    to: f64,
    log: bool,
    place: &FilePlace,
    problems: &mut Problems<'_>,
) -> Option<()> {
    let distinct = (from - to).abs() > 0.0;
    if from.is_finite() && to.is_finite() && distinct && (!log || (from > 0.0 && to > 0.0)) {
        return Some(());
    }
    let allowed =
        if log { "two different numbers above 0" } else { "two different finite numbers" };
    problems.add(
        place,
        format!("from {from} to {to}"),
        KeyRule { allowed, fix: "correct the ends" },
    );
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::toml_keys::{listing, read_toml};
    use std::path::Path;

    fn read(axes: &str) -> Result<SweepGrid, String> {
        read_toml(axes, |mut table, problems| Some(read_grid(&mut table, problems, &|_| None)))
            .map_err(|problems| listing(Path::new("s.toml"), &problems))
    }

    #[test]
    fn all_mistakes_of_all_axes_are_told() {
        let message = read(
            "[[axis]]\npath = \"\"\nvalues = []\n[[axis]]\npath = \"seed\"\nvalue = [1]\n\
             [[axis]]\npath = \"a\"\nlog = { from = \"x\", count = 1 }\nsamples = 3\n\
             [[axis]]\nlatin = [{ path = \"b\", from = 2, to = 2 }, 7]\n",
        )
        .unwrap_err();
        for words in [
            "s.toml:2: axis[0].path: given \"\"",
            "s.toml:3: axis[0].values: is empty",
            "s.toml:4: axis[1]: has 0 of values",
            "s.toml:6: axis[1].value: unknown key",
            "s.toml:9: axis[2].log.from: given \"x\"",
            "s.toml:9: axis[2].log.to: missing",
            "s.toml:9: axis[2].log.count: given 1",
            "s.toml:10: axis[2].samples: unknown key",
            "or latin with samples (and seed); make two axes of it",
            "s.toml:11: axis[3].samples: missing",
            "s.toml:12: axis[3].latin[1]: given 7",
        ] {
            assert!(message.contains(words), "{words}: {message}");
        }
    }

    #[test]
    fn values_that_come_twice_are_refused() {
        for (axis, words) in [
            ("values = [1, 2, 1.0]", "the value 1 twice, as number 1 and 3"),
            ("values = [\"a\", \"b\", \"b\"]", "the value b twice, as number 2 and 3"),
            (
                "linear = { from = 1, to = 1.00001, count = 5 }",
                "the value 1 twice, as number 1 and 2",
            ),
        ] {
            let message = read(&format!("[[axis]]\npath = \"rate_scale\"\n{axis}")).unwrap_err();
            assert!(message.starts_with("s.toml:1: axis[0]: "), "{message}");
            assert!(message.contains(words) && message.contains("count in [seeds]"), "{message}");
        }
        let zip = |a: &str, b: &str| {
            let field = |path, values| format!("{{ path = \"{path}\", values = {values} }}");
            read(&format!("[[axis]]\nzip = [{}, {}]", field("a", a), field("b", b)))
        };
        assert!(zip("[1, 1, 2]", "[1, 2, 2]").is_ok());
        let message = zip("[1, 2, 1]", "[5, 6, 5]").unwrap_err();
        assert!(
            message.contains("a with b the value 1 with 5 twice, as number 1 and 3"),
            "{message}"
        );
        // Rounded samples of a hypercube meet, and may.
        let latin =
            "[[axis]]\nsamples = 9\nlatin = [{ path = \"a\", from = 1, to = 3, round = true }]";
        assert_eq!(read(latin).unwrap().len(), Some(9));
    }

    #[test]
    fn one_slo_has_one_axis() {
        let axes = |one: &str, other: &str| {
            let axis = |path| format!("[[axis]]\npath = \"{path}\"\nvalues = [2, 5]\n");
            read(&(axis(one) + &axis(other)))
        };
        let message = axes("workload.*.slo_ms", "workload.*.slo_x_solo").unwrap_err();
        assert!(
            message.contains("gives the same SLO as the axis \"workload.*.slo_ms\""),
            "{message}"
        );
        assert!(axes("workload.W1.slo_ms", "workload.W2.slo_x_solo").is_ok());
    }
}
