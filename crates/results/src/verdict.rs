//! The verdict of a comparison in one line, and recommendations for missed SLOs. The terminal, the report and the page
//! use these texts.

use crate::next_commands::NextCommands;
use crate::{Comparison, StrategyResult, short};
use igniter_sim::metrics::Verdict;
use serde::{Deserialize, Serialize};

/// Maximum number of other strategies in the line.
const OTHERS: usize = 3;

/// A property of a scenario that puts rule-based plans at a disadvantage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advice {
    /// The explanation, and the change to make.
    pub text: String,
    /// The change, in the syntax of `--set`.
    pub set: String,
}

/// Recommendation for missed SLOs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recommendation {
    /// Use this strategy of the comparison: it meets every SLO, while the first one does not.
    Use(String),
    /// No strategy meets every SLO: the reason to try a command, and the command.
    Try(String, String),
}

impl Comparison {
    /// Returns the best strategy: the one that misses the fewest SLOs. Ties are broken by the fewest late requests (if
    /// SLOs are missed), then the lowest cost, the fewest GPUs, and their order.
    #[must_use]
    pub fn best(&self) -> Option<&StrategyResult> {
        self.strategies.iter().min_by(|a, b| {
            let cost = a.cost_per_hour.total_cmp(&b.cost_per_hour);
            let late = |result: &StrategyResult| match result.misses() {
                0 => 0.0,
                _ => result.late_pct().unwrap_or(0.0),
            };
            (a.misses().cmp(&b.misses()))
                .then(late(a).total_cmp(&late(b)))
                .then(cost)
                .then(a.gpu_count.cmp(&b.gpu_count))
        })
    }

    /// Returns the result of the comparison in one line: which strategy meets the SLOs with how many GPUs, and what
    /// others save and miss. Empty without a strategy.
    #[must_use]
    pub fn verdict(&self) -> String {
        let Some(best) = self.best() else { return String::new() };
        let n = best.workloads.len();
        let gpus = counted(best.gpu_count, "GPU");
        let all = if n == 1 { "the SLO".to_owned() } else { format!("all {n} SLOs") };
        let as_many = |other: &&StrategyResult| other.misses() == best.misses();
        let tied = self.strategies.iter().filter(as_many).count() > 1;
        let mut parts = vec![match (best.misses(), best.late_pct()) {
            (0, _) => format!("{} meets {all} with {gpus}", best.strategy),
            (missed, _) if self.strategies.len() == 1 => {
                format!("{} misses {missed} of {} with {gpus}", best.strategy, counted(n, "SLO"))
            }
            (missed, Some(late)) if tied => format!(
                "No strategy meets {all}: {} misses {missed} with {gpus} and has the fewest late requests, {} %",
                best.strategy,
                short(late)
            ),
            (missed, _) => format!(
                "No strategy meets {all}: {} misses fewest, {missed} with {gpus}",
                best.strategy
            ),
        }];
        let others = || self.strategies.iter().filter(|other| !std::ptr::eq(*other, best));
        parts.extend(others().take(OTHERS).map(|other| beside(other, best)));
        if others().count() > OTHERS {
            let more = others().count() - OTHERS;
            parts.push(format!("{more} more {} below", if more == 1 { "is" } else { "are" }));
        }
        let idle = best.unmeasured();
        if idle > 0 {
            parts.push(format!("{} had no requests", counted(idle, "workload")));
        }
        parts.join("; ") + "."
    }

    /// Returns a recommendation if the first strategy misses SLOs; `None` if it meets all. `command` is the command
    /// line of the run; the recommended command keeps its flags.
    #[must_use]
    pub fn recommendation(&self, command: &[String]) -> Option<Recommendation> {
        let first = self.strategies.first().filter(|first| first.misses() > 0)?;
        let best = self.best()?;
        if best.misses() == 0 {
            return Some(Recommendation::Use(format!(
                "{} with {} meets all: {}, {} $/h against {}.",
                best.strategy,
                counted(best.gpu_count, "GPU"),
                signed(best.gpu_count, first.gpu_count)
                    + if best.gpu_count.abs_diff(first.gpu_count) == 1 { " GPU" } else { " GPUs" },
                signed_cost(best.cost_per_hour - first.cost_per_hour),
                first.strategy,
            )));
        }
        let again = NextCommands::of(command);
        let name = first.strategy.as_str();
        // The plan's predictor expected fewer misses than occurred; the advice explains why.
        let advice = self.advice.first().filter(|_| plans_by_rule(name));
        if let Some(advice) = advice.filter(|_| first.predicted_violations < first.misses()) {
            let others: Vec<&str> =
                self.strategies[1..].iter().map(|other| other.strategy.as_str()).collect();
            let next = again.compare(name, &others, &["--set", advice.set.as_str()]);
            return Some(Recommendation::Try(advice.text.clone() + ":", next));
        }
        if !self.strategies.iter().any(|result| result.strategy == "queueing") {
            return Some(Recommendation::Try(
                "The strategy queueing sizes servers for requests that have to wait:".to_owned(),
                again.compare(name, &["queueing"], &[]),
            ));
        }
        Some(match again.frontier(name) {
            Some(next) => Recommendation::Try(
                "Plan with headroom; this shows how much is needed and what it costs:".to_owned(),
                next,
            ),
            None => {
                let headroom = 20.0 + again.number("--headroom").unwrap_or(0.0);
                Recommendation::Try(
                    "Plan with headroom:".to_owned(),
                    again.compare(name, &[], &["--headroom", &short(headroom)]),
                )
            }
        })
    }

