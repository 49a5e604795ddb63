//! The fields shared by the tables of a profile, and their ranges.

use super::csv_rows::CsvRow;
use super::{ModelProfile, Profile, ProfileError};
use crate::units::{BatchSize, Milliseconds, SmPercent};

/// Returns the model that a row names.
pub(super) fn model_of<'p>(
    row: &CsvRow<'_>,
    profile: &'p mut Profile,
) -> Result<&'p mut ModelProfile, ProfileError> {
    let known: Vec<String> = profile.models.iter().map(|m| m.name.to_string()).collect();
    profile.models.iter_mut().find(|m| m.name.as_str() == row.text("model")).ok_or_else(|| {
        row.error("model", format!("is no [[model]] of profile.toml; known: {}", known.join(", ")))
    })
}

/// Reads a batch size, which in profiles is at most 1024.
pub(super) fn batch(row: &CsvRow<'_>) -> Result<BatchSize, ProfileError> {
    let size: u32 = row.whole("batch", "a whole number from 1 to 1024")?;
    match BatchSize::new(size) {
        Ok(batch) if size <= 1024 => Ok(batch),
        _ => Err(row.error("batch", "must be a whole number from 1 to 1024")),
    }
}

/// Reads an SM share of at most a whole GPU.
pub(super) fn share(row: &CsvRow<'_>) -> Result<SmPercent, ProfileError> {
    let sm: SmPercent = row.quantity("sm_pct")?;
    if sm.get() <= 100.0 { Ok(sm) } else { Err(row.error("sm_pct", "must be at most 100")) }
}

/// Reads a duration above zero.
pub(super) fn positive(row: &CsvRow<'_>, column: &str) -> Result<Milliseconds, ProfileError> {
    let time: Milliseconds = row.quantity(column)?;
    if time.get() > 0.0 { Ok(time) } else { Err(row.error(column, "must be above 0")) }
}

/// Formats a CSV field, with quotes where its text needs them.
///
/// # Panics
/// Never: the text is written to memory.
#[must_use]
pub fn csv_field(field: &str) -> String {
    if field.is_empty() {
        return String::new();
    }
    let mut out = csv::Writer::from_writer(Vec::new());
    // The end of the record closes an open quote.
    out.write_record([field]).expect("text goes into memory");
    let bytes = out.into_inner().expect("text goes into memory");
    let mut text = String::from_utf8(bytes).expect("text stays text");
    text.pop();
    text
}
