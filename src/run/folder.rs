//! Writes the output folder of a comparison.

use crate::figures::{Figure, PlotError, comparison_figures, write_figures};
use crate::page::{self, PAGE, PageSource};
use crate::results::{Comparison, Manifest, OutputDir, write_report, write_tables};

/// Writes the tables, figures, reports and manifest of a comparison, and returns the figures. `step` is called with the
/// name of each step before it begins.
///
/// # Errors
/// When a figure cannot be drawn or a file cannot be written; the folder is then left unchanged.
pub fn write_results(
    mut dir: OutputDir,
    comparison: &Comparison,
    mut manifest: Manifest,
    step: &mut dyn FnMut(&'static str),
) -> Result<Vec<Figure>, PlotError> {
    step("writing tables");
    write_tables(&mut dir, comparison)?;
    step("drawing figures");
    let figures = comparison_figures(comparison)?;
    let files = write_figures(&mut dir, &figures)?;
    write_report(&mut dir, comparison, &files)?;
    let html = page::page(&PageSource::of_comparison(comparison, &manifest));
    dir.write(PAGE, |file| file.write_all(html.as_bytes()))?;
    manifest.stop();
    dir.finish(manifest)?;
    Ok(figures)
}
