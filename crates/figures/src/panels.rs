//! Line and symbol charts in a grid of cells; each cell has one or several charts below each other.

use super::axis::Axis;
use super::canvas::{Align, Area, DrawResult, Frame, Text, draw, line, shade, symbol, text};
use super::panel::{Legend, Panel, below, left_of};
use super::sheet::{self, x_label, y_label};
use super::style::{LABEL, Look, MARGIN, TICK, count, dots, inches, one_column, two_columns};
use super::text::{BOLD, fitted, width};
use super::{PlotError, columns_of};
use plotters::prelude::{Color, Polygon, RGBColor};

/// Drawing style of a series of points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marks {
    Line,
    /// A symbol at each point.
    Symbols,
    Both,
}

/// The points of one series.
#[derive(Debug, Clone)]
pub(super) struct Series {
    pub(super) look: Look,
    pub(super) marks: Marks,
    pub(super) points: Vec<(f64, f64)>,
    /// Interval at each point; empty if there is none.
    pub(super) band: Vec<(f64, f64)>,
}

impl Series {
    pub(super) fn new(look: Look, marks: Marks, points: Vec<(f64, f64)>) -> Self {
        Self { look, marks, points, band: Vec::new() }
    }
}

/// A straight reference line between two points.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReferenceLine {
    pub(super) from: (f64, f64),
    pub(super) to: (f64, f64),
    pub(super) colour: RGBColor,
    pub(super) dashes: Option<(i32, i32)>,
    /// Shift to the right in dots, so that two lines at the same place are both visible.
    pub(super) aside: i32,
}

impl ReferenceLine {
    pub(super) fn new(from: (f64, f64), to: (f64, f64), colour: RGBColor) -> Self {
        Self { from, to, colour, dashes: None, aside: 0 }
    }

    pub(super) fn dashed(self, dashes: (i32, i32)) -> Self {
        Self { dashes: Some(dashes), ..self }
    }
}

/// One chart.
#[derive(Debug, Clone)]
pub(super) struct Plot {
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) series: Vec<Series>,
    /// Ranges of x with a grey background.
    pub(super) shaded: Vec<(f64, f64)>,
    /// Reference lines, drawn below the series.
    pub(super) rules: Vec<ReferenceLine>,
}

impl Plot {
    pub(super) fn new(x: Axis, y: Axis, series: Vec<Series>) -> Self {
        Self { x, y, series, shaded: Vec::new(), rules: Vec::new() }
    }

    /// Adds a horizontal line at a y value.
    pub(super) fn across(mut self, y: f64, colour: RGBColor, dashes: (i32, i32)) -> Self {
        let (low, high) = (self.x.low, self.x.high);
        self.rules.push(ReferenceLine::new((low, y), (high, y), colour).dashed(dashes));
        self
    }

    /// Adds a vertical line at an x value.
    pub(super) fn up(mut self, x: f64, colour: RGBColor, dashes: (i32, i32)) -> Self {
        let (low, high) = (self.y.low, self.y.high);
        self.rules.push(ReferenceLine::new((x, low), (x, high), colour).dashed(dashes));
        self
    }

