//! The common style of all figures: print sizes, fonts and colours.
//!
//! Figures are laid out in dots of 1/300 inch, so that one or two columns of a paper are 1050 or 2148 dots wide unless
//! a [`Sheet`] says otherwise. SVG files state the size in inches; PNG files have one pixel per dot.

use super::panel::{Legend, LegendKey};
use super::sheet::{Sheet, shown};
use super::text::shortened;
use igniter_model::domain::ModelName;
use igniter_results::{Comparison, model_looks, series_looks};
use plotters::style::RGBColor;

/// Dots per inch: the unit of every coordinate, and the resolution of PNG files.
pub(super) const DOTS_PER_INCH: f64 = 300.0;
/// Width of one column of a two-column paper, in dots before scaling; 3.5 in by default.
pub(super) fn one_column() -> i32 {
    let sheet = Sheet::current();
    dots(sheet.column_in * DOTS_PER_INCH / sheet.scale())
}

/// Width of both columns of a two-column paper, in dots before scaling; 7.16 in by default.
pub(super) fn two_columns() -> i32 {
    let sheet = Sheet::current();
    dots(sheet.both_columns_in * DOTS_PER_INCH / sheet.scale())
}

/// Blank border around every figure.
pub(super) const MARGIN: i32 = 16;

/// Axis titles, legends and panel titles: 8 pt.
pub(super) const LABEL: f64 = 33.3;
/// Tick labels: 7 pt.
pub(super) const TICK: f64 = 29.2;
/// Notes inside a chart: 6 pt.
pub(super) const NOTE: f64 = 25.0;
/// The smallest text that is drawn: 5 pt.
pub(super) const SMALLEST: f64 = 20.8;

/// Lines that show data: 1 pt.
pub(super) const DATA_LINE: u32 = 4;
/// Axes: 0.5 pt.
pub(super) const AXIS_LINE: u32 = 2;
/// Grid: 0.25 pt.
pub(super) const GRID_LINE: u32 = 1;

/// Text and axes.
pub(super) const INK: RGBColor = RGBColor(0x1a, 0x1a, 0x1a);
/// Grid lines.
pub(super) const GRID: RGBColor = RGBColor(0xd4, 0xd4, 0xd4);
/// Time outside the measured window, and other backgrounds.
pub(super) const SHADE: RGBColor = RGBColor(0xee, 0xee, 0xee);
/// Secondary marks.
pub(super) const GREY: RGBColor = RGBColor(0x70, 0x70, 0x70);

/// Returns the colour of the i-th series, the same as in pages.
pub(super) fn colour(index: usize) -> RGBColor {
    let [r, g, b] = igniter_results::colour(index);
    RGBColor(r, g, b)
}

/// Appearance of one series in every figure. Symbols, dashes and hatching distinguish series without colour.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Look {
    pub(super) colour: RGBColor,
    pub(super) dashes: Option<(i32, i32)>,
    /// Index of the symbol or hatching.
    pub(super) symbol: usize,
}

impl Look {
    /// Returns the i-th look.
    pub(super) fn at(index: usize) -> Self {
        Self { colour: colour(index), dashes: dashes(index), symbol: index }
    }
}

/// Looks by name; known names have the same look in every figure.
#[derive(Debug, Clone)]
pub(super) struct Looks(Vec<(String, Look)>);

impl Looks {
    fn new(names: &[&str], looks: Vec<usize>) -> Self {
        Self(
            names
                .iter()
                .map(|name| (*name).to_owned())
                .zip(looks.into_iter().map(Look::at))
                .collect(),
        )
    }

    /// Returns the looks of strategies, stages or other series.
    pub(super) fn of_names<'a, S: AsRef<str> + ?Sized + 'a>(
        names: impl IntoIterator<Item = &'a S>,
    ) -> Self {
        let names: Vec<&str> = names.into_iter().map(AsRef::as_ref).collect();
        Self::new(&names, series_looks(&names))
    }

    /// Returns the looks of the strategies of a comparison.
    pub(super) fn strategies(comparison: &Comparison) -> Self {
        Self::of_names(comparison.strategies.iter().map(|result| &result.strategy))
    }

    /// Returns the looks of models.
    pub(super) fn models<'a>(models: impl Iterator<Item = &'a ModelName>) -> Self {
        let names: Vec<&str> = super::distinct(models).into_iter().map(ModelName::as_str).collect();
        Self::new(&names, model_looks(&names))
    }

    pub(super) fn of(&self, name: &str) -> Look {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map_or_else(|| Look::at(0), |(_, look)| *look)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    /// Creates a legend with the given key in front of each name.
    pub(super) fn legend(&self, key: fn(Look) -> LegendKey) -> Legend {
        let mut legend = Legend::default();
        for (name, look) in &self.0 {
            legend.add(key(*look), &shortened(&shown(name), 32));
        }
        legend
    }

    pub(super) fn lines(&self) -> Legend {
        self.legend(|look| LegendKey::Line(look.colour, look.dashes))
    }

    pub(super) fn symbols(&self) -> Legend {
        self.legend(|look| LegendKey::Symbol(look.colour, look.symbol))
    }

    pub(super) fn boxes(&self) -> Legend {
        self.legend(LegendKey::Hatched)
    }
}

/// Returns black or white, whichever reads better on a background; black is better on all colours of the palette but
/// blue.
pub(super) fn ink_on(RGBColor(r, g, b): RGBColor) -> RGBColor {
    let luminance = 0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b);
    if luminance > 100.0 { INK } else { RGBColor(0xff, 0xff, 0xff) }
}

/// Returns the dashes of the i-th line as (drawn, blank) dots; they distinguish lines without colour.
pub(super) fn dashes(index: usize) -> Option<(i32, i32)> {
    [None, Some((18, 9)), Some((5, 7)), Some((30, 9)), Some((11, 6)), Some((40, 18))][index % 6]
}

/// Converts the default height of a chart from inches to dots, and applies the height factor of the sheet.
pub(super) fn inches(inches: f64) -> i32 {
    dots(inches * DOTS_PER_INCH * Sheet::current().height)
}

/// Rounds a length in dots.
#[expect(clippy::cast_possible_truncation, reason = "`as` saturates; figures are far smaller")]
pub(super) fn dots(length: f64) -> i32 {
    length.round() as i32
}

/// Converts a count to a number of dots or slots.
pub(super) fn count(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}
