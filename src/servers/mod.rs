//! Published tables of Triton servers, compared with simulations.
//!
//! NVIDIA's DeepLearningExamples publish, for many models, the performance of a server with static batches of one
//! client (*offline*) and with 1 to 256 clients whose requests the server batches (*online*). [`compare`] takes the
//! execution time of each batch size and the copies from the offline table of a model, simulates each row of its online
//! table as a closed loop, and compares throughput, mean and P99 latency. The number of clients is the only input from
//! an online row.
//!
//! The [`Constants`] of each page hold what an offline table cannot show: how the path between clients and server
//! fills, how tensors are gathered, and how two instances disturb each other. [`fit_pages`] fits them to online tables,
//! and [`cross_validate`] scores them on sections that the fit did not see.

mod closed_loop;
mod constants;
mod curve;
mod fit;
mod read;

pub use constants::{Constants, Fitted};
pub use fit::{cross_validate, fit_pages};
pub use read::{Offline, Online, Section, read_sections};

use crate::units::UnitError;
use closed_loop::closed_loop;
use rayon::prelude::*;
use serde::Serialize;

/// The reasons why a table cannot be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServersError {
    /// A file cannot be read, or contains an invalid value.
    #[error("{0}")]
    Table(String),
    /// A number in a table is not a valid time or size.
    #[error("section {section:?}: {source}")]
    Unit {
        /// The section.
        section: String,
        /// The cause.
        source: UnitError,
    },
    /// A simulation fails.
    #[error("section {section:?}: {why}")]
    Simulation {
        /// The section.
        section: String,
        /// The cause.
        why: String,
    },
}

/// A published row beside its simulation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedRow {
    /// The words that identify the page whose constants are used.
    pub page: String,
    /// The section of the tables.
    pub section: String,
    /// Number of clients.
    pub clients: u32,
    /// Requests per second, as published.
    pub published_rps: f64,
    /// The throughput that `perf_analyzer` would report for the simulation: see [`as_counted`].
    pub simulated_rps: f64,
    /// Answers per second of the simulation.
    pub answered_rps: f64,
    /// Published mean latency in ms.
    pub published_mean_ms: f64,
    /// The simulated counterpart.
    pub simulated_mean_ms: f64,
    /// Published 99th percentile of latency in ms.
    pub published_p99_ms: f64,
    /// The simulated counterpart.
    pub simulated_p99_ms: f64,
    /// Published mean time in the server's queue in ms, where available.
    pub published_queue_ms: Option<f64>,
    /// The simulated counterpart.
    pub simulated_queue_ms: f64,
    /// Published mean time outside of the server in ms, where available.
    pub published_outside_ms: Option<f64>,
    /// The simulated counterpart.
    pub simulated_outside_ms: f64,
    /// Requests per simulated batch.
    pub simulated_batch: f64,
}

/// The mean absolute error and bias of one quantity, in percent of the published value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Deviation {
    /// Mean absolute error.
    pub mape_pct: f64,
    /// Mean error; positive where simulations are higher.
    pub bias_pct: f64,
}

/// The errors of all rows of one section, of one page, or of all pages.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SectionErrors {
    /// The name of the section or page, "all", or "other pages".
    pub of: String,
    /// Number of sections.
    pub sections: usize,
    /// Number of rows.
    pub n: usize,
    /// Requests per second.
    pub throughput: Deviation,
    /// Mean latency.
    pub mean: Deviation,
    /// P99 latency.
    pub p99: Deviation,
}

/// A comparison of published tables.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Servers {
    /// All sections together, each page, then each section.
    pub errors: Vec<SectionErrors>,
    /// Every row.
    pub rows: Vec<ComparedRow>,
    /// Sections that could not be compared, with the reason.
    pub skipped: Vec<(String, String)>,
}

/// Approximate number of requests in a simulation; the first quarter does not count.
const REQUESTS: f64 = 8000.0;

/// Simulates every online row of sections that have an offline table, with the constants of their pages.
///
/// # Errors
/// When a simulation fails.
pub fn compare(sections: &[Section], pages: &[Constants]) -> Result<Servers, ServersError> {
    let mut skipped = Vec::new();
    let mut work: Vec<(&Section, usize, &Constants)> = Vec::new();
    for section in sections {
        match (section.unusable(), Constants::find(pages, section)) {
            (Some(reason), _) => skipped.push((section.name.clone(), reason.to_owned())),
            (None, None) => {
                skipped.push((section.name.clone(), "no constants for its page".to_owned()));
            }
            (None, Some(page)) => {
                work.extend((0..section.online.len()).map(|row| (section, row, page)));
            }
        }
    }
    let rows = work
        .par_iter()
        .map(|(section, row, page)| compare_row(section, *row, page))
        .collect::<Result<_, ServersError>>()?;
    Ok(Servers::of(rows, skipped))
}

fn compare_row(
    section: &Section,
    row: usize,
    page: &Constants,
) -> Result<ComparedRow, ServersError> {
    let online = section.online[row];
    let found = closed_loop(section, &page.server(section)?, online.clients, REQUESTS)?;
    let simulated_rps =
        if section.count_windows { as_counted(found.rps, found.mean_ms) } else { found.rps };
    Ok(ComparedRow {
        page: page.page.join(" "),
        section: section.name.clone(),
        clients: online.clients,
        published_rps: online.rps,
        simulated_rps,
        answered_rps: found.rps,
        published_mean_ms: online.mean_ms,
        simulated_mean_ms: found.mean_ms,
        published_p99_ms: online.p99_ms,
        simulated_p99_ms: found.p99_ms,
        published_queue_ms: online.queue_ms,
        simulated_queue_ms: found.queue_ms,
        published_outside_ms: online.outside_ms,
        simulated_outside_ms: found.outside_ms,
        simulated_batch: found.batch,
    })
}

