//! A profile as the texts of its folder.

use super::fields::quoted;
use super::kernels::write_kernels;
use super::read::{COLOCATION, RawGpu, RawModel, RawProfile, SELF_PAIRS, SOLO};
use super::{Profile, write_colocated, write_solo_table};

/// The files of a profile folder, as (name, text). Reading them back gives an equal profile.
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
        gpu: RawGpu {
            units: kind.units.get(),
            max_clock_mhz: kind.max_clock,
            power_cap_w: kind.power_cap,
            idle_power_w: kind.idle_power,
            pcie_bytes_per_ms: kind.pcie_bytes_per_ms,
            memory_bytes: kind.memory,
            price_per_hour: kind.price_per_hour,
        },
        models: profile
            .models
            .iter()
            .map(|model| RawModel {
                name: model.name.clone(),
                kernels: model.kernels,
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
    let mut text = SOLO.join(",") + "\n";
    for model in &profile.models {
        for p in &model.solo {
            text += &format!(
                "{},{},{},{},{},{},{},{}\n",
                quoted(model.name.as_str()),
                p.batch,
                p.sm,
                p.gpu,
                p.latency.map_or_else(String::new, |v| v.to_string()),
                p.power,
                p.clock,
                p.l2_pct.map_or_else(String::new, |v| v.to_string()),
            );
        }
    }
    text
}

fn self_pairs_csv(profile: &Profile) -> String {
    let mut text = SELF_PAIRS.join(",") + "\n";
    for model in &profile.models {
        if let Some(p) = &model.self_pair {
            text += &format!(
                "{},{},{},{},{},{}\n",
                quoted(model.name.as_str()),
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
