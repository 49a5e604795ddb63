//! Grouped bar charts in as many rows as needed: P99 against the SLO, SLO violations, the stages of latency, and any
//! other values.

use super::axis::{Axis, Scale};
use super::canvas::{Align, Area, DrawResult, Frame, Text, draw, line, symbol, text};
use super::panel::{Legend, LegendKey, Panel, left_of};
use super::sheet::{self, shown};
use super::style::{
    GREY, INK, LABEL, Looks, MARGIN, NOTE, TICK, count, dots, inches, one_column, two_columns,
};
use super::text::{fitted, shortened, width};
use super::{Figure, PlotError, pages, rows_of};
use igniter_results::{Bars, Comparison, LINEAR_RATIO, STAGES, StrategyResult, distinct_labels};
use std::ops::Range;

const ROWS_PER_PAGE: usize = 4;
const TITLE: i32 = 50;
/// Maximum length of a name below a group, in characters.
const NAME: usize = 14;
const ACROSS: (i32, i32) = (14, 8);

/// Bars that share one value axis.
#[derive(Debug, Clone)]
struct Block {
    /// Title; empty for none.
    title: String,
    bars: Bars,
    y: Axis,
    /// Whether each group of each series has a cross instead of a bar.
    crossed: Vec<Vec<bool>>,
}

/// Blocks with the same groups and series, below each other.
#[derive(Debug, Clone)]
pub(super) struct BarChart {
    blocks: Vec<Block>,
    looks: Looks,
    /// Notes below the names of groups, in small print.
    notes: Vec<String>,
    /// A horizontal line across all groups, with its label.
    across: Option<(f64, String)>,
    /// Number of decimals of the values above the bars of a single series; `None` for no values.
    labels: Option<usize>,
}

fn crossed(result: &StrategyResult) -> Vec<bool> {
    result.workloads.iter().map(|w| !w.served).collect()
}

fn models(comparison: &Comparison) -> Vec<String> {
    comparison.workloads().iter().map(|w| shortened(&shown(w.model.as_str()), 12)).collect()
}

pub(super) fn p99_figures(comparison: &Comparison) -> Result<Vec<Figure>, PlotError> {
    let bars = comparison.p99_bars();
    let marks = bars.marks.iter().flat_map(|(_, values)| values);
    let values = || bars.series.iter().flat_map(|(_, v)| v).chain(marks.clone()).flatten().copied();
    let values = || values().filter(|value| *value > 0.0);
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(0.0, f64::max));
    let y = if high > LINEAR_RATIO * low {
        Axis::log(0.7 * low, high, 6)
    } else {
        Axis::from_zero(1.03 * high, 5)
    };
    let caption = "The 99th percentile of latency per workload and strategy against the SLO \
                   (a cross marks a workload that is not served).";
    of_workloads(comparison, bars, y, None).figures("p99", caption)
}

/// Draws the percentage of late requests. Returns no figure if no request missed its SLO.
pub(super) fn violation_figures(comparison: &Comparison) -> Result<Vec<Figure>, PlotError> {
    let bars = comparison.violation_bars();
    let high = bars.series.iter().flat_map(|(_, v)| v).flatten().copied().fold(0.0, f64::max);
    if high <= 0.0 {
        return Ok(Vec::new());
    }
    let (y, none) = if high > 10.0 {
        (Axis::log(0.01, 100.0, 5), "on the lower edge: at most 0.01 %")
    } else {
        (Axis::from_zero(high.max(1.5), 4), "no bar: none")
    };
    let caption = format!(
        "The share of requests that took longer than the SLO, per workload and strategy ({none}; a cross: not \
         served)."
    );
    let limit = Some((1.0, "1 %: P99 = SLO".to_owned()));
    of_workloads(comparison, bars, y, limit).figures("violations", &caption)
}

fn of_workloads(
    comparison: &Comparison,
    bars: Bars,
    y: Axis,
    across: Option<(f64, String)>,
) -> BarChart {
    let y = y.titled(&bars.y);
    let crossed = comparison.strategies.iter().map(crossed).collect();
    BarChart {
        blocks: vec![Block { title: String::new(), bars, y, crossed }],
        looks: Looks::strategies(comparison),
        notes: models(comparison),
        across,
        labels: None,
    }
}

