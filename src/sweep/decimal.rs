//! Ranges in decimal numbers: `from = 0.1, step = 0.1` gives 0.3, not 0.30000000000000004.

/// A number in decimal notation: `mantissa × 10^(−scale)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Decimal {
    mantissa: i128,
    scale: u32,
}

/// The maximum number of digits; numbers with more are not meant as decimal ones.
const MOST_DIGITS: usize = 30;

impl Decimal {
    /// Returns the shortest decimal that reads back as this number; `None` for numbers that are not finite
    /// or have more than 30 digits.
    pub(super) fn of(value: f64) -> Option<Self> {
        let text = value.is_finite().then(|| value.to_string())?;
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        if whole.len() + fraction.len() > MOST_DIGITS {
            return None;
        }
        let mantissa = format!("{whole}{fraction}").parse().ok()?;
        Some(Self { mantissa, scale: u32::try_from(fraction.len()).ok()? })
    }

    /// Returns the mantissa of the same number with `scale` digits after the point; `scale` is at least
    /// its own.
    fn mantissa_at(self, scale: u32) -> Option<i128> {
        10_i128.checked_pow(scale - self.scale)?.checked_mul(self.mantissa)
    }

    fn to_f64(self) -> f64 {
        let scale = self.scale as usize;
        let digits = format!("{:0width$}", self.mantissa.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let sign = if self.mantissa < 0 { "-" } else { "" };
        // Parsing rounds correctly, which floating-point arithmetic would not.
        format!("{sign}{whole}.{fraction}0").parse().expect("digits are a number")
    }
}

/// The values `from`, `from + step`, … up to `to`, each exactly the decimal number that a person would
/// write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DecimalRange {
    first: i128,
    step: i128,
    scale: u32,
    count: u64,
}

impl DecimalRange {
    /// Creates a range; `None` when the numbers have too many digits, or the step is zero or leads away
    /// from `to`.
    pub(super) fn new(from: f64, to: f64, step: f64) -> Option<Self> {
        let all = [Decimal::of(from)?, Decimal::of(to)?, Decimal::of(step)?];
        let scale = all.iter().map(|d| d.scale).max()?;
        let [first, last, step] = all.map(|d| d.mantissa_at(scale));
        let (first, last, step) = (first?, last?, step?);
        let steps = last.checked_sub(first)?.checked_div(step)?;
        let leads_away = (last > first) != (step > 0) && last != first;
        if leads_away {
            return None;
        }
        Some(Self { first, step, scale, count: u64::try_from(steps).ok()?.checked_add(1)? })
    }

    pub(super) fn len(&self) -> u64 {
        self.count
    }

    pub(super) fn value(&self, index: u64) -> f64 {
        let mantissa = self.first + self.step * i128::from(index);
        Decimal { mantissa, scale: self.scale }.to_f64()
    }
}

/// Rounds to at most six significant digits: short to read, and the same on every machine although
/// logarithms may differ in their last bit.
pub(super) fn six_digits(value: f64) -> f64 {
    format!("{value:.5e}").parse().expect("a formatted number is a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(from: f64, to: f64, step: f64) -> Vec<f64> {
        let range = DecimalRange::new(from, to, step).unwrap();
        (0..range.len()).map(|i| range.value(i)).collect()
    }

    #[test]
    fn steps_are_decimal() {
        // Doubles would give 0.1 + 2 × 0.1 = 0.30000000000000004, and miss the end.
        let exact: Vec<f64> = ["0.1", "0.2", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1"]
            .map(|text| text.parse().unwrap())
            .to_vec();
        assert_eq!(values(0.1, 1.0, 0.1), exact);
        assert_eq!(values(-0.5, 0.25, 0.25), [-0.5, -0.25, 0.0, 0.25]);
        assert_eq!(values(1.0, 0.0, -0.4), [1.0, 0.6, 0.2]);
        assert_eq!(values(5.0, 5.0, 1.0), [5.0]);
        assert_eq!(values(1e-7, 3e-7, 1e-7), [1e-7, 2e-7, 3e-7]);
    }

    #[test]
    fn a_step_that_leads_nowhere_is_refused() {
        assert_eq!(DecimalRange::new(0.0, 1.0, 0.0), None);
        assert_eq!(DecimalRange::new(0.0, 1.0, -0.1), None);
        assert_eq!(DecimalRange::new(1.0, 0.0, 0.1), None);
        assert_eq!(DecimalRange::new(f64::NAN, 1.0, 0.1), None);
        assert_eq!(DecimalRange::new(0.0, 1e300, 0.1), None);
    }

    #[test]
    fn six_digits_are_kept() {
        assert_eq!(six_digits(1.0 / 3.0).to_string(), "0.333333");
        assert_eq!(six_digits(1_234_567.0).to_string(), "1234570");
    }
}
