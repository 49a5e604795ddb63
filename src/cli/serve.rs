//! The live view of a sweep: one page, available on this machine only, with the results so far.

use super::output;
use crate::page;
use crate::sweep::Sweep;
use anyhow::Context;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Timeout for reading from and writing to a browser.
const PATIENCE: Duration = Duration::from_secs(2);
/// Pause between two checks for a connection.
const PAUSE: Duration = Duration::from_millis(50);
/// The longest line of a request, in bytes.
const LINE: u64 = 8192;

/// Opens the port and prints the address of the page.
pub(super) fn open(port: u16) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).with_context(|| {
        format!(
            "--serve {port}: cannot listen on 127.0.0.1:{port}; allowed: a free port, or 0 for any"
        )
    })?;
    listener.set_nonblocking(true)?;
    output::tell(&format!("live view: http://{}/ (until the sweep ends)", listener.local_addr()?));
    Ok(listener)
}

/// Answers requests of browsers until `done` is set.
pub(super) fn answer(listener: &TcpListener, sweep: &Sweep, folder: &Path, done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        match listener.accept() {
            // A browser that disconnects is no failure of the sweep.
            Ok((stream, _)) => drop(respond(stream, sweep, folder)),
            Err(_) => std::thread::sleep(PAUSE),
        }
    }
}

fn respond(stream: TcpStream, sweep: &Sweep, folder: &Path) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(io::Read::take(&stream, LINE));
    let (mut first, mut local) = (String::new(), false);
    reader.read_line(&mut first)?;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line.trim().is_empty() {
            break;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(host) = lower.strip_prefix("host:") {
            let host = host.trim().rsplit_once(':').map_or(host.trim(), |(name, _)| name);
            // A page of another site that reaches this port under its own host name is rejected.
            local = matches!(host, "127.0.0.1" | "localhost");
        }
    }
    let (status, kind, body) = match first.split_whitespace().collect::<Vec<_>>()[..] {
        [_, _, _] if !local => ("403 Forbidden", "text/plain", "only from this machine".to_owned()),
        ["GET", "/", _] => {
            match sweep.so_far(folder).and_then(|(facts, points)| page::live_page(facts, &points)) {
                Ok(html) => ("200 OK", "text/html", html),
                Err(error) => ("500 Internal Server Error", "text/plain", error.to_string()),
            }
        }
        _ => ("404 Not Found", "text/plain", "there is one page, at /".to_owned()),
    };
    let mut stream = &stream;
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: \
         no-store\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(body.as_bytes())?;
    stream.flush()
}