/// Draws the mean latency by stage for each strategy.
pub(super) fn breakdown_figures(comparison: &Comparison) -> Result<Vec<Figure>, PlotError> {
    let totals = |bars: &Bars| -> Vec<f64> {
        let total =
            |group: usize| -> f64 { bars.series.iter().filter_map(|(_, v)| v[group]).sum() };
        (0..bars.groups.len()).map(total).filter(|total| *total > 0.0).collect()
    };
    let all: Vec<Bars> = comparison.strategies.iter().map(StrategyResult::stage_bars).collect();
    let totals: Vec<f64> = all.iter().flat_map(totals).collect();
    let (low, high) =
        totals.iter().fold((f64::INFINITY, 0.0_f64), |(l, h), v| (l.min(*v), h.max(*v)));
    // Stacked bars need a linear axis; if that would hide some of them, percentages are shown instead.
    let shares = high > LINEAR_RATIO * low;
    let y = if shares {
        Axis::from_zero(100.0, 4).titled("Mean latency (%)")
    } else {
        Axis::from_zero(high, 4).titled("Mean latency (ms)")
    };
    let block = |(result, mut bars): (&StrategyResult, Bars)| {
        if shares {
            for group in 0..bars.groups.len() {
                let total: f64 = bars.series.iter().filter_map(|(_, v)| v[group]).sum();
                for (_, values) in &mut bars.series {
                    values[group] =
                        values[group].map(|ms| 100.0 * ms / total.max(f64::MIN_POSITIVE));
                }
            }
        }
        let title = sheet::title(shortened(&shown(&result.strategy), 40));
        let crossed = std::iter::once(crossed(result)).collect();
        Block { title, bars, y: y.clone(), crossed }
    };
    let chart = BarChart {
        blocks: comparison.strategies.iter().zip(all).map(block).collect(),
        looks: Looks::of_names(STAGES.iter().map(|(name, _)| *name)),
        notes: models(comparison),
        across: None,
        labels: None,
    };
    let what = if shares { "Shares of mean latency" } else { "Mean latency" };
    let caption = format!(
        "{what} per workload, split into waiting, copying to the GPU, execution and copying back (a cross: not \
         served)."
    );
    chart.figures("breakdown", &caption)
}

/// A chart of grouped bars.
#[derive(Debug, Clone, PartialEq)]
pub struct BarsFigure {
    /// File name without an extension.
    pub stem: String,
    /// Caption of one or two sentences.
    pub caption: String,
    /// Names below the groups.
    pub groups: Vec<String>,
    /// (name, value in each group) of the series; `None` draws no bar.
    pub series: Vec<(String, Vec<Option<f64>>)>,
    /// Title of the value axis, with the unit.
    pub y: String,
    /// Number of decimals of the values above the bars of a single series; `None` for no values.
    pub labels: Option<usize>,
    /// A horizontal line across the chart, with its label.
    pub across: Option<(f64, String)>,
}

impl BarsFigure {
    /// Draws the figure.
    ///
    /// # Errors
    /// When it cannot be drawn.
    pub fn draw(&self) -> Result<Figure, PlotError> {
        let values = || self.series.iter().flat_map(|(_, v)| v).flatten().copied();
        let line = self.across.as_ref().map_or(0.0, |(at, _)| *at);
        // Space for the label above the highest bar.
        let room = if self.labels.is_some() { 1.08 } else { 1.0 };
        let y = Axis::from_zero(room * values().fold(line, f64::max), 5).titled(&self.y);
        let (groups, series) = (self.groups.clone(), self.series.clone());
        let bars = Bars { groups, series, ..Bars::default() };
        let chart = BarChart {
            looks: Looks::of_names(self.series.iter().map(|(name, _)| name)),
            blocks: vec![Block { title: String::new(), bars, y, crossed: Vec::new() }],
            notes: Vec::new(),
            across: self.across.clone(),
            labels: self.labels,
        };
        Ok(chart.figures(&self.stem, &self.caption)?.remove(0))
    }
}

/// Layout of the groups.
struct Slots {
    rows: Vec<Range<usize>>,
    /// Slots per row: the length of the longest row.
    length: usize,
    width: i32,
    left: i32,
    inner: i32,
    names: Vec<String>,
    upright: bool,
    notes: bool,
    below: i32,
}

