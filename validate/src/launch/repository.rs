//! Model repositories: one folder for each server, made from its specification.

use super::{LaunchError, LaunchSpec, ModelSource, TensorSpec, pbtxt, ready};
use std::fs;
use std::io;
use std::path::Path;

/// Returns the name under which a server serves its model.
pub(super) fn served_as(spec: &LaunchSpec) -> String {
    spec.model.to_string()
}

const INSTANCE_MODULE: &str = include_str!("python/igniter_instance.py");
const EMULATED: &str = include_str!("python/emulated.py");
const TORCHVISION: &str = include_str!("python/torchvision_model.py");
/// The seed of random weights: the same in every server.
const WEIGHTS_SEED: u32 = 1;

/// A `torchvision` network: its name, the side length of its input image, and the number of values in its
/// output.
struct Network {
    name: &'static str,
    side: i64,
    outputs: i64,
}

/// SSD300 returns 4 coordinates and 81 scores (COCO) for each of 8,732 anchors, as does that of the iGniter
/// paper.
const NETWORKS: [Network; 4] = [
    Network { name: "alexnet", side: 224, outputs: 1000 },
    Network { name: "resnet50", side: 224, outputs: 1000 },
    Network { name: "vgg19", side: 224, outputs: 1000 },
    Network { name: "ssd", side: 300, outputs: 8732 * 85 },
];

/// Writes the repository of a server to `folder`; returns the changes to a ready model, as text.
///
/// # Errors
/// When a file cannot be written, a ready model cannot be read, or the source has no such model.
pub(super) fn write(spec: &LaunchSpec, folder: &Path) -> Result<Vec<String>, LaunchError> {
    let name = served_as(spec);
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        || name.starts_with('.')
    {
        return Err(LaunchError::Model {
            model: spec.model.clone(),
            reason: "its name cannot be the name of a folder".to_owned(),
            fix: "use letters, digits, `-`, `_` and `.` in names of models".to_owned(),
        });
    }
    let model = folder.join(&name);
    match &spec.source {
        ModelSource::Emulated { times_ms, input_dims } => {
            let largest = spec.max_batch().get() as usize;
            if times_ms.len() < largest {
                return Err(LaunchError::Model {
                    model: spec.model.clone(),
                    reason: format!(
                        "{} times are given for batches of up to {largest} requests",
                        times_ms.len()
                    ),
                    fix: "give one time for each batch size".to_owned(),
                });
            }
            let dims = if spec.batching.variable_shape {
                vec![-1; input_dims.len()]
            } else {
                input_dims.iter().copied().map(i64::from).collect()
            };
            let times: Vec<String> = times_ms.iter().map(ToString::to_string).collect();
            let config = pbtxt::generated(
                spec,
                &fp32("IN", dims),
                &fp32("OUT", vec![1]),
                &[("times_ms", times.join(","))],
            );
            python_model(&model, &config, EMULATED)
        }
        ModelSource::Torchvision { half } => {
            let network =
                NETWORKS.iter().find(|network| network.name == name).ok_or_else(|| {
                    LaunchError::Model {
                        model: spec.model.clone(),
                        reason: "torchvision makes no network of this name here".to_owned(),
                        fix: format!(
                            "use one of {}, or give a ready model repository with --models DIR",
                            NETWORKS.map(|network| network.name).join(", ")
                        ),
                    }
                })?;
            let config = pbtxt::generated(
                spec,
                &fp32("IN", vec![3, network.side, network.side]),
                &fp32("OUT", vec![network.outputs]),
                &[
                    ("network", name.clone()),
                    ("half", half.to_string()),
                    ("seed", WEIGHTS_SEED.to_string()),
                ],
            );
            python_model(&model, &config, TORCHVISION)
        }
        ModelSource::Ready(from) => ready_model(spec, from, &model),
    }
}

fn fp32(name: &str, dims: Vec<i64>) -> TensorSpec {
    TensorSpec { name: name.to_owned(), datatype: "FP32".to_owned(), dims }
}

fn python_model(folder: &Path, config: &str, code: &str) -> Result<Vec<String>, LaunchError> {
    let version = folder.join("1");
    let files = [
        (folder.join("config.pbtxt"), config),
        (version.join("model.py"), code),
        (version.join("igniter_instance.py"), INSTANCE_MODULE),
    ];
    fs::create_dir_all(&version).map_err(LaunchError::file(&version))?;
    for (path, text) in files {
        fs::write(&path, text).map_err(LaunchError::file(&path))?;
    }
    Ok(Vec::new())
}

