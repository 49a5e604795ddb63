//! Trials of a plan in runs that it was not made for.

use super::super::PlanRequest;
use super::super::traffic::Trial;
use super::goal::target;
use super::packing::PackedGpu;
use super::subproblem::Subproblem;
use igniter_model::domain::Plan;

/// Number of requests with which a plan is tried out, and the maximum number of runs.
const TRIAL_REQUESTS: u64 = 2_000_000;
const MOST_TRIALS: u64 = 20;

impl Subproblem<'_> {
    /// Compares the results of trials of the plan with what was expected. Workloads that clearly fall short of their
    /// goals because more of their requests are late than expected get higher goals, and the plan is made again;
    /// returns whether there are any.
    pub(super) fn learn(&mut self, trials: &[Trial]) -> bool {
        let mut mended = false;
        for (class, expected) in self.expected().into_iter().enumerate() {
            let Some(expected) = expected else { continue };
            let (verdict, late) = self.verdict(class, expected, trials, 1.0);
            if verdict == TrialVerdict::FallsShort {
                let ratio = (expected / late).clamp(0.3, 1.0);
                self.fleet.goals[class] = 1.0 - (1.0 - self.fleet.goals[class]) * ratio;
                mended = true;
            }
        }
        if mended {
            self.options = (0..self.options.len()).map(|class| self.options_of(class)).collect();
            let refit: Option<Vec<PackedGpu>> =
                self.bins.iter().map(|bin| self.fleet.refit(bin)).collect();
            match refit {
                Some(bins) => self.bins = bins,
                None => self.pack(),
            }
        }
        mended
    }

    /// Returns the verdict of trials on a class, and the part of its requests that was late in them. A class falls
    /// short if its late part is more than `deviations` standard deviations above both the allowed and the expected
    /// one.
    fn verdict(
        &self,
        class: usize,
        expected: f64,
        trials: &[Trial],
        deviations: f64,
    ) -> (TrialVerdict, f64) {
        let of_workloads = self.fleet.classes[class].workloads.iter().map(|w| trials[*w]);
        let (requests, late) =
            of_workloads.fold((0, 0), |sum, of| (sum.0 + of.requests, sum.1 + of.late));
        if requests == 0 {
            return (TrialVerdict::Holds, 0.0);
        }
        #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
        let (requests, late) = (requests as f64, late as f64);
        let late = late / requests;
        let deviation = |late: f64| (self.dispersions[class] * late / requests).sqrt();
        let allowed = 1.0 - self.fleet.goals[class];
        // Half of the distance from the goal to the target is left to luck.
        let enough = f64::midpoint(allowed, 1.0 - target(&self.request).attained).max(allowed);
        let verdict = if late + deviation(late.max(expected)) <= enough {
            TrialVerdict::Holds
        } else if late - deviations * deviation(late) > allowed.max(expected) {
            TrialVerdict::FallsShort
        } else {
            TrialVerdict::Open
        };
        (verdict, late)
    }

    /// Returns whether the verdicts on all classes are settled, so that more trials are not needed.
    fn is_decided(&self, expected: &[Option<f64>], trials: &[Trial]) -> bool {
        expected.iter().enumerate().all(|(class, expected)| {
            expected.is_none_or(|e| self.verdict(class, e, trials, 2.0).0 != TrialVerdict::Open)
        })
    }

    /// Returns, by class, the part of the requests that is expected to be late in the plan; `None` for a class
    /// without servers.
    fn expected(&mut self) -> Vec<Option<f64>> {
        let mut sums = vec![(0.0, 0.0); self.fleet.classes.len()];
        let Self { bins, fleet, .. } = self;
        for bin in bins {
            for seat in &bin.seats {
                let (late, servers) = &mut sums[seat.class];
                *late += 1.0 - fleet.attained(bin.site, seat);
                *servers += 1.0;
            }
        }
        sums.into_iter().map(|(late, servers)| (servers > 0.0).then(|| late / servers)).collect()
    }
}

/// The verdict of trials on some workloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TrialVerdict {
    /// They reach their target, or nearly so.
    Holds,
    /// They do not reach their goal, and chance hardly explains it.
    FallsShort,
    /// Neither is clear yet.
    Open,
}

/// Tries a plan out in runs that it was not made for, as many as it takes to tell which workloads fall short.
pub(super) fn trials(
    request: &PlanRequest<'_>,
    plan: &Plan,
    parts: &mut [Subproblem<'_>],
) -> Option<Vec<Trial>> {
    let mut sums = vec![Trial::default(); request.workloads().len()];
    let mut expected = Vec::new();
    let mut total = 0;
    for number in 0..MOST_TRIALS {
        let trials = request.traffic().trial(plan, request.workloads(), number)?;
        for (sum, trial) in sums.iter_mut().zip(trials) {
            sum.requests += trial.requests;
            sum.late += trial.late;
            total += trial.requests;
        }
        if expected.is_empty() {
            expected = parts.iter_mut().map(Subproblem::expected).collect();
        }
        let mut all = parts.iter().zip(&expected);
        if total >= TRIAL_REQUESTS || all.all(|(part, own)| part.is_decided(own, &sums)) {
            break;
        }
    }
    Some(sums)
}
