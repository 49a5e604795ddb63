//! Prepares the models of the artifact: torchvision's networks as ONNX files, in a Triton repository.

use crate::launch::in_path;
use anyhow::{Context, bail};
use igniter::results::FileHash;
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The source of the program that exports models.
const EXPORT: &str = include_str!("export.py");
/// The source of the program that serves an ONNX file in Triton's Python backend.
const SERVE: &str = include_str!("serve.py");
/// The names of the available models.
pub const MODELS: [&str; 4] = ["alexnet", "resnet50", "vgg19", "ssd"];
/// The name of the checksum file, in the format that `sha256sum --check` reads.
pub const CHECKSUMS: &str = "SHA256SUMS";

/// Options for preparing models.
#[derive(Debug, Clone)]
pub struct PrepareOptions {
    /// The models to prepare.
    pub models: Vec<String>,
    /// The maximum batch size, for which engines are built and which the configurations state.
    pub max_batch: u32,
    /// The version of the ONNX operator set.
    pub opset: u32,
    /// Whether to download torchvision's trained weights instead of using seeded random ones.
    pub pretrained: bool,
    /// The Python interpreter that has torch, torchvision and onnx.
    pub python: PathBuf,
    /// NVIDIA's `trtexec`, to build TensorRT engines; `None`: models stay in ONNX format.
    pub trtexec: Option<PathBuf>,
    /// Whether Triton's Python backend serves ONNX files, for servers without an ONNX backend.
    pub by_python: bool,
}

/// A prepared model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PreparedModel {
    /// The model's name in the repository.
    pub name: String,
    pub file: PathBuf,
    pub input: String,
    pub output: String,
    /// The dimensions of the input without the batch.
    pub input_dims: Vec<u32>,
    /// The dimensions of the output without the batch.
    pub output_dims: Vec<u32>,
}

#[derive(Debug, Deserialize)]
struct Exported {
    models: Vec<PreparedModel>,
}

/// Searches for `trtexec`, first in `PATH`, then at its path in NVIDIA's images.
#[must_use]
pub fn find_trtexec() -> Option<PathBuf> {
    let usual = Path::new("/usr/src/tensorrt/bin/trtexec");
    in_path("trtexec").or_else(|| usual.is_file().then(|| usual.to_owned()))
}

/// Prepares models in a folder; other models in the folder are kept.
///
/// # Errors
/// When Python or one of its packages is missing, an export or an engine build fails, or a file cannot be
/// written.
pub fn prepare(folder: &Path, options: &PrepareOptions) -> anyhow::Result<Vec<PreparedModel>> {
    fs::create_dir_all(folder).with_context(|| format!("cannot use {}", folder.display()))?;
    let script = tempfile::NamedTempFile::new().context("cannot write a temporary file")?;
    fs::write(script.path(), EXPORT)?;
    let weights = if options.pretrained { "pretrained" } else { "random" };
    let output = Command::new(&options.python)
        .arg(script.path())
        .arg(folder)
        .args([&options.models.join(","), &options.opset.to_string(), weights])
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", options.python.display()))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        bail!(
            "the export failed ({}): {last}; fix: name a Python that has torch, torchvision and onnx with --python, such as \
             that of a virtual environment (pip install torch torchvision onnx)",
            output.status
        );
    }
    // Exporters may print other text first; the document is the last line.
    let text = String::from_utf8_lossy(&output.stdout);
    let document = text.lines().rfind(|line| line.starts_with('{')).unwrap_or_default();
    let mut exported: Exported =
        serde_json::from_str(document).context("the export did not say what it made")?;
    for model in &mut exported.models {
        if let Some(trtexec) = &options.trtexec {
            model.file = engine(trtexec, model, options.max_batch)?;
        }
        if options.by_python {
            let path = model.file.with_file_name("model.py");
            fs::write(&path, SERVE).with_context(|| format!("cannot write {}", path.display()))?;
        }
        let config = config(model, options);
        let path = folder.join(&model.name).join("config.pbtxt");
        fs::write(&path, config).with_context(|| format!("cannot write {}", path.display()))?;
    }
    checksums(folder)?;
    Ok(exported.models)
}

