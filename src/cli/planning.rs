//! What is asked of planners: flags that `plan`, `bound`, `simulate` and `compare` share.

use crate::domain::{BoundMethod, GpuBound, Plan};
use crate::plan::{Margin, Replicas, Strategy, plans_by_half_of_slo, strategy};
use crate::results::Stopwatch;
use crate::run::{CommandStrategy, Course, PlanOverrides, Refined, RunError, Study};
use anyhow::bail;
use clap::{Args, ValueEnum};
use std::cmp::Ordering;

/// Replaces what the scenario's `[plan]` table says.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Planning (in place of the scenario's [plan] table)")]
pub(super) struct PlanningArgs {
    /// Keep planned latencies this many percent below half of the SLO, or `predictor` for the predictor's own
    /// error bound
    #[arg(long, value_name = "PERCENT|predictor", value_parser = margin)]
    pub margin: Option<Margin>,
    /// Plan this many percent more throughput than the rate
    #[arg(long, value_name = "PERCENT")]
    pub headroom: Option<f64>,
    /// Let several GPUs share a workload, each serving a part of its rate (optimal, gpulets; queueing, nexus, infless,
    /// gpulets-atc, parvagpu and refined plans do unless the scenario says `replicas = false`)
    #[arg(long)]
    pub replicas: bool,
    /// The part of each workload's requests that strategy queueing plans to answer within the SLO [default: 99]
    #[arg(long, value_name = "PERCENT")]
    pub attainment: Option<f64>,
    /// How likely a run as long as the scenario is to reach that part, for each workload (strategy queueing). With 50, it
    /// is reached in the long run [default: 95]
    #[arg(long, value_name = "PERCENT")]
    pub confidence: Option<f64>,
    /// The most processes on one GPU [default: 48, the limit of NVIDIA MPS since Volta]
    #[arg(long, value_name = "N")]
    pub process_limit: Option<usize>,
    /// Rounds of local search by the strategy optimal for each 1,000 workloads [default: 200000]
    #[arg(long, value_name = "N", conflicts_with = "time_limit")]
    pub search_rounds: Option<u32>,
    /// Stop searching after SECONDS (strategy optimal). The plan then depends on how fast the machine is
    #[arg(long, value_name = "SECONDS")]
    pub time_limit: Option<f64>,
}

impl PlanningArgs {
    pub(super) fn overrides(&self) -> PlanOverrides {
        PlanOverrides {
            margin: self.margin,
            headroom_pct: self.headroom,
            replicas: self.replicas.then_some(Replicas::Allowed),
            attainment_pct: self.attainment,
            confidence_pct: self.confidence,
            process_limit: self.process_limit,
            search_rounds: self.search_rounds,
            time_limit_s: self.time_limit,
        }
    }
}

fn margin(text: &str) -> Result<Margin, String> {
    if text == "predictor" {
        return Ok(Margin::Predictor);
    }
    let number: Result<f64, _> = text.trim_end_matches('%').trim().parse();
    number.map(Margin::Percent).map_err(|_| "must be a percentage or `predictor`".to_owned())
}

/// How a plan may be corrected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Refine {
    /// Shares and batches are found by simulation with the scenario's arrivals
    Simulate,
}

/// Whether plans are corrected by simulation.
#[derive(Debug, Clone, Args)]
pub(super) struct RefineArgs {
    /// Find shares and batch sizes by simulation, so that attainment reaches the target, in place of a
    /// strategy's rules
    #[arg(long, value_enum)]
    pub refine: Option<Refine>,
    /// With --refine: the percentage of each workload's requests that must meet its SLO
    #[arg(long, value_name = "PERCENT", default_value_t = 99.0, requires = "refine")]
    pub target: f64,
    /// Let a program of your own plan: PROGRAM with its arguments, separated by spaces. It gets the workloads and what is
    /// known of the GPUs as JSON on stdin, and prints a plan (docs/extending.md). It takes the place of --strategy, and
    /// joins --strategies
    #[arg(long, value_name = "PROGRAM")]
    pub strategy_command: Option<String>,
    /// Stop the program of --strategy-command after SECONDS
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, requires = "strategy_command")]
    pub strategy_timeout: f64,
}

impl RefineArgs {
    /// The program that plans.
    fn command(&self) -> Result<Option<Planner>, RunError> {
        let new = |command: &String| CommandStrategy::new(command, self.strategy_timeout);
        Ok(self.strategy_command.as_ref().map(new).transpose()?.map(Planner::Command))
    }
}

/// Something that makes a plan.
#[derive(Debug)]
pub(super) enum Planner {
    /// A strategy.
    Strategy(Box<dyn Strategy>),
    /// Simulation, to this attainment in percent.
    Refined(f64),
    /// A program.
    Command(CommandStrategy),
}

/// A plan, and how it was made.
#[derive(Debug)]
pub(super) struct Planned {
    pub plan: Plan,
    pub refined: Option<Refined>,
    /// Planning time. For people and for the manifest only.
    pub seconds: f64,
}

