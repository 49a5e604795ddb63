//! A scenario made ready to run.

use super::prediction_error::{errors, with_errors};
use super::source::load_truth;
use super::{LoadedPredictor, RunError, load_predictor};
use crate::domain::{GpuId, GpuKind, Plan, Workload};
use crate::metrics::{GpuCollector, Window, summarise};
use crate::plan::{PlanOptions, PlanRequest, Strategy, Violation, check_plan, read_plan};
use crate::predictor::{PerturbedPredictor, Predictor};
use crate::report::{
    Comparison, OutputDir, RequestFormat, RequestLog, StrategyResult, TraceLog, Truth,
};
use crate::scenario::Scenario;
use crate::sim::{SimInput, SimWorkload, simulate};
use crate::units::Nanoseconds;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What a user can change of a scenario from the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Another seed.
    pub seed: Option<u64>,
    /// Another profile: a name, a folder, or a file of coefficients.
    pub profile: Option<String>,
    /// Another predictor than the default.
    pub predictor: Option<String>,
    /// Another predictor for the simulation than for plans: a name (fitted to the same profile), or a
    /// file of coefficients.
    pub truth: Option<String>,
    /// Draw an error for each model, from the uncertainty of the predictor that is simulated with.
    pub prediction_error: bool,
}

/// What a simulation leaves besides its summary.
#[derive(Debug, Default)]
pub struct Logging<'d> {
    /// Every request, in a file of this folder.
    pub requests: Option<(&'d mut OutputDir, RequestFormat)>,
    /// What happened from one time to another, for [`crate::report::write_trace`].
    pub trace: Option<(Nanoseconds, Nanoseconds)>,
}

/// A scenario with its predictor: everything is checked, nothing has run.
#[derive(Debug)]
pub struct Study {
    scenario: Scenario,
    source: Arc<LoadedPredictor>,
    /// What the simulation uses where it does not use `source`.
    truth: Option<Arc<LoadedPredictor>>,
    /// The same with errors, where they are asked for.
    perturbed: Option<PerturbedPredictor>,
    workloads: Vec<Workload>,
    sim_workloads: Vec<SimWorkload>,
    window: Window,
}

impl Study {
    /// Reads a scenario and fits or reads its predictor.
    ///
    /// # Errors
    /// When the scenario, the profile or the predictor cannot be used, or a workload's model is not in
    /// the profile.
    pub fn load(path: &Path, overrides: &Overrides) -> Result<Self, RunError> {
        Self::new(Scenario::load(path)?, overrides)
    }

    /// As [`Study::load`], from a scenario that was read already.
    ///
    /// # Errors
    /// When the profile or the predictor cannot be used, or a workload's model is not in the profile.
    pub fn new(mut scenario: Scenario, overrides: &Overrides) -> Result<Self, RunError> {
        if let Some(seed) = overrides.seed {
            scenario.seed = seed;
        }
        let profile = match &overrides.profile {
            Some(profile) => profile.clone(),
            None => scenario.gpu.profile.to_string(),
        };
        let predictor = overrides.predictor.as_deref();
        let source = load_predictor(&profile, predictor, scenario.gpu.price_per_hour)?;
        let truth = match &overrides.truth {
            Some(name) => Some(Arc::new(load_truth(name, &profile, &source)?)),
            None => None,
        };
        Self::with_predictors(scenario, Arc::new(source), truth, overrides.prediction_error)
    }