/// Builds a TensorRT engine in the folder of the ONNX file, which it replaces.
fn engine(trtexec: &Path, model: &PreparedModel, max_batch: u32) -> anyhow::Result<PathBuf> {
    let plan = model.file.with_file_name("model.plan");
    let dims: Vec<String> = model.input_dims.iter().map(ToString::to_string).collect();
    let shape = |batch: u32| format!("{}:{batch}x{}", model.input, dims.join("x"));
    let output = Command::new(trtexec)
        .arg(format!("--onnx={}", model.file.display()))
        .arg(format!("--saveEngine={}", plan.display()))
        .arg(format!("--minShapes={}", shape(1)))
        .arg(format!("--optShapes={}", shape(max_batch)))
        .arg(format!("--maxShapes={}", shape(max_batch)))
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", trtexec.display()))?;
    if !output.status.success() || !plan.is_file() {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
        bail!("{}: trtexec failed ({}): {last}", model.name, output.status);
    }
    fs::remove_file(&model.file)
        .with_context(|| format!("cannot remove {}", model.file.display()))?;
    Ok(plan)
}

/// Returns a configuration like that of the artifact: both the artifact's launcher and this crate's insert
/// the planned batch size.
fn config(model: &PreparedModel, options: &PrepareOptions) -> String {
    let runtime = match (&options.trtexec, options.by_python) {
        (Some(_), _) => "platform: \"tensorrt_plan\"",
        (None, true) => "backend: \"python\"",
        (None, false) => "platform: \"onnxruntime_onnx\"",
    };
    let list = |dims: &[u32]| dims.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    format!(
        "name: \"{}\"\n{runtime}\nmax_batch_size: {}\n\
         input [\n  {{\n    name: \"{}\"\n    data_type: TYPE_FP32\n    dims: [ {} ]\n  }}\n]\n\
         output [\n  {{\n    name: \"{}\"\n    data_type: TYPE_FP32\n    dims: [ {} ]\n  }}\n]\n\
         dynamic_batching {{\n  preferred_batch_size: [ {} ]\n  max_queue_delay_microseconds: 100000\n}}\n",
        model.name,
        options.max_batch,
        model.input,
        list(&model.input_dims),
        model.output,
        list(&model.output_dims),
        options.max_batch
    )
}

