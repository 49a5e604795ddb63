//! HTTP queries to servers: readiness, configuration, statistics, shared memory.
//!
//! One client serves all of them. It uses no proxy, whatever the environment says: servers are on the
//! loopback interface, or at the address that a server file gives. It also keeps no connection open, since a
//! Triton server that is asked to end waits for its connections.
//!
//! The load does not use this module. It must know and choose, to the microsecond, the time at which the
//! first byte of a request is written, and it must open its pool of connections at once. A library that
//! queues requests in its own tasks guarantees neither. [`crate::client::HttpClient`] therefore writes to its
//! own sockets.

use reqwest::blocking::{Client, ClientBuilder, Response};
use reqwest::redirect;
use serde_json::Value;
use std::error::Error;
use std::sync::LazyLock;
use std::time::Duration;

/// A server's reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status code, such as 200.
    pub status: u16,
    /// The body.
    pub text: String,
}

impl Reply {
    /// Returns whether the request succeeded.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// Parses the body as JSON.
    ///
    /// # Errors
    /// When the body is not JSON.
    pub fn json(&self) -> Result<Value, String> {
        serde_json::from_str(&self.text).map_err(|error| error.to_string())
    }
}

static PLAIN: LazyLock<Result<Client, String>> = LazyLock::new(|| build(builder()));

/// An HTTP client; holds a client of its own where it has its own headers or TLS settings.
#[derive(Debug, Clone, Default)]
pub struct Asker(Option<Client>);

impl Asker {
    /// Creates a client that sends these headers with every request and uses these TLS settings.
    ///
    /// # Errors
    /// When the client cannot be created; the error is the reason as text.
    pub(crate) fn new(
        headers: &[(String, String)],
        #[cfg(feature = "remote")] tls: Option<&crate::client::Tls>,
    ) -> Result<Self, String> {
        let mut map = reqwest::header::HeaderMap::new();
        for (name, value) in headers {
            let name = reqwest::header::HeaderName::from_bytes(name.as_bytes());
            let value = reqwest::header::HeaderValue::from_str(value);
            let (name, value) =
                (name.map_err(|e| e.to_string())?, value.map_err(|e| e.to_string())?);
            map.append(name, value);
        }
        let builder = builder().default_headers(map);
        #[cfg(feature = "remote")]
        let builder = match tls {
            Some(tls) => builder.tls_backend_preconfigured(tls.config()),
            None => builder,
        };
        build(builder).map(|client| Self(Some(client)))
    }

    fn client(&self) -> Result<Client, String> {
        self.0.clone().map_or_else(|| PLAIN.clone(), Ok)
    }

    /// Sends a GET request to `url` and waits for the whole answer, at most for `limit`. Blocks: do not call
    /// it from asynchronous code.
    ///
    /// # Errors
    /// When there is no answer; the error is the reason as text.
    pub fn get(&self, url: &str, limit: Duration) -> Result<Reply, String> {
        read(self.client()?.get(url).timeout(limit).send())
    }

    /// Posts a JSON document to `url` and waits for the answer as [`Asker::get`] does.
    ///
    /// # Errors
    /// As [`Asker::get`].
    pub fn post(&self, url: &str, document: &Value, limit: Duration) -> Result<Reply, String> {
        read(self.client()?.post(url).json(document).timeout(limit).send())
    }
}

fn builder() -> ClientBuilder {
    let builder =
        Client::builder().no_proxy().pool_max_idle_per_host(0).redirect(redirect::Policy::none());
    // Without an explicit backend reqwest would look for a provider of ciphers and for the system's
    // certificates.
    #[cfg(feature = "remote")]
    let builder = builder.tls_backend_preconfigured(crate::client::Tls::nobody());
    builder
}

fn build(builder: ClientBuilder) -> Result<Client, String> {
    builder.build().map_err(|error| chain(&error))
}

fn read(answer: reqwest::Result<Response>) -> Result<Reply, String> {
    let answer = answer.map_err(|error| chain(&error))?;
    let status = answer.status().as_u16();
    let text = answer.text().map_err(|error| chain(&error))?;
    Ok(Reply { status, text })
}

/// Formats an error with its causes, without the address, which the caller adds.
fn chain(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut text = String::new();
    let mut next = error.source();
    while let Some(cause) = next {
        text = if text.is_empty() { cause.to_string() } else { format!("{text}: {cause}") };
        next = cause.source();
    }
    if text.is_empty() { error.to_string() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::thread;

    const LIMIT: Duration = Duration::from_secs(10);

    #[test]
    fn an_answer_with_any_status_is_an_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/v2", listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let mut asked = String::new();
            BufReader::new(&stream).read_line(&mut asked).unwrap();
            stream
                .write_all(b"HTTP/1.1 400 Bad\r\nContent-Length: 13\r\n\r\n{\"error\":\"x\"}")
                .unwrap();
            asked
        });
        let reply = Asker::default().get(&url, LIMIT).unwrap();
        assert_eq!(server.join().unwrap(), "GET /v2 HTTP/1.1\r\n");
        assert_eq!((reply.status, reply.is_success()), (400, false));
        assert_eq!(reply.json().unwrap()["error"], "x");
        assert!(Reply { text: "<html>".to_owned(), ..reply }.json().is_err());
    }

    #[test]
    fn why_there_is_no_answer_is_said() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        assert_eq!(
            Asker::default().get(&url, Duration::from_millis(50)).unwrap_err(),
            "no answer in time"
        );
        drop(listener);
        let refused = Asker::default().post(&url, &Value::Null, LIMIT).unwrap_err();
        assert!(refused.to_lowercase().contains("refused"), "{refused}");
    }
}
