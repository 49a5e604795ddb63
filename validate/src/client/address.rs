//! Addresses of servers, parsed from URLs.

use reqwest::Url;
use std::fmt;

/// The protocol of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    Http,
    Grpc,
}

/// `http://HOST:PORT`, `https://…`, `grpc://…` or `grpcs://…`. HTTP(S) may have a path before that of the
/// protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    pub protocol: Protocol,
    /// Whether TLS is used.
    pub sealed: bool,
    /// A host name or an IP address; IPv6 without brackets.
    pub host: String,
    pub port: u16,
    /// The path before `/v2`: empty, or with a leading slash and no trailing one.
    pub path: String,
}

/// The error for a URL that is not the address of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("given {given:?}; allowed: {allowed}; fix: {fix}")]
pub struct AddressError {
    /// The URL without possible secrets.
    pub given: String,
    pub allowed: &'static str,
    pub fix: String,
}

const ALLOWED: &str =
    "http://HOST:PORT, https://HOST[:PORT][/PATH], grpc://HOST:PORT or grpcs://HOST:PORT";

impl Address {
    /// Parses a URL.
    ///
    /// # Errors
    /// When it is not the address of a server, or this program was built without its protocol.
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let wrong = |allowed, fix: &str| AddressError {
            given: without_secrets(text),
            allowed,
            fix: fix.to_owned(),
        };
        let url = Url::parse(text)
            .map_err(|error| wrong(ALLOWED, &format!("write such an address ({error})")))?;
        let (protocol, sealed, default) = match url.scheme() {
            "http" => (Protocol::Http, false, 80),
            "https" => (Protocol::Http, true, 443),
            "grpc" => (Protocol::Grpc, false, 8001),
            "grpcs" => (Protocol::Grpc, true, 8001),
            _ => return Err(wrong(ALLOWED, "begin it with one of these")),
        };
        let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
            return Err(wrong(ALLOWED, "name the host"));
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong(
                ALLOWED,
                "leave user and password out, and send them with --header 'Authorization: Basic …'",
            ));
        }
        let path = url.path().trim_end_matches('/').to_owned();
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong(ALLOWED, "leave out what follows ? and #"));
        }
        if protocol == Protocol::Grpc && !path.is_empty() {
            return Err(wrong(ALLOWED, "leave the path out: gRPC has its own"));
        }
        if (sealed || protocol == Protocol::Grpc) && !cfg!(feature = "remote") {
            return Err(wrong(
                "http://HOST:PORT, as this program was built without HTTPS and gRPC",
                "take the program of a release, or build it with `cargo build --release -p validate --features remote`",
            ));
        }
        Ok(Self {
            protocol,
            sealed,
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: url.port().unwrap_or(default),
            path,
        })
    }

    /// Returns host and port, as in the header `Host`.
    #[must_use]
    pub fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match (self.protocol, self.sealed) {
            (Protocol::Http, false) => "http",
            (Protocol::Http, true) => "https",
            (Protocol::Grpc, false) => "grpc",
            (Protocol::Grpc, true) => "grpcs",
        };
        write!(f, "{scheme}://{}{}", self.authority(), self.path)
    }
}

/// Returns an address that is safe to show: without user, password, and anything after `?` or `#`.
fn without_secrets(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").unwrap_or(("", text));
    let rest = rest.rsplit_once('@').map_or(rest.to_owned(), |(_, host)| format!("…@{host}"));
    let end = rest.find(['?', '#']).map_or(rest.len(), |at| at + 1);
    let cut = if end < rest.len() { "…" } else { "" };
    let separator = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{separator}{}{cut}", &rest[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_url() {
        let address = Address::parse("http://10.0.0.7:8000/triton/a/").unwrap();
        assert_eq!(
            (address.authority().as_str(), address.path.as_str()),
            ("10.0.0.7:8000", "/triton/a")
        );
        assert_eq!(address.to_string(), "http://10.0.0.7:8000/triton/a");
        assert_eq!(Address::parse("http://[::1]:8000").unwrap().authority(), "[::1]:8000");
        assert_eq!(Address::parse("http://host").unwrap().port, 80);
        if cfg!(feature = "remote") {
            let address = Address::parse("grpcs://host:9").unwrap();
            assert_eq!((address.protocol, address.sealed, address.port), (Protocol::Grpc, true, 9));
            assert_eq!(Address::parse("https://host").unwrap().port, 443);
        }
    }

    #[test]
    fn what_is_no_server_is_refused_with_a_fix() {
        for (text, words) in [
            ("10.0.0.7:8000", "allowed: http://HOST:PORT"),
            ("ftp://host:1", "begin it with one of these"),
            ("http://", "allowed: http://HOST:PORT"),
            ("http://host:1/?a=b", "leave out what follows ?"),
        ] {
            let error = Address::parse(text).unwrap_err().to_string();
            assert!(error.contains(words) && error.contains("fix: "), "{text}: {error}");
        }
        let error = Address::parse("http://me:secret@host:1").unwrap_err().to_string();
        assert!(error.contains("--header") && !error.contains("secret"), "{error}");
        for text in [
            "htps://me:secret@host",
            "http://me:sec/ret@ho st",
            "http://h:1/a?token=secret",
            "me:secret@host",
        ] {
            let error = Address::parse(text).unwrap_err().to_string();
            assert!(!error.contains("sec"), "{error}");
        }
        let grpc = Address::parse("grpc://host:1/path").unwrap_err().to_string();
        match cfg!(feature = "remote") {
            true => assert!(grpc.contains("leave the path out"), "{grpc}"),
            false => {
                let error = Address::parse("https://host").unwrap_err().to_string();
                assert!(error.contains("--features remote"), "{error}");
            }
        }
    }
}
