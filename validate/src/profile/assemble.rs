//! A profile folder from finished runs.

use super::{Journal, ProfileRun};
use anyhow::Context;
use igniter::domain::GpuKindName;
use igniter::profile::{ColocatedMember, ColocatedRun, Profile, SoloPoint};
use igniter::units::{Megahertz, Milliseconds, SmUnits, Watts};

/// Puts the finished runs in the place of what `base` measured.
///
/// What serving cannot tell (kernels and idle time of a model, L2 utilisation, self-pairs and co-location
/// points of kernels) stays that of `base`, and so do power and clock where there was no GPU to ask.
///
/// # Errors
/// When a run is not finished, or a number is no time.
pub fn assemble(
    base: &Profile,
    kind: GpuKindName,
    source: &str,
    runs: &[ProfileRun],
    journal: &Journal,
) -> anyhow::Result<Profile> {
    let mut profile = base.clone();
    profile.kind.name = kind;
    source.clone_into(&mut profile.source);
    profile.colocated.clear();
    profile.solo_table.rows.clear();
    let units = base.kind.units;
    let percent = |share: SmUnits| share.to_percent(units).context("a share of nothing");
    let mut number = 0;
    profile.models.retain(|model| {
        runs.iter().any(|run| run.members.iter().any(|member| member.model == model.name))
    });
    for model in &mut profile.models {
        model.solo.clear();
    }
    for run in runs {
        let result = journal.find(run).context("a run is not finished")?;
        if let ([member], [measured]) = (run.members.as_slice(), result.members.as_slice()) {
            let sm = percent(member.units)?;
            let known = base.models.iter().find(|model| model.name == member.model);
            let known = known.with_context(|| format!("the base has no model {}", member.model))?;
            let same = |p: &&SoloPoint| p.batch == member.batch && p.sm == sm;
            let point = known.solo.iter().find(same);
            // Without a GPU: what the base says of the nearest point.
            let distance = |p: &SoloPoint| {
                let ratio = |a: f64, b: f64| (a / b).ln().abs();
                ratio(p.sm.get(), sm.get())
                    + ratio(f64::from(p.batch.get()), f64::from(member.batch.get()))
            };
            let nearest = known.solo.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
            let nearest = nearest.context("the base has no solo points")?;
            let solo = SoloPoint {
                batch: member.batch,
                sm,
                gpu: Milliseconds::new(measured.infer_ms)?,
                latency: Some(Milliseconds::new(measured.latency_ms())?),
                power: result.power_w.map_or(Ok(nearest.power), Watts::new)?,
                clock: result.clock_mhz.map_or(Ok(nearest.clock), Megahertz::new)?,
                l2_pct: point.and_then(|point| point.l2_pct),
            };
            if let Some(model) = profile.models.iter_mut().find(|m| m.name == member.model) {
                model.solo.push(solo);
            }
        } else {
            let members = run.members.iter().zip(&result.members).map(|(member, measured)| {
                Ok(ColocatedMember {
                    model: member.model.clone(),
                    batch: member.batch,
                    sm: percent(member.units)?,
                    latency: Milliseconds::new(measured.latency_ms())?,
                    std: None,
                })
            });
            let members = members.collect::<anyhow::Result<Vec<_>>>()?;
            profile.colocated.push(ColocatedRun { run: number, members });
            number += 1;
        }
    }
    Ok(profile)
}
