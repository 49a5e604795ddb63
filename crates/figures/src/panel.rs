//! One chart with axes, and the legend.

use super::axis::Axis;
use super::canvas::{Align, Area, DrawResult, Frame, Text, fill, hatched, line, symbol, text};
use super::sheet::{shown, x_label, y_label};
use super::style::{
    AXIS_LINE, DATA_LINE, GRID, GRID_LINE, INK, LABEL, Look, MARGIN, TICK, count, dots,
};
use super::text::width;
use plotters::coord::Shift;
use plotters::prelude::*;

/// Length of tick marks outside the axis.
const TICK_MARK: i32 = 7;
/// Distance from the axis to its tick labels.
const TICK_GAP: i32 = 14;

type PanelContext<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<Axis, Axis>>;

/// Returns the space for the tick labels and the title of a y axis.
pub(super) fn left_of(axis: &Axis) -> i32 {
    let labels = axis.ticks.iter().map(|tick| width(&axis.label(*tick), TICK));
    let labels = if axis.labelled { labels.fold(0.0, f64::max) } else { 0.0 };
    let title = if axis.title.is_some() { 1.5 * LABEL } else { 0.0 };
    dots(labels + title) + TICK_GAP + 4
}

/// Returns the space for the tick labels and the title of an x axis.
pub(super) fn below(axis: &Axis) -> i32 {
    let labels = if axis.labelled { 1.2 * TICK } else { 0.0 };
    let title = if axis.title.is_some() { 1.5 * LABEL } else { 0.0 };
    dots(labels + title) + TICK_GAP
}

/// A chart whose axes are drawn.
pub(super) struct Panel<'a> {
    chart: PanelContext<'a>,
    area: Area<'a>,
    /// The plot area, in dots.
    pub(super) inner: Frame,
    x: Axis,
}

impl<'a> Panel<'a> {
    /// Draws axes around the frame `inner`; labels are outside it.
    pub(super) fn open(area: &Area<'a>, inner: Frame, x: Axis, y: Axis) -> DrawResult<Self> {
        let (left, bottom) = (left_of(&y), below(&x));
        let sub: DrawingArea<SVGBackend<'a>, Shift> =
            area.clone().shrink((inner.x - left, inner.y), (inner.w + left + 1, inner.h + bottom));
        let mut chart = ChartBuilder::on(&sub)
            .margin(0)
            .x_label_area_size(bottom)
            .y_label_area_size(left)
            .build_cartesian_2d(x.clone(), y.clone())?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID.stroke_width(GRID_LINE))
            .axis_style(INK.stroke_width(AXIS_LINE))
            .label_style(Text::new(TICK, Align::Left).style())
            .set_all_tick_mark_size(TICK_MARK)
            .draw()?;
        if let Some(title) = x.title.as_deref().map(x_label) {
            let at = (inner.x + inner.w / 2, inner.bottom() + bottom - dots(0.6 * LABEL));
            text(area, at, Text::new(LABEL, Align::Centre), &title)?;
        }
        if let Some(title) = y.title.as_deref().map(y_label) {
            let at = (inner.x - left + dots(0.55 * LABEL), inner.y + inner.h / 2);
            text(area, at, Text::new(LABEL, Align::Centre).upright(), &title)?;
        }
        Ok(Self { chart, area: area.clone(), inner, x })
    }

    /// Converts a pair of values to dots; values outside the axes are clamped to their ends.
    pub(super) fn at(&self, x: f64, y: f64) -> (i32, i32) {
        self.chart.backend_coord(&(x, y))
    }

    /// Returns the length of the x axis, in its own unit.
    pub(super) fn length(&self) -> f64 {
        self.x.high - self.x.low
    }

    /// Draws a line through pairs of values.
    pub(super) fn line(
        &mut self,
        points: &[(f64, f64)],
        colour: RGBColor,
        dashes: Option<(i32, i32)>,
    ) -> DrawResult {
        match dashes {
            None => {
                let style = colour.stroke_width(DATA_LINE);
                self.chart.draw_series(LineSeries::new(points.iter().copied(), style))?;
                Ok(())
            }
            Some(_) => {
                let points: Vec<_> = points.iter().map(|(x, y)| self.at(*x, *y)).collect();
                line(&self.area, &points, colour, DATA_LINE, dashes)
            }
        }
    }

    /// Fills a rectangle between two pairs of values.
    pub(super) fn bar(&mut self, from: (f64, f64), to: (f64, f64), look: Look) -> DrawResult {
        let ((x0, y1), (x1, y0)) = (self.at(from.0, from.1), self.at(to.0, to.1));
        hatched(&self.area, Frame::new(x0, y0, x1 - x0, y1 - y0), look.symbol, look.colour)
    }

    /// Draws a horizontal line across the chart at a y value.
    pub(super) fn across(&mut self, y: f64, colour: RGBColor, dashes: (i32, i32)) -> DrawResult {
        let at = self.at(self.x.low, y).1;
        let ends = [(self.inner.x, at), (self.inner.right(), at)];
        line(&self.area, &ends, colour, AXIS_LINE + 1, Some(dashes))
    }
}

