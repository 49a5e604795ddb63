//! Reads the two native formats of the iGniter artifact.
//!
//! Both are files with one JSON object on each line. A *profile* merges objects of the same name:
//! `{"hardware": {…}}` and `{"<model>": {…}}`. *gpu-lets tables* hold, for each model, latency,
//! throughput, L2 and DRAM by batch and SM share, and `{"interference": {…}}` with co-located pairs
//! `[model, model, batch, batch, sm_pct of the first, latency, latency]` that share the whole GPU.

use super::constants::{RawGpuConstants, RawModel, RawProfile};
use super::read::{ProfileTexts, parse_profile, read_file};
use super::{ColocatedMember, ColocatedRun, Profile, ProfileError, SoloRow, SoloTable};
use crate::domain::{GpuKindName, ModelName, SmSharing};
use crate::units::{BatchSize, Bytes, Dollars, Megahertz, Milliseconds, SmPercent, Watts};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// The content of an artifact file.
#[derive(Debug, Clone, PartialEq)]
pub enum Imported {
    /// A profile of a GPU kind.
    Profile(Box<Profile>),
    /// Measured tables of several models, and co-located pairs of them.
    Tables {
        /// Each model alone.
        solo: SoloTable,
        /// Co-located pairs.
        colocated: Vec<ColocatedRun>,
    },
    /// A profile made from a table of another format, as (name, text) of its files.
    Folder {
        files: Vec<(String, String)>,
        /// The assumptions that were made.
        note: String,
    },
}

/// The merged objects of a file: object → field → value, with the line of the value.
struct Objects<'p> {
    path: &'p Path,
    by_name: BTreeMap<String, BTreeMap<String, (u64, Value)>>,
    /// Names of the objects, in order of first appearance.
    order: Vec<String>,
}

/// Reads measurements in a foreign format. The content determines the format: one of the two of the artifact, or one of
/// the CSV tables of `tables_import`. `session` chooses one of several sessions in a file that names them.
///
/// `kind` names the GPU kind, since the artifact's profile format does not. A profile in that format has no price and
/// no memory size: the price is set to 0 and can be edited in the written folder.
///
/// # Errors
/// When the file cannot be read, a line is not a JSON object, a field is missing, or a value is not finite, negative,
/// or not monotone. The error names file, line and field.
pub fn import_measurements(
    path: &Path,
    kind: &GpuKindName,
    session: Option<&str>,
) -> Result<Imported, ProfileError> {
    let text = read_file(path)?;
    // The header of a table never begins with a bracket, so a leading bracket also means JSON, though not an object.
    if !text.trim_start().starts_with(['{', '[']) {
        return super::tables_import::import_table(path, &text, kind, session);
    }
    let objects = Objects::parse(path, &text)?;
    if objects.by_name.contains_key("hardware") {
        import_profile(&objects, kind).map(|profile| Imported::Profile(Box::new(profile)))
    } else if objects.by_name.contains_key("interference") {
        import_tables(&objects)
    } else {
        Err(ProfileError::file(
            path,
            "is neither an iGniter profile (no \"hardware\" object) nor gpu-lets tables (no \
             \"interference\" object)",
        ))
    }
}

impl<'p> Objects<'p> {
    fn parse(path: &'p Path, text: &str) -> Result<Self, ProfileError> {
        let mut objects = Self { path, by_name: BTreeMap::new(), order: Vec::new() };
        for (number, line) in (1..).zip(text.lines()).filter(|(_, line)| !line.trim().is_empty()) {
            let outer: Map<String, Value> = serde_json::from_str(line)
                .map_err(|e| ProfileError::line(path, number, format!("no JSON object: {e}")))?;
            for (name, value) in outer {
                let Value::Object(fields) = value else {
                    return Err(ProfileError::line(path, number, format!("{name} is no object")));
                };
                let entry = objects.by_name.entry(name.clone()).or_insert_with(|| {
                    objects.order.push(name);
                    BTreeMap::new()
                });
                entry.extend(fields.into_iter().map(|(field, value)| (field, (number, value))));
            }
        }
        Ok(objects)
    }

    /// Reads a field of an object as the type that it must have.
    fn field<T: for<'de> Deserialize<'de>>(
        &self,
        object: &str,
        field: &str,
    ) -> Result<T, ProfileError> {
        let Some(fields) = self.by_name.get(object) else {
            return Err(ProfileError::file(self.path, format!("has no object {object:?}")));
        };
        let Some((line, value)) = fields.get(field) else {
            let message = format!("{object}: no field {field:?} on any line");
            return Err(ProfileError::line(self.path, self.first_line(object), message));
        };
        T::deserialize(value).map_err(|e| {
            ProfileError::line(self.path, *line, format!("{object}.{field} = {value}: {e}"))
        })
    }

