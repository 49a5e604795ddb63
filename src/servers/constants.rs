//! The constants that a simulation needs beside the offline table, for each published page.

use super::{Section, ServersError};
use crate::sim::TritonRelease;
use serde::{Deserialize, Serialize};

/// The built-in constants, fitted to published online tables by `igniter servers --fit`.
const BUILT_IN: &str = include_str!("constants.toml");

/// The constants of the servers of one published page, or of several.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Constants {
    /// The words that identify the sections of this page: the names of its sections contain all of them.
    pub page: Vec<String>,
    /// The Triton release whose batcher is simulated (`[batching] triton`).
    pub triton: String,
    /// Whether an instance that takes a batch also takes the batches formed behind it, as long as they fit. This needs
    /// a queue delay, however short.
    #[serde(default)]
    pub merges: bool,
    /// Whether all instances share a thread, as those of Triton's TensorRT backend do: one batch executes at a time.
    #[serde(default)]
    pub shared_thread: bool,
    /// Whether the engine runs a batch as one of the next power of two rows, as TensorRT's do in published tables.
    #[serde(default)]
    pub pads: bool,
    /// Number of model instances where the tables do not state it.
    #[serde(default = "one")]
    pub instances: u32,
    /// The largest batch in requests, where it is smaller than in the tables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_batch: Option<u32>,
    /// The source of the constants.
    #[serde(default)]
    pub source: String,
    /// The fitted numbers.
    pub fitted: Fitted,
}

fn one() -> u32 {
    1
}

/// The numbers that are fitted to online tables. The unit of `gather`, `serial` and `latency` is the *copy*: the time
/// in ms that one more request adds to the input copy of a static batch (to the client's latency, where no parts are
/// published).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fitted {
    /// Time to gather the tensors of one request on the instance, in copies: a dynamic batch arrives in as many pieces
    /// as it has requests.
    pub gather: f64,
    /// Further time per request on the instance, whatever its size, in ms: each request of a batch is handed over and
    /// answered separately.
    pub request_ms: f64,
    /// Time for which one request occupies the path between clients and server, in copies.
    pub serial: f64,
    /// Further time of a request on that path, in copies.
    pub latency: f64,
    /// The part of the path's time that does not depend on the size of the tensor, in units of the time that a lone
    /// request spends outside of the server.
    pub protocol: f64,
    /// Additional time of each batch compared to a static one, in ms, because other batches run beside it.
    pub shared_ms: f64,
    /// Factor by which the execution time of a batch grows while a second instance executes, for a model that keeps the
    /// GPU busy.
    pub slowdown: f64,
    /// The part of the published times of static batches that is execution; 1 where parts are published.
    pub execution: f64,
}

/// Time of a lone request outside of the server where none is published, in ms.
const OUTSIDE_MS: f64 = 0.3;
/// Largest batch size that counts as small for copies: copies of larger batches do not stay in the processor's cache.
const SMALL: f64 = 4.0;

/// The simulated server of a section: its tables combined with the constants of its page.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PublishedServer {
    pub gather_ms: f64,
    pub serial_ms: f64,
    pub latency_ms: f64,
    pub shared_ms: f64,
    pub slowdown: f64,
    pub execution: f64,
    pub instances: u32,
    pub max_batch: u32,
    pub merges: bool,
    pub shared_thread: bool,
    pub pads: bool,
    pub release: TritonRelease,
}

impl PublishedServer {
    /// Returns a server that adds nothing to the offline table.
    #[cfg(test)]
    pub(super) fn for_tests() -> Self {
        Self {
            gather_ms: 0.0,
            serial_ms: 0.0,
            latency_ms: 0.0,
            shared_ms: 0.0,
            slowdown: 1.0,
            execution: 1.0,
            instances: 1,
            max_batch: 1024,
            merges: false,
            shared_thread: false,
            pads: false,
            release: TritonRelease::Current,
        }
    }
}

#[derive(Deserialize, Serialize)]
struct File {
    page: Vec<Constants>,
}

impl Constants {
    /// Returns the built-in constants, in the order in which pages are looked up.
    ///
    /// # Panics
    /// Never: a test reads them.
    #[must_use]
    pub fn built_in() -> Vec<Self> {
        Self::parse(BUILT_IN).expect("a test reads them")
    }

