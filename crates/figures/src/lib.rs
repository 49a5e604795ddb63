//! Figures for papers, drawn from the tables of a report alone.
//!
//! Each figure is an SVG text and a PNG image rendered from it; both depend on the tables only, byte for byte. A figure
//! that is too large for one page is continued on another.

#![allow(
    clippy::disallowed_methods,
    reason = "coordinates and ticks are rounded when they are drawn"
)]

mod adaptation;
mod axis;
mod bars;
mod canvas;
mod cdf;
mod fonts;
mod generic;
mod heat;
mod lanes;
mod panel;
mod panels;
mod plan;
mod power;
mod predicted;
mod scaling;
mod scatter;
mod sheet;
mod study;
mod study_experiments;
mod style;
mod sweep;
mod text;
mod validation;
mod vector;

pub use bars::BarsFigure;
pub use generic::{Named, PointsFigure, PointsPanel};
pub use heat::{HeatPanel, heat_figure};
pub use lanes::lanes_figures;
pub use panels::Marks;
pub use predicted::{PredictedPoint, accuracy_figure};
pub use scaling::{ScalingPoint, scaling_figure};
pub use sheet::Sheet;
pub use study::{StudyPoint, StudySeries, study_figures};
pub use study_experiments::{PredictedMark, experiment_figures};
pub use sweep::{LinePanel, SweepMark, SweepSeries, line_figure, pareto_figure};
pub use validation::{ValidationWorkload, validation_figures};

use igniter_results::{Comparison, FigureFile, OutputDir, OutputError, StrategyResult};
use rayon::prelude::*;

