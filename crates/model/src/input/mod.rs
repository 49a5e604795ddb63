//! Files of other people, opened: compressed or not, in whatever encoding, with whatever fields between.
//!
//! Every reader of text goes through here, so that all take the same files: [`open`](fn@open) finds out by its first bytes
//! how a file is compressed (gzip, Zstandard, xz, bzip2) and how its text is encoded (UTF-8, UTF-16), and [`CsvTable`]
//! reads CSV as the `csv` crate does, with the delimiter that the first row shows.
//!
//! All of it streams: memory is bounded by the window of a decompressor ([`WINDOW`]) and by the longest row
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
