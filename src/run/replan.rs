//! Makes plans that follow the load of a study.

use super::follow::FollowedPlans;
use super::traffic::draws_seed;
use super::{Logging, RunError, Study};
use crate::arrivals::{ArrivalPart, ArrivalSpec};
use crate::domain::{Plan, Workload};
use crate::metrics::RequestWindow;
use crate::plan::queueing::QueueingRules;
use crate::plan::replan::{
    Account, ArrivalCounts, HandoverMode, Policy, ReplanError, ReplanInput, ReplanSpec, Replanned,
    Rules, StrategyRules, account, replan, tick_s,
};
use crate::plan::{
    ArrivalModel, Luck, PlanRequest, RunLength, ServerTraits, Strategy, Traffic, has_sticky_rules,
    strategy,
};
use crate::results::{Stopwatch, StrategyResult};
use crate::units::Nanoseconds;

/// The plans of a run that follow its load.
#[derive(Debug)]
pub struct ReplannedStudy {
    /// The settings by which the plans were made.
    pub spec: ReplanSpec,
    /// The plans.
    pub replanned: Replanned,
    /// The cost of the plans and the disturbance that they cause.
    pub account: Account,
    /// The account of a single plan for the highest rate of each workload.
    pub fixed: Account,
    /// The counted arrivals, on which the forecasts are based.
    pub counts: ArrivalCounts,
    /// Planning time in s, without counting arrivals and without the plan for the highest rates. For display only.
    pub seconds: f64,
}

impl Study {
    /// Makes plans that follow the changing load of the scenario, by the rules of a strategy.
    ///
    /// # Errors
    /// When arrivals cannot be made, the strategy has no rules for the policy, no GPU can ever have room for a
    /// hand-over, or a workload cannot be served at a forecast rate.
    pub fn replan(
        &self,
        strategy: &dyn Strategy,
        spec: &ReplanSpec,
    ) -> Result<ReplannedStudy, RunError> {
        let name = strategy.name();
        if spec.policy == Policy::Sticky && !has_sticky_rules(name) {
            return Err(RunError::Replan(format!(
                "policy \"sticky\" needs the least shares of servers that share a GPU, and strategy {name} has other rules; \
                 use policy = \"matched\" with it, or one of igniter, ffd, greedy, exact, optimal and queueing"
            )));
        }
        let counts = self.counted(spec)?;
        let watch = Stopwatch::start();
        let traffic = EpochTraffic { study: self, period_ms: spec.period_s * 1000.0 };
        let predictors = self.predictors();
        let mut requests = Vec::with_capacity(predictors.len());
        for &predictor in &predictors {
            let request = PlanRequest::for_any(self.workloads(), predictor, self.scenario().plan);
            requests.push(request.with_traffic(&traffic));
        }
        let mut rules: Box<dyn Rules> = match name {
            "queueing" => Box::new(QueueingRules::new(&requests)),
            _ => Box::new(StrategyRules::new(strategy, &requests)),
        };
        self.check_room(spec, rules.as_ref())?;
        let startup = |entry: &crate::scenario::ScenarioWorkload| {
            let own = entry.server.startup.as_seconds();
            if own > 0.0 { own } else { spec.handover.load_s }
        };
        let loads_s: Vec<f64> = self.scenario().workloads.iter().map(startup).collect();
        let input = ReplanInput {
            spec,
            workloads: self.workloads(),
            predictors: &predictors,
            loads_s: &loads_s,
            counts: &counts,
            seed: self.scenario().seed,
        };
        let named = |error: ReplanError| RunError::Replan(self.named(&error));
        let replanned = replan(&input, rules.as_mut()).map_err(named)?;
        let seconds = watch.seconds();
        let fixed_spec = ReplanSpec { policy: Policy::Static, ..*spec };
        let fixed = replan(&ReplanInput { spec: &fixed_spec, ..input }, rules.as_mut());
        let fixed = fixed.map_err(named)?;
        let sums = |replanned: &Replanned| {
            let billing_s = f64::from(spec.handover.billing_s);
            account(replanned, counts.duration_s, billing_s, &self.kinds())
        };
        let (account, fixed) = (sums(&replanned), sums(&fixed));
        Ok(ReplannedStudy { spec: *spec, replanned, account, fixed, counts, seconds })
    }