/// A figure that cannot be drawn: a bug in this crate, or an image too large for memory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlotError {
    /// Drawing with plotters failed.
    #[error("cannot draw a figure: {0}")]
    Draw(#[from] plotters::drawing::DrawingAreaErrorKind<std::io::Error>),
    /// The SVG text drawn by this crate is not valid.
    #[error("cannot read a figure back: {0}")]
    Svg(#[from] resvg::usvg::Error),
    /// The image has no pixels, or too many.
    #[error("cannot render a figure: it has no pixels, or too many for memory")]
    Empty,
    /// The image cannot be encoded.
    #[error("cannot encode a figure as PNG: {0}")]
    Png(String),
    /// A file cannot be written.
    #[error(transparent)]
    Write(#[from] OutputError),
}

/// One page of a figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// File name without an extension.
    pub stem: String,
    /// Caption: one sentence about the content.
    pub caption: String,
    svg: String,
}

impl Figure {
    /// Returns the figure as SVG text; its size is given in inches.
    #[must_use]
    pub fn svg(&self) -> &str {
        &self.svg
    }

    /// Returns the figure as a self-contained SVG file, with the fonts that it uses embedded and its caption as title.
    #[must_use]
    pub fn standalone_svg(&self) -> String {
        fonts::standalone(&self.svg, &self.caption)
    }

    /// Returns the figure as a PNG file with 300 pixels per inch.
    ///
    /// # Errors
    /// When it cannot be rendered.
    pub fn png(&self) -> Result<Vec<u8>, PlotError> {
        canvas::png(&self.svg)
    }

    /// Returns the figure as a PDF file with one page. Text is converted to outlines, so that no font has to be
    /// embedded.
    ///
    /// # Errors
    /// When the SVG text cannot be parsed.
    pub fn pdf(&self) -> Result<Vec<u8>, PlotError> {
        vector::pdf(&self.svg, &self.caption)
    }

    /// Returns the figure as a PGF picture for LaTeX, which sets its text in the font of the document.
    ///
    /// # Errors
    /// When the SVG text cannot be parsed.
    pub fn pgf(&self) -> Result<String, PlotError> {
        vector::pgf(&self.svg)
    }

    /// Returns the content of a file in this format.
    ///
    /// # Errors
    /// When it cannot be rendered.
    pub fn bytes(&self, format: FigureFormat) -> Result<Vec<u8>, PlotError> {
        match format {
            FigureFormat::Svg => Ok(self.standalone_svg().into_bytes()),
            FigureFormat::Png => self.png(),
            FigureFormat::Pdf => self.pdf(),
            FigureFormat::Pgf => self.pgf().map(String::into_bytes),
        }
    }

    /// Returns the characters that neither the embedded nor the installed fonts can draw; PNG and PDF files lack them.
    ///
    /// # Errors
    /// When the SVG text cannot be parsed.
    pub fn undrawn(&self) -> Result<Vec<char>, PlotError> {
        vector::undrawn(&self.svg)
    }
}

/// Maximum number of workloads that figures show one by one.
const WORKLOADS: usize = 40;
/// Maximum number of pages, over all strategies, of a kind of figure that each strategy has for itself.
const PAGES: usize = 6;
/// Maximum number of such pages per strategy.
const PAGES_OF_ONE: usize = 2;
/// If the pages hold less than one part in `SAMPLE` of all panels, half of the pages are as good a sample.
const SAMPLE: usize = 4;

/// Draws the pages of one kind of figure.
type FigureMaker = fn(&Comparison) -> Result<Vec<Figure>, PlotError>;

/// Draws all figures of a comparison, in the order of a report. Display names come from the scenario unless the
/// [`Sheet`] overrides them.
///
/// # Errors
/// When one cannot be drawn.
pub fn comparison_figures(comparison: &Comparison) -> Result<Vec<Figure>, PlotError> {
    let mut sheet = Sheet::clone(&Sheet::current());
    for (name, text) in &comparison.display {
        sheet.display.entry(name.clone()).or_insert_with(|| text.clone());
    }
    sheet.draw(|| figures_of(comparison))
}

fn figures_of(comparison: &Comparison) -> Result<Vec<Figure>, PlotError> {
    let mut figures = Vec::new();
    if comparison.strategies.is_empty() {
        return Ok(figures);
    }
    let shown = comparison.telling(WORKLOADS);
    let all = comparison.workloads().len();
    let some = (shown.len() < all).then(|| comparison.of_workloads(&shown));
    let one_by_one: [FigureMaker; 4] =
        [bars::p99_figures, bars::violation_figures, cdf::figures, bars::breakdown_figures];
    figures.extend(plan::figures(comparison)?);
    for draw in one_by_one {
        for mut figure in draw(some.as_ref().unwrap_or(comparison))? {
            if some.is_some() {
                figure.caption += &format!(
                    " {} of {all} workloads: those that miss their SLO, then those with the highest P99 / SLO.",
                    shown.len()
                );
            }
            figures.push(figure);
        }
    }
    figures.extend(predicted::figures(comparison)?);
    figures.extend(power::figures(comparison)?);
    figures.extend(adaptation::figures(some.as_ref().unwrap_or(comparison))?);
    figures.extend(lanes::figures(comparison)?);
    Ok(figures)
}

/// Draws the provisioning plans of a comparison, as [`comparison_figures`] does.
///
/// # Errors
/// When one cannot be drawn.
pub fn plan_figures(comparison: &Comparison) -> Result<Vec<Figure>, PlotError> {
    plan::figures(comparison)
}

/// Draws P99 against SLO, and SLO violations, of a comparison, as [`comparison_figures`] does.
///
/// # Errors
/// When one cannot be drawn.
pub fn slo_figures(comparison: &Comparison) -> Result<Vec<Figure>, PlotError> {
    if comparison.strategies.is_empty() {
        return Ok(Vec::new());
    }
    let mut figures = bars::p99_figures(comparison)?;
    figures.extend(bars::violation_figures(comparison)?);
    Ok(figures)
}

/// File format of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FigureFormat {
    /// SVG with embedded fonts.
    Svg,
    /// PNG with 300 pixels per inch.
    Png,
    /// PDF for papers; text is converted to outlines.
    Pdf,
    /// PGF picture for LaTeX, which sets the text.
    Pgf,
}

impl FigureFormat {
    /// Returns the extension of its files.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Svg => "svg",
            Self::Png => "png",
            Self::Pdf => "pdf",
            Self::Pgf => "pgf",
        }
    }
}

/// Writes figures as `figures/<stem>.svg` and `figures/<stem>.png`, and returns the written files.
///
/// # Errors
/// When one cannot be rendered or written.
pub fn write_figures(
    dir: &mut OutputDir,
    figures: &[Figure],
) -> Result<Vec<FigureFile>, PlotError> {
    write_figures_as(dir, figures, &[FigureFormat::Svg, FigureFormat::Png])
}

