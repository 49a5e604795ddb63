//! Forecasts for a plan, made by any strategy, and the reasons for its choices.

use super::super::traffic::Luck;
use super::super::{PlanRequest, Replicas};
use super::class::{ArrivalKnowledge, Class, LatenessSource, classes};
use super::goal::{AttainmentTarget, goal, target};
use super::kind_tables::{KindTables, PlannedSetting};
use super::packing::{Fleet, PackedServer};
use super::search::{MOST_REPLICAS, options};
use igniter_model::domain::Plan;
use rayon::prelude::*;
use serde::Serialize;
use std::fmt;

/// The forecast for a workload in a plan.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Forecast {
    pub workload: String,
    /// Part of the requests that will be within the SLO in the long run, in percent.
    pub attained_pct: f64,
    /// Bounds on that part in a run as long as the scenario, in percent: it is not below the first with the requested
    /// confidence, and not above the second with the same confidence.
    pub interval_pct: (f64, f64),
    /// The part to plan for, so that such a run reaches the target with the confidence, in percent.
    pub goal_pct: f64,
    /// Its servers, GPU by GPU.
    pub servers: Vec<ServerForecast>,
    /// The numbers of replicas worth trying, if reasons were requested.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<ReplicaChoice>,
    /// A caveat: what the forecast cannot promise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Forecast {
    /// Adds the forecast for the servers on GPUs of another kind.
    pub fn join(&mut self, other: Self) {
        #[expect(clippy::cast_precision_loss, reason = "numbers of servers")]
        let (own, more) = (self.servers.len() as f64, other.servers.len() as f64);
        let mean = |a: f64, b: f64| (a * own + b * more) / (own + more);
        self.attained_pct = mean(self.attained_pct, other.attained_pct);
        let (a, b) = (self.interval_pct, other.interval_pct);
        self.interval_pct = (mean(a.0, b.0), mean(a.1, b.1));
        self.servers.extend(other.servers);
        self.servers.sort_by_key(|server| server.gpu);
        self.note = self.note.take().or(other.note);
    }
}

/// The forecast for one server.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServerForecast {
    /// Index of its GPU.
    pub gpu: usize,
    /// Its largest batch.
    pub batch: u32,
    /// Its share, in percent of the GPU.
    pub sm_pct: f64,
    /// Part of its requests that will be within the SLO, in percent.
    pub attained_pct: f64,
    /// Part of the time for which it executes, in percent.
    pub busy_pct: f64,
    /// Requests in a batch, on average.
    pub mean_batch: f64,
    /// Slowdown by its neighbours, in percent.
    pub slowdown_pct: f64,
    /// Part of its requests that would be within the SLO with one unit of share less, in percent; `None` where it has
    /// one unit or no reasons were requested.
    pub with_less_pct: Option<f64>,
    /// The least share that reaches the goal without neighbours, in percent of the GPU, with its batch size.
    pub alone: Option<(f64, u32)>,
}

/// A number of replicas with the share that each of them needs without neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ReplicaChoice {
    pub replicas: u32,
    /// The share of each, in percent of the GPU.
    pub sm_pct: f64,
    /// The largest batch of each.
    pub batch: u32,
}

/// Returns forecasts for the workloads of a plan, in the order of the request, from their servers on GPUs of the
/// request's kind. Workloads whose replicas get unequal parts of the requests, whose servers take turns, or whose
/// arrivals or servers are not analysed are left out.
///
/// With `reasons`, the forecasts also contain what other shares, batch sizes and numbers of replicas would give,
/// which takes longer.
#[must_use]
pub fn forecast(plan: &Plan, request: &PlanRequest<'_>, reasons: bool) -> Vec<Forecast> {
    let (classes, _) = classes(request, LatenessSource::Analysis);
    let target = target(request);
    let mut class_of = vec![None; request.workloads().len()];
    for (index, class) in classes.iter().enumerate() {
        class.workloads.iter().for_each(|&workload| class_of[workload] = Some(index));
    }
    let goals = vec![target.attained; classes.len()];
    let kind = &request.predictor().kind().name;
    let parts = Parts::of(plan, request);
    // Servers are grouped by GPU, so that GPUs can be settled in parallel.
    let gpus: Vec<(usize, Vec<ForecastServer>)> = plan
        .gpus
        .iter()
        .enumerate()
        .filter(|(_, gpu)| gpu.kind == *kind && !gpu.takes_turns())
        .filter_map(|(index, gpu)| {
            let servers: Option<Vec<ForecastServer>> = gpu
                .placements
                .iter()
                .map(|placement| {
                    let workload = parts.index(placement.workload.as_str())?;
                    let setting = PlannedSetting {
                        replicas: parts.equal(workload)?,
                        batch: placement.batch.get(),
                        units: placement.sm.get(),
                        slow: 0,
                    };
                    let fits = setting.units > 0
                        && setting.units <= request.predictor().kind().units.get();
                    fits.then_some(ForecastServer { class: class_of[workload]?, workload, setting })
                })
                .collect();
            Some((index, servers?))
        })
        .collect();
    let chunk = gpus.len().div_ceil(rayon::current_num_threads()).max(1);
    let known: Vec<(usize, NeighbourView)> = gpus
        .par_chunks(chunk)
        .flat_map_iter(|gpus| {
            let site = KindTables::exact(request, classes.len());
            let mut fleet = Fleet::new(vec![site], classes.clone(), goals.clone());
            let settled = gpus.iter().flat_map(|(gpu, placed)| settled(&mut fleet, *gpu, placed));
            settled.collect::<Vec<_>>()
        })
        .collect();
    let mut of_workloads: Vec<Vec<&NeighbourView>> = vec![Vec::new(); class_of.len()];
    known.iter().for_each(|(workload, seen)| of_workloads[*workload].push(seen));
    let mut forecasts = Vec::new();
    let site = KindTables::exact(request, classes.len());
    let mut fleet = Fleet::new(vec![site], classes, goals);
    for (workload, (class, own)) in class_of.iter().zip(&of_workloads).enumerate() {
        let Some(class) = class.filter(|_| !own.is_empty()) else { continue };
        let name = request.workloads()[workload].name.to_string();
        forecasts.push(of_workload(&mut fleet, request, target, (name, class), own, reasons));
    }
    forecasts
}

