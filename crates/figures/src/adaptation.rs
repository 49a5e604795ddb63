//! What controllers and faults do over time: P99, SM share and batch of each workload, window by window.

use super::axis::Axis;
use super::canvas::{Align, Area, Drawn, Frame, Text, draw, text};
use super::panel::{Key, Legend, Panel, below, left_of};
use super::style::{LABEL, MARGIN, ONE_COLUMN, TICK, TWO_COLUMNS, colour, count, dots, inches};
use super::text::shortened;
use super::{Figure, PlotError, file_stem, pages};
use igniter_model::domain::WorkloadName;
use igniter_results::{Comparison, StrategyResult, WindowRow};

const COLUMNS: usize = 3;
const ROWS_PER_PAGE: usize = 4;
const TITLE: i32 = 40;
const GAP: i32 = 30;
const SLO_DASHES: (i32, i32) = (9, 7);

/// One workload on one GPU.
#[derive(Debug)]
struct Course<'a> {
    workload: &'a WorkloadName,
    gpu: usize,
    slo_ms: f64,
    windows: Vec<&'a WindowRow>,
}

/// One figure for each strategy on whose GPUs anything changed, with the workloads of those GPUs.
pub(super) fn figures(comparison: &Comparison) -> Result<Vec<Figure>, PlotError> {
    let mut figures = Vec::new();
    for (index, result) in comparison.strategies.iter().enumerate() {
        let courses = courses(result);
        if courses.is_empty() {
            continue;
        }
        let mut svgs = Vec::new();
        for page in courses.chunks(COLUMNS * ROWS_PER_PAGE) {
            svgs.push(draw_page(comparison, &courses, page)?);
        }
        let name = file_stem(&result.strategy);
        let earlier = &comparison.strategies[..index];
        let taken = earlier.iter().any(|other| file_stem(&other.strategy) == name);
        let suffix = if taken { format!("_{index}") } else { String::new() };
        let caption = format!(
            "P99 of each window in multiples of the SLO, SM share and largest batch under {}; windows \
             without a completed request leave a gap.",
            shortened(&result.strategy, 40)
        );
        figures.extend(pages(&format!("adaptation_{name}{suffix}"), &caption, svgs));
    }
    Ok(figures)
}

fn courses(result: &StrategyResult) -> Vec<Course<'_>> {
    let mut courses: Vec<Course<'_>> = Vec::new();
    for summary in &result.workloads {
        for gpu in 0..result.gpu_count {
            if !result.actions.iter().any(|action| action.gpu == gpu) {
                continue;
            }
            let own = |row: &&WindowRow| row.gpu == gpu && row.workload == summary.workload;
            let windows: Vec<&WindowRow> = result.adaptation.iter().filter(own).collect();
            if !windows.is_empty() {
                let (workload, slo_ms) = (&summary.workload, summary.slo_ms);
                courses.push(Course { workload, gpu, slo_ms, windows });
            }
        }
    }
    courses
}

/// The axes that all courses of a figure share.
#[derive(Debug, Clone)]
struct Axes {
    time: Axis,
    p99: Axis,
    share: Axis,
    batch: Axis,
}