    /// Returns the workloads in the order of interest: those that miss their SLO under some strategy, the worst first,
    /// then the others in the order of the scenario.
    #[must_use]
    pub fn misses_first(&self) -> Vec<usize> {
        let worst = |index: usize| {
            let all = self.strategies.iter().filter_map(|result| result.workloads.get(index));
            let missed = all.filter(|w| w.verdict.is_miss());
            // A workload that is not served at all is worse than any slow one.
            missed
                .map(|w| w.p99_ms.map_or(f64::INFINITY, |p99| p99 / w.slo_ms))
                .reduce(f64::max)
                .unwrap_or(0.0)
        };
        let mut order: Vec<(usize, f64)> =
            (0..self.workloads().len()).map(|index| (index, worst(index))).collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1));
        order.into_iter().map(|(index, _)| index).collect()
    }
}

impl StrategyResult {
    /// Returns the highest ratio of P99 to SLO of any workload; `None` without a measured P99.
    #[must_use]
    pub fn worst_p99_of_slo(&self) -> Option<f64> {
        self.p99_ratios().reduce(f64::max)
    }

    /// Returns the number of workloads without requests in the measured window.
    #[must_use]
    pub fn unmeasured(&self) -> usize {
        self.workloads.iter().filter(|w| w.verdict == Verdict::NoRequests).count()
    }
}

/// Whether a strategy plans batches by a rule, instead of by a queueing model or by simulation.
#[must_use]
pub fn plans_by_rule(strategy: &str) -> bool {
    !matches!(strategy, "queueing" | "refined")
}

/// Describes what another strategy saves and misses compared with the best one.
fn beside(other: &StrategyResult, best: &StrategyResult) -> String {
    let less = best.cost_per_hour - other.cost_per_hour;
    let resources = match other.gpu_count.cmp(&best.gpu_count) {
        std::cmp::Ordering::Less => format!("saves {}", words(best.gpu_count - other.gpu_count)),
        std::cmp::Ordering::Greater => {
            format!("needs {} more", words(other.gpu_count - best.gpu_count))
        }
        // GPU kinds differ in price.
        std::cmp::Ordering::Equal if less.abs() > 0.005 => {
            format!("costs {:.2} $/h {}", less.abs(), if less > 0.0 { "less" } else { "more" })
        }
        std::cmp::Ordering::Equal => "needs as many".to_owned(),
    };
    let misses = match other.misses() {
        0 => "meets all".to_owned(),
        missed if missed == best.misses() => match other.late_pct() {
            Some(late) => format!("misses as many, {} % late", short(late)),
            None => "misses as many".to_owned(),
        },
        missed => format!("misses {missed}"),
    };
    format!("{} {resources} and {misses}", other.strategy)
}

fn words(n: usize) -> String {
    if n == 1 { "one".to_owned() } else { n.to_string() }
}

/// Returns a count with its noun, which is plural unless the count is one.
#[must_use]
pub fn counted(n: usize, thing: &str) -> String {
    format!("{n} {thing}{}", if n == 1 { "" } else { "s" })
}

/// Returns the difference to `from` with its sign: `+2`, `−1`, `±0`.
#[must_use]
pub fn signed(n: usize, from: usize) -> String {
    let sign = match n.cmp(&from) {
        std::cmp::Ordering::Greater => '+',
        std::cmp::Ordering::Less => '−',
        std::cmp::Ordering::Equal => '±',
    };
    format!("{sign}{}", n.abs_diff(from))
}

