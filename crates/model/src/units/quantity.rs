//! Checked quantities that are plain real numbers.

use super::checked_f64;

checked_f64!(
    /// A request rate in requests per second.
    RequestsPerSecond, "a request rate (requests/s)", "finite and ≥ 0", |v| v.is_finite() && v >= 0.0
);
checked_f64!(
    /// Electrical power in watts.
    Watts, "a power (W)", "finite and ≥ 0", |v| v.is_finite() && v >= 0.0
);
checked_f64!(
    /// A clock frequency in megahertz.
    Megahertz, "a clock frequency (MHz)", "finite and > 0", |v| v.is_finite() && v > 0.0
);
checked_f64!(
    /// A share of a GPU's SMs in percent. It may exceed 100: plan files of the artifact can contain such a share, and
    /// the legality check reports it.
    SmPercent, "an SM share (%)", "finite and > 0", |v| v.is_finite() && v > 0.0
);
checked_f64!(
    /// An amount of money in US dollars.
    Dollars, "a price ($)", "finite and ≥ 0", |v| v.is_finite() && v >= 0.0
);

impl Dollars {
    /// Zero dollars.
    pub const ZERO: Self = Self(0.0);
}
