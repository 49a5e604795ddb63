//! Requests as bytes: built once for each input, so that sending costs one system call.

use super::ClientError;
use super::address::Protocol;
use super::control::{ModelInfo, ServerClient};
use std::fmt::Write as _;
use std::io::IoSlice;
use std::sync::Arc;

/// The phase of a run that a request belongs to, and its number in that phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// One letter: `w` warm-up, `c` calibration, `m` measured.
    pub phase: char,
    /// The number of the request, from 0.
    pub index: u32,
}

impl Tag {
    /// The length of an identifier.
    pub(super) const LENGTH: usize = 12;

    /// Returns the identifier of the request in the server's trace, which always has the same length.
    #[must_use]
    pub fn id(self) -> String {
        format!("{}/{:010}", self.phase, self.index)
    }

    /// Parses an identifier.
    #[must_use]
    pub fn parse(id: &str) -> Option<Self> {
        let (phase, index) = id.split_once('/').filter(|_| id.len() == Self::LENGTH)?;
        let mut letters = phase.chars();
        let tag = Self { phase: letters.next()?, index: index.parse().ok()? };
        letters.next().is_none().then_some(tag)
    }
}

/// The bytes of all requests with one input; only the identifier differs.
#[derive(Debug, Clone)]
pub struct RequestTemplate {
    before_id: Arc<[u8]>,
    after_id: Arc<[u8]>,
    tensors: Arc<[u8]>,
}

/// The location of the tensors of a request.
#[derive(Debug, Clone)]
pub(super) enum Tensors<'a> {
    /// In the body, one after another, in the order of the model's inputs.
    Inline(&'a [Vec<u8>]),
    /// In a region of shared memory: its name, and the offset and size of each input and of each output.
    Shared { region: &'a str, inputs: &'a [(u64, u64)], outputs: &'a [(u64, u64)] },
}

impl RequestTemplate {
    /// Builds a request that carries its tensors, for this server. `inputs` are the bytes of each input of
    /// the model, `shapes` their dimensions with the batch first.
    ///
    /// # Errors
    /// When the server's URL is not a valid address.
    pub fn inline(
        server: &ServerClient,
        model: &ModelInfo,
        inputs: &[Vec<u8>],
        shapes: &[Vec<i64>],
    ) -> Result<Self, ClientError> {
        Self::new(server, model, shapes, &Tensors::Inline(inputs))
    }

    pub(super) fn new(
        server: &ServerClient,
        model: &ModelInfo,
        shapes: &[Vec<i64>],
        tensors: &Tensors<'_>,
    ) -> Result<Self, ClientError> {
        let address = server.address()?;
        #[cfg(feature = "remote")]
        if address.protocol == Protocol::Grpc {
            return Ok(super::remote::template(model, shapes, tensors));
        }
        assert_eq!(address.protocol, Protocol::Http, "addresses of others are refused");
        let mut inputs = Vec::new();
        for (i, (input, shape)) in model.inputs.iter().zip(shapes).enumerate() {
            let parameters = match tensors {
                Tensors::Inline(bytes) => {
                    serde_json::json!({ "binary_data_size": bytes[i].len() })
                }
                Tensors::Shared { region, inputs, .. } => shared(region, inputs[i]),
            };
            inputs.push(serde_json::json!({
                "name": input.name,
                "datatype": input.datatype,
                "shape": shape,
                "parameters": parameters,
            }));
        }
        let outputs = model.outputs.iter().enumerate().map(|(i, output)| {
            let parameters = match tensors {
                Tensors::Shared { region, outputs, .. } if !outputs.is_empty() => {
                    shared(region, outputs[i])
                }
                _ => serde_json::json!({ "binary_data": true }),
            };
            serde_json::json!({ "name": output.name, "parameters": parameters })
        });
        let outputs: Vec<_> = outputs.collect();
        let rest = serde_json::json!({ "inputs": inputs, "outputs": outputs }).to_string();
        // The identifier comes first, as in {"id":"…","inputs":…}, so that everything after it is one piece.
        let after_id = format!("\",{}", &rest[1..]);
        let json_start = "{\"id\":\"";
        let json_length = json_start.len() + Tag::LENGTH + after_id.len();
        let tensors: Vec<u8> = match tensors {
            Tensors::Inline(bytes) => bytes.concat(),
            Tensors::Shared { .. } => Vec::new(),
        };
        let mut head = format!(
            "POST {}/v2/models/{}/infer HTTP/1.1\r\nHost: {}\r\n",
            address.path,
            model.name,
            address.authority()
        );
        // Writing to a string does not fail.
        for (name, value) in server.access().headers() {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        let _ = write!(
            head,
            "Content-Type: application/octet-stream\r\n\
             Inference-Header-Content-Length: {json_length}\r\nContent-Length: {}\r\n\r\n{json_start}",
            json_length + tensors.len()
        );
        Ok(Self::of_pieces(head.into_bytes(), after_id.into_bytes(), tensors))
    }

    /// Builds a request from the bytes before the identifier, those after it, and the tensors at the end.
    pub(super) fn of_pieces(before_id: Vec<u8>, after_id: Vec<u8>, tensors: Vec<u8>) -> Self {
        Self { before_id: before_id.into(), after_id: after_id.into(), tensors: tensors.into() }
    }

    /// Returns all bytes of a request, in pieces that share what all requests have in common.
    #[cfg(feature = "remote")]
    pub(super) fn bytes(&self, id: &str) -> [bytes::Bytes; 3] {
        use bytes::Bytes;
        let first = [&self.before_id[..], id.as_bytes()].concat();
        let shared = |piece: &Arc<[u8]>| Bytes::from_owner(piece.clone());
        [first.into(), shared(&self.after_id), shared(&self.tensors)]
    }

    /// Returns the length of a request in bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        self.before_id.len() + Tag::LENGTH + self.after_id.len() + self.tensors.len()
    }

    /// Returns the pieces of a request from byte `skip` on.
    pub(super) fn pieces<'a>(&'a self, id: &'a [u8], mut skip: usize) -> [IoSlice<'a>; 4] {
        [&self.before_id[..], id, &self.after_id[..], &self.tensors[..]].map(|piece| {
            let skipped = skip.min(piece.len());
            skip -= skipped;
            IoSlice::new(&piece[skipped..])
        })
    }
}