    /// Counts the arrivals of the run in windows, which are the only input of the forecasts.
    fn counted(&self, spec: &ReplanSpec) -> Result<ArrivalCounts, RunError> {
        let scenario = self.scenario();
        let window_s = match spec.policy {
            Policy::Replicas => tick_s(&spec.replicas),
            _ => spec.forecast.window_s,
        };
        let duration_s = scenario.duration.as_seconds();
        let waits = |entry: &&crate::scenario::ScenarioWorkload| entry.arrival.waits_for_answers();
        // The number of requests depends on the plan, so plans are made for the rate in the scenario.
        if scenario.workloads.iter().any(|entry| waits(&entry)) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
            let count =
                |workload: &Workload| vec![(workload.rate.get() * duration_s).round() as u64];
            let arrivals = self.workloads().iter().map(count).collect();
            return Ok(ArrivalCounts { window_s: duration_s, duration_s, arrivals });
        }
        let window = Nanoseconds::from_seconds(window_s).unwrap_or(scenario.duration);
        let (duration, seed) = (scenario.duration, scenario.seed);
        let arrivals = crate::sim::arrival_counts(self.sim_workloads(), duration, window, seed)?;
        Ok(ArrivalCounts { window_s, duration_s, arrivals })
    }

    /// Rejects hand-overs for which no GPU can ever have room.
    fn check_room(&self, spec: &ReplanSpec, rules: &dyn Rules) -> Result<(), RunError> {
        let restarts = matches!(spec.policy, Policy::Scratch | Policy::Matched | Policy::Sticky);
        if !restarts || spec.handover.mode == HandoverMode::Gap {
            return Ok(());
        }
        for (index, workload) in self.workloads().iter().enumerate() {
            let kinds = 0..rules.kinds().len();
            let serves = |kind: &usize| rules.has_room(*kind, &[index]);
            let mut serving = kinds.filter(serves).peekable();
            if serving.peek().is_some()
                && serving.all(|kind| !rules.has_room(kind, &[index, index]))
            {
                return Err(RunError::Replan(format!(
                    "workload {}: no GPU has the memory (or may have the processes) for an old and a new server of model {}, \
                     so no hand-over of a share can ever have room; write mode = \"gap\" in [replan.handover], so that the \
                     old server goes first, or use GPUs with more memory",
                    workload.name, workload.model
                )));
            }
        }
        Ok(())
    }

    /// Formats an error with the names of workloads in place of their indices.
    fn named(&self, error: &ReplanError) -> String {
        let text = error.to_string();
        match error {
            ReplanError::NoServer { workload, .. } | ReplanError::NoPlan { workload, .. } => {
                let name = self.workloads()[*workload].name.as_str();
                text.replacen(&format!("workload {workload}"), &format!("workload {name}"), 1)
            }
            ReplanError::Plan(_) => text,
        }
    }
}

/// Counts of late requests under plans that follow each other, by cause.
#[derive(Debug, Clone, Copy, PartialEq, Default, serde::Serialize)]
pub struct Lateness {
    /// Number of requests that arrived.
    pub requests: u64,
    /// Number of late requests: those that took longer than the SLO, or failed.
    pub late: u64,
    /// Number of late requests that arrived while one server of their workload handed over to another.
    pub late_in_handover: u64,
    /// Number of other late requests that arrived in a window whose rate was above the planned one.
    pub late_by_forecast: u64,
    /// Number of all other late requests, which are due to the plan itself.
    pub late_by_plan: u64,
    /// Number of windows of a workload in which requests arrived.
    pub windows: usize,
    /// Number of these windows in which the attainment was below the target.
    pub windows_below: usize,
}

/// Sums up the late requests of windows. `planned` holds the planned rates, each set with the time in s from which it
/// applies; `target_pct` is the target attainment in percent.
#[must_use]
pub fn lateness(
    windows: &[RequestWindow],
    planned: &[(f64, Vec<f64>)],
    target_pct: f64,
) -> Lateness {
    let mut sums = Lateness::default();
    for window in windows {
        let start_s = window.start.as_seconds();
        let seconds = window.end.saturating_sub(window.start).as_seconds();
        let at = planned.partition_point(|(from_s, _)| *from_s <= start_s + 1e-9);
        let rates = at.checked_sub(1).map(|place| &planned[place].1);
        let expected = rates.and_then(|rates| rates.get(window.workload.index()).copied());
        #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
        let (requests, late) = (window.requests as f64, window.late as f64);
        let others = window.late - window.late_in_hand_over;
        sums.requests += window.requests;
        sums.late += window.late;
        sums.late_in_handover += window.late_in_hand_over;
        if expected.is_some_and(|expected| requests > expected * seconds) {
            sums.late_by_forecast += others;
        } else {
            sums.late_by_plan += others;
        }
        if window.requests > 0 {
            sums.windows += 1;
            sums.windows_below += usize::from(100.0 * (1.0 - late / requests) < target_pct - 1e-9);
        }
    }
    sums
}

