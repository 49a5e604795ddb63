//! Lines of a text file, read one by one, with the line ends of any system.

use super::open::{invalid, open};
use super::table::LONGEST_ROW;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// The lines of a file, compressed or not, with the line ends of any system.
pub struct Lines<'r> {
    reader: BufReader<Box<dyn Read + Send + 'r>>,
    line: Vec<u8>,
    number: u64,
}

impl std::fmt::Debug for Lines<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Lines<'static> {
    /// Opens the lines of a file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of_path(path: &Path) -> io::Result<Self> {
        let reader = BufReader::with_capacity(1 << 16, open(path)?);
        Ok(Self { reader, line: Vec::new(), number: 0 })
    }
}

impl Lines<'_> {
    /// Returns the number of the last line read, from 1.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Returns the last line read.
    #[must_use]
    pub fn line(&self) -> &str {
        // The line was checked for UTF-8 when it was read.
        std::str::from_utf8(&self.line).unwrap_or_default()
    }

    /// Reads the next line, without its end; `None` after the last.
    ///
    /// # Errors
    /// When reading fails, or when the line is not UTF-8 or is longer than [`LONGEST_ROW`].
    pub fn next_line(&mut self) -> io::Result<Option<&str>> {
        self.line.clear();
        let read = (&mut self.reader).take(LONGEST_ROW).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        if read as u64 == LONGEST_ROW && self.line.last() != Some(&b'\n') {
            return Err(invalid("a line is longer than 16 MiB"));
        }
        for end in [b'\n', b'\r'] {
            if self.line.last() == Some(&end) {
                self.line.pop();
            }
        }
        let line = std::str::from_utf8(&self.line).map_err(|_| invalid("it is not UTF-8"))?;
        if line.contains('\0') {
            return Err(invalid("it holds a NUL byte, so it is not text"));
        }
        Ok(Some(line))
    }
}
