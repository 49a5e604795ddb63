//! The steps in which MPS grants SMs, determined from the measured table.

use super::ShareRow;

/// The allocation unit of a GPU under MPS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct AllocationUnit {
    /// Number of SMs that are granted together.
    pub sms: u32,
    /// Number of such units on the GPU.
    pub units: u32,
}

/// Returns the allocation unit that the table shows: the largest number of SMs of which all granted numbers
/// are multiples. The whole GPU is excepted, since it may have some more. The unit counts only if it was
/// itself granted: a table measured in large steps cannot show small ones.
#[must_use]
pub fn allocation_step(rows: &[ShareRow], total: u32) -> Option<AllocationUnit> {
    let granted = |row: &ShareRow| row.touched.or(row.affinity).or(row.attribute);
    let counts = || rows.iter().filter_map(granted).filter(|&sms| sms > 0 && sms < total);
    let sms = counts().reduce(common)?;
    (counts().min() == Some(sms)).then(|| AllocationUnit { sms, units: (total / sms).max(1) })
}

/// Returns the greatest common divisor.
fn common(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { common(b, a % b) }
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
        assert_eq!(
            allocation_step(&table(2, 132), 132),
            Some(AllocationUnit { sms: 2, units: 66 })
        );
        // Eight at a time: 16 units and four SMs that only the whole GPU has.
        assert_eq!(
            allocation_step(&table(8, 132), 132),
            Some(AllocationUnit { sms: 8, units: 16 })
        );
        assert_eq!(allocation_step(&table(1, 80), 80), Some(AllocationUnit { sms: 1, units: 80 }));
        // A few percentages are enough if one of them is small.
        let pairs = table(2, 132);
        let few: Vec<ShareRow> = [0, 9, 24, 49, 99].map(|i| pairs[i].clone()).into();
        assert_eq!(allocation_step(&few, 132), Some(AllocationUnit { sms: 2, units: 66 }));
        assert_eq!(allocation_step(&pairs[49..], 132), None);
    }
}