    /// Parses a file that [`Self::written`] wrote.
    ///
    /// # Errors
    /// When the text is not such a file, or a number is out of its range.
    pub fn parse(text: &str) -> Result<Vec<Self>, ServersError> {
        let bad = |why: String| ServersError::Table(format!("constants of servers: {why}"));
        let file: File = toml::from_str(text).map_err(|e| bad(e.to_string()))?;
        for page in &file.page {
            let f = &page.fitted;
            let numbers = [
                ("gather", f.gather, 0.0),
                ("request_ms", f.request_ms, 0.0),
                ("serial", f.serial, 0.0),
                ("latency", f.latency, 0.0),
                ("protocol", f.protocol, 0.0),
                ("shared_ms", f.shared_ms, 0.0),
                ("slowdown", f.slowdown, 1.0),
                ("execution", f.execution, 1e-6),
            ];
            if let Some((name, value, least)) =
                numbers.into_iter().find(|(_, value, least)| !(*least..=1e6).contains(value))
            {
                return Err(bad(format!(
                    "page {:?}: {name} = {value}: must be {least} to 1e6",
                    page.page.join(" ")
                )));
            }
            page.release()?;
        }
        Ok(file.page)
    }

    /// Returns these constants as the text of a file.
    ///
    /// # Panics
    /// Never: they are plain numbers and words.
    #[must_use]
    pub fn written(pages: &[Self]) -> String {
        let text = toml::to_string(&File { page: pages.to_vec() }).expect("numbers and words");
        format!("# Constants of published servers, fitted by `igniter servers --fit`.\n\n{text}")
    }

    /// Finds the first page whose words are all in the name of the section.
    #[must_use]
    pub fn find<'c>(pages: &'c [Self], section: &Section) -> Option<&'c Self> {
        pages.iter().find(|page| page.page.iter().all(|word| section.name.contains(word.as_str())))
    }

    fn release(&self) -> Result<TritonRelease, ServersError> {
        crate::scenario::triton_release(&self.triton).ok_or_else(|| {
            ServersError::Table(format!(
                "constants of servers: triton = {:?}: must be 24.10, or 21.09 to 21.12",
                self.triton
            ))
        })
    }

    /// Returns the simulated server of a section.
    pub(super) fn server(&self, section: &Section) -> Result<PublishedServer, ServersError> {
        let f = &self.fitted;
        let copy_ms = copy_ms(section);
        let outside_ms = section.offline[0].outside_ms.unwrap_or(OUTSIDE_MS);
        // A model that waits for its host leaves the GPU to the other instances: the less of its time grows with the
        // batch, the less its instances slow each other down.
        let busy = super::curve::OfflineCurve::proportional(section).sqrt();
        Ok(PublishedServer {
            gather_ms: f.gather * copy_ms + f.request_ms,
            serial_ms: f.serial * copy_ms + f.protocol * outside_ms,
            latency_ms: outside_ms + f.latency * copy_ms,
            shared_ms: f.shared_ms,
            slowdown: 1.0 + (f.slowdown - 1.0) * busy,
            execution: if section.has_parts() { 1.0 } else { f.execution },
            instances: section.instances.unwrap_or(self.instances),
            max_batch: section.max_batch().min(self.max_batch.unwrap_or(u32::MAX)),
            merges: self.merges,
            shared_thread: self.shared_thread,
            pads: self.pads,
            release: self.release()?,
        })
    }
}

/// Returns the time that one more request adds to the input copy of a small static batch, in ms: a combined measure of
/// the tensor's size and of the host's speed. It is at least half of the average addition up to the largest batch, as
/// some tables are rounded to 0.1 ms.
fn copy_ms(section: &Section) -> f64 {
    let time = |o: &super::Offline| o.input_ms.unwrap_or(o.execution_ms);
    let [first, .., last] = section.offline.as_slice() else { return 0.0 };
    let small = section.offline.iter().rfind(|o| o.batch <= SMALL && o.batch > first.batch);
    let small = small.unwrap_or(&section.offline[1]);
    let slope = |o: &super::Offline| ((time(o) - time(first)) / (o.batch - first.batch)).max(0.0);
    slope(small).max(slope(last) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_constants_are_read_and_written() {
        let pages = Constants::built_in();
        assert!(pages.last().unwrap().page.is_empty(), "the last is for any other page");
        assert_eq!(Constants::parse(&Constants::written(&pages)).unwrap(), pages);
        let broken = Constants::written(&pages).replace("triton = \"21.12\"", "triton = \"19.01\"");
        let error = Constants::parse(&broken).unwrap_err().to_string();
        assert!(error.contains("19.01"), "{error}");
        let mut broken = pages;
        broken[0].fitted.slowdown = 0.5;
        let error = Constants::parse(&Constants::written(&broken)).unwrap_err().to_string();
        assert!(error.contains("slowdown = 0.5"), "{error}");
    }

    #[test]
    fn copies_of_small_batches_count() {
        // 0.2 ms for each of three requests more; 0.6 ms each up to 8: half of that is more.
        let mut section = Section::for_tests(&[(1, 1.0), (4, 1.6), (8, 5.2)]);
        assert!((copy_ms(&section) - 0.3).abs() < 1e-9);
        section.offline[2].execution_ms = 2.4;
        assert!((copy_ms(&section) - 0.2).abs() < 1e-9);
    }
}
