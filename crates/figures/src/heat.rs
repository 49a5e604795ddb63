//! Heat maps of a sweep: a metric over two axes, with a panel for each strategy.

use super::canvas::{Align, Area, DrawResult, Frame, Text, draw, fill, outline, text};
use super::sheet::{self, x_label, y_label};
use super::style::{
    AXIS_LINE, INK, LABEL, MARGIN, NOTE, SHADE, TICK, count, dots, inches, ink_on, one_column,
    two_columns,
};
use super::sweep::{label_line, mean_over, panel_title};
use super::text::{BOLD, fitted, width};
use super::{Figure, PlotError};
use igniter_results::{column_words as words, short};
use plotters::style::RGBColor;

/// One heat map.
#[derive(Debug, Clone, PartialEq)]
pub struct HeatPanel {
    /// Title.
    pub title: String,
    /// Rows from bottom to top, each with a cell for every column; `None` where there is no value.
    pub cells: Vec<Vec<Option<f64>>>,
}

const TITLE: i32 = 48;
const GAP: i32 = 40;

/// Draws a metric over two axes. `x` and `rows` are the names of the axes with their values; `averaged` names the axes
/// that the cells are means over.
///
/// # Errors
/// When it cannot be drawn.
pub fn heat_figure(
    stem: &str,
    panels: &[HeatPanel],
    (x_name, x_values): (&str, &[String]),
    (row_name, row_values): (&str, &[String]),
    number: &str,
    averaged: &[String],
) -> Result<Figure, PlotError> {
    let all = panels.iter().flat_map(|panel| &panel.cells).flatten().flatten().copied();
    let low = all.clone().fold(f64::INFINITY, f64::min);
    let high = all.fold(f64::NEG_INFINITY, f64::max);
    let range = if low < high { (low, high) } else { (low - 1.0, low.max(0.0) + 1.0) };
    let columns = panels.len().clamp(1, 2);
    let total_width = if columns == 1 { one_column() } else { two_columns() };
    let labels = row_values.iter().map(|value| width(value, TICK)).fold(0.0, f64::max);
    let left = MARGIN + label_line() + dots(labels) + 12;
    let inner = (total_width - left - MARGIN - GAP * (count(columns) - 1)) / count(columns);
    let line = (inches(1.8) / count(row_values.len().max(1))).clamp(22, 70);
    let height = line * count(row_values.len());
    let bottom = dots(1.4 * TICK) + label_line();
    let row_height = TITLE + height + bottom + 12;
    let top = MARGIN + label_line() + 30;
    let rows = panels.len().div_ceil(columns);
    let svg = draw((total_width, top + count(rows) * row_height), |area| {
        scale(area, total_width, range, number)?;
        for (slot, panel) in panels.iter().enumerate() {
            let (r, c) = (count(slot / columns), count(slot % columns));
            let frame =
                Frame::new(left + c * (inner + GAP), top + r * row_height + TITLE, inner, height);
            cells(
                area,
                (&panel_title(&sheet::shown(&panel.title), averaged), panel),
                frame,
                range,
            )?;
            let centre = Text::new(TICK, Align::Centre);
            for (i, value) in x_values.iter().enumerate() {
                let cell = f64::from(frame.w) / x_values.len() as f64;
                let at = frame.x + dots((i as f64 + 0.5) * cell);
                // Skip labels where not all of them fit.
                let every = (width("0.000", TICK) / cell).ceil().max(1.0);
                if (i as f64 % every) < 0.5 {
                    text(area, (at, frame.bottom() + dots(0.8 * TICK)), centre, value)?;
                }
            }
            let under = frame.bottom() + dots(1.4 * TICK) + dots(0.7 * LABEL);
            let look = Text::new(LABEL, Align::Centre);
            text(area, (frame.x + frame.w / 2, under), look, &x_label(&words(x_name)))?;
            if c == 0 {
                for (i, value) in row_values.iter().enumerate() {
                    let at = frame.bottom() - count(i) * line - line / 2;
                    let look = Text::new(TICK, Align::Right);
                    text(area, (frame.x - 10, at), look, value)?;
                }
            }
        }
        // One title for all rows of panels: beside each row, a long title would overlap the one below.
        let first = top + TITLE;
        let last = top + count(rows.saturating_sub(1)) * row_height + TITLE + height;
        let at = (MARGIN + dots(0.55 * LABEL), (first + last) / 2);
        text(area, at, Text::new(LABEL, Align::Centre).upright(), &y_label(&words(row_name)))?;
        Ok(())
    })?;
    let mean = mean_over(averaged).map_or_else(String::new, |mean| format!(", {mean}"));
    let (over, number) = (words(x_name), words(number));
    let caption = format!("{number} over {over} and {}{mean}.", words(row_name));
    Ok(Figure { stem: stem.to_owned(), caption, svg })
}

