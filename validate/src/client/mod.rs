//! Sends inference requests (KServe v2) over HTTP or gRPC, and notes when what happened to each.
//!
//! [`InferClient`] is the plug-in point. [`HttpClient`] keeps a pool of connections of which each carries
//! one request at a time, as Triton's front end demands; it opens them all at once before the load, since
//! Triton binds connections that are opened one by one to the same thread.

mod access;
mod address;
mod chunks;
mod connection;
mod control;
mod http;
#[cfg(feature = "remote")]
mod remote;
mod request;
mod response;
mod shared_memory;

pub use access::{Access, AccessError};
pub use address::{Address, AddressError, Protocol};
pub use control::{ControlError, ModelInfo, ServerClient, Tensor};
pub use http::{HttpClient, HttpOptions, most_connections};
#[cfg(feature = "remote")]
pub use remote::{GrpcClient, Tls};
pub use request::{RequestTemplate, Tag};
#[doc(hidden)]
pub use response::answer_sizes;
pub use shared_memory::SharedMemory;

use igniter::units::Nanoseconds;
use std::fmt::Debug;
use std::sync::mpsc::Sender;
use tokio::runtime::Handle;

/// Why requests cannot be sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    #[error("cannot connect to {url}: {source}")]
    Connect { url: String, source: std::io::Error },
    #[error("the address of a server: {0}")]
    Address(#[from] AddressError),
    #[error(transparent)]
    Access(#[from] AccessError),
    #[error("cannot use shared memory {path}: {source}; leave --shared-memory out")]
    SharedMemory { path: String, source: std::io::Error },
    #[error("cannot start the threads of the client: {0}")]
    Runtime(std::io::Error),
}

/// What became of one request. Times are those of [`crate::clock`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Which request.
    pub tag: Tag,
    /// When it was to be sent.
    pub intended: Nanoseconds,
    /// When writing it began.
    pub sent: Nanoseconds,
    /// When it was written completely.
    pub written: Nanoseconds,
    /// When the first byte of the answer was read.
    pub first_byte: Nanoseconds,
    /// When the whole answer was read, or the request failed.
    pub done: Nanoseconds,
    /// The connection that carried it.
    pub connection: u32,
    /// Bytes of the output tensors, or why there are none.
    pub result: Result<u64, String>,
}

/// Sends requests and never waits for them; answers go to the channel that the client was made with.
pub trait InferClient: Debug + Send + Sync {
    /// Sends one request now. `intended` is when it was to be sent. Does not block: what cannot be sent at
    /// once is sent as soon as a connection is free, and [`Answer::sent`] says when that was.
    fn send(&self, tag: Tag, intended: Nanoseconds);

    /// How often no connection was free.
    fn exhausted(&self) -> u64;
}

/// A client with its connections to one server.
pub trait ServerPool: InferClient {
    /// How many connections were opened so far.
    fn connections(&self) -> u32;

    /// The most that may be open.
    fn most_connections(&self) -> u32;

    /// Closes all connections. Requests that still wait for an answer never get one.
    fn close(&self);
}

/// Opens connections to a server, by the protocol of its address.
///
/// # Errors
/// As [`HttpClient::open`].
///
/// # Panics
/// Without a template.
pub fn open(
    runtime: &Handle,
    server: &ServerClient,
    templates: Vec<RequestTemplate>,
    options: HttpOptions,
    answers: Sender<Answer>,
) -> Result<Box<dyn ServerPool>, ClientError> {
    let address = server.address()?;
    #[cfg(feature = "remote")]
    if address.protocol == Protocol::Grpc {
        let to = (address, server.access().clone());
        return Ok(Box::new(GrpcClient::open(runtime, to, templates, options, answers)?));
    }
    Ok(Box::new(HttpClient::open(runtime, address, server.access(), templates, options, answers)?))
}
