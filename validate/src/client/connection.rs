//! One connection, which carries one request at a time.

use super::Answer;
use super::http::HttpShared;
use super::request::Tag;
use super::response::ResponseReader;
use crate::clock;
use igniter::units::Nanoseconds;
use std::io::ErrorKind;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// The request that a connection waits for.
#[derive(Debug, Clone)]
struct InFlight {
    tag: Tag,
    intended: Nanoseconds,
    sent: Nanoseconds,
    written: Nanoseconds,
}

/// The rest of a request that did not fit into the socket's buffer.
#[derive(Debug)]
pub(super) struct UnsentRest {
    tag: Tag,
    written: usize,
}

#[derive(Debug)]
pub(super) struct Connection {
    number: u32,
    /// `None` where TLS is used: then the connection's own task has the stream and also writes to it.
    stream: Option<TcpStream>,
    in_flight: Mutex<Option<InFlight>>,
    rest: mpsc::UnboundedSender<UnsentRest>,
}

impl Connection {
    /// Opens a connection that is ready to be written to.
    pub(super) async fn open(shared: &HttpShared, number: u32) -> std::io::Result<(Self, Serving)> {
        let stream = TcpStream::connect(shared.socket).await?;
        stream.set_nodelay(true)?;
        stream.writable().await?;
        let (rest, rests) = mpsc::unbounded_channel();
        let of = |stream| Self { number, stream, in_flight: Mutex::new(None), rest };
        #[cfg(feature = "remote")]
        if let Some(tls) = &shared.tls {
            let sealed = tls.seal(stream, &shared.address, "http/1.1").await?;
            return Ok((of(None), Serving { rests, sealed: Some(Box::new(sealed)) }));
        }
        let serving = Serving {
            rests,
            #[cfg(feature = "remote")]
            sealed: None,
        };
        Ok((of(Some(stream)), serving))
    }

    /// Writes as much of a request as the socket takes at once; the connection's task writes the rest.
    pub(super) fn write(&self, shared: &HttpShared, tag: Tag, intended: Nanoseconds) {
        let template = shared.template(tag);
        let id = tag.id();
        let sent = clock::now();
        // Set before the first byte is written: the answer may arrive before this thread continues.
        *lock(&self.in_flight) = Some(InFlight { tag, intended, sent, written: sent });
        let pieces = template.pieces(id.as_bytes(), 0);
        let written = match &self.stream {
            // Nothing is written to a broken connection: its task gets the same error and reports it.
            Some(stream) => stream.try_write_vectored(&pieces).unwrap_or_default(),
            None => 0,
        };
        if written < template.length() {
            // The task lives as long as the connection is in use.
            let _ = self.rest.send(UnsentRest { tag, written });
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

    async fn write_rest(
        &self,
        stream: &TcpStream,
        shared: &HttpShared,
        rest: UnsentRest,
    ) -> std::io::Result<()> {
        let (template, id) = (shared.template(rest.tag), rest.tag.id());
        let mut written = rest.written;
        while written < template.length() {
            stream.writable().await?;
            match stream.try_write_vectored(&template.pieces(id.as_bytes(), written)) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(more) => written += more,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        self.note_written();
        Ok(())
    }

    /// Finishes the request that the connection waits for.
    fn finish(
        &self,
        shared: &HttpShared,
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

/// The state that a connection's own task works with.
pub(super) struct Serving {
    rests: mpsc::UnboundedReceiver<UnsentRest>,
    #[cfg(feature = "remote")]
    sealed: Option<Box<dyn super::remote::Sealed>>,
}

/// Serves a connection until it ends.
pub(super) async fn serve(shared: Arc<HttpShared>, connection: Arc<Connection>, serving: Serving) {
    let Serving { rests, .. } = serving;
    #[cfg(feature = "remote")]
    let error = match serving.sealed {
        Some(stream) => sealed(&shared, &connection, rests, stream).await,
        None => plain(&shared, &connection, rests).await,
    };
    #[cfg(not(feature = "remote"))]
    let error = plain(&shared, &connection, rests).await;
    let now = clock::now();
    connection.finish(&shared, (now, now), Err(error));
    shared.lost(&connection);
}

/// The state of reading answers.
#[derive(Debug, Default)]
struct AnswerReading {
    reader: ResponseReader,
    first_byte: Nanoseconds,
}

impl AnswerReading {
    /// Processes newly read bytes.
    fn push(
        &mut self,
        shared: &HttpShared,
        connection: &Arc<Connection>,
        bytes: &[u8],
    ) -> Result<(), String> {
        let now = clock::now();
        if self.reader.is_empty() {
            self.first_byte = now;
        }
        if let Some(response) = self.reader.push(bytes)? {
            let result = shared.judge(&response);
            connection.finish(shared, (self.first_byte, now), result);
            shared.release(connection);
        }
        Ok(())
    }
}

const CLOSED_BY_US: &str = "the client was closed";
const CLOSED_BY_THEM: &str = "the server closed the connection";
const BUFFER: usize = 256 * 1024;

/// Reads answers, and writes what did not fit at once; returns the reason why the connection ended.
async fn plain(
    shared: &HttpShared,
    connection: &Arc<Connection>,
    mut rests: mpsc::UnboundedReceiver<UnsentRest>,
) -> String {
    let Some(stream) = &connection.stream else { return CLOSED_BY_US.to_owned() };
    let mut reading = AnswerReading::default();
    let mut buffer = vec![0; BUFFER];
    loop {
        let ready = tokio::select! {
            rest = rests.recv() => match rest {
                Some(rest) => match connection.write_rest(stream, shared, rest).await {
                    Ok(()) => continue,
                    Err(error) => return error.to_string(),
                },
                None => return CLOSED_BY_US.to_owned(),
            },
            ready = stream.readable() => ready,
        };
        if let Err(error) = ready {
            return error.to_string();
        }
        match stream.try_read(&mut buffer) {
            Ok(0) => return CLOSED_BY_THEM.to_owned(),
            Ok(read) => {
                if let Err(error) = reading.push(shared, connection, &buffer[..read]) {
                    return error;
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return error.to_string(),
        }
    }
}

/// Does the same on a TLS connection, where this task writes everything.
#[cfg(feature = "remote")]
async fn sealed(
    shared: &HttpShared,
    connection: &Arc<Connection>,
    mut rests: mpsc::UnboundedReceiver<UnsentRest>,
    mut stream: Box<dyn super::remote::Sealed>,
) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut reading = AnswerReading::default();
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = tokio::select! {
            rest = rests.recv() => {
                let Some(rest) = rest else { return CLOSED_BY_US.to_owned() };
                if let Some(in_flight) = lock(&connection.in_flight).as_mut() {
                    in_flight.sent = clock::now();
                }
                let (template, id) = (shared.template(rest.tag), rest.tag.id());
                for piece in template.pieces(id.as_bytes(), 0) {
                    if let Err(error) = stream.write_all(&piece).await {
                        return error.to_string();
                    }
                }
                if let Err(error) = stream.flush().await {
                    return error.to_string();
                }
                connection.note_written();
                continue;
            }
            read = stream.read(&mut buffer) => read,
        };
        match read {
            Ok(0) => return CLOSED_BY_THEM.to_owned(),
            Ok(read) => {
                if let Err(error) = reading.push(shared, connection, &buffer[..read]) {
                    return error;
                }
            }
            Err(error) => return error.to_string(),
        }
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // Every value behind these locks is consistent between two statements.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
