//! An open trace file.

use super::ImportError;
use crate::arrivals::{Lines, split_row};
use std::borrow::Cow;
use std::fs::File;
use std::path::{Path, PathBuf};

/// The lines of a file that hold something, with its name for messages.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    lines: Lines<'static>,
    line: String,
}

impl Source {
    pub(super) fn open(path: &Path) -> Result<Self, ImportError> {
        let open = || Lines::of_file(File::open(path)?);
        let unreadable = |source| ImportError::Unreadable { path: path.to_owned(), source };
        let lines = open().map_err(unreadable)?;
        Ok(Self { path: path.to_owned(), lines, line: String::new() })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Something is wrong with a line.
    pub(super) fn wrong(&self, line: u64, what: impl Into<String>) -> ImportError {
        ImportError::Row { path: self.path.clone(), line, what: what.into() }
    }

    /// Goes to the next line that holds something, and returns its number.
    pub(super) fn next_line(&mut self) -> Result<Option<u64>, ImportError> {
        loop {
            let number = self.lines.number() + 1;
            match self.lines.next_line() {
                Ok(None) => return Ok(None),
                Ok(Some(line)) if line.trim().is_empty() => {}
                Ok(Some(line)) => {
                    self.line.clear();
                    self.line.push_str(line);
                    return Ok(Some(number));
                }
                Err(error) => return Err(self.wrong(number, error.to_string())),
            }
        }
    }

    /// The line that it is at.
    pub(super) fn line(&self) -> &str {
        &self.line
    }

    /// The fields of that line, of which there must be so many.
    pub(super) fn fields(
        &self,
        number: u64,
        count: usize,
    ) -> Result<Vec<Cow<'_, str>>, ImportError> {
        let mut fields = Vec::with_capacity(count);
        split_row(&self.line, &mut fields)
            .ok_or_else(|| self.wrong(number, "a quote is not closed"))?;
        if fields.len() != count {
            let what = format!("it has {} fields, not {count}", fields.len());
            return Err(self.wrong(number, what));
        }
        Ok(fields)
    }

    /// A field as a number.
    pub(super) fn number(&self, text: &str, line: u64) -> Result<f64, ImportError> {
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| self.wrong(line, format!("{text:?} is no finite number")))
    }
}
