//! Servers as processes of this machine.

use super::deployment::tail;
use super::inquiry::{self, dimension, tensors};
use super::mps::{self, MpsDaemon};
use super::share::{self, read_reports};
use super::{
    Deployment, Device, Endpoint, LaunchError, Launcher, ModelSource, ServerSpec, repository,
};
use crate::guard::{GuardOrder, Guarded, shared_memory_prefix};
use crate::life;
use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What local and containerised servers have in common.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// The devices that stand for the plan's GPUs, by the number in [`ServerSpec::device`].
    pub devices: Vec<Device>,
    /// Whether shares are applied by MPS.
    pub mps: bool,
    /// The first port; each server takes the next. `None`: free ports.
    pub first_port: Option<u16>,
    /// How long a server may take to become ready.
    pub start_limit: Duration,
    /// Whether servers record the times of every request.
    pub traces: bool,
    /// How long a server may take to finish its requests when it is asked to end.
    pub exit_limit: Duration,
    /// This program, which knows the hidden command of the guard.
    pub guard: PathBuf,
    /// The folder of a [`Scratch`](crate::guard::Scratch), for what must not outlive the servers.
    pub scratch: PathBuf,
}

/// How often a server gets another port because somebody else took its own in between.
const PORT_TRIES: usize = 4;

/// Starts `tritonserver` processes on the loopback interface, one for each placement, each with its share in
/// its environment, behind a guard.
#[derive(Debug, Clone)]
pub struct LocalLauncher {
    /// The program of the server.
    pub triton: PathBuf,
    /// Everything else.
    pub options: ServerOptions,
}

/// A kind of process that serves a repository on a port of the loopback interface.
pub(super) trait ServerProcess {
    fn options(&self) -> &ServerOptions;
    /// What to start for a server whose files are in `place`.
    fn order(&self, place: &Place<'_>) -> GuardOrder;
}

/// Where a server's files are, and what it shall be.
#[derive(Debug)]
pub(super) struct Place<'a> {
    pub(super) spec: &'a ServerSpec,
    pub(super) dir: PathBuf,
    pub(super) port: u16,
    pub(super) shared_memory: String,
    /// What a client of the GPU's MPS daemon needs; empty without MPS.
    pub(super) mps: BTreeMap<String, String>,
}

impl Place<'_> {
    pub(super) fn repository(&self) -> PathBuf {
        self.dir.join("repository")
    }

    pub(super) fn instances(&self) -> PathBuf {
        self.dir.join("instances")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.dir.join("server.log")
    }

    pub(super) fn trace(&self) -> PathBuf {
        self.dir.join("trace.json")
    }

    /// The flags of the server, in every way of running it.
    pub(super) fn flags(&self, options: &ServerOptions) -> Vec<String> {
        let mut flags = vec![
            format!("--model-repository={}", self.repository().display()),
            "--http-address=127.0.0.1".to_owned(),
            format!("--http-port={}", self.port),
            "--allow-grpc=false".to_owned(),
            "--allow-metrics=false".to_owned(),
            format!("--exit-timeout-secs={}", options.exit_limit.as_secs()),
            "--disable-auto-complete-config".to_owned(),
            format!(
                "--backend-config=python,shm-default-byte-size={}",
                self.spec.shared_memory_bytes()
            ),
            format!("--backend-config=python,shm-region-prefix-name={}", self.shared_memory),
            "--backend-config=python,stub-timeout-seconds=120".to_owned(),
        ];
        if self.spec.device.is_some() {
            // Many servers share a GPU's memory.
            flags.push("--cuda-memory-pool-byte-size=0:0".to_owned());
        }
        if options.traces {
            let trace = format!("triton,file={}", self.trace().display());
            for setting in [&trace, "triton,log-frequency=0", "level=TIMESTAMPS", "rate=1"] {
                flags.extend(["--trace-config".to_owned(), setting.to_owned()]);
            }
        }
        flags
    }

    /// The variables of the server, in every way of running it.
    pub(super) fn environment(&self) -> BTreeMap<String, String> {
        let mut environment = self.mps.clone();
        let mut set = |name: &str, value: String| environment.insert(name.to_owned(), value);
        set("IGNITER_INSTANCES", self.instances().display().to_string());
        // One thread for each instance: more would take cores from the other servers.
        set("OMP_NUM_THREADS", "1".to_owned());
        if self.spec.device.is_some() {
            set("IGNITER_CUDA", "1".to_owned());
        }
        if !self.mps.is_empty() {
            set(mps::SHARE, share::percentage(self.spec.sm.get()));
        }
        environment
    }
}

