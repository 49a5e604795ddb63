//! Charts as data for the script (`assets/page.js`), which turns them into options of the chart library.

use crate::results::{Bars, LineChart, distinct_labels, number_value, series_looks};
use serde_json::{Value, json};

/// Maximum number of characters of a group's name below its bars.
const LABEL: usize = 18;

/// One chart.
#[derive(Debug, Clone)]
pub(super) enum Chart {
    /// Groups of bars.
    Bars(Bars),
    /// Lines through points.
    Lines(LineChart),
}

/// Suffixes of the names of lines that belong together: such lines share a colour, and the second is dashed.
const KINDS: [&str; 2] = [" mean", " highest"];

/// Returns the index of the colour, symbol and dashes of each series.
fn looks<T>(series: &[(String, T)]) -> Vec<usize> {
    let of = |name: &str| -> String {
        KINDS.iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name).to_owned()
    };
    let things: Vec<String> = series.iter().map(|(name, _)| of(name)).collect();
    let mut distinct: Vec<&str> = Vec::new();
    for thing in &things {
        if !distinct.contains(&thing.as_str()) {
            distinct.push(thing);
        }
    }
    let known = series_looks(&distinct);
    let look =
        |thing: &String| distinct.iter().position(|one| one == thing).map_or(0, |i| known[i]);
    things.iter().map(look).collect()
}

/// Returns the dashes of a line, where its kind has its own.
fn dashes(name: &str) -> Option<usize> {
    KINDS.iter().position(|end| name.ends_with(end))
}

impl Chart {
    pub(super) fn value(&self, id: &str) -> Value {
        let optional = |values: &[Option<f64>]| -> Vec<Value> {
            values.iter().map(|v| v.map_or(Value::Null, number_value)).collect()
        };
        match self {
            Self::Bars(bars) => {
                let series = bars.series.iter();
                let series: Vec<Value> = series
                    .zip(looks(&bars.series))
                    .map(|((name, values), look)| {
                        json!({ "name": name, "look": look, "values": optional(values) })
                    })
                    .collect();
                let marks = bars.marks.as_ref();
                let marks = marks.map(|(name, v)| json!({ "name": name, "values": optional(v) }));
                let groups: Vec<&str> = bars.groups.iter().map(String::as_str).collect();
                let labels = distinct_labels(&groups, LABEL);
                json!({
                    "id": id, "kind": "bars", "groups": bars.groups, "labels": labels, "series": series, "y": bars.y,
                    "log": bars.log, "stacked": bars.stacked, "marks": marks,
                })
            }
            Self::Lines(lines) => {
                let pair = |(x, y): &(f64, f64)| json!([number_value(*x), number_value(*y)]);
                let series = lines.series.iter().zip(looks(&lines.series));
                let series = series.map(|((name, points), look)| {
                    let points: Vec<Value> = points.iter().map(pair).collect();
                    json!({ "name": name, "look": look, "dashes": dashes(name), "points": points })
                });
                let at = |(value, words): &(f64, &str)| json!({ "at": number_value(*value), "words": words });
                json!({
                    "id": id, "kind": "lines", "series": series.collect::<Vec<_>>(),
                    "x": lines.axes.0, "y": lines.axes.1, "logX": lines.log.0, "logY": lines.log.1,
                    "steps": lines.steps, "alone": lines.points_alone, "dots": lines.dots, "band": lines.band,
                    "up": lines.up.iter().map(at).collect::<Vec<_>>(),
                    "across": lines.across.iter().map(at).collect::<Vec<_>>(),
                })
            }
        }
    }
}
