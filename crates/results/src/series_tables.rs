//! Reads distributions and time series back from their tables. They make up most of the bytes of a large comparison, so
//! they are written only once, as CSV.

use super::manifest::Manifest;
use super::output_dir::MANIFEST;
use super::staging::is_part;
use super::tables::{Comparison, Details};
use igniter_sim::metrics::{CdfPoint, GpuSeries, LatencyBin, LatencyCdf, LatencySeries, SeriesBin};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

/// The tables, each with its columns.
const CDF: [&str; 2] = ["cdf.csv", "strategy,workload,fraction,latency_ms"];
const LATENCIES: [&str; 2] =
    ["latency_series.csv", "strategy,workload,start_s,end_s,completed,mean_ms,max_ms"];
const GPUS: [&str; 2] = [
    "gpu_series.csv",
    "strategy,gpu,start_s,end_s,power_w,utilisation,sm_utilisation_pct,clock_mhz",
];

/// Returns the details that cannot be read back from tables; all details, if two strategies have the same name.
pub(super) fn without_tables(comparison: &Comparison, details: &Details) -> Details {
    if !is_told_apart(comparison) {
        return details.clone();
    }
    Details {
        series: Vec::new(),
        cdf: Vec::new(),
        latency_series: Vec::new(),
        batches: details.batches.clone(),
        adaptation: details.adaptation.clone(),
        arrivals: details.arrivals.clone(),
        following: details.following.clone(),
    }
}

/// Whether the names of strategies are distinct.
fn is_told_apart(comparison: &Comparison) -> bool {
    let mut names: Vec<&str> =
        comparison.strategies.iter().map(|result| result.strategy.as_str()).collect();
    names.sort_unstable();
    names.windows(2).all(|two| two[0] != two[1])
}

/// Refuses a comparison whose files differ from the hashes in the manifest, if there is one. Tables that are truncated
/// between two rows, or are from another run, would otherwise look right.
pub(super) fn check_intact(dir: &Path, file: &str) -> io::Result<()> {
    if is_part(dir) {
        let what = "a run was killed while its files got their names, or has not ended: run its command again";
        return Err(io::Error::other(what));
    }
    let Ok(manifest) = Manifest::read(&dir.join(MANIFEST)) else { return Ok(()) };
    let all = [file, CDF[0], LATENCIES[0], GPUS[0]];
    let present = all.into_iter().filter(|name| dir.join(name).is_file());
    match present.into_iter().find(|name| !manifest.intact(dir, &[*name])) {
        Some(name) => Err(io::Error::other(format!(
            "{name} is not as it was written: edited, cut off, or of another run (remove manifest.json to take it as it is)"
        ))),
        None => Ok(()),
    }
}

/// Adds the data in the tables of a folder if the comparison lacks it; comparisons of earlier versions contain it.
pub(super) fn read_tables(dir: &Path, comparison: &mut Comparison) -> io::Result<()> {
    let has = |details: &Details| {
        !(details.series.is_empty() && details.cdf.is_empty() && details.latency_series.is_empty())
    };
    if !is_told_apart(comparison) || comparison.strategies.iter().any(|one| has(&one.details)) {
        return Ok(());
    }
    for result in &mut comparison.strategies {
        let names = || result.workloads.iter().map(|workload| workload.workload.clone());
        let details = &mut result.details;
        details.cdf = names().map(|workload| LatencyCdf { workload, points: Vec::new() }).collect();
        details.latency_series =
            names().map(|workload| LatencySeries { workload, bins: Vec::new() }).collect();
        let gpus = result.gpus.iter();
        details.series = gpus.map(|gpu| GpuSeries { gpu: gpu.gpu, bins: Vec::new() }).collect();
    }
    let keys = |of: &dyn Fn(&Details) -> Vec<String>| -> Vec<(String, Vec<String>)> {
        let all = comparison.strategies.iter();
        all.map(|result| (result.strategy.clone(), of(&result.details))).collect()
    };
    let workloads = keys(&|details| details.cdf.iter().map(|c| c.workload.to_string()).collect());
    let gpus = keys(&|details| details.series.iter().map(|s| s.gpu.to_string()).collect());
    let all = &mut comparison.strategies;
    read_rows(dir, CDF, &workloads, |strategy, workload, point: CdfPoint| {
        all[strategy].details.cdf[workload].points.push(point);
    })?;
    read_rows(dir, LATENCIES, &workloads, |strategy, workload, bin: LatencyBin| {
        all[strategy].details.latency_series[workload].bins.push(bin);
    })?;
    read_rows(dir, GPUS, &gpus, |strategy, gpu, bin: SeriesBin| {
        all[strategy].details.series[gpu].bins.push(bin);
    })
}

/// Reads a table. `take` receives each row, with the positions of its strategy and of its owner among `keys`.
fn read_rows<T: DeserializeOwned>(
    dir: &Path,
    [name, header]: [&str; 2],
    keys: &[(String, Vec<String>)],
    mut take: impl FnMut(usize, usize, T),
) -> io::Result<()> {
    let places: BTreeMap<(&str, &str), (usize, usize)> = keys
        .iter()
        .enumerate()
        .flat_map(|(strategy, (name, own))| {
            let named = own.iter().enumerate();
            named.map(move |(place, key)| ((name.as_str(), key.as_str()), (strategy, place)))
        })
        .collect();
    let file = std::fs::File::open(dir.join(name))
        .map_err(|error| io::Error::new(error.kind(), format!("{name} beside it: {error}")))?;
    let bad = |line: u64, what: String| io::Error::other(format!("{name}:{line}: {what}"));
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(file);
    let mut record = csv::StringRecord::new();
    let mut line = 0;
    while reader.read_record(&mut record).map_err(|error| bad(line + 1, error.to_string()))? {
        line += 1;
        if line == 1 {
            if !record.iter().eq(header.split(',')) {
                return Err(bad(line, format!("the columns are not {header}")));
            }
            continue;
        }
        if let Some(cell) = record.iter().skip(2).find(|cell| !is_number(cell)) {
            return Err(bad(line, format!("{cell:?} is no number")));
        }
        let (strategy, key, row): (&str, &str, T) =
            record.deserialize(None).map_err(|error| bad(line, error.to_string()))?;
        let Some(&(strategy, place)) = places.get(&(strategy, key)) else {
            return Err(bad(line, format!("comparison.json has no {key:?} of {strategy:?}")));
        };
        take(strategy, place, row);
    }
    Ok(())
}

fn is_number(cell: &str) -> bool {
    cell.parse::<f64>().is_ok_and(f64::is_finite)
}
