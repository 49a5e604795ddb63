//! Axes: their range, their ticks and the positions of values.
//!
//! [`Axis`] is a plotters coordinate: it places values and labels ticks in the same way for linear and logarithmic
//! scales.

use super::style::{TICK, dots};
use super::text::width;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use std::ops::Range;

/// Whether equal steps are differences (linear) or factors (logarithmic).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    Linear,
    Log,
}

/// One axis of a chart.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    pub(super) scale: Scale,
    pub(super) low: f64,
    pub(super) high: f64,
    /// Positions of labelled ticks and grid lines.
    pub(super) ticks: Vec<f64>,
    /// Title, with the unit.
    pub(super) title: Option<String>,
    /// Whether ticks have labels.
    pub(super) labelled: bool,
    /// Ticks without a label, because the label would overlap one of another chart.
    pub(super) silent: Vec<f64>,
    /// Whether the low end of a logarithmic axis represents zero.
    pub(super) zero: bool,
}

impl Axis {
    /// Creates a linear axis from zero to at least `high`, with about `ticks` ticks.
    pub(super) fn from_zero(high: f64, ticks: usize) -> Self {
        let high = if high > 0.0 && high.is_finite() { high } else { 1.0 };
        let step = nice_step(high / ticks.max(1) as f64);
        let steps = (high / step - 1e-9).ceil().max(1.0);
        Self {
            scale: Scale::Linear,
            low: 0.0,
            high: steps * step,
            ticks: multiples(step, steps * step),
            title: None,
            labelled: true,
            silent: Vec::new(),
            zero: false,
        }
    }

    /// Creates a linear axis from zero to exactly `high`; the last tick may lie before its end.
    pub(super) fn exactly(high: f64, ticks: usize) -> Self {
        let high = if high > 0.0 && high.is_finite() { high } else { 1.0 };
        let step = nice_step(high / ticks.max(1) as f64);
        Self { high, ticks: multiples(step, high), ..Self::from_zero(high, ticks) }
    }

    /// Creates a linear axis that contains `low` and `high`, with about `ticks` ticks; it starts at zero unless `low`
    /// is below zero.
    pub(super) fn around(low: f64, high: f64, ticks: usize) -> Self {
        if low >= 0.0 {
            return Self::from_zero(high, ticks);
        }
        let high = high.max(0.0);
        Self::between(low, high, nice_step((high - low) / ticks.max(1) as f64))
    }

    /// Creates a linear axis from a multiple of `step` at or below `low` to one at or above `high`, with a tick at each
    /// multiple.
    pub(super) fn between(low: f64, high: f64, step: f64) -> Self {
        let (first, last) = ((low / step + 1e-9).floor(), (high / step - 1e-9).ceil());
        let last = last.max(first + 1.0).min(first + 100.0);
        let ticks = (0..100).map(|i| first + f64::from(i)).take_while(|t| *t <= last);
        Self {
            scale: Scale::Linear,
            low: first * step,
            high: last * step,
            ticks: ticks.map(|tick| tick * step).collect(),
            title: None,
            labelled: true,
            silent: Vec::new(),
            zero: false,
        }
    }

    /// Creates a logarithmic axis that contains `low` and `high` (both positive).
    pub(super) fn log(low: f64, high: f64, ticks: usize) -> Self {
        let low = if low > 0.0 && low.is_finite() { low } else { 1.0 };
        let high = if high > low && high.is_finite() { high } else { low * 10.0 };
        let candidates = |mantissas: &[f64]| {
            let mut values = Vec::new();
            let mut decade = low.log10().floor();
            while decade <= high.log10().ceil() {
                values.extend(mantissas.iter().map(|m| m * 10_f64.powf(decade)));
                decade += 1.0;
            }
            values
        };
        // Choose the finest set that does not give too many ticks, ends included.
        let sets: [&[f64]; 4] = [&[1.0, 2.0, 3.0, 5.0, 7.0], &[1.0, 2.0, 5.0], &[1.0, 3.0], &[1.0]];
        let mut chosen = (low, high, Vec::new());
        for set in sets {
            let all = candidates(set);
            let first = all.iter().rposition(|v| *v <= low * (1.0 + 1e-9)).unwrap_or(0);
            let last = all.iter().position(|v| *v >= high * (1.0 - 1e-9)).unwrap_or(all.len() - 1);
            let inside = all[first..=last].to_vec();
            chosen = (all[first], all[last], inside);
            if chosen.2.len() <= ticks + 1 {
                break;
            }
        }
        let decades = chosen.2.iter().all(|tick| tick.log10().fract().abs() < 1e-9);
        let (mut first, mut last, mut ticks_at) = chosen;
        if decades {
            // Whole decades may be mostly empty, so the axis ends slightly beyond the data.
            (first, last) = (first.max(0.8 * low), last.min(1.25 * high));
            ticks_at.retain(|tick| (first..=last * (1.0 + 1e-9)).contains(tick));
        }
        let (low, high) = (first, last);
        if ticks_at.len() > ticks + 1 {
            let every = ticks_at.len().div_ceil(ticks + 1);
            ticks_at = ticks_at.into_iter().step_by(every).collect();
        }
        Self {
            scale: Scale::Log,
            low,
            high,
            ticks: ticks_at,
            title: None,
            labelled: true,
            silent: Vec::new(),
            zero: false,
        }
    }

