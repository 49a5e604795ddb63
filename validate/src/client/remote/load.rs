//! Requests over gRPC, with many concurrent ones on each connection.

use super::call::{CallStages, call, open};
use super::messages::ModelInferResponse;
use crate::client::access::Access;
use crate::client::address::Address;
use crate::client::connection::lock;
use crate::client::request::{RequestTemplate, Tag};
use crate::client::{Answer, ClientError, HttpOptions, InferClient, ServerPool};
use crate::clock;
use bytes::Bytes;
use h2::client::SendRequest;
use igniter::units::Nanoseconds;
use prost::Message as _;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

/// Number of connections that are enough by default: all requests share them.
const CONNECTIONS: u32 = 8;

/// A client of one model on one server, over gRPC.
#[derive(Debug, Clone)]
pub struct GrpcClient(Arc<RemoteShared>);

#[derive(Debug)]
struct RemoteShared {
    address: Address,
    access: Access,
    templates: Vec<RequestTemplate>,
    answers: Sender<Answer>,
    runtime: Handle,
    lines: Vec<Line>,
    next: AtomicUsize,
    opened: AtomicU32,
    waited: AtomicU64,
    closed: AtomicBool,
    drivers: Mutex<Vec<AbortHandle>>,
}

/// A connection, which the next request opens again if it was lost.
#[derive(Debug, Default)]
struct Line(tokio::sync::Mutex<Option<SendRequest<Bytes>>>);

impl GrpcClient {
    /// Opens the connections. `templates` are the inputs; request i takes number i modulo their count.
    ///
    /// # Errors
    /// When a connection cannot be opened.
    ///
    /// # Panics
    /// When `templates` is empty.
    pub fn open(
        runtime: &Handle,
        (address, access): (Address, Access),
        templates: Vec<RequestTemplate>,
        options: HttpOptions,
        answers: Sender<Answer>,
    ) -> Result<Self, ClientError> {
        assert!(!templates.is_empty(), "a client needs something to send");
        let count = options.connections.clamp(1, CONNECTIONS);
        let shared = Arc::new(RemoteShared {
            address,
            access,
            templates,
            answers,
            runtime: runtime.clone(),
            lines: (0..count).map(|_| Line::default()).collect(),
            next: AtomicUsize::new(0),
            opened: AtomicU32::new(0),
            waited: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            drivers: Mutex::new(Vec::new()),
        });
        runtime
            .block_on(async {
                for line in 0..shared.lines.len() {
                    shared.sender(line).await?;
                }
                Ok(())
            })
            .map_err(|source| ClientError::Connect { url: shared.address.to_string(), source })?;
        Ok(Self(shared))
    }
}

impl InferClient for GrpcClient {
    fn send(&self, tag: Tag, intended: Nanoseconds) {
        let shared = self.0.clone();
        let line = shared.next.fetch_add(1, Ordering::Relaxed) % shared.lines.len();
        self.0.runtime.spawn(async move {
            let mut stages = CallStages::now();
            let result = shared.carry(line, tag, &mut stages).await;
            let done = clock::now();
            if stages.waited {
                shared.waited.fetch_add(1, Ordering::Relaxed);
            }
            if shared.closed.load(Ordering::Relaxed) {
                return;
            }
            let CallStages { sent, written, first_byte, .. } = stages;
            let connection = u32::try_from(line).unwrap_or(u32::MAX);
            // Nobody listens any more once a run has been given up.
            let _ = shared.answers.send(Answer {
                tag,
                intended,
                sent,
                written: written.max(sent),
                first_byte: first_byte.max(written).min(done),
                done,
                connection,
                result,
            });
        });
    }

    fn exhausted(&self) -> u64 {
        self.0.waited.load(Ordering::Relaxed)
    }
}

impl ServerPool for GrpcClient {
    fn connections(&self) -> u32 {
        self.0.opened.load(Ordering::Relaxed)
    }

    fn most_connections(&self) -> u32 {
        u32::try_from(self.0.lines.len()).unwrap_or(u32::MAX)
    }

    fn close(&self) {
        self.0.closed.store(true, Ordering::Relaxed);
        // A server that is asked to end waits for its connections.
        lock(&self.0.drivers).drain(..).for_each(|driver| driver.abort());
    }
}

impl RemoteShared {
    /// Returns the sender of a connection, which is opened where there is none.
    async fn sender(&self, line: usize) -> std::io::Result<SendRequest<Bytes>> {
        let mut line = self.lines[line].0.lock().await;
        if let Some(sender) = &*line {
            return Ok(sender.clone());
        }
        let (sender, connection) = open(&self.address, &self.access).await?;
        self.opened.fetch_add(1, Ordering::Relaxed);
        // The requests of the connection report how it ended.
        let driver = tokio::spawn(async move { drop(connection.await) });
        lock(&self.drivers).push(driver.abort_handle());
        Ok(line.insert(sender).clone())
    }

    async fn carry(&self, line: usize, tag: Tag, stages: &mut CallStages) -> Result<u64, String> {
        let sender = self.sender(line).await;
        let sender =
            sender.map_err(|error| format!("cannot connect to {}: {error}", self.address))?;
        let template = &self.templates[tag.index as usize % self.templates.len()];
        let pieces = template.bytes(&tag.id());
        let to = (&self.address, &self.access);
        let answer = call(sender, to, "ModelInfer", &pieces, stages).await;
        if answer.as_ref().is_err_and(|why| why.starts_with("HTTP/2")) {
            // The connection is no longer usable.
            *self.lines[line].0.lock().await = None;
        }
        output_bytes(ModelInferResponse::decode(answer?).map_err(|error| error.to_string())?)
    }
}

/// Returns the number of bytes of the output tensors, in the answer or in shared memory.
fn output_bytes(response: ModelInferResponse) -> Result<u64, String> {
    if response.outputs.is_empty() {
        return Err("no outputs".to_owned());
    }
    if !response.raw_output_contents.is_empty() {
        return Ok(response.raw_output_contents.iter().map(|raw| raw.len() as u64).sum());
    }
    // A server states only the shape of a tensor in shared memory, so its number of elements stands for its
    // bytes.
    let elements =
        |shape: &[i64]| shape.iter().map(|size| size.unsigned_abs()).fold(1, u64::saturating_mul);
    let sizes = response.outputs.iter().map(|output| elements(&output.shape));
    Ok(sizes.fold(0, u64::saturating_add))
}
