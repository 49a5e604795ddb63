//! Starts the servers of a launcher, and waits until they are ready and have their shares.

use super::deployment::tail;
use super::describe::describe;
use super::mps::{self, MpsDaemon, Sharing};
use super::partitions::{GpuPartition, chunks};
use super::process::{ServerFiles, ServerOptions, ServerProcess, plain};
use super::share::{self, InstanceReport, read_reports};
use super::{Deployment, Endpoint, LaunchError, LaunchSpec, ModelSource, repository};
use crate::client::ServerClient;
use crate::guard::{Guarded, shared_memory_prefix};
use crate::signals;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::num::NonZero;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Maximum number of ports tried for a server when another program takes its port in between.
const PORT_TRIES: usize = 4;

/// Number of servers that this process has started.
static STARTED: AtomicUsize = AtomicUsize::new(0);

/// Starts one server for each specification, in order, with the MPS daemons of their GPUs.
pub(super) fn launch_all(
    process: &impl ServerProcess,
    specs: &[LaunchSpec],
    dir: &Path,
) -> Result<Deployment, LaunchError> {
    let options = process.options();
    let dir = std::path::absolute(dir).map_err(LaunchError::file(dir))?;
    // From here on, any failure drops the deployment, which ends the servers that already run.
    let mut deployment = Deployment::default();
    let mut clients: BTreeMap<u32, BTreeMap<String, String>> = BTreeMap::new();
    let mut partitions: BTreeMap<usize, GpuPartition> = BTreeMap::new();
    if options.sharing != Sharing::Off {
        for device in specs.iter().filter_map(|spec| spec.device) {
            if clients.contains_key(&device) {
                continue;
            }
            let visible =
                options.device(device).map_or_else(|| device.to_string(), |d| d.uuid.clone());
            let folder = dir.join(format!("gpu{device}"));
            let sharing = options.sharing;
            let daemon =
                MpsDaemon::start(&options.guard, &visible, &folder, &options.scratch, sharing)?;
            clients.insert(device, daemon.environment().clone());
            if sharing == Sharing::Static {
                partition(&daemon, &visible, device, specs, &mut partitions)?;
            }
            deployment.add_daemon(daemon);
        }
    }
    // As many servers load concurrently as there are cores. Under MPS the first one loads alone, since it
    // makes the daemon start the GPU's MPS server.
    let together = std::thread::available_parallelism().map_or(1, NonZero::get);
    let alone = usize::from(options.sharing != Sharing::Off).min(specs.len());
    let waves = specs[..alone].chunks(1).chain(specs[alone..].chunks(together));
    let mut position = 0;
    for wave in waves {
        let mut loading = Vec::new();
        for spec in wave {
            let mps =
                spec.device.and_then(|device| clients.get(&device)).cloned().unwrap_or_default();
            let mut place = place_of(spec, position, &dir, mps)?;
            if let Some(own) = partitions.get(&position) {
                place.mps.insert(mps::PARTITION.to_owned(), own.id.clone());
                place.sms = Some(own.sms);
            }
            let server = begin(process, &mut place, position)?;
            loading.push((place, server, position));
            position += 1;
        }
        for (place, server, position) in loading {
            let (endpoint, server) = finish(process, place, server, position)?;
            deployment.add(endpoint, Some(server));
        }
        // A server that was started earlier may have ended while these loaded.
        deployment.check()?;
    }
    Ok(deployment)
}

/// Creates the partitions of all servers of one GPU, before any of them becomes a client.
fn partition(
    daemon: &MpsDaemon,
    uuid: &str,
    device: u32,
    specs: &[LaunchSpec],
    partitions: &mut BTreeMap<usize, GpuPartition>,
) -> Result<(), LaunchError> {
    let all = daemon.table()?.chunks();
    for (position, spec) in specs.iter().enumerate().filter(|(_, spec)| spec.device == Some(device))
    {
        let count = chunks(spec.sm.get(), all).map_err(|reason| LaunchError::Mps {
            reason: format!("{}: {reason}", spec.workload),
            fix: format!(
                "plan with a profile of this GPU whose allocation units are its {all} chunks (`validate facts \
                 --static` makes the start of one), or use --mps percentage"
            ),
        })?;
        partitions.insert(position, daemon.add_partition(uuid, count)?);
    }
    Ok(())
}

/// Returns the files of a server, including its repository.
fn place_of<'a>(
    spec: &'a LaunchSpec,
    position: usize,
    dir: &Path,
    mps: BTreeMap<String, String>,
) -> Result<ServerFiles<'a>, LaunchError> {
    let standby = if spec.active { "" } else { "-standby" };
    let name = format!("{position}-{}{standby}", plain(spec.workload.as_str()));
    let place = ServerFiles {
        spec,
        dir: dir.join("servers").join(&name),
        port: 0,
        // The prefix is unique for each server of this process, however it was started.
        shared_memory: format!(
            "{}{}-",
            shared_memory_prefix(std::process::id()),
            STARTED.fetch_add(1, Ordering::Relaxed)
        ),
        mps,
        sms: None,
    };
    let instances = place.instances();
    fs::create_dir_all(&instances).map_err(LaunchError::file(&instances))?;
    for change in repository::write(spec, &place.repository())? {
        say_once(format!("model {}: {change}", spec.model));
    }
    Ok(place)
}

/// Prints a message on stderr the first time it occurs.
fn say_once(text: String) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    if SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(text.clone()) {
        eprintln!("validate: {text}");
    }
}

