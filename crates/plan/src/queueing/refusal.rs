//! Workloads that no GPU can serve, and the best attainment that is possible for them.

use super::super::{PlanRequest, Replicas};
use super::kind_tables::PlannedSetting;
use super::search::MOST_REPLICAS;
use super::shares::batches;
use super::subproblem::Subproblem;
use igniter_model::domain::Infeasible;

impl Subproblem<'_> {
    /// Returns the workloads that no GPU can serve, with the best attainment that is possible for them.
    pub(super) fn infeasible(&mut self, request: &PlanRequest<'_>) -> Vec<Infeasible> {
        let mut infeasible = Vec::new();
        for class in 0..self.options.len() {
            if !self.options[class].is_empty() {
                continue;
            }
            let reason = self.why_not(class);
            for &workload in &self.fleet.classes[class].workloads {
                infeasible.push(Infeasible {
                    workload: request.workloads()[workload].name.clone(),
                    reason: reason.clone(),
                    fixes: Vec::new(),
                });
            }
        }
        infeasible
    }

    fn why_not(&mut self, class: usize) -> String {
        let of = &self.fleet.classes[class];
        let goal = self.fleet.goals[class];
        let options = self.request.options();
        let known: Vec<usize> = (0..self.fleet.sites.len())
            .filter(|site| self.fleet.sites[*site].model(of).is_some())
            .collect();
        if known.is_empty() {
            return format!(
                "no GPU kind has a profile of {} and room for a process of it",
                of.model
            );
        }
        let most = match options.replicas {
            Replicas::Forbidden => 1,
            Replicas::ByStrategy | Replicas::Allowed => MOST_REPLICAS,
        };
        let mut best = (0.0, 1, 1);
        let mut replicas = 1;
        while replicas <= most {
            for &site in &known {
                for batch in batches(&self.fleet.sites[site], of) {
                    let units = self.fleet.sites[site].whole;
                    let setting = PlannedSetting { replicas, batch, units, slow: 0 };
                    let steady = self.fleet.sites[site].steady((class, of), &setting);
                    let attained = steady.map_or(0.0, |steady| steady.attained);
                    if attained > best.0 {
                        best = (attained, replicas, batch);
                    }
                }
            }
            replicas *= 2;
        }
        let target = options.attainment_pct;
        let gpus = if best.1 == 1 { "a whole GPU" } else { "whole GPUs" };
        let (rate, slo) = (of.rate_per_ms * 1000.0, of.slo_ms);
        let asked = if goal > target / 100.0 + 1e-9 {
            format!(
                "{target} % (planned as {:.3} %, so that a run of {:.0} requests reaches it with a confidence \
                 of {} %)",
                100.0 * goal,
                of.requests,
                options.confidence_pct
            )
        } else {
            format!("{target} %")
        };
        if best.0 <= 0.0 {
            let most =
                if most == 1 { "one whole GPU".to_owned() } else { format!("{most} whole GPUs") };
            // A server that gets few of the requests shows whether replicas would help, or only a longer SLO.
            let mut divided = false;
            for &site in &known {
                let Some(&batch) = batches(&self.fleet.sites[site], of).first() else { continue };
                let units = self.fleet.sites[site].whole;
                let setting = PlannedSetting { replicas: MOST_REPLICAS, batch, units, slow: 0 };
                let steady = self.fleet.sites[site].steady((class, of), &setting);
                divided |= steady.is_some_and(|steady| steady.attained > 0.0);
            }
            let help = match (options.replicas, divided) {
                (Replicas::Forbidden, true) => "a longer SLO, a lower rate or replicas",
                _ => "a longer SLO or a lower rate",
            };
            return format!(
                "its SLO of {slo} ms at {rate} requests/s is out of reach: on {most} practically no request is \
                 in time, and {asked} is asked for; {help} would help",
            );
        }
        format!(
            "its SLO of {slo} ms at {rate} requests/s is out of reach for {asked}: at best {:.2} % of its \
             requests are in time, on {} {gpus} with batches of at most {}; ask for less (--attainment), or give it \
             a longer SLO{}",
            100.0 * best.0,
            best.1,
            best.2,
            if most == 1 { " or replicas" } else { "" }
        )
    }
}