/// Like [`write_figures`], in the given formats.
///
/// # Errors
/// When one cannot be rendered or written.
pub fn write_figures_as(
    dir: &mut OutputDir,
    figures: &[Figure],
    formats: &[FigureFormat],
) -> Result<Vec<FigureFile>, PlotError> {
    let of = |figure: &Figure| formats.iter().map(|format| figure.bytes(*format)).collect();
    let all: Vec<Result<Vec<Vec<u8>>, PlotError>> = figures.par_iter().map(of).collect();
    let mut files = Vec::with_capacity(figures.len());
    for (figure, contents) in figures.iter().zip(all) {
        let stem = format!("figures/{}", figure.stem);
        for (format, bytes) in formats.iter().zip(contents?) {
            let name = format!("{stem}.{}", format.extension());
            dir.write(&name, |file| file.write_all(&bytes))?;
        }
        files.push(FigureFile { stem, caption: figure.caption.clone() });
    }
    Ok(files)
}

/// Names the pages of one figure.
fn pages(stem: &str, caption: &str, svgs: Vec<String>) -> Vec<Figure> {
    let total = svgs.len();
    let page = |(index, svg): (usize, String)| Figure {
        stem: if index == 0 { stem.to_owned() } else { format!("{stem}-{}", index + 1) },
        caption: if total == 1 {
            caption.to_owned()
        } else {
            format!("{caption} Part {} of {total}.", index + 1)
        },
        svg,
    };
    svgs.into_iter().enumerate().map(page).collect()
}

/// Returns the number of columns of a grid with `n` cells and at most `most` per row, such that rows are filled as
/// evenly as possible.
fn columns_of(n: usize, most: usize) -> usize {
    let n = n.max(1);
    n.div_ceil(n.div_ceil(most.max(1)))
}

/// Draws a figure for each strategy, with at most [`PAGES`] pages in total.
fn of_strategies(
    comparison: &Comparison,
    stem: &str,
    panels: impl Fn(&StrategyResult) -> Option<panels::Panels>,
    caption: impl Fn(&str) -> String,
) -> Result<Vec<Figure>, PlotError> {
    let mut drawn: Vec<(String, &StrategyResult, panels::Panels)> = Vec::new();
    for (index, result) in comparison.strategies.iter().enumerate() {
        let Some(panels) = panels(result) else { continue };
        let mut name = format!("{stem}_{}", file_stem(&result.strategy));
        // Strategies whose names differ only in special characters must not share a file.
        if drawn.iter().any(|(known, ..)| *known == name) {
            name = format!("{name}_{index}");
        }
        drawn.push((name, result, panels));
    }
    let each = (PAGES / drawn.len().max(1)).clamp(1, PAGES_OF_ONE);
    let beyond: Vec<&str> = drawn.iter().skip(PAGES).map(|(_, r, _)| r.strategy.as_str()).collect();
    let mut figures: Vec<Figure> = Vec::new();
    for (place, (name, result, mut panels)) in drawn.iter().take(PAGES).cloned().enumerate() {
        let mut caption = caption(&text::shortened(&sheet::shown(&result.strategy), 40));
        let all = panels.cells.len();
        let page = panels.columns * panels.rows;
        let few = all > SAMPLE * each * page;
        panels.cells.truncate(if few { each.div_ceil(2) } else { each } * page);
        if panels.cells.len() < all {
            caption += &format!(" The first {} of {all}.", panels.cells.len());
        }
        if place + 1 == PAGES && !beyond.is_empty() {
            caption += &format!(" There is none for {}.", beyond.join(", "));
        }
        figures.extend(pages(&name, &caption, panels.pages()?));
    }
    Ok(figures)
}

/// Converts a name for use in a file name: at most 40 ASCII letters, digits, `-` and `_`.
fn file_stem(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    name.chars().take(40).map(plain).collect()
}

/// Returns the distinct values in the order of their first appearance.
fn distinct<'a, T: PartialEq>(values: impl Iterator<Item = &'a T>) -> Vec<&'a T> {
    let mut seen: Vec<&T> = Vec::new();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen
}

/// Splits `n` things into rows of nearly equal length, none longer than `limit`.
fn rows_of(n: usize, limit: usize) -> Vec<std::ops::Range<usize>> {
    let rows = n.div_ceil(limit.max(1)).max(1);
    let length = n.div_ceil(rows);
    (0..rows)
        .map(|row| row * length..((row + 1) * length).min(n))
        .filter(|r| !r.is_empty())
        .collect()
}

#[cfg(test)]
mod tests;