impl ServerProcess for LocalLauncher {
    fn options(&self) -> &ServerOptions {
        &self.options
    }

    fn order(&self, place: &Place<'_>) -> GuardOrder {
        let mut command = vec![self.triton.display().to_string()];
        command.extend(place.flags(&self.options));
        let mut environment = place.environment();
        let mut hidden_variables: Vec<String> =
            [mps::SHARE, mps::PIPES, mps::LOGS, "CUDA_VISIBLE_DEVICES"].map(str::to_owned).into();
        if let Some(device) = place.spec.device.filter(|_| place.mps.is_empty()) {
            let device =
                self.options.device(device).map_or_else(|| device.to_string(), |d| d.uuid.clone());
            environment.insert("CUDA_VISIBLE_DEVICES".to_owned(), device);
        }
        // What the server and its models leave there goes away with the folder.
        environment.insert("TMPDIR".to_owned(), self.options.scratch.display().to_string());
        // Under MPS the daemon shows its one device to all clients.
        hidden_variables.retain(|name| !environment.contains_key(name));
        GuardOrder {
            command,
            environment,
            hidden_variables,
            log: place.log(),
            grace_ms: grace_ms(&self.options),
            farewell: None,
            cleaning: None,
            shared_memory: Some(place.shared_memory.clone()),
            holds: Some(self.options.scratch.clone()),
        }
    }
}

impl ServerOptions {
    pub(super) fn device(&self, device: u32) -> Option<&Device> {
        self.devices.iter().find(|known| known.index == device)
    }
}

/// A server gets a little longer than it was told to take.
pub(super) fn grace_ms(options: &ServerOptions) -> u64 {
    u64::try_from(options.exit_limit.as_millis()).unwrap_or(u64::MAX).saturating_add(3000)
}

impl Launcher for LocalLauncher {
    fn name(&self) -> &'static str {
        "local"
    }

    fn launch(&mut self, specs: &[ServerSpec], dir: &Path) -> Result<Deployment, LaunchError> {
        launch_all(self, specs, dir)
    }
}

pub(super) fn launch_all(
    process: &impl ServerProcess,
    specs: &[ServerSpec],
    dir: &Path,
) -> Result<Deployment, LaunchError> {
    let options = process.options();
    let dir = std::path::absolute(dir).map_err(LaunchError::file(dir))?;
    // From here on, whatever fails drops the deployment, which ends what runs already.
    let mut deployment = Deployment::default();
    let mut clients: BTreeMap<u32, BTreeMap<String, String>> = BTreeMap::new();
    if options.mps {
        for device in specs.iter().filter_map(|spec| spec.device) {
            if clients.contains_key(&device) {
                continue;
            }
            let visible =
                options.device(device).map_or_else(|| device.to_string(), |d| d.uuid.clone());
            let folder = dir.join(format!("gpu{device}"));
            let daemon = MpsDaemon::start(&options.guard, &visible, &folder, &options.scratch)?;
            clients.insert(device, daemon.environment().clone());
            deployment.add_daemon(daemon);
        }
    }
    // As many load at the same time as there are cores; under MPS the first alone, for it makes the daemon start
    // the GPU's MPS server.
    let together = std::thread::available_parallelism().map_or(1, NonZero::get);
    let alone = usize::from(options.mps).min(specs.len());
    let waves = specs[..alone].chunks(1).chain(specs[alone..].chunks(together));
    let mut position = 0;
    for wave in waves {
        let mut loading = Vec::new();
        for spec in wave {
            let mps =
                spec.device.and_then(|device| clients.get(&device)).cloned().unwrap_or_default();
            let mut place = place_of(spec, position, &dir, mps)?;
            let server = begin(process, &mut place, position)?;
            loading.push((place, server, position));
            position += 1;
        }
        for (place, server, position) in loading {
            let (endpoint, server) = finish(process, place, server, position)?;
            deployment.add(endpoint, Some(server));
        }
        // One that was started before may have ended while these loaded.
        deployment.check()?;
    }
    Ok(deployment)
}

