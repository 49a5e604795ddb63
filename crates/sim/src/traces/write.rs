//! Writers of traces in this program's format.

use super::{ImportError, TraceStream};
use crate::arrivals::ArrivalProcess;
use igniter_model::profile::csv_field;
use igniter_model::units::Nanoseconds;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Write};

/// Writes a trace arrival by arrival: the columns `arrival_s`, with all nine digits down to nanoseconds, and
/// `workload`. `seen` is called for each arrival with the time and the position of its key.
///
/// # Errors
/// Fails if the trace has an invalid row, or the writer fails.
pub fn write_csv(
    trace: &mut dyn TraceStream,
    out: &mut dyn Write,
    seen: &mut dyn FnMut(Nanoseconds, usize),
) -> Result<(), WriteError> {
    let mut rows = WrittenRows::new(out)?;
    while let Some((time, key)) = trace.next_arrival()? {
        let key = key as usize;
        rows.know(trace.keys().iter().map(String::as_str));
        rows.write(time, key)?;
        seen(time, key);
    }
    Ok(())
}

/// The reason why a trace was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The trace that is to be written is invalid.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The writer fails.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Writes the arrivals of several processes, each with its key, in order of time, and equal times in the order of the
/// keys. The format is that of [`write_csv`], and memory use does not depend on the number of arrivals. `seen` is
/// called for each arrival with the time and the position of its key.
///
/// # Errors
/// Fails if the writer fails.
pub fn write_merged(
    processes: &mut [(&str, Box<dyn ArrivalProcess>)],
    out: &mut dyn Write,
    seen: &mut dyn FnMut(Nanoseconds, usize),
) -> io::Result<()> {
    let mut rows = WrittenRows::new(out)?;
    rows.know(processes.iter().map(|(key, _)| *key));
    let firsts = processes.iter_mut().enumerate();
    let mut next: BinaryHeap<Reverse<(Nanoseconds, usize)>> = firsts
        .filter_map(|(key, (_, process))| Some(Reverse((process.next_arrival()?, key))))
        .collect();
    while let Some(Reverse((time, key))) = next.pop() {
        rows.write(time, key)?;
        seen(time, key);
        next.extend(processes[key].1.next_arrival().map(|time| Reverse((time, key))));
    }
    Ok(())
}

/// The rows of a trace that are being written.
struct WrittenRows<'o> {
    /// The keys, escaped for CSV.
    keys: Vec<String>,
    out: &'o mut dyn Write,
}

impl<'o> WrittenRows<'o> {
    fn new(out: &'o mut dyn Write) -> io::Result<Self> {
        writeln!(out, "arrival_s,workload")?;
        Ok(Self { keys: Vec::new(), out })
    }

    /// Adds the keys that are new.
    fn know<'k>(&mut self, keys: impl ExactSizeIterator<Item = &'k str>) {
        if keys.len() > self.keys.len() {
            self.keys.extend(keys.skip(self.keys.len()).map(csv_field));
        }
    }

    fn write(&mut self, time: Nanoseconds, key: usize) -> io::Result<()> {
        let ns = time.get();
        let key = self.keys.get(key).map_or("", |key| key);
        writeln!(self.out, "{}.{:09},{key}", ns / 1_000_000_000, ns % 1_000_000_000)
    }
}
