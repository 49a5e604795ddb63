//! The solo terms of a model, tabulated by batch size and allocation units.

use super::{CORRELATION_OF_BATCH, CORRELATION_OF_SHARE, Correction, SoloCoefficients};
use libm::{exp, log};

/// The terms of a member that no co-runner slows down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoloTerm {
    /// GPU time of a batch at full clock, in ms.
    pub time_ms: f64,
    /// Launch time of a batch, in ms; 0 where launching never limits the model.
    pub launch_ms: f64,
    /// Pressure on the GPU with back-to-back batches, in the unit of [`PressureUnit`](super::PressureUnit).
    pub pressure: f64,
}

/// The least part (as an exponent) of the relative fall of the smooth curve from one unit to the next that remains
/// after corrections. Without this limit, a flat step of a correction would let latency rise with the member's own
/// share, because the power of the smooth curve still rises there and lowers the clock.
const LEAST_FALL: f64 = 0.5;

/// Beyond the measured batch sizes, the table continues up to this multiple of the largest one.
const ROWS_PER_MEASURED_BATCH: u32 = 2;

/// Terms for batch sizes 1 … rows and units 1 … units.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct TermTable {
    units: u32,
    rows: u32,
    terms: Vec<SoloTerm>,
}

impl TermTable {
    /// Evaluates the corrected curve at all points, and adjusts values that would violate monotonicity. GPU times are
    /// raised:
    ///
    /// ```text
    /// t(b, u) = max( corrected(b, u), t(b − 1, u), t(b, u + 1) · (smooth(b, u) / smooth(b, u + 1))^½ )
    /// ```
    /// Launch times and pressures are noisy rather than stepped, so they get the middle between the least monotone
    /// table above them and the largest monotone table below them.
    pub(super) fn new(model: &SoloCoefficients, units: u32) -> Self {
        let rows = model.validity.batch[1].get() * ROWS_PER_MEASURED_BATCH;
        let width = units as usize;
        let blank = SoloTerm { time_ms: 0.0, launch_ms: 0.0, pressure: 0.0 };
        let mut terms = vec![blank; rows as usize * width];
        let corrections = CorrectionGrid::new(&model.corrections, rows, units);
        let pressures = CorrectionGrid::new(&model.pressure_corrections, rows, units);
        let corrected_model = model.waves.is_some() || !model.corrections.is_empty();
        for batch in 1..=rows {
            let row = (batch - 1) as usize * width;
            let mut smooth_above = 0.0;
            for unit in (1..=units).rev() {
                let at = row + unit as usize - 1;
                let sm_pct = percent(unit, units);
                let smooth = model.curve.time_ms(f64::from(batch), sm_pct);
                let alone = super::longer(smooth, model.curve.launch_ms);
                let mut time_ms = smooth;
                let mut launch_ms = model.curve.launch_ms;
                if corrected_model {
                    let waves =
                        model.waves.as_ref().map_or(1.0, |w| w.ratio(batch, sm_pct, 2 * unit));
                    let ratio = corrections.ratio(batch, unit);
                    time_ms *= waves * ratio;
                    if launch_ms > 0.0 {
                        launch_ms *= exp(part_of_launch(launch_ms, alone) * log(ratio));
                    }
                    if batch > 1 {
                        time_ms = time_ms.max(terms[at - width].time_ms);
                    }
                    if unit < units {
                        let fall = exp(LEAST_FALL * log(smooth / smooth_above));
                        time_ms = time_ms.max(terms[at + 1].time_ms * fall);
                    }
                }
                smooth_above = smooth;
                let pressure = model.load(batch) / alone * pressures.ratio(batch, unit);
                terms[at] = SoloTerm { time_ms, launch_ms, pressure };
            }
        }
        if model.curve.launch_ms > 0.0 && !model.corrections.is_empty() {
            let mut values: Vec<f64> = terms.iter().map(|term| term.launch_ms).collect();
            order(&mut values, width, false);
            terms.iter_mut().zip(values).for_each(|(term, value)| term.launch_ms = value);
        }
        if !model.pressure_corrections.is_empty() {
            let mut values: Vec<f64> = terms.iter().map(|term| term.pressure).collect();
            order(&mut values, width, true);
            terms.iter_mut().zip(values).for_each(|(term, value)| term.pressure = value);
        }
        Self { units, rows, terms }
    }

    /// Returns the terms of a batch size and a share of `unit` units, from 1 to the whole GPU.
    #[inline]
    pub(super) fn term(&self, model: &SoloCoefficients, batch: u32, unit: u32) -> SoloTerm {
        if batch <= self.rows {
            self.terms[((batch - 1) * self.units + unit - 1) as usize]
        } else {
            self.beyond(model, batch, unit)
        }
    }