    fn draw(self, area: &Area<'_>, frame: Frame) -> DrawResult {
        let (low, high) = (self.x.low, self.x.high);
        for (from, to) in self.shaded {
            let at = |x: f64| {
                let part = (x.clamp(low, high) - low) / (high - low);
                frame.x + dots(part * f64::from(frame.w))
            };
            shade(area, Frame { x: at(from), w: at(to) - at(from), ..frame })?;
        }
        let mut panel = Panel::open(area, frame, self.x, self.y)?;
        for rule in &self.rules {
            let at = |(x, y): (f64, f64)| {
                let (x, y) = panel.at(x, y);
                (x + rule.aside, y)
            };
            line(area, &[at(rule.from), at(rule.to)], rule.colour, 3, rule.dashes)?;
        }
        for Series { look, points, band, .. } in &self.series {
            let ends = || points.iter().zip(band);
            if ends().any(|(_, (low, high))| high > low) {
                let up = ends().map(|((x, _), (_, high))| panel.at(*x, *high));
                let down = ends().rev().map(|((x, _), (low, _))| panel.at(*x, *low));
                let outline: Vec<(i32, i32)> = up.chain(down).collect();
                area.draw(&Polygon::new(outline, look.colour.mix(0.22).filled()))?;
            }
        }
        let many: usize = self.series.iter().map(|s| s.points.len()).sum();
        let radius = match many {
            0..=60 => 9,
            61..=300 => 7,
            301..=1500 => 5,
            _ => 3,
        };
        for (index, series) in self.series.iter().enumerate() {
            if series.marks != Marks::Symbols {
                panel.line(&series.points, series.look.colour, series.look.dashes)?;
            }
            if series.marks == Marks::Line {
                continue;
            }
            for (x, y) in &series.points {
                // A symbol that later ones will cover is slightly larger, so that it remains visible around them.
                let at = panel.at(*x, *y);
                let above = self.series[index + 1..].iter().filter(|s| s.marks != Marks::Line);
                let covers = |s: &&Series| s.points.iter().any(|(x, y)| panel.at(*x, *y) == at);
                let larger = if many > 300 { 0 } else { above.filter(covers).count().min(2) };
                symbol(
                    area,
                    at,
                    series.look.symbol,
                    series.look.colour,
                    radius + 2 * count(larger),
                )?;
            }
        }
        Ok(())
    }
}

/// One cell of a grid.
#[derive(Debug, Clone)]
pub(super) struct GridPlace {
    /// Title; empty for none.
    pub(super) title: String,
    /// Charts; every cell has the same number of them.
    pub(super) charts: Vec<Plot>,
}

/// Cells arranged in rows and columns.
#[derive(Debug, Clone)]
pub(super) struct Panels {
    pub(super) legend: Legend,
    pub(super) cells: Vec<GridPlace>,
    /// Maximum number of cells per row.
    pub(super) columns: usize,
    /// Rows per page.
    pub(super) rows: usize,
    /// Heights of the charts of a cell, in inches; if empty, the only chart is as high as it is wide.
    pub(super) heights: Vec<f64>,
    /// Title below all cells.
    pub(super) x_title: String,
    /// Title beside each chart of a row.
    pub(super) y_titles: Vec<String>,
}

/// Space for the title of a cell.
const TITLE: i32 = 44;
/// Space between the charts of a cell.
const GAP: i32 = 32;

/// Positions of the parts of a page.
struct PageLayout {
    columns: usize,
    width: i32,
    /// Distance from the left edge of a cell to its charts.
    left: i32,
    cell: i32,
    first: i32,
    inner: i32,
    title: i32,
    heights: Vec<i32>,
    row: i32,
    top: i32,
    /// Whether all cells of a row share the leftmost y axis.
    shared: bool,
}

impl Panels {
    /// Creates a figure with a single chart.
    pub(super) fn single(
        legend: Legend,
        chart: Plot,
        height: Option<f64>,
        (x_title, y_title): (&str, &str),
    ) -> Self {
        Self {
            legend,
            cells: vec![GridPlace { title: String::new(), charts: vec![chart] }],
            columns: 1,
            rows: 1,
            heights: height.into_iter().collect(),
            x_title: x_title.to_owned(),
            y_titles: vec![y_title.to_owned()],
        }
    }

    /// Draws the only page.
    pub(super) fn page(self) -> Result<String, PlotError> {
        let rows = self.cells.len();
        Ok(Self { rows, ..self }.pages()?.pop().unwrap_or_default())
    }

    /// Draws all pages.
    pub(super) fn pages(self) -> Result<Vec<String>, PlotError> {
        let layout = self.layout();
        let Self { legend, mut cells, rows, mut x_title, mut y_titles, .. } = self;
        if !x_title.is_empty() {
            x_title = x_label(&x_title);
        }
        if let [only] = y_titles.as_mut_slice() {
            *only = y_label(only);
        }
        for cell in &mut cells {
            cell.title = sheet::title(std::mem::take(&mut cell.title));
        }
        let mut svgs = Vec::new();
        for page in cells.chunks((layout.columns * rows).max(1)) {
            svgs.push(layout.draw(&legend, page, &x_title, &y_titles)?);
        }
        Ok(svgs)
    }

