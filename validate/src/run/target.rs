//! The servers of a workload, and the requests for them.

use crate::client::{
    self, Answer, HttpOptions, InferClient, ModelInfo, RequestTemplate, ServerClient, ServerPool,
    SharedMemory, Tag,
};
use crate::data::{InputSample, Shapes, each_sample, output_bytes, random_sample, read_samples};
use crate::guard::shared_memory_prefix;
use crate::launch::{Endpoint, plain};
use crate::measure::ServerStatistics;
use anyhow::Context;
use igniter::domain::WorkloadName;
use igniter::units::Nanoseconds;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;

/// Options for sending requests to a workload.
#[derive(Debug, Clone, Default)]
pub struct TargetOptions {
    /// Options of the connections.
    pub http: HttpOptions,
    /// An input file in perf_analyzer's format; `None`: random inputs.
    pub input: Option<PathBuf>,
    /// Whether inputs and outputs are in shared memory.
    pub shared_memory: bool,
    /// The seed of random inputs.
    pub seed: u64,
    /// Dimensions that models leave open; `None`: for emulated models, where any size will do.
    pub shapes: Option<Shapes>,
    /// The placement that takes each request, by request number; the first placement beyond the end, and
    /// where it is the only one.
    pub turns: Vec<u8>,
}

/// One server of a workload.
#[derive(Debug)]
struct TargetServer {
    client: Box<dyn ServerPool>,
    answers: Mutex<Receiver<Answer>>,
    server: ServerClient,
    model: String,
    memory: Option<SharedMemory>,
    endpoint: Endpoint,
}

/// The servers of a workload: one for each of its placements, and standbys where there are any.
///
/// Servers are numbered: with n placements, 0 to n − 1 are the servers of the plan in its order, and n + i is
/// the standby of i.
#[derive(Debug)]
pub struct WorkloadServers {
    workload: WorkloadName,
    replicas: Vec<TargetReplica>,
    turns: Vec<u8>,
}

/// A placement.
#[derive(Debug)]
struct TargetReplica {
    active: TargetServer,
    standby: Option<TargetServer>,
    switched: AtomicBool,
}

impl WorkloadServers {
    /// Opens connections to the servers of one workload, given in any order.
    ///
    /// # Errors
    /// When a server does not answer, or inputs do not fit its model.
    pub fn open(
        runtime: &Handle,
        endpoints: &[&Endpoint],
        options: &TargetOptions,
    ) -> anyhow::Result<Self> {
        let workload = endpoints.first().context("a workload without a server")?.workload.clone();
        let find = |active: bool, replica: usize| {
            endpoints.iter().position(|e| e.active == active && e.replica == replica)
        };
        let open = |number: usize| TargetServer::open(runtime, endpoints[number], options, number);
        let mut replicas = Vec::new();
        while let Some(active) = find(true, replicas.len()) {
            let standby = find(false, replicas.len());
            replicas.push(TargetReplica {
                active: open(active)?,
                standby: standby.map(open).transpose()?,
                switched: AtomicBool::new(false),
            });
        }
        Ok(Self { workload, replicas, turns: options.turns.clone() })
    }

    /// Returns the workload that the servers serve.
    #[must_use]
    pub fn workload(&self) -> &WorkloadName {
        &self.workload
    }

    /// Returns the number of placements.
    #[must_use]
    pub fn replicas(&self) -> usize {
        self.replicas.len()
    }

    /// Returns the numbers of the existing servers.
    pub fn servers(&self) -> impl Iterator<Item = usize> {
        (0..2 * self.replicas.len()).filter(|&server| self.member(server).is_some())
    }

    fn member(&self, server: usize) -> Option<&TargetServer> {
        match server.checked_sub(self.replicas.len()) {
            None => Some(&self.replicas[server].active),
            Some(replica) => self.replicas.get(replica)?.standby.as_ref(),
        }
    }

    fn members(&self) -> impl Iterator<Item = &TargetServer> {
        self.servers().filter_map(|server| self.member(server))
    }

    /// Returns the endpoint of one server.
    ///
    /// # Panics
    /// When there is no server of this number, as do [`WorkloadServers::client`] and
    /// [`WorkloadServers::answers`].
    #[must_use]
    pub fn endpoint(&self, server: usize) -> &Endpoint {
        &self.member(server).expect("a server of this number").endpoint
    }

    /// Returns the client of one server.
    #[must_use]
    pub fn client(&self, server: usize) -> &dyn InferClient {
        self.member(server).expect("a server of this number").client.as_ref()
    }

    /// Returns the answers of one server, for one thread at a time.
    pub fn answers(&self, server: usize) -> MutexGuard<'_, Receiver<Answer>> {
        let answers = &self.member(server).expect("a server of this number").answers;
        // A channel stays consistent even if a thread panicked while holding it.
        answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the placement that takes the request of this number.
    #[must_use]
    pub fn turn(&self, request: u32) -> usize {
        self.turns.get(request as usize).copied().map_or(0, usize::from)
    }