impl Axes {
    fn new(comparison: &Comparison, courses: &[Course<'_>]) -> Self {
        let ratios = courses.iter().flat_map(|course| {
            course.windows.iter().filter_map(|row| Some(row.p99_ms? / course.slo_ms))
        });
        let (low, high) =
            ratios.fold((1.0_f64, 1.0_f64), |(low, high), ratio| (low.min(ratio), high.max(ratio)));
        let rows = || courses.iter().flat_map(|course| &course.windows);
        let share = rows().map(|row| row.sm_pct).fold(100.0, f64::max);
        let batch = rows().map(|row| f64::from(row.batch)).fold(1.0, f64::max);
        let p99 = if high > 5.0 {
            Axis::log((0.7 * low).max(0.01), 1.3 * high, 4)
        } else {
            Axis::from_zero(high, 3)
        };
        Self {
            time: Axis::exactly(comparison.simulated_s, 4),
            p99,
            share: Axis::from_zero(share, 2),
            batch: Axis::from_zero(batch, 2),
        }
    }
}

fn draw_page(
    comparison: &Comparison,
    all: &[Course<'_>],
    page: &[Course<'_>],
) -> Result<String, PlotError> {
    let columns = all.len().min(COLUMNS);
    let figure_width = if columns == 1 { ONE_COLUMN } else { TWO_COLUMNS };
    let mut legend = Legend::default();
    legend.add(Key::Line(colour(5), None), "P99 / SLO");
    legend.add(Key::Line(colour(1), Some(SLO_DASHES)), "SLO");
    legend.add(Key::Line(colour(0), None), "SM share");
    legend.add(Key::Line(colour(2), None), "largest batch");
    let legend_height = legend.height(figure_width - 2 * MARGIN);
    let axes = Axes::new(comparison, all);
    let left = left_of(&axes.p99).max(left_of(&axes.share)).max(left_of(&axes.batch));
    let y_title = dots(1.4 * LABEL);
    let cell = (figure_width - 2 * MARGIN) / count(columns);
    let inner_width = cell - left - y_title - 24;
    let (high, low) = (inches(0.7), inches(0.36));
    let row_height = TITLE + high + 2 * (GAP + low) + below(&axes.time) + 14;
    let rows = page.len().div_ceil(columns);
    let rows_end = MARGIN + legend_height + count(rows) * row_height;
    draw((figure_width, rows_end + dots(LABEL)), |area| {
        legend.draw(area, MARGIN, figure_width)?;
        let at = (figure_width / 2, rows_end + dots(0.2 * LABEL));
        text(area, at, Text::new(LABEL, Align::Centre), "Time (s)")?;
        for (slot, course) in page.iter().enumerate() {
            let (row, column) = (count(slot / columns), count(slot % columns));
            let x = MARGIN + column * cell + y_title + left;
            let top = MARGIN + legend_height + row * row_height + TITLE;
            let share = top + high + GAP;
            let batch = share + low + GAP;
            let frames = [(top, high), (share, low), (batch, low)]
                .map(|(y, height)| Frame::new(x, y, inner_width, height));
            if column == 0 {
                let look = Text::new(TICK, Align::Centre).upright();
                let title_x = x - left - y_title / 2;
                for (frame, words) in frames.iter().zip(["P99 / SLO", "SM %", "Batch"]) {
                    text(area, (title_x, frame.y + frame.h / 2), look, words)?;
                }
            }
            let at = (x + inner_width / 2, top - 20);
            let name = format!("{} (GPU {})", shortened(course.workload.as_str(), 16), course.gpu);
            text(area, at, Text::new(TICK, Align::Centre).bold(), &name)?;
            draw_course(area, course, frames, axes.clone())?;
        }
        Ok(())
    })
}

fn draw_course(
    area: &Area<'_>,
    course: &Course<'_>,
    [p99, share, batch]: [Frame; 3],
    axes: Axes,
) -> Drawn {
    let bottom = axes.p99.low;
    let mut panel = Panel::open(area, p99, axes.time.clone().unlabelled(), axes.p99)?;
    panel.across(1.0, colour(1), SLO_DASHES)?;
    // A window in which nobody was answered breaks the line.
    for run in course.windows.chunk_by(|a, b| a.p99_ms.is_some() == b.p99_ms.is_some()) {
        let points: Vec<(f64, f64)> = run
            .iter()
            .filter_map(|row| {
                let ratio = (row.p99_ms? / course.slo_ms).max(bottom);
                Some((0.5 * (row.start_s + row.end_s), ratio))
            })
            .collect();
        if !points.is_empty() {
            panel.line(&points, colour(5), None)?;
        }
    }
    let steps = |of: &dyn Fn(&WindowRow) -> f64| -> Vec<(f64, f64)> {
        let ends = |row: &&WindowRow| [(row.start_s, of(row)), (row.end_s, of(row))];
        course.windows.iter().flat_map(ends).collect()
    };
    let mut panel = Panel::open(area, share, axes.time.clone().unlabelled(), axes.share)?;
    panel.line(&steps(&|row| row.sm_pct), colour(0), None)?;
    let mut panel = Panel::open(area, batch, axes.time, axes.batch)?;
    panel.line(&steps(&|row| f64::from(row.batch)), colour(2), None)
}
