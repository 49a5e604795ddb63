//! Everything that is not an inference: metadata, statistics, shared memory.

use crate::http::{self, Reply};
use serde::{Deserialize, Serialize};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10);

/// A question that a server does not answer.
#[derive(Debug, thiserror::Error)]
#[error("{url}: {why}")]
pub struct ControlError {
    url: String,
    why: String,
}

/// An input or output of a model as the server describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tensor {
    pub name: String,
    /// Its type: `FP32`, …
    pub datatype: String,
    /// Its dimensions, the batch first; −1 is any.
    pub shape: Vec<i64>,
}

/// A model as the server describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// Its name on the server.
    pub name: String,
    pub inputs: Vec<Tensor>,
    pub outputs: Vec<Tensor>,
}

/// Asks one server. Blocks.
#[derive(Debug, Clone)]
pub struct ServerClient {
    url: String,
}

impl ServerClient {
    /// A server at `http://HOST:PORT`.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self { url: url.trim_end_matches('/').to_owned() }
    }

    /// The server's own name and version, as one JSON document.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn metadata(&self) -> Result<serde_json::Value, ControlError> {
        self.get("/v2")
    }

    /// What a model takes and gives.
    ///
    /// # Errors
    /// When the server does not answer, or has no such model.
    pub fn model(&self, name: &str) -> Result<ModelInfo, ControlError> {
        let path = format!("/v2/models/{name}");
        let answer = self.get(&path)?;
        serde_json::from_value(answer).map_err(|error| self.failed(&path, error))
    }

    /// The cumulative statistics of a model.
    ///
    /// # Errors
    /// As [`ServerClient::model`].
    pub fn statistics(&self, name: &str) -> Result<serde_json::Value, ControlError> {
        let path = format!("/v2/models/{name}/stats");
        let mut answer = self.get(&path)?;
        let first = answer["model_stats"].get_mut(0).map(serde_json::Value::take);
        first.ok_or_else(|| self.failed(&path, "no statistics"))
    }

    /// Makes a region of system shared memory known to the server.
    ///
    /// # Errors
    /// When the server refuses it.
    pub fn register_shared_memory(
        &self,
        name: &str,
        key: &str,
        bytes: u64,
    ) -> Result<(), ControlError> {
        let path = format!("/v2/systemsharedmemory/region/{name}/register");
        let body = serde_json::json!({ "key": key, "offset": 0, "byte_size": bytes });
        self.post(&path, &body).map(drop)
    }

    /// Lets the server forget a region.
    ///
    /// # Errors
    /// When the server does not answer.
    pub fn unregister_shared_memory(&self, name: &str) -> Result<(), ControlError> {
        let path = format!("/v2/systemsharedmemory/region/{name}/unregister");
        self.post(&path, &serde_json::json!({})).map(drop)
    }

    /// One request with a JSON body, and the JSON document that answers it. For trials, not for load.
    ///
    /// # Errors
    /// When the server refuses it.
    pub fn infer(
        &self,
        model: &str,
        request: &serde_json::Value,
    ) -> Result<serde_json::Value, ControlError> {
        let path = format!("/v2/models/{model}/infer");
        self.post(&path, request)?.json().map_err(|error| self.failed(&path, error))
    }

    fn get(&self, path: &str) -> Result<serde_json::Value, ControlError> {
        let reply = http::get(&format!("{}{path}", self.url), LIMIT);
        self.succeeded(path, reply)?.json().map_err(|error| self.failed(path, error))
    }

    fn post(&self, path: &str, body: &serde_json::Value) -> Result<Reply, ControlError> {
        let reply = http::post(&format!("{}{path}", self.url), body, LIMIT);
        self.succeeded(path, reply)
    }

    fn succeeded(&self, path: &str, reply: Result<Reply, String>) -> Result<Reply, ControlError> {
        let reply = reply.map_err(|error| self.failed(path, error))?;
        if reply.is_success() {
            return Ok(reply);
        }
        Err(self.failed(path, format!("status {}: {}", reply.status, reply.text)))
    }

    fn failed(&self, path: &str, why: impl ToString) -> ControlError {
        ControlError { url: format!("{}{path}", self.url), why: why.to_string() }
    }
}
