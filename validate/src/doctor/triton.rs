//! Checks Triton: a program or an image, and whether a server with a Python model really answers.

use super::{DoctorCheck, DoctorOptions, MachineNeed, Status};
use crate::client::{ControlError, ServerClient};
use crate::guard::ScratchFolder;
use crate::launch::{
    Endpoint, LaunchSpec, Launcher, LocalLauncher, ModelSource, Release, ServerOptions, Sharing,
    find_triton, in_path, read_reports,
};
use igniter::domain::{ModelName, WorkloadName};
use igniter::sim::BatchingSpec;
use igniter::units::{BatchSize, SmPercent};
use serde_json::json;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub(super) fn check(options: &DoctorOptions, need: MachineNeed, checks: &mut Vec<DoctorCheck>) {
    let image = check_docker(&options.image);
    match find_triton(options.triton.as_deref()) {
        Ok(program) => {
            checks.push(DoctorCheck::ok("Triton", program.display().to_string()));
            if options.start {
                check_server(options, need, &program, checks);
            }
        }
        Err(_) if image.status == Status::Ok => checks.push(DoctorCheck {
            status: Status::Unneeded,
            ..DoctorCheck::missing(
                "Triton",
                "no tritonserver on this machine",
                "use --launcher docker",
            )
        }),
        Err(error) => checks.push(DoctorCheck::missing(
            "Triton",
            error.to_string().split("; fix: ").next().unwrap_or_default(),
            "run scripts/setup_triton.sh, or install Docker and pull NVIDIA's image",
        )),
    }
    checks.push(image);
}

/// Starts a server with an emulated model, sends it one request, and ends it.
fn check_server(
    options: &DoctorOptions,
    need: MachineNeed,
    program: &Path,
    checks: &mut Vec<DoctorCheck>,
) {
    let scratch = ScratchFolder::create(&options.guard, "igniter-doctor-");
    let tried = scratch.map_err(|error| error.to_string()).and_then(|folder| {
        let server = try_server(options, program, folder.path())?;
        let reports = read_reports(&folder.path().join("servers/0-doctor/instances"))?;
        Ok((server, reports))
    });
    let (server, reports) = match tried {
        Ok(found) => found,
        Err(reason) => {
            let fix = "see the message; where the Python backend misses libpython3.X.so.1.0, put its folder \
                into LD_LIBRARY_PATH; where answers are empty, install numpy < 2 for its Python";
            checks.push(DoctorCheck::missing("Python backend", reason, fix));
            return;
        }
    };
    checks.push(DoctorCheck::ok("Python backend", server));
    let Some(report) = reports.into_iter().next() else { return };
    let version = |version: Option<String>| version.unwrap_or_else(|| "none".to_owned());
    let numpy = report.numpy.clone().unwrap_or_default();
    let found = format!("Python {}, NumPy {}", version(report.python), version(report.numpy));
    checks.push(if numpy.starts_with("2.") {
        DoctorCheck::warning(
            "NumPy",
            found,
            "before release 25.01 Triton delivers empty tensors with NumPy 2: install numpy < 2",
        )
    } else {
        DoctorCheck::ok("NumPy", found)
    });
    checks.push(match (report.torch, report.torchvision) {
        (Some(torch), Some(torchvision)) => {
            DoctorCheck::ok("PyTorch", format!("torch {torch}, torchvision {torchvision}"))
        }
        (torch, torchvision) => DoctorCheck::missing(
            "PyTorch",
            format!("torch {}, torchvision {}", version(torch), version(torchvision)),
            "for the models of torchvision: install both for the Python of the backend, or name their folder in \
             PYTHONPATH; emulated models and ready repositories need neither",
        )
        .for_gpus(need),
    });
}

fn try_server(options: &DoctorOptions, program: &Path, folder: &Path) -> Result<String, String> {
    let name = |text: &str| WorkloadName::new(text).map_err(|error| error.to_string());
    let spec = LaunchSpec {
        gpu: 0,
        device: None,
        workload: name("doctor")?,
        model: ModelName::new("emulated").map_err(|error| error.to_string())?,
        batch: BatchSize::ONE,
        sm: SmPercent::new(100.0).map_err(|error| error.to_string())?,
        unit: SmPercent::new(100.0).map_err(|error| error.to_string())?,
        batching: BatchingSpec::default(),
        source: ModelSource::Emulated { times_ms: vec![1.0], input_dims: vec![4] },
        active: true,
        replica: 0,
    };
    let options = ServerOptions {
        devices: Vec::new(),
        sharing: Sharing::Off,
        release: Release::of_program(program),
        first_port: None,
        start_limit: Duration::from_secs(60),
        traces: false,
        exit_limit: Duration::from_secs(5),
        guard: options.guard.clone(),
        scratch: folder.to_owned(),
    };
    let mut launcher = LocalLauncher { triton: program.to_owned(), options };
    let started = Instant::now();
    let deployment = launcher.launch(&[spec], folder).map_err(|error| error.to_string())?;
    let ready_after = started.elapsed().as_secs_f64();
    let version = ask(&deployment.endpoints()[0])?;
    deployment.stop().map_err(|error| error.to_string())?;
    Ok(format!("Triton {version} is ready after {ready_after:.1} s and answers"))
}

/// Sends one request; returns the version of the server.
fn ask(endpoint: &Endpoint) -> Result<String, String> {
    let said = |error: ControlError| error.to_string();
    let input = json!({"inputs": [
        {"name": "IN", "datatype": "FP32", "shape": [1, 4], "data": [41.0, 0.0, 0.0, 0.0]}
    ]});
    let server = ServerClient::new(&endpoint.url);
    let answer = server.infer(&endpoint.served_as, &input).map_err(said)?;
    let number = answer["outputs"][0]["data"][0].as_f64();
    if number != Some(42.0) {
        return Err(format!("the model should answer 42, not {answer}"));
    }
    let about = server.metadata().map_err(said)?;
    Ok(about["version"].as_str().unwrap_or("of no version").to_owned())
}

fn check_docker(image: &str) -> DoctorCheck {
    let unneeded = |found: String, fix: String| DoctorCheck {
        status: Status::Unneeded,
        ..DoctorCheck::missing("container", found, fix)
    };
    let Some(docker) = in_path("docker").or_else(|| in_path("podman")) else {
        return unneeded(
            "no docker, no podman".to_owned(),
            "to run Triton from NVIDIA's image, install Docker and NVIDIA's container toolkit"
                .to_owned(),
        );
    };
    let run = |arguments: &[&str]| {
        Command::new(&docker)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    let name = docker.display().to_string();
    if !run(&["info"]) {
        return unneeded(
            format!("{name}, but no daemon answers"),
            "start the Docker service, or let this user reach it (group docker)".to_owned(),
        );
    }
    if !run(&["image", "inspect", image]) {
        return unneeded(format!("{name}, without {image}"), format!("{name} pull {image}"));
    }
    DoctorCheck::ok("container", format!("{name}, {image}"))
}
