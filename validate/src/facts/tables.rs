//! The facts as CSV tables.

use super::{ShareRow, Transfer};
use std::fmt::Write as _;

/// SMs by percentage.
#[must_use]
pub fn share_table(rows: &[ShareRow]) -> String {
    let mut text = String::from("sm_pct,sms_attribute,sms_affinity,sms_touched\n");
    let cell = |number: Option<u32>| number.map_or_else(String::new, |number| number.to_string());
    for row in rows {
        let _ = writeln!(
            text,
            "{},{},{},{}",
            row.sm_pct,
            cell(row.attribute),
            cell(row.affinity),
            cell(row.touched)
        );
    }
    text
}

/// Copies by size.
#[must_use]
pub fn transfer_table(rows: &[Transfer]) -> String {
    let mut text = String::from("direction,memory,bytes,ms\n");
    for row in rows {
        let _ = writeln!(text, "{},{},{},{:.6}", row.direction, row.memory, row.bytes, row.ms);
    }
    text
}
