//! CSV tables as other programs write them.

use super::open::{ByteSource, decoded, invalid};
use super::time::number;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The maximum length of a row, in bytes; a row with a count for each minute of a day is far below it. Longer rows are
/// mostly due to a quote that is never closed.
pub const LONGEST_ROW: u64 = 16 * 1024 * 1024;

/// The delimiters between fields; in a tie the first one is taken.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Whether the first row names the columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderRule {
    /// The first row names the columns.
    Header,
    /// All rows are data.
    NoHeader,
}

/// An error that ends the reading of a table. Line numbers count from 1.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file cannot be read or decompressed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A row is invalid.
    #[error("line {line}: {what}")]
    Row { line: u64, what: String },
}

/// A reader of the rows of a CSV file, by the rules of the `csv` crate: fields may be quoted (with inner quotes
/// doubled), and may then contain delimiters and line breaks.
///
/// In addition to these rules:
/// - the delimiter is a comma, semicolon, tab or bar, whichever splits the first row into most fields;
/// - white space around fields is trimmed;
/// - empty lines and lines that begin with `#` are skipped;
/// - a first line `sep=;` (from Excel) names the delimiter;
/// - rows with one field more than the header begin with a row name (from R), unless the header has only one column,
///   since the comma may then be a decimal comma.
pub struct CsvTable<'r> {
    rows: csv::Reader<Metered<'r>>,
    /// The number of bytes that the meter still lets through for the current row.
    room: Arc<AtomicU64>,
    /// Whether the end of the file was reached, so that no line feed ends the current row.
    at_end: Arc<AtomicBool>,
    /// The last byte that is not white space.
    last: Arc<AtomicU64>,
    /// The number of line feeds inside the current row.
    inside: u64,
    delimiter: u8,
    columns: Vec<String>,
    record: csv::StringRecord,
    /// Whether the record is the first one, read ahead.
    ahead: bool,
    /// The number of lines that were removed before the rows.
    cut: u64,
    /// The line number of the first row.
    first_line: u64,
    fields: usize,
}

impl std::fmt::Debug for CsvTable<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("columns", &self.columns).finish_non_exhaustive()
    }
}

impl CsvTable<'static> {
    /// Opens a file, compressed or not.
    ///
    /// # Errors
    /// When the file cannot be read, or its first row is not text.
    pub fn open(path: &Path, layout: HeaderRule) -> Result<Self, TableError> {
        Self::new(File::open(path)?, layout)
    }
}

impl<'r> CsvTable<'r> {
    /// Reads the rows from a reader, compressed or not.
    ///
    /// # Errors
    /// When the reader fails, or its first row is not text.
    pub fn new(reader: impl Read + Send + 'r, layout: HeaderRule) -> Result<Self, TableError> {
        Self::of_text(decoded(reader)?, layout)
    }

    fn of_text(text: ByteSource<'r>, layout: HeaderRule) -> Result<Self, TableError> {
        let mut reader: Box<dyn BufRead + Send + 'r> =
            Box::new(BufReader::with_capacity(1 << 12, text));
        let (mut head, mut first) = first_row(&mut reader)?;
        if has_bare_returns(&head[first..]) {
            let whole = Returns(Cursor::new(head).chain(reader));
            reader = Box::new(BufReader::with_capacity(1 << 12, whole));
            (head, first) = first_row(&mut reader)?;
        }
        let first_text = String::from_utf8_lossy(&head[first..]).into_owned();
        if first_text.contains('\0') {
            return Err(invalid("it holds a NUL byte, so it is not text").into());
        }
        let mut cut = 0;
        let delimiter = match first_text.trim().as_bytes() {
            [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', delimiter] => {
                cut = head.iter().filter(|byte| **byte == b'\n').count() as u64;
                head.clear();
                *delimiter
            }
            _ => delimiter_of(&first_text),
        };
        let room = Arc::new(AtomicU64::new(LONGEST_ROW));
        let at_end = Arc::new(AtomicBool::new(false));
        let last = Arc::new(AtomicU64::new(0));
        let whole: Box<dyn Read + Send + 'r> = Box::new(Cursor::new(head).chain(reader));
        let rows = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .comment(Some(b'#'))
            // A carriage return before the line feed counts as white space. Each row thus ends with its line feed, by
            // which lines are counted.
            .terminator(csv::Terminator::Any(b'\n'))
            .buffer_capacity(1 << 16)
            .from_reader(Metered {
                source: whole,
                room: Arc::clone(&room),
                at_end: Arc::clone(&at_end),
                last: Arc::clone(&last),
            });
        let mut table = Self {
            rows,
            room,
            at_end,
            last,
            inside: 0,
            delimiter,
            columns: Vec::new(),
            record: csv::StringRecord::new(),
            ahead: false,
            cut,
            first_line: 1,
            fields: 0,
        };
        let found = table.read()?;
        table.fields = table.record.len();
        table.first_line = table.line();
        match layout {
            HeaderRule::NoHeader => table.ahead = found,
            HeaderRule::Header => {
                table.columns = table.record.iter().map(str::to_owned).collect();
                table.ahead = table.read()?;
                if table.ahead && table.record.len() == table.fields + 1 && table.fields > 1 {
                    table.columns.insert(0, String::new());
                    table.fields += 1;
                }
            }
        }
        Ok(table)
    }