/// Returns a difference of costs, rounded to cents, with its sign.
#[must_use]
pub fn signed_cost(difference: f64) -> String {
    let sign = if difference.abs() < 0.005 {
        '±'
    } else if difference > 0.0 {
        '+'
    } else {
        '−'
    };
    format!("{sign}{:.2}", difference.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::small_comparison;

    fn typed() -> Vec<String> {
        ["igniter", "compare", "s.toml", "--set", "arrival.process=poisson"]
            .map(str::to_owned)
            .to_vec()
    }

    #[test]
    fn of_those_that_miss_as_many_the_one_with_fewer_late_requests_is_best() {
        let mut comparison = small_comparison();
        let igniter = &mut comparison.strategies[0];
        // It serves both, one of them late; ffd has no place for one.
        igniter.workloads[0].verdict = Verdict::Missed;
        igniter.workloads[0].slo_violation_pct = Some(40.0);
        igniter.gpu_count = 2;
        igniter.cost_per_hour = 6.12;
        assert_eq!(
            comparison.verdict(),
            "No strategy meets all 2 SLOs: igniter misses 1 with 2 GPUs and has the fewest late requests, 20.0 %; ffd saves \
             one and misses as many, 50.0 % late."
        );
        // Where all SLOs are met, the cheaper one is best, whatever is late.
        for result in &mut comparison.strategies {
            result.workloads.iter_mut().for_each(|w| w.verdict = Verdict::Met);
        }
        assert_eq!(comparison.best().unwrap().strategy, "ffd");
    }

    #[test]
    fn a_miss_that_nobody_predicted_is_explained() {
        let mut comparison = small_comparison();
        comparison.strategies.remove(0);
        let set = "batching.max_queue_delay_ms=100".to_owned();
        comparison.advice = vec![Advice { text: "Batches do not form".to_owned(), set }];
        assert_eq!(
            comparison.recommendation(&typed()),
            Some(Recommendation::Try(
                "Batches do not form:".to_owned(),
                "igniter compare s.toml --set arrival.process=poisson --strategies ffd --set \
                 batching.max_queue_delay_ms=100"
                    .to_owned()
            ))
        );
    }

    #[test]
    fn the_line_names_the_best_and_what_others_miss() {
        let comparison = small_comparison();
        assert_eq!(
            comparison.verdict(),
            "igniter meets all 2 SLOs with 1 GPU; ffd needs as many and misses 1."
        );
        assert_eq!(comparison.recommendation(&typed()), None, "the first strategy meets all");
        assert_eq!(Comparison { strategies: Vec::new(), ..comparison }.verdict(), "");
    }

    #[test]
    fn a_strategy_that_meets_all_is_recommended_with_what_it_costs() {
        let mut comparison = small_comparison();
        comparison.strategies.reverse();
        comparison.strategies[1].gpu_count = 3;
        comparison.strategies[1].cost_per_hour = 9.18;
        assert_eq!(
            comparison.verdict(),
            "igniter meets all 2 SLOs with 3 GPUs; ffd saves 2 and misses 1."
        );
        assert_eq!(
            comparison.recommendation(&typed()),
            Some(Recommendation::Use(
                "igniter with 3 GPUs meets all: +2 GPUs, +6.12 $/h against ffd.".to_owned()
            ))
        );
    }

    #[test]
    fn where_none_meets_all_there_is_a_command_to_try() {
        let mut comparison = small_comparison();
        comparison.strategies.remove(0);
        assert_eq!(comparison.verdict(), "ffd misses 1 of 2 SLOs with 1 GPU.");
        let Some(Recommendation::Try(_, command)) = comparison.recommendation(&typed()) else {
            panic!("nothing to try");
        };
        assert_eq!(
            command,
            "igniter compare s.toml --set arrival.process=poisson --strategies ffd,queueing"
        );
        comparison.strategies[0].strategy = "queueing".to_owned();
        let Some(Recommendation::Try(_, command)) = comparison.recommendation(&typed()) else {
            panic!("nothing to try");
        };
        assert_eq!(
            command,
            "igniter frontier s.toml --set arrival.process=poisson --strategies queueing"
        );
        // The second workload is not served: it comes first.
        assert_eq!(comparison.misses_first(), [1, 0]);
    }

    #[test]
    fn differences_have_signs() {
        assert_eq!(
            [signed_cost(6.12), signed_cost(-1.5), signed_cost(0.001)],
            ["+6.12", "−1.50", "±0.00"]
        );
        assert_eq!([signed(1, 2), signed(3, 1), signed(2, 2)], ["−1", "+2", "±0"]);
    }
}
