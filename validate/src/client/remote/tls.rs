//! Trusted authorities, and TLS connections.

use crate::client::{AccessError, address::Address};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore, crypto};
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// TLS settings. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tls(Arc<ClientConfig>);

/// A connection to read from and write to, with or without TLS.
pub(crate) trait Sealed: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Sealed for T {}

impl Tls {
    /// Creates settings that trust the system's authorities and, where given, those of a PEM file.
    ///
    /// # Errors
    /// When the file holds no certificate.
    pub(crate) fn new(certificate: Option<&Path>) -> Result<Self, AccessError> {
        let mut roots = RootCertStore::empty();
        // Unreadable certificates of the system are not trusted; connecting to a server that needs one fails
        // with an error.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = certificate {
            let failed = |reason| AccessError::Certificate { path: path.to_owned(), reason };
            let own = CertificateDer::pem_file_iter(path)
                .and_then(|all| all.collect::<Result<Vec<_>, _>>());
            let own = own.map_err(|error| failed(error.to_string()))?;
            if roots.add_parsable_certificates(own).0 == 0 {
                return Err(failed("it holds no certificate of an authority".to_owned()));
            }
        }
        Ok(Self(Arc::new(configuration(roots))))
    }

    /// Returns a configuration that trusts nobody, for clients that never use TLS.
    pub(crate) fn nobody() -> ClientConfig {
        configuration(RootCertStore::empty())
    }

    pub(crate) fn config(&self) -> ClientConfig {
        (*self.0).clone()
    }

    /// Starts TLS on a connection. `protocol` is the protocol inside: `http/1.1` or `h2`.
    pub(crate) async fn seal(
        &self,
        stream: TcpStream,
        address: &Address,
        protocol: &str,
    ) -> io::Result<TlsStream<TcpStream>> {
        let mut config = self.config();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let name = ServerName::try_from(address.host.clone()).map_err(io::Error::other)?;
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }
}

fn configuration(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has the versions of TLS that are on by default")
        .with_root_certificates(roots)
        .with_no_client_auth()
}
