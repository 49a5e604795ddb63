//! GPUs over time under replanning: a lane for each GPU, with its servers and the moves between lanes.

use super::axis::Axis;
use super::canvas::{Align, Area, DrawResult, Frame, Text, draw, fill, hatched, line, text};
use super::panel::{LegendKey, Panel, below};
use super::sheet::shown;
use super::style::{
    GREY, INK, Look, Looks, MARGIN, NOTE, SHADE, SMALLEST, TICK, count, dots, inches, ink_on,
    two_columns,
};
use super::text::{shortened, width};
use super::{Figure, PAGES, PAGES_OF_ONE, PlotError, distinct, file_stem, pages};
use igniter_results::{Comparison, GpuLane, LanePiece, LanePlace, Lanes, MOST_ARROWS};
use plotters::element::Polygon;
use plotters::style::{Color, RGBColor};
use std::ops::Range;

/// Lanes per page.
const LANES: usize = 24;
/// Maximum number of pages per run.
const MOST_PAGES: usize = 4;
/// Minimum width of a boot in dots, so that it is visible on the scale of a day.
const LEAST_BOOT: i32 = 9;
const WHITE: RGBColor = RGBColor(255, 255, 255);

/// The look of a booting GPU.
fn boot() -> Look {
    Look { colour: GREY, dashes: None, symbol: 1 }
}

/// Draws the lanes of each strategy of a comparison whose plans follow the load.
pub(super) fn figures(comparison: &Comparison) -> Result<Vec<Figure>, PlotError> {
    let mut figures: Vec<Figure> = Vec::new();
    for result in &comparison.strategies {
        let Some(following) = &result.details.following else { continue };
        let stem = format!("lanes_{}", file_stem(&result.strategy));
        let name = shortened(&shown(&result.strategy), 40);
        let most = if comparison.strategies.len() == 1 { MOST_PAGES } else { PAGES_OF_ONE };
        let most = most.min(PAGES.saturating_sub(figures.len()));
        figures.extend(drawn(&stem, &format!("Plans of {name}"), &following.lanes, most)?);
    }
    Ok(figures)
}

/// Draws GPUs over time: the servers on each GPU, when the GPUs booted, and which servers moved. At most four pages.
///
/// `stem` is the file name without its extension; `subject` is the start of the caption, such as "Plans of a day".
///
/// # Errors
/// When it cannot be drawn.
pub fn lanes_figures(stem: &str, subject: &str, lanes: &Lanes) -> Result<Vec<Figure>, PlotError> {
    drawn(stem, subject, lanes, MOST_PAGES)
}

fn drawn(stem: &str, subject: &str, lanes: &Lanes, most: usize) -> Result<Vec<Figure>, PlotError> {
    let all = lanes.gpus.len();
    if all == 0 || most == 0 {
        return Ok(Vec::new());
    }
    let mut moves = lanes.moves();
    let mut caption = format!(
        "{subject} over time: a lane for each GPU, in it each server in the height of its SM share and the colour of its \
         model, with moves to other GPUs as arrows."
    );
    if moves.len() > MOST_ARROWS {
        caption += &format!(" {} moves are too many for arrows.", moves.len());
        moves.clear();
    }
    let shown = all.min(LANES * most);
    if shown < all {
        caption += &format!(" The first {shown} of {all} GPUs.");
    }
    let mut svgs = Vec::new();
    for gpus in super::rows_of(shown, LANES) {
        svgs.push(draw_page(lanes, gpus, &moves)?);
    }
    Ok(pages(stem, &caption, svgs))
}

/// Returns the unit of time in seconds, and the time axis in that unit.
fn time_axis(lanes: &Lanes) -> (f64, Axis) {
    let (unit_s, name) = lanes.time_unit();
    let length = lanes.duration_s / unit_s;
    let mut axis = Axis::exactly(length, 8).titled(&format!("Time ({name})"));
    // Tick steps in hours divide a day evenly.
    let step = [1.0, 2.0, 3.0, 6.0, 12.0, 24.0].into_iter().find(|step| length / step <= 9.0);
    if let Some(step) = step.filter(|_| unit_s > 60.0) {
        let tick = |n: i32| f64::from(n) * step;
        axis.ticks = (0..10).map(tick).take_while(|at| *at <= length * (1.0 + 1e-9)).collect();
    }
    (unit_s, axis)
}

