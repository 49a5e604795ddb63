//! The valid range of every number in a coefficients file.
//!
//! The range of a number depends on its key, in whatever table or list the key is. The ranges are wide and cover all
//! realistic quantities: a mistyped exponent or sign is reported, and no valid fit is rejected. Keys that are not
//! listed (values of the report, for example) may hold any number up to [`ANY`].

use serde_json::Value;

/// The greatest magnitude of a number without a range of its own.
const ANY: f64 = 1e15;

/// A key, the least and the greatest value allowed for it, and their unit.
type KeyRange = (&'static str, f64, f64, &'static str);

#[rustfmt::skip]
const RANGES: [KeyRange; 58] = [
    // The GPU kind.
    ("units", 1.0, 1e5, ""), ("max_clock_mhz", 1.0, 1e5, "MHz"), ("power_cap_w", 1.0, 1e5, "W"),
    ("idle_power_w", 0.0, 1e5, "W"), ("pcie_bytes_per_ms", 1e3, 1e12, "bytes/ms"),
    ("memory_bytes", 0.0, 1e15, "bytes"), ("price_per_hour", 0.0, 1e6, "$/h"),
    ("noise_cv", 0.0, 10.0, ""),
    // iGniter's form, some of whose coefficients can be negative.
    ("alpha_f_mhz_per_w", -1e4, 0.0, "MHz/W"), ("alpha_sch_ms_per_kernel", -1e3, 1e3, "ms"),
    ("beta_sch_ms_per_kernel", -1e3, 1e3, "ms"), ("k", -1e9, 1e9, ""), ("power", -1e6, 1e6, "W"),
    ("l2", -1e6, 1e6, "%"), ("alpha_cache", -1e3, 1e3, ""), ("kernels", 0.0, 1e9, ""),
    ("idle_ms", 0.0, 1e6, "ms"), ("input_bytes", 0.0, 1e12, "bytes"),
    ("output_bytes", 0.0, 1e12, "bytes"), ("max_batch", 1.0, 65_536.0, "requests"),
    // A model alone.
    ("a_ms", 0.0, 1e6, "ms"), ("w_ms_pct", 0.0, 1e9, "ms %"), ("g_ms_pct", 0.0, 1e9, "ms %"),
    ("d_ms", 0.0, 1e6, "ms"), ("energy_mj", 0.0, 1e9, "mJ"), ("transfer_ms", 0.0, 1e6, "ms"),
    ("load_part", 0.0, 1.0, ""), ("batch", 1.0, 65_536.0, "requests"), ("sm_pct", 0.0, 100.0, "%"),
    ("weight", -1e6, 1e6, ""), ("duration_ms", 0.0, 1e6, "ms"), ("blocks", 1.0, 4_294_967_296.0, ""),
    ("blocks_per_sm", 1.0, 4096.0, ""), ("requests_per_block", 1.0, 1e6, ""), ("sms", 1.0, 1e5, ""),
    ("factor", 1e-3, 1e3, ""),
    // Co-locations.
    ("kappa_per_w", 0.0, 10.0, "1/W"), ("delta_ms_per_kernel", 0.0, 1e3, "ms"),
    ("rho0", 0.0, 1e3, ""), ("rho1", 0.0, 1e3, ""), ("gamma_per_w", 0.0, 1e3, "1/W"),
    ("pressure", 0.0, 1e6, ""), ("strength", 0.0, 1e6, ""), ("regression", -1e6, 1e6, ""),
    ("l2_pct", 0.0, 1e4, "%"), ("dram_pct", 0.0, 1e4, "%"),
    // Errors and calibration.
    ("two_sided_pct", 0.0, 1e6, "%"), ("one_sided_pct", -100.0, 1e6, "%"),
    ("drift_pct", 0.0, 1e6, "%"), ("calibrated_on", 0.0, 1e12, ""),
    ("largest_co_location", 0.0, 1e6, ""), ("points", 0.0, 1e12, ""), ("mape_pct", 0.0, 1e9, "%"),
    ("bias_pct", -1e9, 1e9, "%"), ("max_pct", 0.0, 1e9, "%"), ("standard_error", 0.0, 1e15, ""),
    ("solo_points", 0.0, 1e12, ""), ("colocated_runs", 0.0, 1e12, ""),
];

/// The maximum number of values listed in a message.
const LISTED: usize = 20;

/// Lists all numbers of a document that are outside their ranges, in words; `None` where there are none.
pub(super) fn out_of_range(document: &Value) -> Option<String> {
    let mut found = Vec::new();
    look(document, "", &mut String::new(), &mut found);
    if found.is_empty() {
        return None;
    }
    let more = found.len().saturating_sub(LISTED);
    found.truncate(LISTED);
    if more > 0 {
        found.push(format!("and {more} more"));
    }
    Some(found.join("; "))
}

/// Collects the invalid numbers below `value`; `key` is that of the nearest enclosing table.
fn look(value: &Value, key: &str, path: &mut String, found: &mut Vec<String>) {
    let length = path.len();
    match value {
        Value::Number(number) => {
            // Rounding of whole numbers beyond 2^53 does not matter: the rounded value is just as far out of range.
            let number = number.as_f64().unwrap_or(f64::INFINITY);
            let range = RANGES.iter().find(|(known, ..)| *known == key);
            let (least, most, unit) =
                range.map_or((-ANY, ANY, ""), |&(_, least, most, unit)| (least, most, unit));
            if !(least..=most).contains(&number) {
                let space = if unit.is_empty() { "" } else { " " };
                found.push(format!(
                    "{path} = {number:?}: must be from {least:?} to {most:?}{space}{unit}"
                ));
            }
        }
        Value::Array(list) => {
            for (i, value) in list.iter().enumerate() {
                path.push_str(&format!("[{i}]"));
                look(value, key, path, found);
                path.truncate(length);
            }
        }
        Value::Object(table) => {
            for (name, value) in table {
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(&crate::domain::escaped(name));
                // The keys below `noise_cv` are model names.
                let key = if key == "noise_cv" { key } else { name };
                look(value, key, path, found);
                path.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_out_of_their_ranges_are_all_named() {
        let document = json!({
            "kind": { "max_clock_mhz": 1e308, "units": 80, "noise_cv": { "alexnet": 11 } },
            "models": [{ "transfer_ms": [0.5, -0.05], "name": "x" }],
            "report": { "terms": [{ "value": -3.5 }, { "value": 1e300 }] }
        });
        let text = out_of_range(&document).unwrap();
        for part in [
            "kind.max_clock_mhz = 1e308: must be from 1.0 to 100000.0 MHz",
            "kind.noise_cv.alexnet = 11.0: must be from 0.0 to 10.0",
            "models[0].transfer_ms[1] = -0.05: must be from 0.0 to 1000000.0 ms",
            "report.terms[1].value = 1e300",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert_eq!(text.split("; ").count(), 4);
        assert_eq!(out_of_range(&json!({ "kind": { "units": 80 } })), None);
    }
}
