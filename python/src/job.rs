//! Work outside of the interpreter's lock, which Ctrl-C interrupts.

use crate::failure::JobFailure;
use pyo3::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long Ctrl-C may wait to be heard. A result never waits.
const HEARTBEAT: Duration = Duration::from_millis(50);

/// The threads of everything that asks for no number of them, with the process that they belong to.
static SHARED: Mutex<Option<(u32, Arc<ThreadPool>)>> = Mutex::new(None);

fn pool(threads: Option<usize>) -> Result<Arc<ThreadPool>, JobFailure> {
    let new = |threads: usize| {
        let pool = ThreadPoolBuilder::new().num_threads(threads).build();
        pool.map(Arc::new).map_err(|error| {
            JobFailure::new("IgniterError", format!("cannot start worker threads: {error}"))
        })
    };
    if let Some(threads) = threads {
        return new(threads);
    }
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    match shared.take() {
        Some((owner, pool)) if owner == process => {
            *shared = Some((owner, Arc::clone(&pool)));
            Ok(pool)
        }
        other => {
            // A child that was forked has none of its parent's threads; to end them would wait for ever.
            std::mem::forget(other);
            let pool = new(0)?;
            *shared = Some((process, Arc::clone(&pool)));
            Ok(pool)
        }
    }
}

/// What `work` gives; a panic becomes a failure.
fn caught<T>(work: impl FnOnce() -> Result<T, JobFailure>) -> Result<T, JobFailure> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| Err(JobFailure::of_panic(panic)))
}

/// Does `work` on a pool of threads (`threads` of its own, or one for each core, shared), while this thread listens to
/// signals. After an interruption, what runs goes on to its end unheeded, unless it watches for that itself.
pub(crate) fn run<T: Send + 'static>(
    py: Python<'_>,
    threads: Option<usize>,
    work: impl FnOnce() -> Result<T, JobFailure> + Send + 'static,
) -> PyResult<T> {
    // A strategy in Python may call back while it holds a thread of the pool: waiting for another could take for ever.
    if rayon::current_thread_index().is_some() {
        return py.detach(|| caught(work)).map_err(|failure| failure.raise(py));
    }
    let pool = pool(threads).map_err(|failure| failure.raise(py))?;
    let (sender, mut receiver) = sync_channel(1);
    pool.spawn(move || {
        // Nobody listens any more after an interruption.
        let _ = sender.send(caught(work));
    });
    loop {
        let heard;
        (receiver, heard) = py.detach(move || {
            let heard = receiver.recv_timeout(HEARTBEAT);
            (receiver, heard)
        });
        match heard {
            Ok(outcome) => return outcome.map_err(|failure| failure.raise(py)),
            Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(
                    JobFailure::new("InternalError", "a bug of igniter: lost work").raise(py)
                );
            }
        }
    }
}

/// Work that panics: there is no other way to test what follows a bug.
#[pyfunction]
pub(crate) fn panic_at_work(py: Python<'_>, message: String) -> PyResult<()> {
    run(py, None, move || panic!("{message}"))
}
