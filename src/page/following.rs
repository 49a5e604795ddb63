//! Plans that follow load: GPUs over time, where each server was when, and which requests were late, and
//! why.

use super::charts::Chart;
use super::html::Html;
use super::plan::{self, colour};
use super::{FoundPage, SortableTable};
use crate::domain::ModelName;
use crate::results::{
    Bars, Cell, Comparison, Following, GpuLane, LanePlace, Lanes, LineChart, MOST_ARROWS, PlanAt,
    PlanStep, Span, counted, trimmed,
};
use std::fmt::Write;

/// Maximum number of GPUs whose lanes are drawn; the table of steps has all.
const LANES: usize = 60;
/// Number of strategies whose lanes are unfolded from the start.
const OPEN: usize = 1;
/// Maximum number of rows of the tables.
const ROWS: usize = 4000;

/// The width of a drawing, the width of the names before it, and the height of a lane, in units of the
/// drawing.
const WIDTH: f64 = 1000.0;
const NAMES: f64 = 52.0;
const LANE: f64 = 34.0;
/// The approximate width of a character of a name.
const LETTER: f64 = 6.2;

/// Returns each strategy whose plans follow load.
fn all(comparison: &Comparison) -> Vec<(&str, &Following)> {
    let all = comparison.strategies.iter();
    all.filter_map(|r| Some((r.strategy.as_str(), r.details.following.as_ref()?))).collect()
}

pub(super) fn write(page: &mut FoundPage, comparison: &Comparison) {
    let all = all(comparison);
    let Some((_, first)) = all.first() else { return };
    let unit = ChartTime::of(&first.lanes);
    page.section("over-time", "Plans over time");
    for (name, following) in &all {
        let words = format!("{name}: {}", in_words(following));
        page.body.raw("<p>").text(&words).raw("</p>\n");
    }
    page.body.raw("<div class=\"charts\">");
    page.chart(
        Chart::Lines(rates(first, unit)),
        "The rates that plans are for, all workloads together.",
    );
    if all.iter().any(|(_, following)| !following.spans.is_empty()) {
        page.chart(
            Chart::Lines(late(&all, unit)),
            "Requests that took longer than their SLO, by when they arrived.",
        );
        page.chart(
            Chart::Bars(causes(&all)),
            "Why requests were late: they arrived in a hand-over; more came than was planned for; or the plan itself.",
        );
    }
    page.body.raw("</div>\n");
    let models = models(&all);
    for (index, (name, following)) in all.iter().enumerate() {
        page.fold(&format!("GPUs over time: {name}"), index < OPEN);
        plan::legend(&mut page.body, &models);
        lanes(&mut page.body, following, &models, unit);
        page.end_fold();
    }
    page.fold("Tables of all plans and steps", false);
    page.table(&plans_table(&all));
    page.table(&steps_table(&all));
    page.end_fold();
    page.end_section();
}

/// The unit and scale of time in charts.
#[derive(Debug, Clone, Copy)]
struct ChartTime {
    seconds: f64,
    title: &'static str,
    name: &'static str,
}

impl ChartTime {
    fn of(lanes: &Lanes) -> Self {
        let (seconds, name) = lanes.time_unit();
        let title = match name {
            "h" => "time (h)",
            "min" => "time (min)",
            _ => "time (s)",
        };
        Self { seconds, title, name }
    }

    fn at(self, seconds: f64) -> f64 {
        seconds / self.seconds
    }
}

fn in_words(following: &Following) -> String {
    let later = || following.plans.iter().skip(1);
    let sum = |of: fn(&PlanAt) -> usize| later().map(of).sum::<usize>();
    let early = later().filter(|plan| plan.early).count();
    let mut words = format!(
        "{} by the policy {}, {:.1} GPU-hours; {}, {}, {} booted",
        counted(following.plans.len(), "plan"),
        following.policy,
        following.gpu_hours,
        counted(sum(|plan| plan.moves), "move"),
        counted(sum(|plan| plan.restarts), "restart"),
        counted(sum(|plan| plan.boots), "GPU"),
    );
    if early > 0 {
        let _ = write!(words, "; {early} of the plans within an epoch");
    }
    let total = following.total();
    if total.requests > 0 {
        let _ = write!(
            words,
            "; {:.3} % of requests within their SLO",
            100.0 - total.pct(total.late())
        );
    }
    words + "."
}

