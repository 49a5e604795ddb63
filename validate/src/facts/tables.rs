//! The facts as CSV tables.

use super::{ShareRow, Transfer};
use igniter::results::or_empty;
use std::fmt::Write as _;

/// Returns the table of SMs by percentage.
#[must_use]
pub fn share_table(rows: &[ShareRow]) -> String {
    let mut text = String::from("sm_pct,sms_attribute,sms_affinity,sms_touched\n");
    for row in rows {
        let _ = writeln!(
            text,
            "{},{},{},{}",
            row.sm_pct,
            or_empty(row.attribute),
            or_empty(row.affinity),
            or_empty(row.touched)
        );
    }
    text
}

/// Returns the table of copies by size.
#[must_use]
pub fn transfer_table(rows: &[Transfer]) -> String {
    let mut text = String::from("direction,memory,bytes,ms\n");
    for row in rows {
        let _ = writeln!(text, "{},{},{},{:.6}", row.direction, row.memory, row.bytes, row.ms);
    }
    text
}