/// Starts one server, which then loads its model.
fn begin(
    process: &impl ServerProcess,
    place: &mut ServerFiles<'_>,
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
    mut place: ServerFiles<'_>,
    mut server: Guarded,
    position: usize,
) -> Result<(Endpoint, Guarded), LaunchError> {
    let options = process.options();
    for tried in 1.. {
        match wait_until_ready(&mut server, &place, options) {
            Ok(()) => return Ok((endpoint(&place, &server, options)?, server)),
            // Another program took the port in between.
            Err(LaunchError::Died { tail, .. })
                if options.first_port.is_none() && port_was_taken(&tail) && tried < PORT_TRIES => {}
            Err(error) => return Err(error),
        }
        // Reports of the instances of the first try must not be mistaken for those of the next.
        let instances = place.instances();
        fs::remove_dir_all(&instances)
            .and_then(|()| fs::create_dir_all(&instances))
            .map_err(LaunchError::file(&instances))?;
        server = begin(process, &mut place, position)?;
    }
    unreachable!("the last try returns")
}

fn choose_port(
    options: &ServerOptions,
    position: usize,
    spec: &LaunchSpec,
) -> Result<u16, LaunchError> {
    let port = match options.first_port {
        None => 0,
        Some(first) => u16::try_from(position)
            .ok()
            .and_then(|position| first.checked_add(position))
            .ok_or(LaunchError::PortBeyond { first, position })?,
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|source| match source
        .kind()
    {
        ErrorKind::AddrInUse => LaunchError::PortTaken { port, workload: spec.workload.clone() },
        _ => LaunchError::Port { port, workload: spec.workload.clone(), source },
    })?;
    let address = listener.local_addr().map_err(LaunchError::file(Path::new("a port")))?;
    Ok(address.port())
}

fn port_was_taken(log: &str) -> bool {
    log.contains("ddress already in use") || log.contains("failed to start HTTP service")
}

fn wait_until_ready(
    server: &mut Guarded,
    place: &ServerFiles<'_>,
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
        let reason = match ServerClient::new(&url(place)).ready() {
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
        signals::sleep(Duration::from_millis(30))?;
    }
}

/// Returns the lines of Triton's log that describe the error, or otherwise the end of the log.
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

fn url(place: &ServerFiles<'_>) -> String {
    format!("http://127.0.0.1:{}", place.port)
}

/// Asks a ready server what it serves, and checks that this matches the specification.
fn endpoint(
    place: &ServerFiles<'_>,
    server: &Guarded,
    options: &ServerOptions,
) -> Result<Endpoint, LaunchError> {
    let instances = reports(place)?;
    let seen_sm = match place.spec.device {
        Some(device) => seen_sm(place, options, device, &instances)?,
        None => None,
    };
    let mut endpoint =
        describe(place.spec, &ServerClient::new(&url(place)), &repository::served_as(place.spec))?;
    endpoint.log = Some(place.log());
    endpoint.trace_file = options.traces.then(|| place.trace());
    endpoint.pid = Some(server.pid());
    endpoint.seen_sm = seen_sm;
    endpoint.instances = instances;
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

/// Returns the reports of the instances. Ready models write none.
fn reports(place: &ServerFiles<'_>) -> Result<Vec<InstanceReport>, LaunchError> {
    if let ModelSource::Ready(_) = place.spec.source {
        return Ok(Vec::new());
    }
    read_reports(&place.instances()).map_err(|reason| not_in_force(place.spec, reason))
}

/// Returns the number of SMs that the instances see, checked against the share. Ready models report none.
fn seen_sm(
    place: &ServerFiles<'_>,
    options: &ServerOptions,
    device: u32,
    reports: &[InstanceReport],
) -> Result<Option<u32>, LaunchError> {
    if let ModelSource::Ready(_) = place.spec.source {
        return Ok(None);
    }
    let total = options.device(device).and_then(|device| device.sms);
    let (spec, instances) = (place.spec, place.spec.batching.instances);
    let wanted = match (place.sms, total) {
        _ if place.mps.is_empty() => None,
        // A partition has exactly its SMs.
        (Some(sms), _) => Some(share::WantedShare {
            pct: spec.sm.get(),
            sms: f64::from(sms),
            tolerance: 0.0,
            total: sms,
        }),
        (None, Some(total)) => {
            Some(share::WantedShare::percentage(spec.sm.get(), spec.unit.get(), total))
        }
        (None, None) => None,
    };
    share::check_all(reports, instances, wanted).map_err(|reason| not_in_force(spec, reason))
}

fn not_in_force(spec: &LaunchSpec, reason: String) -> LaunchError {
    LaunchError::Share { workload: spec.workload.clone(), model: spec.model.clone(), reason }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{options, spec};
    use super::*;

    #[test]
    fn a_port_that_cannot_be_had_says_why() {
        let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let first = taken.local_addr().unwrap().port();
        let choose = |first: u16, position: usize| {
            let options = ServerOptions { first_port: Some(first), ..options() };
            choose_port(&options, position, &spec("alexnet", 1)).unwrap_err().to_string()
        };
        assert!(choose(first, 0).contains("is taken by another program"));
        let beyond = choose(65_530, 6);
        assert!(beyond.contains("--first-port 65530") && beyond.contains("65535"), "{beyond}");
        assert!(choose_port(&options(), 3, &spec("alexnet", 1)).unwrap() > 0);
    }
}
