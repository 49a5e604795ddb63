//! Traces with the number of requests in each bin of time.

use super::format::{Reading, Source};
use super::{Collector, ImportError, Trace, rescale};
use crate::workload::Stream;

/// Seconds in a bin of Azure Functions 2019.
const BIN: f64 = 60.0;

/// Reads a row for each function with counts in the columns `1`, `2`, …
///
/// A file does not say when in its minute a request came. In each minute with requests, gamma gaps are
/// drawn with the mean rate of that minute (times a scale) and the given coefficient of variation, as AlpaServe
/// does for its trace "MAF1". Functions without any request are left out.
pub(super) fn read_minutes(
    file: &mut Source<'_, '_>,
    reading: &Reading,
) -> Result<Trace, ImportError> {
    let header = file.next_line()?.map(|(_, line)| line).unwrap_or_default();
    let names: Vec<&str> = header.split(',').map(str::trim).collect();
    let find = |name: &str| names.iter().position(|found| *found == name);
    let function = find("HashFunction")
        .ok_or_else(|| file.wrong(1, "there is no column HashFunction".to_owned()))?;
    let bins: Vec<usize> = (1..).map_while(|minute: u32| find(&minute.to_string())).collect();
    let mut random: Stream = rescale::random(reading.seed, "counts");
    let mut collector = Collector::default();
    while let Some((number, line)) = file.next_line()? {
        let fields = file.fields(&line, number, names.len())?;
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
        let key = collector.key(&fields[function]);
        let mut start = 0.0;
        for count in counts {
            let rate = f64::from(count) / BIN * reading.rate_scale;
            let cv = reading.cv.unwrap_or(1.0);
            rescale::draw(rate, cv, start, BIN, &mut random, |time| {
                collector.arrivals.push((time, key));
            });
            start += BIN;
        }
    }
    let length = bins.iter().map(|_| BIN).sum();
    Ok(collector.finish(0.0, Some(length)))
}
