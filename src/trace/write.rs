//! A trace in this program's form.

use super::Trace;
use crate::units::Nanoseconds;
use crate::workload::ArrivalProcess;
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Write};

/// Writes the columns `arrival_s`, with all nine digits of a nanosecond, and `workload`.
///
/// # Errors
/// When the writer fails.
pub fn write_csv(trace: &Trace, out: &mut dyn Write) -> io::Result<()> {
    let mut rows = Rows::new(trace.keys.iter().map(String::as_str), out)?;
    trace.arrivals.iter().try_for_each(|&(time, key)| rows.write(time, key as usize))
}

/// Writes the arrivals of several processes, each with its key, in order of time, and equal times in the order of
/// the keys: what [`write_csv`] writes of them, in memory that does not depend on their number. `seen` is told of
/// each arrival with the position of its key.
///
/// # Errors
/// When the writer fails.
pub fn write_merged(
    processes: &mut [(&str, Box<dyn ArrivalProcess>)],
    out: &mut dyn Write,
    seen: &mut dyn FnMut(Nanoseconds, usize),
) -> io::Result<()> {
    let mut rows = Rows::new(processes.iter().map(|(key, _)| *key), out)?;
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

/// The rows of a trace on their way out.
struct Rows<'k, 'o> {
    keys: Vec<Cow<'k, str>>,
    out: &'o mut dyn Write,
}

impl<'k, 'o> Rows<'k, 'o> {
    fn new(keys: impl Iterator<Item = &'k str>, out: &'o mut dyn Write) -> io::Result<Self> {
        writeln!(out, "arrival_s,workload")?;
        Ok(Self { keys: keys.map(quoted).collect(), out })
    }

    fn write(&mut self, time: Nanoseconds, key: usize) -> io::Result<()> {
        let ns = time.get();
        let key = self.keys.get(key).map_or("", |key| key);
        writeln!(self.out, "{}.{:09},{key}", ns / 1_000_000_000, ns % 1_000_000_000)
    }
}

fn quoted(key: &str) -> Cow<'_, str> {
    if key.contains([',', '"']) {
        format!("\"{}\"", key.replace('"', "\"\"")).into()
    } else {
        key.into()
    }
}
