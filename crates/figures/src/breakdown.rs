//! Where the time of a request goes: queue, load, execution, feedback.

use super::axis::Axis;
use super::canvas::{Align, Area, Drawn, Frame, Text, draw, text};
use super::grouped::{Slots, cross};
use super::panel::{Key, Legend, Panel};
use super::style::{GREY, LABEL, MARGIN, colour, count, inches};
use super::text::shortened;
use super::{Figure, PlotError, pages};
use igniter_results::{Comparison, StrategyResult};
use igniter_sim::metrics::WorkloadSummary;
use std::ops::Range;

const ROWS_PER_PAGE: usize = 4;
const TITLE: i32 = 50;

/// The mean time of a stage, in ms.
type Stage = fn(&WorkloadSummary) -> Option<f64>;

/// The stages in the order in which a request goes through them, with their colours.
const STAGES: [(&str, usize, Stage); 4] = [
    ("queue", 6, |w| w.queue_ms),
    ("load", 4, |w| w.load_ms),
    ("execution", 0, |w| w.exec_ms),
    ("feedback", 1, |w| w.feedback_ms),
];

pub(super) fn figures(comparison: &Comparison) -> Result<Vec<Figure>, PlotError> {
    let highest: Vec<f64> = comparison.strategies.iter().map(highest).collect();
    let top = highest.iter().copied().fold(0.0, f64::max);
    // One scale for all strategies, unless it would flatten one of them.
    let axis_of = |high: f64| axis(if 3.0 * high < top { high } else { top });
    let axes: Vec<Axis> = highest.iter().map(|high| axis_of(*high)).collect();
    let Some(widest) = axes.iter().max_by_key(|axis| super::panel::left_of(axis)).cloned() else {
        return Ok(Vec::new());
    };
    let slots = Slots::new(&comparison.strategies[0].workloads, 1, &widest);
    let strategies = comparison.strategies.iter().zip(&axes);
    let rows: Vec<Row<'_>> = strategies
        .flat_map(|(result, axis)| slots.rows.iter().map(move |row| (result, axis, row)))
        .collect();
    let mut svgs = Vec::new();
    for page in rows.chunks(ROWS_PER_PAGE) {
        svgs.push(draw_page(&slots, page)?);
    }
    let caption = "Mean latency per workload, split into waiting, copying to the GPU, execution and \
                   copying back (a cross: not served).";
    Ok(pages("breakdown", caption, svgs))
}

type Row<'a> = (&'a StrategyResult, &'a Axis, &'a Range<usize>);

fn highest(result: &StrategyResult) -> f64 {
    result.workloads.iter().filter_map(|w| w.mean_ms).fold(0.0, f64::max)
}

fn axis(high: f64) -> Axis {
    Axis::from_zero(high, 4).titled("Mean latency (ms)")
}

fn draw_page(slots: &Slots<'_>, rows: &[Row<'_>]) -> Result<String, PlotError> {
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
        for (index, (result, axis, row)) in rows.iter().enumerate() {
            let top = MARGIN + legend_height + count(index) * row_height;
            let inner = Frame::new(slots.left, top + TITLE, slots.inner_width, height);
            let title = shortened(&result.strategy, 40);
            let look = Text::new(LABEL, Align::Left).bold();
            text(area, (slots.left, top + TITLE / 2), look, &title)?;
            let mut panel = Panel::open(area, inner, slots.axis(), (*axis).clone())?;
            bars(area, &mut panel, result, row)?;
            slots.names(area, &panel, row)?;
        }
        Ok(())
    })
}

fn bars(
    area: &Area<'_>,
    panel: &mut Panel<'_>,
    result: &StrategyResult,
    row: &Range<usize>,
) -> Drawn {
    for (slot, workload) in result.workloads[row.clone()].iter().enumerate() {
        let (from, to) = (slot as f64 + 0.25, slot as f64 + 0.75);
        if !workload.served {
            cross(area, panel.at(slot as f64 + 0.5, 0.0), GREY)?;
        }
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