impl BarChart {
    fn figures(&self, stem: &str, caption: &str) -> Result<Vec<Figure>, PlotError> {
        let slots = self.slots();
        let rows: Vec<(&Block, &Range<usize>)> = (self.blocks.iter())
            .flat_map(|block| slots.rows.iter().map(move |row| (block, row)))
            .collect();
        let mut svgs = Vec::new();
        for page in rows.chunks(ROWS_PER_PAGE) {
            svgs.push(self.page(&slots, page)?);
        }
        Ok(pages(stem, caption, svgs))
    }

    fn stacked(&self) -> bool {
        self.blocks.iter().any(|block| block.bars.stacked)
    }

    /// Splits groups into rows such that each bar of a group stays visible.
    fn slots(&self) -> Slots {
        let bars = if self.stacked() { 1 } else { self.looks.names().count() };
        let groups = self.blocks.first().map_or(&[][..], |block| &block.bars.groups);
        let names: Vec<String> = groups.iter().map(|name| shown(name)).collect();
        let names = distinct_labels(&names.iter().map(String::as_str).collect::<Vec<_>>(), NAME);
        let width_of_all = groups.len() * bars.max(2) <= 14;
        let figure = if width_of_all { one_column() } else { two_columns() };
        let left = MARGIN + self.blocks.iter().map(|block| left_of(&block.y)).max().unwrap_or(0);
        let inner = figure - left - MARGIN;
        let slot = (16 * count(bars) + 16).max(58);
        let limit = usize::try_from(inner / slot).unwrap_or(1).max(1);
        let rows = rows_of(groups.len(), limit);
        let length = rows.iter().map(Range::len).max().unwrap_or(1);
        let room = f64::from(inner) / length as f64 - 8.0;
        let widest = names.iter().map(|name| width(name, TICK)).fold(0.0, f64::max);
        let notes =
            !self.notes.is_empty() && self.notes.iter().all(|note| width(note, NOTE) <= room);
        let upright = widest > room;
        let below = if upright {
            dots(widest) + 34
        } else {
            dots(1.3 * TICK) + if notes { dots(1.3 * NOTE) } else { 0 } + 22
        };
        Slots { rows, length, width: figure, left, inner, names, upright, notes, below }
    }

    fn legend(&self) -> Legend {
        let dotted = self.blocks.iter().any(|block| block.y.scale == Scale::Log);
        let several = self.looks.names().count() > 1 || self.labels.is_none();
        let mut legend = match (several, dotted) {
            (false, _) => Legend::default(),
            (_, true) => self.looks.symbols(),
            (_, false) => self.looks.boxes(),
        };
        if self.blocks.iter().any(|block| block.bars.marks.is_some()) {
            legend.add(LegendKey::Line(INK, None), "SLO");
        }
        if let Some((_, words)) = &self.across {
            legend.add(LegendKey::Line(GREY, Some(ACROSS)), words);
        }
        legend
    }

    fn page(&self, slots: &Slots, rows: &[(&Block, &Range<usize>)]) -> Result<String, PlotError> {
        let legend = self.legend();
        let top = MARGIN + legend.height(slots.width - 2 * MARGIN);
        let height = inches(if self.stacked() { 1.4 } else { 1.6 });
        let title = if rows.iter().all(|(block, _)| block.title.is_empty()) { 14 } else { TITLE };
        let row_height = title + height + slots.below;
        draw((slots.width, top + count(rows.len()) * row_height + 12), |area| {
            legend.draw(area, MARGIN, slots.width)?;
            for (index, (block, row)) in rows.iter().enumerate() {
                let from = top + count(index) * row_height;
                let look = Text::new(LABEL, Align::Left).bold();
                text(area, (slots.left, from + TITLE / 2), look, &block.title)?;
                let inner = Frame::new(slots.left, from + title, slots.inner, height);
                let x = Axis { ticks: Vec::new(), ..Axis::exactly(slots.length as f64, 1) };
                let mut panel = Panel::open(area, inner, x, block.y.clone())?;
                if let Some((at, _)) = &self.across {
                    panel.across(*at, GREY, ACROSS)?;
                }
                let values = block.bars.series.iter().flat_map(|(_, values)| values).flatten();
                if block.crossed.iter().flatten().all(|crossed| !crossed)
                    && values.clone().next().is_some()
                    && values.clone().all(|value| value.abs() < f64::MIN_POSITIVE)
                {
                    let at = (inner.x + inner.w / 2, inner.y + inner.h / 2);
                    text(area, at, Text::new(LABEL, Align::Centre).colour(GREY), "0 for all")?;
                }
                for (slot, group) in (*row).clone().enumerate() {
                    self.group(area, &mut panel, block, slot, group)?;
                    self.name(area, &panel, slots, slot, group)?;
                }
            }
            Ok(())
        })
    }

