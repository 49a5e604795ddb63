//! gRPC requests as bytes.

use super::call::frame;
use super::messages as m;
use crate::client::ModelInfo;
use crate::client::request::{RequestTemplate, Tag, Tensors};
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use std::collections::BTreeMap;

/// Fields of `ModelInferRequest` that are added around the rest.
const ID: u32 = 3;
const RAW_INPUT: u32 = 7;

/// Builds the bytes of all requests with one input; only the identifier differs. Fields may be in any order.
/// The identifier comes first, so that the bytes after it are the same for all.
pub(in crate::client) fn template(
    model: &ModelInfo,
    shapes: &[Vec<i64>],
    tensors: &Tensors<'_>,
) -> RequestTemplate {
    let inputs = model.inputs.iter().zip(shapes).enumerate().map(|(i, (input, shape))| {
        let parameters = match tensors {
            Tensors::Inline(_) => BTreeMap::new(),
            Tensors::Shared { region, inputs, .. } => shared(region, inputs[i]),
        };
        let (name, datatype, shape) = (input.name.clone(), input.datatype.clone(), shape.clone());
        m::InferInput { name, datatype, shape, parameters }
    });
    let outputs = model.outputs.iter().enumerate().map(|(i, output)| {
        let parameters = match tensors {
            Tensors::Shared { region, outputs, .. } if !outputs.is_empty() => {
                shared(region, outputs[i])
            }
            _ => BTreeMap::new(),
        };
        m::InferRequestedOutput { name: output.name.clone(), parameters }
    });
    let request = m::ModelInferRequest {
        model_name: model.name.clone(),
        inputs: inputs.collect(),
        outputs: outputs.collect(),
    };
    let after_id = request.encode_to_vec();
    let mut raw = Vec::new();
    if let Tensors::Inline(all) = tensors {
        for bytes in *all {
            encode_key(RAW_INPUT, WireType::LengthDelimited, &mut raw);
            encode_varint(bytes.len() as u64, &mut raw);
            raw.extend_from_slice(bytes);
        }
    }
    let mut id = Vec::new();
    encode_key(ID, WireType::LengthDelimited, &mut id);
    encode_varint(Tag::LENGTH as u64, &mut id);
    let length = id.len() + Tag::LENGTH + after_id.len() + raw.len();
    let before_id = [&frame(length)[..], &id].concat();
    RequestTemplate::of_pieces(before_id, after_id, raw)
}

fn shared(region: &str, (offset, size): (u64, u64)) -> BTreeMap<String, m::InferParameter> {
    let number = |value: u64| m::ParameterChoice::Number(i64::try_from(value).unwrap_or(i64::MAX));
    let parameters = [
        ("shared_memory_region", m::ParameterChoice::Text(region.to_owned())),
        ("shared_memory_offset", number(offset)),
        ("shared_memory_byte_size", number(size)),
    ];
    let entry =
        |(name, choice): (&str, _)| (name.to_owned(), m::InferParameter { choice: Some(choice) });
    parameters.into_iter().map(entry).collect()
}
