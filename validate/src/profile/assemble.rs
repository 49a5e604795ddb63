//! Assembles a profile folder from finished runs.

use super::noise::median;
use super::{Journal, MemberResult, ProfileRun, RunMember, RunResult, make_monotone};
use anyhow::{Context, bail};
use igniter::domain::{GpuKindName, ModelName};
use igniter::profile::{
    ColocatedMember, ColocatedRun, ColocationPoint, ModelProfile, Profile, SelfPair, SoloPoint,
    SoloRow,
};
use igniter::units::{Megahertz, Milliseconds, SmPercent, SmUnits, UnitError, Watts};
use std::collections::BTreeMap;

/// Minimum number of solo points for a curve of a model.
const LEAST_POINTS: usize = 4;
/// Minimum number of solo points for the noise of a model, which is their median.
const LEAST_NOISE_POINTS: usize = 3;
/// A clock within this fraction of the highest counts as the highest, because it is a mean of samples.
const CLOCK_NOISE: f64 = 0.005;

/// Replaces the measurements of `base` with the finished runs; returns notes to add to the source.
///
/// Values that serving cannot measure (kernels and idle time of a model, L2 utilisation) are kept from `base`, and so
/// are power and clock where there was no GPU to query. Unfinished runs are left out, and so are models without
/// enough solo points.
///
/// # Errors
/// When no model has enough solo points yet, or a number is not a valid time.
pub fn assemble(
    base: &Profile,
    kind: GpuKindName,
    runs: &[ProfileRun],
    journal: &Journal,
) -> anyhow::Result<(Profile, Vec<String>)> {
    let finished: Vec<(&ProfileRun, &RunResult)> = (runs.iter())
        .filter(|run| run.repeat == 0)
        .filter_map(|run| Some((run, journal.find(run)?)))
        .collect();
    let mut profile = base.clone();
    profile.kind.name = kind;
    profile.colocated.clear();
    profile.solo_table.rows.clear();
    // The noise of the base profile is from another machine.
    profile.kind.noise_cv.clear();
    for model in &mut profile.models {
        model.solo.clear();
    }
    for (run, result) in &finished {
        if let ([member], [measured]) = (run.members.as_slice(), result.members.as_slice()) {
            add_solo(&mut profile, base, (member, measured), result)?;
        }
    }
    profile.models.retain(|model| model.solo.len() >= LEAST_POINTS);
    if profile.models.is_empty() {
        bail!("no model has {LEAST_POINTS} solo points yet; go on with the same command");
    }
    let known = |run: &ProfileRun| {
        let has = |m: &RunMember| profile.models.iter().any(|model| model.name == m.model);
        run.members.iter().all(has)
    };
    let groups: Vec<_> =
        finished.iter().filter(|(run, _)| run.members.len() > 1 && known(run)).copied().collect();
    profile.colocated = colocated(&groups, base.kind.units)?;
    profile.solo_table.rows.retain(|row| profile.models.iter().any(|m| m.name == row.model));
    let mut notes = Vec::new();
    let mut idle: Vec<f64> = finished.iter().filter_map(|(_, result)| result.idle_w).collect();
    idle.sort_by(f64::total_cmp);
    if let Some(&watts) = idle.get(idle.len() / 2) {
        profile.kind.idle_power = Watts::new(watts)?;
        notes.push("Idle power is that with servers on the GPU".to_owned());
    }
    let mut pairs = 0;
    for model in &mut profile.models {
        if let Some(pair) = self_pair(model, &finished, base)? {
            model.self_pair = Some(pair);
            pairs += 1;
        }
    }
    if pairs > 0 {
        notes.push("Times, power and clock of self-pairs are measured".to_owned());
    }
    if let Some(points) = copies(base, &finished)? {
        profile.colocation = points;
        notes.push("Power and clock of colocation.csv are measured".to_owned());
    }
    profile.kind.noise_cv = noise(&profile, &finished);
    if !profile.kind.noise_cv.is_empty() {
        notes.push(
            "noise_cv is the median over the solo points of a model of how much the execution of a batch varies"
                .to_owned(),
        );
    }
    let (mut moved, mut largest_pct) = (0, 0.0_f64);
    for model in &mut profile.models {
        let (points, pct) = make_monotone(&mut model.solo)?;
        moved += points;
        largest_pct = largest_pct.max(pct);
    }
    if moved > 0 {
        notes.push(format!(
            "{moved} solo points contradicted each other by noise and were moved, by up to {largest_pct:.1} % \
             (journal.jsonl has them as measured)"
        ));
    }
    Ok((profile, notes))
}

