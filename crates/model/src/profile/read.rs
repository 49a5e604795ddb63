//! Reading of profile folders.

use super::check::check_profile;
use super::colocated::parse_colocated;
use super::constants::{RawProfile, read_constants};
use super::csv_rows::{CsvRow, CsvRows};
use super::fields::{batch, model_of, positive, share};
use super::kernels::parse_kernels;
use super::tables::parse_solo_table;
use super::{ColocationPoint, ModelProfile, Profile, ProfileError, SelfPair, SoloPoint, SoloTable};
use crate::domain::GpuKind;
use crate::input::read_text;
use crate::units::{Megahertz, SmUnits};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(super) const SOLO: &[&str] = &["model", "batch", "sm_pct"];
/// At least one of `gpu_ms` and `latency_ms` is required; both are better.
pub(super) const SOLO_OPTIONAL: &[&str] =
    &["gpu_ms", "latency_ms", "power_w", "clock_mhz", "l2_pct", "dram_pct", "throughput_img_s"];
pub(super) const SELF_PAIRS: &[&str] =
    &["model", "active_alone_ms", "active_pair_ms", "pair_power_w", "pair_clock_mhz", "l2_pct"];
pub(super) const COLOCATION: &[&str] =
    &["co_located", "power_w", "clock_mhz", "idle_per_kernel_ms"];

/// The texts of a profile folder; `None` for an optional table that is absent.
pub(super) struct ProfileTexts {
    pub folder: PathBuf,
    pub profile_toml: String,
    pub solo_csv: String,
    pub self_pairs_csv: Option<String>,
    pub colocation_csv: Option<String>,
    pub kernels_csv: Option<String>,
    pub colocated_csv: Option<String>,
    pub solo_table_csv: Option<String>,
}

/// The maximum length of a file of a profile, in bytes.
const LONGEST: u64 = 1 << 30;

/// Reads the text of a file, compressed or not.
pub(super) fn read_file(path: &Path) -> Result<String, ProfileError> {
    read_text(path, LONGEST).map_err(|error| ProfileError::io(path, error))
}

/// Reads and checks a profile folder.
///
/// # Errors
/// When a file is missing or unreadable, or a value in it is invalid: the error names file, line and column.
pub fn read_profile(folder: &Path) -> Result<Profile, ProfileError> {
    let text = |name: &str| read_file(&folder.join(name));
    if let Some(profile) = read_slice(folder, &text("profile.toml")?)? {
        return Ok(profile);
    }
    let optional = |name: &str| {
        if folder.join(name).exists() { text(name).map(Some) } else { Ok(None) }
    };
    parse_profile(&ProfileTexts {
        folder: folder.to_owned(),
        profile_toml: text("profile.toml")?,
        solo_csv: text("solo.csv")?,
        self_pairs_csv: optional("self_pairs.csv")?,
        colocation_csv: optional("colocation.csv")?,
        kernels_csv: optional("kernels.csv")?,
        colocated_csv: optional("colocated.csv")?,
        solo_table_csv: optional("solo_table.csv")?,
    })
}

/// Returns the profile of the whole GPU, with the slice that this folder describes; `None` where it does not describe a
/// slice.
fn read_slice(folder: &Path, text: &str) -> Result<Option<Profile>, ProfileError> {
    let path = folder.join("profile.toml");
    let raw = read_constants(&path, text)?;
    let Some(mut slice) = raw.slice else { return Ok(None) };
    let whole = folder.join(&slice.of);
    let mut profile = if whole.join("profile.toml").is_file() {
        read_profile(&whole)?
    } else {
        super::load(&slice.of)?
    };
    if profile.slice.is_some() {
        return Err(ProfileError::file(
            &path,
            format!("slice.of = {:?}: is a slice itself; name the whole GPU", slice.of),
        ));
    }
    slice.check(&path, profile.kind.memory)?;
    slice.kind = Some(raw.kind);
    profile.source = raw.source;
    profile.slice = Some(slice);
    Ok(Some(profile))
}

/// Parses and checks the texts of a profile.
pub(super) fn parse_profile(texts: &ProfileTexts) -> Result<Profile, ProfileError> {
    let toml_path = texts.folder.join("profile.toml");
    let raw = read_constants(&toml_path, &texts.profile_toml)?;
    let mut profile = with_constants(&toml_path, raw)?;
    read_solo(&texts.folder.join("solo.csv"), &texts.solo_csv, &mut profile)?;
    if let Some(text) = &texts.self_pairs_csv {
        read_self_pairs(&texts.folder.join("self_pairs.csv"), text, &mut profile)?;
    }
    if let Some(text) = &texts.colocation_csv {
        read_colocation(&texts.folder.join("colocation.csv"), text, &mut profile)?;
    }
    if let Some(text) = &texts.kernels_csv {
        parse_kernels(&texts.folder.join("kernels.csv"), text, &mut profile)?;
    }
    if let Some(text) = &texts.colocated_csv {
        profile.colocated = parse_colocated(&texts.folder.join("colocated.csv"), text)?;
    }
    if let Some(text) = &texts.solo_table_csv {
        profile.solo_table = parse_solo_table(&texts.folder.join("solo_table.csv"), text)?;
    }
    check_profile(&texts.folder, &profile)?;
    Ok(profile)
}