/// A server of a plan.
struct ForecastServer {
    class: usize,
    workload: usize,
    setting: PlannedSetting,
}

/// The parts of the requests that the placements of each workload serve.
struct Parts<'a> {
    by_name: std::collections::BTreeMap<&'a str, usize>,
    parts: Vec<Vec<Option<f64>>>,
}

impl<'a> Parts<'a> {
    fn of(plan: &Plan, request: &PlanRequest<'a>) -> Self {
        let workloads = request.workloads().iter().enumerate();
        let by_name = workloads.map(|(index, w)| (w.name.as_str(), index)).collect();
        let mut all = Self { by_name, parts: vec![Vec::new(); request.workloads().len()] };
        for (_, placement) in plan.placements() {
            if let Some(&workload) = all.by_name.get(placement.workload.as_str()) {
                all.parts[workload].push(placement.served.map(|part| part.get()));
            }
        }
        all
    }

    fn index(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Returns the number of equal parts of a workload; `None` where they are not equal.
    fn equal(&self, workload: usize) -> Option<u32> {
        let parts = &self.parts[workload];
        if let [_] = parts.as_slice() {
            return Some(1);
        }
        let first = (*parts.first()?)?;
        let equal = |part: &Option<f64>| part.is_some_and(|p| (p / first - 1.0).abs() < 1e-6);
        parts.iter().all(equal).then(|| u32::try_from(parts.len()).ok())?
    }
}

/// A server among its neighbours.
struct NeighbourView {
    gpu: usize,
    seat: PackedServer,
    attained: f64,
    busy: f64,
    mean_batch: f64,
}

/// Returns the servers of one GPU with the slowdowns that they cause together.
fn settled(
    fleet: &mut Fleet<'_>,
    gpu: usize,
    placed: &[ForecastServer],
) -> Vec<(usize, NeighbourView)> {
    let mut seats: Vec<PackedServer> = placed
        .iter()
        .filter_map(|placed| fleet.seated(0, placed.class, placed.workload, placed.setting))
        .collect();
    fleet.settle(0, &mut seats);
    let mut seen = Vec::new();
    for seat in seats {
        let class = (seat.class, &fleet.classes[seat.class]);
        let Some(steady) = fleet.sites[0].steady(class, &seat.setting) else { continue };
        let (attained, busy, mean_batch) = (steady.attained, steady.busy, steady.mean_batch);
        seen.push((seat.workload, NeighbourView { gpu, seat, attained, busy, mean_batch }));
    }
    seen
}

fn of_workload(
    fleet: &mut Fleet<'_>,
    request: &PlanRequest<'_>,
    target: AttainmentTarget,
    (workload, class): (String, usize),
    own: &[&NeighbourView],
    reasons: bool,
) -> Forecast {
    #[expect(clippy::cast_precision_loss, reason = "a number of replicas")]
    let count = own.len() as f64;
    let attained = own.iter().map(|seen| seen.attained).sum::<f64>() / count;
    let setting = own[0].seat.setting;
    let of = fleet.classes[class].clone();
    let dispersion = fleet.sites[0].dispersion(&of, &setting);
    let lucky = match &of.source {
        ArrivalKnowledge::Chain | ArrivalKnowledge::Draws(_, Luck::Varies | Luck::Recorded) => true,
        ArrivalKnowledge::Draws(_, Luck::None) | ArrivalKnowledge::Simulated => false,
    };
    let spread = if lucky { target.spread(attained, dispersion, of.requests) } else { 0.0 };
    let planned = goal(target, &of, dispersion);
    fleet.goals[class] = planned;
    let whole = f64::from(fleet.sites[0].whole);
    let percent = |units: u32| 100.0 * f64::from(units) / whole;
    let mut servers = Vec::new();
    for seen in own {
        let PlannedSetting { replicas, batch, units, slow } = seen.seat.setting;
        let less = PlannedSetting { units: units.saturating_sub(1), ..seen.seat.setting };
        let with_less = (reasons && less.units > 0)
            .then(|| fleet.sites[0].steady((class, &of), &less))
            .flatten();
        let alone = reasons.then(|| fleet.sites[0].least((class, &of), replicas, 0, planned));
        servers.push(ServerForecast {
            gpu: seen.gpu,
            batch,
            sm_pct: percent(units),
            attained_pct: 100.0 * seen.attained,
            busy_pct: 100.0 * seen.busy,
            mean_batch: seen.mean_batch,
            slowdown_pct: f64::from(slow),
            with_less_pct: with_less.map(|steady| 100.0 * steady.attained),
            alone: alone.flatten().map(|choice| (percent(choice.units), choice.batch)),
        });
    }
    let choices = if reasons { choices(fleet, request, class, planned) } else { Vec::new() };
    let interval_pct = (100.0 * (attained - spread).max(0.0), 100.0 * (attained + spread).min(1.0));
    Forecast {
        workload,
        attained_pct: 100.0 * attained,
        interval_pct,
        goal_pct: 100.0 * planned,
        servers,
        choices,
        note: note(target, &of, dispersion, request),
    }
}

fn choices(
    fleet: &mut Fleet<'_>,
    request: &PlanRequest<'_>,
    class: usize,
    goal: f64,
) -> Vec<ReplicaChoice> {
    let most = match request.options().replicas {
        Replicas::Forbidden => 1,
        Replicas::ByStrategy | Replicas::Allowed => MOST_REPLICAS,
    };
    let of = fleet.classes[class].clone();
    let whole = f64::from(fleet.sites[0].whole);
    let mut choices = Vec::new();
    for (replicas, _) in options(fleet, class, most) {
        if let Some(choice) = fleet.sites[0].least((class, &of), replicas, 0, goal) {
            let sm_pct = 100.0 * f64::from(choice.units) / whole;
            choices.push(ReplicaChoice { replicas, sm_pct, batch: choice.batch });
        }
    }
    choices
}

/// Returns what a forecast from recorded arrivals cannot promise.
fn note(
    target: AttainmentTarget,
    class: &Class,
    dispersion: f64,
    request: &PlanRequest<'_>,
) -> Option<String> {
    let ArrivalKnowledge::Draws(_, Luck::Recorded) = class.source else { return None };
    let needed = target.requests_needed(dispersion);
    if class.requests >= needed {
        return None;
    }
    let options = request.options();
    Some(format!(
        "its trace has {:.0} requests in the time that is counted, and late requests come in groups: to promise \
         {} % for other days with a confidence of {} % takes about {needed:.0}; the forecast holds for this trace \
         alone",
        class.requests, options.attainment_pct, options.confidence_pct
    ))
}

impl fmt::Display for Forecast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = self.interval_pct;
        writeln!(
            f,
            "{}: {:.2} % within the SLO in the long run (planned for {:.2} %); {low:.2} to {high:.2} % in a run like \
             the scenario's",
            self.workload, self.attained_pct, self.goal_pct
        )?;
        for server in &self.servers {
            writeln!(
                f,
                "  GPU {}: {:.1} % of the SMs, batches of at most {}; {:.2} % in time, busy for {:.0} % of the time, {:.2} \
                 requests a batch, slowed by {:.0} % by its neighbours",
                server.gpu,
                server.sm_pct,
                server.batch,
                server.attained_pct,
                server.busy_pct,
                server.mean_batch,
                server.slowdown_pct
            )?;
            if let Some((alone, batch)) = server.alone {
                write!(
                    f,
                    "    share: {alone:.1} % with batches of {batch} would do without neighbours"
                )?;
                match server.with_less_pct {
                    Some(less) => writeln!(f, "; with a unit less here, {less:.2} % in time")?,
                    None => writeln!(f)?,
                }
            }
        }
        if !self.choices.is_empty() {
            let choice = |c: &ReplicaChoice| {
                let total = c.sm_pct * f64::from(c.replicas);
                format!("{} x {:.1} % (batch {}; {total:.1} %)", c.replicas, c.sm_pct, c.batch)
            };
            let choices: Vec<String> = self.choices.iter().map(choice).collect();
            writeln!(f, "  replicas, each alone: {}", choices.join(", "))?;
        }
        if let Some(note) = &self.note {
            writeln!(f, "  note: {note}")?;
        }
        Ok(())
    }
}