/// Returns the variation of the execution times of each model, where it has enough solo points.
fn noise(profile: &Profile, finished: &[(&ProfileRun, &RunResult)]) -> BTreeMap<ModelName, f64> {
    let of_model = |model: &ModelProfile| {
        let mut points: Vec<f64> = finished
            .iter()
            .filter_map(|(run, result)| match (run.members.as_slice(), result.members.as_slice()) {
                ([member], [measured]) if member.model == model.name => measured.noise_cv,
                _ => None,
            })
            .collect();
        let enough = points.len() >= LEAST_NOISE_POINTS;
        let cv = median(&mut points).filter(|_| enough)?;
        // The measurement is not precise to more digits.
        Some((model.name.clone(), (cv * 1e4).round() / 1e4))
    };
    profile.models.iter().filter_map(of_model).collect()
}

fn percent(share: SmUnits, base: &Profile) -> anyhow::Result<SmPercent> {
    share.to_percent(base.kind.units).context("a share of nothing")
}

/// Returns the clock of a run; a GPU that is not throttled has its highest clock.
fn clock(result: &RunResult, base: &Profile) -> Result<Option<Megahertz>, UnitError> {
    let highest = base.kind.max_clock;
    let clock = result.clock_mhz.map(|clock| {
        if clock >= highest.get() * (1.0 - CLOCK_NOISE) {
            Ok(highest)
        } else {
            Megahertz::new(clock)
        }
    });
    clock.transpose()
}

/// Adds one model alone: a point of its curve and a row of the table.
fn add_solo(
    profile: &mut Profile,
    base: &Profile,
    (member, measured): (&RunMember, &MemberResult),
    result: &RunResult,
) -> anyhow::Result<()> {
    let sm = percent(member.units, base)?;
    let known = base.models.iter().find(|model| model.name == member.model);
    let known = known.with_context(|| format!("the base has no model {}", member.model))?;
    // The shares of the other GPU may differ by rounding.
    let step = 100.0 / f64::from(base.kind.units.get());
    let same = |p: &&SoloPoint| p.batch == member.batch && (p.sm.get() - sm.get()).abs() < step;
    let point = known.solo.iter().find(same);
    // Without a GPU, the values of the nearest point of the base are used.
    let distance = |p: &SoloPoint| {
        let ratio = |a: f64, b: f64| (a / b).max(b / a);
        ratio(p.sm.get(), sm.get()) * ratio(f64::from(p.batch.get()), f64::from(member.batch.get()))
    };
    let nearest = known.solo.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
    let nearest = nearest.context("the base has no solo points")?;
    let latency = Milliseconds::new(measured.latency_ms())?;
    let solo = SoloPoint {
        batch: member.batch,
        sm,
        gpu: Milliseconds::new(measured.infer_ms)?,
        latency: Some(latency),
        with_copies: false,
        power: result.power_w.map(Watts::new).transpose()?.or(nearest.power),
        clock: clock(result, base)?.or(nearest.clock),
        l2_pct: point.and_then(|point| point.l2_pct),
        dram_pct: point.and_then(|point| point.dram_pct),
        throughput_img_s: None,
    };
    if let Some(model) = profile.models.iter_mut().find(|m| m.name == member.model) {
        model.solo.push(solo);
    }
    let (model, batch) = (member.model.clone(), member.batch);
    profile.solo_table.rows.push(SoloRow {
        model,
        batch,
        sm,
        latency,
        throughput_img_s: None,
        l2_pct: None,
        dram_pct: None,
    });
    Ok(())
}

fn colocated(
    groups: &[(&ProfileRun, &RunResult)],
    units: SmUnits,
) -> anyhow::Result<Vec<ColocatedRun>> {
    let one = |(run, (members, result)): (u64, &(&ProfileRun, &RunResult))| {
        let members = members.members.iter().zip(&result.members).map(|(member, measured)| {
            Ok(ColocatedMember {
                model: member.model.clone(),
                batch: member.batch,
                sm: member.units.to_percent(units).context("a share of nothing")?,
                latency: Some(Milliseconds::new(measured.latency_ms())?),
                std: measured.std_ms.map(Milliseconds::new).transpose()?,
            })
        });
        Ok(ColocatedRun { run, members: members.collect::<anyhow::Result<_>>()?, makespan: None })
    };
    (0..).zip(groups).map(one).collect()
}

