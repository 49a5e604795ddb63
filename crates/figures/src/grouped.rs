//! Charts with one slot per workload, in as many rows as are needed.

use super::axis::Axis;
use super::canvas::{Align, Area, Drawn, Frame, Text, line, text};
use super::panel::{Panel, left_of};
use super::style::{GREY, INK, MARGIN, NOTE, ONE_COLUMN, TICK, TWO_COLUMNS, count, dots};
use super::text::{shortened, width};
use igniter_sim::metrics::WorkloadSummary;
use plotters::style::RGBColor;
use std::ops::Range;

/// Longest workload name in a figure, in characters.
const NAME: usize = 14;

/// Slots for workloads on an x axis.
pub(super) struct Slots<'a> {
    pub(super) workloads: &'a [WorkloadSummary],
    /// Which workloads are in each row.
    pub(super) rows: Vec<Range<usize>>,
    /// Slots in a row: that of the longest.
    pub(super) length: usize,
    pub(super) figure_width: i32,
    pub(super) left: i32,
    pub(super) inner_width: i32,
    upright: bool,
    models: bool,
}

impl<'a> Slots<'a> {
    /// Splits workloads into rows such that each of `bars` bars in a slot stays visible.
    pub(super) fn new(workloads: &'a [WorkloadSummary], bars: usize, y: &Axis) -> Self {
        let narrow = workloads.len() * bars.max(2) <= 12;
        let figure_width = if narrow { ONE_COLUMN } else { TWO_COLUMNS };
        let left = MARGIN + left_of(y);
        let inner_width = figure_width - left - MARGIN;
        let slot = (16 * count(bars) + 16).max(58);
        let limit = usize::try_from(inner_width / slot).unwrap_or(1).max(1);
        let rows = super::rows_of(workloads.len(), limit);
        let length = rows.iter().map(Range::len).max().unwrap_or(1);
        let room = f64::from(inner_width) / length as f64 - 8.0;
        let widest = workloads.iter().map(|w| width(&name(w), TICK)).fold(0.0, f64::max);
        let models = workloads.iter().all(|w| width(&model(w), NOTE) <= room);
        let upright = widest > room;
        Self { workloads, rows, length, figure_width, left, inner_width, upright, models }
    }

    /// The x axis: slot i is from i to i + 1.
    pub(super) fn axis(&self) -> Axis {
        Axis { ticks: Vec::new(), ..Axis::exactly(self.length as f64, 1) }
    }

    /// Room for the names below a row.
    pub(super) fn below(&self) -> i32 {
        if self.upright {
            let widest = self.workloads.iter().map(|w| width(&name(w), TICK)).fold(0.0, f64::max);
            dots(widest) + 34
        } else {
            dots(1.3 * TICK) + if self.models { dots(1.3 * NOTE) } else { 0 } + 22
        }
    }

    /// Writes the names of one row's workloads, with their models where there is room, and draws
    /// lines between the slots.
    pub(super) fn names(&self, area: &Area<'_>, panel: &Panel<'_>, row: &Range<usize>) -> Drawn {
        let inner: Frame = panel.inner;
        for (slot, workload) in self.workloads[row.clone()].iter().enumerate() {
            let x = panel.at(slot as f64 + 0.5, 0.0).0;
            let y = inner.bottom() + 12;
            if self.upright {
                let look = Text::new(TICK, Align::Right).upright();
                text(area, (x, y + 4), look, &name(workload))?;
            } else {
                let at = (x, y + dots(0.6 * TICK));
                text(area, at, Text::new(TICK, Align::Centre), &name(workload))?;
                if self.models {
                    let at = (x, y + dots(1.3 * TICK + 0.55 * NOTE));
                    let look = Text::new(NOTE, Align::Centre).colour(GREY);
                    text(area, at, look, &model(workload))?;
                }
            }
            let edge = panel.at(slot as f64 + 1.0, 0.0).0;
            line(area, &[(edge, inner.bottom()), (edge, inner.bottom() + 8)], INK, 2, None)?;
        }
        Ok(())
    }
}

/// Marks a workload that is not served, on the x axis.
pub(super) fn cross(area: &Area<'_>, (x, y): (i32, i32), colour: RGBColor) -> Drawn {
    text(area, (x, y - 14), Text::new(NOTE, Align::Centre).bold().colour(colour), "×")
}

fn name(workload: &WorkloadSummary) -> String {
    shortened(workload.workload.as_str(), NAME)
}

fn model(workload: &WorkloadSummary) -> String {
    shortened(workload.model.as_str(), 12)
}
