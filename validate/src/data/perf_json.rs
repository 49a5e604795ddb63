//! perf_analyzer's `--input-data` file: `{"data": [{"INPUT": [1, 2] | {"content": …, "shape": …} | {"b64": …}}]}`.

use super::{InputSample, element_size, unit_shape};
use crate::client::{ModelInfo, Tensor};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::Value;
use std::fmt;
use std::path::{Path, PathBuf};

/// Errors of reading input data.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    #[error("cannot read {}: {source}", .path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{}: {key}: {problem}", .path.display())]
    Wrong { path: PathBuf, key: String, problem: String },
}

/// Reads the samples of a file for a model.
///
/// # Errors
/// When the file is not in perf_analyzer's format, or does not fit the model.
pub fn read_samples(path: &Path, model: &ModelInfo) -> Result<Vec<InputSample>, DataError> {
    let mut samples = Vec::new();
    each_sample(path, model, &mut |sample| samples.push(sample))?;
    Ok(samples)
}

/// Passes the samples of a file to `take` one by one: only one of them is in memory as text.
///
/// # Errors
/// As [`read_samples`].
pub fn each_sample(
    path: &Path,
    model: &ModelInfo,
    take: &mut dyn FnMut(InputSample),
) -> Result<(), DataError> {
    let file = std::fs::File::open(path)
        .map_err(|source| DataError::Unreadable { path: path.to_owned(), source })?;
    read(std::io::BufReader::with_capacity(1 << 16, file), model, take)
        .map_err(|(key, problem)| DataError::Wrong { path: path.to_owned(), key, problem })
}

/// The position of a problem, and its description.
type DataProblem = (String, String);

/// Parses a document without holding it in memory.
fn read(
    text: impl std::io::Read,
    model: &ModelInfo,
    take: &mut dyn FnMut(InputSample),
) -> Result<(), DataProblem> {
    let mut problem = None;
    let mut count = 0;
    let mut deserializer = serde_json::Deserializer::from_reader(text);
    let document = PerfDocument { model, take, problem: &mut problem, count: &mut count };
    let read = deserializer.deserialize_map(document).and_then(|()| deserializer.end());
    if let Some(problem) = problem {
        return Err(problem);
    }
    read.map_err(|error| ("the file".to_owned(), error.to_string()))?;
    if count == 0 {
        return Err(("data".to_owned(), "allowed: a list of objects, one for each request".into()));
    }
    Ok(())
}

/// The outermost object, of which only the field `data` matters.
struct PerfDocument<'a> {
    model: &'a ModelInfo,
    take: &'a mut dyn FnMut(InputSample),
    problem: &'a mut Option<DataProblem>,
    count: &'a mut usize,
}