    /// Directs all further requests of a placement to its standby.
    pub fn switch(&self, replica: usize) {
        self.replicas[replica].switched.store(true, Ordering::Relaxed);
    }

    /// Returns whether a placement has a standby that could take over.
    #[must_use]
    pub fn can_switch(&self, replica: usize) -> bool {
        let TargetReplica { standby, switched, .. } = &self.replicas[replica];
        standby.is_some() && !switched.load(Ordering::Relaxed)
    }

    /// Returns the statistics of each server, in order.
    ///
    /// # Errors
    /// When a server does not answer.
    pub fn statistics(&self) -> anyhow::Result<Vec<ServerStatistics>> {
        let read = |member: &TargetServer| {
            let answer = member.server.statistics(&member.model)?;
            Ok(ServerStatistics::read(&answer))
        };
        self.members().map(read).collect()
    }

    /// Returns the number of connections opened so far.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.members().map(|member| member.client.connections()).sum()
    }

    /// Returns the maximum number of open connections.
    #[must_use]
    pub fn most_connections(&self) -> u32 {
        self.members().map(|member| member.client.most_connections()).sum()
    }

    /// Returns the name and version of the first server.
    #[must_use]
    pub fn server_name(&self) -> Option<String> {
        let answer = self.replicas.first()?.active.server.metadata().ok()?;
        Some(format!("{} {}", answer["name"].as_str()?, answer["version"].as_str()?))
    }

    /// Closes the connections and unregisters shared memory; skips the latter where the servers may no longer
    /// answer.
    pub fn close(self, servers_answer: bool) {
        let all = self.replicas.into_iter().flat_map(|r| [Some(r.active), r.standby]);
        for member in all.flatten() {
            member.client.close();
            if let Some(memory) = member.memory.filter(|_| servers_answer) {
                // A server that has ended holds no registration any more.
                let _ = memory.unregister();
            }
        }
    }
}

impl InferClient for WorkloadServers {
    fn send(&self, tag: Tag, intended: Nanoseconds) {
        let turn = self.turn(tag.index);
        let TargetReplica { active, standby, switched } = &self.replicas[turn];
        let standby = standby.as_ref().filter(|_| switched.load(Ordering::Relaxed));
        standby.unwrap_or(active).client.send(tag, intended);
    }

    fn exhausted(&self) -> u64 {
        self.members().map(|member| member.client.exhausted()).sum()
    }
}

impl TargetServer {
    fn open(
        runtime: &Handle,
        endpoint: &Endpoint,
        options: &TargetOptions,
        number: usize,
    ) -> anyhow::Result<Self> {
        let server = ServerClient::with(&endpoint.url, endpoint.access.clone());
        let mut model = server.model(&endpoint.served_as)?;
        if !endpoint.batched {
            // Give every tensor a batch dimension here; requests are sent without it.
            let tensors = model.inputs.iter_mut().chain(&mut model.outputs);
            tensors.for_each(|tensor| tensor.shape.insert(0, 1));
        }
        let sent = |mut sample: InputSample| {
            if !endpoint.batched {
                sample.shapes.iter_mut().for_each(|shape| {
                    shape.remove(0);
                });
            }
            sample
        };
        let (memory, templates) = if options.shared_memory {
            let name = format!(
                "{}{}-{number}",
                shared_memory_prefix(std::process::id()),
                plain(endpoint.workload.as_str())
            );
            let samples: Vec<InputSample> =
                samples(&model, options)?.into_iter().map(sent).collect();
            let outputs = output_bytes(&model).unwrap_or_default();
            let (memory, templates) =
                SharedMemory::register(&server, &model, &name, &samples, &outputs)?;
            (Some(memory), templates)
        } else {
            let mut templates = Vec::new();
            // An invalid address would have been reported earlier.
            let mut add = |s: InputSample| {
                let s = sent(s);
                templates.extend(RequestTemplate::inline(&server, &model, &s.tensors, &s.shapes));
            };
            match &options.input {
                Some(file) => each_sample(file, &model, &mut add)?,
                None => samples(&model, options)?.into_iter().for_each(&mut add),
            }
            (None, templates)
        };
        let (sender, answers) = channel();
        let client = client::open(runtime, &server, templates, options.http, sender)?;
        let model = endpoint.served_as.clone();
        Ok(Self {
            client,
            answers: Mutex::new(answers),
            server,
            model,
            memory,
            endpoint: endpoint.clone(),
        })
    }
}

fn samples(model: &ModelInfo, options: &TargetOptions) -> anyhow::Result<Vec<InputSample>> {
    Ok(match &options.input {
        Some(file) => read_samples(file, model)?,
        None => vec![random_sample(model, options.seed, options.shapes.as_ref())?],
    })
}