    fn layout(&self) -> PageLayout {
        let columns = columns_of(self.cells.len(), self.columns);
        let width = if columns == 1 { one_column() } else { two_columns() };
        let charts = || self.cells.iter().flat_map(|cell| &cell.charts);
        let first = self.cells.first().map_or(&[][..], |cell| &cell.charts);
        let shared = self
            .cells
            .iter()
            .all(|cell| cell.charts.iter().zip(first).all(|(chart, other)| chart.y == other.y));
        let labels = charts().map(|chart| left_of(&chart.y)).max().unwrap_or(0);
        let titles = if self.y_titles.iter().all(String::is_empty) { 0 } else { dots(1.5 * LABEL) };
        let (left, all) = if shared && columns > 1 { (22, labels) } else { (labels, 0) };
        let cell = (width - 2 * MARGIN - titles - all) / count(columns);
        // Half of the last label of an axis extends beyond its end.
        let inner = cell - left - 26;
        let heights: Vec<i32> = match self.heights.as_slice() {
            [] => vec![inner],
            heights => heights.iter().map(|height| inches(*height)).collect(),
        };
        let title = if self.cells.iter().all(|cell| cell.title.is_empty()) { 14 } else { TITLE };
        let under = charts().map(|chart| below(&chart.x)).max().unwrap_or(0);
        let stack = heights.iter().sum::<i32>() + GAP * (count(heights.len()) - 1);
        PageLayout {
            columns,
            width,
            left,
            cell,
            first: MARGIN + titles + all,
            inner,
            title,
            row: title + stack + under + 16,
            heights,
            top: MARGIN + self.legend.height(width - 2 * MARGIN),
            shared,
        }
    }
}

impl PageLayout {
    fn draw(
        &self,
        legend: &Legend,
        page: &[GridPlace],
        x_title: &str,
        y_titles: &[String],
    ) -> Result<String, PlotError> {
        let rows_end = self.top + count(page.len().div_ceil(self.columns)) * self.row;
        let foot = if x_title.is_empty() { 12 } else { dots(1.1 * LABEL) };
        draw((self.width, rows_end + foot), |area| {
            legend.draw(area, MARGIN, self.width)?;
            let look = Text::new(LABEL, Align::Centre);
            let middle = (self.first + self.left + self.width - MARGIN) / 2;
            text(area, (middle, rows_end + dots(0.3 * LABEL)), look, x_title)?;
            for (slot, cell) in page.iter().enumerate() {
                let (row, column) = (slot / self.columns, slot % self.columns);
                let x = self.first + count(column) * self.cell + self.left;
                let mut y = self.top + count(row) * self.row + self.title;
                let name = fitted(&cell.title, TICK, f64::from(self.inner) / BOLD);
                let look = Text::new(TICK, Align::Centre).bold();
                text(area, (x + self.inner / 2, y - 22), look, &name)?;
                let last = cell.charts.len().saturating_sub(1);
                for (place, chart) in cell.charts.iter().enumerate() {
                    let mut chart = chart.clone();
                    if place < last {
                        chart.x = chart.x.unlabelled();
                    }
                    if self.shared && column > 0 {
                        chart.y = chart.y.unlabelled();
                    }
                    if self.columns > 1 {
                        chart.x = chart
                            .x
                            .within(f64::from(self.inner), f64::from(self.cell - self.inner - 6));
                    }
                    let height = self.heights[place];
                    if let (0, Some(title)) = (column, y_titles.get(place)) {
                        let fits = width(title, LABEL) <= f64::from(height + GAP);
                        let size = if fits { LABEL } else { TICK };
                        let look = Text::new(size, Align::Centre).upright();
                        text(area, (MARGIN + dots(0.55 * LABEL), y + height / 2), look, title)?;
                    }
                    chart.draw(area, Frame::new(x, y, self.inner, height))?;
                    y += height + GAP;
                }
            }
            Ok(())
        })
    }
}