/// Returns a value of each plan, which holds until the next plan.
fn steps(
    following: &Following,
    unit: ChartTime,
    of: impl Fn(&PlanAt) -> Option<f64>,
) -> Vec<(f64, f64)> {
    let points = following.plans.iter().filter_map(|plan| Some((unit.at(plan.at_s), of(plan)?)));
    let mut points: Vec<(f64, f64)> = points.collect();
    if let Some((_, last)) = points.last().copied() {
        points.push((unit.at(following.lanes.duration_s), last));
    }
    points
}

/// Plots the number of GPUs over time; `None` where no plans follow load.
pub(super) fn gpus(comparison: &Comparison) -> Option<Chart> {
    let all = all(comparison);
    let unit = ChartTime::of(&all.first()?.1.lanes);
    let line = |following, of: &dyn Fn(&PlanAt) -> Option<usize>| {
        steps(following, unit, |plan| of(plan).map(|gpus| gpus as f64))
    };
    let mut series: Vec<(String, Vec<(f64, f64)>)> = all
        .iter()
        .map(|(name, following)| ((*name).to_owned(), line(following, &|plan| Some(plan.gpus))))
        .collect();
    // Bounds depend on what strategies require of a plan; showing that of the first strategy is enough.
    let bound = line(all.first()?.1, &|plan| plan.bound_gpus);
    if bound.len() > 1 {
        series.push(("lower bound".to_owned(), bound));
    }
    let axes = (unit.title, "GPUs");
    Some(Chart::Lines(LineChart { steps: true, series, axes, ..LineChart::default() }))
}

fn rates(first: &Following, unit: ChartTime) -> LineChart {
    let series = vec![("planned for".to_owned(), steps(first, unit, |plan| Some(plan.rate_rps)))];
    LineChart { steps: true, series, axes: (unit.title, "requests/s"), ..LineChart::default() }
}

fn late(all: &[(&str, &Following)], unit: ChartTime) -> LineChart {
    let line = |(name, following): &(&str, &Following)| {
        let arrived = following.spans.iter().filter(|span| span.requests > 0);
        let point =
            |span: &Span| (unit.at(0.5 * (span.from_s + span.until_s)), span.pct(span.late()));
        ((*name).to_owned(), arrived.map(point).collect())
    };
    LineChart {
        series: all.iter().map(line).collect(),
        axes: (unit.title, "late requests (%)"),
        ..LineChart::default()
    }
}

fn causes(all: &[(&str, &Following)]) -> Bars {
    let totals: Vec<Span> = all.iter().map(|(_, following)| following.total()).collect();
    let series = |name: &str, of: fn(&Span) -> u64| {
        (name.to_owned(), totals.iter().map(|total| Some(total.pct(of(total)))).collect())
    };
    Bars {
        groups: all.iter().map(|(name, _)| (*name).to_owned()).collect(),
        series: vec![
            series("hand-over", |total| total.late_in_handover),
            series("forecast", |total| total.late_by_forecast),
            series("plan", |total| total.late_by_plan),
        ],
        y: "late requests (%)".to_owned(),
        stacked: true,
        ..Bars::default()
    }
}

fn models<'a>(all: &[(&str, &'a Following)]) -> Vec<&'a ModelName> {
    let mut models: Vec<&ModelName> = Vec::new();
    let lanes = all.iter().flat_map(|(_, following)| &following.lanes.gpus);
    for server in lanes.flat_map(|lane| &lane.servers) {
        if !models.contains(&&server.model) {
            models.push(&server.model);
        }
    }
    models
}

