//! Figures of a sweep: a metric over one axis with confidence bands, and cost against attainment.

use super::axis::{Axis, nice_step};
use super::panel::LegendKey;
use super::panels::{GridPlace, Marks, Panels, Plot, ReferenceLine, Series};
use super::style::{GREY, INK, LABEL, Look, Looks, count, dots};
use super::{Figure, PlotError};
use igniter_results::column_words as words;

/// One point of a line, with its confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SweepMark {
    /// Position on the x axis.
    pub x: f64,
    /// The mean.
    pub y: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// One line of a figure.
#[derive(Debug, Clone, PartialEq)]
pub struct SweepSeries {
    /// Name, such as that of a strategy.
    pub name: String,
    /// Points; sorted by x for a line.
    pub marks: Vec<SweepMark>,
}

/// One chart of a line figure.
#[derive(Debug, Clone, PartialEq)]
pub struct LinePanel {
    /// Title; empty if there is only one chart.
    pub title: String,
    /// Lines; every panel has the same ones in the same order.
    pub series: Vec<SweepSeries>,
}

/// Draws lines over an axis. `target` draws that level and marks where each line meets it last (or first, if the line
/// rises). `averaged` names the axes that the marks are means over.
///
/// # Errors
/// When it cannot be drawn.
pub fn line_figure(
    stem: &str,
    panels: &[LinePanel],
    (x_name, y_name): (&str, &str),
    averaged: &[String],
    target: Option<f64>,
    log: bool,
) -> Result<Figure, PlotError> {
    let marks = || panels.iter().flat_map(|p| &p.series).flat_map(|s| &s.marks);
    let x = x_axis(marks().map(|mark| mark.x), log);
    let y = y_axis(marks().flat_map(|m| [m.y, m.low, m.high]), target.is_some());
    let looks =
        Looks::of_names(panels.first().into_iter().flat_map(|p| &p.series).map(|s| &s.name));
    let mut legend = looks.legend(|look| LegendKey::Line(look.colour, look.dashes));
    if let Some(target) = target {
        legend.add(LegendKey::Line(INK, Some(TARGET)), &format!("{target} %"));
    }
    let chart = |panel: &LinePanel| {
        let series = panel.series.iter().map(|series| Series {
            look: looks.of(&series.name),
            marks: Marks::Both,
            points: series.marks.iter().map(|mark| (mark.x, mark.y)).collect(),
            band: series.marks.iter().map(|mark| (mark.low, mark.high)).collect(),
        });
        let mut chart = Plot::new(x.clone(), y.clone(), series.collect());
        let Some(target) = target else { return chart };
        let mut at: Vec<f64> = Vec::new();
        for series in &panel.series {
            let Some(x) = crossing(&series.marks, target) else { continue };
            let colour = looks.of(&series.name).colour;
            let aside = 7 * count(at.iter().filter(|known| known.total_cmp(&x).is_eq()).count());
            at.push(x);
            let rule = ReferenceLine::new((x, target), (x, y.low), colour).dashed((4, 6));
            chart.rules.push(ReferenceLine { aside, ..rule });
        }
        chart.across(target, INK, TARGET)
    };
    let cell = |panel: &LinePanel| GridPlace {
        title: panel_title(&panel.title, averaged),
        charts: vec![chart(panel)],
    };
    let svg = Panels {
        legend,
        cells: panels.iter().map(cell).collect(),
        columns: 3,
        rows: 0,
        heights: vec![if panels.len() < 2 { 1.9 } else { 1.35 }],
        x_title: words(x_name),
        y_titles: vec![words(y_name)],
    }
    .page()?;
    let crosses = |target: f64| {
        panels.iter().flat_map(|p| &p.series).any(|s| crossing(&s.marks, target).is_some())
    };
    let marker = target.filter(|target| crosses(*target)).map_or_else(String::new, |target| {
        format!(" The vertical lines mark where each line last meets {target} %.")
    });
    let drawn = marks().any(has_band);
    let bands = match mean_over(averaged) {
        None if drawn => ", with confidence bands".to_owned(),
        None => String::new(),
        Some(mean) if drawn => {
            format!(", {mean}; bands hold the confidence intervals of all its points")
        }
        Some(mean) => format!(", {mean}"),
    };
    let caption = format!("{} over {}{bands}.{marker}", words(y_name), words(x_name));
    Ok(Figure { stem: stem.to_owned(), caption, svg })
}

/// Describes the axes that a mark is a mean over; `None` if it is a single point.
pub(super) fn mean_over(averaged: &[String]) -> Option<String> {
    (!averaged.is_empty()).then(|| format!("mean over {}", averaged.join(" and ")))
}

/// Returns the title above a panel.
pub(super) fn panel_title(title: &str, averaged: &[String]) -> String {
    match mean_over(averaged) {
        None => title.to_owned(),
        Some(mean) if title.is_empty() => mean,
        Some(mean) => format!("{title}, {mean}"),
    }
}

