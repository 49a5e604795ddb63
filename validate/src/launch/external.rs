//! Servers that others run: on Kubernetes, on another host, or by hand.

use super::describe::describe;
use super::inquiry;
use super::{Deployment, LaunchError, LaunchSpec, Launcher};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Uses the servers of a file; starts and ends nothing.
///
/// ```toml
/// [[server]]
/// workload = "W1"
/// url = "http://10.0.0.7:8000"
/// model = "alexnet"            # what the server calls it; the workload's model where it is left out
/// standby = false
/// ```
///
/// Where a workload has several placements, its entries are taken in their order.
#[derive(Debug, Clone)]
pub struct ExternalLauncher {
    file: PathBuf,
    servers: Vec<ServerEntry>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct ServerFile {
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
    /// Reads the file of servers.
    ///
    /// # Errors
    /// When it cannot be read or is no such file.
    pub fn read(file: &Path) -> Result<Self, LaunchError> {
        let text = std::fs::read_to_string(file).map_err(LaunchError::file(file))?;
        let wrong = |reason: String| LaunchError::ServerFile { path: file.to_owned(), reason };
        let servers: ServerFile =
            toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        for entry in &servers.server {
            if !entry.url.starts_with("http://") {
                return Err(wrong(format!(
                    "server of {}: url: given {:?}; allowed: http://HOST:PORT; fix: give the HTTP port of \
                     the server (not gRPC, not HTTPS)",
                    entry.workload, entry.url
                )));
            }
        }
        Ok(Self { file: file.to_owned(), servers: servers.server })
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
            let url = entry.url.trim_end_matches('/');
            inquiry::ready(url).map_err(|reason| LaunchError::Unusable {
                url: url.to_owned(),
                workload: spec.workload.clone(),
                reason: format!("it is not ready: {reason}"),
                fix: "start it, or correct its url".to_owned(),
            })?;
            let model = entry.model.as_deref().unwrap_or(spec.model.as_str());
            deployment.add(describe(spec, url, model)?, None);
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
        ExternalLauncher::read(file.path())
    }

    #[test]
    fn mistakes_in_the_file_are_named() {
        let error = |text| read(text).unwrap_err().to_string();
        assert!(
            error("[[server]]\nworkload = \"W\"\nurl = \"grpc://x\"").contains("http://HOST:PORT")
        );
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