/// A page that is being drawn.
struct LanesPage<'p, 'a> {
    area: &'p Area<'a>,
    panel: &'p Panel<'a>,
    lanes: &'p Lanes,
    gpus: Range<usize>,
    models: &'p Looks,
    /// Pieces of each GPU of the page.
    pieces: Vec<Vec<LanePiece>>,
    unit_s: f64,
}

fn draw_page(
    lanes: &Lanes,
    gpus: Range<usize>,
    moves: &[(LanePlace, LanePlace)],
) -> Result<String, PlotError> {
    let servers = lanes.gpus.iter().flat_map(|lane| &lane.servers);
    let models = Looks::models(servers.map(|server| &server.model));
    let mut legend = models.legend(|look| LegendKey::Box(look.colour));
    if lanes.gpus.iter().any(|lane| !lane.boots_s.is_empty()) {
        legend.add(LegendKey::Hatched(boot()), "boots");
    }
    if !moves.is_empty() {
        legend.add(LegendKey::Line(INK, None), "moves");
    }
    let several = distinct(lanes.gpus.iter().map(|lane| &lane.kind)).len() > 1;
    let name = |gpu: usize| match several {
        true => format!("GPU {gpu} ({})", shortened(lanes.gpus[gpu].kind.as_str(), 10)),
        false => format!("GPU {gpu}"),
    };
    let (unit_s, x) = time_axis(lanes);
    let y = Axis { ticks: Vec::new(), ..Axis::exactly(gpus.len() as f64, 1) };
    let names = gpus.clone().map(|gpu| width(&name(gpu), TICK)).fold(0.0, f64::max);
    let figure_width = two_columns();
    let left = MARGIN + dots(names) + 22;
    let each = inches((4.2 / gpus.len() as f64).clamp(0.22, 0.5));
    let legend_height = legend.height(figure_width - 2 * MARGIN);
    let height = count(gpus.len()) * each;
    let total = MARGIN + legend_height + height + below(&x) + MARGIN + 10;
    draw((figure_width, total), |area| {
        legend.draw(area, MARGIN, figure_width)?;
        let inner =
            Frame::new(left, MARGIN + legend_height, figure_width - left - MARGIN - 20, height);
        let panel = Panel::open(area, inner, x, y)?;
        let page = LanesPage {
            area,
            panel: &panel,
            lanes,
            gpus: gpus.clone(),
            models: &models,
            pieces: lanes.gpus[gpus.clone()].iter().map(GpuLane::pieces).collect(),
            unit_s,
        };
        for gpu in gpus.clone() {
            page.lane(gpu)?;
            let at = (left - 14, page.at(gpu, 0.0, 50.0).1);
            text(area, at, Text::new(TICK, Align::Right), &name(gpu))?;
        }
        for (from, to) in moves {
            if gpus.contains(&from.0) && gpus.contains(&to.0) {
                page.arrow(*from, *to)?;
            }
        }
        Ok(())
    })
}

impl LanesPage<'_, '_> {
    /// Converts a time and a height within a lane to dots.
    fn at(&self, gpu: usize, seconds: f64, pct: f64) -> (i32, i32) {
        let slot = (self.gpus.end - 1 - gpu) as f64;
        // Leave a gap between lanes; shares beyond 100 % during a hand-over are cut off.
        let height = 0.04 + 0.9 * pct.min(100.0) / 100.0;
        self.panel.at(seconds / self.unit_s, slot + height)
    }

    fn frame(&self, gpu: usize, (from_s, until_s): (f64, f64), (low, high): (f64, f64)) -> Frame {
        let ((x0, y1), (x1, y0)) = (self.at(gpu, from_s, low), self.at(gpu, until_s, high));
        Frame::new(x0, y0, x1 - x0, y1 - y0)
    }

    fn lane(&self, gpu: usize) -> DrawResult {
        let lane = &self.lanes.gpus[gpu];
        for rented in &lane.rented_s {
            fill(self.area, self.frame(gpu, *rented, (0.0, 100.0)), SHADE)?;
        }
        let pieces = &self.pieces[gpu - self.gpus.start];
        let mut serves = vec![false; lane.servers.len()];
        for piece in pieces {
            let server = &lane.servers[piece.server];
            let tops = (piece.base_pct, piece.base_pct + server.sm_pct);
            let mut frame = self.frame(gpu, (piece.from_s, piece.until_s), tops);
            if frame.h == 0 {
                continue;
            }
            // A gap keeps neighbours of the same colour distinct.
            if frame.h > 4 {
                (frame.y, frame.h) = (frame.y + 2, frame.h - 2);
            }
            let colour = self.models.of(server.model.as_str()).colour;
            if piece.loads {
                hatched(self.area, frame, 2, colour)?;
            } else {
                fill(self.area, frame, colour)?;
                // A restarted server has the same colour as its predecessor, so a line separates them.
                if !serves[piece.server] && piece.from_s > 0.0 {
                    let x = frame.x;
                    line(self.area, &[(x, frame.y), (x, frame.bottom())], WHITE, 2, None)?;
                }
                serves[piece.server] = true;
            }
        }
        for boot_s in &lane.boots_s {
            let mut frame = self.frame(gpu, *boot_s, (0.0, 100.0));
            frame.w = frame.w.max(LEAST_BOOT);
            let look = boot();
            hatched(self.area, frame, look.symbol, look.colour)?;
        }
        self.names(gpu, lane, pieces)
    }

