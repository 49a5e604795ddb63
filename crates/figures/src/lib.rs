//! Figures fit for a paper, from the tables of a report alone.
//!
//! Every figure is an SVG text and, from it, a PNG image; both depend on the tables only, byte for
//! byte. What is too much for one page is continued on another.

#![allow(
    clippy::disallowed_methods,
    reason = "coordinates and ticks are rounded when they are drawn"
)]

mod accuracy;
mod adaptation;
mod axis;
mod bars;
mod breakdown;
mod canvas;
mod cdf;
mod fonts;
mod generic;
mod grouped;
mod heat;
mod panel;
mod plan;
mod power;
mod predicted;
mod scaling;
mod scatter;
mod study;
mod study_experiments;
mod style;
mod sweep;
mod text;
mod validation;

pub use accuracy::{AccuracyPoint, accuracy_figure};
pub use generic::{BarsFigure, Marks, Named, Points, PointsFigure};
pub use heat::{HeatPanel, heat_figure};
pub use scaling::{ScalingPoint, scaling_figure};
pub use study::{StudyPoint, StudySeries, study_figures};
pub use study_experiments::{PredictedMark, experiment_figures};
pub use sweep::{LinePanel, SweepMark, SweepSeries, line_figure, pareto_figure};
pub use validation::{ValidationWorkload, validation_figures};

use igniter_results::{Comparison, FigureFile, OutputDir, OutputError};
use rayon::prelude::*;

/// A figure that cannot be drawn: our bug, or a picture too large for memory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlotError {
    /// Plotters failed.
    #[error("cannot draw a figure: {0}")]
    Draw(#[from] plotters::drawing::DrawingAreaErrorKind<std::io::Error>),
    /// The SVG text that we drew is not valid.
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
    /// Its file name without an extension.
    pub stem: String,
    /// What it shows, in one sentence for a caption.
    pub caption: String,
    svg: String,
}

impl Figure {
    /// The figure as SVG text; its size is in inches.
    #[must_use]
    pub fn svg(&self) -> &str {
        &self.svg
    }

    /// The same as a file of its own: with the fonts that it uses, and its caption as title.
    #[must_use]
    pub fn standalone_svg(&self) -> String {
        fonts::standalone(&self.svg, &self.caption)
    }

    /// The figure as the bytes of a PNG file with 300 pixels per inch.
    ///
    /// # Errors
    /// When it cannot be rendered.
    pub fn png(&self) -> Result<Vec<u8>, PlotError> {
        canvas::png(&self.svg)
    }
}

/// Draws the pages of one kind of figure.
type Draw = fn(&Comparison) -> Result<Vec<Figure>, PlotError>;

/// All figures of a comparison, in the order of a report.
///
/// # Errors
/// When one cannot be drawn.
pub fn comparison_figures(comparison: &Comparison) -> Result<Vec<Figure>, PlotError> {
    let mut figures = Vec::new();
    if comparison.strategies.is_empty() {
        return Ok(figures);
    }
    let kinds: [Draw; 8] = [
        plan::figures,
        bars::p99_figures,
        bars::violation_figures,
        cdf::figures,
        breakdown::figures,
        predicted::figures,
        power::figures,
        adaptation::figures,
    ];
    for kind in kinds {
        figures.extend(kind(comparison)?);
    }
    Ok(figures)
}

/// The provisioning plans of a comparison, as [`comparison_figures`] draws them.
///
/// # Errors
/// When one cannot be drawn.
pub fn plan_figures(comparison: &Comparison) -> Result<Vec<Figure>, PlotError> {
    plan::figures(comparison)
}

/// P99 against SLO, and SLO violations, of a comparison, as [`comparison_figures`] draws them.
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

/// Writes figures as `figures/<stem>.svg` and `figures/<stem>.png`, and says where they are.
///
/// # Errors
/// When one cannot be rendered or written.
pub fn write_figures(
    dir: &mut OutputDir,
    figures: &[Figure],
) -> Result<Vec<FigureFile>, PlotError> {
    let images: Vec<Result<Vec<u8>, PlotError>> = figures.par_iter().map(Figure::png).collect();
    let mut files = Vec::with_capacity(figures.len());
    for (figure, image) in figures.iter().zip(images) {
        let (image, stem) = (image?, format!("figures/{}", figure.stem));
        let svg = figure.standalone_svg();
        dir.write(&format!("{stem}.svg"), |file| file.write_all(svg.as_bytes()))?;
        dir.write(&format!("{stem}.png"), |file| file.write_all(&image))?;
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

/// A name as part of a file name: ASCII letters, digits, `-` and `_`, at most 40 of them.
fn file_stem(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    name.chars().take(40).map(plain).collect()
}

/// Distinct values in the order in which they first appear.
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
