//! Where the time of a request goes: queue, load, execution, feedback.

use super::axis::Axis;
use super::canvas::{Align, Drawn, Frame, Text, draw, text};
use super::grouped::Slots;
use super::panel::{Key, Legend, Panel};
use super::style::{LABEL, MARGIN, colour, count, inches};
use super::text::shortened;
use super::{Figure, PlotError, pages};
use crate::metrics::WorkloadSummary;
use crate::report::{Comparison, StrategyResult};
use std::ops::Range;

const ROWS_PER_PAGE: usize = 4;
const TITLE: i32 = 50;

/// The stages in the order in which a request goes through them, with their colours.
const STAGES: [(&str, usize, fn(&WorkloadSummary) -> Option<f64>); 4] = [
    ("queue", 6, |w| w.queue_ms),
    ("load", 4, |w| w.load_ms),
    ("execution", 0, |w| w.exec_ms),
    ("feedback", 1, |w| w.feedback_ms),
];

pub(super) fn figures(comparison: &Comparison) -> Result<Vec<Figure>, PlotError> {
    // Only the room that labels take depends on this axis; each strategy gets its own below.
    let widest = comparison.strategies.iter().map(axis).max_by_key(super::panel::left_of);
    let Some(widest) = widest else { return Ok(Vec::new()) };
    let slots = Slots::new(&comparison.strategies[0].workloads, 1, &widest);
    let rows: Vec<(&StrategyResult, &Range<usize>)> = comparison
        .strategies
        .iter()
        .flat_map(|result| slots.rows.iter().map(move |row| (result, row)))
        .collect();
    let mut svgs = Vec::new();
    for page in rows.chunks(ROWS_PER_PAGE) {
        svgs.push(draw_page(&slots, page)?);
    }
    let caption = "Mean latency per workload, split into waiting, copying to the GPU, execution and \
                   copying back.";
    Ok(pages("breakdown", caption, svgs))
}

fn axis(result: &StrategyResult) -> Axis {
    let high = result.workloads.iter().filter_map(|w| w.mean_ms).fold(0.0, f64::max);
    Axis::from_zero(high, 4).titled("Mean latency (ms)")
}

fn draw_page(
    slots: &Slots<'_>,
    rows: &[(&StrategyResult, &Range<usize>)],
) -> Result<String, PlotError> {
    let mut legend = Legend::default();
    for (name, index, _) in STAGES {
        legend.add(Key::Box(colour(index)), name);
    }
    let legend_height = legend.height(slots.figure_width - 2 * MARGIN);
    let height = inches(1.4);
    let row_height = TITLE + height + slots.below();
    let total = MARGIN + legend_height + count(rows.len()) * row_height + 12;
    draw((slots.figure_width, total), |area| {
        legend.draw(area, MARGIN, slots.figure_width)?;
        for (index, (result, row)) in rows.iter().enumerate() {
            let top = MARGIN + legend_height + count(index) * row_height;
            let inner = Frame::new(slots.left, top + TITLE, slots.inner_width, height);
            let title = shortened(&result.strategy, 40);
            let look = Text::new(LABEL, Align::Left).bold();
            text(area, (slots.left, top + TITLE / 2), look, &title)?;
            let mut panel = Panel::open(area, inner, slots.axis(), axis(result))?;
            bars(&mut panel, result, row)?;
            slots.names(area, &panel, row)?;
        }
        Ok(())
    })
}

fn bars(panel: &mut Panel<'_>, result: &StrategyResult, row: &Range<usize>) -> Drawn {
    for (slot, workload) in result.workloads[row.clone()].iter().enumerate() {
        let (from, to) = (slot as f64 + 0.25, slot as f64 + 0.75);
        let mut base = 0.0;
        for (_, index, stage) in STAGES {
            if let Some(ms) = stage(workload) {
                panel.bar((from, base), (to, base + ms), colour(index))?;
                base += ms;
            }
        }
    }
    Ok(())
}