    /// Creates a logarithmic axis whose low end represents zero, with a tick there and at each of these positive
    /// values.
    pub(super) fn log_with_zero(positive: &[f64]) -> Self {
        let low = positive.iter().copied().fold(f64::INFINITY, f64::min);
        let high = positive.iter().copied().fold(low, f64::max);
        // The distance from zero to the first value is the mean distance between the other values.
        let steps = positive.len().saturating_sub(1).max(1) as f64;
        let step = (high / low).powf(1.0 / steps).max(1.5);
        let ticks = std::iter::once(low / step).chain(positive.iter().copied()).collect();
        Self { low: low / step, high, ticks, zero: true, ..Self::log(low, high, 6) }
    }

    pub(super) fn titled(self, title: &str) -> Self {
        Self { title: Some(title.to_owned()), ..self }
    }

    pub(super) fn unlabelled(self) -> Self {
        Self { labelled: false, ..self }
    }

    /// Removes labels at the end of an axis of this `length` that would overlap the first label of the next chart,
    /// which starts `room` after the end. That first label is 0 if the axis starts at zero; otherwise it may have two
    /// digits and needs a gap.
    pub(super) fn within(mut self, length: f64, room: f64) -> Self {
        let half = |tick: &f64| 0.5 * width(&self.label(*tick), TICK);
        let before = |tick: &f64| half(tick) - self.along(*tick) * length;
        let behind = |tick: &f64| half(tick) + (self.along(*tick) - 1.0) * length;
        let from_zero = self.scale == Scale::Linear || self.zero;
        let least = if from_zero { 0.0 } else { 0.5 * width("10", TICK) };
        let apart = if from_zero { 0.0 } else { width("0", TICK) };
        let first = self.ticks.iter().map(before).fold(least, f64::max) + apart;
        let collides = |tick: &f64| behind(tick) > 0.0 && behind(tick) + first > room;
        self.silent = self.ticks.iter().copied().filter(collides).collect();
        self
    }

