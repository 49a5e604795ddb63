//! Successive plans as a JSON document.

use super::epochs::{HandoverStep, Replanned};
use super::layout::GpuServers;
use crate::{PlanFile, plan_json};
use igniter_model::domain::{
    CoLocation, GpuId, GpuKind, GpuKindName, ModelName, Placement, Plan, PlanAt, ServerSetting,
    Timeline, TimelineGpu, TimelineServer, Workload, WorkloadName,
};
use igniter_model::units::{BatchSize, Nanoseconds, RequestsPerSecond, SmPercent, SmUnits};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The file format of successive plans.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlansFile {
    /// The name of the scenario.
    pub scenario: String,
    /// The length of the run, in s.
    pub duration_s: f64,
    /// The strategy whose rules the plans follow.
    pub strategy: String,
    /// The policy.
    pub policy: String,
    /// The plans, in the order of time.
    pub plans: Vec<EpochFile>,
    /// The servers of the whole run, hand-overs included; this is what is simulated.
    timeline: TimelineFile,
}

/// A plan, with the decision and the hand-over that led to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochFile {
    /// Time of the decision, in s.
    pub at_s: f64,
    /// Whether the plan was made within an epoch.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    early: bool,
    /// The rates planned for, by workload.
    rates_rps: Vec<f64>,
    /// Proven lower bound on the number of GPUs for these rates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bound_gpus: Option<usize>,
    /// Number in the timeline of each GPU of the plan.
    gpu_ids: Vec<usize>,
    plan: PlanFile,
    actions: Vec<ActionFile>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ActionFile {
    at_s: f64,
    done_s: f64,
    action: String,
    gpu: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    workload: Option<WorkloadName>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sm_pct_before: Option<SmPercent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sm_pct: Option<SmPercent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    batch: Option<u32>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    without_room: bool,
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimelineFile {
    gpus: Vec<ReplanGpuFile>,
    servers: Vec<ReplanServerFile>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplanGpuFile {
    kind: GpuKindName,
    /// Rental periods, as start and end in s; an end of `null` means the end of the run.
    rented_s: Vec<(f64, Option<f64>)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplanServerFile {
    gpu: usize,
    workload: WorkloadName,
    model: ModelName,
    sm_pct: SmPercent,
    ordered_s: f64,
    ready_s: f64,
    takes_from_s: f64,
    takes_until_s: Option<f64>,
    settings: Vec<SettingFile>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SettingFile {
    from_s: f64,
    batch: BatchSize,
    served_rps: RequestsPerSecond,
}

/// A step of a hand-over as a row of a table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HandoverStepRow<'a> {
    /// Time of the decision on the plan, in s.
    pub plan_at_s: f64,
    /// Start of the step, in s.
    pub at_s: f64,
    /// End of the step, in s.
    pub done_s: f64,
    /// What happens.
    pub action: &'a str,
    /// The number of the GPU in the timeline.
    pub gpu: usize,
    /// The workload, if the step concerns a server.
    pub workload: Option<&'a str>,
    /// The share before the step, in percent.
    pub sm_pct_before: Option<f64>,
    /// The share after the step, in percent.
    pub sm_pct: Option<f64>,
    /// The largest batch after the step.
    pub batch: Option<u32>,
    /// Whether the step was forced although there was no room.
    pub without_room: bool,
    /// The reason, in words.
    pub reason: &'a str,
}

impl PlansFile {
    /// Returns the rates planned for, each with the time in s from which they apply.
    #[must_use]
    pub fn planned(&self) -> Vec<(f64, Vec<f64>)> {
        self.plans.iter().map(|plan| (plan.at_s, plan.rates_rps.clone())).collect()
    }

    /// Returns one row per plan.
    #[must_use]
    pub fn plan_rows(&self) -> Vec<PlanAt> {
        let row = |plan: &EpochFile| {
            let count = |action: &str| plan.actions.iter().filter(|a| a.action == action).count();
            PlanAt {
                at_s: plan.at_s,
                early: plan.early,
                rate_rps: plan.rates_rps.iter().sum(),
                gpus: plan.gpu_ids.len(),
                bound_gpus: plan.bound_gpus,
                moves: count("move"),
                restarts: count("restart"),
                boots: count("boot"),
                without_room: plan.actions.iter().filter(|a| a.without_room).count(),
            }
        };
        self.plans.iter().map(row).collect()
    }

    /// Returns one row per step.
    #[must_use]
    pub fn action_rows(&self) -> Vec<HandoverStepRow<'_>> {
        let of = |plan: &'_ EpochFile| plan.actions.len();
        let mut rows = Vec::with_capacity(self.plans.iter().map(of).sum());
        for plan in &self.plans {
            rows.extend(plan.actions.iter().map(|action| HandoverStepRow {
                plan_at_s: plan.at_s,
                at_s: action.at_s,
                done_s: action.done_s,
                action: &action.action,
                gpu: action.gpu,
                workload: action.workload.as_ref().map(WorkloadName::as_str),
                sm_pct_before: action.sm_pct_before.map(SmPercent::get),
                sm_pct: action.sm_pct.map(SmPercent::get),
                batch: action.batch,
                without_room: action.without_room,
                reason: &action.reason,
            }));
        }
        rows
    }
}

/// The head of a file of successive plans.
#[derive(Debug, Clone, Copy)]
pub struct PlansHead<'a> {
    /// The name of the scenario.
    pub scenario: &'a str,
    /// The length of the run, in s.
    pub duration_s: f64,
    /// The strategy whose rules the plans follow.
    pub strategy: &'a str,
    /// The policy.
    pub policy: &'a str,
}

/// Converts the plan of an epoch to a [`Plan`].
#[must_use]
pub fn epoch_plan(
    machines: &[GpuServers],
    strategy: &str,
    kinds: &[&GpuKind],
    workloads: &[Workload],
) -> Plan {
    let gpu = |machine: &GpuServers| {
        let placement = |server: &super::ReplanServer| {
            let workload = &workloads[server.workload];
            let served = RequestsPerSecond::new(workload.rate.get() * server.part).ok();
            Placement {
                workload: workload.name.clone(),
                model: workload.model.clone(),
                batch: BatchSize::new(server.batch.max(1)).unwrap_or(BatchSize::ONE),
                sm: SmUnits::new(server.units),
                served: served.filter(|_| server.part < 1.0),
                time_slot: None,
                predicted: None,
            }
        };
        CoLocation {
            kind: kinds[machine.kind].name.clone(),
            placements: machine.servers.iter().map(placement).collect(),
        }
    };
    Plan {
        strategy: strategy.to_owned(),
        gpus: machines.iter().map(gpu).collect(),
        infeasible: Vec::new(),
        bound: None,
    }
}

/// Converts successive plans to their file format.
#[must_use]
pub fn plans_file(
    replanned: &Replanned,
    head: &PlansHead<'_>,
    kinds: &[&GpuKind],
    workloads: &[Workload],
) -> PlansFile {
    let percent = |gpu: GpuId, units: u32| {
        let name = &replanned.timeline.gpus[gpu.index()].kind;
        let kind = kinds.iter().find(|kind| kind.name == *name)?;
        SmUnits::new(units).to_percent(kind.units)
    };
    let action = |action: &HandoverStep| ActionFile {
        at_s: action.at_s,
        done_s: action.done_s,
        action: action.act.as_str().to_owned(),
        gpu: action.gpu.index(),
        workload: action.workload.map(|workload| workloads[workload].name.clone()),
        sm_pct_before: percent(action.gpu, action.units.0),
        sm_pct: percent(action.gpu, action.units.1),
        batch: (action.batch > 0).then_some(action.batch),
        without_room: action.forced,
        reason: action.reason.to_owned(),
    };
    let plans = replanned.epochs.iter().map(|epoch| EpochFile {
        at_s: epoch.at_s,
        early: epoch.early,
        rates_rps: epoch.rates.clone(),
        bound_gpus: epoch.bound,
        gpu_ids: epoch.machines.iter().map(|machine| machine.id).collect(),
        plan: plan_json(&epoch_plan(&epoch.machines, head.strategy, kinds, workloads), kinds),
        actions: epoch.actions.iter().map(action).collect(),
    });
    let server = |server: &TimelineServer| ReplanServerFile {
        gpu: server.gpu.index(),
        workload: server.placement.workload.clone(),
        model: server.placement.model.clone(),
        sm_pct: percent(server.gpu, server.placement.sm.get()).expect("a server has a share"),
        ordered_s: server.ordered.as_seconds(),
        ready_s: server.ready.as_seconds(),
        takes_from_s: server.takes_from.as_seconds(),
        takes_until_s: server.takes_until.map(Nanoseconds::as_seconds),
        settings: server
            .settings
            .iter()
            .map(|setting| SettingFile {
                from_s: setting.from.as_seconds(),
                batch: setting.batch,
                served_rps: setting.served,
            })
            .collect(),
    };
    let gpu = |gpu: &TimelineGpu| ReplanGpuFile {
        kind: gpu.kind.clone(),
        rented_s: gpu
            .rented
            .iter()
            .map(|(from, until)| (from.as_seconds(), until.map(Nanoseconds::as_seconds)))
            .collect(),
    };
    PlansFile {
        scenario: head.scenario.to_owned(),
        duration_s: head.duration_s,
        strategy: head.strategy.to_owned(),
        policy: head.policy.to_owned(),
        plans: plans.collect(),
        timeline: TimelineFile {
            gpus: replanned.timeline.gpus.iter().map(gpu).collect(),
            servers: replanned.timeline.servers.iter().map(server).collect(),
        },
    }
}

/// Returns whether a JSON document holds successive plans.
#[must_use]
pub fn is_plans_text(text: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(text)
        .is_ok_and(|value| value.get("timeline").is_some() && value.get("plans").is_some())
}

/// Reads successive plans, for a run of a scenario.
///
/// # Errors
/// If the text is not such a document, or its plans belong to another scenario. The message names the file and what to
/// do.
pub fn read_plans_text(
    path: &Path,
    text: &str,
    (kinds, workloads): (&[&GpuKind], &[Workload]),
    duration_s: f64,
) -> Result<(PlansFile, Timeline), String> {
    let error = |what: String| {
        format!(
            "{}: {what}; fix: make the plans anew with `igniter replan` from this scenario",
            path.display()
        )
    };
    let file: PlansFile = serde_json::from_str(text).map_err(|e| error(e.to_string()))?;
    if (file.duration_s - duration_s).abs() > 1e-9 {
        return Err(error(format!(
            "duration_s: the plans are of a run of {} s (scenario {:?}), and this one lasts {duration_s} s",
            file.duration_s, file.scenario
        )));
    }
    let timeline = file.timeline.clone().checked(kinds, workloads).map_err(error)?;
    Ok((file, timeline))
}

fn time(seconds: f64, key: &str) -> Result<Nanoseconds, String> {
    Nanoseconds::from_seconds(seconds).map_err(|_| format!("{key}: given {seconds}"))
}

impl TimelineFile {
    fn checked(self, kinds: &[&GpuKind], workloads: &[Workload]) -> Result<Timeline, String> {
        let mut timeline = Timeline::default();
        for (number, gpu) in self.gpus.into_iter().enumerate() {
            let key = format!("timeline.gpus[{number}]");
            if kinds.iter().all(|kind| kind.name != gpu.kind) {
                let known: Vec<&str> = kinds.iter().map(|kind| kind.name.as_str()).collect();
                return Err(format!(
                    "{key}.kind: {}; the scenario's kinds are {}",
                    gpu.kind,
                    known.join(", ")
                ));
            }
            let mut rented = Vec::with_capacity(gpu.rented_s.len());
            for (from, until) in gpu.rented_s {
                let until = until.map(|until| time(until, &key)).transpose()?;
                rented.push((time(from, &key)?, until));
            }
            timeline.gpus.push(TimelineGpu { kind: gpu.kind, rented });
        }
        for (number, server) in self.servers.into_iter().enumerate() {
            let key = format!("timeline.servers[{number}]");
            let known = workloads.iter().find(|workload| workload.name == server.workload);
            if known.is_none_or(|workload| workload.model != server.model) {
                return Err(format!(
                    "{key}: the scenario has no workload {} of model {}: the plans are of another scenario",
                    server.workload, server.model
                ));
            }
            let Some(gpu) = timeline.gpus.get(server.gpu) else {
                return Err(format!("{key}.gpu: there is no GPU {}", server.gpu));
            };
            let kind = kinds.iter().find(|kind| kind.name == gpu.kind).expect("checked above");
            let whole = f64::from(kind.units.get());
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a percentage of few units"
            )]
            let units = (server.sm_pct.get() / 100.0 * whole).round() as u32;
            let mut settings = Vec::with_capacity(server.settings.len());
            for setting in server.settings {
                settings.push(ServerSetting {
                    from: time(setting.from_s, &key)?,
                    batch: setting.batch,
                    served: setting.served_rps,
                });
            }
            let Some(first) = settings.first().copied() else {
                return Err(format!("{key}.settings: at least one is needed"));
            };
            let rate = known.map_or(0.0, |workload| workload.rate.get());
            timeline.servers.push(TimelineServer {
                gpu: GpuId::new(server.gpu),
                placement: Placement {
                    workload: server.workload,
                    model: server.model,
                    batch: first.batch,
                    sm: SmUnits::new(units),
                    served: (first.served.get() < rate).then_some(first.served),
                    time_slot: None,
                    predicted: None,
                },
                ordered: time(server.ordered_s, &key)?,
                ready: time(server.ready_s, &key)?,
                takes_from: time(server.takes_from_s, &key)?,
                takes_until: server.takes_until_s.map(|until| time(until, &key)).transpose()?,
                settings,
            });
        }
        for workload in workloads {
            if timeline.servers.iter().all(|server| server.placement.workload != workload.name) {
                return Err(format!(
                    "timeline.servers: none serves workload {}: the plans are of another scenario",
                    workload.name
                ));
            }
        }
        Ok(timeline)
    }
}
