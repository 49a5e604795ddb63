//! Checks across rows: measurements that contradict physics are rejected before they reach a fit.

use super::{ColocatedRun, ModelProfile, Profile, ProfileError, SoloPoint, SoloTable};
use std::collections::BTreeMap;
use std::path::Path;

/// How far a measured latency may go the wrong way and still count as noise, where there are no repeats from which to
/// estimate the noise.
const NOISE: f64 = 0.02;
/// The same where only whole latencies, as a client sees them, were measured.
const NOISE_OF_LATENCY: f64 = 0.15;
/// Upper limit of the noise, however much repeats differ.
const MOST_NOISE: f64 = 0.2;
/// Up to this multiple of a model's least latency, launching on the host may dominate instead of the GPU. Latencies
/// form a plateau there, from which single ones deviate more.
const PLATEAU: f64 = 1.4;
const NOISE_OF_PLATEAU: f64 = 0.25;
/// The relative difference from which two measurements of one configuration contradict each other.
const CONTRADICTION: f64 = 0.2;

/// Rejects points that are slower than others with fewer SMs or a larger batch, beyond noise. The noise is three times
/// the median spread of repeated points, at least 2 % (15 % where only whole latencies are known) and at most 20 %; on
/// the plateau where launching dominates, it is 25 %.
pub(super) fn check_monotone(
    path: &Path,
    lines: &[u64],
    points: &[SoloPoint],
) -> Result<(), ProfileError> {
    let whole = points.iter().any(|p| p.with_copies);
    let least = if whole { NOISE_OF_LATENCY } else { NOISE };
    let noise = (3.0 * spread(points)).clamp(least, MOST_NOISE);
    let least = points.iter().map(|p| p.gpu.get()).fold(f64::INFINITY, f64::min);
    for (i, point) in points.iter().enumerate() {
        for other in &points[..i] {
            if same(point, other) {
                continue;
            }
            let (now, then) = (point.gpu.get(), other.gpu.get());
            let plateau = now.max(then) <= PLATEAU * least;
            let noise = if plateau { noise.max(NOISE_OF_PLATEAU) } else { noise };
            let easier = point.batch <= other.batch && point.sm >= other.sm;
            let harder = point.batch >= other.batch && point.sm <= other.sm;
            let word = if easier && now > then * (1.0 + noise) {
                "not be above"
            } else if harder && now < then * (1.0 - noise) {
                "not be below"
            } else {
                continue;
            };
            let column = if point.with_copies { "latency_ms" } else { "gpu_ms" };
            return Err(ProfileError::line(
                path,
                lines[i],
                format!(
                    "{column} = {now}: with batch {} and {} % of the SMs it must {word} the {then} ms of \
                     batch {} and {} % by more than {:.0} % of noise; latency falls with the share and grows \
                     with the batch",
                    point.batch,
                    point.sm,
                    other.batch,
                    other.sm,
                    100.0 * noise
                ),
            ));
        }
    }
    Ok(())
}

fn same(a: &SoloPoint, b: &SoloPoint) -> bool {
    a.batch == b.batch && a.sm == b.sm
}

/// Returns the median relative difference of repeated points; 0 without repeats.
fn spread(points: &[SoloPoint]) -> f64 {
    let mut differences: Vec<f64> = Vec::new();
    for (i, a) in points.iter().enumerate() {
        let earlier = points[..i].iter().filter(|b| same(a, b));
        differences.extend(earlier.map(|b| apart(a.gpu.get(), b.gpu.get())));
    }
    differences.sort_by(f64::total_cmp);
    differences.get(differences.len() / 2).copied().unwrap_or(0.0)
}

/// Returns the difference of two times, relative to the smaller one.
fn apart(a: f64, b: f64) -> f64 {
    a.max(b) / a.min(b) - 1.0
}

/// Describes measurements of one configuration that differ by 20 % or more, each in a sentence: solo points and rows of
/// the solo table with the same model, batch size and share, and co-located runs of the same members.
#[must_use]
pub fn contradictions(
    models: &[ModelProfile],
    table: &SoloTable,
    runs: &[ColocatedRun],
) -> Vec<String> {
    let mut by: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    let mut add = |configuration: String, ms: f64| by.entry(configuration).or_default().push(ms);
    for model in models {
        for p in &model.solo {
            add(format!("solo.csv: {}, batch {}, {} %", model.name, p.batch, p.sm), p.gpu.get());
        }
    }
    for row in &table.rows {
        let configuration = format!("solo table: {}, batch {}, {} %", row.model, row.batch, row.sm);
        add(configuration, row.latency.get());
    }
    for run in runs {
        let members = run.members.iter().map(|m| format!("{}:{}:{}", m.model, m.batch, m.sm));
        let members: Vec<String> = members.collect();
        for (m, name) in run.members.iter().zip(&members) {
            if let Some(latency) = m.latency {
                add(format!("co-location {}, member {name}", members.join(" ")), latency.get());
            }
        }
    }
    let contradicting = by.iter().filter_map(|(configuration, times)| {
        let least = times.iter().copied().fold(f64::INFINITY, f64::min);
        let most = times.iter().copied().fold(0.0, f64::max);
        (apart(least, most) >= CONTRADICTION).then(|| {
            format!(
                "{configuration}: measured {} times, as {least} to {most} ms, {:.0} % apart",
                times.len(),
                100.0 * apart(least, most)
            )
        })
    });
    contradicting.collect()
}

/// Checks that every model was measured at all, and that co-located runs name known models.
pub(super) fn check_profile(folder: &Path, profile: &Profile) -> Result<(), ProfileError> {
    for model in &profile.models {
        if model.solo.is_empty() {
            return Err(ProfileError::file(
                &folder.join("solo.csv"),
                format!("has no row for model {} of profile.toml", model.name),
            ));
        }
    }
    for run in &profile.colocated {
        for member in &run.members {
            if !profile.models.iter().any(|model| model.name == member.model) {
                return Err(ProfileError::file(
                    &folder.join("colocated.csv"),
                    format!("run {}: {} is no [[model]] of profile.toml", run.run, member.model),
                ));
            }
        }
    }
    Ok(())
}