fn shared(region: &str, (offset, size): (u64, u64)) -> serde_json::Value {
    serde_json::json!({
        "shared_memory_region": region,
        "shared_memory_offset": offset,
        "shared_memory_byte_size": size,
    })
}

#[cfg(test)]
mod tests {
    use super::super::access::Access;
    use super::super::control::Tensor;
    use super::*;

    fn model() -> ModelInfo {
        let tensor = |name: &str| Tensor {
            name: name.to_owned(),
            datatype: "FP32".to_owned(),
            shape: vec![-1, 2],
        };
        ModelInfo { name: "m".to_owned(), inputs: vec![tensor("IN")], outputs: vec![tensor("OUT")] }
    }

    fn bytes(template: &RequestTemplate, tag: Tag, skip: usize) -> Vec<u8> {
        let id = tag.id();
        template.pieces(id.as_bytes(), skip).iter().flat_map(|piece| piece.to_vec()).collect()
    }

    #[test]
    fn lengths_in_the_head_are_those_of_the_body() {
        let tensor = [1.5_f32, -3.0].map(f32::to_le_bytes).concat();
        let inputs = [tensor.clone()];
        let access = Access::new(&["X-Key: secret".to_owned()], None).unwrap();
        let server = ServerClient::with("http://h:1/gate", access);
        let template = RequestTemplate::inline(&server, &model(), &inputs, &[vec![1, 2]]).unwrap();
        let request = bytes(&template, Tag { phase: 'm', index: 7 }, 0);
        assert_eq!(request.len(), template.length());
        let split = request.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let (head, body) = request.split_at(split);
        let head = String::from_utf8(head.to_vec()).unwrap();
        assert!(head.starts_with(
            "POST /gate/v2/models/m/infer HTTP/1.1\r\nHost: h:1\r\nX-Key: secret\r\n"
        ));
        let number = |key: &str| -> usize {
            let line = head.lines().find_map(|line| line.strip_prefix(key)).unwrap();
            line.trim().parse().unwrap()
        };
        assert_eq!(number("Content-Length:"), body.len());
        let (json, tensors) = body.split_at(number("Inference-Header-Content-Length:"));
        assert_eq!(tensors, tensor);
        let json: serde_json::Value = serde_json::from_slice(json).unwrap();
        assert_eq!(json["id"], "m/0000000007");
        assert_eq!(json["inputs"][0]["parameters"]["binary_data_size"], 8);
        // The rest after any number of bytes is the rest.
        for skip in [1, split, split + 9, split + 25, request.len() - 1, request.len()] {
            let rest = bytes(&template, Tag { phase: 'm', index: 7 }, skip);
            assert_eq!(rest, request[skip..], "{skip}");
        }
    }

    #[test]
    fn identifiers_read_back() {
        let tag = Tag { phase: 'c', index: 4_294_967_295 };
        assert_eq!(Tag::parse(&tag.id()), Some(tag));
        for bad in ["", "m/12", "mm/000000001", "m/00000000x1"] {
            assert_eq!(Tag::parse(bad), None, "{bad}");
        }
    }
}
