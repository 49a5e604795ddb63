//! Errors of servers of a session that do not start, or fail.

use super::BenchOptions;
use crate::launch::{LaunchError, LaunchSpec, keep_logs};
use std::path::Path;

/// The reason why the servers of a session do not start.
#[derive(Debug, thiserror::Error)]
#[error("{error:#}")]
pub struct StartError {
    /// The index of the server that is to blame; `None` where the failure is not due to one of them.
    pub server: Option<usize>,
    pub(super) error: anyhow::Error,
}

impl StartError {
    pub(super) fn of_launch(error: LaunchError, specs: &[LaunchSpec]) -> Self {
        let server = match &error {
            LaunchError::Died { workload, .. } | LaunchError::Silent { workload, .. } => {
                specs.iter().position(|spec| spec.workload == *workload)
            }
            LaunchError::Model { model, .. } => specs.iter().position(|spec| spec.model == *model),
            _ => None,
        };
        Self { server, error: error.into() }
    }
}

impl From<anyhow::Error> for StartError {
    fn from(error: anyhow::Error) -> Self {
        Self { server: None, error }
    }
}

impl BenchOptions<'_> {
    /// Keeps the logs of servers that failed, and names them in the error.
    pub(super) fn keep_logs(&self, scratch: &Path, error: anyhow::Error) -> anyhow::Error {
        let mut folders = (1..).map(|number: u32| self.logs.join(number.to_string()));
        let target = folders.find(|folder| !folder.exists()).unwrap_or_default();
        match keep_logs(scratch, &target) {
            Ok(kept) if kept.is_empty() => error,
            Ok(kept) => {
                let text = kept.in_text(&format!("{error:#}"));
                anyhow::anyhow!("{text}; logs: {}", target.display())
            }
            Err(failed) => error.context(format!("cannot keep logs ({failed})")),
        }
    }
}
