//! Random inputs.

use super::{InputSample, Shapes, element_size, unit_shape};
use crate::client::{ModelInfo, Tensor};
use igniter::arrivals::{Purpose, stream};
use igniter::domain::{NameError, WorkloadName};
use rand::RngExt;

/// Errors of generating random inputs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenShape {
    /// A name exceeds the maximum length.
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(
        "the input {input} of the model {model} leaves sizes open ({shape:?} without the batch): a benchmark of any one \
         size is another; fix: give it with --shape {input}:{example}, or real data with --input"
    )]
    Open { model: String, input: String, shape: Vec<i64>, example: String },
    #[error(
        "--shape {input}:{given:?}: the model {model} has {shape:?} there; fix: give as many sizes, and those that are \
         not open (-1) as they are"
    )]
    Other { model: String, input: String, shape: Vec<i64>, given: Vec<i64> },
}

/// Returns the shape of one request for an input: that of the model, with the given sizes for the dimensions
/// that it leaves open.
fn shape_of(
    model: &ModelInfo,
    input: &Tensor,
    shapes: Option<&Shapes>,
) -> Result<Vec<i64>, OpenShape> {
    // Emulated models ignore their input: one element stands for any size.
    let Some(shapes) = shapes else { return Ok(unit_shape(input)) };
    let own = input.shape.get(1..).unwrap_or_default();
    let (name, shape) = (|| input.name.clone(), || own.to_vec());
    let Some(given) = shapes.get(&input.name) else {
        if own.iter().any(|&size| size < 0) {
            let example: Vec<String> = own
                .iter()
                .map(|&size| if size < 0 { "N".to_owned() } else { size.to_string() })
                .collect();
            return Err(OpenShape::Open {
                model: model.name.clone(),
                input: name(),
                shape: shape(),
                example: example.join(","),
            });
        }
        return Ok(unit_shape(input));
    };
    let fits = given.len() == own.len()
        && own.iter().zip(given).all(|(own, given)| *own < 0 || own == given);
    if !fits {
        let (model, given) = (model.name.clone(), given.clone());
        return Err(OpenShape::Other { model, input: name(), shape: shape(), given });
    }
    Ok([&[1], given.as_slice()].concat())
}

/// Returns random tensors for one request, the same for the same seed and name: numbers from 0 to 1, small
/// integers, short strings. `shapes` are the sizes that the model leaves open; `None`: 1 stands for each.
///
/// # Errors
/// When the model's name exceeds the maximum length, or sizes that it leaves open are not given.
pub fn random_sample(
    model: &ModelInfo,
    seed: u64,
    shapes: Option<&Shapes>,
) -> Result<InputSample, OpenShape> {
    let name = WorkloadName::new(&model.name)?;
    let mut random = stream(seed, &name, Purpose::Service);
    let shapes: Vec<Vec<i64>> = model
        .inputs
        .iter()
        .map(|input| shape_of(model, input, shapes))
        .collect::<Result<_, _>>()?;
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
    Ok(InputSample { tensors, shapes })
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
        let sample = random_sample(&model, 1, None).unwrap();
        let sizes: Vec<usize> = sample.tensors.iter().map(Vec::len).collect();
        assert_eq!(sizes, [24, 10, 8, 24]);
        assert_eq!(sample.shapes[0], [1, 3, 2]);
        assert_eq!(random_sample(&model, 1, None).unwrap(), sample);
        assert_ne!(random_sample(&model, 2, None).unwrap(), sample);
        for four in sample.tensors[0].chunks(4) {
            let number = f32::from_le_bytes(four.try_into().unwrap());
            assert!((0.0..1.0).contains(&number));
        }
    }

    #[test]
    fn a_size_that_nobody_gave_is_asked_for() {
        let input =
            Tensor { name: "X".to_owned(), datatype: "FP32".to_owned(), shape: vec![-1, -1, 3] };
        let model = ModelInfo { name: "m".to_owned(), inputs: vec![input], outputs: vec![] };
        let sample = |sizes: &[i64]| {
            let shapes = Shapes::from([("X".to_owned(), sizes.to_vec())]);
            random_sample(&model, 1, Some(&shapes))
        };
        let open = random_sample(&model, 1, Some(&Shapes::new())).unwrap_err().to_string();
        assert!(open.contains("[-1, 3]") && open.contains("--shape X:N,3"), "{open}");
        assert_eq!(sample(&[4, 3]).unwrap().tensors[0].len(), 48);
        for wrong in [&[4][..], &[4, 2]] {
            assert!(sample(wrong).unwrap_err().to_string().contains("has [-1, 3] there"));
        }
    }
}
