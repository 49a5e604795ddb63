//! [`Study`]: a scenario that is ready to run.

use super::catalogue::Profiles;
use super::kind::{KindPredictors, KindSource, load_kind};
use super::prediction_error::errors;
use super::{Extensions, Overrides, RunError, StudySources, solo};
use crate::domain::{GpuKind, Plan, Workload, WorkloadName};
use crate::metrics::Window;
use crate::plan::{
    Forecast, KindPlans, PlanRequest, Strategy, Violation, check_plan_on_kinds, forecast,
    plan_on_kinds_with, read_plan, read_plans,
};
use crate::predictor::Predictor;
use crate::results::{Manifest, Truth};
use crate::scenario::{Document, Scenario, ScenarioWorkload};
use crate::sim::{Noise, SimWorkload};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A scenario with its predictors. All inputs have been checked; nothing has run yet.
#[derive(Debug)]
pub struct Study {
    scenario: Scenario,
    /// The files from which the scenario was read.
    files: Vec<PathBuf>,
    kinds: Vec<KindSource>,
    workloads: Vec<Workload>,
    sim_workloads: Vec<SimWorkload>,
    /// The index of each workload, by its name.
    places: BTreeMap<WorkloadName, usize>,
    window: Window,
}

impl Study {
    /// Reads a scenario and fits or reads its predictors.
    ///
    /// # Errors
    /// When the scenario, a profile or a predictor cannot be used, or no kind's profile has the model of a
    /// workload.
    pub fn load(path: &Path, overrides: &Overrides) -> Result<Self, RunError> {
        Self::of_document(Document::load(path)?, overrides, &Extensions::default())
    }

    /// Same as [`Study::load`], from a document, with the caller's own strategies and predictors.
    ///
    /// # Errors
    /// Same as [`Study::load`].
    pub fn of_document(
        mut document: Document,
        overrides: &Overrides,
        own: &Extensions,
    ) -> Result<Self, RunError> {
        overrides.set_in(&mut document)?;
        let mut scenario =
            document.scenario_for(&Profiles { instead: overrides.profile.as_deref() })?;
        overrides.apply(&mut scenario);
        let kinds = (scenario.gpus.iter())
            .map(|gpu| load_kind(gpu, overrides, own))
            .collect::<Result<_, _>>()?;
        Ok(Self::with_predictors(scenario, kinds)?.read_from(document.files()))
    }

    /// Same as [`Study::load`], from a scenario that has already been read.
    ///
    /// # Errors
    /// When a profile or a predictor cannot be used, or no kind's profile has the model of a workload.
    pub fn new(mut scenario: Scenario, overrides: &Overrides) -> Result<Self, RunError> {
        overrides.apply(&mut scenario);
        let kinds = (scenario.gpus.iter())
            .map(|gpu| load_kind(gpu, overrides, &Extensions::default()))
            .collect::<Result<_, _>>()?;
        Self::with_predictors(scenario, kinds)
    }

    /// Makes a study with existing predictors, one for each GPU kind of the scenario.
    ///
    /// # Errors
    /// When no kind's profile has the model of a workload (with `slo_x_solo`: when the first kind's profile lacks it),
    /// two kinds are the same, the times of the scenario leave nothing to measure, or prediction errors are to be drawn
    /// for a predictor without uncertainty.
    pub fn with_predictors(
        mut scenario: Scenario,
        predictors: Vec<KindPredictors>,
    ) -> Result<Self, RunError> {
        if let Some(first) = predictors.first() {
            solo::resolve(&mut scenario, first.source.predictor.as_ref())?;
        }
        let workloads: Vec<Workload> =
            scenario.workloads.iter().map(|w| w.workload.clone()).collect();
        let mut kinds: Vec<KindSource> = Vec::new();
        for predictors in predictors {
            let kind = KindSource::new(predictors, &scenario)?;
            let name = &kind.source().kind().name;
            if kinds.iter().any(|known| known.source().kind().name == *name) {
                return Err(RunError::SameKind { kind: name.to_string() });
            }
            kinds.push(kind);
        }
        let sim_workloads = scenario.sim_workloads();
        let window = Window::new(scenario.duration, scenario.warmup, scenario.cooldown)?;
        let files = Vec::new();
        let names = workloads.iter().enumerate();
        let places = names.map(|(index, workload)| (workload.name.clone(), index)).collect();
        let study = Self { scenario, files, kinds, workloads, sim_workloads, places, window };
        study.check_models()?;
        study.check_noise()?;
        Ok(study)
    }

