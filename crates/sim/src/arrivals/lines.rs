//! Lines of a text file, one after another, whatever system wrote it.

use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

/// The longest line that is read, in bytes: a minute count for each of a day's minutes fits many times.
const LONGEST: u64 = 16 * 1024 * 1024;

/// The lines of a file, gzipped or not, with or without a byte-order mark, with line ends of any system.
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

impl<'r> Lines<'r> {
    /// The lines of an open file, from its start.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of_file(mut file: File) -> io::Result<Self> {
        let mut magic = [0; 2];
        file.seek(SeekFrom::Start(0))?;
        let read = file.read(&mut magic)?;
        file.seek(SeekFrom::Start(0))?;
        if read == 2 && magic == [0x1f, 0x8b] {
            return Ok(Self::new(MultiGzDecoder::new(BufReader::new(file))));
        }
        Ok(Self::new(file))
    }

    /// The lines of what a reader gives.
    pub fn new(reader: impl Read + Send + 'r) -> Self {
        let reader =
            BufReader::with_capacity(1 << 16, Box::new(reader) as Box<dyn Read + Send + 'r>);
        Self { reader, line: Vec::new(), number: 0 }
    }

    /// The number of the last line that was read, from 1.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The next line without its end, and without a byte-order mark; `None` after the last.
    ///
    /// # Errors
    /// When reading fails, the line is not UTF-8 or longer than 16 MiB.
    pub fn next_line(&mut self) -> io::Result<Option<&str>> {
        let invalid = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        self.line.clear();
        let read = (&mut self.reader).take(LONGEST).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        if read as u64 == LONGEST && self.line.last() != Some(&b'\n') {
            return Err(invalid("a line is longer than 16 MiB"));
        }
        let mut line = self.line.as_slice();
        if self.number == 1 {
            line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        }
        line = line.strip_suffix(b"\n").unwrap_or(line);
        line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = std::str::from_utf8(line).map_err(|_| invalid("it is not UTF-8"))?;
        if line.contains('\0') {
            return Err(invalid("it holds a NUL byte, so it is not text"));
        }
        Ok(Some(line))
    }
}

/// Splits a row of a CSV file into its trimmed fields; `None` where quotes do not close.
///
/// A row is one line here: no trace has line breaks inside of fields.
pub fn split_row<'l>(line: &'l str, fields: &mut Vec<std::borrow::Cow<'l, str>>) -> Option<()> {
    fields.clear();
    if !line.contains('"') {
        fields.extend(line.split(',').map(|field| field.trim().into()));
        return Some(());
    }
    if line.matches('"').count() % 2 == 1 {
        return None;
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .trim(csv::Trim::All)
        .from_reader(line.as_bytes());
    let row = reader.records().next()?.ok()?;
    fields.extend(row.iter().map(|field| field.to_owned().into()));
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn all(bytes: &[u8]) -> Vec<String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        let mut lines = Lines::of_file(file).unwrap();
        let mut found = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            found.push(line.to_owned());
        }
        found
    }

    #[test]
    fn every_system_is_welcome() {
        let expected = ["a,b", "1,2", "3"];
        for text in ["a,b\n1,2\n3\n", "a,b\n1,2\n3", "\u{feff}a,b\r\n1,2\r\n3\r\n"] {
            assert_eq!(all(text.as_bytes()), expected);
            let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            zipped.write_all(text.as_bytes()).unwrap();
            assert_eq!(all(&zipped.finish().unwrap()), expected);
        }
        assert_eq!(all(b""), [""; 0]);
    }

    #[test]
    fn a_cut_gzip_file_is_an_error() {
        let mut zipped = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        zipped.write_all("0.5\n".repeat(1000).as_bytes()).unwrap();
        let bytes = zipped.finish().unwrap();
        let mut lines = Lines::new(MultiGzDecoder::new(&bytes[..bytes.len() - 9]));
        let end = loop {
            match lines.next_line() {
                Ok(Some(_)) => {}
                end => break end.map(|_| ()),
            }
        };
        assert!(end.is_err());
    }

    #[test]
    fn rows_come_apart() {
        let mut fields = Vec::new();
        split_row("a, b ,,1", &mut fields).unwrap();
        assert_eq!(fields, ["a", "b", "", "1"]);
        split_row("\"a,b\",\"say \"\"c\"\"\"", &mut fields).unwrap();
        assert_eq!(fields, ["a,b", "say \"c\""]);
        assert!(split_row("\"a,b", &mut fields).is_none());
    }
}
