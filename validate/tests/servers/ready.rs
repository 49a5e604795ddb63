//! Model repositories as people have them.

use crate::support::{ONE, Running, Setting};
use std::fs;
use std::os::unix::fs::symlink;

const ECHO: &str = "import triton_python_backend_utils as pb\nclass TritonPythonModel:\n    \
    def execute(self, requests):\n        \
    return [pb.InferenceResponse([pb.Tensor('Y', pb.get_input_tensor_by_name(r, 'X').as_numpy())]) for r in requests]\n";
const TENSORS: &str = "input [ { name: \"X\" data_type: TYPE_FP32 dims: [ 4 ] } ]\n\
    output [ { name: \"Y\" data_type: TYPE_FP32 dims: [ 4 ] } ]\n";

/// Serves the models of the setting's folder `models`.
fn launch(setting: &Setting) -> Running {
    let one = setting.write("one.toml", ONE);
    let models = setting.path("models");
    setting.launch_scenario(&one, &["--models", models.to_str().unwrap(), "--start-limit-s", "20"])
}

/// That it is ready, and what was said.
fn served(setting: &Setting) -> String {
    let mut running = launch(setting);
    assert_eq!(running.servers().len(), 1);
    running.signal("TERM");
    let (code, errors) = running.wait();
    assert_eq!(code, Some(0), "{errors}");
    setting.assert_nothing_left();
    errors
}

fn refused(setting: &Setting) -> String {
    let (code, errors) = launch(setting).wait();
    assert_eq!(code, Some(2), "{errors}");
    setting.assert_nothing_left();
    errors
}

#[test]
fn links_are_followed() {
    let Some(setting) = Setting::new("ready-links") else { return };
    setting.write("blobs/3fa9", ECHO);
    let config = format!("backend: \"python\"\nmax_batch_size: 4\n{TENSORS}");
    setting.write("models/alexnet/config.pbtxt", &config);
    let version = setting.path("models/alexnet/1");
    fs::create_dir(&version).unwrap();
    symlink("../../../blobs/3fa9", version.join("model.py")).unwrap();
    served(&setting);
    // A version that is a link to a folder elsewhere.
    fs::remove_dir_all(&version).unwrap();
    setting.write("store/v7/model.py", ECHO);
    symlink("../../store/v7", &version).unwrap();
    served(&setting);
    fs::remove_file(&version).unwrap();
    symlink("nowhere", &version).unwrap();
    let errors = refused(&setting);
    assert!(errors.contains("models/alexnet/1") && errors.contains("No such file"), "{errors}");
}

#[test]
fn without_a_configuration_the_server_completes_it() {
    let Some(setting) = Setting::new("ready-none") else { return };
    let code = |batch: u32| {
        format!(
            "{ECHO}    @staticmethod\n    def auto_complete_config(c):\n        \
             c.add_input({{'name': 'X', 'data_type': 'TYPE_FP32', 'dims': [4]}})\n        \
             c.add_output({{'name': 'Y', 'data_type': 'TYPE_FP32', 'dims': [4]}})\n        \
             c.set_max_batch_size({batch})\n        return c\n"
        )
    };
    // The plan has batches of one request.
    setting.write("models/alexnet/1/model.py", &code(1));
    let errors = served(&setting);
    assert!(errors.contains("there is no config.pbtxt: Triton completes"), "{errors}");
    // A model that sets another batch size than the plan's is not what was planned.
    let Some(setting) = Setting::new("ready-none-8") else { return };
    setting.write("models/alexnet/1/model.py", &code(8));
    let errors = refused(&setting);
    assert!(errors.contains("max_batch_size is 8, but the plan says 1"), "{errors}");
}

#[test]
fn instances_are_the_plans_and_changes_are_said() {
    let Some(setting) = Setting::new("ready-two") else { return };
    let config = format!(
        "backend: \"py\" \"thon\"\nmax_batch_size: 4\n{TENSORS}instance_group [ {{ count: 2 kind: KIND_CPU }} ]\ndynamic_batching {{ preserve_ordering: true }}\n"
    );
    setting.write("models/alexnet/config.pbtxt", &config);
    setting.write("models/alexnet/1/model.py", ECHO);
    let errors = served(&setting);
    assert!(errors.contains("the plan's 1 instances (was 2)"), "{errors}");
    assert!(errors.contains("its own preserve_ordering is replaced"), "{errors}");
}

