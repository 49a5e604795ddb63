//! Figures of an accuracy study: scatters, errors by share, batch and model, slowdowns, coverage.

use super::axis::Axis;
use super::canvas::{Align, Frame, Text, draw, symbol, text};
use super::panel::{LegendKey, Panel, left_of};
use super::panels::{Marks, Panels, Plot, ReferenceLine, Series};
use super::scatter::{ScatterPoint, scatter, scatter_on};
use super::style::{GREY, INK, Looks, MARGIN, TICK, count, dots, inches, two_columns};
use super::text::shortened;
use super::{Figure, PlotError, pages};
use igniter_model::domain::ModelName;
use igniter_model::units::{BatchSize, SmPercent};
use std::collections::BTreeSet;

/// A measured latency and its prediction.
#[derive(Debug, Clone, PartialEq)]
pub struct StudyPoint {
    pub model: ModelName,
    pub batch: BatchSize,
    /// SM share.
    pub sm: SmPercent,
    /// Number of members of its co-location.
    pub members: usize,
    /// The predicted latency in ms.
    pub predicted_ms: f64,
    /// The measured latency in ms.
    pub measured_ms: f64,
    /// (predicted, measured) slowdown: latency when co-located over latency alone. `None` if the latter was not
    /// measured.
    pub slowdowns: Option<(f64, f64)>,
}

impl StudyPoint {
    fn error_pct(&self) -> f64 {
        100.0 * (self.predicted_ms / self.measured_ms - 1.0).abs()
    }
}

/// A predictor fitted with a budget of measurements, evaluated on runs outside its fit.
#[derive(Debug, Clone, PartialEq)]
pub struct StudySeries {
    pub name: String,
    /// All latencies.
    pub points: Vec<StudyPoint>,
    /// (level, covered) of its two-sided intervals, in percent.
    pub coverage: Vec<(f64, f64)>,
}

/// Draws all figures of a study.
///
/// # Errors
/// When one cannot be drawn.
pub fn study_figures(series: &[StudySeries]) -> Result<Vec<Figure>, PlotError> {
    let mut figures = Vec::new();
    let series: Vec<&StudySeries> = series.iter().filter(|s| !s.points.is_empty()).collect();
    let models = Looks::models(series.iter().flat_map(|s| &s.points).map(|point| &point.model));
    let looks = Looks::of_names(series.iter().map(|s| &s.name));
    for s in &series {
        let pairs = s.points.iter().map(|p| (p.measured_ms, p.predicted_ms, &p.model));
        let points = marks(pairs, &models);
        let titles = ("Measured latency (ms)", "Predicted latency (ms)");
        let svg = scatter(&points, models.symbols(), titles)?;
        let caption = format!("Predicted against measured latency on unseen runs: {}.", s.name);
        figures.extend(pages(&format!("accuracy-{}", stem(&s.name)), &caption, vec![svg]));
    }
    let slowdowns = |s: &&StudySeries| s.points.iter().any(|p| p.slowdowns.is_some());
    for s in series.iter().filter(|s| slowdowns(s)) {
        let known = s.points.iter().filter_map(|p| Some((p.slowdowns?, &p.model)));
        let points = marks(known.map(|((p, m), model)| (m, p, model)), &models);
        let ends = points.iter().flat_map(|(_, (x, y))| [*x, *y]);
        let (low, high) = ends.fold((1.0_f64, 1.0_f64), |(l, h), v| (l.min(v), h.max(v)));
        let step = if high - low > 1.0 { 0.5 } else { 0.1 };
        let titles = ("Measured slowdown", "Predicted slowdown");
        let svg = scatter_on(&points, models.symbols(), titles, Axis::between(low, high, step))?;
        let caption = format!("Predicted against measured slowdown on unseen runs: {}.", s.name);
        figures.extend(pages(&format!("slowdown-{}", stem(&s.name)), &caption, vec![svg]));
    }
    if !series.is_empty() {
        let svg = errors(&series, &looks)?;
        let caption = "Mean absolute error on unseen runs by SM share, batch size, model and number of members.";
        figures.extend(pages("errors", caption, vec![svg]));
    }
    if series.iter().any(|s| !s.coverage.is_empty()) {
        let svg = coverage(&series, &looks)?;
        let caption = "Share of measured latencies within conformal intervals that other runs \
                       calibrated, against the level asked for.";
        figures.extend(pages("coverage", caption, vec![svg]));
    }
    Ok(figures)
}

fn marks<'p>(
    pairs: impl Iterator<Item = (f64, f64, &'p ModelName)>,
    models: &Looks,
) -> Vec<ScatterPoint> {
    pairs.map(|(x, y, model)| (models.of(model.as_str()), (x, y))).collect()
}

/// Converts a name for use in a file name: its letters and digits, with one dash for everything in between.
fn stem(name: &str) -> String {
    let words = name.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join("-").to_lowercase()
}

