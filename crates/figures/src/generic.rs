//! Figures of any numbers: groups of bars, and lines or marks in panels.

use super::axis::{Axis, Scale};
use super::canvas::{Align, Area, Drawn, Frame, Text, draw, symbol, text};
use super::panel::{Key, Legend, Panel, below, left_of};
use super::style::{
    GREY, LABEL, MARGIN, NOTE, ONE_COLUMN, TICK, TWO_COLUMNS, colour, count, dashes, dots, inches,
};
use super::text::{BOLD, fitted, shortened, width};
use super::{Figure, PlotError, pages};

/// Panels in a row.
const COLUMNS: usize = 4;
/// Room for the title of a panel.
const TITLE: i32 = 44;

/// How a series of points is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    /// A line.
    Line,
    /// A symbol at each point.
    Symbols,
    /// Both.
    Both,
}

/// A series that several panels may have.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// What the legend calls it.
    pub name: String,
    /// Which colour of the palette, symbol and dashes it has.
    pub look: usize,
    /// How it is drawn.
    pub marks: Marks,
}

/// One panel.
#[derive(Debug, Clone, PartialEq)]
pub struct Points {
    /// Its title; empty for none.
    pub title: String,
    /// The points of each series of the figure.
    pub series: Vec<Vec<(f64, f64)>>,
}

/// Lines or marks in panels.
#[derive(Debug, Clone, PartialEq)]
pub struct PointsFigure {
    /// The file name without an extension.
    pub stem: String,
    /// What it shows, in a sentence or two.
    pub caption: String,
    /// The series.
    pub series: Vec<Named>,
    /// The panels.
    pub panels: Vec<Points>,
    /// The titles of both axes, with their units.
    pub axes: (String, String),
    /// Whether both axes are logarithmic.
    pub log: (bool, bool),
}

/// Groups of bars.
#[derive(Debug, Clone, PartialEq)]
pub struct BarsFigure {
    /// The file name without an extension.
    pub stem: String,
    /// What it shows, in a sentence or two.
    pub caption: String,
    /// What stands below the groups.
    pub groups: Vec<String>,
    /// (name, value in each group) of the series; what is absent has no bar.
    pub series: Vec<(String, Vec<Option<f64>>)>,
    /// The title of the values, with their unit.
    pub y: String,
    /// Whether a single series has its values above its bars, with this many decimals.
    pub labels: Option<usize>,
    /// A line across the chart, with what it says.
    pub across: Option<(f64, String)>,
}

impl PointsFigure {
    /// Draws it.
    ///
    /// # Errors
    /// When it cannot be drawn.
    pub fn draw(&self) -> Result<Figure, PlotError> {
        let svg = self.svg()?;
        Ok(pages(&self.stem, &self.caption, vec![svg]).remove(0))
    }

    /// The axes of one panel.
    fn axes_of(&self, panel: &Points) -> (Axis, Axis) {
        let points = || panel.series.iter().flatten();
        let axis = |log: bool, of: &dyn Fn(&(f64, f64)) -> f64, ticks| {
            let values = || points().map(of).filter(|v| !log || *v > 0.0);
            let (low, high) =
                (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
            if log { Axis::log(low, high, ticks) } else { Axis::around(low, high, ticks) }
        };
        (axis(self.log.0, &|p| p.0, 5), axis(self.log.1, &|p| p.1, 5))
    }

    fn svg(&self) -> Result<String, PlotError> {
        let columns = self.panels.len().clamp(1, COLUMNS);
        let rows = self.panels.len().div_ceil(columns).max(1);
        let figure_width = if columns == 1 { ONE_COLUMN } else { TWO_COLUMNS };
        let mut legend = Legend::default();
        for s in &self.series {
            let key = match s.marks {
                Marks::Line => Key::Line(colour(s.look), dashes(s.look)),
                Marks::Symbols | Marks::Both => Key::Symbol(colour(s.look), s.look),
            };
            legend.add(key, &s.name);
        }
        let top = MARGIN + legend.height(figure_width - 2 * MARGIN);
        let axes: Vec<(Axis, Axis)> = self.panels.iter().map(|p| self.axes_of(p)).collect();
        let left = axes.iter().map(|(_, y)| left_of(y)).max().unwrap_or(0);
        let under = axes.iter().map(|(x, _)| below(x)).max().unwrap_or(0) + 16;
        let y_title = dots(1.5 * LABEL);
        let cell = (figure_width - 2 * MARGIN - y_title) / count(columns);
        let inner_width = cell - left - 26;
        let height = inches(if columns == 1 { 1.9 } else { 1.3 });
        let title = if self.panels.iter().all(|p| p.title.is_empty()) { 14 } else { TITLE };
        let row_height = title + height + under;
        let rows_end = top + count(rows) * row_height;
        draw((figure_width, rows_end + dots(1.1 * LABEL)), |area| {
            legend.draw(area, MARGIN, figure_width)?;
            let look = Text::new(LABEL, Align::Centre);
            let middle = top + count(rows) * row_height / 2 - under / 2;
            text(area, (MARGIN + dots(0.5 * LABEL), middle), look.upright(), &self.axes.1)?;
            let centre = MARGIN + y_title + (figure_width - 2 * MARGIN - y_title) / 2;
            text(area, (centre, rows_end + dots(0.3 * LABEL)), look, &self.axes.0)?;
            for (slot, (panel, (x, y))) in self.panels.iter().zip(&axes).enumerate() {
                let (row, column) = (count(slot / columns), count(slot % columns));
                let at = (MARGIN + y_title + column * cell + left, top + row * row_height + title);
                let inner = Frame::new(at.0, at.1, inner_width, height);
                let name = fitted(&panel.title, TICK, f64::from(inner_width) / BOLD);
                let look = Text::new(TICK, Align::Centre).bold();
                text(area, (inner.x + inner.w / 2, inner.y - 24), look, &name)?;
                let mut chart = Panel::open(area, inner, x.clone(), y.clone())?;
                for (named, points) in self.series.iter().zip(&panel.series) {
                    self.points(area, &mut chart, named, points)?;
                }
            }
            Ok(())
        })
    }

    fn points(
        &self,
        area: &Area<'_>,
        chart: &mut Panel<'_>,
        named: &Named,
        points: &[(f64, f64)],
    ) -> Drawn {
        // What a logarithmic axis cannot hold is left out.
        let shown = |p: &&(f64, f64)| (!self.log.0 || p.0 > 0.0) && (!self.log.1 || p.1 > 0.0);
        let points: Vec<(f64, f64)> = points.iter().filter(shown).copied().collect();
        if named.marks != Marks::Symbols {
            chart.line(&points, colour(named.look), dashes(named.look))?;
        }
        if named.marks != Marks::Line {
            for (x, y) in points {
                symbol(area, chart.at(x, y), named.look, colour(named.look), 9)?;
            }
        }
        Ok(())
    }
}

impl BarsFigure {
    /// Draws it.
    ///
    /// # Errors
    /// When it cannot be drawn.
    pub fn draw(&self) -> Result<Figure, PlotError> {
        let svg = self.svg()?;
        Ok(pages(&self.stem, &self.caption, vec![svg]).remove(0))
    }