    /// Returns the columns that the header names; empty where there is no header.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Returns the index of a column that the header must name exactly once.
    ///
    /// # Errors
    /// With a message that lists the columns and, where one differs only in case, suggests it.
    pub fn column(&self, name: &str) -> Result<usize, TableError> {
        let mut found = self.columns.iter().enumerate().filter(|(_, column)| *column == name);
        let what = match (found.next(), found.next()) {
            (Some((position, _)), None) => return Ok(position),
            (None, _) => {
                let near = self.columns.iter().find(|column| column.eq_ignore_ascii_case(name));
                let near =
                    near.map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
                format!("there is no column {name:?}; the file has: {}{near}", self.listed())
            }
            _ => format!("the header names the column {name:?} more than once: {}", self.listed()),
        };
        Err(TableError::Row { line: self.first_line, what })
    }

    /// Returns the line of the header, from 1.
    #[must_use]
    pub fn header_line(&self) -> u64 {
        self.first_line
    }

    /// Lists the columns, for a message.
    fn listed(&self) -> String {
        let shown: Vec<String> =
            self.columns.iter().take(40).map(|name| name.escape_debug().to_string()).collect();
        let more = if self.columns.len() > shown.len() { ", …" } else { "" };
        shown.join(", ") + more
    }

    /// Returns the delimiter between fields.
    #[must_use]
    pub fn delimiter(&self) -> u8 {
        self.delimiter
    }

    /// Returns the number of fields that each row must have.
    #[must_use]
    pub fn width(&self) -> usize {
        self.fields
    }

    /// Advances to the next row; returns `false` after the last.
    ///
    /// # Errors
    /// When reading fails, or when the number of fields differs from that of the first row.
    pub fn advance(&mut self) -> Result<bool, TableError> {
        if !std::mem::take(&mut self.ahead) && !self.read()? {
            return Ok(false);
        }
        if self.record.len() != self.fields {
            let what = format!("it has {} fields, not {}", self.record.len(), self.fields);
            return Err(self.wrong(what));
        }
        Ok(true)
    }

    /// Returns the current row.
    #[must_use]
    pub fn record(&self) -> &csv::StringRecord {
        &self.record
    }

    /// Returns a field of the current row as a finite number. It may have a decimal comma where the delimiter is not a
    /// comma.
    #[must_use]
    pub fn number(&self, position: usize) -> Option<f64> {
        number(self.field(position), self.delimiter != b',')
    }

    /// Returns a field of the current row.
    #[must_use]
    pub fn field(&self, position: usize) -> &str {
        self.record.get(position).unwrap_or_default()
    }

    /// Returns an error about the current row.
    pub fn wrong(&self, what: impl Into<String>) -> TableError {
        TableError::Row { line: self.line(), what: what.into() }
    }

    /// Returns the line on which the current row starts, from 1.
    #[must_use]
    pub fn line(&self) -> u64 {
        let after = self.rows.position().line() + self.cut;
        after.saturating_sub(self.ended() + self.inside).max(1)
    }

    /// Returns the number of line feeds that end the current row: one, unless the file ends without a line feed.
    fn ended(&self) -> u64 {
        u64::from(!self.at_end.load(Ordering::Relaxed))
    }

    /// Returns whether the file ends inside a quoted field of this row: the last field then spans several lines, and
    /// the last byte is not a quote.
    fn is_open(&self) -> bool {
        let last = self.record.iter().next_back().is_some_and(|field| field.contains('\n'));
        last && self.at_end.load(Ordering::Relaxed)
            && self.last.load(Ordering::Relaxed) != u64::from(b'"')
    }