    /// Computes terms beyond the table, with the correction of its last row.
    #[cold]
    fn beyond(&self, model: &SoloCoefficients, batch: u32, unit: u32) -> SoloTerm {
        let sm_pct = percent(unit, self.units);
        let last = self.terms[((self.rows - 1) * self.units + unit - 1) as usize];
        last.moved(model, [self.rows, batch], [sm_pct, sm_pct])
    }

    /// Returns the terms of a share in percent that need not be a whole number of units, for GPUs on which the SMs of
    /// members overlap. Between units the logarithms are interpolated; below one unit the curve is continued.
    #[cold]
    pub(super) fn at_share(&self, model: &SoloCoefficients, batch: u32, sm_pct: f64) -> SoloTerm {
        let exact = (sm_pct * f64::from(self.units) / 100.0).min(f64::from(self.units));
        if exact <= 1.0 {
            let unit = percent(1, self.units);
            return self.term(model, batch, 1).moved(model, [batch, batch], [unit, sm_pct]);
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 1 to the units of a GPU"
        )]
        let below = (exact as u32).min(self.units);
        let above = (below + 1).min(self.units);
        let [a, b] = [below, above].map(|unit| self.term(model, batch, unit));
        if below == above {
            return a;
        }
        let part = log(exact / f64::from(below)) / log(f64::from(above) / f64::from(below));
        let between = |a: f64, b: f64| {
            if a > 0.0 && b > 0.0 { exp((1.0 - part) * log(a) + part * log(b)) } else { a }
        };
        SoloTerm {
            time_ms: between(a.time_ms, b.time_ms),
            launch_ms: between(a.launch_ms, b.launch_ms),
            pressure: between(a.pressure, b.pressure),
        }
    }
}

impl SoloTerm {
    /// Returns the term at another batch size and share, with the same corrections as here.
    fn moved(self, model: &SoloCoefficients, batch: [u32; 2], sm_pct: [f64; 2]) -> Self {
        let curve = &model.curve;
        let time = |i: usize| curve.time_ms(f64::from(batch[i]), sm_pct[i]);
        let pressure =
            |i: usize| model.load(batch[i]) / curve.latency_ms(f64::from(batch[i]), sm_pct[i]);
        let base = pressure(0);
        Self {
            time_ms: self.time_ms * time(1) / time(0),
            launch_ms: self.launch_ms,
            pressure: if base > 0.0 { self.pressure * pressure(1) / base } else { 0.0 },
        }
    }
}

/// Returns the part of a relative change of the latency that the launch time takes over: (l / L)⁸, which is near 1
/// where launching dominates and near 0 where the GPU time does.
pub(super) fn part_of_launch(launch_ms: f64, alone_ms: f64) -> f64 {
    let ratio = launch_ms / alone_ms;
    let fourth = ratio * ratio * ratio * ratio;
    fourth * fourth
}

/// Makes positive values (rows of `width` units, by batch size) rise with the batch, and rise or fall with the units.
/// Each value becomes the geometric mean of the least such table above all values and the largest such table below
/// them; both tables have that order.
fn order(values: &mut [f64], width: usize, rises_with_units: bool) {
    let rows = values.len() / width;
    // Indexes in the order in which values must not fall.
    let place = |row: usize, column: usize| {
        row * width + if rises_with_units { column } else { width - 1 - column }
    };
    let (mut above, mut below) = (values.to_vec(), values.to_vec());
    for row in 0..rows {
        for column in 0..width {
            let at = place(row, column);
            if row > 0 {
                above[at] = above[at].max(above[place(row - 1, column)]);
            }
            if column > 0 {
                above[at] = above[at].max(above[place(row, column - 1)]);
            }
        }
    }
    for row in (0..rows).rev() {
        for column in (0..width).rev() {
            let at = place(row, column);
            if row + 1 < rows {
                below[at] = below[at].min(below[place(row + 1, column)]);
            }
            if column + 1 < width {
                below[at] = below[at].min(below[place(row, column + 1)]);
            }
        }
    }
    for (value, (above, below)) in values.iter_mut().zip(above.iter().zip(&below)) {
        *value = (above * below).sqrt();
    }
}

/// Converts a number of units to percent of the GPU.
pub(super) fn percent(unit: u32, units: u32) -> f64 {
    f64::from(unit) * 100.0 / f64::from(units)
}

/// The sums of the corrections' weighted terms at every batch size and unit. The two factors of the kernel are
/// evaluated once for each row and column.
struct CorrectionGrid {
    weights: Vec<f64>,
    by_batch: Vec<f64>,
    by_unit: Vec<f64>,
}

impl CorrectionGrid {
    fn new(corrections: &[Correction], rows: u32, units: u32) -> Self {
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

/// Returns exp(−½ (ln(x / y) / length)²).
pub(super) fn nearness(x: u32, y: u32, length: f64) -> f64 {
    let distance = log(f64::from(x) / f64::from(y)) / length;
    exp(-0.5 * distance * distance)
}
