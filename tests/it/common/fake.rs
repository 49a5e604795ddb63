//! A predictor whose every number can be worked out by hand, and short ways to write a scenario.
//! Shared by the unit tests of the engine, the integration tests and the cost example.
#![allow(dead_code, reason = "not every user needs all of it")]
#![allow(clippy::unwrap_used, reason = "test code, which an example borrows")]

use igniter::arrivals::ArrivalSpec;
use igniter::domain::{
    CoLocation, FailedRequest, GpuId, GpuInterval, GpuKind, GpuKindName, ModelId, ModelName,
    Placement, Plan, RecordSink, RequestRecord, ServerSetting, Timeline, TimelineGpu,
    TimelineServer, Workload, WorkloadName,
};
use igniter::predictor::{CoLocationPrediction, Member, MemberPrediction, Predictor};
use igniter::sim::{BatchingSpec, EngineSpec, GpuOutcome, ServerSpec, SimInput, SimWorkload};
use igniter::units::{
    BatchSize, Bytes, Dollars, Megahertz, Milliseconds, Nanoseconds, RequestsPerSecond, SmUnits,
    Watts,
};

/// Times of a model, in ms.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct FakeModel {
    pub(crate) load: f64,
    pub(crate) fixed: f64,
    pub(crate) per_request: f64,
    pub(crate) feedback: f64,
}

/// `gpu_ms = (fixed + per_request · b) · (1 + slowdown · other members) · (100 / share if by_share)`,
/// or from a table by batch size; loads and feedbacks as given; 50 W idle and 40 W for each member up to 200 W; the clock is
/// 1000 MHz less 1 MHz for each W above. Each GPU has 100 units, so a unit is a percent.
#[derive(Debug)]
pub(crate) struct FakePredictor {
    kind: GpuKind,
    names: Vec<ModelName>,
    models: Vec<FakeModel>,
    pub(crate) slowdown: f64,
    pub(crate) by_share: bool,
    /// How much longer loads are, as a multiple, for each other member.
    pub(crate) load_slowdown: f64,
    /// `gpu_ms` by batch size, from 1, in place of all that.
    pub(crate) table_ms: Option<Vec<f64>>,
}

impl FakePredictor {
    /// Models are named `m0`, `m1`, …
    pub(crate) fn new(models: Vec<FakeModel>, slowdown: f64) -> Self {
        let kind = GpuKind {
            name: GpuKindName::new("fake").unwrap(),
            units: SmUnits::new(100),
            max_clock: Megahertz::new(1000.0).unwrap(),
            power_cap: Watts::new(200.0).unwrap(),
            idle_power: Watts::new(50.0).unwrap(),
            pcie_bytes_per_ms: 1e7,
            memory: None,
            price_per_hour: Dollars::new(1.0).unwrap(),
            noise_cv: std::collections::BTreeMap::new(),
            mps: igniter::domain::SmSharing::default(),
        };
        let names = (0..models.len()).map(|i| ModelName::new(&format!("m{i}")).unwrap()).collect();
        Self { kind, names, models, slowdown, by_share: false, load_slowdown: 0.0, table_ms: None }
    }

    /// Says how much the execution times of a model were measured to vary.
    pub(crate) fn measured_noise(&mut self, model: usize, cv: f64) {
        self.kind.noise_cv.insert(self.names[model].clone(), cv);
    }
}

impl Predictor for FakePredictor {
    fn name(&self) -> &'static str {
        "fake"
    }

    fn kind(&self) -> &GpuKind {
        &self.kind
    }

    fn models(&self) -> &[ModelName] {
        &self.names
    }

    fn max_batch(&self, _: ModelId) -> BatchSize {
        BatchSize::new(32).unwrap()
    }

    fn memory(&self, _: ModelId) -> Option<Bytes> {
        None
    }

    fn predict_into(&self, members: &[Member], out: &mut CoLocationPrediction) {
        let count = members.len() as f64;
        out.members.clear();
        out.members.extend(members.iter().map(|member| {
            let model = self.models[member.model.index()];
            let alone = model.fixed + model.per_request * member.batch.as_f64();
            let slowdown = 1.0 + self.slowdown * (count - 1.0);
            let share = if self.by_share { 100.0 / member.sm.get() } else { 1.0 };
            let gpu_ms = match &self.table_ms {
                Some(table) => table[member.batch.get() as usize - 1],
                None => alone * slowdown * share,
            };
            MemberPrediction {
                load_ms: model.load * (1.0 + self.load_slowdown * (count - 1.0)),
                gpu_ms,
                feedback_ms: model.feedback,
                throughput_rps: member.batch.as_f64() * 1e3 / (gpu_ms + model.feedback),
            }
        }));
        out.power_demand_w = 50.0 + 40.0 * count;
        out.power_w = out.power_demand_w.min(200.0);
        out.clock_mhz = 1000.0 - (out.power_demand_w - 200.0).max(0.0);
    }
}

/// A server: model number, planned batch size, SM share in percent, rate in requests/s.
#[derive(Debug, Clone)]
pub(crate) struct FakeServer {
    pub(crate) model: usize,
    pub(crate) batch: u32,
    pub(crate) share: u32,
    pub(crate) rate: f64,
    pub(crate) arrival: ArrivalSpec,
    pub(crate) batching: BatchingSpec,
    pub(crate) server: ServerSpec,
}

