//! Classes of workloads with the same demands, which share the tables of what they need.

use super::super::PlanRequest;
use super::super::traffic::{ArrivalModel, Luck, ServerTraits};
use super::recursion::{ArrivalDraw, DelayAndNoise};
use super::server::Loading;
use igniter_model::domain::{Infeasible, ModelName, Workload};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Maximum number of arrivals that are drawn for all classes together.
const MOST_ARRIVALS: f64 = 20e6;

/// Maximum number of arrivals that are drawn for one class, and the minimum where a run is long enough.
const MOST_FOR_ONE: f64 = 500e3;
const LEAST_FOR_ONE: f64 = 20e3;

/// Maximum number of runs that are drawn for one class.
const MOST_DRAWS: f64 = 64.0;

/// The source of what is known about the arrivals of a class.
#[derive(Debug, Clone)]
pub(super) enum ArrivalKnowledge {
    /// Poisson arrivals at a server that the chain describes.
    Chain,
    /// Drawn arrivals, and whether another draw would differ.
    Draws(Arc<Vec<ArrivalDraw>>, Luck),
    /// Simulated runs.
    Simulated,
}

/// The method that determines how many requests of a server are late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LatenessSource {
    /// The analysis of queues.
    Analysis,
    /// The simulation of single servers, of any kind.
    Simulation,
}

/// Workloads of the same model, SLO, rate, arrivals and server.
#[derive(Debug, Clone)]
pub(super) struct Class {
    pub model: ModelName,
    pub slo_ms: f64,
    /// The SLO less the margin and the host work for each request.
    pub deadline_ms: f64,
    /// Arrival rate in requests/ms, with headroom.
    pub rate_per_ms: f64,
    pub server: ServerTraits,
    pub source: ArrivalKnowledge,
    /// Indices into the request's workloads.
    pub workloads: Vec<usize>,
    /// Number of requests of one workload that are counted in a run.
    pub requests: f64,
}

impl Class {
    pub(super) fn loading(&self) -> Loading {
        if self.server.loads_ahead { Loading::Ahead } else { Loading::Serial }
    }

    pub(super) fn delay_and_noise(&self) -> DelayAndNoise {
        DelayAndNoise { queue_delay_ms: self.server.queue_delay_ms, noise_cv: self.server.noise_cv }
    }

    /// Host work before the copy of a batch of k, in ms.
    #[expect(clippy::cast_precision_loss, reason = "a batch size")]
    pub(super) fn host_ms(&self, k: usize) -> f64 {
        self.server.batch_overhead_ms + self.server.row_overhead_ms * k as f64
    }
}

/// Returns the classes of a request, and the workloads for which no plan can be made.
pub(super) fn classes(
    request: &PlanRequest<'_>,
    judge: LatenessSource,
) -> (Vec<Class>, Vec<Infeasible>) {
    let mut known: BTreeMap<PoissonKey, usize> = BTreeMap::new();
    let mut classes: Vec<Class> = Vec::new();
    let mut infeasible = Vec::new();
    let share = MOST_ARRIVALS / request.workloads().len().max(1) as f64;
    let arrivals_for_one = share.clamp(LEAST_FOR_ONE, MOST_FOR_ONE);
    for (index, workload) in request.workloads().iter().enumerate() {
        let key = PoissonKey::of(request, workload).filter(|_| judge == LatenessSource::Analysis);
        // Only workloads with the same Poisson arrivals share a class; others have arrivals of their own.
        if let Some(&class) = key.as_ref().and_then(|key| known.get(key)) {
            classes[class].workloads.push(index);
            continue;
        }
        let made = match judge {
            LatenessSource::Analysis => class(request, index, workload, arrivals_for_one),
            LatenessSource::Simulation => Ok(simulated(request, index, workload)),
        };
        match made {
            Ok(class) => {
                if let Some(key) = key {
                    known.insert(key, classes.len());
                }
                classes.push(class);
            }
            Err(reason) => infeasible.push(Infeasible {
                workload: workload.name.clone(),
                reason,
                fixes: Vec::new(),
            }),
        }
    }
    (classes, infeasible)
}

/// The values in which two workloads with Poisson arrivals must agree to share a class.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct PoissonKey {
    model: String,
    numbers: Vec<u64>,
}

