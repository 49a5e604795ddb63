//! Traces of other systems: read, inspected, re-scaled, fitted, and written in this program's form.
//!
//! Two readers cover all formats: `rows`, with a time on each row, and `counts`, with the number of
//! requests in each bin of time. Both give a [`TraceStream`]: arrival times with a key each (a function, a client),
//! which a [`Mapping`] makes workloads of. [`Redrawn`] makes new arrivals with the character of the old ones,
//! as AlpaServe does. The form of this program is a CSV file with the columns `arrival_s` and `workload`,
//! in order of time.
//!
//! Arrivals go by one after another, so that memory does not depend on their number ([`TraceReader`] says what that
//! takes where a file is not in order).

mod counts;
mod error;
mod fit;
mod format;
mod keys;
mod mapping;
mod part;
mod reader;
mod rescale;
mod rows;
mod servegen;
mod sorter;
mod source;
#[cfg(test)]
mod tests;
mod write;

pub use error::ImportError;
pub use fit::{GammaFit, GapSums, WindowFit, WindowedFit};
pub use format::{Format, Reading};
pub use mapping::{Mapped, Mapping};
pub use part::Part;
pub use reader::TraceReader;
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
}