impl FakeServer {
    pub(crate) fn new(model: usize, batch: u32, rate: f64, arrival: ArrivalSpec) -> Self {
        let (batching, server) = (BatchingSpec::default(), ServerSpec::default());
        Self { model, batch, share: 25, rate, arrival, batching, server }
    }
}

/// A plan with its workloads, named `W0`, `W1`, … GPU by GPU.
#[derive(Debug)]
pub(crate) struct FakeScenario {
    pub(crate) predictor: FakePredictor,
    pub(crate) plan: Plan,
    pub(crate) workloads: Vec<SimWorkload>,
}

impl FakeScenario {
    pub(crate) fn new(predictor: FakePredictor, gpus: &[Vec<FakeServer>]) -> Self {
        let mut workloads = Vec::new();
        let mut plan = Plan {
            strategy: "by hand".into(),
            gpus: Vec::new(),
            infeasible: Vec::new(),
            bound: None,
        };
        for servers in gpus {
            let mut placements = Vec::new();
            for server in servers {
                let name = WorkloadName::new(&format!("W{}", workloads.len())).unwrap();
                let model = predictor.names[server.model].clone();
                placements.push(Placement {
                    workload: name.clone(),
                    model: model.clone(),
                    batch: BatchSize::new(server.batch).unwrap(),
                    sm: SmUnits::new(server.share),
                    served: None,
                    time_slot: None,
                    predicted: None,
                });
                workloads.push(SimWorkload {
                    workload: Workload {
                        name,
                        model,
                        slo: Milliseconds::new(100.0).unwrap(),
                        rate: RequestsPerSecond::new(server.rate).unwrap(),
                    },
                    arrival: server.arrival.clone(),
                    batching: server.batching.clone(),
                    server: server.server,
                });
            }
            plan.gpus.push(CoLocation { kind: predictor.kind.name.clone(), placements });
        }
        Self { predictor, plan, workloads }
    }

    /// Lets the first workload be served by several servers, each with its part of the rate in requests/s:
    /// the given one, one more beside it, and further ones on the last GPU.
    pub(crate) fn replicate_first(&mut self, parts: &[f64]) {
        let first = self.plan.gpus.iter().position(|gpu| !gpu.placements.is_empty());
        let (Some(first), Some((own, others))) = (first, parts.split_first()) else { return };
        let last = self.plan.gpus.len() - 1;
        let rate = |part: f64| Some(RequestsPerSecond::new(part).unwrap());
        self.plan.gpus[first].placements[0].served = rate(*own);
        let placement = self.plan.gpus[first].placements[0].clone();
        for (number, part) in others.iter().enumerate() {
            let gpu = if number == 0 { first } else { last };
            let replica = Placement { served: rate(*part), ..placement.clone() };
            self.plan.gpus[gpu].placements.push(replica);
        }
    }

    pub(crate) fn input(&self, spec: EngineSpec, seconds: f64, seed: u64) -> SimInput<'_> {
        SimInput {
            plan: &self.plan,
            timeline: None,
            workloads: &self.workloads,
            predictor: &self.predictor,
            more_predictors: &[],
            spec,
            control: None,
            duration: Nanoseconds::from_seconds(seconds).unwrap(),
            seed,
            count_arrivals: false,
        }
    }
}

/// Keeps everything.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Everything {
    pub(crate) records: Vec<RequestRecord>,
    pub(crate) failed: Vec<FailedRequest>,
    pub(crate) intervals: Vec<GpuInterval>,
}

impl RecordSink for Everything {
    fn request(&mut self, record: &RequestRecord) {
        self.records.push(*record);
    }

    fn failed(&mut self, request: &FailedRequest) {
        self.failed.push(*request);
    }

    fn gpu_interval(&mut self, interval: &GpuInterval) {
        self.intervals.push(*interval);
    }
}

/// What an engine makes of a GPU, with floats as bits.
pub(crate) fn seen(gpu: &GpuOutcome<Everything>) -> impl PartialEq + std::fmt::Debug {
    let intervals: Vec<_> = (gpu.sink.intervals.iter())
        .map(|i| {
            let floats = [i.busy_sm_pct, i.power_w, i.clock_mhz].map(f64::to_bits);
            (i.start, i.end, i.running, floats)
        })
        .collect();
    let Everything { records, failed, .. } = gpu.sink.clone();
    (records, failed, intervals, gpu.servers.clone(), gpu.end, gpu.rented.clone())
}

/// One plan for the whole run.
pub(crate) fn fixed(plan: &Plan) -> Timeline {
    let rented = vec![(Nanoseconds::ZERO, None)];
    let gpus = plan.gpus.iter();
    let gpus = gpus.map(|gpu| TimelineGpu { kind: gpu.kind.clone(), rented: rented.clone() });
    let servers = plan.placements().map(|(gpu, placement)| TimelineServer {
        gpu: GpuId::new(gpu),
        placement: placement.clone(),
        ordered: Nanoseconds::ZERO,
        ready: Nanoseconds::ZERO,
        takes_from: Nanoseconds::ZERO,
        takes_until: None,
        settings: vec![ServerSetting {
            from: Nanoseconds::ZERO,
            batch: placement.batch,
            served: placement.served.unwrap_or(RequestsPerSecond::new(1.0).unwrap()),
        }],
    });
    Timeline { gpus: gpus.collect(), servers: servers.collect() }
}
