//! One connection: it carries one request at a time.

use super::Answer;
use super::http::Shared;
use super::request::Tag;
use super::response::ResponseReader;
use crate::clock;
use igniter::units::Nanoseconds;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// What a connection waits for.
#[derive(Debug, Clone)]
struct InFlight {
    tag: Tag,
    intended: Nanoseconds,
    sent: Nanoseconds,
    written: Nanoseconds,
}

/// The end of a request that did not fit into the socket's buffer.
#[derive(Debug)]
pub(super) struct Rest {
    tag: Tag,
    written: usize,
}

#[derive(Debug)]
pub(super) struct Connection {
    number: u32,
    stream: TcpStream,
    in_flight: Mutex<Option<InFlight>>,
    rest: mpsc::UnboundedSender<Rest>,
}

impl Connection {
    /// Opens a connection that can be written to.
    pub(super) async fn open(
        shared: &Shared,
        number: u32,
    ) -> std::io::Result<(Self, RestReceiver)> {
        let stream = TcpStream::connect(shared.address).await?;
        stream.set_nodelay(true)?;
        stream.writable().await?;
        let (rest, receiver) = mpsc::unbounded_channel();
        Ok((Self { number, stream, in_flight: Mutex::new(None), rest }, receiver))
    }

    /// Writes a request, as much of it as the socket takes at once; the connection's task does the rest.
    pub(super) fn write(&self, shared: &Shared, tag: Tag, intended: Nanoseconds) {
        let template = shared.template(tag);
        let id = tag.id();
        let sent = clock::now();
        // Before the first byte: the answer may be there before this thread goes on.
        *lock(&self.in_flight) = Some(InFlight { tag, intended, sent, written: sent });
        let written = match self.stream.try_write_vectored(&template.pieces(id.as_bytes(), 0)) {
            Ok(written) => written,
            // Also of a broken connection: its task meets the error again, and reports it.
            Err(_) => 0,
        };
        if written < template.length() {
            // The task lives as long as the connection is in use.
            let _ = self.rest.send(Rest { tag, written });
        } else {
            self.note_written();
        }
    }

    fn note_written(&self) {
        let now = clock::now();
        if let Some(in_flight) = lock(&self.in_flight).as_mut() {
            in_flight.written = now;
        }
    }

    async fn write_rest(&self, shared: &Shared, rest: Rest) -> std::io::Result<()> {
        let (template, id) = (shared.template(rest.tag), rest.tag.id());
        let mut written = rest.written;
        while written < template.length() {
            self.stream.writable().await?;
            match self.stream.try_write_vectored(&template.pieces(id.as_bytes(), written)) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(more) => written += more,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        self.note_written();
        Ok(())
    }

    /// Ends what the connection waits for.
    fn finish(
        &self,
        shared: &Shared,
        (first_byte, done): (Nanoseconds, Nanoseconds),
        result: Result<u64, String>,
    ) {
        let Some(InFlight { tag, intended, sent, written }) = lock(&self.in_flight).take() else {
            return;
        };
        let connection = self.number;
        shared.report(Answer {
            tag,
            intended,
            sent,
            written: written.min(done),
            first_byte,
            done,
            connection,
            result,
        });
    }
}

pub(super) type RestReceiver = mpsc::UnboundedReceiver<Rest>;

/// Serves a connection until it ends.
pub(super) async fn serve(
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    mut rests: RestReceiver,
) {
    let mut reader = ResponseReader::default();
    let mut first_byte = Nanoseconds::ZERO;
    let mut buffer = vec![0; 256 * 1024];
    let error = loop {
        let ready = tokio::select! {
            rest = rests.recv() => match rest {
                Some(rest) => match connection.write_rest(&shared, rest).await {
                    Ok(()) => continue,
                    Err(error) => break error.to_string(),
                },
                None => break "the client was closed".to_owned(),
            },
            ready = connection.stream.readable() => ready,
        };
        if let Err(error) = ready {
            break error.to_string();
        }
        match connection.stream.try_read(&mut buffer) {
            Ok(0) => break "the server closed the connection".to_owned(),
            Ok(read) => {
                let now = clock::now();
                if reader.is_empty() {
                    first_byte = now;
                }
                match reader.push(&buffer[..read]) {
                    Ok(None) => {}
                    Ok(Some(response)) => {
                        let result = shared.judge(&response);
                        connection.finish(&shared, (first_byte, now), result);
                        shared.release(&connection);
                    }
                    Err(error) => break error,
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => break error.to_string(),
        }
    };
    let now = clock::now();
    connection.finish(&shared, (now, now), Err(error));
    shared.lost(&connection);
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Every value behind these locks is whole between two statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