/// Where the files of a server are, with its repository.
fn place_of<'a>(
    spec: &'a ServerSpec,
    position: usize,
    dir: &Path,
    mps: BTreeMap<String, String>,
) -> Result<Place<'a>, LaunchError> {
    let standby = if spec.active { "" } else { "-standby" };
    let name = format!("{position}-{}{standby}", plain(spec.workload.as_str()));
    let place = Place {
        spec,
        dir: dir.join("servers").join(&name),
        port: 0,
        shared_memory: format!("{}{position}-", shared_memory_prefix(std::process::id())),
        mps,
    };
    let instances = place.instances();
    fs::create_dir_all(&instances).map_err(LaunchError::file(&instances))?;
    repository::write(spec, &place.repository())?;
    Ok(place)
}

/// Starts one server, which then loads its model.
fn begin(
    process: &impl ServerProcess,
    place: &mut Place<'_>,
    position: usize,
) -> Result<Guarded, LaunchError> {
    let options = process.options();
    place.port = choose_port(options, position, place.spec)?;
    let order = process.order(place);
    Guarded::start(&options.guard, &order).map_err(|source| LaunchError::Start {
        what: format!("the server of {}", place.spec.workload),
        source,
    })
}

/// Waits until a server is ready and has its share.
fn finish(
    process: &impl ServerProcess,
    mut place: Place<'_>,
    mut server: Guarded,
    position: usize,
) -> Result<(Endpoint, Guarded), LaunchError> {
    let options = process.options();
    for tried in 1.. {
        match wait_until_ready(&mut server, &place, options) {
            Ok(()) => return Ok((endpoint(&place, &server, options)?, server)),
            // Somebody else took the port in between.
            Err(LaunchError::Died { tail, .. })
                if options.first_port.is_none() && port_was_taken(&tail) && tried < PORT_TRIES => {}
            Err(error) => return Err(error),
        }
        server = begin(process, &mut place, position)?;
    }
    unreachable!("the last try returns")
}

fn choose_port(
    options: &ServerOptions,
    position: usize,
    spec: &ServerSpec,
) -> Result<u16, LaunchError> {
    let wanted = options.first_port.map_or(Some(0), |first| {
        u16::try_from(position).ok().and_then(|position| first.checked_add(position))
    });
    let port = wanted.unwrap_or(u16::MAX);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
        .map_err(|_| LaunchError::PortTaken { port, workload: spec.workload.clone() })?;
    let address = listener.local_addr().map_err(LaunchError::file(Path::new("a port")))?;
    Ok(address.port())
}

fn port_was_taken(log: &str) -> bool {
    log.contains("ddress already in use") || log.contains("failed to start HTTP service")
}

fn wait_until_ready(
    server: &mut Guarded,
    place: &Place<'_>,
    options: &ServerOptions,
) -> Result<(), LaunchError> {
    let started = Instant::now();
    let (workload, model) = (&place.spec.workload, &place.spec.model);
    loop {
        if let Some(status) = server.ended() {
            return Err(LaunchError::Died {
                workload: workload.clone(),
                model: model.clone(),
                status: status.to_string(),
                log: place.log(),
                tail: why_it_ended(&place.log()),
            });
        }
        let reason = match inquiry::ready(&url(place)) {
            Ok(()) => return Ok(()),
            Err(reason) => reason,
        };
        if started.elapsed() > options.start_limit {
            return Err(LaunchError::Silent {
                workload: workload.clone(),
                model: model.clone(),
                reason,
                waited_s: options.start_limit.as_secs(),
                log: place.log(),
                tail: tail(&place.log()),
            });
        }
        life::sleep(Duration::from_millis(30))?;
    }
}

/// The lines of Triton's log that say what went wrong, or its end.
fn why_it_ended(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let telling = |line: &&str| {
        line.starts_with('E')
            || line.contains("UNAVAILABLE")
            || line.to_lowercase().contains("error")
    };
    let lines: Vec<&str> = text.lines().filter(telling).take(20).collect();
    if lines.is_empty() { tail(log) } else { lines.join("\n") }
}