    fn svg(&self) -> Result<String, PlotError> {
        let values = || self.series.iter().flat_map(|(_, v)| v).flatten().copied();
        let line = self.across.as_ref().map_or(0.0, |(at, _)| *at);
        // Room for the words above the highest bar.
        let room = if self.labels.is_some() { 1.08 } else { 1.0 };
        let y = Axis::from_zero(room * values().fold(line, f64::max), 5).titled(&self.y);
        let bars = self.groups.len() * self.series.len().max(1);
        let figure_width = if bars <= 14 { ONE_COLUMN } else { TWO_COLUMNS };
        let left = MARGIN + left_of(&y);
        let inner_width = figure_width - left - MARGIN;
        let slot = f64::from(inner_width) / self.groups.len().max(1) as f64;
        let names: Vec<String> = self.groups.iter().map(|name| shortened(name, 18)).collect();
        let widest = names.iter().map(|name| width(name, TICK)).fold(0.0, f64::max);
        let upright = widest > slot - 8.0;
        let under = if upright { dots(widest) + 34 } else { dots(1.3 * TICK) + 22 };
        let mut legend = Legend::default();
        if self.series.len() > 1 {
            for (index, (name, _)) in self.series.iter().enumerate() {
                legend.add(Key::Box(colour(index)), name);
            }
        }
        if let Some((_, words)) = &self.across {
            legend.add(Key::Line(GREY, Some((14, 8))), words);
        }
        let top = MARGIN + legend.height(figure_width - 2 * MARGIN) + 14;
        let height = inches(1.6);
        draw((figure_width, top + height + under + 12), |area| {
            legend.draw(area, MARGIN, figure_width)?;
            let inner = Frame::new(left, top, inner_width, height);
            let x = Axis { ticks: Vec::new(), ..Axis::exactly(self.groups.len() as f64, 1) };
            debug_assert_eq!(y.scale, Scale::Linear);
            let mut panel = Panel::open(area, inner, x, y.clone())?;
            if let Some((at, _)) = &self.across {
                panel.across(*at, GREY, (14, 8))?;
            }
            let n = self.series.len().max(1) as f64;
            let bar = (0.8 / n).min(0.6);
            for (group, name) in names.iter().enumerate() {
                for (index, (_, values)) in self.series.iter().enumerate() {
                    let Some(Some(value)) = values.get(group).copied() else { continue };
                    let from = group as f64 + 0.5 + bar * (index as f64 - n / 2.0);
                    panel.bar((from, 0.0), (from + 0.92 * bar, value), colour(index))?;
                    if let (Some(decimals), 1) = (self.labels, self.series.len()) {
                        let words = format!("{value:.decimals$}");
                        let (x, y) = panel.at(from + 0.46 * bar, value);
                        let room = slot - 4.0;
                        let look = Text::new(NOTE, Align::Centre);
                        text(area, (x, y - 16), look, &fitted(&words, NOTE, room))?;
                    }
                }
                let x = panel.at(group as f64 + 0.5, 0.0).0;
                if upright {
                    let look = Text::new(TICK, Align::Right).upright();
                    text(area, (x, inner.bottom() + 16), look, name)?;
                } else {
                    let at = (x, inner.bottom() + 12 + dots(0.6 * TICK));
                    text(area, at, Text::new(TICK, Align::Centre), name)?;
                }
            }
            Ok(())
        })
    }
}