/// The sample in front of a legend entry.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum LegendKey {
    /// A filled box.
    Box(RGBColor),
    /// A line with its dashes.
    Line(RGBColor, Option<(i32, i32)>),
    /// A symbol by its index.
    Symbol(RGBColor, usize),
    /// A filled box with the hatching of its look.
    Hatched(Look),
    /// No sample: the entry is a heading.
    Title,
}

/// Legend entries, wrapped into lines above a figure.
#[derive(Debug, Clone, Default)]
pub(super) struct Legend {
    entries: Vec<(LegendKey, String)>,
    /// Indices of entries that start a new line.
    breaks: Vec<usize>,
}

impl Legend {
    const KEY: i32 = 46;
    const GAP: i32 = 34;
    const LINE: i32 = 46;

    pub(super) fn add(&mut self, key: LegendKey, words: &str) {
        self.entries.push((key, super::text::shortened(&shown(words), 48)));
    }

    /// Starts a new line, unless all entries fit into one.
    pub(super) fn end_line(&mut self) {
        self.breaks.push(self.entries.len());
    }

    /// Returns the height at a width of at most `limit`.
    pub(super) fn height(&self, limit: i32) -> i32 {
        let lines = self.lines(limit).len();
        if lines == 0 { 0 } else { count(lines) * Self::LINE + 8 }
    }

    /// Draws the legend between the margins of a figure, each line centred.
    pub(super) fn draw(&self, area: &Area<'_>, top: i32, figure_width: i32) -> DrawResult {
        let limit = figure_width - 2 * MARGIN;
        for (index, entries) in self.lines(limit).into_iter().enumerate() {
            let total: i32 = entries.iter().map(|entry| Self::width(entry)).sum::<i32>()
                + Self::GAP * (count(entries.len()) - 1);
            let mut x = MARGIN + (limit - total) / 2;
            let y = top + count(index) * Self::LINE + Self::LINE / 2;
            for entry in entries {
                Self::key(area, entry.0, x, y)?;
                let look = Text::new(LABEL, Align::Left);
                match entry.0 {
                    LegendKey::Title => text(area, (x, y), look.bold(), &entry.1)?,
                    _ => text(area, (x + Self::KEY + 12, y), look, &entry.1)?,
                }
                x += Self::width(entry) + Self::GAP;
            }
        }
        Ok(())
    }

    fn width((key, words): &(LegendKey, String)) -> i32 {
        match key {
            LegendKey::Title => dots(width(words, LABEL) * super::text::BOLD),
            _ => Self::KEY + 12 + dots(width(words, LABEL)),
        }
    }

    /// Splits the entries into as few lines as possible, of about equal length, so that no entry stands alone below a
    /// full line.
    fn lines(&self, limit: i32) -> Vec<Vec<&(LegendKey, String)>> {
        let mut lines = self.flow(limit);
        let mut narrower = limit - Self::GAP;
        while lines.len() > 1 && narrower > limit / 3 {
            let tried = self.flow(narrower);
            if tried.len() > lines.len() {
                break;
            }
            lines = tried;
            narrower -= Self::GAP / 2;
        }
        lines
    }

    fn flow(&self, limit: i32) -> Vec<Vec<&(LegendKey, String)>> {
        let total: i32 = self.entries.iter().map(|entry| Self::width(entry) + Self::GAP).sum();
        let breaks: &[usize] = if total <= limit + Self::GAP { &[] } else { &self.breaks };
        let mut lines: Vec<Vec<_>> = Vec::new();
        let mut used = i32::MAX;
        for (index, entry) in self.entries.iter().enumerate() {
            let needed = Self::width(entry) + Self::GAP;
            match lines.last_mut() {
                Some(last)
                    if used.saturating_add(needed) <= limit + Self::GAP
                        && !breaks.contains(&index) =>
                {
                    used += needed;
                    last.push(entry);
                }
                _ => {
                    used = needed;
                    lines.push(vec![entry]);
                }
            }
        }
        lines
    }

    fn key(area: &Area<'_>, key: LegendKey, x: i32, y: i32) -> DrawResult {
        match key {
            LegendKey::Box(colour) => fill(area, Frame::new(x + 8, y - 13, 30, 26), colour),
            LegendKey::Line(colour, dashes) => {
                line(area, &[(x, y), (x + Self::KEY, y)], colour, DATA_LINE, dashes)
            }
            LegendKey::Symbol(colour, index) => {
                symbol(area, (x + Self::KEY / 2, y), index, colour, 11)
            }
            LegendKey::Hatched(look) => {
                hatched(area, Frame::new(x + 8, y - 13, 34, 26), look.symbol, look.colour)
            }
            LegendKey::Title => Ok(()),
        }
    }
}
