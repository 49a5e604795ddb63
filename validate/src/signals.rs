//! Ctrl-C, SIGTERM and SIGHUP: a flag that long-running work polls.
//!
//! The first signal requests an orderly end. Code that waits or works checks [`interrupted`] at least every
//! tenth of a second, ends what it started, keeps what was recorded so far and returns. The second signal
//! ends this process at once, without the unfinished files; the guards of the servers ([`crate::guard`]) then
//! end the servers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The exit code of an interrupted program: 128 + SIGINT, as in shells.
pub const INTERRUPTED_CODE: u8 = 130;

/// The error for work that a signal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// Starts watching for signals. Call it once for each process.
///
/// # Errors
/// When the system refuses the handler.
pub fn watch() -> Result<(), ctrlc::Error> {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            igniter::results::discard_unfinished();
            std::process::exit(i32::from(INTERRUPTED_CODE));
        }
        eprintln!("validate: interrupted; ending what was started (again: at once)");
    })
}

/// Returns whether a signal asked this process to end.
#[must_use]
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Sleeps, but wakes soon after a signal.
///
/// # Errors
/// When a signal asked this process to end.
pub fn sleep(time: Duration) -> Result<(), Interrupted> {
    let end = Instant::now() + time;
    loop {
        if interrupted() {
            return Err(Interrupted);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(Duration::from_millis(50)));
    }
}
