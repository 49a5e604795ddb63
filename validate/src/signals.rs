//! Ctrl-C, SIGTERM and SIGHUP: a flag that long work looks at.
//!
//! The first signal asks: whoever waits or works looks at [`interrupted`] at least every tenth of a second,
//! ends what it started, keeps what was recorded so far and returns. The second signal ends this process at
//! once, without the files that were not finished; the guards of the servers ([`crate::guard`]) then end those.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The exit code of an interrupted program: 128 + SIGINT, as shells have it.
pub const INTERRUPTED_CODE: u8 = 130;

/// Work that was ended by a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// Begins to watch for signals. Once for each process.
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

/// Whether a signal asked this process to end.
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
