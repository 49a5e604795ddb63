//! From the axes of a sweep file to a checked grid.

use super::SweepError;
use super::axis::{Values, cell};
use super::decimal::DecimalRange;
use super::file::{RawAxis, RawLatin, RawRange, RawSpaced};
use super::grid::{Axis, Field, Grid};
use super::latin::Coordinate;
use super::rows::FIXED_COLUMNS;
use std::collections::BTreeMap;
use std::path::Path;
use toml::Value;

/// Longest name of a column.
const LONGEST_NAME: usize = 64;

/// Says what is wrong with a key of a sweep file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Complaint<'a> {
    pub(super) path: &'a Path,
}

impl Complaint<'_> {
    pub(super) fn about(&self, key: &str, what: &str, allowed: &str, fix: &str) -> SweepError {
        SweepError::Invalid {
            path: self.path.to_owned(),
            key: key.to_owned(),
            what: what.to_owned(),
            allowed: allowed.to_owned(),
            fix: fix.to_owned(),
        }
    }
}

/// Reads all axes.
pub(super) fn grid(axes: &[RawAxis], complain: Complaint<'_>) -> Result<Grid, SweepError> {
    let mut read = Vec::new();
    for (index, raw) in axes.iter().enumerate() {
        let key = format!("axis[{index}]");
        let axis = axis(raw, &key, complain)?;
        if raw.latin.is_none() {
            refuse_repeats(&axis, &key, complain)?;
        }
        read.push(axis);
    }
    let grid = Grid { axes: read };
    let mut names: Vec<&str> = FIXED_COLUMNS.to_vec();
    let mut paths: Vec<&str> = Vec::new();
    for field in grid.fields() {
        let column = field.column.as_str();
        if field.path == "seed" {
            return Err(complain.about(
                "axis \"seed\"",
                "is not an axis",
                "seeds = { first = 1, count = 10 }",
                "give seeds in [seeds]: every strategy then sees the same ones",
            ));
        }
        if names.contains(&column) {
            return Err(complain.about(
                &format!("axis {:?}", field.path),
                &format!("its column {column:?} has the name of another column"),
                "a name that no other column has",
                "give the axis another name, such as name = \"scale\"",
            ));
        }
        if paths.contains(&field.path.as_str()) {
            return Err(complain.about(
                &format!("axis {:?}", field.path),
                "a second axis of this field",
                "one axis for each field",
                "remove one of them",
            ));
        }
        if let Some(other) = paths.iter().find(|path| says_the_same(path, &field.path)) {
            return Err(complain.about(
                &format!("axis {:?}", field.path),
                &format!("gives the same SLO as the axis {other:?}, in another way"),
                "an axis of slo_ms or of slo_x_solo",
                "remove one of them",
            ));
        }
        names.push(column);
        paths.push(&field.path);
    }
    Ok(grid)
}

/// Whether two paths lead to the two ways of giving one SLO.
fn says_the_same(one: &str, other: &str) -> bool {
    let of = |path: &str, key: &str| path.strip_suffix(key).map(str::to_owned);
    let (ms, x_solo) = (".slo_ms", ".slo_x_solo");
    [(one, other), (other, one)]
        .into_iter()
        .any(|(one, other)| of(one, ms).is_some_and(|table| of(other, x_solo) == Some(table)))
}

fn axis(raw: &RawAxis, key: &str, complain: Complaint<'_>) -> Result<Axis, SweepError> {
    match (&raw.zip, &raw.latin) {
        (None, None) => {
            lonely(raw.samples.is_none() && raw.seed.is_none(), key, complain)?;
            Ok(Axis { fields: vec![field(raw, key, complain)?] })
        }
        (Some(zip), None) => {
            let alone = raw.path.is_none() && raw.name.is_none() && values_given(raw) == 0;
            lonely(alone && raw.samples.is_none() && raw.seed.is_none(), key, complain)?;
            zipped(zip, key, complain)
        }
        (None, Some(latin)) => {
            lonely(
                raw.path.is_none() && raw.name.is_none() && values_given(raw) == 0,
                key,
                complain,
            )?;
            hypercube(raw, latin, key, complain)
        }
        (Some(_), Some(_)) => lonely(false, key, complain).map(|()| Axis { fields: Vec::new() }),
    }
}

