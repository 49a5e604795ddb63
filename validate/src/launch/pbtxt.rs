//! Triton model configurations, `config.pbtxt`, of generated models.

use super::{LaunchSpec, TensorSpec};
use igniter::sim::{BatchingSpec, TimeoutAction};
use std::fmt::Write as _;

/// Returns the configuration of a generated model of the Python backend.
pub(super) fn generated(
    spec: &LaunchSpec,
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
    // The model finds its GPU itself, so Triton's own checks of GPU instances are not needed.
    let _ =
        writeln!(text, "instance_group [{{ count: {}, kind: KIND_CPU }}]", spec.batching.instances);
    text.push_str(&dynamic_batching(spec));
    // Tensors that are already on the GPU may stay there.
    text.push_str(&parameter("FORCE_CPU_ONLY_INPUT_TENSORS", "no"));
    for (key, value) in parameters {
        text.push_str(&parameter(key, value));
    }
    text
}

fn parameter(key: &str, value: &str) -> String {
    format!("parameters {{ key: \"{key}\", value: {{ string_value: \"{value}\" }} }}\n")
}

/// Returns the settings of the server's dynamic batcher.
pub(super) fn dynamic_batching(spec: &LaunchSpec) -> String {
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

/// Returns the queue policy; empty where no such setting is used: with any queue policy, Triton forms batches
/// in another way.
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

/// Returns Triton's name of the action.
pub(super) fn timeout_action(action: TimeoutAction) -> &'static str {
    match action {
        TimeoutAction::Reject => "REJECT",
        TimeoutAction::Delay => "DELAY",
    }
}
