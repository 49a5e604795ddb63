//! `profile.toml`: the constants of a GPU kind and of its models. All mistakes are reported at once.

use super::{ProfileError, Slice};
use crate::domain::{GpuKindName, ModelName, SmSharing};
use crate::input::toml_keys::{
    Field, FilePlace, KeyNeed, KeyRule, Least, NumberRule, Problems, Read, TomlTable, WholeRule,
    read_toml,
};
use crate::units::{Bytes, Dollars, Megahertz, Milliseconds, Watts};
use serde::Serialize;
use std::path::Path;
use toml::de::DeValue;

/// The content of `profile.toml` as written in the file.
#[derive(Debug, Serialize)]
pub(super) struct RawProfile {
    pub version: u32,
    pub kind: GpuKindName,
    pub source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu: Option<RawGpuConstants>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slice: Option<Slice>,
    #[serde(rename = "model")]
    pub models: Vec<RawModel>,
}

#[derive(Debug, Serialize)]
pub(super) struct RawGpuConstants {
    pub units: u32,
    pub max_clock_mhz: Megahertz,
    pub power_cap_w: Watts,
    pub idle_power_w: Watts,
    pub pcie_bytes_per_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<Bytes>,
    pub price_per_hour: Dollars,
    #[serde(skip_serializing_if = "SmSharing::is_default")]
    pub mps: SmSharing,
}

#[derive(Debug, Serialize)]
pub(super) struct RawModel {
    pub name: ModelName,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernels: Option<u32>,
    pub idle_ms: Milliseconds,
    pub input_bytes: Bytes,
    pub output_bytes: Bytes,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub launch_bound: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noise_cv: Option<f64>,
}

const NAME: KeyRule<'_> = KeyRule {
    allowed: "text of 1 to 64 characters that all can be seen",
    fix: "write the name in quotes",
};
const SOURCE: KeyRule<'_> =
    KeyRule { allowed: "text", fix: "say in quotes where the numbers come from" };
const SLICE_OF: KeyRule<'_> = KeyRule {
    allowed: "text",
    fix: "name in quotes the kind of the whole GPU, or the folder of its profile",
};
const SWITCH: KeyRule<'_> = KeyRule {
    allowed: "true or false",
    fix: "leave it out where nobody knows whether launches limit the model",
};
const VERSION: WholeRule = WholeRule { least: 1, most: 1, fix: "this program reads version = 1" };
const UNITS: WholeRule = WholeRule {
    least: 1,
    most: 10_000,
    fix: "give the number of parts in which SMs are granted: SMs / 2 under MPS",
};
const BYTES: WholeRule =
    WholeRule { least: 0, most: 1 << 50, fix: "give a number of bytes, without a point" };
const KERNELS: WholeRule =
    WholeRule { least: 1, most: 1_000_000_000, fix: "leave it out where nobody counted them" };
const CLOCK: NumberRule = above_zero(1e5, "MHz", "give the highest SM clock");
const POWER: NumberRule = from_zero(1e6, "W", "give the power of the whole GPU");
const BANDWIDTH: NumberRule =
    above_zero(1e12, "bytes/ms", "give the bandwidth of PCIe: 10 GB/s is 10000000.0");
const PRICE: NumberRule = from_zero(1e6, "$/h", "give the price, or 0 where nobody knows it");
const IDLE: NumberRule = from_zero(
    1e9,
    "ms",
    "give the time between the kernels of one batch alone on the GPU, or leave it out",
);
const NOISE: NumberRule = from_zero(
    10.0,
    "",
    "give the standard deviation of the time of a batch over its mean, such as 0.03, or leave it out where it was not \
     measured",
);
const PART: NumberRule = above_zero(100.0, "%", "a slice is a part of its GPU");

const fn above_zero(most: f64, unit: &'static str, fix: &'static str) -> NumberRule {
    NumberRule { least: Least::Above(0.0), most, unit, fix }
}

const fn from_zero(most: f64, unit: &'static str, fix: &'static str) -> NumberRule {
    NumberRule { least: Least::From(0.0), most, unit, fix }
}

