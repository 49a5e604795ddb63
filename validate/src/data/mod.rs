//! Input data of requests: random tensors, or real data in perf_analyzer's JSON format.

mod images;
mod perf_json;
mod random;
mod shape;

pub use images::{Converted, ImageError, ImageOptions, Preprocess, TensorLayout, write_images};
pub use perf_json::{DataError, each_sample, read_samples};
pub use random::{OpenShape, random_sample};
pub use shape::{Shapes, parse_shape};

use crate::client::{ModelInfo, Tensor};

/// The inputs of one request, in the order of the model: bytes and shape of each, with the batch size of 1
/// first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputSample {
    /// The bytes of each tensor, little-endian and in row-major order.
    pub tensors: Vec<Vec<u8>>,
    /// The shape of each tensor.
    pub shapes: Vec<Vec<i64>>,
}

/// Returns the number of bytes of one element; `None` for strings, and for types that Triton does not have.
#[must_use]
pub fn element_size(datatype: &str) -> Option<usize> {
    match datatype {
        "BOOL" | "INT8" | "UINT8" => Some(1),
        "INT16" | "UINT16" | "FP16" | "BF16" => Some(2),
        "INT32" | "UINT32" | "FP32" => Some(4),
        "INT64" | "UINT64" | "FP64" => Some(8),
        _ => None,
    }
}

/// Returns the shape of one request for an input of a model: the batch size is 1, and so are other dimensions
/// that the model leaves open.
#[must_use]
pub fn unit_shape(tensor: &Tensor) -> Vec<i64> {
    tensor.shape.iter().map(|&size| size.max(1)).collect()
}

/// Returns the number of bytes of each output of one request; `None` where its shape is open or it holds
/// strings.
#[must_use]
pub fn output_bytes(model: &ModelInfo) -> Option<Vec<u64>> {
    let bytes = |tensor: &Tensor| {
        let element = element_size(&tensor.datatype)? as u64;
        let sizes = tensor.shape.iter().skip(1).map(|&size| u64::try_from(size).ok());
        sizes.product::<Option<u64>>().map(|elements| elements * element)
    };
    model.outputs.iter().map(bytes).collect()
}