/// The part of the mean latency by which a count window exceeds its whole seconds.
const WINDOW_EXCESS: f64 = 0.55;
/// A count window ends with the first whole second in which this many requests were seen.
const WINDOW_REQUESTS: f64 = 300.0;

/// Returns the requests per second that `perf_analyzer` reports with count windows.
///
/// With n clients that wait for their answers, throughput is n / mean latency (Little's law). Pages made with time
/// windows agree with this within 0.1 %. Pages with count windows report less, and the difference grows with the
/// latency: throughput · (1 + 0.55 · latency / window), with windows of whole seconds, again equals n / latency on all
/// of them. The rule is derived from published columns alone.
#[must_use]
pub fn as_counted(rps: f64, mean_ms: f64) -> f64 {
    let window_s = (WINDOW_REQUESTS / rps.max(1e-9)).ceil().max(1.0);
    rps / (1.0 + WINDOW_EXCESS * mean_ms / 1000.0 / window_s)
}

impl Servers {
    fn of(rows: Vec<ComparedRow>, skipped: Vec<(String, String)>) -> Self {
        let mut errors = Vec::new();
        errors.extend(SectionErrors::of("all", &rows.iter().collect::<Vec<_>>()));
        let names = |of: &dyn Fn(&ComparedRow) -> String| {
            let mut names: Vec<String> = Vec::new();
            for name in rows.iter().map(of) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
            names
        };
        let part = |name: &str, of: &dyn Fn(&ComparedRow) -> String| {
            let own: Vec<&ComparedRow> = rows.iter().filter(|row| of(row) == name).collect();
            SectionErrors::of(name, &own)
        };
        let page = |row: &ComparedRow| row.page.clone();
        let section = |row: &ComparedRow| row.section.clone();
        errors.extend(names(&page).iter().filter_map(|name| part(name, &page)));
        errors.extend(names(&section).iter().filter_map(|name| part(name, &section)));
        Self { errors, rows, skipped }
    }

    /// Joins several comparisons into one.
    fn joined(parts: Vec<Self>) -> Self {
        let (mut rows, mut skipped) = (Vec::new(), Vec::new());
        for part in parts {
            rows.extend(part.rows);
            skipped.extend(part.skipped);
        }
        Self::of(rows, skipped)
    }
}

impl SectionErrors {
    fn of(name: &str, rows: &[&ComparedRow]) -> Option<Self> {
        let deviation = |of: fn(&ComparedRow) -> (f64, f64)| {
            let (simulated, published): (Vec<f64>, Vec<f64>) =
                rows.iter().map(|row| of(row)).unzip();
            Some(Deviation {
                mape_pct: crate::stats::mape_pct(&simulated, &published)?,
                bias_pct: crate::stats::bias_pct(&simulated, &published)?,
            })
        };
        let mut sections: Vec<&str> = rows.iter().map(|row| row.section.as_str()).collect();
        sections.sort_unstable();
        sections.dedup();
        Some(Self {
            of: if name.is_empty() { "other pages".to_owned() } else { name.to_owned() },
            sections: sections.len(),
            n: rows.len(),
            throughput: deviation(|r| (r.simulated_rps, r.published_rps))?,
            mean: deviation(|r| (r.simulated_mean_ms, r.published_mean_ms))?,
            p99: deviation(|r| (r.simulated_p99_ms, r.published_p99_ms))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn count_windows_lose_requests() {
        // 1000 requests/s of 200 ms: a window of 1 s lasts 1.11 s. 100 requests/s: windows of 3 s.
        assert!((as_counted(1000.0, 200.0) - 1000.0 / 1.11).abs() < 1e-9);
        assert!((as_counted(100.0, 200.0) - 100.0 / (1.0 + 0.11 / 3.0)).abs() < 1e-9);
    }

    /// One instance, batches of at most 4: five clients are served as one and four, for ever.
    #[test]
    fn five_clients_of_one_instance() {
        let mut section = Section::for_tests(&[(1, 10.0), (2, 15.0), (4, 25.0)]);
        section.online = vec![Online {
            clients: 5,
            rps: 5000.0 / 35.0,
            mean_ms: 35.0,
            p99_ms: 35.0,
            queue_ms: Some((4.0 * 10.0 + 25.0) / 5.0),
            outside_ms: None,
        }];
        let any = Constants {
            page: Vec::new(),
            triton: "24.10".to_owned(),
            merges: false,
            shared_thread: false,
            pads: false,
            instances: 1,
            max_batch: None,
            source: String::new(),
            fitted: Fitted {
                gather: 0.0,
                request_ms: 0.0,
                serial: 0.0,
                latency: 0.0,
                protocol: 0.0,
                shared_ms: 0.0,
                slowdown: 1.0,
                execution: 1.0,
            },
        };
        section.offline.iter_mut().for_each(|o| o.outside_ms = Some(1e-6));
        let found = compare(&[section], &[any]).unwrap();
        let row = &found.rows[0];
        assert!((row.simulated_mean_ms - 35.0).abs() < 0.1, "{row:?}");
        assert!((row.simulated_queue_ms - 13.0).abs() < 0.1, "{row:?}");
        assert!((row.answered_rps / row.published_rps - 1.0).abs() < 0.01, "{row:?}");
        assert!((row.simulated_batch - 2.5).abs() < 0.05, "{row:?}");
        assert_eq!((found.errors[0].of.as_str(), found.errors[0].n), ("all", 1));
    }
}