impl ReplannedStudy {
    /// The planned rates, each set with the time in s from which it applies.
    #[must_use]
    pub fn planned(&self) -> Vec<(f64, Vec<f64>)> {
        let epochs = self.replanned.epochs.iter();
        epochs.map(|epoch| (epoch.at_s, epoch.rates.clone())).collect()
    }
}

/// The window in which attainment is judged: one minute.
pub const JUDGED_WINDOW: Nanoseconds = Nanoseconds::new(60_000_000_000);

impl Study {
    /// Plans the scenario by its `[replan]` table and simulates the plans. Returns `None` where it has no such table.
    ///
    /// # Errors
    /// Same as [`Study::replan`] and [`Study::follow`].
    pub fn replan_and_follow(
        &self,
        strategy: &dyn Strategy,
    ) -> Result<Option<(ReplannedStudy, FollowedPlans)>, RunError> {
        let Some(spec) = self.scenario().replan else { return Ok(None) };
        let replanned = self.replan(strategy, &spec)?;
        let timeline = &replanned.replanned.timeline;
        let followed = self.follow(strategy.name(), timeline, JUDGED_WINDOW)?;
        Ok(Some((replanned, followed)))
    }

    /// Returns the course that [`Study::run`] takes for a strategy: its plan or, where the scenario has a `[replan]`
    /// table, plans that are made from the load of the run.
    #[must_use]
    pub fn course(&self, strategy: &dyn Strategy) -> Course {
        match self.scenario().replan {
            None => Course::Plan(self.plan(strategy)),
            Some(_) => Course::Replan { strategy: strategy.name().to_owned() },
        }
    }

    /// Simulates a plan, or plans by the `[replan]` table, and returns the numbers only.
    ///
    /// # Errors
    /// Same as [`Study::simulate`], [`Study::replan`] and [`Study::follow`]. Also when plans are to follow the load
    /// with a strategy that is not built in, or in a scenario without a `[replan]` table.
    pub fn run(&self, course: &Course) -> Result<StrategyResult, RunError> {
        match course {
            Course::Plan(plan) => self.simulate(plan),
            Course::Replan { strategy } => Ok(self.replanned_by(strategy)?.1.result),
        }
    }

    /// Same as [`Study::run`], for a result that is displayed: with the requests and arrivals that `logging` requests
    /// or, for plans that follow the load, with the tables of their steps.
    ///
    /// # Errors
    /// Same as [`Study::run`].
    pub fn run_in_full(
        &self,
        course: &Course,
        logging: Logging,
    ) -> Result<StrategyResult, RunError> {
        match course {
            Course::Plan(plan) => Ok(self.simulate_logged(plan, logging)?.0),
            Course::Replan { strategy } => {
                let (replanned, followed) = self.replanned_by(strategy)?;
                let file = self.plans_file(&replanned, strategy);
                Ok(self.with_following(&file, &replanned.replanned.timeline, &followed))
            }
        }
    }

    fn replanned_by(&self, name: &str) -> Result<(ReplannedStudy, FollowedPlans), RunError> {
        let strategy = strategy(name).map_err(|_| {
            RunError::Replan(format!(
                "strategy {name} is not one of the built-in ones, which alone make plans that follow load ([replan]); fix: choose one \
                 of them, or remove the table"
            ))
        })?;
        let missing = || RunError::Replan("the scenario has no [replan] table".to_owned());
        self.replan_and_follow(strategy.as_ref())?.ok_or_else(missing)
    }
}

/// The course of a run: one plan throughout, or plans that follow its load.
#[derive(Debug, Clone, PartialEq)]
pub enum Course {
    /// A single plan for the whole run.
    Plan(Plan),
    /// Plans by the `[replan]` table of the scenario, made anew from the load of each run.
    Replan {
        /// The name of the strategy that makes the plans.
        strategy: String,
    },
}

impl Course {
    /// The name of the strategy.
    #[must_use]
    pub fn strategy(&self) -> &str {
        match self {
            Self::Plan(plan) => &plan.strategy,
            Self::Replan { strategy } => strategy,
        }
    }
}

/// The arrivals within an epoch: as in the study, but at a steady rate.
#[derive(Debug)]
struct EpochTraffic<'a> {
    study: &'a Study,
    period_ms: f64,
}