/// Draws the GPUs of one strategy.
fn lanes(html: &mut Html, following: &Following, models: &[&ModelName], unit: ChartTime) {
    let lanes = &following.lanes;
    let drawn = lanes.gpus.len().min(LANES);
    let draw = Drawing { right: WIDTH - 10.0, duration_s: lanes.duration_s.max(1e-9) };
    let height = LANE * drawn as f64;
    html.raw("<div class=\"lanes\" tabindex=\"0\" role=\"group\" aria-label=\"GPUs over time\">");
    html.raw(&format!("<svg viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" ", height + 34.0));
    html.raw("aria-label=\"A lane for each GPU; the table of steps says the same\">");
    html.raw("<defs><pattern id=\"boots\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\" \
              patternTransform=\"rotate(45)\"><rect width=\"2.5\" height=\"5\" class=\"boots\"/></pattern></defs>");
    let pieces: Vec<_> = lanes.gpus[..drawn].iter().map(GpuLane::pieces).collect();
    for (gpu, lane) in lanes.gpus[..drawn].iter().enumerate() {
        let middle = LANE * (gpu as f64 + 0.5) + 4.0;
        html.raw(&format!("<text class=\"axis\" x=\"{:.0}\" y=\"{middle:.1}\" text-anchor=\"end\">GPU {gpu}</text>", NAMES - 6.0));
        for (from_s, until_s) in &lane.rented_s {
            let class = "class=\"rented\"";
            draw.rect(html, gpu, (*from_s, *until_s), (0.0, 100.0), class, "");
        }
        for piece in &pieces[gpu] {
            let server = &lane.servers[piece.server];
            let (background, _) = colour(&server.model, models);
            let look = match piece.loads {
                true => format!("fill=\"{background}\" fill-opacity=\".45\""),
                false => format!("fill=\"{background}\""),
            };
            let words = format!(
                "{} ({}): {} % of the SMs, {} to {} {}{}",
                server.workload,
                server.model,
                trimmed(server.sm_pct),
                trimmed(hundredths(unit.at(piece.from_s))),
                trimmed(hundredths(unit.at(piece.until_s))),
                unit.name,
                if piece.loads { ", loads" } else { "" },
            );
            let tops = (piece.base_pct, piece.base_pct + server.sm_pct);
            draw.rect(html, gpu, (piece.from_s, piece.until_s), tops, &look, &words);
        }
        for boot_s in &lane.boots_s {
            draw.rect(html, gpu, *boot_s, (0.0, 100.0), "fill=\"url(#boots)\"", "boots");
        }
        for piece in &pieces[gpu] {
            let server = &lane.servers[piece.server];
            let (x0, x1) = (draw.x(piece.from_s), draw.x(piece.until_s));
            let name = server.workload.as_str();
            let high =
                Drawing::y(gpu, piece.base_pct) - Drawing::y(gpu, piece.base_pct + server.sm_pct);
            if x1 - x0 < LETTER * name.chars().count() as f64 + 4.0 || high < 8.5 {
                continue;
            }
            let (_, ink) = colour(&server.model, models);
            let y = Drawing::y(gpu, piece.base_pct + 0.5 * server.sm_pct) + 3.2;
            html.raw(&format!(
                "<text x=\"{:.1}\" y=\"{y:.1}\" text-anchor=\"middle\" fill=\"{ink}\">",
                0.5 * (x0 + x1)
            ));
            html.text(name).raw("</text>");
        }
    }
    let moves = lanes.moves();
    if moves.len() <= MOST_ARROWS {
        for (from, to) in moves.into_iter().filter(|(from, to)| from.0.max(to.0) < drawn) {
            let place = |(gpu, server): LanePlace, leaves: bool| {
                let (at_s, height) = lanes.gpus[gpu].arrow_end(&pieces[gpu], server, leaves)?;
                Some((draw.x(at_s), Drawing::y(gpu, height)))
            };
            if let (Some(start), Some(end)) = (place(from, true), place(to, false)) {
                arrow(html, start, end);
            }
        }
    }
    axis(html, &draw, height, unit);
    html.raw("</svg></div>\n<p class=\"note\">");
    html.text(
        "Heights are shares of the SMs; pale servers load, hatched GPUs boot, arrows are moves. Point at a server to see its share.",
    );
    if drawn < lanes.gpus.len() {
        html.text(&format!(" The first {drawn} of {} GPUs.", lanes.gpus.len()));
    }
    html.raw("</p>\n");
}

fn hundredths(value: f64) -> f64 {
    (100.0 * value).round() / 100.0
}

/// The coordinates of a drawing.
struct Drawing {
    right: f64,
    duration_s: f64,
}

impl Drawing {
    fn x(&self, seconds: f64) -> f64 {
        NAMES + (self.right - NAMES) * seconds / self.duration_s
    }

    /// Returns the y coordinate of a height in a lane; the part of a hand-over that exceeds the GPU is cut
    /// off.
    fn y(gpu: usize, pct: f64) -> f64 {
        LANE * (gpu as f64 + 1.0) - 1.5 - (LANE - 3.0) * pct.min(100.0) / 100.0
    }

    fn rect(
        &self,
        html: &mut Html,
        gpu: usize,
        (from_s, until_s): (f64, f64),
        (low, high): (f64, f64),
        look: &str,
        words: &str,
    ) {
        let (x0, x1) = (self.x(from_s), self.x(until_s));
        let y = Self::y(gpu, high);
        let height = Self::y(gpu, low) - y;
        if height < 0.05 {
            return;
        }
        let width = (x1 - x0).max(0.5);
        html.raw(&format!(
            "<rect x=\"{x0:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" {look}"
        ));
        match words {
            "" => html.raw("/>"),
            words => html.raw("><title>").text(words).raw("</title></rect>"),
        };
    }
}

fn arrow(html: &mut Html, start: (f64, f64), end: (f64, f64)) {
    let (dx, dy) = (end.0 - start.0, end.1 - start.1);
    let length = (dx * dx + dy * dy).sqrt().max(1e-9);
    let (ux, uy) = (dx / length, dy / length);
    let corner =
        |aside: f64| (end.0 - 5.0 * ux - aside * 2.4 * uy, end.1 - 5.0 * uy + aside * 2.4 * ux);
    let (a, b) = (corner(1.0), corner(-1.0));
    html.raw(&format!(
        "<path class=\"move\" d=\"M{:.1} {:.1}L{:.1} {:.1}M{:.1} {:.1}L{:.1} {:.1}L{:.1} {:.1}\"/>",
        start.0, start.1, end.0, end.1, a.0, a.1, end.0, end.1, b.0, b.1
    ));
}

fn axis(html: &mut Html, draw: &Drawing, height: f64, unit: ChartTime) {
    let length = unit.at(draw.duration_s);
    let steps = [
        0.25, 0.5, 1.0, 2.0, 3.0, 5.0, 6.0, 10.0, 12.0, 20.0, 24.0, 30.0, 60.0, 120.0, 168.0, 240.0,
    ];
    let step = steps.into_iter().find(|step| length / step <= 12.0).unwrap_or(length / 8.0);
    for tick in 0..=12_i32 {
        let at = f64::from(tick) * step;
        if at > length * (1.0 + 1e-9) {
            break;
        }
        let x = draw.x(at * unit.seconds);
        html.raw(&format!("<path class=\"tick\" d=\"M{x:.1} {height:.1}v4\"/>"));
        let anchor = "text-anchor=\"middle\"";
        html.raw(&format!(
            "<text class=\"axis\" x=\"{x:.1}\" y=\"{:.1}\" {anchor}>",
            height + 15.0
        ));
        html.text(&trimmed(hundredths(at))).raw("</text>");
    }
    let (x, y) = (0.5 * (NAMES + draw.right), height + 29.0);
    html.raw(&format!("<text class=\"axis\" x=\"{x:.0}\" y=\"{y:.1}\" text-anchor=\"middle\">"));
    html.text(unit.title).raw("</text>");
}

/// Builds a table of all strategies, limited to its first rows.
fn table<R>(
    title: &str,
    columns: &[&str],
    all: &[(&str, &Following)],
    rows: impl Fn(&Following) -> &[R],
    cells: impl Fn(&R) -> Vec<Cell>,
) -> SortableTable {
    let own = all.iter().flat_map(|(name, following)| {
        rows(following).iter().map(|row| {
            let first = Cell::Text((*name).to_owned());
            std::iter::once(first).chain(cells(row)).collect()
        })
    });
    let total: usize = all.iter().map(|(_, following)| rows(following).len()).sum();
    let columns = std::iter::once(&"strategy").chain(columns).map(|name| (*name).to_owned());
    SortableTable {
        title: title.to_owned(),
        columns: columns.collect(),
        rows: own.take(ROWS).collect(),
        note: (total > ROWS).then(|| format!("The first {ROWS} of {total}.")),
    }
}

fn plans_table(all: &[(&str, &Following)]) -> SortableTable {
    let columns = [
        "from (s)",
        "within an epoch",
        "requests/s",
        "GPUs",
        "lower bound",
        "moves",
        "restarts",
        "boots",
        "without room",
    ];
    table(
        "Plans",
        &columns,
        all,
        |following| &following.plans,
        |plan| {
            vec![
                plan.at_s.into(),
                plan.early.into(),
                plan.rate_rps.into(),
                plan.gpus.into(),
                plan.bound_gpus.map_or(Cell::Absent, Cell::from),
                plan.moves.into(),
                plan.restarts.into(),
                plan.boots.into(),
                plan.without_room.into(),
            ]
        },
    )
}

fn steps_table(all: &[(&str, &Following)]) -> SortableTable {
    let columns =
        ["from (s)", "done (s)", "step", "GPU", "workload", "SM % before", "SM %", "reason"];
    table(
        "Steps",
        &columns,
        all,
        |following| &following.steps,
        |step: &PlanStep| {
            let text = |text: &str| Cell::Text(text.to_owned());
            vec![
                step.at_s.into(),
                step.done_s.into(),
                text(&step.action),
                step.gpu.into(),
                step.workload.as_ref().map_or(Cell::Absent, |name| text(name.as_str())),
                step.sm_pct_before.map_or(Cell::Absent, Cell::from),
                step.sm_pct.map_or(Cell::Absent, Cell::from),
                text(&step.reason),
            ]
        },
    )
}
