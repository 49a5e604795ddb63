//! General-purpose figures: lines or marks in panels.

use super::axis::Axis;
use super::panel::{Legend, LegendKey};
use super::panels::{GridPlace, Marks, Panels, Plot, Series};
use super::style::Look;
use super::{Figure, PlotError, pages};

/// Panels per row.
const COLUMNS: usize = 4;

/// A series that may occur in several panels.
#[derive(Debug, Clone, PartialEq)]
pub struct Named {
    /// Name in the legend.
    pub name: String,
    /// Index of its colour, symbol and dashes.
    pub look: usize,
    /// Drawing style.
    pub marks: Marks,
}

/// One panel.
#[derive(Debug, Clone, PartialEq)]
pub struct PointsPanel {
    /// Title; empty for none.
    pub title: String,
    /// Points, one list for each series of the figure.
    pub series: Vec<Vec<(f64, f64)>>,
}

/// A figure of panels with lines or marks.
#[derive(Debug, Clone, PartialEq)]
pub struct PointsFigure {
    /// File name without an extension.
    pub stem: String,
    /// Caption of one or two sentences.
    pub caption: String,
    pub series: Vec<Named>,
    pub panels: Vec<PointsPanel>,
    /// Titles of the x and y axes, with their units.
    pub axes: (String, String),
    /// Whether the x and y axes are logarithmic.
    pub log: (bool, bool),
}

impl PointsFigure {
    /// Draws the figure.
    ///
    /// # Errors
    /// When it cannot be drawn.
    pub fn draw(&self) -> Result<Figure, PlotError> {
        let svg = self.svg()?;
        Ok(pages(&self.stem, &self.caption, vec![svg]).remove(0))
    }

    /// Returns the axes of one panel.
    fn axes_of(&self, panel: &PointsPanel) -> (Axis, Axis) {
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
        let mut legend = Legend::default();
        let looks: Vec<Look> = self.series.iter().map(|named| Look::at(named.look)).collect();
        for (named, look) in self.series.iter().zip(&looks) {
            let key = match named.marks {
                Marks::Line => LegendKey::Line(look.colour, look.dashes),
                Marks::Symbols | Marks::Both => LegendKey::Symbol(look.colour, look.symbol),
            };
            legend.add(key, &named.name);
        }
        // Points that a logarithmic axis cannot show are left out.
        let shown = |p: &&(f64, f64)| (!self.log.0 || p.0 > 0.0) && (!self.log.1 || p.1 > 0.0);
        let cell = |panel: &PointsPanel| {
            let (x, y) = self.axes_of(panel);
            let series = self.series.iter().zip(&looks).zip(&panel.series);
            let series = series.map(|((named, look), points)| {
                let points = points.iter().filter(shown).copied().collect();
                Series::new(*look, named.marks, points)
            });
            GridPlace {
                title: panel.title.clone(),
                charts: vec![Plot::new(x, y, series.collect())],
            }
        };
        Panels {
            legend,
            cells: self.panels.iter().map(cell).collect(),
            columns: COLUMNS,
            rows: 0,
            heights: vec![if self.panels.len() == 1 { 1.9 } else { 1.3 }],
            x_title: self.axes.0.clone(),
            y_titles: vec![self.axes.1.clone()],
        }
        .page()
    }
}