    fn group(
        &self,
        area: &Area<'_>,
        panel: &mut Panel<'_>,
        block: &Block,
        slot: usize,
        group: usize,
    ) -> DrawResult {
        let n = if block.bars.stacked { 1 } else { block.bars.series.len() };
        // Bars fill 80 % of a slot, but the width of a bar is limited where there are few.
        let bar = (0.8 / n.max(1) as f64).min(if block.bars.stacked { 0.5 } else { 0.3 });
        let first = slot as f64 + 0.5 - bar * n as f64 / 2.0;
        let mark = |panel: &Panel<'_>| {
            let at = block.bars.marks.as_ref().and_then(|(_, values)| values[group]);
            let ends = |at| [0.06, 0.94].map(|part| panel.at(slot as f64 + part, at));
            at.map_or(Ok(()), |at| line(area, &ends(at), INK, 5, None))
        };
        // The mark is below symbols, which it would hide, and above bars, which would hide it.
        if block.y.scale == Scale::Log {
            mark(panel)?;
        }
        let mut base = block.y.low;
        for (index, (name, values)) in block.bars.series.iter().enumerate() {
            let look = self.looks.of(name);
            let from = first + if block.bars.stacked { 0.0 } else { bar * index as f64 };
            let middle = from + bar / 2.0;
            if block.crossed.get(index).is_some_and(|crossed| crossed[group]) {
                let colour = if block.bars.stacked { GREY } else { look.colour };
                let (x, y) = panel.at(middle, block.y.low);
                let look = Text::new(NOTE, Align::Centre).bold().colour(colour);
                text(area, (x, y - 14), look, "×")?;
            }
            let Some(Some(value)) = values.get(group).copied() else { continue };
            if block.y.scale == Scale::Log {
                // A logarithmic axis has no zero for a bar to start from.
                symbol(area, panel.at(middle, value), look.symbol, look.colour, 9)?;
                continue;
            }
            let gap = if block.bars.stacked { 1.0 } else { 0.92 };
            if value > 0.0 {
                panel.bar((from, base), (from + gap * bar, base + value), look)?;
            }
            if let (Some(decimals), 1) = (self.labels, block.bars.series.len()) {
                let (x, y) = panel.at(middle, value);
                let room = f64::from(panel.at(1.0, 0.0).0 - panel.at(0.0, 0.0).0) - 4.0;
                let words = fitted(&format!("{value:.decimals$}"), NOTE, room);
                text(area, (x, y - 16), Text::new(NOTE, Align::Centre), &words)?;
            }
            if block.bars.stacked {
                base += value;
            }
        }
        if block.y.scale == Scale::Linear {
            mark(panel)?;
        }
        Ok(())
    }

    /// Writes the name of a group, and its note if there is space.
    fn name(
        &self,
        area: &Area<'_>,
        panel: &Panel<'_>,
        slots: &Slots,
        slot: usize,
        group: usize,
    ) -> DrawResult {
        let (x, y) = (panel.at(slot as f64 + 0.5, 0.0).0, panel.inner.bottom() + 12);
        let name = &slots.names[group];
        if slots.upright {
            let look = Text::new(TICK, Align::Right).upright();
            text(area, (x, y + 4), look, name)?;
        } else {
            text(area, (x, y + dots(0.6 * TICK)), Text::new(TICK, Align::Centre), name)?;
            if slots.notes {
                let at = (x, y + dots(1.3 * TICK + 0.55 * NOTE));
                let look = Text::new(NOTE, Align::Centre).colour(GREY);
                text(area, at, look, &self.notes[group])?;
            }
        }
        let edge = panel.at(slot as f64 + 1.0, 0.0).0;
        let bottom = panel.inner.bottom();
        line(area, &[(edge, bottom), (edge, bottom + 8)], INK, 2, None)
    }
}
