//! Tables of plans that follow each other, from which figures and pages are made.

use super::{FollowedPlans, JUDGED_WINDOW, Lateness, ReplannedStudy, Study, lateness};
use crate::domain::{Timeline, TimelineGpu, TimelineServer, WorkloadName};
use crate::metrics::RequestWindow;
use crate::plan::replan::{HandoverStepRow, PlansFile, PlansHead, plans_file};
use crate::results::{Following, GpuLane, LaneServer, Lanes, PlanStep, Span, StrategyResult};
use crate::units::Nanoseconds;

/// Maximum number of spans of a run in which late requests are counted. A chart could not show
/// more.
const SPANS: f64 = 96.0;

impl Study {
    /// Makes the document of plans that were made for this study by the rules of `strategy`.
    #[must_use]
    pub fn plans_file(&self, done: &ReplannedStudy, strategy: &str) -> PlansFile {
        let scenario = self.scenario();
        let head = PlansHead {
            scenario: &scenario.name,
            duration_s: scenario.duration.as_seconds(),
            strategy,
            policy: done.spec.policy.as_str(),
        };
        plans_file(&done.replanned, &head, &self.kinds(), self.workloads())
    }

    /// Makes the tables of plans that follow each other, with the counts of late requests where the
    /// plans were simulated.
    #[must_use]
    pub fn following(
        &self,
        file: &PlansFile,
        timeline: &Timeline,
        followed: Option<&FollowedPlans>,
    ) -> Following {
        let steps = file.action_rows();
        let lanes = self.lanes(timeline, &steps);
        let rented = lanes.gpus.iter().flat_map(|lane| &lane.rented_s);
        let seconds: f64 = rented.map(|(from_s, until_s)| until_s - from_s).sum();
        Following {
            policy: file.policy.clone(),
            gpu_hours: seconds / 3600.0,
            plans: file.plan_rows(),
            steps: steps.iter().map(step).collect(),
            lanes,
            spans: followed.map_or_else(Vec::new, |followed| {
                spans(&followed.windows, self.scenario().duration, &file.planned())
            }),
        }
    }

    /// Returns the result of plans that follow each other, with their tables.
    #[must_use]
    pub fn with_following(
        &self,
        file: &PlansFile,
        timeline: &Timeline,
        followed: &FollowedPlans,
    ) -> StrategyResult {
        let mut result = followed.result.clone();
        result.details.following = Some(self.following(file, timeline, Some(followed)));
        result
    }

    fn lanes(&self, timeline: &Timeline, steps: &[HandoverStepRow<'_>]) -> Lanes {
        let duration_s = self.scenario().duration.as_seconds();
        let end = |until: Option<Nanoseconds>| {
            until.map_or(duration_s, |until| until.as_seconds().min(duration_s))
        };
        let kinds = self.kinds();
        let lane = |(number, gpu): (usize, &TimelineGpu)| {
            let units = kinds.iter().find(|kind| kind.name == gpu.kind).map(|kind| kind.units);
            let server = |server: &TimelineServer| LaneServer {
                workload: server.placement.workload.clone(),
                model: server.placement.model.clone(),
                sm_pct: units
                    .and_then(|units| server.placement.sm.to_percent(units))
                    .map_or(0.0, |share| share.get()),
                ordered_s: server.ordered.as_seconds(),
                ready_s: server.ready.as_seconds(),
                until_s: end(server.takes_until),
            };
            let own = timeline.servers.iter().filter(|server| server.gpu.index() == number);
            let boots = steps.iter().filter(|step| step.action == "boot" && step.gpu == number);
            GpuLane {
                kind: gpu.kind.clone(),
                rented_s: (gpu.rented.iter())
                    .map(|(from, until)| (from.as_seconds(), end(*until)))
                    .collect(),
                boots_s: boots
                    .map(|boot| (boot.at_s, boot.done_s.min(duration_s)))
                    .filter(|(from_s, until_s)| from_s < until_s)
                    .collect(),
                servers: own.map(server).filter(|s| s.ordered_s < s.until_s).collect(),
            }
        };
        Lanes { duration_s, gpus: timeline.gpus.iter().enumerate().map(lane).collect() }
    }
}

fn step(row: &HandoverStepRow<'_>) -> PlanStep {
    PlanStep {
        at_s: row.at_s,
        done_s: row.done_s,
        action: row.action.to_owned(),
        gpu: row.gpu,
        workload: row.workload.and_then(|name| WorkloadName::new(name).ok()),
        sm_pct_before: row.sm_pct_before,
        sm_pct: row.sm_pct,
        reason: row.reason.to_owned(),
    }
}

/// Sums up consecutive windows into spans. `planned` is as for [`lateness`].
fn spans(
    windows: &[RequestWindow],
    duration: Nanoseconds,
    planned: &[(f64, Vec<f64>)],
) -> Vec<Span> {
    let (duration_s, window_s) = (duration.as_seconds(), JUDGED_WINDOW.as_seconds());
    let each_s = (duration_s / window_s / SPANS).ceil().max(1.0) * window_s;
    let mut spans = Vec::new();
    let mut from_s = 0.0;
    while from_s < duration_s - 1e-9 {
        let until_s = (from_s + each_s).min(duration_s);
        let within = |window: &&RequestWindow| {
            (from_s - 1e-9..until_s - 1e-9).contains(&window.start.as_seconds())
        };
        let own: Vec<RequestWindow> = windows.iter().filter(within).copied().collect();
        let Lateness { requests, late_in_handover, late_by_forecast, late_by_plan, .. } =
            lateness(&own, planned, 100.0);
        spans.push(Span {
            from_s,
            until_s,
            requests,
            late_in_handover,
            late_by_forecast,
            late_by_plan,
        });
        from_s = until_s;
    }
    spans
}