/// Reads `profile.toml`.
///
/// # Errors
/// With all mistakes, each with its line.
pub(super) fn read_constants(path: &Path, text: &str) -> Result<RawProfile, ProfileError> {
    read_toml(text, profile).map_err(|problems| ProfileError::problems(path, problems))
}

fn profile(mut table: TomlTable<'_>, problems: &mut Problems<'_>) -> Option<RawProfile> {
    use KeyNeed::Required;
    let t = &mut table;
    VERSION.read(t, problems, "version", Required);
    let kind =
        t.read(problems, "kind", Required, NAME, |value| GpuKindName::new(value.as_str()?).ok());
    let source = t.read(problems, "source", Required, SOURCE, |v| Some(v.as_str()?.to_owned()));
    let is_slice = t.has("slice");
    let whole = FilePlace { key: String::new(), offset: 0 };
    if !is_slice && !t.has("gpu") {
        let rule = KeyRule {
            allowed: "[gpu], or [slice] for a part of another kind",
            fix: "add [gpu] with units, max_clock_mhz, power_cap_w, idle_power_w, pcie_bytes_per_ms and price_per_hour",
        };
        problems.add(&whole, "has neither [gpu] nor [slice]", rule);
    }
    let gpu = sub_table(t, problems, "gpu", gpu);
    let slice = sub_table(t, problems, "slice", slice);
    let models = models(t, problems, is_slice);
    if is_slice && t.has("gpu") {
        let rule = KeyRule { allowed: "[gpu] or [slice]", fix: "leave one of them out" };
        problems.add(&whole, "a slice takes [gpu] and the models from its GPU", rule);
    }
    table.finish(problems, |_| None);
    Some(RawProfile {
        version: 1,
        kind: kind.given()?,
        source: source.given()?,
        gpu: gpu.or(None)?,
        slice: slice.or(None)?,
        models: models?,
    })
}

/// Reads the table below a key, if there is one.
fn sub_table<T>(
    t: &mut TomlTable<'_>,
    problems: &mut Problems<'_>,
    key: &'static str,
    read: impl FnOnce(TomlTable<'_>, &mut Problems<'_>) -> Option<T>,
) -> Read<Option<T>> {
    let Some(field) = t.field(key) else { return Read::Absent };
    let Some(table) = field.table() else {
        let rule =
            KeyRule { allowed: "a table", fix: &format!("write [{key}] and its keys below") };
        return field.refuse(problems, rule);
    };
    match read(table, problems) {
        Some(value) => Read::Given(Some(value), field.place),
        None => Read::Bad,
    }
}

fn gpu(mut table: TomlTable<'_>, problems: &mut Problems<'_>) -> Option<RawGpuConstants> {
    use KeyNeed::{Optional, Required};
    let t = &mut table;
    let units = UNITS.read(t, problems, "units", Required);
    let clock = CLOCK.read(t, problems, "max_clock_mhz", Required);
    let cap = POWER.read(t, problems, "power_cap_w", Required);
    let idle = POWER.read(t, problems, "idle_power_w", Required);
    if let (Read::Given(cap, _), Read::Given(idle, place)) = (&cap, &idle)
        && idle >= cap
    {
        let rule = KeyRule {
            allowed: &format!("less than power_cap_w, {cap} W"),
            fix: "give the power of the GPU with nothing to do",
        };
        problems.add(place, format!("given {idle}"), rule);
    }
    let bandwidth = BANDWIDTH.read(t, problems, "pcie_bytes_per_ms", Required);
    let memory = BYTES.read(t, problems, "memory_bytes", Optional);
    let price = PRICE.read(t, problems, "price_per_hour", Required);
    let words = [SmSharing::Percentage, SmSharing::Static, SmSharing::Off].map(|m| (m.as_str(), m));
    let mps = t.choice(problems, "mps", &words);
    table.finish(problems, |_| None);
    Some(RawGpuConstants {
        units: units.given().and_then(|units| u32::try_from(units).ok())?,
        max_clock_mhz: Megahertz::new(clock.given()?).ok()?,
        power_cap_w: Watts::new(cap.given()?).ok()?,
        idle_power_w: Watts::new(idle.given()?).ok()?,
        pcie_bytes_per_ms: bandwidth.given()?,
        memory_bytes: memory.convert(|bytes| Some(Some(Bytes::new(bytes)))).or(None)?,
        price_per_hour: Dollars::new(price.given()?).ok()?,
        mps: mps.or(SmSharing::default())?,
    })
}