    /// Reads the next row that is not empty.
    fn read(&mut self) -> Result<bool, TableError> {
        loop {
            self.room.store(LONGEST_ROW, Ordering::Relaxed);
            let read = self.rows.read_record(&mut self.record);
            let bytes = self.record.as_slice().bytes();
            self.inside = bytes.filter(|byte| *byte == b'\n').count() as u64;
            let open = self.is_open();
            self.record.trim();
            match read {
                Ok(false) => return Ok(false),
                // A line of white space is skipped.
                Ok(true) if self.record.iter().all(str::is_empty) && self.record.len() <= 1 => {}
                Ok(true) if open => {
                    return Err(self.wrong("a quote is opened here or below, and never closed"));
                }
                Ok(true) => return Ok(true),
                Err(error) => {
                    let line = self.rows.position().line() + self.cut;
                    return Err(match error.into_kind() {
                        csv::ErrorKind::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
                            TableError::Row { line, what: error.to_string() }
                        }
                        csv::ErrorKind::Io(error) => error.into(),
                        csv::ErrorKind::Utf8 { .. } => TableError::Row {
                            line: line.saturating_sub(self.ended()).max(1),
                            what: "it is not UTF-8; save the file as UTF-8".to_owned(),
                        },
                        other => TableError::Row { line, what: format!("{other:?}") },
                    });
                }
            }
        }
    }
}

/// Reads to the end of the first row that is not empty; also returns the offset of that row.
fn first_row(reader: &mut impl BufRead) -> io::Result<(Vec<u8>, usize)> {
    let mut head = Vec::new();
    loop {
        let start = head.len();
        let left = LONGEST_ROW.saturating_sub(start as u64);
        reader.take(left).read_until(b'\n', &mut head)?;
        let line = head[start..].trim_ascii();
        if head.len() == start || !(line.is_empty() || line.starts_with(b"#")) {
            if head.len() as u64 >= LONGEST_ROW {
                return Err(invalid("its first row is longer than 16 MiB"));
            }
            return Ok((head, start));
        }
    }
}

/// Returns whether lines end with carriage returns alone, as on old Macs: there is one outside quotes that is not at
/// the end.
fn has_bare_returns(row: &[u8]) -> bool {
    let mut quoted = false;
    row.trim_ascii_end().iter().any(|byte| {
        quoted ^= *byte == b'"';
        !quoted && *byte == b'\r'
    })
}

/// A reader that replaces carriage returns with line feeds.
struct Returns<R>(R);

impl<R: Read> Read for Returns<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        for byte in &mut buffer[..read] {
            if *byte == b'\r' {
                *byte = b'\n';
            }
        }
        Ok(read)
    }
}

/// Returns the delimiter that splits a row into most fields.
fn delimiter_of(line: &str) -> u8 {
    let mut counts = [0_usize; DELIMITERS.len()];
    let mut quoted = false;
    for byte in line.bytes() {
        if byte == b'"' {
            quoted = !quoted;
        } else if !quoted && let Some(i) = DELIMITERS.iter().position(|known| *known == byte) {
            counts[i] += 1;
        }
    }
    let most = counts.iter().copied().max().unwrap_or(0);
    let first = counts.iter().position(|count| *count == most).unwrap_or(0);
    DELIMITERS[first]
}

/// Splits a line into fields in the same way as the first row of a table.
#[must_use]
pub fn fields_of_line(line: &str) -> Vec<String> {
    let table = CsvTable::new(Cursor::new(line.as_bytes().to_vec()), HeaderRule::NoHeader);
    table.map_or_else(|_| Vec::new(), |table| table.record.iter().map(str::to_owned).collect())
}

