//! P99 against the SLO, and SLO violations: bars per workload and strategy.

use super::axis::{Axis, Scale};
use super::canvas::{Area, Drawn, Frame, draw, line};
use super::grouped::Slots;
use super::panel::{Key, Legend, Panel};
use super::style::{GREY, INK, MARGIN, colour, count, inches};
use super::{Figure, PlotError, pages};
use igniter_results::Comparison;
use igniter_sim::metrics::WorkloadSummary;

const ROWS_PER_PAGE: usize = 4;
/// Above this ratio of highest to lowest a linear axis hides the lowest.
const LINEAR_RATIO: f64 = 25.0;

/// What a bar chart shows.
struct Chart<'a> {
    comparison: &'a Comparison,
    y: Axis,
    value: fn(&WorkloadSummary) -> Option<f64>,
    /// A tick in each slot.
    slo: bool,
    /// A line across the chart.
    limit: Option<(f64, &'static str)>,
}

pub(super) fn p99_figures(comparison: &Comparison) -> Result<Vec<Figure>, PlotError> {
    let all = || comparison.strategies.iter().flat_map(|result| &result.workloads);
    let values = || all().flat_map(|w| [w.p99_ms, Some(w.slo_ms)]).flatten().filter(|v| *v > 0.0);
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    let y = if high > LINEAR_RATIO * low {
        Axis::log(0.7 * low, high, 6)
    } else {
        Axis::from_zero(1.03 * high, 5)
    };
    let chart = Chart {
        comparison,
        y: y.titled("P99 latency (ms)"),
        value: |w| w.p99_ms,
        slo: true,
        limit: None,
    };
    let caption = "The 99th percentile of latency per workload and strategy against the SLO \
                   (a cross marks a workload that is not served).";
    chart.figures("p99", caption)
}

pub(super) fn violation_figures(comparison: &Comparison) -> Result<Vec<Figure>, PlotError> {
    let all = comparison.strategies.iter().flat_map(|result| &result.workloads);
    let high = all.filter_map(|w| w.slo_violation_pct).fold(0.0, f64::max);
    let y = if high > 10.0 { Axis::log(0.01, 100.0, 5) } else { Axis::from_zero(high.max(1.5), 4) };
    let chart = Chart {
        comparison,
        y: y.titled("SLO violations (%)"),
        value: |w| w.slo_violation_pct,
        slo: false,
        limit: Some((1.0, "1 %: P99 = SLO")),
    };
    let caption = "The share of requests that took longer than the SLO, per workload and strategy \
                   (no bar: none; a cross: not served).";
    chart.figures("violations", caption)
}

impl Chart<'_> {
    fn figures(&self, stem: &str, caption: &str) -> Result<Vec<Figure>, PlotError> {
        let strategies = &self.comparison.strategies;
        let slots = Slots::new(&strategies[0].workloads, strategies.len(), &self.y);
        let mut svgs = Vec::new();
        for page in slots.rows.chunks(ROWS_PER_PAGE) {
            svgs.push(self.page(&slots, page)?);
        }
        Ok(pages(stem, caption, svgs))
    }

    fn legend(&self) -> Legend {
        let mut legend = Legend::default();
        for (index, result) in self.comparison.strategies.iter().enumerate() {
            legend.add(Key::Box(colour(index)), &super::text::shortened(&result.strategy, 24));
        }
        if self.slo {
            legend.add(Key::Line(INK, None), "SLO");
        }
        if let Some((_, words)) = self.limit {
            legend.add(Key::Line(GREY, Some((14, 8))), words);
        }
        legend
    }

    fn page(
        &self,
        slots: &Slots<'_>,
        rows: &[std::ops::Range<usize>],
    ) -> Result<String, PlotError> {
        let legend = self.legend();
        let legend_height = legend.height(slots.figure_width - 2 * MARGIN);
        let height = inches(1.6);
        let row_height = height + slots.below() + 12;
        let total = MARGIN + legend_height + count(rows.len()) * row_height + 24;
        draw((slots.figure_width, total), |area| {
            legend.draw(area, MARGIN, slots.figure_width)?;
            for (index, row) in rows.iter().enumerate() {
                let top = MARGIN + legend_height + count(index) * row_height + 14;
                let inner = Frame::new(slots.left, top, slots.inner_width, height);
                let mut panel = Panel::open(area, inner, slots.axis(), self.y.clone())?;
                self.bars(area, &mut panel, row)?;
                slots.names(area, &panel, row)?;
            }
            Ok(())
        })
    }

    fn bars(&self, area: &Area<'_>, panel: &mut Panel<'_>, row: &std::ops::Range<usize>) -> Drawn {
        if let Some((limit, _)) = self.limit {
            panel.across(limit, GREY, (14, 8))?;
        }
        let strategies = self.comparison.strategies.len() as f64;
        // Bars get 80 % of a slot, but a single bar is not made as wide as that.
        let bar = (0.8 / strategies).min(0.3);
        let first = 0.5 - bar * strategies / 2.0;
        for (slot, workload) in row.clone().enumerate() {
            for (index, result) in self.comparison.strategies.iter().enumerate() {
                let summary = &result.workloads[workload];
                let from = slot as f64 + first + bar * index as f64;
                let middle = from + bar / 2.0;
                if !summary.served {
                    super::grouped::cross(area, panel.at(middle, self.y.low), colour(index))?;
                } else if let Some(value) = (self.value)(summary) {
                    // On a logarithmic axis what is not above its lowest value is no bar.
                    if self.y.scale == Scale::Linear && value > 0.0 || value > self.y.low {
                        let to = (from + 0.92 * bar, value);
                        panel.bar((from, self.y.low), to, colour(index))?;
                    }
                }
            }
            if self.slo {
                let slo = self.comparison.strategies[0].workloads[workload].slo_ms;
                let (x0, y) = panel.at(slot as f64 + 0.06, slo);
                let x1 = panel.at(slot as f64 + 0.94, slo).0;
                line(area, &[(x0, y), (x1, y)], INK, 5, None)?;
            }
        }
        Ok(())
    }
}