impl Planner {
    pub(super) fn new(name: &str, refine: &RefineArgs) -> anyhow::Result<Self> {
        // An unknown name is reported in either case.
        let strategy = strategy(name.trim())?;
        if let Some(command) = refine.command()? {
            if refine.refine.is_some() {
                bail!(
                    "--refine and --strategy-command: a plan that is found by simulation has no other strategy; remove one"
                );
            }
            return Ok(command);
        }
        Ok(match refine.refine {
            None => Self::Strategy(strategy),
            Some(Refine::Simulate) => Self::Refined(refine.target),
        })
    }

    /// Several strategies, and simulation after them where that is asked for.
    pub(super) fn list(names: &[String], refine: &RefineArgs) -> anyhow::Result<Vec<Self>> {
        let mut strategies: Vec<Box<dyn Strategy>> = Vec::new();
        for name in names {
            let chosen = strategy(name.trim())?;
            if strategies.iter().any(|known| known.name() == chosen.name()) {
                bail!("strategy {name:?} is listed twice");
            }
            strategies.push(chosen);
        }
        let mut planners: Vec<Self> = strategies.into_iter().map(Self::Strategy).collect();
        if let Some(command) = refine.command()? {
            if planners.iter().any(|known| known.name() == command.name()) {
                bail!(
                    "--strategy-command: {:?} is the name of another strategy; rename the program",
                    command.name()
                );
            }
            planners.push(command);
        }
        if refine.refine.is_some() {
            planners.push(Self::Refined(refine.target));
        }
        Ok(planners)
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Strategy(strategy) => strategy.name(),
            Self::Refined(_) => "refined",
            Self::Command(command) => command.name(),
        }
    }

    /// What to run, and the planning time in s: where the scenario has a `[replan]` table, plans are made while it runs.
    pub(super) fn course(&self, study: &Study) -> anyhow::Result<(Course, f64)> {
        match self {
            Self::Strategy(strategy) if study.scenario().replan.is_some() => {
                Ok((study.course(strategy.as_ref()), 0.0))
            }
            Self::Command(command) if study.scenario().replan.is_some() => {
                bail!(
                    "--strategy-command: {:?} makes one plan, and the scenario asks for plans that follow load ([replan]); fix: \
                     remove the table, or give the program's plan to `simulate --plan`",
                    command.name()
                )
            }
            Self::Refined(_) if study.scenario().replan.is_some() => {
                bail!(
                    "--refine: plans that are found by simulation do not follow load ([replan]); fix: leave --refine out, or \
                     remove the table (policy = \"static\" makes one plan)"
                )
            }
            _ => {
                let planned = self.plan(study)?;
                Ok((Course::Plan(planned.plan), planned.seconds))
            }
        }
    }

    pub(super) fn plan(&self, study: &Study) -> anyhow::Result<Planned> {
        let watch = Stopwatch::start();
        let (plan, refined) = match self {
            Self::Strategy(strategy) => (study.plan(strategy.as_ref()), None),
            Self::Command(command) => (study.plan_by_command(command)?, None),
            Self::Refined(target) => {
                let refined = study.refine(*target)?;
                (refined.plan.clone(), Some(refined))
            }
        };
        Ok(Planned { plan, refined, seconds: watch.seconds() })
    }
}

/// What a bound says of a plan, and of which plans it speaks.
pub(super) fn bound_text(plan: &Plan, study: &Study) -> String {
    let Some(bound) = &plan.bound else {
        if !plans_by_half_of_slo(&plan.strategy) {
            return "no bound: those of `igniter bound` speak of plans by other rules".to_owned();
        }
        return "this strategy proves no bound; `igniter bound` does".to_owned();
    };
    let covers = &bound.covers;
    let cost = bound.least_cost_per_hour.filter(|_| study.kinds().len() > 1);
    if let Some(least) = cost {
        let gap = plan.cost_gap_pct(&study.kinds()).unwrap_or(0.0);
        let how = if bound.method == BoundMethod::Exhaustive { "proven cheapest" } else { "bound" };
        return format!(
            "{how}: no plan costs less than {:.2} $/h (gap {gap:.1} %)\nof {covers}",
            least.get()
        );
    }
    let gap = plan.gap_pct().unwrap_or(0.0);
    let keeps = study.check(plan).is_empty();
    let so = match plan.gpus.len().cmp(&bound.gpus) {
        Ordering::Less => "fewer mean that this plan does not keep what it promises".to_owned(),
        Ordering::Equal if keeps => "proven optimal".to_owned(),
        Ordering::Equal => "as many, but this plan does not keep what it promises".to_owned(),
        Ordering::Greater => format!("gap {gap:.1} %"),
    };
    format!("bound: at least {} ({}); {so}\nof {covers}", gpus(bound.gpus), method(bound))
}

fn method(bound: &GpuBound) -> String {
    match bound.method {
        BoundMethod::Exhaustive => bound.method.as_str().to_owned(),
        _ => format!("{} {:.2}", bound.method.as_str(), bound.fractional_gpus),
    }
}

/// `1 GPU`, `2 GPUs`
pub(super) fn gpus(count: usize) -> String {
    format!("{count} GPU{}", if count == 1 { "" } else { "s" })
}
