//! Measures the runs of a session, and copes with servers that fail.

use super::failure::StartError;
use super::{Bench, BenchOptions, ProfileRun, ProfileSession, RunMember, RunResult};
use crate::signals;
use igniter::units::Nanoseconds;

/// Starts the servers of a session, measures its unfinished runs, and stops the servers. Before each run, `go_on`
/// returns whether there is time for it. `done` receives the result of each run at once, so that it can be kept; a
/// run that cannot be measured does not end the others. A server that does not start is added to `broken`; no
/// further run that needs one with its model and batch size is tried.
///
/// # Errors
/// When no server could start or one does not stop, a result cannot be kept, or a signal asks to end.
pub fn measure_session(
    options: &BenchOptions<'_>,
    session: &ProfileSession,
    broken: &mut Vec<RunMember>,
    duration: impl Fn(&ProfileRun) -> Nanoseconds,
    mut go_on: impl FnMut(&ProfileRun) -> bool,
    mut done: impl FnMut(&ProfileRun, anyhow::Result<RunResult>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut session = session.clone();
    for member in broken.iter() {
        for run in session.leave_out(member) {
            let (model, batch) = (&member.model, member.batch);
            done(&run, Err(anyhow::anyhow!("{model} with batch {batch} did not start before")))?;
        }
    }
    while let Some((first, _)) = session.runs.first() {
        if !go_on(first) {
            return Ok(());
        }
        let mut bench = match Bench::start(options, &session.servers) {
            Ok(bench) => bench,
            Err(StartError { server: Some(server), error }) if !signals::interrupted() => {
                let member = session.servers[server].clone();
                for run in session.leave_out(&member) {
                    done(&run, Err(anyhow::anyhow!("{error:#}")))?;
                }
                broken.push(member);
                continue;
            }
            Err(StartError { error, .. }) => return Err(error),
        };
        let mut lives = true;
        while lives && let Some((run, positions)) = session.runs.first() {
            if !go_on(run) {
                return bench.stop();
            }
            let measured = bench.measure(run, positions, duration(run));
            if signals::interrupted() {
                return Err(signals::Interrupted.into());
            }
            // The exit of a server is a better explanation than a failed request.
            let checked = if measured.is_ok() { bench.check() } else { bench.probe() };
            lives = checked.is_ok();
            let checked = checked.map_err(|error| options.keep_logs(bench.folder(), error));
            let (run, _) = session.runs.remove(0);
            done(&run, checked.and(measured))?;
        }
        if lives {
            return bench.stop();
        }
        // The remaining runs continue with new servers.
        drop(bench);
        session.trim();
    }
    Ok(())
}
