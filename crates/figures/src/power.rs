//! Power and utilisation of every GPU over time.

use super::axis::Axis;
use super::canvas::{Align, Area, Drawn, Frame, Text, draw, shade, text};
use super::panel::{Key, Legend, Panel, below, left_of};
use super::style::{
    LABEL, MARGIN, ONE_COLUMN, SHADE, TICK, TWO_COLUMNS, colour, count, dots, inches,
};
use super::text::shortened;
use super::{Figure, PlotError, file_stem, pages};
use igniter_results::{Comparison, StrategyResult};
use igniter_sim::metrics::GpuSeries;

const COLUMNS: usize = 3;
const ROWS_PER_PAGE: usize = 4;
const TITLE: i32 = 40;

pub(super) fn figures(comparison: &Comparison) -> Result<Vec<Figure>, PlotError> {
    let mut figures = Vec::new();
    for (index, result) in comparison.strategies.iter().enumerate() {
        if result.series.is_empty() {
            continue;
        }
        let mut svgs = Vec::new();
        for page in result.series.chunks(COLUMNS * ROWS_PER_PAGE) {
            svgs.push(draw_page(comparison, result, page)?);
        }
        let name = file_stem(&result.strategy);
        // Two strategies whose names differ only in odd characters must not share a file.
        let earlier = &comparison.strategies[..index];
        let taken = earlier.iter().any(|other| file_stem(&other.strategy) == name);
        let stem = if taken { format!("gpus_{name}_{index}") } else { format!("gpus_{name}") };
        let caption = format!(
            "Power, busy time and busy SMs of each GPU under {}; grey is outside the measured window.",
            shortened(&result.strategy, 40)
        );
        figures.extend(pages(&stem, &caption, svgs));
    }
    Ok(figures)
}

fn draw_page(
    comparison: &Comparison,
    result: &StrategyResult,
    page: &[GpuSeries],
) -> Result<String, PlotError> {
    let columns = result.series.len().min(COLUMNS);
    let figure_width = if columns == 1 { ONE_COLUMN } else { TWO_COLUMNS };
    let mut legend = Legend::default();
    legend.add(Key::Line(colour(5), None), "power");
    legend.add(Key::Line(colour(0), None), "time with a batch executing");
    legend.add(Key::Line(colour(2), Some((14, 7))), "busy SMs");
    legend.add(Key::Box(SHADE), "not measured");
    let legend_height = legend.height(figure_width - 2 * MARGIN);
    let all = result.series.iter().flat_map(|series| &series.bins);
    let peak = all.map(|bin| bin.power_w).fold(0.0, f64::max);
    let power = Axis::from_zero(peak, 3);
    let share = Axis::from_zero(100.0, 2);
    let time = Axis::exactly(comparison.simulated_s, 4);
    let left = left_of(&power).max(left_of(&share));
    let y_title = dots(1.4 * LABEL);
    let cell = (figure_width - 2 * MARGIN) / count(columns);
    let inner_width = cell - left - y_title - 24;
    let (high, low, gap) = (inches(0.75), inches(0.55), 36);
    let row_height = TITLE + high + gap + low + below(&time) + 14;
    let rows = page.len().div_ceil(columns);
    let rows_end = MARGIN + legend_height + count(rows) * row_height;
    let total = rows_end + dots(LABEL);
    draw((figure_width, total), |area| {
        legend.draw(area, MARGIN, figure_width)?;
        let at = (figure_width / 2, rows_end + dots(0.2 * LABEL));
        text(area, at, Text::new(LABEL, Align::Centre), "Time (s)")?;
        for (slot, series) in page.iter().enumerate() {
            let (row, column) = (count(slot / columns), count(slot % columns));
            let x = MARGIN + column * cell + y_title + left;
            let top = MARGIN + legend_height + row * row_height + TITLE;
            let upper = Frame::new(x, top, inner_width, high);
            let lower = Frame::new(x, top + high + gap, inner_width, low);
            if column == 0 {
                let look = Text::new(TICK, Align::Centre).upright();
                let title_x = x - left - y_title / 2;
                text(area, (title_x, upper.y + high / 2), look, "Power (W)")?;
                text(area, (title_x, lower.y + low / 2), look, "Busy (%)")?;
            }
            let at = (x + inner_width / 2, top - 20);
            let name = format!("GPU {}", series.gpu);
            text(area, at, Text::new(TICK, Align::Centre).bold(), &name)?;
            let axes = (time.clone(), power.clone(), share.clone());
            draw_gpu(area, comparison, series, (upper, lower), axes)?;
        }
        Ok(())
    })
}

fn draw_gpu(
    area: &Area<'_>,
    comparison: &Comparison,
    series: &GpuSeries,
    (upper, lower): (Frame, Frame),
    (time, power, share): (Axis, Axis, Axis),
) -> Drawn {
    let share_of_run = |seconds: f64| seconds / comparison.simulated_s.max(f64::MIN_POSITIVE);
    for frame in [upper, lower] {
        let at = |seconds| frame.x + dots(share_of_run(seconds) * f64::from(frame.w));
        let (start, end) = (at(comparison.window_start_s), at(comparison.window_end_s));
        shade(area, Frame { w: start - frame.x, ..frame })?;
        shade(area, Frame { x: end, w: frame.right() - end, ..frame })?;
    }
    let line = |of: &dyn Fn(&igniter_sim::metrics::SeriesBin) -> f64| -> Vec<(f64, f64)> {
        series.bins.iter().map(|bin| (0.5 * (bin.start_s + bin.end_s), of(bin))).collect()
    };
    let mut panel = Panel::open(area, upper, time.clone().unlabelled(), power)?;
    panel.line(&line(&|bin| bin.power_w), colour(5), None)?;
    let mut panel = Panel::open(area, lower, time, share)?;
    panel.line(&line(&|bin| 100.0 * bin.utilisation), colour(0), None)?;
    panel.line(&line(&|bin| bin.sm_utilisation_pct), colour(2), Some((14, 7)))
}
