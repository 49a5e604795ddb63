//! The configuration of a model, as a server reports it.

use super::TensorSpec;
use serde_json::Value;

/// Returns the tensors of a model configuration: those of the field `input` or `output`.
pub(super) fn tensors(config: &Value, field: &str) -> Vec<TensorSpec> {
    let tensor = |tensor: &Value| {
        Some(TensorSpec {
            name: tensor["name"].as_str()?.to_owned(),
            datatype: protocol_type(tensor["data_type"].as_str()?),
            dims: tensor["dims"].as_array()?.iter().filter_map(dimension).collect(),
        })
    };
    config[field].as_array().into_iter().flatten().filter_map(tensor).collect()
}

/// Parses a dimension; protocol buffers write 64-bit integers as strings.
pub(super) fn dimension(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

/// Converts `TYPE_FP32` to `FP32`; strings have two names.
fn protocol_type(config_type: &str) -> String {
    let name = config_type.strip_prefix("TYPE_").unwrap_or(config_type);
    if name == "STRING" { "BYTES".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn tensors_are_named_as_the_protocol_does() {
        let config = json!({"input": [
            {"name": "a", "data_type": "TYPE_FP16", "dims": ["3", -1]},
            {"name": "b", "data_type": "TYPE_STRING", "dims": [1]},
        ]});
        let found = tensors(&config, "input");
        assert_eq!(found[0].datatype, "FP16");
        assert_eq!(found[0].dims, [3, -1]);
        assert_eq!(found[1].datatype, "BYTES");
        assert!(tensors(&config, "output").is_empty());
    }
}
