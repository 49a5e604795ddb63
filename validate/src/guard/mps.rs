//! Commands to an MPS daemon.

use super::MpsControl;
use nix::unistd::{Pid, getpgid};
use std::fs;
use std::io::{self, Read, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Time limit for `terminate_client`; it returns once the client's work is off the GPU.
const TERMINATE_LIMIT: Duration = Duration::from_secs(3);
/// Time limit for a daemon to list its servers. Servers that it does not list in time would outlive it, so
/// the limit leaves room for an overloaded machine.
const LIST_LIMIT: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Sends one command to a daemon; returns its answer, on either stream.
///
/// # Errors
/// When the control program cannot be run, does not end in time, or finds no daemon.
pub fn command(control: &MpsControl, command: &str, limit: Duration) -> io::Result<String> {
    let mut child = Command::new(&control.program)
        .envs(&control.environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that has already ended reads nothing.
        let _ = stdin.write_all(format!("{command}\n").as_bytes());
    }
    // Answers are shorter than the capacity of a pipe.
    let deadline = Instant::now() + limit;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("no answer to `{command}` within {} s", limit.as_secs()),
            ));
        }
        std::thread::sleep(LOOK_EVERY);
    };
    let mut text = String::new();
    for stream in [
        child.stdout.take().map(|s| Box::new(s) as Box<dyn Read>),
        child.stderr.take().map(|s| Box::new(s) as Box<dyn Read>),
    ]
    .into_iter()
    .flatten()
    {
        let mut bytes = Vec::new();
        let mut stream = stream;
        stream.read_to_end(&mut bytes)?;
        text.push_str(&String::from_utf8_lossy(&bytes));
    }
    let text = text.trim().to_owned();
    // The exit code alone is not enough: some failures end with 0 too.
    if text.contains("Cannot find MPS control daemon") || (text.is_empty() && !status.success()) {
        let why = if text.is_empty() { status.to_string() } else { text };
        return Err(io::Error::other(why));
    }
    Ok(text)
}

/// Asks the daemon to end the clients among the processes of a group, as far as it knows them.
pub(super) fn terminate_clients(control: &MpsControl, group: Pid) -> Vec<u32> {
    let ask = |text: &str| command(control, text, TERMINATE_LIMIT).unwrap_or_default();
    let pids = |text: &str| -> Vec<u32> {
        text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    };
    let members = members(group);
    let mut ended = Vec::new();
    for server in pids(&ask("get_server_list")) {
        for client in pids(&ask(&format!("get_client_list {server}"))) {
            if members.contains(&client) {
                ask(&format!("terminate_client {server} {client}"));
                ended.push(client);
            }
        }
    }
    ended
}

/// Returns the processes of a group.
fn members(group: Pid) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|&pid| getpgid(Some(Pid::from_raw(pid))) == Ok(group))
        .filter_map(|pid| u32::try_from(pid).ok())
        .collect()
}

/// Ends servers of a daemon that is gone, since they must not outlive it.
pub(super) fn end_servers(servers: &[u32]) {
    use nix::sys::signal::{Signal, kill};
    for &pid in servers {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        // The id may belong to another process by now.
        if let (true, Ok(pid)) = (name.starts_with("nvidia-cuda-mps"), i32::try_from(pid)) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            std::thread::sleep(Duration::from_millis(200));
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}

/// Returns the servers of a daemon.
pub(super) fn servers(control: &MpsControl) -> Vec<u32> {
    let text = command(control, "get_server_list", LIST_LIMIT).unwrap_or_default();
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}
