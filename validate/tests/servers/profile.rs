//! Campaigns of `validate profile` in which something does not work.

use crate::support::{Running, Setting};
use std::fs;
use std::path::Path;

const CONFIG: &str = "backend: \"python\"\nmax_batch_size: 8\n\
    input [{ name: \"IN\", data_type: TYPE_FP32, dims: [4] }]\noutput [{ name: \"OUT\", data_type: TYPE_FP32, dims: [4] }]\n\
    instance_group [{ count: 1, kind: KIND_CPU }]\n";
const MODEL: &str = "
import time
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        time.sleep(0.002)
        answer = lambda request: pb_utils.get_input_tensor_by_name(request, 'IN').as_numpy()
        tensors = [pb_utils.Tensor('OUT', answer(request)) for request in requests]
        return [pb_utils.InferenceResponse([tensor]) for tensor in tensors]
";

/// Measures two models, of which one cannot be loaded.
fn profile(setting: &Setting, models: &Path, flags: &[&str]) -> Running {
    let triton = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.triton/tritonserver");
    let out = setting.path("mine");
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (models, triton, out) = (text(models), text(&triton), text(&out));
    let mut arguments =
        vec!["profile", "--models", &models, "--triton", &triton, "-o", &out, "--no-pairs"];
    arguments.extend(["--model", "vgg19,alexnet", "--batches", "1,4", "--shares", "50,100"]);
    // The same on a machine with a GPU.
    let none = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/emulated_gpu/none.json");
    arguments.extend(["--seconds", "0.3", "--gpu-recording", none]);
    arguments.extend(flags);
    setting.validate(&arguments)
}

#[test]
fn a_model_that_does_not_load_costs_only_its_own_points() {
    let Some(setting) = Setting::new("profile") else { return };
    for (model, code) in [("alexnet", MODEL), ("vgg19", "raise RuntimeError('no such network')")] {
        setting.write(&format!("models/{model}/config.pbtxt"), CONFIG);
        setting.write(&format!("models/{model}/1/model.py"), code);
    }
    let models = setting.path("models");
    let (code, errors) = profile(&setting, &models, &[]).wait();
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("no such network"), "{errors}");
    assert!(errors.contains("could not measure 4 points: vgg19:"), "{errors}");
    setting.assert_nothing_left();
    let out = setting.path("mine");
    let profile_of = || igniter::profile::read_profile(&out).unwrap();
    assert_eq!((profile_of().models.len(), profile_of().models[0].solo.len()), (1, 4));
    let log = fs::read_dir(out.join("logs/1")).unwrap().next().unwrap().unwrap().path();
    assert!(errors.contains("logs/1") && log.is_file(), "{errors}");
    let journal = || fs::read_to_string(out.join("journal.jsonl")).unwrap();
    assert_eq!(journal().lines().count(), 5, "what it is, and four points");

    // What is there is not measured again; what is missing is tried again.
    let before = journal();
    let (code, errors) = profile(&setting, &models, &[]).wait();
    assert_eq!((code, journal() == before), (Some(1), true), "{errors}");
    // Measurements of something else do not mix with it.
    let (code, errors) = profile(&setting, Path::new("emulated"), &[]).wait();
    assert_eq!(code, Some(2));
    assert!(
        errors.contains("--models: measured with") && errors.contains("another folder"),
        "{errors}"
    );
    assert_eq!(journal(), before);
}
