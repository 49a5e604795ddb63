//! Simulates the plans of a study.

use super::{RunError, Study};
use crate::domain::{GpuId, GpuKind, Plan, ServerWindow};
use crate::metrics::{Collectors, GpuCollector, summarise};
use crate::plan::Violation;
use crate::predictor::Predictor;
use crate::results::{
    Comparison, OutputDir, RequestColumns, RequestFormat, RequestLog, StrategyResult, TraceLog,
    plans_by_rule,
};
use crate::sim::{SimInput, check_run, simulate, simulate_collected};
use crate::units::Nanoseconds;
use std::collections::BTreeSet;

/// The optional outputs of a simulation besides its summary.
#[derive(Debug, Default)]
pub struct Logging<'d> {
    /// Every request, in a file of this folder.
    pub requests: Option<(&'d mut OutputDir, RequestFormat)>,
    /// The events between two times, for [`crate::results::write_trace`].
    pub trace: Option<(Nanoseconds, Nanoseconds)>,
    /// Statistics of each workload's arrivals, in the details of a [`StrategyResult`].
    pub arrivals: bool,
    /// Every request, in columns in memory, GPU by GPU.
    pub columns: Option<&'d mut Vec<RequestColumns>>,
}

impl Study {
    /// Rejects a plan that cannot run, and returns all violations of one that can.
    pub(super) fn legal(&self, plan: &Plan) -> Result<Vec<Violation>, RunError> {
        let violations = self.check(plan);
        if !violations.iter().any(Violation::is_structural) {
            return Ok(violations);
        }
        let violations = violations.into_iter().filter(Violation::is_structural).collect();
        Err(RunError::Illegal { strategy: plan.strategy.clone(), violations })
    }

    /// Number of workloads whose requirements the plan does not meet, according to the predictor used for planning.
    fn predicted_violations(&self, plan: &Plan) -> Result<usize, RunError> {
        let violations = self.legal(plan)?;
        let refused = plan.infeasible.iter().map(|refused| refused.workload.as_str());
        let broken = violations.iter().filter_map(Violation::broken_promise);
        Ok(broken.chain(refused).collect::<BTreeSet<&str>>().len())
    }

    /// Rejects every plan that [`Study::simulate`] rejects, without simulating it.
    ///
    /// # Errors
    /// Same as [`Study::simulate`].
    pub fn check_run(&self, plan: &Plan) -> Result<(), RunError> {
        self.legal(plan)?;
        let simulated = self.all_simulated();
        Ok(check_run(&self.input(plan, &simulated))?)
    }

    /// Simulates a plan and summarises it. Runs on the ambient rayon pool; the result does not depend on
    /// its size.
    ///
    /// # Errors
    /// When the plan cannot run (for example, its shares exceed a GPU), or the engine rejects the arrivals.
    pub fn simulate(&self, plan: &Plan) -> Result<StrategyResult, RunError> {
        self.collected(plan, false)
    }

    /// Simulates a plan and summarises it, and counts the arrivals where requested.
    fn collected(&self, plan: &Plan, count_arrivals: bool) -> Result<StrategyResult, RunError> {
        let predicted_violations = self.predicted_violations(plan)?;
        let simulated = self.all_simulated();
        let input = SimInput { count_arrivals, ..self.input(plan, &simulated) };
        let outcome = simulate_collected(&input, &self.collectors(plan))?;
        let (mut collectors, mut actions, mut windows) = (Vec::new(), Vec::new(), Vec::new());
        let mut servers = Vec::new();
        for gpu in outcome.gpus {
            servers.extend(gpu.servers.into_iter().map(|server| (gpu.gpu, server)));
            collectors.push(gpu.sink);
            actions.extend(gpu.actions);
            windows.extend(gpu.windows);
        }
        let mut result = self.result(plan, collectors, predicted_violations);
        if count_arrivals {
            result = self.with_arrivals(result, &outcome.arrived, &servers)?;
        }
        Ok(result.with_control(&actions, &windows, self.workloads()))
    }