impl PoissonKey {
    fn of(request: &PlanRequest<'_>, workload: &Workload) -> Option<Self> {
        if request.traffic().arrivals(workload) != ArrivalModel::Poisson {
            return None;
        }
        let server = request.traffic().server(workload);
        if !by_chain(&server) || server.not_analysed.is_some() {
            return None;
        }
        let numbers = [
            workload.slo.get(),
            workload.rate.get(),
            server.batch_overhead_ms,
            server.row_overhead_ms,
            server.request_overhead_ms,
            f64::from(server.max_batch.map_or(0, igniter_model::units::BatchSize::get)),
            f64::from(u8::from(server.loads_ahead)),
        ];
        let numbers = numbers.iter().map(|number| number.to_bits()).collect();
        Some(Self { model: workload.model.to_string(), numbers })
    }
}

/// Returns whether the Markov chain describes such a server.
fn by_chain(server: &ServerTraits) -> bool {
    server.queue_delay_ms <= 0.0 && server.noise_cv <= 0.0
}

fn class(
    request: &PlanRequest<'_>,
    index: usize,
    workload: &Workload,
    arrivals_for_one: f64,
) -> Result<Class, String> {
    let traffic = request.traffic();
    let server = traffic.server(workload);
    if let Some(reason) = &server.not_analysed {
        return Err(reason.clone());
    }
    let headroom = request.options().headroom();
    let rate_per_ms = workload.rate.get() / 1000.0;
    let run = traffic.run();
    let mut requests = rate_per_ms * run.counted_ms();
    let arrivals = traffic.arrivals(workload);
    let source = match &arrivals {
        ArrivalModel::Unplannable(reason) => return Err(reason.clone()),
        ArrivalModel::Poisson if by_chain(&server) => {
            if rate_per_ms <= 0.0 {
                return Err("no requests arrive: its rate is 0".to_owned());
            }
            ArrivalKnowledge::Chain
        }
        ArrivalModel::Poisson | ArrivalModel::Drawn(_) => {
            let luck = match arrivals {
                ArrivalModel::Drawn(luck) => luck,
                _ => Luck::Varies,
            };
            let draws = draws(request, workload, luck, arrivals_for_one)?;
            let counted: usize = draws.iter().map(|draw| draw.counted()).sum();
            if counted == 0 {
                return Err(format!(
                    "no request arrives in the {} s of the run that are counted, so there is nothing to plan \
                     for; give it a rate, or a longer run",
                    run.counted_ms() / 1000.0
                ));
            }
            #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
            let mean = counted as f64 / draws.len() as f64;
            requests = mean;
            ArrivalKnowledge::Draws(Arc::new(draws), luck)
        }
    };
    let guarded = request.options().guarded_budget_ms(workload.slo.get());
    Ok(Class {
        model: workload.model.clone(),
        slo_ms: workload.slo.get(),
        deadline_ms: guarded - server.request_overhead_ms,
        rate_per_ms: rate_per_ms * headroom,
        server,
        source,
        workloads: vec![index],
        requests,
    })
}

fn simulated(request: &PlanRequest<'_>, index: usize, workload: &Workload) -> Class {
    let rate_per_ms = workload.rate.get() / 1000.0;
    Class {
        model: workload.model.clone(),
        slo_ms: workload.slo.get(),
        deadline_ms: workload.slo.get(),
        rate_per_ms,
        server: request.traffic().server(workload),
        source: ArrivalKnowledge::Simulated,
        workloads: vec![index],
        requests: rate_per_ms * request.traffic().run().counted_ms(),
    }
}

/// Draws the arrivals of whole runs until they contain about `arrivals` requests.
fn draws(
    request: &PlanRequest<'_>,
    workload: &Workload,
    luck: Luck,
    arrivals: f64,
) -> Result<Vec<ArrivalDraw>, String> {
    let run = request.traffic().run();
    let headroom = request.options().headroom();
    let mut draws: Vec<ArrivalDraw> = Vec::new();
    let mut drawn = 0.0;
    for number in 0_u32.. {
        let mut times_ms = request.traffic().draw(workload, u64::from(number))?;
        drawn += times_ms.len() as f64;
        times_ms.iter_mut().for_each(|time| *time /= headroom);
        let from_ms = run.warmup_ms / headroom;
        let to_ms = (run.duration_ms - run.cooldown_ms) / headroom;
        draws.push(ArrivalDraw { times_ms, from_ms, to_ms });
        let enough = drawn >= arrivals || f64::from(number + 1) >= MOST_DRAWS;
        if luck != Luck::Varies || enough {
            break;
        }
    }
    Ok(draws)
}