fn slice(mut table: TomlTable<'_>, problems: &mut Problems<'_>) -> Option<Slice> {
    use KeyNeed::{Optional, Required};
    let t = &mut table;
    let of = t.read(problems, "of", Required, SLICE_OF, |v| Some(v.as_str()?.to_owned()));
    let sm_pct = PART.read(t, problems, "sm_pct", Required);
    let memory = BYTES.read(t, problems, "memory_bytes", Optional);
    let bandwidth_pct = PART.read(t, problems, "bandwidth_pct", Optional);
    table.finish(problems, |_| None);
    Some(Slice {
        of: of.given()?,
        sm_pct: sm_pct.given()?,
        memory_bytes: memory.convert(|bytes| Some(Some(Bytes::new(bytes)))).or(None)?,
        bandwidth_pct: bandwidth_pct.convert(|pct| Some(Some(pct))).or(None)?,
        kind: None,
    })
}

/// Reads the models: at least one for a GPU, none for a slice.
fn models(
    t: &mut TomlTable<'_>,
    problems: &mut Problems<'_>,
    is_slice: bool,
) -> Option<Vec<RawModel>> {
    let rule = KeyRule { allowed: "one [[model]] or more", fix: "add [[model]] with its name" };
    let Some(field) = t.field("model") else {
        if !is_slice {
            let whole = FilePlace { key: "model".to_owned(), offset: 0 };
            problems.add(&whole, "missing", rule);
        }
        return Some(Vec::new());
    };
    if is_slice {
        let rule = KeyRule { allowed: "no [[model]] beside [slice]", fix: "leave the models out" };
        problems.add(&field.place, "a slice takes the models from its GPU", rule);
        return None;
    }
    let Some(elements) = field.elements().filter(|elements| !elements.is_empty()) else {
        let rule = KeyRule { fix: "write [[model]], with two brackets", ..rule };
        problems.add(&field.place, "not a list of models", rule);
        return None;
    };
    let mut models: Vec<RawModel> = Vec::with_capacity(elements.len());
    let (count, mut names) = (elements.len(), Vec::new());
    for element in elements {
        models.extend(model(&element, problems, &mut names));
    }
    (models.len() == count).then_some(models)
}

