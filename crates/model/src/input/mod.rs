//! Reading of files from other programs: compressed or not, in several encodings, with several CSV delimiters.
//!
//! All readers of text use this module, so that they all accept the same files. [`open`](fn@open) detects the
//! compression (gzip, Zstandard, xz, bzip2) and the encoding (UTF-8, UTF-16) of a file by its first bytes, and
//! [`CsvTable`] reads CSV as the `csv` crate does, with the delimiter that the first row shows.
//!
//! All reading is streamed: memory is bounded by the window of a decompressor ([`WINDOW`]) and by the longest row
//! ([`LONGEST_ROW`]), whatever a file claims to hold.

mod arrivals;
mod error;
mod format;
mod keys;
mod lines;
mod open;
mod rows;
mod sorter;
mod table;
mod time;
pub mod toml_keys;
mod utf16;

pub use arrivals::{ArrivalFile, TraceLayout};
pub use error::ImportError;
pub use format::Format;
pub use keys::Keys;
pub use lines::Lines;
pub use open::{ByteSource, WINDOW, decoded, open, read_text};
pub use sorter::{Sorted, Sorter, Time};
pub use table::{CsvTable, HeaderRule, LONGEST_ROW, TableError, fields_of_line};
pub use time::TimeUnit;
pub(crate) use time::number;