    /// Returns the first line with a field of the object.
    fn first_line(&self, object: &str) -> u64 {
        let lines = self.by_name.get(object).into_iter().flat_map(BTreeMap::values);
        lines.map(|(line, _)| *line).min().unwrap_or(1)
    }

    fn error(&self, object: &str, message: &str) -> ProfileError {
        ProfileError::line(self.path, self.first_line(object), format!("{object}: {message}"))
    }

    /// Converts an error about a table that the import generated into one about the line of the artifact file from
    /// which the table's row was made.
    fn translate(&self, error: ProfileError) -> ProfileError {
        let ProfileError::Line { path, line, message } = error else {
            return match error {
                ProfileError::File { message, .. } => ProfileError::file(self.path, message),
                // Their lines refer to a generated text that users never see.
                ProfileError::Problems { problems, .. } => {
                    let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
                    ProfileError::file(self.path, all.join("\n"))
                }
                other => other,
            };
        };
        let row = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(2);
        let models: Vec<&str> = self.models().collect();
        let (object, field) = match path.to_str() {
            Some("solo.csv") => {
                (models.get(row / (BATCHES.len() * SHARES.len())).copied(), "gpulatency")
            }
            Some("self_pairs.csv") => (models.get(row).copied(), "activetime_1"),
            Some("colocation.csv") => (Some("hardware"), "idletime"),
            _ => (None, ""),
        };
        let object = object.unwrap_or("hardware");
        let line = self
            .by_name
            .get(object)
            .and_then(|fields| fields.get(field))
            .map_or_else(|| self.first_line(object), |(line, _)| *line);
        ProfileError::line(self.path, line, format!("{object}: {message}"))
    }

    fn models(&self) -> impl Iterator<Item = &str> {
        self.order.iter().map(String::as_str).filter(|n| !["hardware", "interference"].contains(n))
    }
}

/// The grid on which the artifact measures each model.
const BATCHES: [u32; 3] = [1, 16, 32];
const SHARES: [u32; 3] = [10, 50, 100];

fn import_profile(objects: &Objects<'_>, kind: &GpuKindName) -> Result<Profile, ProfileError> {
    type Grid = [[f64; 3]; 3];
    let hw = "hardware";
    let unit: f64 = objects.field(hw, "unit")?;
    if !(0.01..=100.0).contains(&unit) {
        return Err(objects.error(hw, "unit must be from 0.01 to 100 (% of the SMs)"));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 10000")]
    let units = (100.0 / unit).round() as u32;
    let mut raw = RawProfile {
        version: 1,
        kind: kind.clone(),
        source: format!(
            "imported from the iGniter artifact file {}",
            objects.path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())
        ),
        slice: None,
        gpu: Some(RawGpuConstants {
            units,
            max_clock_mhz: objects.field::<Megahertz>(hw, "maxGPUfrequency")?,
            power_cap_w: objects.field::<Watts>(hw, "maxGPUpower")?,
            idle_power_w: objects.field::<Watts>(hw, "idlepower")?,
            pcie_bytes_per_ms: objects.field(hw, "bandwidth")?,
            memory_bytes: None,
            price_per_hour: Dollars::ZERO,
            mps: SmSharing::default(),
        }),
        models: Vec::new(),
    };
    let mut solo = super::write::SOLO_HEADER.to_owned() + "\n";
    let mut pairs = super::read::SELF_PAIRS.join(",") + "\n";
    for name in objects.models() {
        let model = ModelName::new(name).map_err(|e| objects.error(name, &e.to_string()))?;
        raw.models.push(RawModel {
            name: model,
            kernels: Some(objects.field(name, "kernel")?),
            launch_bound: None,
            idle_ms: objects.field::<Milliseconds>(name, "idletime_1")?,
            input_bytes: objects.field::<Bytes>(name, "inputdata")?,
            output_bytes: objects.field::<Bytes>(name, "outputdata")?,
            memory_bytes: None,
            noise_cv: None,
        });
        let latency: Grid = objects.field(name, "gpulatency")?;
        let power: Grid = objects.field(name, "power")?;
        let clock: Grid = objects.field(name, "frequency")?;
        // The artifact measures L2 only on the diagonal of the grid.
        let l2: [f64; 3] = objects.field(name, "l2caches")?;
        let field = super::fields::csv_field(name);
        for (i, batch) in BATCHES.iter().enumerate() {
            for (j, share) in SHARES.iter().enumerate() {
                let l2 = if i == j { l2[i].to_string() } else { String::new() };
                let (t, p, f) = (latency[i][j], power[i][j], clock[i][j]);
                solo += &format!("{field},{batch},{share},{t},,{p},{f},{l2}\n");
            }
        }
        let numbers = ["activetime_1", "activetime_2", "power_2", "frequency_2", "l2cache"]
            .map(|key| objects.field::<f64>(name, key));
        pairs += &field;
        for number in numbers {
            pairs += &format!(",{}", number?);
        }
        pairs.push('\n');
    }
    let mut colocation = super::read::COLOCATION.join(",") + "\n";
    let power: Vec<f64> = objects.field(hw, "power")?;
    let clock: Vec<f64> = objects.field(hw, "frequency")?;
    let idle: Vec<f64> = objects.field(hw, "idletime")?;
    if power.len() != clock.len() || power.len() != idle.len() {
        return Err(objects.error(hw, "power, frequency and idletime must have the same length"));
    }
    for (n, ((p, f), t)) in (1..).zip(power.iter().zip(&clock).zip(&idle)) {
        colocation += &format!("{n},{p},{f},{t}\n");
    }
    // The same checks as for a folder ensure that a written import can always be read back.
    let texts = ProfileTexts {
        folder: Path::new("").to_owned(),
        profile_toml: toml::to_string(&raw)
            .map_err(|e| ProfileError::file(objects.path, e.to_string()))?,
        solo_csv: solo,
        self_pairs_csv: Some(pairs),
        colocation_csv: Some(colocation),
        kernels_csv: None,
        colocated_csv: None,
        solo_table_csv: None,
    };
    parse_profile(&texts).map_err(|error| objects.translate(error))
}

