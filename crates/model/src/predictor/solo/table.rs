//! The solo terms of a model, tabulated by batch size and allocation units.

use super::{CORRELATION_OF_BATCH, CORRELATION_OF_SHARE, SoloCoefficients};
use libm::{exp, log};

/// What a member puts on the GPU when nobody slows it down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoloTerm {
    /// GPU time of a batch at full clock, in ms.
    pub time_ms: f64,
    /// Dynamic power with back-to-back batches, in W.
    pub power_w: f64,
}

/// Of the relative fall of the smooth curve from one unit to the next, at least this part (as an
/// exponent) remains after corrections. Without it a flat step of a correction would let latency rise
/// with the own share, because the smooth curve's power still rises there and lowers the clock.
const LEAST_FALL: f64 = 0.5;

/// Beyond the measured batch sizes the table goes on up to this multiple of the largest one.
const ROWS_PER_MEASURED_BATCH: u32 = 2;

/// Terms for batch sizes 1 … rows and units 1 … units.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    units: u32,
    rows: u32,
    terms: Vec<SoloTerm>,
}

impl Table {
    /// Evaluates the corrected curve everywhere, and lifts what would break monotony:
    ///
    /// ```text
    /// t(b, u) = max( corrected(b, u), t(b − 1, u), t(b, u + 1) · (smooth(b, u) / smooth(b, u + 1))^½ )
    /// ```
    pub(super) fn new(model: &SoloCoefficients, units: u32) -> Self {
        let rows = model.validity.batch[1].get() * ROWS_PER_MEASURED_BATCH;
        let width = units as usize;
        let blank = SoloTerm { time_ms: 0.0, power_w: 0.0 };
        let mut terms = vec![blank; rows as usize * width];
        let corrections = CorrectionGrid::new(model, rows, units);
        let corrected_model = model.waves.is_some() || !model.corrections.is_empty();
        for batch in 1..=rows {
            let row = (batch - 1) as usize * width;
            let mut smooth_above = 0.0;
            for unit in (1..=units).rev() {
                let at = row + unit as usize - 1;
                let sm_pct = percent(unit, units);
                let smooth = model.curve.time_ms(f64::from(batch), sm_pct);
                let mut time_ms = smooth;
                if corrected_model {
                    let waves =
                        model.waves.as_ref().map_or(1.0, |w| w.ratio(batch, sm_pct, 2 * unit));
                    time_ms *= waves * corrections.ratio(batch, unit);
                    if batch > 1 {
                        time_ms = time_ms.max(terms[at - width].time_ms);
                    }
                    if unit < units {
                        let fall = exp(LEAST_FALL * log(smooth / smooth_above));
                        time_ms = time_ms.max(terms[at + 1].time_ms * fall);
                    }
                }
                smooth_above = smooth;
                terms[at] = SoloTerm { time_ms, power_w: model.energy(batch) / smooth };
            }
        }
        Self { units, rows, terms }
    }

    /// The terms of a batch size and a share of `unit` units, from 1 to the whole GPU.
    #[inline]
    pub(super) fn term(&self, model: &SoloCoefficients, batch: u32, unit: u32) -> SoloTerm {
        if batch <= self.rows {
            self.terms[((batch - 1) * self.units + unit - 1) as usize]
        } else {
            self.beyond(model, batch, unit)
        }
    }

    /// Past the table the last row's correction stays.
    #[cold]
    fn beyond(&self, model: &SoloCoefficients, batch: u32, unit: u32) -> SoloTerm {
        let sm_pct = percent(unit, self.units);
        let last = self.terms[((self.rows - 1) * self.units + unit - 1) as usize];
        let smooth = model.curve.time_ms(f64::from(batch), sm_pct);
        let smooth_last = model.curve.time_ms(f64::from(self.rows), sm_pct);
        SoloTerm {
            time_ms: last.time_ms * smooth / smooth_last,
            power_w: model.energy(batch) / smooth,
        }
    }
}

/// A number of units in percent of the GPU.
pub(super) fn percent(unit: u32, units: u32) -> f64 {
    f64::from(unit) * 100.0 / f64::from(units)
}

/// The sum of the corrections' weights at every batch size and unit; the two factors of the kernel are
/// evaluated once for each row and column.
struct CorrectionGrid {
    weights: Vec<f64>,
    by_batch: Vec<f64>,
    by_unit: Vec<f64>,
}

impl CorrectionGrid {
    fn new(model: &SoloCoefficients, rows: u32, units: u32) -> Self {
        let corrections = &model.corrections;
        let factors = |upto: u32, length: f64, of: &dyn Fn(usize) -> u32| {
            let near = |at: u32, c: usize| nearness(at, of(c), length);
            (1..=upto).flat_map(|at| (0..corrections.len()).map(move |c| near(at, c))).collect()
        };
        Self {
            weights: corrections.iter().map(|c| c.weight).collect(),
            by_batch: factors(rows, CORRELATION_OF_BATCH, &|c| corrections[c].batch.get()),
            by_unit: factors(units, CORRELATION_OF_SHARE, &|c| corrections[c].units.get()),
        }
    }

    fn ratio(&self, batch: u32, unit: u32) -> f64 {
        let n = self.weights.len();
        let of = |at: u32| (at as usize - 1) * n..at as usize * n;
        let (by_batch, by_unit) = (&self.by_batch[of(batch)], &self.by_unit[of(unit)]);
        let terms = self.weights.iter().zip(by_batch).zip(by_unit);
        let sum: f64 = terms.map(|((weight, b), u)| weight * b * u).sum();
        exp(sum)
    }
}

/// exp(−½ (ln(x / y) / length)²).
pub(super) fn nearness(x: u32, y: u32, length: f64) -> f64 {
    let distance = log(f64::from(x) / f64::from(y)) / length;
    exp(-0.5 * distance * distance)
}
