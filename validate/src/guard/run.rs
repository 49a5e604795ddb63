//! The guard itself: the hidden command.

use super::{GuardOrder, mps};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Time limit for a command that asks a process to end or cleans up.
const COMMAND_LIMIT: Duration = Duration::from_secs(15);
pub(super) const SHARED_MEMORY: &str = "/dev/shm";

/// Starts the process of the order, prints its id on stdout, and ends it when stdin ends. Returns its exit
/// code (128 + the signal that ended it).
///
/// # Errors
/// When the process cannot be started.
pub fn run(order: &GuardOrder) -> io::Result<u8> {
    let held = order.holds.as_deref().map(File::open).transpose()?;
    if let Some(folder) = &held {
        folder.lock_shared()?;
    }
    let log = OpenOptions::new().create(true).append(true).open(&order.log)?;
    let (asked, ask) = channel();
    // A signal to the guard is a request to end, like the end of stdin.
    let by_signal = asked.clone();
    ctrlc::set_handler(move || {
        let _ = by_signal.send(());
    })
    .map_err(io::Error::other)?;
    let mut child = start(order, &log)?;
    println!("{}", child.id());
    io::stdout().flush()?;
    std::thread::spawn(move || {
        let mut rest = Vec::new();
        // However reading ends, the main program is gone or done.
        let _ = io::stdin().read_to_end(&mut rest);
        let _ = asked.send(());
    });
    let mut servers = Vec::new();
    let status = wait(&mut child, &ask, order, &mut servers)?;
    mps::end_servers(&servers);
    clean(order, &child);
    drop(held);
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX))
}

fn start(order: &GuardOrder, log: &File) -> io::Result<Child> {
    let (program, arguments) = with_death_signal(&order.command);
    let mut command = Command::new(program);
    command.args(arguments).envs(&order.environment);
    for name in &order.hidden_variables {
        command.env_remove(name);
    }
    // A process group of its own: Ctrl-C in the terminal does not reach it, and the whole group can be ended
    // at once.
    command.process_group(0).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?);
    command.spawn()
}

/// Wraps a command in `setpriv`, where available, so that the system ends the process when the guard is
/// killed.
fn with_death_signal(command: &[String]) -> (String, Vec<String>) {
    let found = |folder: &str| Path::new(folder).join("setpriv").is_file();
    if ["/usr/bin", "/bin"].into_iter().any(found) {
        let asking = ["--pdeathsig", "KILL", "--"].map(str::to_owned);
        ("setpriv".to_owned(), asking.into_iter().chain(command.iter().cloned()).collect())
    } else {
        (command[0].clone(), command[1..].to_vec())
    }
}

/// Waits for the end of the process, or ends it. `servers` gets the processes that an MPS daemon started
/// itself, since they may outlive it.
fn wait(
    child: &mut Child,
    ask: &Receiver<()>,
    order: &GuardOrder,
    servers: &mut Vec<u32>,
) -> io::Result<ExitStatus> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        match ask.recv_timeout(LOOK_EVERY) {
            Err(RecvTimeoutError::Timeout) => {}
            Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    match &order.stop_command {
        Some(stop_command) => {
            if let Some(daemon) = &stop_command.mps {
                *servers = mps::servers(daemon);
            }
            run_command(&stop_command.command, &stop_command.input, order);
        }
        None => drop(kill(pid(child), Signal::SIGTERM)),
    }
    let deadline = Instant::now() + Duration::from_millis(order.grace_ms);
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        std::thread::sleep(LOOK_EVERY);
    }
    if let Some(control) = &order.mps {
        mps::terminate_clients(control, pid(child));
    }
    let _ = killpg(pid(child), Signal::SIGKILL);
    child.wait()
}

/// Ends the rest of the process group, and removes what the process left behind.
fn clean(order: &GuardOrder, child: &Child) {
    let group = pid(child);
    // Most of the remaining processes end by themselves: Triton's model processes watch for its end.
    let deadline = Instant::now() + Duration::from_millis(order.grace_ms.min(500));
    while killpg(group, None) != Err(Errno::ESRCH) && Instant::now() < deadline {
        std::thread::sleep(LOOK_EVERY);
    }
    let _ = killpg(group, Signal::SIGKILL);
    let deadline = Instant::now() + Duration::from_secs(5);
    while killpg(group, None) != Err(Errno::ESRCH) && Instant::now() < deadline {
        std::thread::sleep(LOOK_EVERY);
    }
    if let Some(command) = &order.cleaning {
        run_command(command, "", order);
    }
    if let Some(prefix) = &order.shared_memory {
        remove_starting_with(Path::new(SHARED_MEMORY), prefix);
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().try_into().expect("the system's process ids are positive i32"))
}

/// Runs a short command to its end; its output goes to the log.
fn run_command(command: &[String], input: &str, order: &GuardOrder) {
    let log =
        || OpenOptions::new().append(true).open(&order.log).map_or(Stdio::null(), Stdio::from);
    let started = Command::new(&command[0])
        .args(&command[1..])
        .envs(&order.environment)
        .stdin(Stdio::piped())
        .stdout(log())
        .stderr(log())
        .spawn();
    let Ok(mut child) = started else { return };
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(input.as_bytes());
    }
    let deadline = Instant::now() + COMMAND_LIMIT;
    while Instant::now() < deadline {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    let _ = child.kill();
    let _ = child.wait();
}

pub(super) fn remove_starting_with(folder: &Path, prefix: &str) {
    // An empty prefix would match the shared memory of all programs.
    if prefix.is_empty() {
        return;
    }
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(prefix) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_bears_the_prefix_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["ours-1", "ours-2", "theirs"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        remove_starting_with(folder.path(), "");
        remove_starting_with(folder.path(), "ours-");
        let left: Vec<_> =
            fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(left, ["theirs"]);
    }
}