/// Dashes of the target line.
const TARGET: (i32, i32) = (8, 8);

fn has_band(mark: &SweepMark) -> bool {
    mark.high > mark.low
}

/// Returns the x value up to (or from) which a line meets the target; `None` if it always or never does.
fn crossing(marks: &[SweepMark], target: f64) -> Option<f64> {
    let met: Vec<bool> = marks.iter().map(|mark| mark.y >= target).collect();
    match (met.first()?, met.last()?) {
        (true, false) => met.iter().position(|met| !met).map(|i| marks[i - 1].x),
        (false, true) => met.iter().rposition(|met| !met).map(|i| marks[i + 1].x),
        _ => None,
    }
}

/// Draws one metric against another, such as attainment against cost: a symbol for each point, and the Pareto front,
/// where x is low and y is high. `target` draws a level. `demands` groups the points by demand (rates, SLOs, arrivals):
/// only points that serve the same demand share a front.
///
/// # Errors
/// When it cannot be drawn.
pub fn pareto_figure(
    stem: &str,
    series: &[SweepSeries],
    (x_name, y_name): (&str, &str),
    target: Option<f64>,
    demands: &[Vec<(f64, f64)>],
) -> Result<Figure, PlotError> {
    let marks = || series.iter().flat_map(|s| &s.marks);
    let joined = demands.len() <= MOST_FRONTS;
    let x = x_axis(marks().map(|mark| mark.x), false);
    let y = y_axis(marks().map(|mark| mark.y), target.is_some());
    let looks = Looks::of_names(series.iter().map(|s| &s.name));
    let mut legend = looks.symbols();
    let costs = x_name == "cost_per_hour";
    let best = if costs { "best for its cost" } else { "best in both" };
    if joined {
        legend.add(LegendKey::Line(GREY, None), best);
    }
    if let Some(target) = target {
        legend.add(LegendKey::Line(INK, Some(TARGET)), &format!("{target} %"));
    }
    let line = Look { colour: GREY, dashes: None, symbol: 0 };
    let mut all: Vec<Series> = Vec::new();
    for demand in demands.iter().filter(|_| joined) {
        let steps = front(demand, x.high);
        let foot = steps.first().map(|(first, _)| (*first, y.low));
        all.push(Series::new(line, Marks::Line, foot.into_iter().chain(steps).collect()));
    }
    all.extend(series.iter().map(|s| {
        let points = s.marks.iter().map(|mark| (mark.x, mark.y)).collect();
        Series::new(looks.of(&s.name), Marks::Symbols, points)
    }));
    let mut chart = Plot::new(x, y, all);
    if let Some(target) = target {
        chart = chart.across(target, INK, TARGET);
    }
    let titles = (words(x_name), words(y_name));
    let svg = Panels::single(legend, chart, Some(2.1), (&titles.0, &titles.1)).page()?;
    let best = if costs { "what is best for its cost" } else { "what no other beats in both" };
    let joins = match demands.len() {
        0 | 1 => format!("the line joins {best}"),
        n if joined => format!("each of the {n} lines joins {best} for one demand"),
        n => format!(
            "points of {n} demands, so that no line joins them; draw part of them with --only"
        ),
    };
    let caption = format!("{} against {}; {joins}.", words(y_name), words(x_name));
    Ok(Figure { stem: stem.to_owned(), caption, svg })
}

/// Maximum number of fronts in a figure.
const MOST_FRONTS: usize = 6;

/// Returns the corners of the staircase above all points.
fn front(points: &[(f64, f64)], x_end: f64) -> Vec<(f64, f64)> {
    let mut sorted = points.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0).then(b.1.total_cmp(&a.1)));
    let mut stairs: Vec<(f64, f64)> = Vec::new();
    for (x, y) in sorted {
        match stairs.last().copied() {
            Some((_, best)) if y <= best => {}
            Some((_, best)) => stairs.extend([(x, best), (x, y)]),
            None => stairs.push((x, y)),
        }
    }
    if let Some((_, best)) = stairs.last().copied() {
        stairs.push((x_end, best));
    }
    stairs
}

/// Creates an x axis for these values.
fn x_axis(values: impl Iterator<Item = f64> + Clone, log: bool) -> Axis {
    let low = values.clone().fold(f64::INFINITY, f64::min);
    let high = values.clone().fold(f64::NEG_INFINITY, f64::max);
    if !(low.is_finite() && high.is_finite()) {
        return Axis::from_zero(1.0, 4);
    }
    if log && low > 0.0 {
        return Axis::log(low, high, 6);
    }
    let mut distinct: Vec<f64> = values.collect();
    distinct.sort_by(f64::total_cmp);
    distinct.dedup_by(|a, b| a.total_cmp(b).is_eq());
    if is_zero_and_uneven(&distinct) {
        return Axis::log_with_zero(&distinct[1..]);
    }
    let span = if high > low { high - low } else { low.abs().max(1.0) };
    Axis::between(low, high.max(low + span * 1e-6), nice_step(span / 5.0))
}

