//! Servers that others run: on Kubernetes, on another host, or by hand.

use super::describe::describe;
use super::{Deployment, LaunchError, LaunchSpec, Launcher};
use crate::client::{Access, AccessError, Address, AddressError, ServerClient};
use igniter::input::toml_keys::{
    Field, FilePlace, KeyNeed, KeyRule, Problems, TomlTable, read_toml,
};
use std::path::{Path, PathBuf};
use toml::de::DeValue;

/// Uses the servers listed in a file; starts and ends none.
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
/// Where a workload has several placements, its entries are assigned to them in order.
#[derive(Debug, Clone)]
pub struct ExternalLauncher {
    file: PathBuf,
    servers: Vec<ServerEntry>,
    access: Access,
}

#[derive(Debug, Clone, PartialEq)]
struct ExternalServersFile {
    headers: Vec<String>,
    servers: Vec<ServerEntry>,
}

#[derive(Debug, Clone, PartialEq)]
struct ServerEntry {
    workload: String,
    url: String,
    model: Option<String>,
    standby: bool,
}

const NAME: KeyRule<'_> = KeyRule { allowed: "text", fix: "write the name in quotes" };
const HEADERS: KeyRule<'_> = KeyRule {
    allowed: "a list of texts such as \"Authorization: Bearer …\"",
    fix: "write headers = [\"Name: value\", …]",
};
const SERVERS: KeyRule<'_> = KeyRule {
    allowed: "one [[server]] or more",
    fix: "write [[server]], with its workload and url",
};
const SWITCH: KeyRule<'_> = KeyRule {
    allowed: "true or false",
    fix: "say whether the server waits until another one fails",
};

/// Reads the keys of a server file. Header values are never shown: they may be secrets.
fn server_file(
    mut table: TomlTable<'_>,
    problems: &mut Problems<'_>,
) -> Option<ExternalServersFile> {
    let t = &mut table;
    let headers = headers(t, problems);
    let servers = match t.field("server") {
        Some(field) => match field.elements().filter(|entries| !entries.is_empty()) {
            Some(entries) => {
                let read: Vec<_> = entries.iter().map(|entry| server(entry, problems)).collect();
                read.into_iter().collect()
            }
            None => {
                problems.add(&field.place, "not a list of servers", SERVERS);
                None
            }
        },
        None => {
            t.missing(problems, "server", SERVERS);
            None
        }
    };
    table.finish(problems, |_| None);
    Some(ExternalServersFile { headers: headers?, servers: servers? })
}

fn headers(t: &mut TomlTable<'_>, problems: &mut Problems<'_>) -> Option<Vec<String>> {
    let Some(field) = t.field("headers") else { return Some(Vec::new()) };
    let texts: Option<Vec<String>> = field.elements().and_then(|elements| {
        elements.iter().map(|element| Some(element.value.as_str()?.to_owned())).collect()
    });
    if texts.is_none() {
        problems.add(&field.place, "not a list of texts", HEADERS);
    }
    for (i, text) in texts.iter().flatten().enumerate() {
        if let Err(error) = Access::check_header(text) {
            let place = FilePlace { key: format!("headers[{i}]"), ..field.place.clone() };
            match error {
                AccessError::Header { given, reason, fix } => {
                    let rule = KeyRule { allowed: "\"Name: value\"", fix };
                    problems.add(&place, format!("given {given:?}: {reason}"), rule);
                }
                other => problems.add(&place, other.to_string(), HEADERS),
            }
        }
    }
    texts
}

fn server(entry: &Field<'_>, problems: &mut Problems<'_>) -> Option<ServerEntry> {
    let Some(mut table) = entry.table() else {
        problems.add(&entry.place, "not a table", SERVERS);
        return None;
    };
    let t = &mut table;
    let text = |value: &DeValue<'_>| value.as_str().filter(|s| !s.is_empty()).map(str::to_owned);
    let workload = t.read(problems, "workload", KeyNeed::Required, NAME, text);
    let url = url(t, problems);
    let model = t.read(problems, "model", KeyNeed::Optional, NAME, text);
    let standby = t.read(problems, "standby", KeyNeed::Optional, SWITCH, DeValue::as_bool);
    table.finish(problems, |_| None);
    Some(ServerEntry {
        workload: workload.given()?,
        url: url?,
        model: model.convert(|model| Some(Some(model))).or(None)?,
        standby: standby.or(false)?,
    })
}

/// Reads an address; parts that may be secrets are never shown.
fn url(t: &mut TomlTable<'_>, problems: &mut Problems<'_>) -> Option<String> {
    let Some(field) = t.field("url") else {
        let rule = KeyRule { allowed: "an address", fix: "add url = \"http://HOST:PORT\"" };
        t.missing(problems, "url", rule);
        return None;
    };
    let rule = KeyRule { allowed: "text", fix: "write the address in quotes" };
    let Some(url) = field.value.as_str() else {
        problems.add(&field.place, "not a text", rule);
        return None;
    };
    match Address::parse(url) {
        Ok(_) => Some(url.to_owned()),
        Err(error) => {
            let AddressError { given, allowed, fix } = error;
            let rule = KeyRule { allowed, fix: &fix };
            problems.add(&field.place, format!("given {given:?}"), rule);
            None
        }
    }
}

impl ExternalLauncher {
    /// Reads a server file. `headers` (`Name: value`) are sent in addition to those of the file;
    /// `certificate` is a PEM file of authorities to trust in addition to those of the system.
    ///
    /// # Errors
    /// When the file cannot be read or is not a valid server file.
    pub fn read(
        file: &Path,
        headers: &[String],
        certificate: Option<&Path>,
    ) -> Result<Self, LaunchError> {
        let text = std::fs::read_to_string(file).map_err(LaunchError::file(file))?;
        let servers = read_toml(&text, server_file)
            .map_err(|problems| LaunchError::ServerKeys { path: file.to_owned(), problems })?;
        let headers = [&servers.headers, headers].concat();
        let access = Access::new(&headers, certificate)?;
        Ok(Self { file: file.to_owned(), servers: servers.servers, access })
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
            url.contains(":3: server[0].url: given \"tcp://x\"; allowed: http://HOST:PORT"),
            "{url}"
        );
        let header = error("headers = [\"X\"]\n[[server]]\nworkload = \"W\"\nurl = \"http://x\"");
        assert!(header.contains("there is no colon"), "{header}");
        let text = "headers = [\"X\", \"Y: 1\"]\n[[server]]\nurl = 8000\nmodle = \"a\"\n[[server]]\n\
                    workload = \"\"\nurl = \"http://x\"\nstandby = 1";
        let all = error(text);
        for needle in [
            ":1: headers[0]: given \"…\": there is no colon; allowed: \"Name: value\"",
            ":2: server[0].workload: missing",
            ":3: server[0].url: not a text",
            ":4: server[0].modle: unknown key",
            "did you mean `model`?",
            ":6: server[1].workload: given \"\"",
            ":8: server[1].standby: given 1; allowed: true or false",
            "6 problems in",
        ] {
            assert!(all.contains(needle), "{needle} in\n{all}");
        }
        for text in ["", "server = 3", "[server]\nworkload = \"W\""] {
            assert!(error(text).contains("one [[server]] or more"), "{text}: {}", error(text));
        }
        // A secret is not shown, wherever the mistake is.
        for text in ["\nheaders = \"A: Bearer SECRET\"", "\nheaders = [\"A: Bearer SECRET]"] {
            let error = error(text);
            assert!(error.contains(":2: ") && !error.contains("SECRET"), "{error}");
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
