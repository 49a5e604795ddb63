//! Traces with the number of requests in each bin of time.

use super::format::Reading;
use super::keys::Keys;
use super::sorter::Sorter;
use super::source::Source;
use super::{ImportError, rescale};
use crate::arrivals::{ArrivalProcess, Stream};

/// Seconds in a bin of Azure Functions 2019.
const BIN: f64 = 60.0;

/// Reads a row for each function with counts in the columns `1`, `2`, …, and returns the length of the trace in
/// seconds.
///
/// A file does not say when in its minute a request came. In each minute with requests, gamma gaps are
/// drawn with the mean rate of that minute (times a scale) and the given coefficient of variation, as AlpaServe
/// does for its trace "MAF1". Functions without any request are left out.
///
/// A row holds the whole day of its function, so that nothing is in order of time before all rows are read.
pub(super) fn read_minutes(
    file: &mut Source,
    reading: &Reading,
    keys: &mut Keys,
    arrivals: &mut Sorter,
) -> Result<f64, ImportError> {
    file.next_line()?;
    let header = file.line().to_owned();
    let names: Vec<&str> = header.split(',').map(str::trim).collect();
    let find = |name: &str| names.iter().position(|found| *found == name);
    let function = find("HashFunction")
        .ok_or_else(|| file.wrong(1, "there is no column HashFunction".to_owned()))?;
    let bins: Vec<usize> = (1..).map_while(|minute: u32| find(&minute.to_string())).collect();
    let mut random: Stream = rescale::random(reading.seed, "counts");
    while let Some(number) = file.next_line()? {
        let fields = file.fields(number, names.len())?;
        let mut counts = Vec::with_capacity(bins.len());
        for &bin in &bins {
            let count: Result<u32, _> = fields[bin].parse();
            counts.push(count.map_err(|_| {
                let what = format!("minute {}: {:?} is no whole number", names[bin], fields[bin]);
                file.wrong(number, what)
            })?);
        }
        if counts.iter().all(|count| *count == 0) {
            continue;
        }
        let key = keys.position(&fields[function]);
        let mut start = 0.0;
        for count in counts {
            let rate = f64::from(count) / BIN * reading.rate_scale;
            let cv = reading.cv.unwrap_or(1.0);
            if let Some(mut drawn) = rescale::draw(rate, cv, BIN, &mut random) {
                while let Some(time) = drawn.next_arrival() {
                    arrivals.push(start + time.as_seconds(), key).map_err(ImportError::Unsorted)?;
                }
            }
            start += BIN;
        }
    }
    Ok(bins.iter().map(|_| BIN).sum())
}