/// Writes the checksums of all model files of a repository.
fn checksums(folder: &Path) -> anyhow::Result<()> {
    let mut lines = Vec::new();
    let failed = || format!("cannot read {}", folder.display());
    for entry in fs::read_dir(folder).with_context(failed)?.flatten() {
        for version in fs::read_dir(entry.path()).into_iter().flatten().flatten() {
            for file in fs::read_dir(version.path()).into_iter().flatten().flatten() {
                let hash = FileHash::of(&file.path())
                    .with_context(|| format!("cannot read {}", file.path().display()))?;
                let name =
                    file.path().strip_prefix(folder).map_or_else(|_| file.path(), Path::to_owned);
                lines.push(format!("{}  {}\n", hash.sha256, name.display()));
            }
        }
    }
    lines.sort_by(|a, b| a[66..].cmp(&b[66..]));
    let path = folder.join(CHECKSUMS);
    fs::write(&path, lines.concat()).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packages of these names that export a line of text: what is tested is everything around the export.
    fn packages(folder: &Path) {
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "torch/__init__.py",
            "from . import nn, onnx\n__version__ = '0'\ndef manual_seed(s): pass\n\
             class _T:\n    def __init__(self, *shape): self.shape = shape\n\
             def zeros(*shape): return _T(*shape)\ndef cat(all, dim): return _T(2, 8732, 85)\n\
             class no_grad:\n    def __enter__(self): pass\n    def __exit__(self, *a): pass\n",
        );
        write(
            "torch/nn.py",
            "class Module:\n    def __init__(self): pass\n    def eval(self): return self\n    \
             def __call__(self, x): return self.forward(x)\n",
        );
        write(
            "torch/onnx.py",
            "def export(model, example, path, dynamo=None, **options):\n    print('a line of the exporter')\n    \
             open(path, 'w').write(str(sorted(options)))\n",
        );
        write("torchvision/__init__.py", "from . import models\n__version__ = '0'\n");
        write(
            "torchvision/models/__init__.py",
            "import torch\nfrom . import detection\nclass _N(torch.nn.Module):\n    \
             def forward(self, x): return torch.zeros(2, 1000)\n\
             def alexnet(weights): return _N()\n",
        );
        write(
            "torchvision/models/detection.py",
            "class _S:\n    backbone = staticmethod(lambda x: {'0': x})\n    head = staticmethod(lambda f: \
             {'bbox_regression': 0, 'cls_logits': 0})\ndef ssd300_vgg16(weights, weights_backbone): return _S()\n",
        );
    }

    fn options(python: PathBuf) -> PrepareOptions {
        PrepareOptions {
            models: vec!["alexnet".to_owned(), "ssd".to_owned()],
            max_batch: 32,
            opset: 11,
            pretrained: false,
            python,
            trtexec: None,
            by_python: false,
        }
    }

    /// A Python that finds those packages.
    fn python(root: &Path) -> Option<PathBuf> {
        use std::os::unix::fs::PermissionsExt;
        let real = in_path("python3")?;
        packages(&root.join("packages"));
        let path = root.join("python");
        let script = format!(
            "#!/bin/sh\nPYTHONPATH={} exec {} \"$@\"\n",
            root.join("packages").display(),
            real.display()
        );
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Some(path)
    }

    #[test]
    fn a_repository_is_laid_out_as_the_artifacts() {
        let root = tempfile::tempdir().unwrap();
        let Some(python) = python(root.path()) else { return };
        let folder = root.path().join("model");
        let made = prepare(&folder, &options(python)).unwrap();
        assert_eq!(made[1].output_dims, [8732, 85]);
        let config = fs::read_to_string(folder.join("alexnet_dynamic/config.pbtxt")).unwrap();
        for line in [
            "platform: \"onnxruntime_onnx\"",
            "name: \"actual_input_alexnet\"",
            "dims: [ 3, 224, 224 ]",
            "max_queue_delay_microseconds: 100000",
        ] {
            assert!(config.contains(line), "{config}");
        }
        assert!(folder.join("ssd_dynamic/1/model.onnx").is_file());
        let sums = fs::read_to_string(folder.join(CHECKSUMS)).unwrap();
        let names: Vec<&str> = sums.lines().map(|line| &line[66..]).collect();
        assert_eq!(names, ["alexnet_dynamic/1/model.onnx", "ssd_dynamic/1/model.onnx"]);
    }

    #[test]
    fn a_server_without_a_backend_for_onnx_gets_a_program() {
        let root = tempfile::tempdir().unwrap();
        let Some(python) = python(root.path()) else { return };
        let folder = root.path().join("model");
        prepare(&folder, &PrepareOptions { by_python: true, ..options(python) }).unwrap();
        let config = fs::read_to_string(folder.join("alexnet_dynamic/config.pbtxt")).unwrap();
        assert!(config.contains("backend: \"python\"") && !config.contains("platform"), "{config}");
        let version = folder.join("alexnet_dynamic/1");
        assert!(version.join("model.onnx").is_file());
        assert!(
            fs::read_to_string(version.join("model.py")).unwrap().contains("TritonPythonModel")
        );
        let sums = fs::read_to_string(folder.join(CHECKSUMS)).unwrap();
        assert!(sums.contains("alexnet_dynamic/1/model.py"), "{sums}");
    }

    #[test]
    fn engines_take_the_place_of_onnx_where_trtexec_is() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let Some(python) = python(root.path()) else { return };
        let trtexec = root.path().join("trtexec");
        let script = "#!/bin/sh\nfor a in \"$@\"; do case $a in --saveEngine=*) echo \"$@\" >\"${a#*=}\";; esac; done\n";
        fs::write(&trtexec, script).unwrap();
        fs::set_permissions(&trtexec, fs::Permissions::from_mode(0o755)).unwrap();
        let folder = root.path().join("model");
        let with_engines = PrepareOptions { trtexec: Some(trtexec), ..options(python) };
        prepare(&folder, &with_engines).unwrap();
        let version = folder.join("alexnet_dynamic/1");
        let asked = fs::read_to_string(version.join("model.plan")).unwrap();
        assert!(asked.contains("--maxShapes=actual_input_alexnet:32x3x224x224"), "{asked}");
        assert!(!version.join("model.onnx").exists());
        let config = fs::read_to_string(folder.join("alexnet_dynamic/config.pbtxt")).unwrap();
        assert!(config.contains("tensorrt_plan"), "{config}");
    }

    #[test]
    fn a_python_without_torch_is_named_with_the_fix() {
        let root = tempfile::tempdir().unwrap();
        let Some(real) = in_path("python3") else { return };
        let failed = prepare(&root.path().join("m"), &options(real));
        // Where this machine's Python has torch, it does export.
        if let Err(error) = failed {
            assert!(error.to_string().contains("pip install torch torchvision onnx"), "{error}");
        }
    }
}
