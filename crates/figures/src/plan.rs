//! The provisioning plans: one bar per GPU, stacked from the SM shares of its workloads.

use super::axis::Axis;
use super::canvas::{Align, Area, DrawResult, Frame, Text, draw, fill, outline, text};
use super::panel::{LegendKey, Panel, below, left_of};
use super::sheet::{self, shown};
use super::style::{
    GREY, LABEL, Looks, MARGIN, NOTE, SMALLEST, TICK, count, dots, inches, ink_on, one_column,
    two_columns,
};
use super::text::{BOLD, fitted, shortened, width};
use super::{Figure, PlotError, SAMPLE, distinct, pages, rows_of};
use igniter_results::{Comparison, PlanRow, StrategyResult, trimmed};
use plotters::style::RGBColor;

const GPUS_PER_ROW: usize = 8;
const ROWS_PER_PAGE: usize = 3;
/// Maximum number of pages for all strategies together; they show the first GPUs of each strategy.
const PAGES: usize = 4;
const TITLE: i32 = 52;

pub(super) fn figures(comparison: &Comparison) -> Result<Vec<Figure>, PlotError> {
    // Plans that follow the load are drawn as lanes instead.
    let one_plan = |result: &&StrategyResult| result.details.following.is_none();
    let results: Vec<&StrategyResult> = comparison.strategies.iter().filter(one_plan).collect();
    let most = results.iter().map(|r| r.gpu_count).max().unwrap_or(0);
    if most == 0 {
        return Ok(Vec::new());
    }
    let slots = rows_of(most, GPUS_PER_ROW).first().map_or(1, ExactSizeIterator::len);
    let all: usize = results.iter().map(|r| rows_of(r.gpu_count, slots).len()).sum();
    let sheets = if all > SAMPLE * PAGES * ROWS_PER_PAGE { PAGES / 2 } else { PAGES };
    let each = (sheets * ROWS_PER_PAGE / results.len()).max(1);
    let mut rows = Vec::new();
    for result in results {
        for gpus in rows_of(result.gpu_count, slots).into_iter().take(each) {
            rows.push((result, gpus));
        }
    }
    let models =
        Looks::models(comparison.strategies.iter().flat_map(|r| &r.plan).map(|row| &row.model));
    let mut svgs = Vec::new();
    for page in rows.chunks(ROWS_PER_PAGE) {
        svgs.push(draw_page(page, slots, &models)?);
    }
    let caption = "Provisioning plans: the SM share of every workload on every GPU, with its model \
                   and batch size.";
    Ok(pages("plan", caption, svgs))
}

fn draw_page(
    rows: &[(&StrategyResult, std::ops::Range<usize>)],
    slots: usize,
    models: &Looks,
) -> Result<String, PlotError> {
    let legend = models.legend(|look| LegendKey::Box(look.colour));
    let figure_width = if slots <= 3 { one_column() } else { two_columns() };
    let y = Axis::from_zero(100.0, 4).titled("SM share (%)");
    let left = MARGIN + left_of(&y);
    let inner_width = figure_width - left - MARGIN;
    let legend_height = legend.height(figure_width - 2 * MARGIN);
    // High enough for a label in the smallest share, up to a limit.
    let smallest = rows
        .iter()
        .flat_map(|(result, gpus)| result.plan.iter().filter(|row| gpus.contains(&row.gpu)))
        .map(|row| row.sm_pct)
        .fold(100.0, f64::min);
    let height = dots(100.0 / smallest.max(0.1) * 1.12 * SMALLEST).clamp(inches(1.9), inches(3.2));
    let under = below(&x_axis(slots)) + 14;
    let row_height = TITLE + height + under;
    let total = MARGIN + legend_height + count(rows.len()) * row_height + MARGIN;
    draw((figure_width, total), |area| {
        legend.draw(area, MARGIN, figure_width)?;
        for (index, (result, gpus)) in rows.iter().enumerate() {
            let top = MARGIN + legend_height + count(index) * row_height;
            let inner = Frame::new(left, top + TITLE, inner_width, height);
            let title =
                fitted(&sheet::title(title(result, gpus)), LABEL, f64::from(inner_width) / BOLD);
            let at = (left, top + TITLE / 2);
            text(area, at, Text::new(LABEL, Align::Left).bold(), &title)?;
            let mut panel = Panel::open(area, inner, x_axis(slots), y.clone())?;
            for (slot, gpu) in gpus.clone().enumerate() {
                stack(area, &mut panel, slot, gpu, result, models)?;
            }
        }
        Ok(())
    })
}

fn x_axis(slots: usize) -> Axis {
    Axis { ticks: Vec::new(), ..Axis::exactly(slots as f64, 1) }
}

fn title(result: &StrategyResult, gpus: &std::ops::Range<usize>) -> String {
    let name = shortened(&shown(&result.strategy), 30);
    let plural = if result.gpu_count == 1 { "" } else { "s" };
    let part = if gpus.len() == result.gpu_count {
        String::new()
    } else {
        format!(" (GPUs {} to {})", gpus.start, gpus.end - 1)
    };
    format!("{name}: {} GPU{plural}, {:.2} $/h{part}", result.gpu_count, result.cost_per_hour)
}

