//! Access settings for servers that others run: headers for every request, and certificates of trusted
//! authorities.

use crate::http::Asker;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The reasons why access settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    #[error("--header {given:?}: {reason}; allowed: 'Name: value'; fix: {fix}")]
    Header { given: String, reason: String, fix: &'static str },
    #[error("--ca-certificate {}: {reason}; allowed: a PEM file of certificates", .path.display())]
    Certificate { path: PathBuf, reason: String },
    #[error("HTTP cannot be spoken: {0}")]
    Http(String),
}

/// Extra headers and trusted authorities; by default there are none. Cheap to clone.
#[derive(Clone, Default)]
pub struct Access {
    headers: Arc<[(String, String)]>,
    asker: Asker,
    #[cfg(feature = "remote")]
    tls: Option<super::remote::Tls>,
}

/// Headers that requests already set themselves.
const OURS: [&str; 9] = [
    "host",
    "content-length",
    "content-type",
    "inference-header-content-length",
    "transfer-encoding",
    "connection",
    "expect",
    "te",
    "upgrade",
];

impl Access {
    /// Creates access settings from `headers` in the form `Name: value` and from `certificate`, a PEM file of
    /// authorities to trust in addition to those of the system.
    ///
    /// # Errors
    /// When one of them cannot be used.
    pub fn new(headers: &[String], certificate: Option<&Path>) -> Result<Self, AccessError> {
        let headers = headers.iter().map(|text| header(text)).collect::<Result<Arc<[_]>, _>>()?;
        #[cfg(feature = "remote")]
        {
            let tls = super::remote::Tls::new(certificate)?;
            let asker = Asker::new(&headers, Some(&tls)).map_err(AccessError::Http)?;
            Ok(Self { headers, asker, tls: Some(tls) })
        }
        #[cfg(not(feature = "remote"))]
        {
            if let Some(path) = certificate {
                let reason =
                    "this program was built without HTTPS and gRPC (feature `remote`)".to_owned();
                return Err(AccessError::Certificate { path: path.to_owned(), reason });
            }
            let asker = Asker::new(&headers).map_err(AccessError::Http)?;
            Ok(Self { headers, asker })
        }
    }

    /// Checks that a text is a header, `Name: value`, that may be sent.
    ///
    /// # Errors
    /// When it is not.
    pub fn check_header(text: &str) -> Result<(), AccessError> {
        header(text).map(drop)
    }

    /// Returns the names and values of the headers.
    #[must_use]
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// Returns the HTTP client.
    pub(super) fn asker(&self) -> &Asker {
        &self.asker
    }

    /// Returns the TLS settings; by default the system's authorities are trusted.
    #[cfg(feature = "remote")]
    pub(super) fn tls(&self) -> Result<super::remote::Tls, AccessError> {
        self.tls.clone().map_or_else(|| super::remote::Tls::new(None), Ok)
    }
}

/// Two values are equal if they send the same.
impl PartialEq for Access {
    fn eq(&self, other: &Self) -> bool {
        self.headers == other.headers
    }
}

impl fmt::Debug for Access {
    /// Values may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.headers.iter().map(|(name, _)| name)).finish()
    }
}

fn header(text: &str) -> Result<(String, String), AccessError> {
    let (name, value) = text.split_once(':').unwrap_or((text, ""));
    let (name, value) = (name.trim(), value.trim());
    // The value after the name may be a secret, and so may text without a name.
    let wrong = |reason: &str, fix| AccessError::Header {
        given: if text.contains(':') { format!("{name}: …") } else { "…".to_owned() },
        reason: reason.to_owned(),
        fix,
    };
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if !text.contains(':') {
        return Err(wrong("there is no colon", "write a colon between name and value"));
    }
    if name.is_empty() || !name.chars().all(token) {
        return Err(wrong("the name is none of a header", "use letters, digits and - in the name"));
    }
    if !value.chars().all(|c| c == '\t' || (' '..='~').contains(&c)) {
        return Err(wrong(
            "the value has characters that headers cannot have",
            "use printable ASCII",
        ));
    }
    let lower = name.to_ascii_lowercase();
    if OURS.contains(&lower.as_str()) || lower.starts_with("grpc-") {
        return Err(wrong("requests have a header of this name already", "leave it out"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_and_mistakes_hide_the_value() {
        let access = Access::new(&["Authorization: Bearer a:b".to_owned()], None).unwrap();
        assert_eq!(access.headers(), [("Authorization".to_owned(), "Bearer a:b".to_owned())]);
        assert_eq!(format!("{access:?}"), "[\"Authorization\"]");
        for (text, words) in [
            ("X", "no colon"),
            ("Bearer secret", "no colon"),
            (": v", "none of a header"),
            ("a b: secret", "none of a header"),
            ("X: sec\rret", "cannot have"),
            ("content-LENGTH: 3", "already"),
            ("grpc-timeout: 1S", "already"),
        ] {
            let error = Access::new(&[text.to_owned()], None).unwrap_err().to_string();
            assert!(error.contains(words) && !error.contains("secret"), "{text}: {error}");
        }
    }

    #[test]
    fn a_certificate_that_cannot_be_used_is_named() {
        let error = Access::new(&[], Some(Path::new("/nowhere.pem"))).unwrap_err().to_string();
        assert!(error.contains("/nowhere.pem"), "{error}");
    }
}