fn model(
    element: &Field<'_>,
    problems: &mut Problems<'_>,
    names: &mut Vec<ModelName>,
) -> Option<RawModel> {
    use KeyNeed::{Optional, Required};
    let Some(mut table) = element.table() else {
        let rule = KeyRule { allowed: "a table", fix: "write [[model]] and its keys below" };
        let _: Read<()> = element.refuse(problems, rule);
        return None;
    };
    let t = &mut table;
    let name = t.read(problems, "name", Required, NAME, |v| ModelName::new(v.as_str()?).ok());
    if let Read::Given(name, place) = &name {
        if names.contains(name) {
            let rule = KeyRule { allowed: "every model once", fix: "remove or rename one" };
            problems.add(place, format!("{name} is listed twice"), rule);
        }
        names.push(name.clone());
    }
    let kernels = KERNELS.read(t, problems, "kernels", Optional);
    let idle = IDLE.read(t, problems, "idle_ms", Optional);
    let input = BYTES.read(t, problems, "input_bytes", Optional);
    let output = BYTES.read(t, problems, "output_bytes", Optional);
    let launch_bound = t.read(problems, "launch_bound", Optional, SWITCH, DeValue::as_bool);
    let memory = BYTES.read(t, problems, "memory_bytes", Optional);
    let noise = NOISE.read(t, problems, "noise_cv", Optional);
    table.finish(problems, |_| None);
    Some(RawModel {
        name: name.given()?,
        kernels: kernels.convert(|kernels| u32::try_from(kernels).ok().map(Some)).or(None)?,
        idle_ms: Milliseconds::new(idle.or(0.0)?).ok()?,
        input_bytes: Bytes::new(input.or(0)?),
        output_bytes: Bytes::new(output.or(0)?),
        launch_bound: launch_bound.convert(|bound| Some(Some(bound))).or(None)?,
        memory_bytes: memory.convert(|bytes| Some(Some(Bytes::new(bytes)))).or(None)?,
        noise_cv: noise.convert(|cv| Some(Some(cv))).or(None)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        read_constants(Path::new("profile.toml"), text).unwrap_err().to_string()
    }

    const GPU: &str = "version = 1\nkind = \"k\"\nsource = \"s\"\n[gpu]\nunits = 40\nmax_clock_mhz = 1530\n\
                       power_cap_w = 300\nidle_power_w = 53.5\npcie_bytes_per_ms = 1e7\nprice_per_hour = 3.06\n";

    #[test]
    fn all_mistakes_are_told_at_once_with_their_lines() {
        let text = "version = 2\nkind = 5\n[gpu]\nunits = 0\nmax_clock_mhz = nan\npower_cap_w = 10\n\
                    idle_power_w = 20\npcie_bytes_per_sec = 1\nprice_per_hour = -1\nmps = \"statik\"\n\
                    [[model]]\nname = \"a\"\nkernels = 0\nnoise_cv = 11\n[[model]]\nname = \"a\"\nkernel = 3";
        let error = refused(text);
        for needle in [
            "profile.toml:1: version: given 2",
            "profile.toml:2: kind: given 5",
            "profile.toml:1: source: missing",
            "profile.toml:4: gpu.units: given 0; allowed: a whole number from 1 to 10000",
            "profile.toml:5: gpu.max_clock_mhz: given nan",
            "profile.toml:7: gpu.idle_power_w: given 20; allowed: less than power_cap_w, 10 W",
            "gpu.pcie_bytes_per_ms: missing",
            "profile.toml:8: gpu.pcie_bytes_per_sec: unknown key",
            "did you mean `pcie_bytes_per_ms`?",
            "profile.toml:9: gpu.price_per_hour: given -1",
            "profile.toml:10: gpu.mps: given \"statik\"",
            "did you mean \"static\"?",
            "profile.toml:13: model[0].kernels: given 0",
            "profile.toml:14: model[0].noise_cv: given 11; allowed: a number from 0 to 10",
            "profile.toml:16: model[1].name: a is listed twice",
            "profile.toml:17: model[1].kernel: unknown key",
            "14 problems in profile.toml",
        ] {
            assert!(error.contains(needle), "{needle} in\n{error}");
        }
    }

    #[test]
    fn what_is_missing_as_a_whole_is_named() {
        assert!(refused(GPU).contains("model: missing"));
        assert!(refused(&format!("{GPU}[model]\nname = \"a\"")).contains("write [[model]]"));
        assert!(refused(&format!("{GPU}model = 3")).contains("unknown key"));
        let neither = refused("version = 1\nkind = \"k\"\nsource = \"s\"");
        assert!(neither.contains("neither [gpu] nor [slice]"), "{neither}");
        let slice = "[slice]\nof = \"v100\"\nsm_pct = 50\n";
        let both = refused(&format!("{GPU}{slice}[[model]]\nname = \"a\""));
        assert!(both.contains("leave the models out") && both.contains("leave one of"), "{both}");
        let part =
            refused("version = 1\nkind = \"k\"\nsource = \"s\"\n[slice]\nof = 1\nsm_pct = 0");
        assert!(part.contains("slice.of: given 1") && part.contains("slice.sm_pct: given 0"));
    }

    #[test]
    fn a_slice_needs_neither_gpu_nor_models() {
        let text = "version = 1\nkind = \"k\"\nsource = \"s\"\n[slice]\nof = \"v100\"\nsm_pct = 50";
        let raw = read_constants(Path::new("profile.toml"), text).unwrap();
        assert!(raw.gpu.is_none() && raw.models.is_empty());
        assert!((raw.slice.unwrap().sm_pct - 50.0).abs() < 1e-12);
    }
}
