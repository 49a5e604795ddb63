//! Physical units as types, with their only legal conversions.
//!
//! A raw `f64` or `u64` never crosses a module boundary without naming what it measures. Every type checks its range on
//! construction (also in serde), so code that receives one need not check again.
//!
//! | type | unit | range |
//! |---|---|---|
//! | [`Nanoseconds`] | ns, integer: the clock of the engine | any `u64` |
//! | [`Milliseconds`] | ms: formulas and files | finite, ≥ 0 |
//! | [`RequestsPerSecond`] | requests/s | finite, ≥ 0 |
//! | [`Watts`] | W | finite, ≥ 0 |
//! | [`Megahertz`] | MHz | finite, > 0 |
//! | [`SmPercent`] | % of a GPU's SMs | finite, > 0 |
//! | [`Dollars`] | US $ | finite, ≥ 0 |
//! | [`BatchSize`] | requests (images) in a batch | ≥ 1 |
//! | [`SmUnits`] | SM allocation units of a GPU kind | any `u32` |
//! | [`Bytes`] | bytes | any `u64` |

mod count;
mod quantity;
mod time;

pub use count::{BatchSize, Bytes, SmUnits};
pub use quantity::{Dollars, Megahertz, RequestsPerSecond, SmPercent, Watts};
pub use time::{Milliseconds, Nanoseconds};

/// A value outside the range of its unit.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{quantity} must be {allowed}, not {given}")]
pub struct UnitError {
    quantity: &'static str,
    allowed: &'static str,
    given: String,
}

impl UnitError {
    fn new(quantity: &'static str, allowed: &'static str, given: impl ToString) -> Self {
        Self { quantity, allowed, given: given.to_string() }
    }

    /// Returns the allowed range in words, for messages that also name a file and a key.
    #[must_use]
    pub fn allowed(&self) -> &'static str {
        self.allowed
    }
}

/// Defines a checked newtype over `f64`.
macro_rules! checked_f64 {
    ($(#[$meta:meta])* $name:ident, $quantity:literal, $allowed:literal, |$v:ident| $rule:expr) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "f64", into = "f64")]
        pub struct $name(f64);

        impl $name {
            /// Checks the range and wraps the number.
            ///
            /// # Errors
            #[doc = concat!("When the number is not ", $allowed, ".")]
            #[inline]
            pub fn new($v: f64) -> Result<Self, $crate::units::UnitError> {
                if $rule {
                    Ok(Self($v))
                } else {
                    Err($crate::units::UnitError::new($quantity, $allowed, $v))
                }
            }

            /// Returns the bare number, in the unit that the type is named for.
            #[must_use]
            pub const fn get(self) -> f64 {
                self.0
            }

            /// Compares by the total order of the underlying number (no value is NaN).
            #[must_use]
            pub fn total_cmp(&self, other: &Self) -> std::cmp::Ordering {
                self.0.total_cmp(&other.0)
            }
        }

        impl TryFrom<f64> for $name {
            type Error = $crate::units::UnitError;
            fn try_from(value: f64) -> Result<Self, Self::Error> {
                Self::new(value)
            }
        }

        impl From<$name> for f64 {
            fn from(value: $name) -> f64 {
                value.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(&self.0, f)
            }
        }
    };
}
pub(crate) use checked_f64;
