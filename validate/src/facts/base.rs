//! The profile that `validate profile` starts from on a GPU that has not been measured yet.

use super::{AllocationUnit, TransferFit};
use crate::gpu::{GpuFacts, GpuSample};
use igniter::domain::{GpuKind, GpuKindName, SmSharing};
use igniter::profile::Profile;
use igniter::units::{Bytes, Megahertz, SmUnits, UnitError, Watts};

/// Returns a known profile with the constants of this GPU where the GPU reports them. All measurements are
/// still those of the other GPU, and the source says so: the profile is a starting point, not a result.
///
/// # Errors
/// When the GPU reports an invalid number.
pub fn base_profile(
    known: &Profile,
    name: GpuKindName,
    gpu: &GpuFacts,
    idle: &GpuSample,
    copies: &[TransferFit],
    (step, mps): (Option<AllocationUnit>, SmSharing),
) -> Result<Profile, UnitError> {
    let mut profile = known.clone();
    let (old, kind) = (&known.kind, &mut profile.kind);
    kind.name = name;
    kind.mps = mps;
    match (step, gpu.sms) {
        (Some(step), _) => kind.units = SmUnits::new(step.units),
        // The default without measurements: MPS has granted SMs in pairs so far.
        (None, Some(sms)) => kind.units = SmUnits::new(sms / 2),
        (None, None) => {}
    }
    if let Some(clock) = gpu.max_sm_clock_mhz {
        kind.max_clock = Megahertz::new(f64::from(clock))?;
    }
    if let Some(limit) = gpu.power_limit_w {
        kind.power_cap = Watts::new(limit)?;
    }
    if let Some(power) = idle.power_w {
        kind.idle_power = Watts::new(power)?;
    }
    kind.memory = gpu.memory_bytes.map(Bytes::new).or(kind.memory);
    // Requests arrive in pageable memory.
    let to_device = |fit: &&TransferFit| fit.direction == "to_device" && fit.memory == "pageable";
    if let Some(fit) = copies.iter().find(to_device) {
        kind.pcie_bytes_per_ms = fit.bytes_per_ms;
    }
    let new = kind.clone();
    rescale(&mut profile, old, &new)?;
    profile.source = format!(
        "A start for `validate profile`, no measurement: constants of {} as it tells them, power while idle and \
         copies measured with `validate facts`; every point is that of {}: {}",
        gpu.name, known.kind.name, known.source
    );
    Ok(profile)
}

/// Rescales the clocks of the other GPU relative to the maximum clock, and its powers so that they keep their
/// relative position between idle and limit. The highest clock of the other GPU must become that of this one,
/// or nothing could be fitted.
fn rescale(profile: &mut Profile, old: &GpuKind, new: &GpuKind) -> Result<(), UnitError> {
    let clock = |clock: Megahertz| {
        if clock == old.max_clock {
            return Ok(new.max_clock);
        }
        Megahertz::new(clock.get() / old.max_clock.get() * new.max_clock.get())
    };
    let dynamic = |kind: &GpuKind| (kind.power_cap.get() - kind.idle_power.get()).max(1.0);
    let power = |power: Watts| {
        let part = (power.get() - old.idle_power.get()) / dynamic(old);
        Watts::new((new.idle_power.get() + part * dynamic(new)).max(0.0))
    };
    for model in &mut profile.models {
        for point in &mut model.solo {
            point.clock = point.clock.map(clock).transpose()?;
            point.power = point.power.map(power).transpose()?;
        }
        if let Some(pair) = &mut model.self_pair {
            (pair.clock, pair.power) = (clock(pair.clock)?, power(pair.power)?);
        }
    }
    for point in &mut profile.colocation {
        (point.clock, point.power) = (clock(point.clock)?, power(point.power)?);
    }
    Ok(())
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these numbers are exact")]
mod tests {
    use super::*;
    use crate::gpu::{GpuProbe, Recording};
    use std::path::Path;

    #[test]
    fn the_constants_are_those_of_the_gpu() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/nvml_h200.json");
        let mut recording = Recording::read(Path::new(path)).unwrap();
        let gpu = recording.inventory().unwrap().gpus.remove(0);
        let idle = recording.sample(0).unwrap();
        let copies = [TransferFit {
            direction: "to_device".into(),
            memory: "pageable".into(),
            constant_ms: 0.01,
            bytes_per_ms: 2.5e7,
            worst_pct: 1.0,
        }];
        let known = igniter::profile::load("v100").unwrap();
        let name = GpuKindName::new("h200").unwrap();
        let base =
            base_profile(&known, name, &gpu, &idle, &copies, (None, SmSharing::Static)).unwrap();
        assert_eq!(base.kind.units, SmUnits::new(66));
        // What was at the highest clock of the V100 is at the highest clock of this GPU, and its power lies where it
        // lay between idle (53.5 W) and limit (300 W); so everything can be fitted that could be.
        let (old, new) = (&known.models[0].solo[0], &base.models[0].solo[0]);
        assert_eq!((old.clock, new.clock), (Some(known.kind.max_clock), Some(base.kind.max_clock)));
        let (old, new) = (old.power.unwrap().get(), new.power.unwrap().get());
        let part = (old - 53.5) / (300.0 - 53.5);
        assert!((new - (75.5 + part * (700.0 - 75.5))).abs() < 1e-9);
        let data = igniter::fit::FitData::of(&base);
        for predictor in ["igniter", "contention"] {
            igniter::fit::fit_predictor(predictor, &data).unwrap();
        }
        let constants = [
            base.kind.power_cap.get(),
            base.kind.idle_power.get(),
            base.kind.max_clock.get(),
            base.kind.pcie_bytes_per_ms,
        ];
        assert_eq!(constants, [700.0, 75.5, 1980.0, 2.5e7]);
        assert!(base.source.contains("no measurement") && base.source.contains("of v100"));
        let other = GpuKindName::new("steps").unwrap();
        let step = Some(AllocationUnit { sms: 8, units: 16 });
        let measured =
            base_profile(&known, other, &gpu, &idle, &copies, (step, SmSharing::default()))
                .unwrap();
        assert_eq!(measured.kind.units, SmUnits::new(16), "as measured, not in pairs");
        // It can be read again.
        let folder = tempfile::tempdir().unwrap();
        for (file, text) in igniter::profile::profile_files(&base) {
            std::fs::write(folder.path().join(file), text).unwrap();
        }
        let again = igniter::profile::read_profile(folder.path()).unwrap();
        assert_eq!(again.kind, base.kind);
    }
}
