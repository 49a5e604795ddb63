//! Which formats there are, and how the first line tells them apart.

use super::ImportError;
use super::source::Source;
use std::path::Path;

/// A trace format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// This program's own: `arrival_s`, and perhaps `workload`.
    Igniter,
    /// Azure Functions 2019: requests per minute, a row for each function.
    AzureFunctions2019,
    /// Azure Functions 2021: a row for each invocation with its end and its duration.
    AzureFunctions2021,
    /// Azure LLM inference 2023 and 2024: a row for each request with date and time.
    AzureLlm,
    /// Mooncake: a JSON object on each line, with a time in milliseconds.
    Mooncake,
    /// ServeGen: rate and burstiness of a client in windows of ten minutes.
    ServeGen,
    /// A time in seconds on each line, and nothing else.
    Timestamps,
}

impl Format {
    /// Every format with the word that names it.
    pub const ALL: [(&'static str, Self); 7] = [
        ("igniter", Self::Igniter),
        ("azure-functions-2019", Self::AzureFunctions2019),
        ("azure-functions-2021", Self::AzureFunctions2021),
        ("azure-llm", Self::AzureLlm),
        ("mooncake", Self::Mooncake),
        ("servegen", Self::ServeGen),
        ("timestamps", Self::Timestamps),
    ];

    /// The word that names it.
    #[must_use]
    pub fn word(self) -> &'static str {
        let found = Self::ALL.iter().find(|(_, format)| *format == self);
        found.map_or("", |(word, _)| word)
    }

    /// The format that the first line of a file tells.
    pub(super) fn of_file(path: &Path) -> Result<Self, ImportError> {
        let mut file = Source::open(path)?;
        let first = if file.next_line()?.is_some() { file.line() } else { "" };
        Self::of_line(first).ok_or_else(|| ImportError::UnknownFormat {
            path: path.to_owned(),
            first: first.chars().take(80).collect(),
            known: Self::ALL.map(|(word, _)| word).join(", "),
        })
    }

    /// The format that a first line tells.
    fn of_line(line: &str) -> Option<Self> {
        let line = line.trim();
        if line.starts_with('{') {
            return Some(Self::Mooncake);
        }
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let has = |name: &str| fields.contains(&name);
        if has("arrival_s") {
            Some(Self::Igniter)
        } else if has("HashFunction") && has("1") {
            Some(Self::AzureFunctions2019)
        } else if has("end_timestamp") && has("duration") {
            Some(Self::AzureFunctions2021)
        } else if has("TIMESTAMP") {
            Some(Self::AzureLlm)
        } else if fields.len() == 6 && fields[0].parse::<f64>().is_ok() {
            Some(Self::ServeGen)
        } else if fields.len() == 1 && fields[0].parse::<f64>().is_ok() {
            Some(Self::Timestamps)
        } else {
            None
        }
    }
}

/// How to read a trace.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading {
    /// Its format, where the first line shall not tell.
    pub format: Option<Format>,
    /// Sort rows that are out of order, which are refused otherwise. (Azure Functions 2021 is in order of ends, so that its
    /// arrivals are always sorted.)
    pub sort: bool,
    /// For formats without arrival times: the coefficient of variation of the gaps that are drawn; without
    /// one, the file's own (ServeGen), or 1.
    pub cv: Option<f64>,
    /// What counts or rates without arrival times are multiplied by, before arrivals are drawn.
    pub rate_scale: f64,
    /// The seed of what is drawn.
    pub seed: u64,
}