    /// Returns the position of a value along the axis, from 0 to 1; values outside are clamped to the ends.
    fn along(&self, value: f64) -> f64 {
        let value = value.clamp(self.low, self.high);
        match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log => (value / self.low).ln() / (self.high / self.low).ln(),
        }
    }

    /// Returns the label of a tick, with as many decimals as the distance of linear ticks needs.
    pub(super) fn label(&self, value: f64) -> String {
        if self.zero && value <= self.low {
            return "0".to_owned();
        }
        match self.scale {
            Scale::Linear => {
                let step = match self.ticks[..] {
                    [first, second, ..] => second - first,
                    _ => self.high,
                };
                let decimals = (0..6).find(|d| {
                    let shifted = step * 10_f64.powi(*d);
                    (shifted - shifted.round()).abs() < 1e-6 * shifted.max(1.0)
                });
                let decimals = usize::try_from(decimals.unwrap_or(6)).unwrap_or(0);
                format!("{value:.decimals$}")
            }
            Scale::Log => {
                let (value, suffix) = match value {
                    _ if value >= 0.999e9 => (value / 1e9, "G"),
                    _ if value >= 0.999e6 => (value / 1e6, "M"),
                    _ if value >= 9.99e3 => (value / 1e3, "k"),
                    _ => (value, ""),
                };
                let decimals = (0_i32..6)
                    .find(|d| {
                        let shifted = value * 10_f64.powi(*d);
                        shifted > 0.5 && (shifted - shifted.round()).abs() < 1e-6 * shifted
                    })
                    .unwrap_or(0);
                let decimals = usize::try_from(decimals).unwrap_or(0);
                format!("{value:.decimals$}{suffix}")
            }
        }
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        limit.0 + dots(self.along(*value) * f64::from(limit.1 - limit.0))
    }

    fn key_points<H: KeyPointHint>(&self, _: H) -> Vec<f64> {
        let slack = 1e-9 * (self.high - self.low).abs();
        let inside = |tick: &f64| *tick >= self.low - slack && *tick <= self.high + slack;
        self.ticks.iter().copied().filter(inside).collect()
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Axis {
    fn format_ext(&self, value: &f64) -> String {
        let silent = self.silent.iter().any(|tick| tick.total_cmp(value).is_eq());
        if self.labelled && !silent { self.label(*value) } else { String::new() }
    }
}

/// Returns the smallest of 1, 2, 2.5, 5 × 10ᵏ that is at least `step`.
pub(super) fn nice_step(step: f64) -> f64 {
    let decade = 10_f64.powf(step.log10().floor());
    let mantissa = step / decade;
    let nice = [1.0, 2.0, 2.5, 5.0].into_iter().find(|nice| mantissa <= nice * (1.0 + 1e-9));
    nice.unwrap_or(10.0) * decade
}

fn multiples(step: f64, high: f64) -> Vec<f64> {
    let mut ticks = Vec::new();
    let mut i = 0.0;
    while i * step <= high * (1.0 + 1e-9) && ticks.len() < 100 {
        ticks.push(i * step);
        i += 1.0;
    }
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks.iter().map(|tick| axis.label(*tick)).collect()
    }

    #[test]
    fn linear_ticks_are_round_and_cover_the_data() {
        // 57/5 = 11.4 → step 20 → 0 … 60
        assert_eq!(labels(&Axis::from_zero(57.0, 5)), ["0", "20", "40", "60"]);
        assert_eq!(labels(&Axis::from_zero(100.0, 4)), ["0", "25", "50", "75", "100"]);
        assert_eq!(labels(&Axis::from_zero(0.9, 4)), ["0.00", "0.25", "0.50", "0.75", "1.00"]);
        assert_eq!(labels(&Axis::exactly(57.0, 5)), ["0", "20", "40"]);
        assert_eq!(labels(&Axis::from_zero(0.0, 4)).len(), 5, "nothing to show still has an axis");
    }

    #[test]
    fn log_ticks_cover_the_data_without_crowding() {
        assert_eq!(labels(&Axis::log(1.0, 1000.0, 5)), ["1", "10", "100", "1000"]);
        assert_eq!(labels(&Axis::log(4.0, 70.0, 5)), ["2", "5", "10", "20", "50", "100"]);
        assert_eq!(labels(&Axis::log(0.01, 100.0, 5)), ["0.01", "0.1", "1", "10", "100"]);
        assert_eq!(labels(&Axis::log(5.0, 15_000.0, 5)), ["10", "100", "1000", "10k"]);
        for (low, high) in [(1e-3, 1e6), (0.5, 0.6), (3.0, 3.0), (0.0, 0.0), (99.0, 101.0)] {
            let axis = Axis::log(low, high, 6);
            assert!(axis.ticks.len() <= 7 && axis.low < axis.high, "{low} {high}: {axis:?}");
            assert!(low <= 0.0 || axis.low <= low, "{low} {high}: {axis:?}");
            assert!(axis.high >= high, "{low} {high}: {axis:?}");
        }
    }

    #[test]
    fn the_low_end_may_stand_for_zero() {
        let axis = Axis::log_with_zero(&[2.0, 5.0, 10.0, 100.0]);
        assert_eq!(labels(&axis), ["0", "2", "5", "10", "100"]);
        let at = |value| axis.map(&value, (0, 300));
        // 2 is one step of 50^(1/3) from the end, of four such steps in all.
        assert_eq!((at(0.0), at(100.0)), (0, 300));
        assert!(at(2.0) > 60 && at(2.0) < 90 && at(5.0) > at(2.0) + 40, "{}", at(2.0));
    }

    #[test]
    fn labels_that_would_meet_those_of_the_next_chart_are_left_out() {
        let shown = |axis: Axis| {
            let axis = axis.within(400.0, 42.0);
            let words: Vec<String> = axis.ticks.iter().map(|tick| axis.format_ext(tick)).collect();
            words.last().unwrap().clone()
        };
        assert_eq!(shown(Axis::log_with_zero(&[2.0, 5.0, 10.0, 100.0])), "100");
        assert_eq!(shown(Axis::log(10.0, 1000.0, 4)), "");
        // The next chart may begin with 10.
        assert_eq!(shown(Axis::log(2.0, 50.0, 5)), "");
    }

    #[test]
    fn values_outside_stick_to_the_ends() {
        let axis = Axis::log(1.0, 100.0, 3);
        let at = |value| axis.map(&value, (200, 0));
        // 10 is half-way from 1 to 100; y coordinates grow downwards.
        assert_eq!([at(0.0), at(1.0), at(10.0), at(100.0), at(1e9)], [200, 200, 100, 0, 0]);
    }
}