    /// A study with predictors that were made already, and may be shared with other studies. `truth` is what
    /// plans are simulated with, where that is not `source`.
    ///
    /// # Errors
    /// When a workload's model is not in a profile, the times of the scenario leave nothing to measure, or
    /// errors are to be drawn for a predictor without uncertainty.
    pub fn with_predictors(
        scenario: Scenario,
        source: Arc<LoadedPredictor>,
        truth: Option<Arc<LoadedPredictor>>,
        prediction_error: bool,
    ) -> Result<Self, RunError> {
        let workloads: Vec<Workload> =
            scenario.workloads.iter().map(|w| w.workload.clone()).collect();
        PlanRequest::new(&workloads, source.predictor.as_ref())?;
        if let Some(truth) = &truth {
            PlanRequest::new(&workloads, truth.predictor.as_ref())?;
        }
        let perturbed = if prediction_error {
            Some(with_errors(truth.as_ref().unwrap_or(&source), scenario.seed)?)
        } else {
            None
        };
        let sim_workloads = scenario
            .workloads
            .iter()
            .map(|w| SimWorkload {
                workload: w.workload.clone(),
                arrival: w.arrival.clone(),
                batching: w.batching.clone(),
                server: w.server,
            })
            .collect();
        let window = Window::new(scenario.duration, scenario.warmup, scenario.cooldown)?;
        Ok(Self { scenario, source, truth, perturbed, workloads, sim_workloads, window })
    }

    /// The scenario, with overrides applied.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// What the predictor was made from.
    #[must_use]
    pub fn source(&self) -> &LoadedPredictor {
        &self.source
    }

    /// The same, to be shared with other studies.
    #[must_use]
    pub fn shared_source(&self) -> Arc<LoadedPredictor> {
        Arc::clone(&self.source)
    }

    /// The predictor that the simulation uses.
    #[must_use]
    pub fn simulated(&self) -> &dyn Predictor {
        match &self.perturbed {
            Some(perturbed) => perturbed,
            None => self.truth.as_ref().unwrap_or(&self.source).predictor.as_ref(),
        }
    }

    /// What plans are simulated with, where that is not the predictor that makes them.
    #[must_use]
    pub fn truth(&self) -> Option<Truth> {
        if self.truth.is_none() && self.perturbed.is_none() {
            return None;
        }
        let models: Vec<_> = self.workloads.iter().map(|w| &w.model).collect();
        Some(Truth {
            planned_with: self.source.predictor.name().to_owned(),
            simulated_with: self.simulated().name().to_owned(),
            prediction_errors: self
                .perturbed
                .as_ref()
                .map_or_else(Vec::new, |p| errors(p, &models)),
        })
    }

    /// The texts that the predictors were made from, each once, with the names under which a manifest
    /// lists them.
    #[must_use]
    pub fn inputs(&self) -> Vec<&(PathBuf, String)> {
        let mut inputs: Vec<&(PathBuf, String)> = self.source.inputs.iter().collect();
        for input in self.truth.iter().flat_map(|truth| &truth.inputs) {
            if !inputs.contains(&input) {
                inputs.push(input);
            }
        }
        inputs
    }

    /// The workloads, in the scenario's order.
    #[must_use]
    pub fn workloads(&self) -> &[Workload] {
        &self.workloads
    }

    /// The GPU kind.
    #[must_use]
    pub fn kind(&self) -> &GpuKind {
        self.source.predictor.kind()
    }

