//! Writing of profiles as the texts of a folder.

use super::constants::{RawGpuConstants, RawModel, RawProfile};
use super::fields::csv_field;
use super::kernels::write_kernels;
use super::read::{COLOCATION, SELF_PAIRS};
use super::{Profile, write_colocated, write_solo_table};

/// The columns of `solo.csv` that are always written.
pub(super) const SOLO_HEADER: &str =
    "model,batch,sm_pct,gpu_ms,latency_ms,power_w,clock_mhz,l2_pct";

/// Returns the files of a profile folder, as (name, text). Reading them back gives an equal
/// profile.
///
/// # Panics
/// Never for a profile that was read: its values are finite.
#[must_use]
pub fn profile_files(profile: &Profile) -> Vec<(&'static str, String)> {
    let mut files = vec![("profile.toml", profile_toml(profile)), ("solo.csv", solo_csv(profile))];
    if profile.models.iter().any(|m| m.self_pair.is_some()) {
        files.push(("self_pairs.csv", self_pairs_csv(profile)));
    }
    if !profile.colocation.is_empty() {
        files.push(("colocation.csv", colocation_csv(profile)));
    }
    if profile.models.iter().any(|m| !m.kernel_list.is_empty()) {
        files.push(("kernels.csv", write_kernels(profile)));
    }
    if !profile.colocated.is_empty() {
        files.push(("colocated.csv", write_colocated(&profile.colocated)));
    }
    if let Some(slice) = &profile.slice {
        let text = toml::to_string(slice).expect("a slice has only finite numbers and text");
        files.push(("slice.toml", text));
    }
    if !profile.solo_table.rows.is_empty() {
        files.push(("solo_table.csv", write_solo_table(&profile.solo_table)));
    }
    files
}

fn profile_toml(profile: &Profile) -> String {
    let kind = &profile.kind;
    let raw = RawProfile {
        version: 1,
        kind: kind.name.clone(),
        source: profile.source.clone(),
        slice: None,
        gpu: Some(RawGpuConstants {
            units: kind.units.get(),
            max_clock_mhz: kind.max_clock,
            power_cap_w: kind.power_cap,
            idle_power_w: kind.idle_power,
            pcie_bytes_per_ms: kind.pcie_bytes_per_ms,
            memory_bytes: kind.memory,
            price_per_hour: kind.price_per_hour,
            mps: kind.mps,
        }),
        models: profile
            .models
            .iter()
            .map(|model| RawModel {
                name: model.name.clone(),
                kernels: (model.kernels > 0).then_some(model.kernels),
                launch_bound: model.launch_bound,
                idle_ms: model.idle,
                input_bytes: model.input,
                output_bytes: model.output,
                memory_bytes: model.memory,
                noise_cv: kind.noise_cv.get(&model.name).copied(),
            })
            .collect(),
    };
    toml::to_string(&raw).expect("a profile has only finite numbers and text")
}

fn solo_csv(profile: &Profile) -> String {
    let dram = profile.models.iter().flat_map(|m| &m.solo).any(|p| p.dram_pct.is_some());
    let mut text = SOLO_HEADER.to_owned();
    text += if dram { ",dram_pct" } else { "" };
    let rates = profile.models.iter().flat_map(|m| &m.solo).any(|p| p.throughput_img_s.is_some());
    text += if rates { ",throughput_img_s\n" } else { "\n" };
    for model in &profile.models {
        for p in &model.solo {
            text += &format!(
                "{},{},{},{},{},{},{},{}",
                csv_field(model.name.as_str()),
                p.batch,
                p.sm,
                if p.with_copies { String::new() } else { p.gpu.to_string() },
                or_empty(if p.with_copies { Some(p.gpu) } else { p.latency }),
                or_empty(p.power),
                or_empty(p.clock),
                or_empty(p.l2_pct),
            );
            if dram {
                text += &format!(",{}", or_empty(p.dram_pct));
            }
            if rates {
                text += &format!(",{}", or_empty(p.throughput_img_s));
            }
            text += "\n";
        }
    }
    text
}

fn or_empty<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn self_pairs_csv(profile: &Profile) -> String {
    let mut text = SELF_PAIRS.join(",") + "\n";
    for model in &profile.models {
        if let Some(p) = &model.self_pair {
            text += &format!(
                "{},{},{},{},{},{}\n",
                csv_field(model.name.as_str()),
                p.active_alone,
                p.active_pair,
                p.power,
                p.clock,
                p.l2_pct
            );
        }
    }
    text
}

fn colocation_csv(profile: &Profile) -> String {
    let mut text = COLOCATION.join(",") + "\n";
    for p in &profile.colocation {
        text += &format!("{},{},{},{}\n", p.co_located, p.power, p.clock, p.idle_per_kernel);
    }
    text
}