/// Creates a profile from its constants, before its tables are read.
fn with_constants(path: &Path, raw: RawProfile) -> Result<Profile, ProfileError> {
    let Some(gpu) = raw.gpu else {
        return Err(ProfileError::file(path, "a slice has no tables of its own"));
    };
    let mut models: Vec<ModelProfile> = Vec::with_capacity(raw.models.len());
    let mut noise_cv = BTreeMap::new();
    for model in raw.models {
        noise_cv.extend(model.noise_cv.map(|cv| (model.name.clone(), cv)));
        models.push(ModelProfile {
            name: model.name,
            kernels: model.kernels.unwrap_or(0),
            launch_bound: model.launch_bound,
            idle: model.idle_ms,
            input: model.input_bytes,
            output: model.output_bytes,
            memory: model.memory_bytes,
            solo: Vec::new(),
            self_pair: None,
            kernel_list: Vec::new(),
        });
    }
    let kind = GpuKind {
        name: raw.kind,
        units: SmUnits::new(gpu.units),
        max_clock: gpu.max_clock_mhz,
        power_cap: gpu.power_cap_w,
        idle_power: gpu.idle_power_w,
        pcie_bytes_per_ms: gpu.pcie_bytes_per_ms,
        memory: gpu.memory_bytes,
        price_per_hour: gpu.price_per_hour,
        noise_cv,
        mps: gpu.mps,
    };
    Ok(Profile {
        kind,
        source: raw.source,
        models,
        colocation: Vec::new(),
        colocated: Vec::new(),
        solo_table: SoloTable::default(),
        slice: None,
    })
}

fn read_solo(path: &Path, text: &str, profile: &mut Profile) -> Result<(), ProfileError> {
    let max_clock = profile.kind.max_clock;
    let mut lines: Vec<Vec<u64>> = vec![Vec::new(); profile.models.len()];
    for row in CsvRows::parse(path, text, SOLO, SOLO_OPTIONAL)?.rows() {
        let with_copies = row.text("gpu_ms").is_empty();
        if with_copies && row.text("latency_ms").is_empty() {
            return Err(row.error(
                "gpu_ms",
                "give the time of a batch on the GPU here, or that of a whole inference as latency_ms",
            ));
        }
        let point = SoloPoint {
            batch: batch(&row)?,
            sm: share(&row)?,
            gpu: positive(&row, if with_copies { "latency_ms" } else { "gpu_ms" })?,
            with_copies,
            latency: if with_copies { None } else { row.optional("latency_ms")? },
            power: row.optional("power_w")?,
            clock: if row.text("clock_mhz").is_empty() {
                None
            } else {
                Some(clock(&row, "clock_mhz", max_clock)?)
            },
            l2_pct: row.optional_in("l2_pct", 0.0, 100.0)?,
            dram_pct: row.optional_in("dram_pct", 0.0, 100.0)?,
            throughput_img_s: row.optional_in("throughput_img_s", 0.0, f64::MAX)?,
        };
        if point.latency.is_some_and(|latency| latency < point.gpu) {
            return Err(row.error("latency_ms", "must not be below gpu_ms, which is a part of it"));
        }
        let model = model_of(&row, profile)?;
        model.solo.push(point);
        let name = model.name.clone();
        let place = profile.models.iter().position(|m| m.name == name).expect("just found");
        lines[place].push(row.line());
    }
    for (model, lines) in profile.models.iter().zip(&lines) {
        super::check::check_monotone(path, lines, &model.solo)?;
    }
    Ok(())
}

fn read_self_pairs(path: &Path, text: &str, profile: &mut Profile) -> Result<(), ProfileError> {
    let max_clock = profile.kind.max_clock;
    for row in CsvRows::parse(path, text, SELF_PAIRS, &[])?.rows() {
        let pair = SelfPair {
            active_alone: positive(&row, "active_alone_ms")?,
            active_pair: positive(&row, "active_pair_ms")?,
            power: row.quantity("pair_power_w")?,
            clock: clock(&row, "pair_clock_mhz", max_clock)?,
            l2_pct: row.number_in("l2_pct", f64::MIN_POSITIVE, 100.0)?,
        };
        let model = model_of(&row, profile)?;
        if model.self_pair.replace(pair).is_some() {
            return Err(row.error("model", "stood on an earlier line"));
        }
    }
    Ok(())
}

fn read_colocation(path: &Path, text: &str, profile: &mut Profile) -> Result<(), ProfileError> {
    for row in CsvRows::parse(path, text, COLOCATION, &[])?.rows() {
        let point = ColocationPoint {
            co_located: row.whole("co_located", "a whole number from 1")?,
            power: row.quantity("power_w")?,
            clock: clock(&row, "clock_mhz", profile.kind.max_clock)?,
            idle_per_kernel: row.quantity("idle_per_kernel_ms")?,
        };
        let expected = profile.colocation.last().map_or(1, |last| last.co_located + 1);
        if point.co_located != expected {
            return Err(
                row.error("co_located", format!("must be {expected}: rows count 1, 2, 3 …"))
            );
        }
        profile.colocation.push(point);
    }
    Ok(())
}

fn clock(row: &CsvRow<'_>, column: &str, max: Megahertz) -> Result<Megahertz, ProfileError> {
    let clock: Megahertz = row.quantity(column)?;
    if clock <= max {
        Ok(clock)
    } else {
        Err(row.error(column, format!("must not exceed max_clock_mhz = {max}")))
    }
}