/// The grouping of one panel of the error figure: its title and, for each slot, a label and the errors of each series.
struct Groups {
    title: &'static str,
    slots: Vec<(String, Vec<Option<f64>>)>,
}

fn groups<K: Ord>(
    title: &'static str,
    series: &[&StudySeries],
    key: impl Fn(&StudyPoint) -> K,
    label: impl Fn(&K) -> String,
) -> Groups {
    let keys: BTreeSet<K> = series.iter().flat_map(|s| &s.points).map(&key).collect();
    let mean = |s: &&StudySeries, k: &K| {
        let own = s.points.iter().filter(|p| key(p) == *k).map(StudyPoint::error_pct);
        let (sum, n) = own.fold((0.0, 0.0), |(sum, n), error| (sum + error, n + 1.0));
        (n > 0.0).then_some(sum / n)
    };
    let slot = |k: &K| (label(k), series.iter().map(|s| mean(s, k)).collect());
    Groups { title, slots: keys.iter().map(slot).collect() }
}

fn errors(series: &[&StudySeries], looks: &Looks) -> Result<String, PlotError> {
    // Shares in thousandths of a percent, as integers that can be ordered.
    let share = |p: &StudyPoint| dots(p.sm.get() * 1000.0);
    let mut panels = vec![
        groups("SM share (%)", series, share, |s| format!("{}", f64::from(*s) / 1000.0)),
        groups("Batch size", series, |p| p.batch, ToString::to_string),
        groups("Model", series, |p| p.model.clone(), |m| shortened(m.as_str(), 10)),
    ];
    let members = groups("Members", series, |p| p.members, ToString::to_string);
    if members.slots.len() > 1 {
        panels.push(members);
    }
    let all = panels.iter().flat_map(|g| g.slots.iter().flat_map(|(_, v)| v).flatten());
    let y = Axis::from_zero(all.copied().fold(0.0, f64::max), 5);
    let (titled, plain) = (y.clone().titled("Mean |error| (%)"), y.unlabelled());
    let legend = looks.symbols();
    let top = MARGIN + legend.height(two_columns() - 2 * MARGIN) + 14;
    let (height, left) = (inches(1.6), MARGIN + left_of(&titled));
    let gap = 40;
    let gaps = count(panels.len() - 1);
    let width = (two_columns() - left - MARGIN - gaps * gap) / (gaps + 1);
    draw((two_columns(), top + height + 110), |area| {
        legend.draw(area, MARGIN, two_columns())?;
        for (index, group) in panels.iter().enumerate() {
            let inner = Frame::new(left + count(index) * (width + gap), top, width, height);
            let x = Axis { ticks: Vec::new(), ..Axis::exactly(group.slots.len() as f64, 1) };
            let y = if index == 0 { titled.clone() } else { plain.clone() };
            let panel = Panel::open(area, inner, x, y)?;
            let centre = Text::new(TICK, Align::Centre);
            for (slot, (label, values)) in group.slots.iter().enumerate() {
                let middle = panel.at(slot as f64 + 0.5, 0.0).0;
                text(area, (middle, inner.bottom() + 26), centre, label)?;
                for (i, (s, value)) in series.iter().zip(values).enumerate() {
                    let (Some(value), look) = (value, looks.of(&s.name)) else { continue };
                    let offset = (i as f64 + 0.5) / values.len() as f64 - 0.5;
                    let at = panel.at(slot as f64 + 0.5 + 0.7 * offset, *value);
                    symbol(area, at, look.symbol, look.colour, 10)?;
                }
            }
            text(area, (inner.x + width / 2, inner.bottom() + 76), centre, group.title)?;
        }
        Ok(())
    })
}

fn coverage(series: &[&StudySeries], looks: &Looks) -> Result<String, PlotError> {
    let all = series.iter().flat_map(|s| &s.coverage);
    let low = all.map(|(level, covered)| level.min(*covered)).fold(50.0, f64::min);
    // Values up to 2 percentage points below the axis are drawn at its end.
    let axis = Axis::between(low + 2.0, 100.0, 10.0);
    let (low, high) = (axis.low, axis.high);
    let mut legend = looks.symbols();
    legend.end_line();
    legend.add(LegendKey::Line(GREY, Some((14, 8))), "exact");
    let lines =
        series.iter().map(|s| Series::new(looks.of(&s.name), Marks::Both, s.coverage.clone()));
    let mut chart = Plot::new(axis.clone(), axis, lines.collect());
    chart.rules.push(ReferenceLine::new((low, low), (high, high), GREY).dashed((14, 8)));
    // The level at which bounds are stated.
    chart.rules.push(ReferenceLine::new((95.0, low), (95.0, high), INK).dashed((4, 8)));
    Panels::single(legend, chart, None, ("Level asked for (%)", "Covered (%)")).page()
}
