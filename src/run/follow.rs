//! Simulates plans that follow each other.

use super::{RunError, Study};
use crate::domain::{GpuId, Plan, RecordSink, Timeline};
use crate::metrics::{
    GpuCollector, HandOver, RequestWindow, WindowCounter, hand_overs, request_windows,
};
use crate::results::StrategyResult;
use crate::sim::{ServiceGap, SimInput, check_run, simulate, simulate_counted};
use crate::units::Nanoseconds;

/// The outcome of simulating plans that follow each other.
#[derive(Debug, Clone, PartialEq)]
pub struct FollowedPlans {
    /// The result of the run as a whole. Its plan lists all servers that ever existed; its number of GPUs is the
    /// maximum over time, and its cost per hour is the mean over the run.
    pub result: StrategyResult,
    /// The times during which each GPU of the timeline was rented. A rental ends when the last server has answered its
    /// requests.
    pub rented: Vec<Vec<(Nanoseconds, Nanoseconds)>>,
    /// The hand-overs from servers to others.
    pub hand_overs: Vec<HandOver>,
    /// Counts of the requests of each workload, by the window in which they arrived.
    pub windows: Vec<RequestWindow>,
    /// The times during which no server took the requests of a workload.
    pub gaps: Vec<ServiceGap>,
}

impl Study {
    /// Simulates plans that follow each other, made by `strategy`, and counts requests in windows of the given length.
    /// Runs on the ambient rayon pool; the result does not depend on its size.
    ///
    /// # Errors
    /// When the timeline cannot be followed, or the engine rejects the arrivals.
    pub fn follow(
        &self,
        strategy: &str,
        timeline: &Timeline,
        window: Nanoseconds,
    ) -> Result<FollowedPlans, RunError> {
        let plan = timeline.plan(strategy);
        let simulated = self.all_simulated();
        let sinks = self.collectors(&plan);
        let counter = WindowCounter::new(self.workloads(), window);
        let input = self.input(&plan, &simulated);
        let input = SimInput { timeline: Some(timeline), ..input };
        let outcome = simulate_counted(&input, &sinks, &counter)?;
        let hand_overs = hand_overs(timeline, &outcome.gpus, |sink| &sink.1);
        let rented: Vec<_> = outcome.gpus.iter().map(|gpu| gpu.rented.clone()).collect();
        let (collectors, counters): (Vec<GpuCollector>, Vec<WindowCounter>) =
            outcome.gpus.into_iter().map(|gpu| gpu.sink).unzip();
        let workloads = self.workloads().len();
        let windows = request_windows(&counters, workloads, &hand_overs, input.duration);
        let mut result = self.result(&plan, collectors, 0);
        result.gpu_count = most_at_once(&rented);
        result.cost_per_hour = self.mean_cost(&plan, &rented, input.duration);
        Ok(FollowedPlans { result, rented, hand_overs, windows, gaps: outcome.gaps })
    }

    /// Simulates plans that follow each other into the caller's own sinks, one for each GPU, and returns the filled
    /// sinks.
    ///
    /// # Errors
    /// Same as [`Study::follow`].
    pub(crate) fn follow_into<S: RecordSink + Send>(
        &self,
        timeline: &Timeline,
        make_sink: impl Fn(GpuId) -> S + Sync,
    ) -> Result<Vec<S>, RunError> {
        let plan = timeline.plan("");
        let simulated = self.all_simulated();
        let input = self.input(&plan, &simulated);
        let outcome = simulate(&SimInput { timeline: Some(timeline), ..input }, make_sink)?;
        Ok(outcome.gpus.into_iter().map(|gpu| gpu.sink).collect())
    }

    /// Rejects every timeline that [`Study::follow`] rejects, without simulating it.
    ///
    /// # Errors
    /// Same as [`Study::follow`].
    pub fn check_follow(&self, timeline: &Timeline) -> Result<(), RunError> {
        let plan = timeline.plan("");
        let simulated = self.all_simulated();
        let input = self.input(&plan, &simulated);
        Ok(check_run(&SimInput { timeline: Some(timeline), ..input })?)
    }

    /// Returns the mean cost over the run of GPUs that are rented at the given times, in US $/h.
    fn mean_cost(
        &self,
        plan: &Plan,
        rented: &[Vec<(Nanoseconds, Nanoseconds)>],
        duration: Nanoseconds,
    ) -> f64 {
        let cost = |(gpu, times): (usize, &Vec<(Nanoseconds, Nanoseconds)>)| {
            let kind = self.kinds().into_iter().find(|kind| kind.name == plan.gpus[gpu].kind);
            let price = kind.map_or(0.0, |kind| kind.price_per_hour.get());
            let seconds = |&(from, until): &(Nanoseconds, Nanoseconds)| {
                until.min(duration).saturating_sub(from).as_seconds()
            };
            price * times.iter().map(seconds).sum::<f64>()
        };
        rented.iter().enumerate().map(cost).sum::<f64>() / duration.as_seconds()
    }
}

/// Returns the maximum number of GPUs that are rented at once. A GPU that is returned at the moment when another one is
/// rented does not count twice.
fn most_at_once(rented: &[Vec<(Nanoseconds, Nanoseconds)>]) -> usize {
    let times = rented.iter().flatten().filter(|(from, until)| from < until);
    // At equal times, ends sort before beginnings.
    let mut edges: Vec<(Nanoseconds, bool)> =
        times.flat_map(|&(from, until)| [(from, true), (until, false)]).collect();
    edges.sort_by_key(|&(at, begins)| (at, begins));
    let (mut now, mut most) = (0_usize, 0);
    for (_, begins) in edges {
        now = if begins { now + 1 } else { now.saturating_sub(1) };
        most = most.max(now);
    }
    most
}