    /// Writes the name of each workload once per stay, if there is space.
    fn names(&self, gpu: usize, lane: &GpuLane, pieces: &[LanePiece]) -> DrawResult {
        for stay in stays(lane, pieces) {
            let server = &lane.servers[stay.widest.server];
            let tops = (stay.widest.base_pct, stay.widest.base_pct + server.sm_pct);
            let of = self.frame(gpu, (stay.widest.from_s, stay.widest.until_s), tops);
            let whole = self.frame(gpu, (stay.from_s, stay.until_s), tops);
            let name = shortened(&shown(server.workload.as_str()), 14);
            let fits = |size: &f64| {
                1.05 * size <= f64::from(of.h) && width(&name, *size) + 10.0 <= f64::from(whole.w)
            };
            let Some(size) = [NOTE, SMALLEST].into_iter().find(fits) else { continue };
            let half = dots(0.5 * width(&name, size)) + 4;
            let x = (of.x + of.w / 2).clamp(whole.x + half, whole.right() - half);
            let ink = ink_on(self.models.of(server.model.as_str()).colour);
            let look = Text::new(size, Align::Centre).colour(ink);
            text(self.area, (x, of.y + of.h / 2), look, &name)?;
        }
        Ok(())
    }

    /// Draws an arrow from the place of a server to the place where its workload continues.
    fn arrow(&self, from: LanePlace, to: LanePlace) -> DrawResult {
        let middle = |(gpu, server): LanePlace, leaves: bool| {
            let pieces = &self.pieces[gpu - self.gpus.start];
            let (at_s, height) = self.lanes.gpus[gpu].arrow_end(pieces, server, leaves)?;
            Some(self.at(gpu, at_s, height))
        };
        let (Some(start), Some(end)) = (middle(from, true), middle(to, false)) else {
            return Ok(());
        };
        line(self.area, &[start, end], WHITE, 5, None)?;
        line(self.area, &[start, end], INK, 2, None)?;
        let (dx, dy) = (f64::from(end.0 - start.0), f64::from(end.1 - start.1));
        let length = dx.hypot(dy).max(1.0);
        let (ux, uy) = (dx / length, dy / length);
        let corner = |along: f64, aside: f64| {
            let x = f64::from(end.0) - along * ux - aside * uy;
            let y = f64::from(end.1) - along * uy + aside * ux;
            (dots(x), dots(y))
        };
        let head = vec![end, corner(17.0, 7.0), corner(17.0, -7.0)];
        self.area.draw(&Polygon::new(head, INK.filled()))
    }
}

/// A period in which a workload has servers on a GPU without interruption.
struct LaneStay {
    from_s: f64,
    until_s: f64,
    /// The longest piece of the stay.
    widest: LanePiece,
}

fn stays(lane: &GpuLane, pieces: &[LanePiece]) -> Vec<LaneStay> {
    let workload = |piece: &LanePiece| &lane.servers[piece.server].workload;
    let mut stays: Vec<LaneStay> = Vec::new();
    for piece in pieces {
        let own = |stay: &&mut LaneStay| workload(&stay.widest) == workload(piece);
        let last = stays.iter_mut().rev().find(own);
        match last.filter(|stay| piece.from_s <= stay.until_s + 1e-6) {
            Some(stay) => {
                stay.until_s = stay.until_s.max(piece.until_s);
                if piece.until_s - piece.from_s > stay.widest.until_s - stay.widest.from_s {
                    stay.widest = *piece;
                }
            }
            None => {
                let LanePiece { from_s, until_s, .. } = *piece;
                stays.push(LaneStay { from_s, until_s, widest: *piece });
            }
        }
    }
    stays
}