    /// Same as [`Study::simulate`], and keeps the outputs that `logging` requests. The second value holds the traces,
    /// GPU by GPU.
    ///
    /// # Errors
    /// Same as [`Study::simulate`], and when the file of requests cannot be written.
    pub fn simulate_logged(
        &self,
        plan: &Plan,
        logging: Logging<'_>,
    ) -> Result<(StrategyResult, Vec<TraceLog>), RunError> {
        let Logging { requests, trace, columns, arrivals } = &logging;
        if requests.is_none() && trace.is_none() && columns.is_none() {
            return Ok((self.collected(plan, *arrivals)?, Vec::new()));
        }
        let predicted_violations = self.predicted_violations(plan)?;
        // Temporary files are created before the run, one for each GPU, because a sink cannot report a failure.
        let log = |gpu| match &logging.requests {
            Some((dir, _)) => RequestLog::new(dir, GpuId::new(gpu)).map(Some),
            None => Ok(None),
        };
        let logs = (0..plan.gpus.len()).map(log).collect::<Result<Vec<_>, _>>()?;
        let logs = std::sync::Mutex::new(logs);
        let trace = |gpu| logging.trace.map(|(from, until)| TraceLog::new(gpu, from, until));
        let sinks = self.collectors(plan);
        let take = |gpu: GpuId| {
            let mut logs = logs.lock().expect("no sink maker panics");
            let columns = logging.columns.as_ref().map(|_| RequestColumns::new(self.workloads()));
            (sinks.of(gpu), (logs[gpu.index()].take(), (trace(gpu), columns)))
        };
        let simulated = self.all_simulated();
        let input = self.input(plan, &simulated);
        let outcome = simulate(&SimInput { count_arrivals: logging.arrivals, ..input }, take)?;
        let (mut collectors, mut logs, mut traces) = (Vec::new(), Vec::new(), Vec::new());
        let mut columns = Vec::new();
        let (mut actions, mut windows) = (Vec::new(), Vec::new());
        let mut servers = Vec::new();
        for gpu in outcome.gpus {
            servers.extend(gpu.servers.into_iter().map(|server| (gpu.gpu, server)));
            let (collector, (log, (trace, of_gpu))) = gpu.sink;
            collectors.push(collector);
            logs.extend(log);
            traces.extend(trace);
            columns.extend(of_gpu);
            actions.extend(gpu.actions);
            windows.extend(gpu.windows);
        }
        if let Some(wanted) = logging.columns {
            *wanted = columns;
        }
        if let Some((dir, format)) = logging.requests {
            RequestLog::join(logs, self.workloads(), dir, format)?;
        }
        let mut result = self.result(plan, collectors, predicted_violations);
        if logging.arrivals {
            result = self.with_arrivals(result, &outcome.arrived, &servers)?;
        }
        Ok((result.with_control(&actions, &windows, self.workloads()), traces))
    }

    pub(super) fn input<'a>(
        &'a self,
        plan: &'a Plan,
        simulated: &'a [&'a dyn Predictor],
    ) -> SimInput<'a> {
        let (first, others) = simulated.split_first().expect("a scenario has a GPU kind");
        SimInput {
            plan,
            timeline: None,
            workloads: self.sim_workloads(),
            predictor: *first,
            more_predictors: others,
            spec: self.scenario().engine,
            control: Some(&self.scenario().control),
            duration: self.scenario().duration,
            seed: self.scenario().seed,
            count_arrivals: false,
        }
    }

    pub(super) fn collectors(&self, plan: &Plan) -> Collectors {
        let workloads = self.workloads();
        Collectors::new(workloads, self.window(), self.scenario().percentiles)
            .of_plan(plan, workloads)
    }

    pub(super) fn result(
        &self,
        plan: &Plan,
        collectors: Vec<GpuCollector>,
        predicted_violations: usize,
    ) -> StrategyResult {
        let metrics = summarise(plan, self.workloads(), self.window(), collectors);
        let kinds: Vec<GpuKind> = self.kinds().into_iter().cloned().collect();
        let result = StrategyResult::new(plan, &kinds, self.workloads(), metrics);
        StrategyResult { predicted_violations, ..result }
    }

    /// Simulates a plan and returns the record of each server in each window, in the order of the plan; empty where the
    /// scenario has neither a controller nor faults.
    ///
    /// # Errors
    /// Same as [`Study::simulate`].
    pub fn windows(&self, plan: &Plan) -> Result<Vec<ServerWindow>, RunError> {
        self.legal(plan)?;
        let simulated = self.all_simulated();
        let outcome = simulate_collected(&self.input(plan, &simulated), &self.collectors(plan))?;
        Ok(outcome.gpus.into_iter().flat_map(|gpu| gpu.windows).collect())
    }

    /// Makes the tables of several simulated plans.
    #[must_use]
    pub fn comparison(&self, results: Vec<StrategyResult>) -> Comparison {
        let comparison =
            Comparison::new(&self.scenario().name, self.scenario().seed, self.window(), results);
        let surprised = |result: &StrategyResult| {
            plans_by_rule(&result.strategy) && result.predicted_violations < result.misses()
        };
        let advice = match comparison.strategies.iter().any(surprised) {
            true => self.changes(),
            false => Vec::new(),
        };
        let display = self.scenario().display.clone();
        Comparison { truth: self.truth(), display, advice, ..comparison }
    }
}
