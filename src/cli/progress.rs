//! Progress on stderr: off if stderr is not a terminal, or with --quiet.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Duration;

/// A bar over a known number of steps, with the current step.
#[derive(Debug, Clone)]
pub(super) struct StepProgress(ProgressBar);

impl StepProgress {
    pub(super) fn new(steps: usize, quiet: bool) -> Self {
        let target =
            if quiet { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(steps as u64), target);
        let style =
            ProgressStyle::with_template("{spinner} {elapsed:>4} [{bar:24}] {pos}/{len} {msg}")
                .expect("the template is valid");
        bar.set_style(style);
        bar.enable_steady_tick(Duration::from_millis(100));
        Self(bar)
    }

    /// Makes a bar over many steps of about equal length, with the remaining time.
    pub(super) fn long(steps: u64, quiet: bool) -> Self {
        let target = if quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(5)
        };
        let bar = ProgressBar::with_draw_target(Some(steps), target);
        let style = ProgressStyle::with_template(
            "{spinner} {elapsed:>4} [{bar:24}] {human_pos}/{human_len} points, {eta} left {msg}",
        )
        .expect("the template is valid");
        bar.set_style(style);
        Self(bar)
    }

    /// Sets the number of steps that were done before this process started; they do not count for
    /// the remaining time.
    pub(super) fn begin_at(&self, steps: u64) {
        self.0.set_position(steps);
        self.0.reset_eta();
    }

    /// Sets the number of finished steps.
    pub(super) fn to(&self, steps: u64) {
        self.0.set_position(steps);
    }

    /// Sets the total number of steps, if it becomes known late.
    pub(super) fn of(&self, steps: u64) {
        self.0.set_length(steps);
    }

    pub(super) fn at(&self, what: impl Into<String>) {
        self.0.set_message(what.into());
    }

    pub(super) fn step(&self) {
        self.0.inc(1);
    }
}

impl Drop for StepProgress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