/// A reader that fails when a row is longer than allowed.
struct Metered<'r> {
    source: Box<dyn Read + Send + 'r>,
    room: Arc<AtomicU64>,
    at_end: Arc<AtomicBool>,
    last: Arc<AtomicU64>,
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(buffer)?;
        if read == 0 {
            self.at_end.store(true, Ordering::Relaxed);
        }
        if let Some(last) = buffer[..read].trim_ascii_end().last() {
            self.last.store((*last).into(), Ordering::Relaxed);
        }
        let room = self.room.load(Ordering::Relaxed);
        let Some(left) = room.checked_sub(read as u64) else {
            return Err(invalid("a row is longer than 16 MiB; perhaps a quote is not closed"));
        };
        self.room.store(left, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(text: &[u8], layout: HeaderRule) -> Result<Vec<Vec<String>>, String> {
        let mut table = CsvTable::new(text, layout).map_err(|error| error.to_string())?;
        let mut rows = Vec::new();
        if layout == HeaderRule::Header {
            rows.push(table.columns().to_vec());
        }
        while table.advance().map_err(|error| error.to_string())? {
            rows.push((0..table.width()).map(|i| table.field(i).to_owned()).collect());
        }
        Ok(rows)
    }

    #[test]
    fn every_dialect_gives_the_same_rows() {
        let expected = vec![vec!["t", "key"], vec!["0.5", "a b"], vec!["1", "c"]];
        for text in [
            "t,key\n0.5,a b\n1,c\n",
            "\u{feff}t,key\r\n0.5,a b\r\n1,c",
            "\"t\",\"key\"\n\"0.5\",\"a b\"\n\"1\",\"c\"\n",
            "t;key\n0.5;a b\n1;c\n",
            "t\tkey\n0.5\ta b\n1\tc\n",
            "t | key\n0.5|a b\n1|c\n",
            "sep=;\r\nt;key\r\n0.5;a b\r\n1;c\r\n",
            "\rt,key\r0.5,a b\r\r1,c\r",
            "\"t\",\"key\"\r0.5,\"a b\"\r1,c",
            "\r\n# made by a tool\r\nt,key\n\n0.5 , a b\n# half\n1,c\n\n",
        ] {
            assert_eq!(rows(text.as_bytes(), HeaderRule::Header).unwrap(), expected, "{text:?}");
        }
        // R's write.table: row names without a header.
        let r = "\"t\" ,\"key\"\n\"1\",0.5,\"a\"\n\"2\",1,\"c\"\n";
        let found = rows(r.as_bytes(), HeaderRule::Header).unwrap();
        assert_eq!(found[..2], [vec!["", "t", "key"], vec!["1", "0.5", "a"]]);
    }

    #[test]
    fn rows_of_another_length_and_quotes_that_stay_open_are_errors() {
        let wrong = |text: &str| rows(text.as_bytes(), HeaderRule::Header).unwrap_err();
        assert_eq!(wrong("a,b\n\n1,2\n\n3\n4,5\n"), "line 5: it has 1 fields, not 2");
        assert_eq!(wrong("a,b\r\n1,\"x\ny\"\r\n3"), "line 4: it has 1 fields, not 2");
        for text in [
            "a,b\n1,2\n\"3,4\n5,6\n",
            "a,b\n1,2\n3,\"4\n5,6\n",
            "a,b\n1,2\n3,\"4\n5,6",
            "a,b\n1,2\n3,\"4\n5,6\r\n\r\n",
        ] {
            assert_eq!(wrong(text), "line 3: a quote is opened here or below, and never closed");
        }
        // Line breaks in quotes are none of it.
        for text in
            ["a,b\n1,\"x\ny\"", "a,b\n1,\"x\ny\n\"\n", "a,b\n\"x\ny\",1", "a,b\n1,\"x\ny\" \r\n"]
        {
            assert_eq!(rows(text.as_bytes(), HeaderRule::Header).unwrap().len(), 2, "{text:?}");
        }
        let long = format!("a,b\n1,\"{}", "x\n".repeat(9 << 20));
        assert!(wrong(&long).contains("a row is longer than 16 MiB"));
        let table = CsvTable::new("Time,b,b\n".as_bytes(), HeaderRule::Header).unwrap();
        let message = table.column("time").unwrap_err().to_string();
        assert!(message.contains("did you mean \"Time\"?"), "{message}");
        assert!(message.starts_with("line 1: "), "{message}");
        assert!(table.column("b").unwrap_err().to_string().contains("more than once"));
        let table =
            CsvTable::new("\n# made by a tool\nTime,b\n\n1,2\n".as_bytes(), HeaderRule::Header);
        assert_eq!(table.unwrap().header_line(), 3);
    }

    proptest! {
        #[test]
        fn what_the_csv_crate_writes_reads_back(
            table in prop::collection::vec(prop::collection::vec("[ -~]{0,6}", 3), 1..20)
        ) {
            // White space around fields is cut, comments and empty rows are skipped.
            let fits = |row: &Vec<String>| !row[0].is_empty() && !row[0].starts_with('#');
            let trimmed: Vec<Vec<String>> = table
                .iter()
                .map(|row| row.iter().map(|field| field.trim().to_owned()).collect())
                .filter(fits)
                .collect();
            let mut out = csv::Writer::from_writer(Vec::new());
            out.write_record(["one", "two", "three"]).unwrap();
            for row in &trimmed {
                out.write_record(row).unwrap();
            }
            let found = rows(&out.into_inner().unwrap(), HeaderRule::Header).unwrap();
            prop_assert_eq!(&found[1..], &trimmed[..]);
        }

        #[test]
        fn any_bytes_give_rows_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = rows(&bytes, HeaderRule::Header);
            let _ = rows(&bytes, HeaderRule::NoHeader);
        }
    }
}