fn stack(
    area: &Area<'_>,
    panel: &mut Panel<'_>,
    slot: usize,
    gpu: usize,
    result: &StrategyResult,
    models: &Looks,
) -> DrawResult {
    // The bar of a single GPU does not fill the figure.
    let half = if panel.length() < 1.5 { 0.25 } else { 0.45 };
    let (from, to) = (slot as f64 + 0.5 - half, slot as f64 + 0.5 + half);
    let mut base = 0.0;
    let rows: Vec<&PlanRow> = result.plan.iter().filter(|row| row.gpu == gpu).collect();
    // Workloads that take turns are drawn side by side on the SMs that they share.
    let mut shared: Vec<(u32, f64, usize)> = Vec::new();
    for row in &rows {
        let colour = models.of(row.model.as_str()).colour;
        let (bottom, place, of) = match row.time_slot {
            None => (base, 0, 1),
            Some(slot) => {
                let of = rows.iter().filter(|other| other.time_slot == row.time_slot).count();
                match shared.iter_mut().find(|(known, ..)| *known == slot) {
                    Some((_, bottom, place)) => {
                        *place += 1;
                        (*bottom, *place, of)
                    }
                    None => {
                        shared.push((slot, base, 0));
                        (base, 0, of)
                    }
                }
            }
        };
        let part = |place: usize| from + (to - from) * place as f64 / of as f64;
        let (x0, y1) = panel.at(part(place), bottom);
        let (x1, y0) = panel.at(part(place + 1), bottom + row.sm_pct);
        let segment = Frame::new(x0, y0, x1 - x0, y1 - y0);
        fill(area, segment, colour)?;
        outline(area, segment, RGBColor(255, 255, 255), 3)?;
        label(area, segment, row, ink_on(colour))?;
        if place == 0 {
            base += row.sm_pct;
        }
    }
    let (x0, y0) = panel.at(from, 100.0);
    let (x1, y1) = panel.at(to, 0.0);
    outline(area, Frame::new(x0, y0, x1 - x0, y1 - y0), GREY, 2)?;
    let kind = result.plan.iter().find(|row| row.gpu == gpu).map(|row| row.kind.as_str());
    let name = match kind {
        Some(kind) if mixed(result) => format!("GPU {gpu} ({kind})"),
        _ => format!("GPU {gpu}"),
    };
    let at = (x0.midpoint(x1), panel.inner.bottom() + dots(TICK));
    let name = fitted(&name, TICK, f64::from(x1 - x0) * 1.08);
    text(area, at, Text::new(TICK, Align::Centre), &name)
}

fn mixed(result: &StrategyResult) -> bool {
    distinct(result.plan.iter().map(|row| &row.kind)).len() > 1
}

/// Writes the label of a segment in the first layout that fits.
fn label(area: &Area<'_>, segment: Frame, row: &PlanRow, ink: RGBColor) -> DrawResult {
    let (workload, model) =
        (shortened(row.workload.as_str(), 14), shortened(row.model.as_str(), 14));
    let share = format!("{}% b{}", trimmed(row.sm_pct), row.batch);
    let layouts = [
        vec![format!("{workload} {model} {share}")],
        vec![format!("{workload} {model}"), share.clone()],
        vec![workload.clone(), model, share.clone()],
        vec![workload.clone(), share.clone()],
        vec![format!("{workload} {share}")],
    ];
    let (w, h) = (f64::from(segment.w) - 8.0, f64::from(segment.h) - 2.0);
    // The model is left out only if it does not fit at any size.
    for layouts in [&layouts[..3], &layouts[3..]] {
        for size in [NOTE, 22.9, SMALLEST] {
            if let Some(lines) = layouts.iter().find(|lines| fits(lines, size, w, h)) {
                return write(area, segment, lines, size, ink);
            }
        }
    }
    if h >= 0.95 * SMALLEST {
        let cut = [fitted(&layouts[4][0], SMALLEST, w)];
        return write(area, segment, &cut, SMALLEST, ink);
    }
    Ok(())
}

fn fits(lines: &[String], size: f64, w: f64, h: f64) -> bool {
    let line_height = if lines.len() == 1 { 1.0 } else { 1.15 };
    lines.len() as f64 * line_height * size <= h && lines.iter().all(|line| width(line, size) <= w)
}

fn write(
    area: &Area<'_>,
    segment: Frame,
    lines: &[String],
    size: f64,
    ink: RGBColor,
) -> DrawResult {
    let (x, middle) =
        (segment.x + segment.w / 2, f64::from(segment.y) + f64::from(segment.h) / 2.0);
    let first = middle - (lines.len() as f64 - 1.0) / 2.0 * 1.15 * size;
    for (index, words) in lines.iter().enumerate() {
        let y = dots(first + index as f64 * 1.15 * size);
        text(area, (x, y), Text::new(size, Align::Centre).colour(ink), words)?;
    }
    Ok(())
}
