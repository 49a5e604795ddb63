//! A unary gRPC call over HTTP/2.

use super::Sealed;
use crate::client::access::Access;
use crate::client::address::Address;
use crate::clock;
use bytes::{Buf as _, Bytes, BytesMut};
use h2::RecvStream;
use h2::client::{Builder, Connection, SendRequest};
use http::{HeaderMap, Method, Request, Uri, Version};
use igniter::units::Nanoseconds;
use std::future::poll_fn;
use std::io;
use tokio::net::TcpStream;

/// The name of the service of KServe and Triton.
const SERVICE: &str = "inference.GRPCInferenceService";
/// The maximum size of an answer: the most that Triton itself sends.
const LARGEST: usize = 0x7fff_ffff;
/// The flow-control window of a call, in bytes; that of a whole connection is four times as large.
const WINDOW: u32 = 4 << 20;

/// A connection to a server, and the future that drives it.
pub(super) type OpenedConnection = (SendRequest<Bytes>, Connection<Box<dyn Sealed>, Bytes>);

/// Connects to a server.
pub(super) async fn open(address: &Address, access: &Access) -> io::Result<OpenedConnection> {
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
    stream.set_nodelay(true)?;
    let stream: Box<dyn Sealed> = if address.sealed {
        let tls = access.tls().map_err(io::Error::other)?;
        Box::new(tls.seal(stream, address, "h2").await?)
    } else {
        Box::new(stream)
    };
    let mut builder = Builder::new();
    builder.initial_window_size(WINDOW).initial_connection_window_size(4 * WINDOW);
    builder.handshake(stream).await.map_err(io::Error::other)
}

/// The times of the stages of a call.
#[derive(Debug, Clone, Copy)]
pub(super) struct CallStages {
    /// The time right before the first byte was handed over.
    pub(super) sent: Nanoseconds,
    /// The time when the last byte was handed over.
    pub(super) written: Nanoseconds,
    /// The time when the answer began.
    pub(super) first_byte: Nanoseconds,
    /// Whether the call had to wait for others because the server accepts no more concurrent ones.
    pub(super) waited: bool,
}

impl CallStages {
    pub(super) fn now() -> Self {
        let now = clock::now();
        Self { sent: now, written: now, first_byte: now, waited: false }
    }
}

/// Calls a method with a message in pieces, including its five-byte prefix; returns the message of the
/// answer.
///
/// # Errors
/// The reason why there is none: `status N: …` where the server states one.
pub(super) async fn call(
    mut sender: SendRequest<Bytes>,
    (address, access): (&Address, &Access),
    method: &str,
    pieces: &[Bytes],
    stages: &mut CallStages,
) -> Result<Bytes, String> {
    let said = |error: h2::Error| format!("HTTP/2: {error}");
    sender = sender.ready().await.map_err(said)?;
    let request = head(address, access, method)?;
    stages.sent = clock::now();
    let (answer, mut body) = sender.send_request(request, false).map_err(said)?;
    poll_fn(|context| {
        let poll = sender.poll_ready(context);
        stages.waited |= poll.is_pending();
        poll
    })
    .await
    .map_err(said)?;
    if stages.waited {
        stages.sent = clock::now();
    }
    let last = pieces.iter().rposition(|piece| !piece.is_empty()).unwrap_or_default();
    for (i, piece) in pieces.iter().enumerate() {
        send(&mut body, piece.clone(), i == last).await.map_err(said)?;
    }
    stages.written = clock::now();
    let answer = answer.await.map_err(said)?;
    stages.first_byte = clock::now();
    let status = answer.status();
    if status != http::StatusCode::OK {
        return Err(format!("status {}: over HTTP/2, from no gRPC server", status.as_u16()));
    }
    // An answer without a message has its status in its head.
    failure(answer.headers())?;
    message(answer.into_body()).await
}

fn head(address: &Address, access: &Access, method: &str) -> Result<Request<()>, String> {
    let uri = Uri::builder()
        .scheme(if address.sealed { "https" } else { "http" })
        .authority(address.authority())
        .path_and_query(format!("/{SERVICE}/{method}"))
        .build()
        .map_err(|error| error.to_string())?;
    let mut request = Request::builder()
        .method(Method::POST)
        .version(Version::HTTP_2)
        .uri(uri)
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    for (name, value) in access.headers() {
        request = request.header(name.to_ascii_lowercase(), value);
    }
    request.body(()).map_err(|error| error.to_string())
}

/// Sends a piece, each time as much as the server accepts.
async fn send(
    body: &mut h2::SendStream<Bytes>,
    mut piece: Bytes,
    last: bool,
) -> Result<(), h2::Error> {
    while !piece.is_empty() {
        body.reserve_capacity(piece.len());
        let Some(capacity) = poll_fn(|context| body.poll_capacity(context)).await else {
            // The stream has ended; the answer contains the reason.
            return Ok(());
        };
        let part = piece.split_to(capacity?.min(piece.len()));
        let ends = last && piece.is_empty();
        if body.send_data(part, ends).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

async fn message(mut body: RecvStream) -> Result<Bytes, String> {
    let mut bytes = BytesMut::new();
    while let Some(part) = body.data().await {
        let part = part.map_err(|error| format!("HTTP/2: {error}"))?;
        // Data that was read frees window capacity; nothing more can be done where the stream is gone.
        let _ = body.flow_control().release_capacity(part.len());
        bytes.extend_from_slice(&part);
        if bytes.len() > LARGEST {
            return Err(format!("an answer of more than {LARGEST} bytes"));
        }
    }
    let trailers = body.trailers().await.map_err(|error| format!("HTTP/2: {error}"))?;
    failure(&trailers.unwrap_or_default())?;
    if bytes.len() < 5 {
        return Err("an answer without a message".to_owned());
    }
    let packed = bytes.get_u8() != 0;
    let length = bytes.get_u32() as usize;
    if packed || bytes.len() != length {
        return Err(format!("a message of {length} bytes in {} (packed: {packed})", bytes.len()));
    }
    Ok(bytes.freeze())
}

/// Returns the error that a server reports; a missing status or status 0 is success.
fn failure(headers: &HeaderMap) -> Result<(), String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("grpc-status") {
        None | Some("0") => Ok(()),
        Some(status) => {
            let words = unescape(text("grpc-message").unwrap_or_default());
            Err(format!("status {status}: {words}"))
        }
    }
}

/// Decodes percent-encoding, such as `%20` for a space.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let code = (*first == b'%').then(|| after.get(..2)).flatten();
        let code =
            code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        bytes.push(code.unwrap_or(*first));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Returns the five-byte prefix of a message of this length.
pub(super) fn frame(length: usize) -> [u8; 5] {
    let length = u32::try_from(length).expect("requests are far below 4 GiB").to_be_bytes();
    [0, length[0], length[1], length[2], length[3]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_status_are_unescaped() {
        for (text, expected) in
            [("a%20b", "a b"), ("100%", "100%"), ("%zz%C3%A4", "%zzä"), ("", ""), ("%4", "%4")]
        {
            assert_eq!(unescape(text), expected, "{text}");
        }
        let mut headers = HeaderMap::new();
        assert_eq!(failure(&headers), Ok(()));
        headers.insert("grpc-status", "14".parse().unwrap());
        headers.insert("grpc-message", "queue%20full".parse().unwrap());
        assert_eq!(failure(&headers), Err("status 14: queue full".to_owned()));
    }

    #[test]
    fn a_frame_says_the_length() {
        assert_eq!(frame(258), [0, 0, 0, 1, 2]);
    }
}
