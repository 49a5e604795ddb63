//! The output folder of `simulate` and `compare`, and their thread pool.

use super::common_args::ThreadArgs;
use super::output;
use super::progress::StepProgress;
use crate::page::PAGE;
use crate::results::{Comparison, Existing, Identity, Manifest, OutputDir};
use crate::run::{RunError, Study, write_results};
use std::path::Path;

/// Runs `work` on a thread pool of its own where a number of threads is given.
pub(super) fn in_pool<T: Send>(
    args: ThreadArgs,
    work: impl FnOnce() -> T + Send,
) -> Result<T, RunError> {
    let Some(threads) = args.threads.map(usize::from) else { return Ok(work()) };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map(|pool| pool.install(work)).map_err(|source| RunError::Threads { threads, source })
}

/// Returns the text that names the files written to a folder, for the end of the printed output.
pub(super) fn written(folder: &Path) -> String {
    format!(
        "\nreport   {}\nfigures  {}\ntables   {}",
        folder.join(PAGE).display(),
        folder.join("figures").display(),
        folder.join("summary.csv").display(),
    )
}

/// The folder for results, if any, with its manifest.
#[derive(Debug)]
pub(super) struct ResultFolder {
    dir: Option<OutputDir>,
    manifest: Manifest,
}

impl ResultFolder {
    /// Opens the folder before anything runs, to make sure that results can be written.
    pub(super) fn open(path: Option<&Path>, study: &Study) -> anyhow::Result<Self> {
        let mut manifest = Manifest::start(super::command_line());
        let identity = Identity::new(&manifest, Some(&study.scenario().name));
        let open = |path| OutputDir::open_for(path, Existing::Replace, &identity);
        let dir = path.map(open).transpose()?;
        // Inputs may be large, so they are read only for a manifest that will be written.
        if dir.is_some() {
            study.note(&mut manifest)?;
            if let Some(note) = study.formula_note() {
                output::tell(&format!("note: {note}"));
            }
        }
        Ok(Self { dir, manifest })
    }

    /// Adds an input file to the manifest; of a folder, its files.
    pub(super) fn note_input(&mut self, path: &Path) -> std::io::Result<()> {
        if self.dir.is_some() { self.manifest.input_path(path) } else { Ok(()) }
    }

    /// Records the planning time of a strategy in the manifest.
    pub(super) fn note_planning(&mut self, strategy: &str, seconds: f64) {
        self.manifest.planning_s.insert(strategy.to_owned(), seconds);
    }

    /// Returns the folder, if there is one.
    pub(super) fn dir(&mut self) -> Option<&mut OutputDir> {
        self.dir.as_mut()
    }

    /// Number of progress steps that [`ResultFolder::finish`] takes.
    pub(super) fn steps(&self) -> usize {
        if self.dir.is_some() { 2 } else { 0 }
    }

    /// Writes tables, figures, report and manifest; returns the seconds since the start.
    pub(super) fn finish(
        mut self,
        comparison: &Comparison,
        progress: &StepProgress,
    ) -> anyhow::Result<f64> {
        self.manifest.stop();
        let wall_s = self.manifest.wall_s;
        if let Some(dir) = self.dir {
            let figures = write_results(dir, comparison, self.manifest, &mut |what| {
                progress.at(what);
                progress.step();
            })?;
            output::tell_undrawn(&figures)?;
        }
        Ok(wall_s)
    }
}
