//! One look for all figures: print sizes, fonts, colours.
//!
//! A figure is laid out in dots of 1/300 inch, so that a column of a paper is exactly 1050 or 2148 dots
//! wide; SVG files carry the size in inches, PNG files have one pixel per dot.

use plotters::style::RGBColor;

/// Dots per inch: the unit of every coordinate, and the resolution of PNG files.
pub(super) const DOTS_PER_INCH: f64 = 300.0;
/// One column of a two-column paper: 3.5 in.
pub(super) const ONE_COLUMN: i32 = 1050;
/// Both columns of a two-column paper: 7.16 in.
pub(super) const TWO_COLUMNS: i32 = 2148;
/// The blank border of every figure.
pub(super) const MARGIN: i32 = 16;

/// Axis titles, legends and panel titles: 8 pt.
pub(super) const LABEL: f64 = 33.3;
/// Tick labels: 7 pt.
pub(super) const TICK: f64 = 29.2;
/// Notes inside a chart: 6 pt.
pub(super) const NOTE: f64 = 25.0;
/// The smallest text that is still printed: 5 pt.
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
/// What is outside the measured window, and other backgrounds.
pub(super) const SHADE: RGBColor = RGBColor(0xee, 0xee, 0xee);
/// Secondary marks.
pub(super) const GREY: RGBColor = RGBColor(0x70, 0x70, 0x70);

/// The colour-blind-safe palette of Okabe and Ito (2008), its black replaced by grey because ink is
/// black already; yellow comes late because it is weak on white.
const OKABE_ITO: [RGBColor; 8] = [
    RGBColor(0x00, 0x72, 0xb2), // blue
    RGBColor(0xe6, 0x9f, 0x00), // orange
    RGBColor(0x00, 0x9e, 0x73), // bluish green
    RGBColor(0xcc, 0x79, 0xa7), // reddish purple
    RGBColor(0x56, 0xb4, 0xe9), // sky blue
    RGBColor(0xd5, 0x5e, 0x00), // vermilion
    RGBColor(0x80, 0x80, 0x80), // grey
    RGBColor(0xf0, 0xe4, 0x42), // yellow
];

/// The colour of the i-th series. After eight the palette repeats, half-way to white.
pub(super) fn colour(index: usize) -> RGBColor {
    let RGBColor(r, g, b) = OKABE_ITO[index % OKABE_ITO.len()];
    let fade = |c: u8| if index / OKABE_ITO.len() % 2 == 1 { c / 2 + 127 } else { c };
    RGBColor(fade(r), fade(g), fade(b))
}

/// Black or white, whichever reads better on a background: on all colours of the palette but blue, black does.
pub(super) fn ink_on(RGBColor(r, g, b): RGBColor) -> RGBColor {
    let luminance = 0.299 * f64::from(r) + 0.587 * f64::from(g) + 0.114 * f64::from(b);
    if luminance > 100.0 { INK } else { RGBColor(0xff, 0xff, 0xff) }
}

/// The dashes of the i-th line, as (drawn, blank) dots: lines stay distinct without colour.
pub(super) fn dashes(index: usize) -> Option<(i32, i32)> {
    [None, Some((18, 9)), Some((5, 7)), Some((30, 9)), Some((11, 6)), Some((40, 18))][index % 6]
}

/// Length in dots of a number of inches.
#[expect(clippy::cast_possible_truncation, reason = "figures are far below 2^31 dots")]
pub(super) fn inches(inches: f64) -> i32 {
    (inches * DOTS_PER_INCH).round() as i32
}

/// Rounds a length in dots.
#[expect(clippy::cast_possible_truncation, reason = "`as` saturates; figures are far smaller")]
pub(super) fn dots(length: f64) -> i32 {
    length.round() as i32
}

/// A count as a number of dots or slots.
pub(super) fn count(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}