impl<'de> Visitor<'de> for PerfDocument<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with \"data\"")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            if key == "data" {
                map.next_value_seed(&mut self)?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

/// The list of requests.
impl<'de> DeserializeSeed<'de> for &mut PerfDocument<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for &mut PerfDocument<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects, one for each request")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut i = 0;
        while let Some(entry) = list.next_element::<Value>()? {
            // A nested list is a sequence of requests.
            let steps = entry.as_array().map_or(std::slice::from_ref(&entry), Vec::as_slice);
            for (j, step) in steps.iter().enumerate() {
                let key =
                    if entry.is_array() { format!("data[{i}][{j}]") } else { format!("data[{i}]") };
                match sample(step, &key, self.model) {
                    Ok(sample) => (self.take)(sample),
                    Err(problem) => {
                        let error = A::Error::custom(&problem.1);
                        *self.problem = Some(problem);
                        return Err(error);
                    }
                }
                *self.count += 1;
            }
            i += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
fn parse(text: &str, model: &ModelInfo) -> Result<Vec<InputSample>, DataProblem> {
    let mut samples = Vec::new();
    read(text.as_bytes(), model, &mut |sample| samples.push(sample))?;
    Ok(samples)
}

fn sample(step: &Value, key: &str, model: &ModelInfo) -> Result<InputSample, DataProblem> {
    let mut sample = InputSample { tensors: Vec::new(), shapes: Vec::new() };
    for input in &model.inputs {
        let key = format!("{key}.{}", input.name);
        let value = step.get(&input.name).ok_or_else(|| {
            let names: Vec<&str> = model.inputs.iter().map(|input| input.name.as_str()).collect();
            (key.clone(), format!("missing; the model {} takes {}", model.name, names.join(", ")))
        })?;
        let shape = shape(value, input).map_err(|problem| (key.clone(), problem))?;
        let bytes = tensor(value, input).map_err(|problem| (key.clone(), problem))?;
        if let Some(size) = element_size(&input.datatype) {
            let elements = elements(&shape).ok_or_else(|| {
                (key.clone(), format!("shape {:?}: allowed: sizes from 0", &shape[1..]))
            })?;
            if elements.checked_mul(size) != Some(bytes.len()) {
                let given = if bytes.len().is_multiple_of(size) {
                    format!("{} elements", bytes.len() / size)
                } else {
                    format!("{} bytes, which are no whole elements of {size}", bytes.len())
                };
                let problem = format!("{given}, but the shape {:?} has {elements}", &shape[1..]);
                return Err((key, problem));
            }
        }
        sample.tensors.push(bytes);
        sample.shapes.push(shape);
    }
    Ok(sample)
}

/// Returns the number of elements of a shape; `None` where it is not a valid number.
fn elements(shape: &[i64]) -> Option<usize> {
    shape.iter().try_fold(1_usize, |all, &size| all.checked_mul(usize::try_from(size).ok()?))
}

/// Returns the shape given in the file, or otherwise that of the model; the batch size of 1 comes first.
fn shape(value: &Value, input: &Tensor) -> Result<Vec<i64>, String> {
    let Some(given) = value.get("shape") else {
        if input.shape.iter().skip(1).any(|size| *size < 0) {
            return Err("the model leaves sizes open; add \"shape\": [...] here".to_owned());
        }
        return Ok(unit_shape(input));
    };
    let sizes: Option<Vec<i64>> =
        given.as_array().and_then(|sizes| sizes.iter().map(Value::as_i64).collect());
    let mut sizes = sizes.ok_or("shape: allowed: a list of whole numbers")?;
    sizes.insert(0, 1);
    Ok(sizes)
}

fn tensor(value: &Value, input: &Tensor) -> Result<Vec<u8>, String> {
    if let Some(text) = value.get("b64").and_then(Value::as_str) {
        return STANDARD.decode(text).map_err(|error| format!("b64: {error}"));
    }
    let content = value.get("content").unwrap_or(value);
    let mut bytes = Vec::new();
    flatten(content, &input.datatype, &mut bytes)?;
    Ok(bytes)
}

/// Appends an element, or all elements of nested lists.
fn flatten(value: &Value, datatype: &str, bytes: &mut Vec<u8>) -> Result<(), String> {
    if let Some(list) = value.as_array() {
        return list.iter().try_for_each(|element| flatten(element, datatype, bytes));
    }
    let wrong = || format!("{value} is no {datatype}");
    macro_rules! whole {
        ($read:ident, $type:ty) => {{
            let number = value.$read().ok_or_else(wrong)?;
            bytes.extend(<$type>::try_from(number).map_err(|_| wrong())?.to_le_bytes());
        }};
    }
    match datatype {
        "BYTES" => {
            let text = value.as_str().ok_or_else(wrong)?;
            bytes.extend(u32::try_from(text.len()).map_err(|_| wrong())?.to_le_bytes());
            bytes.extend(text.bytes());
        }
        "BOOL" => bytes.push(u8::from(
            value.as_bool().or_else(|| Some(value.as_i64()? != 0)).ok_or_else(wrong)?,
        )),
        "INT8" => whole!(as_i64, i8),
        "INT16" => whole!(as_i64, i16),
        "INT32" => whole!(as_i64, i32),
        "INT64" => whole!(as_i64, i64),
        "UINT8" => whole!(as_u64, u8),
        "UINT16" => whole!(as_u64, u16),
        "UINT32" => whole!(as_u64, u32),
        "UINT64" => whole!(as_u64, u64),
        #[expect(clippy::cast_possible_truncation, reason = "the nearest 32-bit float is meant")]
        "FP32" => bytes.extend((value.as_f64().ok_or_else(wrong)? as f32).to_le_bytes()),
        "FP64" => bytes.extend(value.as_f64().ok_or_else(wrong)?.to_le_bytes()),
        other => return Err(format!("{other} has no numbers in JSON; give it as b64")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model() -> ModelInfo {
        let input = |name: &str, datatype: &str, shape: &[i64]| Tensor {
            name: name.to_owned(),
            datatype: datatype.to_owned(),
            shape: shape.to_vec(),
        };
        ModelInfo {
            name: "m".to_owned(),
            inputs: vec![input("A", "FP32", &[-1, 2]), input("B", "UINT8", &[-1, -1])],
            outputs: vec![],
        }
    }

    #[test]
    fn every_form_of_content() {
        let text = r#"{"data": [
            {"A": [1, -2.5], "B": {"content": [7, 255, 0], "shape": [3]}},
            [{"A": {"content": [[1], [2]]}, "B": {"b64": "AQID", "shape": [3]}}]
        ]}"#;
        let samples = parse(text, &model()).unwrap();
        assert_eq!(samples.len(), 2);
        assert_eq!(samples[0].tensors[0], [1.0_f32, -2.5].map(f32::to_le_bytes).concat());
        assert_eq!(samples[0].tensors[1], [7, 255, 0]);
        assert_eq!(samples[0].shapes, [vec![1, 2], vec![1, 3]]);
        assert_eq!(samples[1].tensors[1], [1, 2, 3]);
    }

    #[test]
    fn strings_arrive_as_written() {
        let tensor =
            Tensor { name: "X".to_owned(), datatype: "BYTES".to_owned(), shape: vec![-1, -1] };
        let model = ModelInfo { name: "m".to_owned(), inputs: vec![tensor], outputs: vec![] };
        let text = r#"{"data": [{"X": {"content": ["ab", "cde"], "shape": [2]}},
            {"X": {"b64": "BQAAAGhlbGxvAgAAAP8A", "shape": [2]}}]}"#;
        let samples = parse(text, &model).unwrap();
        assert_eq!(samples[0].tensors[0], b"\x02\0\0\0ab\x03\0\0\0cde");
        assert_eq!(samples[1].tensors[0], b"\x05\0\0\0hello\x02\0\0\0\xff\0");
        assert_eq!(samples[1].shapes, [vec![1, 2]]);
    }

