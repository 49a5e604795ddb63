//! A workload's servers, with what is sent to them.

use crate::client::{
    Answer, HttpClient, HttpOptions, InferClient, ModelInfo, RequestTemplate, Server, SharedMemory,
    Tag,
};
use crate::data::{Sample, output_bytes, random_sample, read_samples};
use crate::launch::Endpoint;
use crate::measure::ServerStatistics;
use anyhow::Context;
use igniter::domain::WorkloadName;
use igniter::units::Nanoseconds;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;

/// How requests are sent to a workload.
#[derive(Debug, Clone, Default)]
pub struct TargetOptions {
    /// Connections opened before the load.
    pub http: HttpOptions,
    /// A file of inputs in perf_analyzer's format; `None`: random ones.
    pub input: Option<PathBuf>,
    /// Whether inputs and outputs are in shared memory.
    pub shared_memory: bool,
    /// The seed of random inputs.
    pub seed: u64,
}

/// One server of a workload.
#[derive(Debug)]
struct Member {
    client: HttpClient,
    answers: Mutex<Receiver<Answer>>,
    server: Server,
    model: String,
    memory: Option<SharedMemory>,
    endpoint: Endpoint,
}

/// The server of a workload, and its standby where there is one.
#[derive(Debug)]
pub struct Target {
    workload: WorkloadName,
    members: Vec<Member>,
    switched: AtomicBool,
}

impl Target {
    /// Opens connections to the servers of one workload: the active one first.
    ///
    /// # Errors
    /// When a server does not answer, or inputs do not fit its model.
    pub fn open(
        runtime: &Handle,
        endpoints: &[&Endpoint],
        options: &TargetOptions,
    ) -> anyhow::Result<Self> {
        let workload = endpoints.first().context("a workload without a server")?.workload.clone();
        let mut members = Vec::new();
        for (number, endpoint) in endpoints.iter().enumerate() {
            members.push(Member::open(runtime, endpoint, options, number)?);
        }
        Ok(Self { workload, members, switched: AtomicBool::new(false) })
    }

    /// Whom it serves.
    #[must_use]
    pub fn workload(&self) -> &WorkloadName {
        &self.workload
    }

    /// The server that gets requests at first.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.members[0].endpoint
    }

    /// How many servers there are.
    #[must_use]
    pub fn servers(&self) -> usize {
        self.members.len()
    }

    /// The client of one server.
    #[must_use]
    pub fn client(&self, server: usize) -> &HttpClient {
        &self.members[server].client
    }

    /// The answers of one server, for one thread at a time.
    #[must_use]
    pub fn answers(&self, server: usize) -> MutexGuard<'_, Receiver<Answer>> {
        let answers = &self.members[server].answers;
        // A channel is whole whoever panicked while holding it.
        answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on requests go to the standby.
    pub fn switch(&self) {
        self.switched.store(true, Ordering::Relaxed);
    }

    /// Whether there is a standby that could take over.
    #[must_use]
    pub fn can_switch(&self) -> bool {
        self.members.len() > 1 && !self.switched.load(Ordering::Relaxed)
    }

    /// The sum of what all its servers counted.
    ///
    /// # Errors
    /// When one does not answer.
    pub fn statistics(&self) -> anyhow::Result<Vec<ServerStatistics>> {
        let read = |member: &Member| {
            let answer = member.server.statistics(&member.model)?;
            Ok(ServerStatistics::read(&answer))
        };
        self.members.iter().map(read).collect()
    }

    /// Connections opened so far.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.members.iter().map(|member| member.client.connections()).sum()
    }

    /// The first server's name and version.
    #[must_use]
    pub fn server_name(&self) -> Option<String> {
        let answer = self.members[0].server.metadata().ok()?;
        Some(format!("{} {}", answer["name"].as_str()?, answer["version"].as_str()?))
    }

    /// Ends connections, and lets the servers forget shared memory.
    pub fn close(self) {
        for member in self.members {
            member.client.close();
            if let Some(memory) = member.memory {
                // A server that is gone has forgotten it.
                let _ = memory.unregister();
            }
        }
    }
}

impl InferClient for Target {
    fn send(&self, tag: Tag, intended: Nanoseconds) {
        let server = usize::from(self.switched.load(Ordering::Relaxed));
        self.members[server].client.send(tag, intended);
    }

    fn exhausted(&self) -> u64 {
        self.members.iter().map(|member| member.client.exhausted()).sum()
    }
}

impl Member {
    fn open(
        runtime: &Handle,
        endpoint: &Endpoint,
        options: &TargetOptions,
        number: usize,
    ) -> anyhow::Result<Self> {
        let server = Server::new(&endpoint.url);
        let model = server.model(&endpoint.served_as)?;
        let samples = samples(&model, options)?;
        let host = endpoint.url.trim_start_matches("http://").trim_end_matches('/');
        let (memory, templates) = if options.shared_memory {
            let name = format!("igniter-{}-{}-{number}", std::process::id(), endpoint.workload);
            let outputs = output_bytes(&model).unwrap_or_default();
            let samples: Vec<_> = samples.into_iter().map(|s| (s.tensors, s.shapes)).collect();
            let (memory, templates) =
                SharedMemory::register(&server, host, &model, &name, &samples, &outputs)?;
            (Some(memory), templates)
        } else {
            let template =
                |s: &Sample| RequestTemplate::inline(host, &model, &s.tensors, &s.shapes);
            (None, samples.iter().map(template).collect())
        };
        let (sender, answers) = channel();
        let client = HttpClient::open(runtime, &endpoint.url, templates, options.http, sender)?;
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

fn samples(model: &ModelInfo, options: &TargetOptions) -> anyhow::Result<Vec<Sample>> {
    Ok(match &options.input {
        Some(file) => read_samples(file, model)?,
        None => vec![random_sample(model, options.seed)?],
    })
}
