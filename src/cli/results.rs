//! The output folder of `simulate` and `compare`, and the threads that they work on.

use super::common_args::ThreadArgs;
use super::output;
use super::progress::StepProgress;
use crate::page::PAGE;
use crate::results::{Comparison, Existing, Identity, Manifest, OutputDir};
use crate::run::{RunError, Study, write_results};
use std::path::Path;

/// Runs `work` on its own pool of threads where a number is asked for.
pub(super) fn in_pool<T: Send>(
    args: ThreadArgs,
    work: impl FnOnce() -> T + Send,
) -> Result<T, RunError> {
    let Some(threads) = args.threads.map(usize::from) else { return Ok(work()) };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map(|pool| pool.install(work)).map_err(|source| RunError::Threads { threads, source })
}

/// Where to look for what was written into a folder, after what is printed of it.
pub(super) fn written(folder: &Path) -> String {
    format!(
        "\nreport   {}\nfigures  {}\ntables   {}",
        folder.join(PAGE).display(),
        folder.join("figures").display(),
        folder.join("summary.csv").display(),
    )
}

/// The folder that results go to, if any, with the manifest that says how they were made.
#[derive(Debug)]
pub(super) struct ResultFolder {
    dir: Option<OutputDir>,
    manifest: Manifest,
}

impl ResultFolder {
    /// Makes sure, before anything runs, that results can be written.
    pub(super) fn open(path: Option<&Path>, study: &Study) -> anyhow::Result<Self> {
        let mut manifest = Manifest::start(super::command_line());
        let identity = Identity::new(&manifest, Some(&study.scenario().name));
        let open = |path| OutputDir::open_for(path, Existing::Replace, &identity);
        let dir = path.map(open).transpose()?;
        // Inputs may be large: they are only read for a manifest that will be written.
        if dir.is_some() {
            study.note(&mut manifest)?;
            if let Some(note) = study.formula_note() {
                output::tell(&format!("note: {note}"));
            }
        }
        Ok(Self { dir, manifest })
    }

    /// Lists one more input file in the manifest; a folder by its files.
    pub(super) fn note_input(&mut self, path: &Path) -> std::io::Result<()> {
        if self.dir.is_some() { self.manifest.input_path(path) } else { Ok(()) }
    }

    /// Notes in the manifest how long a plan took to make.
    pub(super) fn note_planning(&mut self, strategy: &str, seconds: f64) {
        self.manifest.planning_s.insert(strategy.to_owned(), seconds);
    }

    /// The folder itself.
    pub(super) fn dir(&mut self) -> Option<&mut OutputDir> {
        self.dir.as_mut()
    }

    /// How many steps of progress [`ResultFolder::finish`] takes.
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