    #[test]
    fn mistakes_name_their_place() {
        let problem = |text: &str| {
            let (key, problem) = parse(text, &model()).unwrap_err();
            format!("{key}: {problem}")
        };
        assert!(problem(r#"{"data": []}"#).starts_with("data: allowed: a list"));
        let missing = problem(r#"{"data": [{"A": [1, 2]}]}"#);
        assert_eq!(missing, "data[0].B: missing; the model m takes A, B");
        let short = problem(r#"{"data": [{"A": [1], "B": {"content": [1], "shape": [1]}}]}"#);
        assert_eq!(short, "data[0].A: 1 elements, but the shape [2] has 2");
        let stray = problem(
            r#"{"data": [{"A": {"b64": "AAAAAAAAAAAA"}, "B": {"content": [1], "shape": [1]}}]}"#,
        );
        assert_eq!(
            stray,
            "data[0].A: 9 bytes, which are no whole elements of 4, but the shape [2] has 2"
        );
        for huge in ["[4294967296, 4294967296, 4]", "[-1]"] {
            let text = format!(
                r#"{{"data": [{{"A": [1, 2], "B": {{"content": [1], "shape": {huge}}}}}]}}"#
            );
            assert!(problem(&text).starts_with("data[0].B: shape ["), "{huge}");
        }
        let open = problem(r#"{"data": [{"A": [1, 2], "B": [1]}]}"#);
        assert!(open.contains("the model leaves sizes open"), "{open}");
        let range = problem(r#"{"data": [{"A": [1, 2], "B": {"content": [256], "shape": [1]}}]}"#);
        assert_eq!(range, "data[0].B: 256 is no UINT8");
    }
}
