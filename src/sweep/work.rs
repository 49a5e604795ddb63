//! Runs many jobs on all cores, with results in order and a bounded number of them in memory.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

struct Queue<J> {
    jobs: J,
    /// Number of jobs handed out.
    begun: u64,
    /// Number of results committed.
    done: u64,
    stopped: bool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // The counters are correct even after a panic, because they change last.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs `work` for each job on `threads` threads, and passes every result to `commit` in the order of the
/// jobs, on the calling thread.
///
/// At most `window` jobs are started and not yet committed, so memory does not grow with the number of
/// jobs. When `commit` fails, no new job starts, and the error is returned. A panic of `work` is
/// propagated.
///
/// Each job runs in its own rayon pool: parallel work of the engine within a run stays on one thread, which
/// saves context switches. With fewer than `threads` jobs (`count`), each gets its part of the threads
/// instead, so that a single job uses all cores.
pub(super) fn in_order<J, R, E>(
    jobs: J,
    count: u64,
    threads: usize,
    work: impl Fn(J::Item) -> R + Sync,
    mut commit: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E>
where
    J: Iterator + Send,
    J::Item: Send,
    R: Send,
{
    let threads = threads.max(1);
    let workers = usize::try_from(count).map_or(threads, |count| threads.min(count.max(1)));
    let window = 16 * threads as u64;
    let queue = Mutex::new(Queue { jobs, begun: 0, done: 0, stopped: false });
    let changed = Condvar::new();
    let (sender, results) = mpsc::channel::<(u64, thread::Result<R>)>();
    thread::scope(|scope| {
        for _ in 0..workers {
            let (sender, queue, changed) = (sender.clone(), &queue, &changed);
            let work = &work;
            scope.spawn(move || {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads / workers);
                // Without a pool of its own, the job uses rayon's global pool.
                let pool = pool.use_current_thread().build();
                while let Some((number, job)) = next(queue, changed, window) {
                    // A lost result would block all other threads.
                    let result = catch_unwind(AssertUnwindSafe(|| work(job)));
                    if sender.send((number, result)).is_err() {
                        break;
                    }
                }
                drop(pool);
            });
        }
        drop(sender);
        let outcome = take(&results, &queue, &changed, &mut commit);
        // In any case, wake all waiting threads.
        locked(&queue).stopped = true;
        changed.notify_all();
        drop(results);
        outcome
    })
    .unwrap_or_else(|panic| resume_unwind(panic))
}

fn next<J: Iterator>(
    queue: &Mutex<Queue<J>>,
    changed: &Condvar,
    window: u64,
) -> Option<(u64, J::Item)> {
    let mut queue = locked(queue);
    while !queue.stopped && queue.begun - queue.done >= window {
        queue = changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
    if queue.stopped {
        return None;
    }
    let job = queue.jobs.next()?;
    let number = queue.begun;
    queue.begun += 1;
    Some((number, job))
}

fn take<J, R, E>(
    results: &mpsc::Receiver<(u64, thread::Result<R>)>,
    queue: &Mutex<Queue<J>>,
    changed: &Condvar,
    commit: &mut impl FnMut(R) -> Result<(), E>,
) -> thread::Result<Result<(), E>> {
    let mut early = BTreeMap::new();
    let mut expected = 0;
    for (number, result) in results {
        early.insert(number, result);
        while let Some(result) = early.remove(&expected) {
            if let Err(error) = commit(result?) {
                return Ok(Err(error));
            }
            expected += 1;
            locked(queue).done = expected;
            changed.notify_all();
        }
    }
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn run(threads: usize, count: u64) -> Vec<u64> {
        let mut taken = Vec::new();
        let work = |job: u64| {
            // Later jobs are often done before earlier ones.
            std::thread::sleep(Duration::from_micros(100 * (7 - job % 7)));
            job * job
        };
        in_order(0..count, count, threads, work, |result| {
            taken.push(result);
            Ok::<(), ()>(())
        })
        .unwrap();
        taken
    }

    #[test]
    fn results_come_in_order_on_any_number_of_threads() {
        for threads in [1, 2, 7] {
            for count in [0, 1, 3, 200] {
                let expected: Vec<u64> = (0..count).map(|job| job * job).collect();
                assert_eq!(run(threads, count), expected);
            }
        }
    }

    #[test]
    fn an_error_ends_the_work() {
        let begun = Mutex::new(0);
        let work = |job: u64| {
            *locked(&begun) += 1;
            job
        };
        let commit = |job: u64| if job < 5 { Ok(()) } else { Err(job) };
        assert_eq!(in_order(0..1_000_000, 1_000_000, 2, work, commit), Err(5));
        // The window, and what was committed before.
        assert!(*locked(&begun) <= 5 + 32 + 2, "{}", locked(&begun));
    }

    #[test]
    #[should_panic(expected = "job 3")]
    fn a_panic_is_passed_on() {
        let work = |job: u64| assert!(job != 3, "job 3");
        let _ = in_order(0..100_u64, 100, 2, work, |()| Ok::<(), ()>(()));
    }
}