/// Whether sorted values are few, start at zero and are so unevenly spaced, like delays of 0, 2, 5, 10 and 100 ms, that
/// a linear axis would put all but the last at one place.
fn is_zero_and_uneven(values: &[f64]) -> bool {
    if !(4..=8).contains(&values.len()) || values[0].abs() > 0.0 || values[1] <= 0.0 {
        return false;
    }
    let mut gaps: Vec<f64> = values.windows(2).map(|pair| pair[1] - pair[0]).collect();
    gaps.sort_by(f64::total_cmp);
    gaps[gaps.len() - 1] > 4.0 * gaps[gaps.len() / 2]
}

/// Creates the y axis: percentages end at 100, other values start at zero.
fn y_axis(values: impl Iterator<Item = f64> + Clone, percent: bool) -> Axis {
    if !percent {
        return Axis::from_zero(values.fold(0.0, f64::max), 5);
    }
    let low = values.fold(100.0, f64::min).max(0.0);
    Axis::between(low.min(99.0 - 1e-9), 100.0, nice_step((100.0 - low.min(98.0)) / 5.0))
}

/// Returns the height of one line of labels.
pub(super) fn label_line() -> i32 {
    dots(1.5 * LABEL)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(x: f64, y: f64) -> SweepMark {
        SweepMark { x, y, low: y - 1.0, high: y + 1.0 }
    }

    #[test]
    fn the_marker_is_where_the_target_is_met_last_or_first() {
        let falling =
            [mark(1.0, 100.0), mark(2.0, 99.0), mark(3.0, 98.0), mark(4.0, 99.5), mark(5.0, 9.0)];
        assert_eq!(crossing(&falling, 99.0), Some(2.0));
        let rising = [mark(1.0, 10.0), mark(2.0, 99.0), mark(3.0, 100.0)];
        assert_eq!(crossing(&rising, 99.0), Some(2.0));
        assert_eq!(crossing(&rising, 5.0), None);
        assert_eq!(crossing(&rising[..1], 99.0), None);
        assert_eq!(crossing(&[], 99.0), None);
    }

    #[test]
    fn a_figure_says_over_what_its_marks_are_means() {
        let panel = |title: &str| LinePanel {
            title: title.into(),
            series: vec![SweepSeries { name: "s".into(), marks: vec![mark(1.0, 99.0)] }],
        };
        let made = |title: &str, averaged: &[&str]| {
            let averaged: Vec<String> = averaged.iter().map(|&axis| axis.to_owned()).collect();
            let names = ("cv", "attainment_pct");
            line_figure("a", &[panel(title)], names, &averaged, None, false).unwrap().caption
        };
        let one = made("", &[]);
        assert_eq!(
            one,
            "SLO attainment (%) over Burstiness (CV of the gaps), with confidence bands."
        );
        let mean = made("", &["load", "headroom"]);
        assert!(mean.contains("gaps), mean over load and headroom; bands hold"));
        assert_eq!(panel_title("", &["load".into()]), "mean over load");
        assert_eq!(panel_title("delay = 5", &["load".into()]), "delay = 5, mean over load");
        assert_eq!(panel_title("delay = 5", &[]), "delay = 5");
    }

    #[test]
    fn the_front_is_made_of_stairs() {
        let points = [(3.0, 50.0), (6.0, 90.0), (6.0, 80.0), (9.0, 70.0), (12.0, 99.0)];
        let stairs =
            [(3.0, 50.0), (6.0, 50.0), (6.0, 90.0), (12.0, 90.0), (12.0, 99.0), (15.0, 99.0)];
        assert_eq!(front(&points, 15.0), stairs);
    }

    #[test]
    fn figures_are_drawn_for_any_data() {
        let series = |n: usize| SweepSeries {
            name: format!("s{n}"),
            marks: (0..n).map(|i| mark(i as f64, 100.0 - i as f64)).collect(),
        };
        for n in [0, 1, 5] {
            let panel = LinePanel { title: "cv = 4".into(), series: vec![series(n), series(n)] };
            for panels in [vec![panel.clone()], vec![panel.clone(); 4]] {
                for log in [false, true] {
                    let names = ("rate_scale", "attainment_pct");
                    for averaged in [&[][..], &["load".to_owned()]] {
                        let made = line_figure("a", &panels, names, averaged, Some(99.0), log);
                        assert!(super::super::canvas::parse(made.unwrap().svg()).is_ok());
                    }
                }
            }
            for target in [None, Some(99.0)] {
                let names = ("cost_per_hour", "attainment_pct");
                let figure = pareto_figure("p", &[series(n)], names, target, &[]).unwrap();
                assert!(super::super::canvas::parse(figure.svg()).is_ok());
            }
        }
    }
}
