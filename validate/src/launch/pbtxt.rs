//! Triton's model configuration, `config.pbtxt`: written for generated models, patched for ready ones.

use super::{ServerSpec, TensorSpec};
use igniter::sim::{BatchingSpec, TimeoutAction};
use std::fmt::Write as _;
use std::ops::Range;

/// The configuration of a generated model of the Python backend.
pub(super) fn generated(
    spec: &ServerSpec,
    input: &TensorSpec,
    output: &TensorSpec,
    parameters: &[(&str, String)],
) -> String {
    let mut text = format!(
        "name: \"{}\"\nbackend: \"python\"\nmax_batch_size: {}\n",
        spec.model,
        spec.max_batch()
    );
    for (field, tensor) in [("input", input), ("output", output)] {
        let dims: Vec<String> = tensor.dims.iter().map(ToString::to_string).collect();
        let _ = writeln!(
            text,
            "{field} [{{ name: \"{}\", data_type: TYPE_{}, dims: [{}] }}]",
            tensor.name,
            tensor.datatype,
            dims.join(", ")
        );
    }
    // The model finds its GPU itself; Triton's own checks of GPU instances are not needed.
    let _ =
        writeln!(text, "instance_group [{{ count: {}, kind: KIND_CPU }}]", spec.batching.instances);
    text.push_str(&dynamic_batching(spec));
    // Tensors that are on the GPU may stay there.
    text.push_str(&parameter("FORCE_CPU_ONLY_INPUT_TENSORS", "no"));
    for (key, value) in parameters {
        text.push_str(&parameter(key, value));
    }
    text
}

fn parameter(key: &str, value: &str) -> String {
    format!("parameters {{ key: \"{key}\", value: {{ string_value: \"{value}\" }} }}\n")
}

fn dynamic_batching(spec: &ServerSpec) -> String {
    let preferred: Vec<String> = spec.batching.preferred.iter().map(ToString::to_string).collect();
    let preferred = if preferred.is_empty() {
        String::new()
    } else {
        format!("preferred_batch_size: [{}] ", preferred.join(", "))
    };
    format!(
        "dynamic_batching {{ {preferred}max_queue_delay_microseconds: {:.0} {}}}\n",
        spec.batching.max_queue_delay.get() * 1e3,
        queue_policy(&spec.batching)
    )
}

/// The queue policy; empty where nothing of it is asked for: with any, Triton forms batches in another way.
fn queue_policy(batching: &BatchingSpec) -> String {
    let timeout_us = batching.timeout.get() * 1e3;
    if batching.max_queue_size == 0 && timeout_us == 0.0 {
        return String::new();
    }
    format!(
        "default_queue_policy {{ timeout_action: {} default_timeout_microseconds: {timeout_us:.0} \
         max_queue_size: {} }} ",
        timeout_action(batching.timeout_action),
        batching.max_queue_size
    )
}

/// Triton's word.
pub(super) fn timeout_action(action: TimeoutAction) -> &'static str {
    match action {
        TimeoutAction::Reject => "REJECT",
        TimeoutAction::Delay => "DELAY",
    }
}

/// A ready model's configuration with the planned name, batch size, delay and number of instances.
///
/// # Errors
/// When the text cannot be cut into fields.
pub(super) fn patched(text: &str, spec: &ServerSpec) -> Result<String, String> {
    let fields = top_level_fields(text)?;
    let has = |name: &str| fields.iter().any(|(found, _)| found == name);
    let mut replaced = vec!["name", "max_batch_size", "dynamic_batching", "sequence_batching"];
    let mut head = format!("name: \"{}\"\nmax_batch_size: {}\n", spec.model, spec.max_batch());
    head.push_str(&dynamic_batching(spec));
    if !has("instance_group") || spec.batching.instances != 1 {
        replaced.push("instance_group");
        let place = if spec.device.is_some() { "KIND_GPU, gpus: [0]" } else { "KIND_CPU" };
        let _ = writeln!(
            head,
            "instance_group [{{ count: {}, kind: {place} }}]",
            spec.batching.instances
        );
    }
    let mut rest = text.to_owned();
    for (name, range) in fields.into_iter().rev() {
        if replaced.contains(&name.as_str()) {
            rest.replace_range(range, "");
        }
    }
    Ok(head + rest.trim_start())
}