fn url(place: &Place<'_>) -> String {
    format!("http://127.0.0.1:{}", place.port)
}

/// Asks a ready server what it serves, and checks that this is what was meant.
fn endpoint(
    place: &Place<'_>,
    server: &Guarded,
    options: &ServerOptions,
) -> Result<Endpoint, LaunchError> {
    let seen_sm = match place.spec.device {
        Some(device) => seen_sm(place, options, device)?,
        None => None,
    };
    let mut endpoint = describe(place.spec, &url(place), &repository::served_as(place.spec))?;
    endpoint.log = Some(place.log());
    endpoint.trace_file = options.traces.then(|| place.trace());
    endpoint.pid = Some(server.pid());
    endpoint.seen_sm = seen_sm;
    match place.spec.source {
        ModelSource::Emulated { .. } => {
            endpoint.times_file = Some(place.instances().join("times_ms"));
        }
        ModelSource::Torchvision { .. } => {
            endpoint.stages_file = Some(place.instances().join("stages"));
        }
        ModelSource::Ready(_) => {}
    }
    Ok(endpoint)
}

/// What the instances say of their SMs, checked against the share. Ready models do not say.
fn seen_sm(
    place: &Place<'_>,
    options: &ServerOptions,
    device: u32,
) -> Result<Option<u32>, LaunchError> {
    let wrong = |reason| LaunchError::Share {
        workload: place.spec.workload.clone(),
        model: place.spec.model.clone(),
        reason,
    };
    let mut least = None;
    for report in read_reports(&place.instances()) {
        let Some(seen) = report.seen_sm() else {
            return Err(wrong(format!("{} sees no GPU: {}", report.instance, report.error())));
        };
        least = Some(least.map_or(seen, |least: u32| least.min(seen)));
        let total = options.device(device).and_then(|device| device.sms);
        if let (false, Some(total)) = (place.mps.is_empty(), total) {
            share::check(place.spec.sm.get(), total, seen)
                .map_err(|reason| wrong(format!("{}: {reason}", report.instance)))?;
        }
    }
    Ok(least)
}

/// Asks a server for the configuration of a model; compares it with the specification.
pub(super) fn describe(
    spec: &ServerSpec,
    url: &str,
    served_as: &str,
) -> Result<Endpoint, LaunchError> {
    let unusable = |reason: String, fix: &str| LaunchError::Unusable {
        url: url.to_owned(),
        workload: spec.workload.clone(),
        reason,
        fix: fix.to_owned(),
    };
    let config = inquiry::json(&format!("{url}/v2/models/{served_as}/config"))
        .map_err(|reason| unusable(reason, "check the address and the name of the model"))?;
    let found = dimension(&config["max_batch_size"]);
    let planned = i64::from(spec.max_batch().get());
    if found != Some(planned) {
        return Err(unusable(
            format!("max_batch_size is {}, but the plan says {planned}", config["max_batch_size"]),
            "serve it with the planned batch size",
        ));
    }
    let delay = dimension(&config["dynamic_batching"]["max_queue_delay_microseconds"]).unwrap_or(0);
    #[expect(clippy::cast_precision_loss, reason = "a delay of hours is still exact")]
    let difference_us = (delay as f64 - spec.batching.max_queue_delay.get() * 1e3).abs();
    if config.get("dynamic_batching").is_none() || difference_us > 1.0 {
        return Err(unusable(
            format!(
                "its dynamic batcher waits {delay} µs, but the scenario says {} ms",
                spec.batching.max_queue_delay
            ),
            "set dynamic_batching { max_queue_delay_microseconds } as in the scenario",
        ));
    }
    Ok(Endpoint {
        gpu: spec.gpu,
        workload: spec.workload.clone(),
        model: spec.model.clone(),
        max_batch: spec.max_batch(),
        active: spec.active,
        replica: spec.replica,
        url: url.to_owned(),
        served_as: served_as.to_owned(),
        inputs: tensors(&config, "input"),
        outputs: tensors(&config, "output"),
        log: None,
        trace_file: None,
        seen_sm: None,
        pid: None,
        times_file: None,
        stages_file: None,
    })
}

/// A workload's name as part of a file name.
fn plain(name: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' };
    name.chars().map(kept).collect()
}
