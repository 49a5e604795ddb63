//! Signs that a trace was read in the wrong way.

use super::Format;
use crate::arrivals::ArrivalStatistics;

/// A rate, in requests per second, that no single service has.
const MOST_RPS: f64 = 1e5;

/// A length, in seconds, that no public trace has: two years.
const LONGEST_S: f64 = 2.0 * 365.0 * 86_400.0;

/// A mean rate below this, over more than a month, is more often an error of units than a real
/// rate.
const FEWEST_RPS: f64 = 0.01;
const MONTH_S: f64 = 30.0 * 86_400.0;

/// A coefficient of variation of gaps that no public trace of a service has: the highest published
/// one is 13.
const MOST_CV: f64 = 50.0;

/// Returns the doubts about all arrivals of a trace together, each with advice.
#[must_use]
pub fn doubts(format: Format, all: &ArrivalStatistics) -> Vec<String> {
    let mut doubts = Vec::new();
    let ArrivalStatistics { requests, rate_rps, duration_s, .. } = *all;
    let unit = match format {
        Format::Timestamps => {
            "if the numbers are gaps, say --format intervals; if they are times in another unit, --unit"
        }
        Format::Intervals => "if the gaps have another unit than microseconds, say --unit",
        _ => "if the times have another unit, say --unit (s, ms, us, ns)",
    };
    if requests > 1 && rate_rps > MOST_RPS {
        doubts.push(format!(
            "{requests} requests in {duration_s:.3e} s are {rate_rps:.3e} requests/s, more than a service \
             gets; {unit}"
        ));
    }
    if duration_s > LONGEST_S {
        let years = duration_s / (365.0 * 86_400.0);
        doubts.push(format!("the trace spans {years:.1} years; {unit}"));
    }
    let numbers =
        matches!(format, Format::Timestamps | Format::Intervals | Format::Table | Format::Igniter);
    if numbers && duration_s > MONTH_S && rate_rps < FEWEST_RPS {
        let days = duration_s / 86_400.0;
        doubts.push(format!("{rate_rps:.2e} requests/s over {days:.0} days are few; {unit}"));
    }
    if let Some(cv) = all.gap_cv.filter(|cv| *cv > MOST_CV) {
        doubts.push(format!(
            "the gaps have a coefficient of variation of {cv:.0}: perhaps a long pause; --start and --length take a \
             part of the trace"
        ));
    }
    if requests >= 10 && 2 * all.together > requests {
        doubts.push(format!(
            "{} of {requests} requests have the time of the one before: the clock of the trace is coarse, so that its \
             bursts may be none",
            all.together
        ));
    }
    doubts
}