/// Adds two copies of a model with half of the GPU each, beside one alone. L2 utilisation is kept from the base.
fn self_pair(
    model: &ModelProfile,
    finished: &[(&ProfileRun, &RunResult)],
    base: &Profile,
) -> anyhow::Result<Option<SelfPair>> {
    let half = base.kind.units.get() / 2;
    let of_model = |run: &ProfileRun, copies: usize| {
        run.copies() == Some(copies)
            && run.members[0].model == model.name
            && run.members[0].units.get() == half
    };
    let Some((pair, together)) = finished.iter().find(|(run, _)| of_model(run, 2)) else {
        return Ok(None);
    };
    let alone =
        finished.iter().find(|(run, _)| of_model(run, 1) && run.members[0] == pair.members[0]);
    let (Some((_, alone)), Some(power), Some(clock), Some(known)) =
        (alone, together.power_w, clock(together, base)?, model.self_pair)
    else {
        return Ok(None);
    };
    let active = |result: &RunResult| {
        #[expect(clippy::cast_precision_loss, reason = "two copies")]
        let mean =
            result.members.iter().map(|m| m.infer_ms).sum::<f64>() / result.members.len() as f64;
        Milliseconds::new((mean - model.idle.get()).max(0.0))
    };
    Ok(Some(SelfPair {
        active_alone: active(alone)?,
        active_pair: active(together)?,
        power: Watts::new(power)?,
        clock,
        l2_pct: known.l2_pct,
    }))
}

/// Adds power and clock of 1, 2, 3 … copies, with the idle times of the base.
fn copies(
    base: &Profile,
    finished: &[(&ProfileRun, &RunResult)],
) -> anyhow::Result<Option<Vec<ColocationPoint>>> {
    let most = finished.iter().filter_map(|(run, _)| Some((run.copies()?, run)));
    let Some((most, longest)) = most.max_by_key(|(copies, _)| *copies) else { return Ok(None) };
    if most < 3 {
        return Ok(None);
    }
    let mut points = Vec::new();
    for copies in 1..=most {
        let same =
            |run: &ProfileRun| run.copies() == Some(copies) && run.members[0] == longest.members[0];
        let idle = base.colocation.iter().find(|p| p.co_located as usize == copies);
        let found = finished.iter().find(|(run, _)| same(run));
        let (Some((_, result)), Some(idle)) = (found, idle) else { return Ok(None) };
        let (Some(power), Some(clock)) = (result.power_w, clock(result, base)?) else {
            return Ok(None);
        };
        let power = Watts::new(power)?;
        points.push(ColocationPoint { power, clock, ..*idle });
    }
    Ok(Some(points))
}

/// Returns the noise of each number over all repeated runs, as CSV.
#[must_use]
pub fn noise_table(base: &Profile, runs: &[ProfileRun], journal: &Journal) -> Option<String> {
    let mut repeated: Vec<&[RunMember]> = Vec::new();
    for run in runs.iter().filter(|run| run.repeat > 0) {
        if !repeated.contains(&run.members.as_slice()) {
            repeated.push(&run.members);
        }
    }
    let mut text = "run,repeat,member,model,batch,sm_pct,latency_ms,power_w,clock_mhz\n".to_owned();
    let mut rows = 0;
    let number = |value: Option<f64>| value.map_or_else(String::new, |value| format!("{value:.3}"));
    for (number_of_run, members) in repeated.iter().enumerate() {
        for run in runs.iter().filter(|run| run.members == *members) {
            let Some(result) = journal.find(run) else { continue };
            for (i, (member, measured)) in members.iter().zip(&result.members).enumerate() {
                let share =
                    member.units.to_percent(base.kind.units).map_or(0.0, |share| share.get());
                text += &format!(
                    "{number_of_run},{},{i},{},{},{share},{:.6},{},{}\n",
                    run.repeat,
                    member.model,
                    member.batch,
                    measured.latency_ms(),
                    number(result.power_w),
                    number(result.clock_mhz),
                );
                rows += 1;
            }
        }
    }
    (rows > 0).then_some(text)
}
