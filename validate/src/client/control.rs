//! All requests except inference: metadata, statistics, shared memory.

use super::access::Access;
use super::address::{Address, Protocol};
use crate::http::Reply;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10);
/// Time limit for requests to servers that may still be starting, or may hang.
const SHORT: Duration = Duration::from_secs(5);

/// The error for a request that a server does not answer.
#[derive(Debug, thiserror::Error)]
#[error("{url}: {why}")]
pub struct ControlError {
    url: String,
    why: String,
}

/// An input or output of a model, as the server describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tensor {
    pub name: String,
    /// The data type, such as `FP32`.
    pub datatype: String,
    /// The dimensions, with the batch first; −1 is any size.
    pub shape: Vec<i64>,
}

/// A model as the server describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// The model's name on the server.
    pub name: String,
    pub inputs: Vec<Tensor>,
    pub outputs: Vec<Tensor>,
}

/// A request to a server, independent of the protocol.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Question<'a> {
    /// Whether the server and its models are ready.
    Ready,
    /// The server's name and version.
    Server,
    /// The inputs and outputs of a model.
    Model(&'a str),
    /// The configuration of a model.
    Config(&'a str),
    /// The statistics of a model.
    Statistics(&'a str),
    /// Registers a region of shared memory.
    Register { name: &'a str, key: &'a str, bytes: u64 },
    /// Unregisters a region.
    Unregister(&'a str),
}

impl Question<'_> {
    /// Returns the HTTP path of the request, and the document to post, if any.
    fn over_http(&self) -> (String, Option<Value>) {
        let region =
            |name: &str, verb: &str| format!("/v2/systemsharedmemory/region/{name}/{verb}");
        match self {
            Self::Ready => ("/v2/health/ready".to_owned(), None),
            Self::Server => ("/v2".to_owned(), None),
            Self::Model(name) => (format!("/v2/models/{name}"), None),
            Self::Config(name) => (format!("/v2/models/{name}/config"), None),
            Self::Statistics(name) => (format!("/v2/models/{name}/stats"), None),
            Self::Register { name, key, bytes } => {
                let body = serde_json::json!({ "key": key, "offset": 0, "byte_size": bytes });
                (region(name, "register"), Some(body))
            }
            Self::Unregister(name) => (region(name, "unregister"), Some(serde_json::json!({}))),
        }
    }
}

/// Sends control requests to one server. Blocks.
#[derive(Debug, Clone)]
pub struct ServerClient {
    url: String,
    access: Access,
}

impl ServerClient {
    /// Creates a client of a server at `http://HOST:PORT`.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self::with(url, Access::default())
    }

    /// Creates a client of a server at any [`Address`].
    #[must_use]
    pub fn with(url: &str, access: Access) -> Self {
        Self { url: url.trim_end_matches('/').to_owned(), access }
    }

    /// Returns the address of the server.
    ///
    /// # Errors
    /// When its URL is not the address of a server.
    pub(crate) fn address(&self) -> Result<Address, super::ClientError> {
        Ok(Address::parse(&self.url)?)
    }

    /// Returns the server's URL, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Returns the access settings.
    #[must_use]
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Checks that the server and all of its models are ready. Waits for at most 5 s.
    ///
    /// # Errors
    /// The reason why they are not, as text.
    pub fn ready(&self) -> Result<(), String> {
        self.ask(&Question::Ready, SHORT).map(drop).map_err(|error| error.why)
    }

    /// Returns the configuration of a model, as completed by the server. Waits for at most 5 s.
    ///
    /// # Errors
    /// The reason why there is none, as text.
    pub fn config(&self, name: &str) -> Result<Value, String> {
        self.ask(&Question::Config(name), SHORT).map_err(|error| error.why)
    }

    /// Returns the server's name and version, as one JSON document.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn metadata(&self) -> Result<Value, ControlError> {
        self.ask(&Question::Server, LIMIT)
    }

    /// Returns the inputs and outputs of a model.
    ///
    /// # Errors
    /// When the server does not answer, or has no such model.
    pub fn model(&self, name: &str) -> Result<ModelInfo, ControlError> {
        let answer = self.ask(&Question::Model(name), LIMIT)?;
        let path = format!("/v2/models/{name}");
        serde_json::from_value(answer).map_err(|error| self.failed(&path, error))
    }

    /// Returns the cumulative statistics of a model.
    ///
    /// # Errors
    /// As [`ServerClient::model`].
    pub fn statistics(&self, name: &str) -> Result<Value, ControlError> {
        let mut answer = self.ask(&Question::Statistics(name), LIMIT)?;
        let first = answer["model_stats"].get_mut(0).map(Value::take);
        first.ok_or_else(|| self.failed(&format!("/v2/models/{name}/stats"), "no statistics"))
    }

    /// Registers a region of system shared memory with the server.
    ///
    /// # Errors
    /// When the server refuses it.
    pub fn register_shared_memory(
        &self,
        name: &str,
        key: &str,
        bytes: u64,
    ) -> Result<(), ControlError> {
        self.ask(&Question::Register { name, key, bytes }, LIMIT).map(drop)
    }

    /// Unregisters a region from the server.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn unregister_shared_memory(&self, name: &str) -> Result<(), ControlError> {
        self.ask(&Question::Unregister(name), LIMIT).map(drop)
    }

    /// Sends one request with a JSON body and returns the JSON document of the answer. Meant for trials, not
    /// for load.
    ///
    /// # Errors
    /// When the server refuses it.
    pub fn infer(&self, model: &str, request: &Value) -> Result<Value, ControlError> {
        let path = format!("/v2/models/{model}/infer");
        let reply = self.access.asker().post(&format!("{}{path}", self.url), request, LIMIT);
        self.document(&path, reply)
    }

    fn ask(&self, question: &Question<'_>, limit: Duration) -> Result<Value, ControlError> {
        let address = Address::parse(&self.url).map_err(|error| self.failed("", error))?;
        if address.protocol == Protocol::Grpc {
            #[cfg(feature = "remote")]
            return super::remote::ask(&address, &self.access, question, limit)
                .map_err(|error| self.failed("", error));
        }
        let (path, body) = question.over_http();
        let (asker, url) = (self.access.asker(), format!("{}{path}", self.url));
        let reply = match &body {
            Some(body) => asker.post(&url, body, limit),
            None => asker.get(&url, limit),
        };
        match question {
            // The status alone answers these requests.
            Question::Ready | Question::Register { .. } | Question::Unregister(_) => {
                self.succeeded(&path, reply).map(|_| Value::Null)
            }
            _ => self.document(&path, reply),
        }
    }

    fn document(&self, path: &str, reply: Result<Reply, String>) -> Result<Value, ControlError> {
        self.succeeded(path, reply)?.json().map_err(|error| self.failed(path, error))
    }

    fn succeeded(&self, path: &str, reply: Result<Reply, String>) -> Result<Reply, ControlError> {
        let reply = reply.map_err(|error| self.failed(path, error))?;
        if reply.is_success() {
            return Ok(reply);
        }
        let document = reply.json().unwrap_or_default();
        let words = document["error"].as_str().unwrap_or(reply.text.trim());
        let colon = if words.is_empty() { "" } else { ": " };
        Err(self.failed(path, format!("status {}{colon}{words}", reply.status)))
    }

    fn failed(&self, path: &str, why: impl ToString) -> ControlError {
        ControlError { url: format!("{}{path}", self.url), why: why.to_string() }
    }
}
