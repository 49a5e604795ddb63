//! A part of a trace.

use super::{ImportError, TraceStream};
use igniter_model::units::Nanoseconds;
use std::path::Path;

/// The part of a trace from a start on, for a length or to the end of the trace, as a trace of its
/// own.
#[derive(Debug)]
pub struct TracePart<S> {
    whole: S,
    start: Nanoseconds,
    end: Option<Nanoseconds>,
    is_empty: bool,
}

impl<S: TraceStream> TracePart<S> {
    /// Creates the part from `start` on. A part without arrivals is an error when it is drained.
    pub fn new(whole: S, start: Nanoseconds, length: Option<Nanoseconds>) -> Self {
        let end = length.map(|length| start.saturating_add(length));
        Self { whole, start, end, is_empty: true }
    }
}

impl<S: TraceStream> TraceStream for TracePart<S> {
    fn next_arrival(&mut self) -> Result<Option<(Nanoseconds, u32)>, ImportError> {
        // Rows after the part are read and checked too.
        while let Some((time, key)) = self.whole.next_arrival()? {
            if time >= self.start && self.end.is_none_or(|end| time < end) {
                self.is_empty = false;
                return Ok(Some((time.saturating_sub(self.start), key)));
            }
        }
        if self.is_empty {
            let (path, length_s) = (self.path().to_owned(), self.whole.length().as_seconds());
            return Err(ImportError::EmptyPart { path, length_s });
        }
        Ok(None)
    }

    fn keys(&self) -> &[String] {
        self.whole.keys()
    }

    fn length(&self) -> Nanoseconds {
        let whole = self.whole.length();
        self.end.map_or(whole, |end| end.min(whole)).saturating_sub(self.start)
    }

    fn path(&self) -> &Path {
        self.whole.path()
    }

    fn notes(&self) -> Vec<String> {
        self.whole.notes()
    }
}
