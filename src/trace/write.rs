//! A trace in this program's form.

use super::Trace;
use std::borrow::Cow;
use std::io::{self, Write};

/// Writes the columns `arrival_s`, with all nine digits of a nanosecond, and `workload`.
///
/// # Errors
/// When the writer fails.
pub fn write_csv(trace: &Trace, out: &mut dyn Write) -> io::Result<()> {
    let keys: Vec<Cow<'_, str>> = trace.keys.iter().map(|key| quoted(key)).collect();
    writeln!(out, "arrival_s,workload")?;
    for (time, key) in &trace.arrivals {
        let ns = time.get();
        let key = keys.get(*key as usize).map_or("", |key| key);
        writeln!(out, "{}.{:09},{key}", ns / 1_000_000_000, ns % 1_000_000_000)?;
    }
    Ok(())
}

fn quoted(key: &str) -> Cow<'_, str> {
    if key.contains([',', '"']) {
        format!("\"{}\"", key.replace('"', "\"\"")).into()
    } else {
        key.into()
    }
}