/// Refuses steps of an axis that come twice: their points would be one and the same, done and counted twice. (Samples
/// of a Latin hypercube that are rounded may meet.)
fn refuse_repeats(axis: &Axis, key: &str, complain: Complaint<'_>) -> Result<(), SweepError> {
    let [first, others @ ..] = axis.fields.as_slice() else { return Ok(()) };
    let steps = || 0..first.values.len();
    let says = |step: u64| axis.fields.iter().map(move |field| cell(&field.values.value(step)));
    let (value, earlier, later) = match &first.values {
        // Steps that are not 0, which `DecimalRange` knows.
        _ if axis.fields.iter().any(|f| matches!(f.values, Values::Range { .. })) => return Ok(()),
        // One way only, so that equal ones are neighbours: no need to keep all.
        Values::Spaced { .. } if others.is_empty() => {
            let same = |step: &u64| says(*step).eq(says(step + 1));
            let Some(step) = steps().skip(1).map(|step| step - 1).find(same) else { return Ok(()) };
            (says(step).next().unwrap_or_default(), step, step + 1)
        }
        _ => {
            let mut known: BTreeMap<Vec<String>, u64> = BTreeMap::new();
            let mut again = steps().filter_map(|step| {
                let values: Vec<String> = says(step).collect();
                let text = values.join(" with ");
                known.insert(values, step).map(|earlier| (text, earlier, step))
            });
            let Some(found) = again.next() else { return Ok(()) };
            found
        }
    };
    let columns: Vec<&str> = axis.fields.iter().map(|field| field.column.as_str()).collect();
    Err(complain.about(
        key,
        &format!(
            "gives {} the value {value} twice, as number {} and {}",
            columns.join(" with "),
            earlier + 1,
            later + 1
        ),
        "values that differ (numbers that are computed have six significant digits)",
        "remove one of them; for more than one run of a point, set count in [seeds]",
    ))
}

/// Refuses keys that do not belong together.
fn lonely(fits: bool, key: &str, complain: Complaint<'_>) -> Result<(), SweepError> {
    if fits {
        return Ok(());
    }
    Err(complain.about(
        key,
        "has keys that exclude each other",
        "path with values, range, linear or log; or zip alone; or latin with samples (and seed)",
        "make two axes of it",
    ))
}

fn values_given(raw: &RawAxis) -> usize {
    [raw.values.is_some(), raw.range.is_some(), raw.linear.is_some(), raw.log.is_some()]
        .into_iter()
        .filter(|given| *given)
        .count()
}

fn zipped(zip: &[RawAxis], key: &str, complain: Complaint<'_>) -> Result<Axis, SweepError> {
    let mut fields = Vec::new();
    for (index, raw) in zip.iter().enumerate() {
        let key = format!("{key}.zip[{index}]");
        let plain = raw.zip.is_none() && raw.latin.is_none() && raw.samples.is_none();
        lonely(plain && raw.seed.is_none(), &key, complain)?;
        fields.push(field(raw, &key, complain)?);
    }
    let lengths: Vec<u64> = fields.iter().map(|field| field.values.len()).collect();
    if fields.len() < 2 || lengths.iter().any(|n| *n != lengths[0]) {
        return Err(complain.about(
            &format!("{key}.zip"),
            &format!("{} fields with {lengths:?} values", fields.len()),
            "two or more fields with equally many values",
            "give each field a value for every step",
        ));
    }
    Ok(Axis { fields })
}

fn hypercube(
    raw: &RawAxis,
    latin: &[RawLatin],
    key: &str,
    complain: Complaint<'_>,
) -> Result<Axis, SweepError> {
    let samples = raw.samples.unwrap_or(0);
    if samples == 0 || latin.is_empty() {
        return Err(complain.about(
            &format!("{key}.samples"),
            &format!("given {samples} samples of {} fields", latin.len()),
            "1 or more samples of 1 or more fields",
            "write samples = 100, for example",
        ));
    }
    let mut fields = Vec::new();
    for (number, field) in (0..).zip(latin) {
        let key = format!("{key}.latin[{number}]");
        check_ends(field.from, field.to, field.log, &key, complain)?;
        fields.push(Field {
            column: column(field.name.as_deref(), &field.path, &key, complain)?,
            path: field.path.clone(),
            values: Values::Latin {
                from: field.from,
                to: field.to,
                log: field.log,
                round: field.round,
                coordinate: Coordinate::new(samples, raw.seed.unwrap_or(1), number),
                count: samples,
            },
        });
    }
    Ok(Axis { fields })
}

