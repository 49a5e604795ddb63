//! Servers that others run: on Kubernetes, on another host, or by hand.

use super::describe::describe;
use super::{Deployment, LaunchError, LaunchSpec, Launcher};
use crate::client::{Access, Address, ServerClient};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Uses the servers of a file; starts and ends nothing.
///
/// ```toml
/// headers = ["Authorization: Bearer …"]   # sent with every request, beside those of the command line
/// [[server]]
/// workload = "W1"
/// url = "http://10.0.0.7:8000"   # or https://, grpc://, grpcs://
/// model = "alexnet"            # what the server calls it; the workload's model where it is left out
/// standby = false
/// ```
///
/// Where a workload has several placements, its entries are taken in their order.
#[derive(Debug, Clone)]
pub struct ExternalLauncher {
    file: PathBuf,
    servers: Vec<ServerEntry>,
    access: Access,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerFile {
    #[serde(default)]
    headers: Vec<String>,
    server: Vec<ServerEntry>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerEntry {
    workload: String,
    url: String,
    model: Option<String>,
    #[serde(default)]
    standby: bool,
}

impl ExternalLauncher {
    /// Reads the file of servers. `headers` (`Name: value`) are sent beside its own; `certificate` is a PEM file of
    /// authorities to trust beside those of the system.
    ///
    /// # Errors
    /// When it cannot be read or is no such file.
    pub fn read(
        file: &Path,
        headers: &[String],
        certificate: Option<&Path>,
    ) -> Result<Self, LaunchError> {
        let text = std::fs::read_to_string(file).map_err(LaunchError::file(file))?;
        let wrong = |reason: String| LaunchError::ServerFile { path: file.to_owned(), reason };
        let servers: ServerFile = toml::from_str(&text).map_err(|error| {
            // Without the line itself and the value, which may be a secret.
            let at = error.span().map_or(0, |span| span.start.min(text.len()));
            let line = text.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
            let message = match error.message().split_once(", expected ") {
                Some((given, expected)) if given.starts_with("invalid ") => {
                    format!("expected {expected}")
                }
                _ => error.message().to_owned(),
            };
            wrong(format!("line {line}: {message}"))
        })?;
        for entry in &servers.server {
            if let Err(error) = Address::parse(&entry.url) {
                return Err(wrong(format!("server of {}: url: {error}", entry.workload)));
            }
        }
        let headers = [&servers.headers, headers].concat();
        let access = Access::new(&headers, certificate)?;
        Ok(Self { file: file.to_owned(), servers: servers.server, access })
    }
}

impl Launcher for ExternalLauncher {
    fn name(&self) -> &'static str {
        "external"
    }

    fn launch(&mut self, specs: &[LaunchSpec], _dir: &Path) -> Result<Deployment, LaunchError> {
        let mut deployment = Deployment::default();
        let mut free: Vec<&ServerEntry> = self.servers.iter().collect();
        for spec in specs {
            let fits = |entry: &&ServerEntry| {
                entry.workload == spec.workload.as_str() && entry.standby != spec.active
            };
            let Some(position) = free.iter().position(fits) else {
                return Err(LaunchError::ServerFile {
                    path: self.file.clone(),
                    reason: format!(
                        "no {}server for workload {}; fix: add a [[server]] with workload = \"{}\" and its url",
                        if spec.active { "" } else { "standby " },
                        spec.workload,
                        spec.workload
                    ),
                });
            };
            let entry = free.remove(position);
            let server = ServerClient::with(&entry.url, self.access.clone());
            server.ready().map_err(|reason| LaunchError::Unusable {
                url: server.url().to_owned(),
                workload: spec.workload.clone(),
                reason: format!("it is not ready: {reason}"),
                fix: "start it, or correct its url".to_owned(),
            })?;
            let model = entry.model.as_deref().unwrap_or(spec.model.as_str());
            deployment.add(describe(spec, &server, model)?, None);
        }
        Ok(deployment)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::spec;
    use super::*;

    fn read(text: &str) -> Result<ExternalLauncher, LaunchError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        ExternalLauncher::read(file.path(), &[], None)
    }

    #[test]
    fn mistakes_in_the_file_are_named() {
        let error = |text| read(text).unwrap_err().to_string();
        let url = error("[[server]]\nworkload = \"W\"\nurl = \"tcp://x\"");
        assert!(
            url.contains("server of W: url: given \"tcp://x\"; allowed: http://HOST:PORT"),
            "{url}"
        );
        let header = error("headers = [\"X\"]\n[[server]]\nworkload = \"W\"\nurl = \"http://x\"");
        assert!(header.contains("there is no colon"), "{header}");
        // A secret is not shown, wherever the mistake is.
        for text in ["\nheaders = \"A: Bearer SECRET\"", "\nheaders = [\"A: Bearer SECRET]"] {
            let error = error(text);
            assert!(error.contains("line 2") && !error.contains("SECRET"), "{error}");
        }
        assert!(
            error("[[server]]\nworkload = \"W\"\nurl = \"http://x\"\nport = 1").contains("port")
        );
    }

    #[test]
    fn a_workload_without_a_server_is_named() {
        let mut launcher =
            read("[[server]]\nworkload = \"other\"\nurl = \"http://127.0.0.1:9\"").unwrap();
        let error = launcher.launch(&[spec("alexnet", 1)], Path::new(".")).unwrap_err().to_string();
        assert!(error.contains("no server for workload W1"), "{error}");
    }
}
