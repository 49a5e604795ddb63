//! In which steps MPS grants SMs, from the measured table.

use super::ShareRow;

/// The allocation unit of a GPU under MPS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Step {
    /// SMs that are granted together.
    pub sms: u32,
    /// How many such units the GPU has.
    pub units: u32,
}

/// The unit that the table shows: the most frequent difference between neighbouring numbers of SMs that were granted.
/// `None` where the table shows fewer than three numbers.
#[must_use]
pub fn allocation_step(rows: &[ShareRow], total: u32) -> Option<Step> {
    let granted = |row: &ShareRow| row.touched.or(row.affinity).or(row.attribute);
    let mut counts: Vec<u32> = rows.iter().filter_map(granted).filter(|&sms| sms > 0).collect();
    counts.sort_unstable();
    counts.dedup();
    if counts.len() < 3 {
        return None;
    }
    let mut steps: Vec<u32> = counts.windows(2).map(|pair| pair[1] - pair[0]).collect();
    steps.sort_unstable();
    let often = |step: &u32| steps.iter().filter(|other| *other == step).count();
    // Of those that are equally frequent the smallest: a table may be asked in larger steps than there are.
    let sms = steps.iter().copied().rev().max_by_key(|step| (often(step), u32::MAX - step))?;
    Some(Step { sms, units: (total / sms).max(1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(step: u32, total: u32) -> Vec<ShareRow> {
        let granted = |pct: u32| (pct * total / 100 / step * step).max(step);
        let row = |pct: u32| ShareRow {
            sm_pct: f64::from(pct),
            attribute: Some(if pct == 100 { total } else { granted(pct) }),
            affinity: None,
            touched: None,
        };
        (1..=100).map(row).collect()
    }

    #[test]
    fn the_step_is_that_of_the_table() {
        assert_eq!(allocation_step(&table(2, 132), 132), Some(Step { sms: 2, units: 66 }));
        // Eight at a time: 16 units and four SMs that only the whole GPU has.
        assert_eq!(allocation_step(&table(8, 132), 132), Some(Step { sms: 8, units: 16 }));
        assert_eq!(allocation_step(&table(1, 80), 80), Some(Step { sms: 1, units: 80 }));
        assert_eq!(allocation_step(&table(2, 132)[98..], 132), None);
    }
}
