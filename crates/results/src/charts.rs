//! Content of the charts of results: data and names, without style. Pages and figures draw these descriptions.

use crate::{Comparison, Details, StrategyResult};
use igniter_sim::metrics::{GpuSeries, LatencyBin, SeriesBin, WorkloadSummary};
use std::collections::BTreeSet;

/// Grouped bars, with one bar of each series in each group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bars {
    /// Names below the groups.
    pub groups: Vec<String>,
    /// (name, value in each group) of the series.
    pub series: Vec<(String, Vec<Option<f64>>)>,
    /// Title of the value axis, with the unit.
    pub y: String,
    /// Whether the value axis is logarithmic.
    pub log: bool,
    /// Whether the series are stacked.
    pub stacked: bool,
    /// Name of a mark, and its value in each group.
    pub marks: Option<(&'static str, Vec<Option<f64>>)>,
}

/// Lines through points, or the points alone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LineChart {
    /// (name, points) of the series.
    pub series: Vec<(String, Vec<(f64, f64)>)>,
    /// Titles of the x and y axes, with their units.
    pub axes: (&'static str, &'static str),
    /// Whether the x and y axes are logarithmic.
    pub log: (bool, bool),
    /// Whether the line is a step function that keeps a point's value until the next point.
    pub steps: bool,
    /// Whether only the points and the line of equal values are drawn.
    pub points_alone: bool,
    /// Whether points are not connected by lines.
    pub dots: bool,
    /// With `points_alone`: relative difference of y from x that two dotted lines show.
    pub band: Option<f64>,
    /// Vertical lines, with their labels.
    pub up: Vec<(f64, &'static str)>,
    /// Horizontal lines, with their labels.
    pub across: Vec<(f64, &'static str)>,
}

/// Above this ratio of highest to lowest value, a linear axis hides the lowest.
pub const LINEAR_RATIO: f64 = 25.0;

/// Returns at most `limit` of the values, evenly spaced, including both ends.
#[must_use]
pub fn thinned<T: Copy>(values: &[T], limit: usize) -> Vec<T> {
    if values.len() <= limit || limit < 2 {
        return values.to_vec();
    }
    (0..limit).map(|i| values[i * (values.len() - 1) / (limit - 1)]).collect()
}

/// Function that returns the mean time of a stage, in ms.
type StageMean = fn(&WorkloadSummary) -> Option<f64>;

/// Stages in the order in which a request passes them.
pub const STAGES: [(&str, StageMean); 4] = [
    ("queue", |w| w.queue_ms),
    ("load", |w| w.load_ms),
    ("execution", |w| w.exec_ms),
    ("feedback", |w| w.feedback_ms),
];

fn names(workloads: &[WorkloadSummary]) -> Vec<String> {
    workloads.iter().map(|w| w.workload.to_string()).collect()
}

impl Comparison {
    /// Returns the workloads, as listed by the first strategy; empty without a strategy.
    #[must_use]
    pub fn workloads(&self) -> &[WorkloadSummary] {
        self.strategies.first().map_or(&[], |result| &result.workloads)
    }

    /// Selects the most informative workloads, in the order of the scenario, if there are more than `limit`: those that
    /// miss their SLO under some strategy, then those with the highest ratio of P99 to SLO.
    #[must_use]
    pub fn telling(&self, limit: usize) -> Vec<usize> {
        let worst = |index: &usize| {
            let all = self.strategies.iter().map(|result| &result.workloads[*index]);
            all.fold((false, 0.0_f64), |(missed, ratio), w| {
                let own = w.p99_ms.map_or(0.0, |p99| p99 / w.slo_ms);
                (missed || w.verdict.is_miss(), ratio.max(own))
            })
        };
        let mut indices: Vec<usize> = (0..self.workloads().len()).collect();
        if indices.len() > limit {
            indices.sort_by(|a, b| {
                let (a, b) = (worst(a), worst(b));
                b.0.cmp(&a.0).then(b.1.total_cmp(&a.1))
            });
            indices.truncate(limit);
            indices.sort_unstable();
        }
        indices
    }

    /// Returns a copy with some of the workloads; plans and GPUs are unchanged.
    #[must_use]
    pub fn of_workloads(&self, indices: &[usize]) -> Self {
        fn some<T: Clone>(all: &[T], indices: &[usize]) -> Vec<T> {
            indices.iter().filter_map(|index| all.get(*index)).cloned().collect()
        }
        let of = |result: &StrategyResult| {
            let details = &result.details;
            // Copied field by field, because a copy of everything would be large.
            let details = Details {
                series: details.series.clone(),
                cdf: some(&details.cdf, indices),
                latency_series: some(&details.latency_series, indices),
                batches: some(&details.batches, indices),
                adaptation: details.adaptation.clone(),
                arrivals: details.arrivals.clone(),
                following: details.following.clone(),
            };
            StrategyResult {
                strategy: result.strategy.clone(),
                gpu_count: result.gpu_count,
                cost_per_hour: result.cost_per_hour,
                gpu_bound: result.gpu_bound,
                predicted_violations: result.predicted_violations,
                plan: result.plan.clone(),
                infeasible: result.infeasible.clone(),
                workloads: some(&result.workloads, indices),
                gpus: result.gpus.clone(),
                actions: result.actions.clone(),
                details,
            }
        };
        Self {
            scenario: self.scenario.clone(),
            seed: self.seed,
            simulated_s: self.simulated_s,
            window_start_s: self.window_start_s,
            window_end_s: self.window_end_s,
            truth: self.truth.clone(),
            display: self.display.clone(),
            strategies: self.strategies.iter().map(of).collect(),
            seeds: self.seeds.clone(),
            advice: self.advice.clone(),
        }
    }

    /// Returns the bars of a value of every workload under every strategy.
    fn bars(&self, y: &str, value: fn(&WorkloadSummary) -> Option<f64>) -> Bars {
        let series = self.strategies.iter();
        let series = series.map(|r| (r.strategy.clone(), r.workloads.iter().map(value).collect()));
        Bars {
            groups: names(self.workloads()),
            series: series.collect(),
            y: y.to_owned(),
            ..Bars::default()
        }
    }

    /// Returns the P99 latency of every workload against its SLO.
    #[must_use]
    pub fn p99_bars(&self) -> Bars {
        let all = self.strategies.iter().flat_map(|result| &result.workloads);
        let (low, high) = all
            .filter_map(|w| w.p99_ms)
            .fold((f64::INFINITY, 0.0_f64), |(low, high), v| (low.min(v), high.max(v)));
        let slos = self.workloads().iter().map(|w| Some(w.slo_ms)).collect();
        Bars {
            log: high > LINEAR_RATIO * low,
            marks: Some(("SLO", slos)),
            ..self.bars("P99 latency (ms)", |w| w.p99_ms)
        }
    }

    /// Returns the P99 latency of these workloads in percent of the SLO, in this order.
    #[must_use]
    pub fn p99_of_slo_bars(&self, workloads: &[usize]) -> Bars {
        let chosen = self.of_workloads(workloads);
        let bars = chosen.bars("P99 (% of SLO)", |w| Some(100.0 * w.p99_ms? / w.slo_ms));
        let values = bars.series.iter().flat_map(|(_, values)| values).flatten();
        let (low, high) = values.fold((100.0_f64, 100.0_f64), |(l, h), v| (l.min(*v), h.max(*v)));
        Bars {
            log: high > LINEAR_RATIO * low,
            marks: Some(("SLO", vec![Some(100.0); workloads.len()])),
            ..bars
        }
    }

    /// Returns the percentage of requests that took longer than the SLO.
    #[must_use]
    pub fn violation_bars(&self) -> Bars {
        self.bars("SLO violations (%)", |w| w.slo_violation_pct)
    }

    /// Returns the predicted latency of a full batch against the simulated mean of load, execution and feedback.
    #[must_use]
    pub fn predicted_points(&self) -> LineChart {
        let points = self.strategies.iter().map(|result| {
            let rows = result.workload_rows();
            let pair = |row: &crate::WorkloadRow<'_>| {
                // Predictions are for full batches; smaller ones are faster.
                let full = result.fills_batches(row.summary);
                Some((row.predicted_ms()?, row.summary.service_ms()?)).filter(|_| full)
            };
            (result.strategy.clone(), rows.iter().filter_map(pair).collect())
        });
        LineChart {
            series: points.collect(),
            axes: ("predicted batch latency (ms)", "simulated batch latency (ms)"),
            log: (true, true),
            points_alone: true,
            ..LineChart::default()
        }
    }

    /// Returns the latency distribution of a workload under every strategy, each with at most `limit` points. `None` if
    /// no request was completed.
    #[must_use]
    pub fn cdf_lines(&self, workload: usize, limit: usize) -> Option<LineChart> {
        let series = self.strategies.iter().filter_map(|result| {
            let points = thinned(&result.details.cdf.get(workload)?.points, limit);
            let points: Vec<_> = points.iter().map(|p| (p.latency_ms, p.fraction)).collect();
            (!points.is_empty()).then(|| (result.strategy.clone(), points))
        });
        let series: Vec<_> = series.collect();
        (!series.is_empty()).then(|| LineChart {
            series,
            axes: ("latency (ms)", "share of requests"),
            log: (self.spread(workload) > LINEAR_RATIO, false),
            steps: true,
            up: vec![(self.workloads()[workload].slo_ms, "SLO")],
            ..LineChart::default()
        })
    }

    /// Returns the mean and highest latency of a workload over time; `None` if no request was completed.
    #[must_use]
    pub fn latency_lines(&self, workload: usize) -> Option<LineChart> {
        let mut series = Vec::new();
        for result in &self.strategies {
            let Some(latencies) = result.details.latency_series.get(workload) else { continue };
            let middle = |bin: &LatencyBin| 0.5 * (bin.start_s + bin.end_s);
            let line = |of: fn(&LatencyBin) -> f64| -> Vec<(f64, f64)> {
                latencies.bins.iter().map(|bin| (middle(bin), of(bin))).collect()
            };
            if !latencies.bins.is_empty() {
                series.push((format!("{} mean", result.strategy), line(|bin| bin.mean_ms)));
                series.push((format!("{} highest", result.strategy), line(|bin| bin.max_ms)));
            }
        }
        (!series.is_empty()).then(|| LineChart {
            series,
            axes: ("time of completion (s)", "latency (ms)"),
            log: (false, self.spread(workload) > LINEAR_RATIO),
            up: self.window_ends(),
            across: vec![(self.workloads()[workload].slo_ms, "SLO")],
            ..LineChart::default()
        })
    }

    /// Returns the ratio of the longest to the shortest latency of a workload.
    fn spread(&self, workload: usize) -> f64 {
        let points = self.strategies.iter().filter_map(|r| r.details.cdf.get(workload));
        let (low, high) = points
            .flat_map(|cdf| &cdf.points)
            .fold((f64::INFINITY, 0.0_f64), |(l, h), p| (l.min(p.latency_ms), h.max(p.latency_ms)));
        if low > 0.0 { high / low } else { 1.0 }
    }

    /// Returns the requests of a workload by the size of their batch; `None` if no request was completed.
    #[must_use]
    pub fn batch_bars(&self, workload: usize) -> Option<Bars> {
        let of = |result: &'_ StrategyResult| -> Vec<(u32, u64)> {
            let batches = result.details.batches.get(workload);
            let counts = batches.map_or(&[][..], |batches| &batches.counts);
            counts.iter().map(|count| (count.batch_size, count.requests)).collect()
        };
        let sizes: BTreeSet<u32> =
            self.strategies.iter().flat_map(of).map(|(size, _)| size).collect();
        if sizes.is_empty() {
            return None;
        }
        let series = self.strategies.iter().map(|result| {
            let counts = of(result);
            let total: u64 = counts.iter().map(|(_, requests)| requests).sum();
            let share = |size: &u32| {
                let own = counts.iter().find(|(known, _)| known == size);
                own.map(|(_, requests)| 100.0 * *requests as f64 / total.max(1) as f64)
            };
            (result.strategy.clone(), sizes.iter().map(share).collect())
        });
        Some(Bars {
            groups: sizes.iter().map(ToString::to_string).collect(),
            series: series.collect(),
            y: "requests (%)".to_owned(),
            ..Bars::default()
        })
    }

    /// Returns a metric of the given GPUs over time, each with at most `limit` points.
    #[must_use]
    pub fn gpu_lines(
        &self,
        gpus: &[GpuSeries],
        limit: usize,
        y: &'static str,
        of: fn(&SeriesBin) -> f64,
    ) -> LineChart {
        let series = gpus.iter().map(|series| {
            let bins = thinned(&series.bins, limit);
            let points = bins.iter().map(|bin| (0.5 * (bin.start_s + bin.end_s), of(bin)));
            (format!("GPU {}", series.gpu), points.collect())
        });
        let series = series.collect();
        LineChart { series, axes: ("time (s)", y), up: self.window_ends(), ..LineChart::default() }
    }

    /// Returns the ends of the measured window that differ from those of the run.
    fn window_ends(&self) -> Vec<(f64, &'static str)> {
        let mut ends = Vec::new();
        if self.window_start_s > 0.0 {
            ends.push((self.window_start_s, "measured from"));
        }
        if self.window_end_s < self.simulated_s {
            ends.push((self.window_end_s, "to"));
        }
        ends
    }
}

impl StrategyResult {
    /// Returns the mean latency by stage.
    #[must_use]
    pub fn stage_bars(&self) -> Bars {
        let series = STAGES.iter().map(|(name, of)| {
            ((*name).to_owned(), self.workloads.iter().map(of).collect::<Vec<_>>())
        });
        Bars {
            groups: names(&self.workloads),
            series: series.collect(),
            y: "mean latency (ms)".to_owned(),
            stacked: true,
            ..Bars::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_both_ends() {
        let values: Vec<usize> = (0..1000).collect();
        let thin = thinned(&values, 11);
        assert_eq!((thin.len(), thin[0], thin[10]), (11, 0, 999));
        assert_eq!(thinned(&values[..5], 11), [0, 1, 2, 3, 4]);
    }
}
