//! Traces of other systems: inspected, re-scaled, fitted, and written in the format of this program.
//!
//! [`igniter_model::input`] reads the files. Their arrival times, each with a key (a function, a client), form a
//! [`TraceStream`] here; so do the arrivals that are drawn where a file has only counts or rates. A [`Mapping`] turns
//! keys into workloads. [`Redrawn`] generates new arrivals with the character of the old ones, as AlpaServe does. The
//! format of this program is a CSV file with the columns `arrival_s` and `workload`, in order of time.
//!
//! Arrivals are processed one at a time, so memory use does not depend on their number ([`TraceReader`] describes the
//! cost for a file that is not in order).

mod counts;
mod fit;
mod mapping;
mod part;
mod plausible;
mod reader;
mod rescale;
mod servegen;
#[cfg(test)]
mod tests;
mod write;

pub use fit::{GammaFit, GapSums, WindowFit, WindowedFit};
pub use igniter_model::input::{Format, ImportError, TimeUnit};
pub use mapping::{Mapped, Mapping};
pub use part::TracePart;
pub use plausible::doubts;
pub use reader::{TraceReader, TraceReading};
pub use rescale::{Faster, Redraw, Redrawn};
pub use write::{WriteError, write_csv, write_merged};

use igniter_model::units::Nanoseconds;
use std::fmt::Debug;
use std::path::Path;

/// The arrivals of a trace, one after another in order of time.
pub trait TraceStream: Debug {
    /// Returns the next arrival: the time since the start of the trace, and the position of its key; `None` after the
    /// last.
    ///
    /// # Errors
    /// Fails if the file has an invalid row, or no rows at all.
    fn next_arrival(&mut self) -> Result<Option<(Nanoseconds, u32)>, ImportError>;

    /// Returns the keys, in the order of their first appearance in the file. The list is complete after the last
    /// arrival.
    fn keys(&self) -> &[String];

    /// Returns the length of the trace: to the end of the last bin, or just past the last arrival. Known after the last
    /// arrival.
    fn length(&self) -> Nanoseconds;

    /// Returns the path of the file from which the trace is read.
    fn path(&self) -> &Path;

    /// Returns notes for the user on how the file was read. Known after the last arrival.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

impl<S: TraceStream + ?Sized> TraceStream for Box<S> {
    fn next_arrival(&mut self) -> Result<Option<(Nanoseconds, u32)>, ImportError> {
        (**self).next_arrival()
    }

    fn keys(&self) -> &[String] {
        (**self).keys()
    }

    fn length(&self) -> Nanoseconds {
        (**self).length()
    }

    fn path(&self) -> &Path {
        (**self).path()
    }

    fn notes(&self) -> Vec<String> {
        (**self).notes()
    }
}