fn import_tables(objects: &Objects<'_>) -> Result<Imported, ProfileError> {
    type Table<T> = BTreeMap<String, BTreeMap<String, T>>;
    let mut solo = SoloTable::default();
    for name in objects.models() {
        let model = ModelName::new(name).map_err(|e| objects.error(name, &e.to_string()))?;
        let latency: Table<Milliseconds> = objects.field(name, "latency")?;
        let throughput: Table<f64> = objects.field(name, "throughput")?;
        let l2: Table<f64> = objects.field(name, "l2cache")?;
        let dram: Table<f64> = objects.field(name, "dram")?;
        let mut rows = Vec::new();
        for (batch_text, row) in &latency {
            for (sm_text, latency) in row {
                let find = |t: &Table<f64>| t.get(batch_text).and_then(|r| r.get(sm_text)).copied();
                let number = |text: &str| {
                    text.parse::<u32>().map_err(|_| {
                        objects
                            .error(name, &format!("{text:?} is no whole number of batch or share"))
                    })
                };
                let (batch, sm) = (number(batch_text)?, number(sm_text)?);
                if latency.get() <= 0.0 || !(1..=100).contains(&sm) {
                    return Err(objects.error(
                        name,
                        &format!(
                            "batch {batch}, {sm} %: latency must be above 0, the share in 1..=100"
                        ),
                    ));
                }
                rows.push(SoloRow {
                    model: model.clone(),
                    batch: BatchSize::new(batch)
                        .map_err(|e| objects.error(name, &e.to_string()))?,
                    sm: SmPercent::new(f64::from(sm))
                        .map_err(|e| objects.error(name, &e.to_string()))?,
                    latency: *latency,
                    throughput_img_s: find(&throughput),
                    l2_pct: find(&l2),
                    dram_pct: find(&dram),
                });
            }
        }
        rows.sort_by(|a, b| a.batch.cmp(&b.batch).then(a.sm.total_cmp(&b.sm)));
        solo.rows.extend(rows);
    }
    Ok(Imported::Tables { solo, colocated: import_pairs(objects)? })
}

fn import_pairs(objects: &Objects<'_>) -> Result<Vec<ColocatedRun>, ProfileError> {
    type Pair = (ModelName, ModelName, BatchSize, BatchSize, u32, Milliseconds, Milliseconds);
    let latency: Vec<Pair> = objects.field("interference", "latency")?;
    let std: Vec<Pair> = objects.field("interference", "std")?;
    if std.len() != latency.len() {
        return Err(objects.error("interference", "latency and std must have the same length"));
    }
    let mut runs = Vec::with_capacity(latency.len());
    for (run, (l, s)) in (0..).zip(latency.into_iter().zip(std)) {
        let share = |sm: Option<u32>| {
            sm.and_then(|sm| SmPercent::new(f64::from(sm)).ok()).ok_or_else(|| {
                objects.error("interference", &format!("pair {run}: share {} of 1..=99 %", l.4))
            })
        };
        let (first, second) = (share(Some(l.4))?, share(100_u32.checked_sub(l.4))?);
        if (&l.0, &l.1, l.2, l.3, l.4) != (&s.0, &s.1, s.2, s.3, s.4) {
            return Err(objects.error(
                "interference",
                &format!("pair {run}: latency and std describe different configurations"),
            ));
        }
        let member = |model, batch, sm, latency, std| ColocatedMember {
            model,
            batch,
            sm,
            latency: Some(latency),
            std: Some(std),
        };
        runs.push(ColocatedRun {
            run,
            members: vec![member(l.0, l.2, first, l.5, s.5), member(l.1, l.3, second, l.6, s.6)],
            makespan: None,
        });
    }
    Ok(runs)
}