    /// Checks that some kind knows each model, both for planning and for simulation, and that the options are in their
    /// ranges.
    fn check_models(&self) -> Result<(), RunError> {
        for kind in &self.kinds {
            // This checks the options and what they require of the predictor.
            PlanRequest::with_options(&[], kind.source(), self.scenario.plan)?;
        }
        for workload in &self.workloads {
            let one = std::slice::from_ref(workload);
            let mut first_error = None;
            for kind in &self.kinds {
                let known = PlanRequest::new(one, kind.source())
                    .and_then(|_| PlanRequest::new(one, kind.simulated()));
                match known {
                    Ok(_) => {
                        first_error = None;
                        break;
                    }
                    Err(error) => first_error = first_error.or(Some(error)),
                }
            }
            if let Some(error) = first_error {
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Records the files from which the scenario was read.
    #[must_use]
    pub fn read_from(mut self, files: &[PathBuf]) -> Self {
        self.files = files.to_vec();
        self
    }

    /// Checks that each kind that can run a workload's model has measured noise for it, where the workload takes its
    /// noise from the profile.
    fn check_noise(&self) -> Result<(), RunError> {
        for (kind, gpu) in self.kinds.iter().zip(&self.scenario.gpus) {
            let simulated = kind.simulated();
            let asking = |entry: &&ScenarioWorkload| entry.server.noise == Noise::Profile;
            for entry in self.scenario.workloads.iter().filter(asking) {
                let model = &entry.workload.model;
                if simulated.model_id(model).is_some()
                    && entry.server.noise.cv(simulated.kind(), model).is_none()
                {
                    let profile = match (&kind.predictors.truth, gpu.profile.to_string()) {
                        (Some(_), name) => format!("{name} (or what --truth names)"),
                        (None, name) => name,
                    };
                    return Err(RunError::NoNoise {
                        workload: entry.workload.name.to_string(),
                        model: model.to_string(),
                        profile,
                    });
                }
            }
        }
        Ok(())
    }

    /// The scenario, with overrides applied, and with SLOs in ms.
    #[must_use]
    pub fn scenario(&self) -> &Scenario {
        &self.scenario
    }

    /// The predictors used for planning, one for each GPU kind.
    #[must_use]
    pub fn predictors(&self) -> Vec<&dyn Predictor> {
        self.kinds.iter().map(|kind| kind.source()).collect()
    }

    /// The predictors of each GPU kind, to be shared with other studies.
    #[must_use]
    pub fn shared_predictors(&self) -> Vec<KindPredictors> {
        self.kinds.iter().map(|kind| kind.predictors.clone()).collect()
    }

    /// The predictors that the simulation uses, one for each GPU kind.
    #[must_use]
    pub fn all_simulated(&self) -> Vec<&dyn Predictor> {
        self.kinds.iter().map(KindSource::simulated).collect()
    }

    /// The predictor that the simulation uses for the first GPU kind.
    #[must_use]
    pub fn simulated(&self) -> &dyn Predictor {
        self.kinds[0].simulated()
    }

    /// The predictor that plans are simulated with, where it differs from the one used for planning. The prediction
    /// errors are those on the first GPU kind.
    #[must_use]
    pub fn truth(&self) -> Option<Truth> {
        let kind = self.kinds.first()?;
        if kind.predictors.truth.is_none() && kind.perturbed.is_none() {
            return None;
        }
        let models: Vec<_> = self.workloads.iter().map(|w| &w.model).collect();
        Some(Truth {
            planned_with: kind.source().name().to_owned(),
            simulated_with: kind.simulated().name().to_owned(),
            prediction_errors: kind
                .perturbed
                .as_ref()
                .map_or_else(Vec::new, |p| errors(p, &models)),
        })
    }

    /// The files and texts from which the study was made.
    #[must_use]
    pub fn sources(&self) -> StudySources {
        let mut sources = StudySources { files: self.files.clone(), texts: Vec::new() };
        sources.add_arrivals(&self.scenario);
        for kind in &self.kinds {
            let of_truth = kind.predictors.truth.iter().flat_map(|truth| &truth.inputs);
            for text in kind.predictors.source.inputs.iter().chain(of_truth) {
                sources.add_text(text);
            }
        }
        sources
    }

    /// Records in a manifest the sources, the seed and the scenario of the results.
    ///
    /// # Errors
    /// When a file that was read can no longer be read.
    pub fn note(&self, manifest: &mut Manifest) -> std::io::Result<()> {
        manifest.seed = Some(self.scenario.seed);
        manifest.scenario = Some(self.scenario.to_toml());
        manifest.truth = self.truth();
        manifest.time_limited = self.scenario.plan.time_limit_s.is_some();
        self.sources().note(manifest)
    }

    /// The workloads, in the scenario's order.
    #[must_use]
    pub fn workloads(&self) -> &[Workload] {
        &self.workloads
    }

    /// The workloads with their arrivals and servers.
    pub(super) fn sim_workloads(&self) -> &[SimWorkload] {
        &self.sim_workloads
    }

    /// The index of a workload in the scenario.
    pub(super) fn place_of(&self, workload: &Workload) -> Option<usize> {
        self.places.get(&workload.name).copied()
    }

    /// The first GPU kind, which in most scenarios is the only one.
    #[must_use]
    pub fn kind(&self) -> &GpuKind {
        self.kinds[0].source().kind()
    }

    /// The GPU kinds, at least one.
    #[must_use]
    pub fn kinds(&self) -> Vec<&GpuKind> {
        self.kinds.iter().map(|kind| kind.source().kind()).collect()
    }

    /// The planning request for the only GPU kind; `None` where there are several kinds.
    #[must_use]
    pub fn request(&self) -> Option<PlanRequest<'_>> {
        let [kind] = self.kinds.as_slice() else { return None };
        Some(self.request_on(kind.source()))
    }

    fn request_on<'a>(&'a self, predictor: &'a dyn Predictor) -> PlanRequest<'a> {
        PlanRequest::with_options(&self.workloads, predictor, self.scenario.plan)
            .expect("models and options were checked when the study was made")
            .with_traffic(self)
    }

    /// Plans the scenario with a strategy: on its GPU kind or, with several kinds, the cheapest plan.
    #[must_use]
    pub fn plan(&self, strategy: &dyn Strategy) -> Plan {
        match self.request() {
            Some(request) => strategy.plan(&request),
            None => self.plan_kinds(strategy).best,
        }
    }

    /// Plans the scenario with a strategy on each GPU kind alone and on a mix of them.
    #[must_use]
    pub fn plan_kinds(&self, strategy: &dyn Strategy) -> KindPlans {
        let (predictors, options) = (self.predictors(), self.scenario.plan);
        plan_on_kinds_with(strategy, &self.workloads, &predictors, options, Some(self))
            .expect("models and options were checked when the study was made")
    }

    /// Forecasts the attainment of a plan without simulating it: for each workload, the part of its requests that are
    /// answered within the SLO, by the analysis of [`crate::plan::queueing`]. With `reasons`, also forecasts what other
    /// shares and numbers of replicas would give.
    #[must_use]
    pub fn forecast(&self, plan: &Plan, reasons: bool) -> Vec<Forecast> {
        let mut forecasts: Vec<Forecast> = Vec::new();
        for predictor in self.predictors() {
            let request = PlanRequest::for_any(&self.workloads, predictor, self.scenario.plan)
                .with_traffic(self);
            for own in forecast(plan, &request, reasons) {
                match forecasts.iter_mut().find(|known| known.workload == own.workload) {
                    Some(known) => known.join(own),
                    None => forecasts.push(own),
                }
            }
        }
        let place =
            |f: &Forecast| self.workloads.iter().position(|w| w.name.as_str() == f.workload);
        forecasts.sort_by_key(place);
        forecasts
    }

    /// Returns the same study with another seed.
    ///
    /// # Errors
    /// Same as [`Study::with_predictors`].
    pub fn reseeded(&self, seed: u64) -> Result<Self, RunError> {
        let scenario = Scenario { seed, ..self.scenario.clone() };
        Self::with_predictors(scenario, self.shared_predictors())
    }

    /// The measurement window of a run.
    #[must_use]
    pub fn window(&self) -> Window {
        self.window
    }

    /// Returns every violation of a plan.
    #[must_use]
    pub fn check(&self, plan: &Plan) -> Vec<Violation> {
        check_plan_on_kinds(plan, &self.workloads, &self.predictors(), &self.scenario.plan)
    }

    /// Reads a plan and rejects one that cannot run.
    ///
    /// # Errors
    /// When the file cannot be read, or the plan is structurally wrong for this scenario.
    pub fn read_plan(&self, path: &Path) -> Result<Plan, RunError> {
        let plan = read_plan(path, &self.kinds(), &self.workloads)?;
        self.legal(&plan)?;
        Ok(plan)
    }

    /// Same as [`Study::read_plan`], but also accepts several files in the format of the iGniter artifact.
    ///
    /// # Errors
    /// Same as [`Study::read_plan`].
    pub fn read_plans(&self, paths: &[PathBuf]) -> Result<Plan, RunError> {
        let plan = read_plans(paths, &self.kinds(), &self.workloads)?;
        self.legal(&plan)?;
        Ok(plan)
    }
}