fn field(raw: &RawAxis, key: &str, complain: Complaint<'_>) -> Result<Field, SweepError> {
    let Some(path) = raw.path.as_deref().filter(|path| !path.is_empty()) else {
        return Err(complain.about(
            &format!("{key}.path"),
            "missing",
            "a field of the scenario, such as \"rate_scale\" or \"workload.*.slo_ms\"",
            "name the field that the axis changes",
        ));
    };
    if values_given(raw) != 1 {
        return Err(complain.about(
            key,
            &format!("has {} of values, range, linear and log", values_given(raw)),
            "exactly one of them",
            "write values = [1, 2, 4], for example",
        ));
    }
    let values = match (&raw.values, &raw.range, &raw.linear, &raw.log) {
        (Some(list), ..) if list.is_empty() => {
            return Err(complain.about(
                &format!("{key}.values"),
                "is empty",
                "one or more values",
                "list the values, or remove the axis",
            ));
        }
        (Some(list), ..) => Values::List(list.clone()),
        (_, Some(range), ..) => decimal_range(range, &format!("{key}.range"), complain)?,
        (_, _, Some(even), _) => spaced(even, false, &format!("{key}.linear"), complain)?,
        (_, _, _, log) => {
            let log = log.as_ref().expect("one of four is given");
            spaced(log, true, &format!("{key}.log"), complain)?
        }
    };
    let column = column(raw.name.as_deref(), path, key, complain)?;
    Ok(Field { column, path: path.to_owned(), values })
}

/// The name of a column: as given, or the path.
fn column(
    name: Option<&str>,
    path: &str,
    key: &str,
    complain: Complaint<'_>,
) -> Result<String, SweepError> {
    let name = name.unwrap_or(path);
    let fits = (1..=LONGEST_NAME).contains(&name.chars().count());
    if fits && !name.chars().any(char::is_control) {
        return Ok(name.to_owned());
    }
    Err(complain.about(
        &format!("{key}.name"),
        &format!("given {name:?}"),
        "1 to 64 characters without control characters",
        "give the axis a short name, such as name = \"cv\"",
    ))
}

fn decimal_range(
    range: &RawRange,
    key: &str,
    complain: Complaint<'_>,
) -> Result<Values, SweepError> {
    let numbers = [&range.from, &range.to, &range.step].map(as_number);
    let whole = [&range.from, &range.to, &range.step].iter().all(|v| v.is_integer());
    if let [Some(from), Some(to), Some(step)] = numbers
        && let Some(numbers) = DecimalRange::new(from, to, step)
    {
        return Ok(Values::Range { numbers, whole });
    }
    Err(complain.about(
        key,
        &format!("from {} to {} in steps of {}", range.from, range.to, range.step),
        "finite numbers with a step that is not 0 and leads from the first to the last, at most 30 digits",
        "write range = { from = 0.5, to = 1.5, step = 0.1 }, for example",
    ))
}

#[expect(clippy::cast_precision_loss, reason = "integers of 16 digits are refused as steps anyway")]
fn as_number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|n| n as f64))
}

fn spaced(
    spaced: &RawSpaced,
    log: bool,
    key: &str,
    complain: Complaint<'_>,
) -> Result<Values, SweepError> {
    let RawSpaced { from, to, count } = *spaced;
    check_ends(from, to, log, key, complain)?;
    if count < 2 {
        return Err(complain.about(
            &format!("{key}.count"),
            &format!("given {count}"),
            "2 or more",
            "give the number of values, both ends included",
        ));
    }
    Ok(Values::Spaced { from, to, count, log })
}

fn check_ends(
    from: f64,
    to: f64,
    log: bool,
    key: &str,
    complain: Complaint<'_>,
) -> Result<(), SweepError> {
    let distinct = (from - to).abs() > 0.0;
    if from.is_finite() && to.is_finite() && distinct && (!log || (from > 0.0 && to > 0.0)) {
        return Ok(());
    }
    let allowed =
        if log { "two different numbers above 0" } else { "two different finite numbers" };
    Err(complain.about(key, &format!("from {from} to {to}"), allowed, "correct the ends"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct File {
        axis: Vec<RawAxis>,
    }

    fn read(axes: &str) -> Result<Grid, String> {
        let file: File = toml::from_str(axes).unwrap();
        grid(&file.axis, Complaint { path: Path::new("s.toml") }).map_err(|e| e.to_string())
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
            assert!(message.starts_with("s.toml: axis[0]"), "{message}");
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