fn cells(
    area: &Area<'_>,
    (title, panel): (&str, &HeatPanel),
    frame: Frame,
    range: (f64, f64),
) -> DrawResult {
    let look = Text::new(TICK, Align::Centre).bold();
    let title = fitted(&sheet::title(title.to_owned()), TICK, f64::from(frame.w) / BOLD);
    text(area, (frame.x + frame.w / 2, frame.y - 22), look, &title)?;
    let rows = count(panel.cells.len().max(1));
    for (i, row) in panel.cells.iter().enumerate() {
        let columns = count(row.len().max(1));
        let (y0, y1) = (edge(frame.h, count(i), rows), edge(frame.h, count(i) + 1, rows));
        for (j, value) in row.iter().enumerate() {
            let (x0, x1) = (edge(frame.w, count(j), columns), edge(frame.w, count(j) + 1, columns));
            let cell = Frame::new(frame.x + x0, frame.bottom() - y1, x1 - x0, y1 - y0);
            let Some(value) = value else {
                fill(area, cell, SHADE)?;
                continue;
            };
            let colour = shade_of((value - range.0) / (range.1 - range.0));
            fill(area, cell, colour)?;
            let label = short(*value);
            if width(&label, NOTE) + 6.0 <= f64::from(cell.w) && cell.h >= 24 {
                let look = Text::new(NOTE, Align::Centre).colour(ink_on(colour));
                text(area, (cell.x + cell.w / 2, cell.y + cell.h / 2), look, &label)?;
            }
        }
    }
    outline(area, frame, INK, AXIS_LINE)
}

fn edge(length: i32, index: i32, of: i32) -> i32 {
    length * index / of
}

/// Draws the colour scale with its values, at the top.
fn scale(area: &Area<'_>, total: i32, (low, high): (f64, f64), number: &str) -> DrawResult {
    let (bar, steps) = (360, 60);
    let title = words(number);
    let title_width = dots(width(&title, LABEL));
    let (low_text, high_text) = (short(low), short(high));
    let low_width = dots(width(&low_text, TICK));
    let x = (total - title_width - low_width - bar - dots(width(&high_text, TICK)) - 60) / 2;
    let y = MARGIN + label_line() / 2;
    text(area, (x, y), Text::new(LABEL, Align::Left), &title)?;
    let from = x + title_width + 24;
    text(area, (from, y), Text::new(TICK, Align::Left), &low_text)?;
    let left = from + low_width + 14;
    for step in 0..steps {
        let at = Frame::new(left + step * bar / steps, y - 14, bar / steps, 28);
        fill(area, at, shade_of((f64::from(step) + 0.5) / f64::from(steps)))?;
    }
    text(area, (left + bar + 14, y), Text::new(TICK, Align::Left), &high_text)
}

/// Colours of cividis (Nuñez, Anderton and Renslow, PLOS ONE 2018) at eight evenly spaced points. The map reads the
/// same with any colour vision and in greyscale.
const CIVIDIS: [(u8, u8, u8); 8] = [
    (0, 34, 78),
    (33, 58, 110),
    (76, 85, 108),
    (108, 110, 114),
    (142, 137, 120),
    (178, 165, 112),
    (217, 197, 92),
    (254, 232, 56),
];

fn shade_of(part: f64) -> RGBColor {
    let at = part.clamp(0.0, 1.0) * (CIVIDIS.len() - 1) as f64;
    let index = (0..CIVIDIS.len() - 2).rev().find(|i| at >= *i as f64).unwrap_or(0);
    let index = if at >= (CIVIDIS.len() - 2) as f64 { CIVIDIS.len() - 2 } else { index };
    let within = at - index as f64;
    let (a, b) = (CIVIDIS[index], CIVIDIS[index + 1]);
    let mix = |a: u8, b: u8| {
        let value = f64::from(a) + (f64::from(b) - f64::from(a)) * within;
        u8::try_from(dots(value).clamp(0, 255)).unwrap_or(u8::MAX)
    };
    RGBColor(mix(a.0, b.0), mix(a.1, b.1), mix(a.2, b.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_run_from_end_to_end() {
        assert_eq!(shade_of(0.0), RGBColor(0, 34, 78));
        assert_eq!(shade_of(1.0), RGBColor(254, 232, 56));
        assert_eq!(shade_of(-3.0), shade_of(0.0));
        // Half-way between the first two of seven steps: 1/14.
        assert_eq!(shade_of(1.0 / 14.0), RGBColor(17, 46, 94));
    }

    #[test]
    fn maps_with_holes_are_drawn() {
        let cells = vec![vec![Some(1.0), None], vec![Some(100.0), Some(50.0)]];
        let panel = HeatPanel { title: "igniter".into(), cells };
        let (x, rows) = (["1".to_owned(), "2".to_owned()], ["0.5".to_owned(), "1".to_owned()]);
        for panels in [vec![panel.clone()], vec![panel.clone(); 3]] {
            let figure =
                heat_figure("h", &panels, ("cv", &x), ("rate_scale", &rows), "attainment_pct", &[]);
            assert!(super::super::canvas::parse(figure.unwrap().svg()).is_ok());
        }
    }
}