/// The fields of the outermost message with the places of their whole text.
fn top_level_fields(text: &str) -> Result<Vec<(String, Range<usize>)>, String> {
    let bytes = text.as_bytes();
    let mut fields: Vec<(String, Range<usize>)> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'#' => at = end_of_line(bytes, at),
            byte if byte.is_ascii_whitespace() || byte == b',' || byte == b';' => at += 1,
            byte if byte.is_ascii_alphabetic() || byte == b'_' => {
                let start = at;
                while at < bytes.len() && (bytes[at].is_ascii_alphanumeric() || bytes[at] == b'_') {
                    at += 1;
                }
                let name = text[start..at].to_owned();
                at = end_of_value(bytes, at)
                    .ok_or_else(|| format!("the value of `{name}` does not end"))?;
                fields.push((name, start..at));
            }
            byte => return Err(format!("a field's name cannot begin with `{}`", char::from(byte))),
        }
    }
    Ok(fields)
}

fn end_of_line(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |n| from + n)
}

/// Where the value after a field's name ends: with its last bracket, or as a single word or string.
fn end_of_value(bytes: &[u8], from: usize) -> Option<usize> {
    let (mut at, mut open) = (from, 0_usize);
    while at < bytes.len() {
        match bytes[at] {
            b'#' => at = end_of_line(bytes, at),
            quote @ (b'"' | b'\'') => {
                at += 1;
                while *bytes.get(at)? != quote {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                at += 1;
                if open == 0 {
                    return Some(at);
                }
            }
            b'{' | b'[' | b'<' => {
                open += 1;
                at += 1;
            }
            b'}' | b']' | b'>' => {
                open = open.checked_sub(1)?;
                at += 1;
                if open == 0 {
                    return Some(at);
                }
            }
            byte if open == 0 && !byte.is_ascii_whitespace() && byte != b':' => {
                while at < bytes.len() && !b" \t\r\n,;#".contains(&bytes[at]) {
                    at += 1;
                }
                return Some(at);
            }
            _ => at += 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::super::tests::spec;
    use super::*;

    const READY: &str = "# a TensorRT engine { not a bracket\n\
        name: \"other\" platform: \"tensorrt_plan\"\nmax_batch_size : 64\n\
        input [\n  { name: \"a}\\\"b\" data_type: TYPE_FP32 dims: [ 3, 224, 224 ] }\n]\n\
        dynamic_batching { preferred_batch_size: [ 4 ]\n max_queue_delay_microseconds: 100 }\n\
        optimization { cuda { graphs: true } }\n";

    #[test]
    fn a_ready_model_keeps_all_but_the_plan() {
        let patched = patched(READY, &spec("alexnet", 5)).unwrap();
        let expected = "name: \"alexnet\"\nmax_batch_size: 5\n\
            dynamic_batching { max_queue_delay_microseconds: 2500 }\n\
            instance_group [{ count: 1, kind: KIND_CPU }]\n\
            # a TensorRT engine { not a bracket\n \
            platform: \"tensorrt_plan\"\n\n\
            input [\n  { name: \"a}\\\"b\" data_type: TYPE_FP32 dims: [ 3, 224, 224 ] }\n]\n\n\
            optimization { cuda { graphs: true } }\n";
        assert_eq!(patched, expected);
    }

    #[test]
    fn a_queue_policy_is_served() {
        use igniter::units::Milliseconds;
        let mut spec = spec("alexnet", 5);
        assert!(!dynamic_batching(&spec).contains("policy"));
        spec.batching.max_queue_size = 8;
        let size = "default_queue_policy { timeout_action: REJECT default_timeout_microseconds: 0 max_queue_size: 8 } }";
        assert!(dynamic_batching(&spec).contains(size), "{}", dynamic_batching(&spec));
        spec.batching.timeout = Milliseconds::new(12.5).unwrap();
        spec.batching.timeout_action = TimeoutAction::Delay;
        let both =
            "{ timeout_action: DELAY default_timeout_microseconds: 12500 max_queue_size: 8 }";
        assert!(patched(READY, &spec).unwrap().contains(both));
    }

    #[test]
    fn its_instances_stay_unless_the_scenario_asks_for_several() {
        let text = "instance_group [{ kind: KIND_MODEL }]";
        let one = spec("alexnet", 5);
        assert!(patched(text, &one).unwrap().contains("KIND_MODEL"));
        let mut three = one;
        three.batching.instances = 3;
        three.device = Some(0);
        let three = patched(text, &three).unwrap();
        assert!(
            three.contains("instance_group [{ count: 3, kind: KIND_GPU, gpus: [0] }]"),
            "{three}"
        );
        assert!(!three.contains("KIND_MODEL"), "{three}");
    }

    #[test]
    fn text_that_is_no_configuration_is_refused() {
        for text in ["name: \"open", "input [ {", "{ }", "name: }"] {
            assert!(patched(text, &spec("alexnet", 1)).is_err(), "{text}");
        }
    }
}