#[test]
fn models_that_batch_in_another_way_are_refused_before_a_server_starts() {
    let sequence = "sequence_batching { direct { } control_input [ { name: \"START\" control [ { kind: \
        CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] } ] } ] }";
    let ensemble = "platform: \"ensemble\" ensemble_scheduling { step [ { model_name: \"inner\" model_version: -1 } ] }";
    for (more, batch, words) in [
        (sequence, 4, "sequence_batching"),
        (ensemble, 4, "it is an ensemble"),
        ("model_transaction_policy { decoupled: true }", 4, "decoupled"),
    ] {
        let Some(setting) = Setting::new("ready-other") else { return };
        let config = format!("max_batch_size: {batch}\n{TENSORS}{more}\n");
        setting.write("models/alexnet/config.pbtxt", &config);
        setting.write("models/alexnet/1/model.py", ECHO);
        let errors = refused(&setting);
        assert!(errors.contains(words) && errors.contains("fix: "), "{errors}");
        assert_eq!(errors.matches(words).count(), 1, "said once: {errors}");
    }
}

#[test]
fn a_model_that_does_not_batch_is_served_as_it_is_where_the_plan_has_no_batches() {
    let Some(setting) = Setting::new("ready-0") else { return };
    let config = format!("backend: \"python\"\nmax_batch_size: 0\n{TENSORS}");
    setting.write("models/alexnet/config.pbtxt", &config);
    setting.write("models/alexnet/1/model.py", ECHO);
    let models = setting.path("models");
    let flags = [
        "--models",
        models.to_str().unwrap(),
        "--duration-s",
        "2",
        "--calibration-s",
        "0",
        "--quiet",
    ];
    let out = setting.path("run");
    let one = setting.write("one.toml", &format!("{ONE}[batching]\nmax_batch = 1\n"));
    let (code, errors) = setting.run(&one, &out, &flags).wait();
    assert!(matches!(code, Some(0 | 1)), "{errors}");
    assert!(errors.contains("max_batch_size stays 0"), "{errors}");
    let requests = fs::read_to_string(out.join("requests.csv")).unwrap();
    // Tensors of four numbers came back.
    assert_eq!(requests.lines().filter(|line| line.contains(",16,")).count(), 200, "{requests}");
    let one = setting.write("one.toml", &format!("{ONE}[batching]\nmax_batch = 2\n"));
    let (code, errors) = setting.run(&one, &setting.path("refused"), &flags).wait();
    assert_eq!(code, Some(2), "{errors}");
    assert!(
        errors.contains("the model does not batch") && errors.contains("fix: plan batches of 1"),
        "{errors}"
    );
    setting.assert_nothing_left();
}

#[test]
fn sizes_that_are_open_have_to_be_given() {
    let Some(setting) = Setting::new("ready-open") else { return };
    let config = format!(
        "backend: \"python\"\nmax_batch_size: 64\n{}",
        TENSORS.replace("[ 4 ]", "[ -1, 3 ]")
    );
    setting.write("models/alexnet/config.pbtxt", &config);
    setting.write("models/alexnet/1/model.py", ECHO);
    let one = setting.write("one.toml", ONE);
    let (out, models) = (setting.path("run"), setting.path("models"));
    let run = |more: &[&str]| {
        let flags = [
            "--models",
            models.to_str().unwrap(),
            "--duration-s",
            "2",
            "--calibration-s",
            "0",
            "--quiet",
        ];
        setting.run(&one, &out, &[&flags[..], more].concat()).wait()
    };
    let (code, errors) = run(&[]);
    assert_eq!(code, Some(2), "{errors}");
    assert!(errors.contains("leaves sizes open ([-1, 3] without the batch)"), "{errors}");
    assert!(errors.contains("--shape X:N,3"), "{errors}");
    let (code, errors) = run(&["--shape", "X:4,3"]);
    assert!(matches!(code, Some(0 | 1)), "{code:?} {errors}");
    let rows = fs::read_to_string(out.join("requests.csv")).unwrap();
    assert!(rows.lines().nth(1).unwrap().contains(",48,"), "12 numbers come back: {rows}");
    setting.assert_nothing_left();
}
