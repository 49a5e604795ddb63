//! Servers on other hosts: TLS, and gRPC (KServe v2 with Triton's extensions).
//!
//! gRPC is spoken over the HTTP/2 of `h2`, and not by a framework on top of it: a request has to be given away at its
//! time and its stages have to be noted, and of the protocol three calls in a row are all that is needed.

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
