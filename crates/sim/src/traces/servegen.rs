//! ServeGen traces: the statistics of a client in each window of ten minutes.

use super::reader::{TraceReading, check_drawn};
use super::{ImportError, rescale};
use crate::arrivals::{ArrivalProcess, GammaArrivals, WeibullArrivals};
use igniter_model::input::{CsvTable, HeaderRule, Keys, Sorter};
use igniter_model::units::{Nanoseconds, RequestsPerSecond};
use std::path::Path;

/// Start; rate; CV of the gaps and whether they are Weibull-distributed; line.
type ServegenRow = (f64, f64, Option<(f64, bool)>, u64);

/// Reads rows of window start (s), rate, CV, distribution, shape and scale, without a header. Returns the start and the
/// length of the trace in seconds.
///
/// The columns `rate` and `shape` are used; the CV follows from the shape, and `scale` does not agree with the other
/// two. Windows without a distribution have no requests that could be told apart, and give no arrivals here. A CV that
/// the distributions of this program do not support (that of Weibull ends at 10.4; a few windows of the published data
/// go beyond) becomes the nearest supported one.
pub(super) fn read_windows(
    path: &Path,
    reading: &TraceReading,
    keys: &mut Keys,
    arrivals: &mut Sorter,
) -> Result<(f64, f64), ImportError> {
    let failed = |error| ImportError::of_table(path, error);
    let mut table = CsvTable::open(path, HeaderRule::NoHeader).map_err(failed)?;
    let mut rows: Vec<ServegenRow> = Vec::new();
    while table.advance().map_err(failed)? {
        if table.width() != 6 {
            let what = format!("it has {} fields, not 6", table.width());
            return Err(failed(table.wrong(what)));
        }
        let number = |field: usize| {
            let text = table.field(field);
            let number = text.parse().ok().filter(|number: &f64| number.is_finite());
            number.ok_or_else(|| failed(table.wrong(format!("{text:?} is no finite number"))))
        };
        let (start, rate) = (number(0)?, number(1)?);
        if !(-MOST_S..=MOST_S).contains(&start) {
            return Err(failed(
                table.wrong(format!("the start must be a time in seconds, not {start}")),
            ));
        }
        if rate < 0.0 {
            return Err(failed(table.wrong(format!("the rate must be 0 or more, not {rate}"))));
        }
        let rate = rate * reading.rate_scale;
        let cv = match table.field(3) {
            "" => None,
            distribution => {
                let shape = number(4)?;
                if shape <= 0.0 {
                    let what = format!("the shape must be above 0, not {shape}");
                    return Err(failed(table.wrong(what)));
                }
                let cv = match distribution {
                    "Gamma" => 1.0 / shape.sqrt(),
                    "Weibull" => weibull_cv(shape),
                    other => {
                        let what = format!("distribution {other:?} is neither Gamma nor Weibull");
                        return Err(failed(table.wrong(what)));
                    }
                };
                Some((cv, distribution == "Weibull"))
            }
        };
        rows.push((start, rate, cv, table.line()));
    }
    let key = keys.position("all");
    let mut random = rescale::random(reading.seed, "servegen");
    // The last window is as long as the one before it.
    let (mut length, mut total) = (600.0, 0.0);
    let first = rows.first().map_or(0.0, |row| row.0);
    for (i, &(start, rate, drawn, line)) in rows.iter().enumerate() {
        if let Some(next) = rows.get(i + 1) {
            length = next.0 - start;
        }
        if length <= 0.0 {
            let line = line + 1;
            let (path, back_s) = (path.to_owned(), -length);
            return Err(ImportError::OutOfOrder { path, line, back_s, gaps: false });
        }
        let Some((cv, is_weibull)) = drawn else { continue };
        let Ok(rate) = RequestsPerSecond::new(rate) else { continue };
        let cv = reading.cv.unwrap_or(cv);
        if rate.get() <= 0.0 {
            continue;
        }
        total += rate.get() * length;
        check_drawn(path, total)?;
        let end = Nanoseconds::from_f64(length * 1e9);
        let stream = rescale::split(&mut random);
        let cv = cv.clamp(0.01, if is_weibull { 10.4 } else { 100.0 });
        let process: Option<Box<dyn ArrivalProcess>> = if is_weibull {
            WeibullArrivals::new(rate, cv, end, stream).map(|process| Box::new(process) as _)
        } else {
            GammaArrivals::new(rate, cv, end, stream).map(|process| Box::new(process) as _)
        };
        let Some(mut process) = process else { continue };
        while let Some(time) = process.next_arrival() {
            arrivals.push(start + time.as_seconds(), key).map_err(ImportError::Unsorted)?;
        }
    }
    let end = rows.last().map_or(0.0, |row| row.0 + length);
    Ok((first, end - first))
}

/// The largest distance of the start of a window from 0: 300 years.
const MOST_S: f64 = 1e10;

/// Returns the coefficient of variation of a Weibull distribution.
fn weibull_cv(shape: f64) -> f64 {
    let inverse = 1.0 / shape;
    let log = libm::lgamma(1.0 + 2.0 * inverse) - 2.0 * libm::lgamma(1.0 + inverse);
    libm::expm1(log).max(0.0).sqrt()
}
