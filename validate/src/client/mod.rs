//! Sends inference requests (KServe v2) over HTTP or gRPC, and records the times of each.
//!
//! [`InferClient`] is the plug-in point. [`HttpClient`] keeps a pool of connections. Each carries one request
//! at a time, as Triton's front end requires. All connections are opened at once before the load begins,
//! since Triton binds connections that are opened one by one to the same thread.

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

/// The reasons why requests cannot be sent.
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

/// The outcome of one request. Times are those of [`crate::clock`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The tag that identifies the request.
    pub tag: Tag,
    /// The time at which the request was scheduled to be sent.
    pub intended: Nanoseconds,
    /// The time at which writing the request began.
    pub sent: Nanoseconds,
    /// The time at which the request was completely written.
    pub written: Nanoseconds,
    /// The time at which the first byte of the answer was read.
    pub first_byte: Nanoseconds,
    /// The time at which the whole answer was read, or the request failed.
    pub done: Nanoseconds,
    /// The connection that carried the request.
    pub connection: u32,
    /// Number of bytes of the output tensors, or the reason for the failure.
    pub result: Result<u64, String>,
}

/// Sends requests without waiting for answers, which go to the channel that the client was created with.
pub trait InferClient: Debug + Send + Sync {
    /// Sends one request now, without blocking. `intended` is the time at which it was scheduled. If no
    /// connection is free, the request is sent as soon as one is, and [`Answer::sent`] records that time.
    fn send(&self, tag: Tag, intended: Nanoseconds);

    /// Returns how many times no connection was free.
    fn exhausted(&self) -> u64;
}

/// A client with its connections to one server.
pub trait ServerPool: InferClient {
    /// Returns the number of connections opened so far.
    fn connections(&self) -> u32;

    /// Returns the maximum number of open connections.
    fn most_connections(&self) -> u32;

    /// Closes all connections. Pending requests never get an answer.
    fn close(&self);
}

/// Opens connections to a server, with the protocol of its address.
///
/// # Errors
/// As [`HttpClient::open`].
///
/// # Panics
/// When `templates` is empty.
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
