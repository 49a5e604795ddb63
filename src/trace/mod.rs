//! Traces of other systems: read, inspected, re-scaled, fitted, and written in this program's form.
//!
//! Two readers cover all formats: `rows`, with a time on each row, and `counts`, with the number of
//! requests in each bin of time. Both give a [`Trace`]: arrival times with a key each (a function, a client),
//! which [`Mapping`] makes workloads of. [`rescale()`] makes new arrivals with the character of the old ones,
//! as AlpaServe does. The form of this program is a CSV file with the columns `arrival_s` and `workload`,
//! in order of time.

mod counts;
mod error;
mod fit;
mod format;
mod mapping;
mod rescale;
mod rows;
mod servegen;
#[cfg(test)]
mod tests;
mod write;

pub use error::ImportError;
pub use fit::{GammaFit, WindowFit, fit_gaps, fit_windows};
pub use format::{Format, Reading, read};
pub use mapping::Mapping;
pub use rescale::{Rescale, rescale};
pub use write::{write_csv, write_merged};

use crate::units::Nanoseconds;
use std::collections::BTreeMap;

/// Arrival times in order, each with the key that it came with.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trace {
    /// Times since the start of the trace with the positions of their keys.
    pub arrivals: Vec<(Nanoseconds, u32)>,
    /// The keys, in the order of their first appearance in the file.
    pub keys: Vec<String>,
    /// How long it is: to the end of the last bin, or just past the last arrival.
    pub length: Nanoseconds,
}

impl Trace {
    /// The arrival times of one key.
    pub fn of_key(&self, key: u32) -> impl Iterator<Item = Nanoseconds> {
        self.arrivals.iter().filter(move |(_, k)| *k == key).map(|(time, _)| *time)
    }

    /// The part from `start` on, as a trace of its own.
    #[must_use]
    pub fn part(&self, start: Nanoseconds, length: Option<Nanoseconds>) -> Self {
        let end = length.map_or(self.length, |length| start.saturating_add(length));
        let arrivals = self.arrivals.iter();
        let inside = arrivals.filter(|(time, _)| *time >= start && *time < end);
        Self {
            arrivals: inside.map(|(time, key)| (time.saturating_sub(start), *key)).collect(),
            keys: self.keys.clone(),
            length: end.min(self.length).saturating_sub(start),
        }
    }
}

/// Collects arrivals in any order, and gives positions to keys.
#[derive(Debug, Default)]
struct Collector {
    arrivals: Vec<(f64, u32)>,
    keys: Vec<String>,
    positions: BTreeMap<String, u32>,
}

impl Collector {
    fn key(&mut self, key: &str) -> u32 {
        if let Some(&position) = self.positions.get(key) {
            return position;
        }
        let position = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        self.positions.insert(key.to_owned(), position);
        self.keys.push(key.to_owned());
        position
    }

    /// The trace whose time 0 is `start`, in seconds; `length` is in seconds after it.
    fn finish(mut self, start: f64, length: Option<f64>) -> Trace {
        // Stable: equal times keep the order of the file.
        self.arrivals.sort_by(|a, b| a.0.total_cmp(&b.0));
        let ns = |seconds: f64| Nanoseconds::from_f64(((seconds - start) * 1e9).max(0.0));
        let arrivals: Vec<(Nanoseconds, u32)> =
            self.arrivals.iter().map(|&(time, key)| (ns(time), key)).collect();
        let past = arrivals.last().map_or(0, |(time, _)| time.get() + 1);
        let length = length.map_or(0, |length| Nanoseconds::from_f64(length * 1e9).get());
        Trace { arrivals, keys: self.keys, length: Nanoseconds::new(past.max(length)) }
    }
}
