//! Reads a profile folder.

use super::check::check_profile;
use super::colocated::parse_colocated;
use super::csv_rows::{CsvRows, Row};
use super::fields::{batch, model_of, positive, share};
use super::kernels::parse_kernels;
use super::tables::parse_solo_table;
use super::{
    ColocationPoint, ModelProfile, Profile, ProfileError, SelfPair, Slice, SoloPoint, SoloTable,
};
use crate::domain::{GpuKind, GpuKindName, ModelName, SmSharing};
use crate::input::read_text;
use crate::units::{Bytes, Dollars, Megahertz, Milliseconds, SmUnits, Watts};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// `profile.toml` as it is written.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProfile {
    pub version: u32,
    pub kind: GpuKindName,
    pub source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu: Option<RawGpu>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice: Option<Slice>,
    #[serde(rename = "model", default)]
    pub models: Vec<RawModel>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGpu {
    pub units: u32,
    pub max_clock_mhz: Megahertz,
    pub power_cap_w: Watts,
    pub idle_power_w: Watts,
    pub pcie_bytes_per_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<Bytes>,
    pub price_per_hour: Dollars,
    #[serde(default, skip_serializing_if = "SmSharing::is_default")]
    pub mps: SmSharing,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawModel {
    pub name: ModelName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernels: Option<u32>,
    #[serde(default = "no_time")]
    pub idle_ms: Milliseconds,
    #[serde(default)]
    pub input_bytes: Bytes,
    #[serde(default)]
    pub output_bytes: Bytes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub launch_bound: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<Bytes>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noise_cv: Option<f64>,
}

fn no_time() -> Milliseconds {
    Milliseconds::ZERO
}

pub(super) const SOLO: &[&str] = &["model", "batch", "sm_pct"];
/// Either `gpu_ms` or `latency_ms` must be there, and the better both.
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

/// No file of a profile is longer, in bytes.
const LONGEST: u64 = 1 << 30;

/// The text of a file, packed or not.
pub(super) fn read_file(path: &Path) -> Result<String, ProfileError> {
    read_text(path, LONGEST).map_err(|error| ProfileError::io(path, error))
}

/// Reads and checks a profile folder.
///
/// # Errors
/// When a file is missing or unreadable, or any value in it is: the error names file, line and column.
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

/// The profile of the whole GPU, with the slice that this folder describes; `None` where it describes none.
fn read_slice(folder: &Path, text: &str) -> Result<Option<Profile>, ProfileError> {
    let path = folder.join("profile.toml");
    let raw = raw_profile(&path, text)?;
    let Some(mut slice) = raw.slice else { return Ok(None) };
    if raw.gpu.is_some() || !raw.models.is_empty() {
        return Err(ProfileError::file(
            &path,
            "a slice takes [gpu] and the models from its GPU: leave them out, or leave out [slice]",
        ));
    }
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

fn raw_profile(path: &Path, text: &str) -> Result<RawProfile, ProfileError> {
    toml::from_str(text).map_err(|e| {
        let line = e.span().map_or(1, |span| line_of(text, span.start));
        ProfileError::line(path, line, e.message())
    })
}

/// Parses and checks the texts of a profile.
pub(super) fn parse_profile(texts: &ProfileTexts) -> Result<Profile, ProfileError> {
    let toml_path = texts.folder.join("profile.toml");
    let raw = raw_profile(&toml_path, &texts.profile_toml)?;
    let mut profile = checked_constants(&toml_path, raw)?;
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

fn line_of(text: &str, offset: usize) -> u64 {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count() as u64
}

fn checked_constants(path: &Path, raw: RawProfile) -> Result<Profile, ProfileError> {
    let bad = |message: String| Err(ProfileError::file(path, message));
    if raw.version != 1 {
        return bad(format!("version = {}: this program reads version 1", raw.version));
    }
    let Some(gpu) = raw.gpu else {
        return bad("has neither [gpu] nor [slice]".to_owned());
    };
    if !(1..=10_000).contains(&gpu.units) {
        return bad(format!("gpu.units = {}: must be from 1 to 10000 (SMs / 2)", gpu.units));
    }
    let bandwidth = gpu.pcie_bytes_per_ms;
    if !(bandwidth.is_finite() && bandwidth > 0.0) {
        return bad(format!("gpu.pcie_bytes_per_ms = {bandwidth}: must be finite and > 0"));
    }
    if gpu.idle_power_w >= gpu.power_cap_w {
        return bad(format!(
            "gpu.idle_power_w = {}: must be below gpu.power_cap_w = {}",
            gpu.idle_power_w, gpu.power_cap_w
        ));
    }
    if raw.models.is_empty() {
        return bad("lists no [[model]]; a profile needs at least one".to_owned());
    }
    let mut models: Vec<ModelProfile> = Vec::with_capacity(raw.models.len());
    let mut noise_cv = BTreeMap::new();
    for model in raw.models {
        if models.iter().any(|known| known.name == model.name) {
            return bad(format!("model {} is listed twice", model.name));
        }
        if model.kernels == Some(0) {
            return bad(format!(
                "model {}: kernels must be at least 1; leave it out where nobody counted them",
                model.name
            ));
        }
        if let Some(cv) = model.noise_cv {
            if !(0.0..=10.0).contains(&cv) {
                return bad(format!(
                    "model {}: noise_cv = {cv}: must be from 0 to 10: the standard deviation of the time of a \
                     batch over its mean, such as 0.03; leave it out where it was not measured",
                    model.name
                ));
            }
            noise_cv.insert(model.name.clone(), cv);
        }
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
        pcie_bytes_per_ms: bandwidth,
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

fn clock(row: &Row<'_>, column: &str, max: Megahertz) -> Result<Megahertz, ProfileError> {
    let clock: Megahertz = row.quantity(column)?;
    if clock <= max {
        Ok(clock)
    } else {
        Err(row.error(column, format!("must not exceed max_clock_mhz = {max}")))
    }
}
