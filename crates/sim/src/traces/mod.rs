//! Traces of other systems: inspected, re-scaled, fitted, and written in this program's form.
//!
//! [`igniter_model::input`] reads the files. What it gives, arrival times with a key each (a function, a client), is a
//! [`TraceStream`] here, and so is what is drawn where a file has only counts or rates. A [`Mapping`] makes workloads
//! of keys. [`Redrawn`] makes new arrivals with the character of the old ones, as AlpaServe does. The form of this
//! program is a CSV file with the columns `arrival_s` and `workload`, in order of time.
//!
//! Arrivals go by one after another, so that memory does not depend on their number ([`TraceReader`] says what that
//! takes where a file is not in order).

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
    /// The next arrival: the time since the start of the trace, and the position of its key; `None` after the last.
    ///
    /// # Errors
    /// When the file has a row that is wrong, or no rows at all.
    fn next_arrival(&mut self) -> Result<Option<(Nanoseconds, u32)>, ImportError>;

    /// The keys, in the order of their first appearance in the file; after the last arrival, all of them.
    fn keys(&self) -> &[String];

    /// How long it is: to the end of the last bin, or just past the last arrival. Known after the last arrival.
    fn length(&self) -> Nanoseconds;

    /// The file that it comes from.
    fn path(&self) -> &Path;

    /// What a user should know of how the file was read. Known after the last arrival.
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