/// Copies a ready model, with a configuration that serves the plan; returns the changes, as text.
fn ready_model(spec: &LaunchSpec, from: &Path, to: &Path) -> Result<Vec<String>, LaunchError> {
    let refused =
        |reason: String, fix: String| LaunchError::Model { model: spec.model.clone(), reason, fix };
    if !from.is_dir() {
        let parent = from.parent().unwrap_or(from);
        let mut there: Vec<String> = fs::read_dir(parent)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.path().is_dir())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        there.sort();
        return Err(refused(
            format!("there is no folder {}", from.display()),
            format!(
                "--models names the folder that holds one folder for each model; it holds {}",
                there.join(", ")
            ),
        ));
    }
    let config = from.join("config.pbtxt");
    // The server completes a configuration that lacks tensors, but does not change what it states.
    let adapted = if !config.exists() {
        ready::completed_by_server(spec)
    } else {
        let text = fs::read_to_string(&config).map_err(LaunchError::file(&config))?;
        ready::adapted(&text, spec).map_err(|refusal| {
            refused(format!("{}: {}", config.display(), refusal.reason), refusal.fix)
        })?
    };
    copy_folder(from, to, 0)?;
    let path = to.join("config.pbtxt");
    // The copy may be a link to the original, so the file is created anew.
    let _ = fs::remove_file(&path);
    fs::write(&path, adapted.text).map_err(LaunchError::file(&path))?;
    Ok(adapted.changes)
}

/// The maximum depth of nested folders; more means that a link leads back to a parent folder.
const DEEPEST: usize = 32;

/// Copies a folder, following its links; large files are linked instead where that is possible.
fn copy_folder(from: &Path, to: &Path, depth: usize) -> Result<(), LaunchError> {
    if depth > DEEPEST {
        let source = io::Error::other("folders in it are nested without end: a link leads back");
        return Err(LaunchError::File { path: from.to_owned(), source });
    }
    fs::create_dir_all(to).map_err(LaunchError::file(to))?;
    for entry in fs::read_dir(from).map_err(LaunchError::file(from))? {
        let entry = entry.map_err(LaunchError::file(from))?;
        let target = to.join(entry.file_name());
        // A relative link would point to another place from its copy.
        let source = fs::canonicalize(entry.path()).map_err(LaunchError::file(&entry.path()))?;
        if source.is_dir() {
            copy_folder(&source, &target, depth + 1)?;
        } else {
            fs::hard_link(&source, &target)
                .or_else(|_| fs::copy(&source, &target).map(drop))
                .map_err(LaunchError::file(&source))?;
        }
    }
    Ok(())
}

impl LaunchError {
    pub(super) fn file(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::spec;
    use super::*;

    #[test]
    fn an_emulated_model_is_its_table() {
        let folder = tempfile::tempdir().unwrap();
        let mut emulated = spec("alexnet", 2);
        emulated.source = ModelSource::Emulated { times_ms: vec![1.5, 2.0], input_dims: vec![4] };
        write(&emulated, folder.path()).unwrap();
        let config = fs::read_to_string(folder.path().join("alexnet/config.pbtxt")).unwrap();
        let expected = "name: \"alexnet\"\nbackend: \"python\"\nmax_batch_size: 2\n\
            input [{ name: \"IN\", data_type: TYPE_FP32, dims: [4] }]\n\
            output [{ name: \"OUT\", data_type: TYPE_FP32, dims: [1] }]\n\
            instance_group [{ count: 1, kind: KIND_CPU }]\n\
            dynamic_batching { max_queue_delay_microseconds: 2500 }\n\
            parameters { key: \"FORCE_CPU_ONLY_INPUT_TENSORS\", value: { string_value: \"no\" } }\n\
            parameters { key: \"times_ms\", value: { string_value: \"1.5,2\" } }\n";
        assert_eq!(config, expected);
        assert!(folder.path().join("alexnet/1/model.py").is_file());

        emulated.source = ModelSource::Emulated { times_ms: vec![1.5], input_dims: vec![4] };
        let error = write(&emulated, folder.path()).unwrap_err().to_string();
        assert!(error.contains("1 times are given for batches of up to 2 requests"), "{error}");
    }

    #[test]
    fn a_ready_model_is_copied_and_its_original_stays() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        fs::create_dir_all(from.join("1")).unwrap();
        fs::write(from.join("config.pbtxt"), "platform: \"onnxruntime_onnx\"").unwrap();
        fs::write(from.join("1/model.onnx"), "weights").unwrap();
        let mut ready = spec("alexnet", 7);
        ready.source = ModelSource::Ready(from.clone());
        let to = folder.path().join("to");
        write(&ready, &to).unwrap();
        let config = fs::read_to_string(to.join("alexnet/config.pbtxt")).unwrap();
        assert!(config.contains("max_batch_size: 7") && config.contains("onnxruntime"), "{config}");
        assert_eq!(fs::read_to_string(to.join("alexnet/1/model.onnx")).unwrap(), "weights");
        let original = fs::read_to_string(from.join("config.pbtxt")).unwrap();
        assert_eq!(original, "platform: \"onnxruntime_onnx\"");
    }

    #[test]
    fn networks_that_nobody_can_make_are_named_with_those_that_can_be_made() {
        let folder = tempfile::tempdir().unwrap();
        let mut unknown = spec("bert", 1);
        unknown.source = ModelSource::Torchvision { half: true };
        let error = write(&unknown, folder.path()).unwrap_err().to_string();
        assert!(error.contains("alexnet, resnet50, vgg19, ssd"), "{error}");
        let outside = write(&spec("../x", 1), folder.path()).unwrap_err().to_string();
        assert!(outside.contains("name of a folder"), "{outside}");
    }
}