    fn request(&self) -> PlanRequest<'_> {
        PlanRequest::new(&self.workloads, self.source.predictor.as_ref())
            .expect("the models were checked when the study was made")
    }

    /// Lets a strategy plan the scenario.
    #[must_use]
    pub fn plan(&self, strategy: &dyn Strategy) -> Plan {
        strategy.plan(&self.request())
    }

    /// As [`Study::plan`], with options.
    ///
    /// # Errors
    /// When an option is outside its range.
    pub fn plan_with(
        &self,
        strategy: &dyn Strategy,
        options: PlanOptions,
    ) -> Result<Plan, RunError> {
        let predictor = self.source.predictor.as_ref();
        Ok(strategy.plan(&PlanRequest::with_options(&self.workloads, predictor, options)?))
    }

    /// The same study with another seed.
    ///
    /// # Errors
    /// As [`Study::with_predictors`].
    pub fn reseeded(&self, seed: u64) -> Result<Self, RunError> {
        let scenario = Scenario { seed, ..self.scenario.clone() };
        let (source, truth) = (Arc::clone(&self.source), self.truth.clone());
        Self::with_predictors(scenario, source, truth, self.perturbed.is_some())
    }

    /// The stretch of a run that counts.
    #[must_use]
    pub fn window(&self) -> Window {
        self.window
    }

    /// Everything that is wrong with a plan.
    #[must_use]
    pub fn check(&self, plan: &Plan) -> Vec<Violation> {
        check_plan(plan, &self.request())
    }

    /// Reads a plan and refuses one that cannot run.
    ///
    /// # Errors
    /// When the file cannot be read, or the plan is structurally wrong for this scenario.
    pub fn read_plan(&self, path: &Path) -> Result<Plan, RunError> {
        let plan = read_plan(path, self.kind(), &self.workloads)?;
        let mut violations = self.check(&plan);
        violations.retain(Violation::is_structural);
        if violations.is_empty() { Ok(plan) } else { Err(RunError::Illegal { violations }) }
    }

    /// Simulates a plan and summarises it. Runs on the ambient rayon pool; the result does not depend on
    /// its size.
    ///
    /// # Errors
    /// When the engine refuses the plan or the arrivals.
    pub fn simulate(&self, plan: &Plan) -> Result<StrategyResult, RunError> {
        let outcome = simulate(&self.input(plan), |gpu| self.collector(gpu))?;
        let collectors = outcome.gpus.into_iter().map(|gpu| gpu.sink).collect();
        Ok(self.result(plan, collectors))
    }

    /// As [`Study::simulate`], and keeps what is asked for besides; the second is the trace, GPU by GPU.
    ///
    /// # Errors
    /// As [`Study::simulate`], and when the file of requests cannot be written.
    pub fn simulate_logged(
        &self,
        plan: &Plan,
        logging: Logging<'_>,
    ) -> Result<(StrategyResult, Vec<TraceLog>), RunError> {
        // Temporary files are made before the run, one for each GPU: a sink cannot report a failure.
        let log = |gpu| match &logging.requests {
            Some((dir, _)) => RequestLog::new(dir, GpuId::new(gpu)).map(Some),
            None => Ok(None),
        };
        let logs = (0..plan.gpus.len()).map(log).collect::<Result<Vec<_>, _>>()?;
        let logs = std::sync::Mutex::new(logs);
        let trace = |gpu| logging.trace.map(|(from, until)| TraceLog::new(gpu, from, until));
        let take = |gpu: GpuId| {
            let mut logs = logs.lock().expect("no sink maker panics");
            (self.collector(gpu), (logs[gpu.index()].take(), trace(gpu)))
        };
        let outcome = simulate(&self.input(plan), take)?;
        let (mut collectors, mut logs, mut traces) = (Vec::new(), Vec::new(), Vec::new());
        for (collector, (log, trace)) in outcome.gpus.into_iter().map(|gpu| gpu.sink) {
            collectors.push(collector);
            logs.extend(log);
            traces.extend(trace);
        }
        if let Some((dir, format)) = logging.requests {
            RequestLog::join(logs, &self.workloads, dir, format)?;
        }
        Ok((self.result(plan, collectors), traces))
    }

    fn input<'a>(&'a self, plan: &'a Plan) -> SimInput<'a> {
        SimInput {
            plan,
            workloads: &self.sim_workloads,
            predictor: self.simulated(),
            more_predictors: &[],
            spec: self.scenario.engine,
            control: Some(&self.scenario.control),
            duration: self.scenario.duration,
            seed: self.scenario.seed,
        }
    }

    fn collector(&self, gpu: crate::domain::GpuId) -> GpuCollector {
        GpuCollector::new(gpu, &self.workloads, self.window)
            .with_percentiles(self.scenario.percentiles)
    }

    fn result(&self, plan: &Plan, collectors: Vec<GpuCollector>) -> StrategyResult {
        let metrics = summarise(plan, &self.workloads, self.window, collectors);
        StrategyResult::new(plan, std::slice::from_ref(self.kind()), &self.workloads, metrics)
    }

    /// The tables of several simulated plans.
    #[must_use]
    pub fn comparison(&self, results: Vec<StrategyResult>) -> Comparison {
        let comparison =
            Comparison::new(&self.scenario.name, self.scenario.seed, self.window, results);
        Comparison { truth: self.truth(), ..comparison }
    }
}
