//! Random inputs.

use super::{Sample, element_size, unit_shape};
use crate::client::ModelInfo;
use igniter::arrivals::{Purpose, stream};
use igniter::domain::{NameError, WorkloadName};
use rand::RngExt;

/// Random tensors for one request, the same for the same seed and name: numbers from 0 to 1, small integers,
/// short strings.
///
/// # Errors
/// When the model's name is longer than names may be.
pub fn random_sample(model: &ModelInfo, seed: u64) -> Result<Sample, NameError> {
    let name = WorkloadName::new(&model.name)?;
    let mut random = stream(seed, &name, Purpose::Service);
    let shapes: Vec<Vec<i64>> = model.inputs.iter().map(unit_shape).collect();
    let mut tensors = Vec::new();
    for (input, shape) in model.inputs.iter().zip(&shapes) {
        let elements = shape.iter().product::<i64>().max(0);
        let mut bytes = Vec::new();
        for _ in 0..elements {
            match input.datatype.as_str() {
                "FP32" => bytes.extend(random.random::<f32>().to_le_bytes()),
                "FP64" => bytes.extend(random.random::<f64>().to_le_bytes()),
                // Half precision from 0.5 to 1: exponent 14, any mantissa.
                "FP16" => bytes.extend((0x3800 | (random.random::<u16>() & 0x3ff)).to_le_bytes()),
                // The upper half of a 32-bit float.
                "BF16" => bytes.extend(&random.random::<f32>().to_le_bytes()[2..]),
                "BYTES" => {
                    bytes.extend(8_u32.to_le_bytes());
                    bytes.extend(format!("{:08x}", random.random::<u32>()).bytes());
                }
                // Integers from 0 to 1: indices of whatever they index.
                other => {
                    let mut element = vec![0; element_size(other).unwrap_or(1)];
                    element[0] = random.random::<u8>() & 1;
                    bytes.extend(element);
                }
            }
        }
        tensors.push(bytes);
    }
    Ok(Sample { tensors, shapes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Tensor;

    #[test]
    fn sizes_are_those_of_the_model_and_seeds_matter() {
        let input = |datatype: &str, shape: &[i64]| Tensor {
            name: datatype.to_owned(),
            datatype: datatype.to_owned(),
            shape: shape.to_vec(),
        };
        let model = ModelInfo {
            name: "m".to_owned(),
            inputs: vec![
                input("FP32", &[-1, 3, 2]),
                input("FP16", &[-1, 5]),
                input("INT64", &[-1, -1]),
                input("BYTES", &[-1, 2]),
            ],
            outputs: vec![],
        };
        let sample = random_sample(&model, 1).unwrap();
        let sizes: Vec<usize> = sample.tensors.iter().map(Vec::len).collect();
        assert_eq!(sizes, [24, 10, 8, 24]);
        assert_eq!(sample.shapes[0], [1, 3, 2]);
        assert_eq!(random_sample(&model, 1).unwrap(), sample);
        assert_ne!(random_sample(&model, 2).unwrap(), sample);
        for four in sample.tensors[0].chunks(4) {
            let number = f32::from_le_bytes(four.try_into().unwrap());
            assert!((0.0..1.0).contains(&number));
        }
    }
}