/// Returns the arrival process without the changes of its rate. Recorded arrivals count as a Poisson process.
fn steady(spec: &ArrivalSpec) -> ArrivalSpec {
    match spec {
        ArrivalSpec::Shaped { gaps, .. } | ArrivalSpec::Rates { gaps, .. } => steady(gaps),
        ArrivalSpec::Trace(_) | ArrivalSpec::Times(_) => ArrivalSpec::Poisson,
        ArrivalSpec::Phases { phases } => {
            phases.first().map_or(ArrivalSpec::Poisson, |phase| steady(&phase.arrival))
        }
        ArrivalSpec::Sum { parts } => {
            let part = |part: &ArrivalPart| ArrivalPart {
                share: part.share,
                arrival: steady(&part.arrival),
            };
            let parts: Vec<ArrivalPart> = parts.iter().map(part).collect();
            // A sum of Poisson processes is a Poisson process.
            if parts.iter().all(|part| part.arrival == ArrivalSpec::Poisson) {
                return ArrivalSpec::Poisson;
            }
            ArrivalSpec::Sum { parts }
        }
        other => other.clone(),
    }
}

impl EpochTraffic<'_> {
    fn spec(&self, workload: &Workload) -> ArrivalSpec {
        let place = self.study.place_of(workload);
        let entry = place.map(|index| &self.study.sim_workloads()[index]);
        entry.map_or(ArrivalSpec::Poisson, |entry| steady(&entry.arrival))
    }
}

impl Traffic for EpochTraffic<'_> {
    fn arrivals(&self, workload: &Workload) -> ArrivalModel {
        match self.spec(workload) {
            ArrivalSpec::Poisson => ArrivalModel::Poisson,
            ArrivalSpec::Constant => ArrivalModel::Drawn(Luck::None),
            ArrivalSpec::ClosedLoop(_) => self.study.arrivals(workload),
            _ => ArrivalModel::Drawn(Luck::Varies),
        }
    }

    fn server(&self, workload: &Workload) -> ServerTraits {
        self.study.server(workload)
    }

    fn run(&self) -> RunLength {
        RunLength { duration_ms: self.period_ms, warmup_ms: 0.0, cooldown_ms: 0.0 }
    }

    fn draw(&self, workload: &Workload, number: u64) -> Result<Vec<f64>, String> {
        let duration = Nanoseconds::from_seconds(self.period_ms / 1000.0);
        let duration = duration.map_err(|error| error.to_string())?;
        let seed = draws_seed(number);
        let built = self.spec(workload).build(&workload.name, workload.rate, duration, seed);
        let mut process = built.map_err(|error| error.to_string())?;
        let mut times = Vec::new();
        while let Some(time) = process.next_arrival() {
            times.push(time.as_f64() / 1e6);
        }
        Ok(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arrivals::RateShape;

    #[test]
    fn late_requests_have_one_cause_each() {
        let window = |start_s: u64, requests, late, late_in_hand_over| RequestWindow {
            workload: crate::domain::WorkloadId::new(0),
            start: Nanoseconds::new(start_s * 1_000_000_000),
            end: Nanoseconds::new((start_s + 10) * 1_000_000_000),
            requests,
            late,
            late_in_hand_over,
        };
        // 10 requests/s are planned for, and 20 from 20 s on.
        let planned = vec![(0.0, vec![10.0]), (20.0, vec![20.0])];
        let windows = [
            window(0, 100, 3, 1),
            window(10, 101, 2, 0),
            window(20, 200, 1, 0),
            window(30, 0, 0, 0),
        ];
        let found = lateness(&windows, &planned, 99.0);
        let expected = Lateness {
            requests: 401,
            late: 6,
            late_in_handover: 1,
            late_by_forecast: 2,
            late_by_plan: 3,
            windows: 3,
            windows_below: 2,
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn shapes_are_taken_off() {
        let shape = RateShape::Diurnal {
            period: Nanoseconds::new(10),
            peak: Nanoseconds::ZERO,
            peak_to_trough: 3.0,
        };
        let shaped =
            |gaps: ArrivalSpec| ArrivalSpec::Shaped { gaps: Box::new(gaps), shape: shape.clone() };
        let gamma = ArrivalSpec::Gamma { cv: 2.0 };
        assert_eq!(steady(&shaped(gamma.clone())), gamma);
        let part = |arrival| ArrivalPart { share: 1.0, arrival };
        let sum =
            |arrival| ArrivalSpec::Sum { parts: vec![part(arrival), part(ArrivalSpec::Poisson)] };
        assert_eq!(steady(&sum(shaped(ArrivalSpec::Poisson))), ArrivalSpec::Poisson);
        assert_eq!(steady(&sum(shaped(gamma.clone()))), sum(gamma));
    }
}
