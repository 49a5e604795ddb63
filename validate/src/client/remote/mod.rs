//! Servers on other hosts: TLS, and gRPC (KServe v2 with Triton's extensions).
//!
//! gRPC runs directly over the HTTP/2 of `h2`, not over a framework: a request has to be handed over at its
//! scheduled time and the times of its stages have to be recorded. Of the protocol, only unary calls are
//! needed.

mod call;
mod load;
mod messages;
mod questions;
mod template;
mod tls;

pub use load::GrpcClient;
pub use tls::Tls;

pub(super) use questions::ask;
pub(super) use template::template;
pub(super) use tls::Sealed;
