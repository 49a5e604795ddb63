//! What the charts of a page draw: data and names, no look. The script (`assets/page.js`) makes the
//! options of the chart library of it.

use super::cell::number_value;
use serde_json::{Value, json};

/// One chart.
#[derive(Debug, Clone)]
pub(super) enum Chart {
    /// Groups of bars.
    Bars(Bars),
    /// Lines through points.
    Lines(Lines),
}

/// Groups of bars, one bar of each series in each group.
#[derive(Debug, Clone, Default)]
pub(super) struct Bars {
    /// What stands below the groups.
    pub(super) groups: Vec<String>,
    /// (name, value in each group) of the series.
    pub(super) series: Vec<(String, Vec<Option<f64>>)>,
    /// The title of the values, with their unit.
    pub(super) y: &'static str,
    /// Whether the axis of values is logarithmic.
    pub(super) log: bool,
    /// Whether the series are stacked on each other.
    pub(super) stacked: bool,
    /// A mark in each group: its name, and its value in each.
    pub(super) marks: Option<(&'static str, Vec<Option<f64>>)>,
}

/// Lines through points, or the points alone.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines {
    /// (name, points) of the series.
    pub(super) series: Vec<(String, Vec<(f64, f64)>)>,
    /// The titles of both axes, with their units.
    pub(super) axes: (&'static str, &'static str),
    /// Whether the axes are logarithmic.
    pub(super) log: (bool, bool),
    /// Whether the line stays at a point's value until the next.
    pub(super) steps: bool,
    /// Whether only the points are drawn, and the line on which both values are equal.
    pub(super) points_alone: bool,
    /// With points alone: how far both values may differ between two dotted lines, in parts of the one across.
    pub(super) band: Option<f64>,
    /// Lines up the chart, with what they say.
    pub(super) up: Vec<(f64, &'static str)>,
    /// Lines across the chart, with what they say.
    pub(super) across: Vec<(f64, &'static str)>,
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
                    .map(|(name, values)| json!({ "name": name, "values": optional(values) }))
                    .collect();
                let marks = bars.marks.as_ref();
                let marks = marks.map(|(name, v)| json!({ "name": name, "values": optional(v) }));
                json!({
                    "id": id, "kind": "bars", "groups": bars.groups, "series": series, "y": bars.y,
                    "log": bars.log, "stacked": bars.stacked, "marks": marks,
                })
            }
            Self::Lines(lines) => {
                let pair = |(x, y): &(f64, f64)| json!([number_value(*x), number_value(*y)]);
                let series = lines.series.iter().map(|(name, points)| {
                    json!({ "name": name, "points": points.iter().map(pair).collect::<Vec<_>>() })
                });
                let at = |(value, words): &(f64, &str)| json!({ "at": number_value(*value), "words": words });
                json!({
                    "id": id, "kind": "lines", "series": series.collect::<Vec<_>>(),
                    "x": lines.axes.0, "y": lines.axes.1, "logX": lines.log.0, "logY": lines.log.1,
                    "steps": lines.steps, "alone": lines.points_alone, "band": lines.band,
                    "up": lines.up.iter().map(at).collect::<Vec<_>>(),
                    "across": lines.across.iter().map(at).collect::<Vec<_>>(),
                })
            }
        }
    }
}

/// At most `limit` of these, evenly spaced, both ends among them.
pub(super) fn thinned<T: Copy>(values: &[T], limit: usize) -> Vec<T> {
    if values.len() <= limit || limit < 2 {
        return values.to_vec();
    }
    (0..limit).map(|i| values[i * (values.len() - 1) / (limit - 1)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_both_ends() {
        let values: Vec<usize> = (0..1000).collect();
        let thin = thinned(&values, 11);
        assert_eq!((thin.len(), thin[0], thin[10]), (11, 0, 999));
        assert_eq!(thinned(&values[..5], 11), [0, 1, 2, 3, 4]);
    }
}
