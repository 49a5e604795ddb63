//! Checked counts.

use super::{SmPercent, UnitError};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU32;

/// The number of requests in a batch; at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BatchSize(NonZeroU32);

impl BatchSize {
    /// A batch of one request.
    pub const ONE: Self = Self(NonZeroU32::MIN);

    /// Wraps a batch size.
    ///
    /// # Errors
    /// When it is zero.
    #[inline]
    pub fn new(size: u32) -> Result<Self, UnitError> {
        NonZeroU32::new(size)
            .map(Self)
            .ok_or_else(|| UnitError::new("a batch size", "at least 1", size))
    }

    /// Returns the bare number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// Returns the number as a real, for formulas.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64::from(self.0.get())
    }
}

impl std::fmt::Display for BatchSize {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A number of bytes.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Bytes(u64);

impl Bytes {
    /// Wraps a number of bytes.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Returns the bare number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Returns the number as a real, for formulas (exact below 2⁵³).
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "exact below 2^53 bytes = 8 PiB")]
    pub const fn as_f64(self) -> f64 {
        self.0 as f64
    }
}

/// A share of a GPU's SMs as a whole number of the GPU kind's allocation units.
///
/// Planners add and compare shares in these integers, because sums of rounded percents are wrong: MPS
/// grants SMs in steps of 100/(SMs/2) %, which is 2.5 % on a V100 but 1.515… % on an H100.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct SmUnits(u32);

impl SmUnits {
    /// Wraps a number of units.
    #[must_use]
    pub const fn new(units: u32) -> Self {
        Self(units)
    }

    /// Returns the bare number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Converts the share to percent on a GPU that has `units_per_gpu` units; `None` for zero units.
    #[must_use]
    pub fn to_percent(self, units_per_gpu: Self) -> Option<SmPercent> {
        SmPercent::new(f64::from(self.0) * 100.0 / f64::from(units_per_gpu.0)).ok()
    }
}

impl std::ops::Add for SmUnits {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl std::iter::Sum for SmUnits {
    fn sum<I: Iterator<Item = Self>>(shares: I) -> Self {
        shares.fold(Self(0), |a, b| a + b)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_of_none_is_refused() {
        assert!(BatchSize::new(0).is_err());
        assert!(serde_json::from_str::<BatchSize>("0").is_err());
    }

    #[test]
    fn units_become_exact_percents_on_a_v100() {
        // 80 SMs → 40 units; 15 units = 37.5 %
        let pct = SmUnits::new(15).to_percent(SmUnits::new(40)).unwrap();
        assert!((pct.get() - 37.5).abs() < f64::EPSILON);
        assert!(SmUnits::new(0).to_percent(SmUnits::new(40)).is_none());
    }
}
