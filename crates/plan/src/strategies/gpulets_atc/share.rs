//! Time sharing of gpu-lets.

use super::pieces::GpuletLatencies;
use super::schedule::{Gpulet, GpuletPlace, GpuletWorkload, Schedule};

/// Maximum number of models that share a gpu-let.
const MOST_MODELS: usize = 3;

impl Schedule<'_, '_> {
    /// Places a workload, or the rest of its rate, in a gpu-let with other workloads: the fullest that
    /// can take it.
    pub(super) fn share_in_time(&mut self, workload: usize, rate_rps: f64) -> bool {
        let mut candidates: Vec<(f64, GpuletPlace)> = Vec::new();
        for (gpu, nodes) in self.gpus.iter().enumerate() {
            for (node, of) in nodes.iter().enumerate() {
                let place = (gpu, node);
                let occupancy = self.busy_ms(of, self.factor(place)) / of.duty_ms;
                let own = of.members.iter().any(|member| member.workload == workload);
                let full = of.members.len() >= MOST_MODELS || occupancy >= 1.0;
                if !of.members.is_empty() && !own && !full {
                    candidates.push((occupancy, place));
                }
            }
        }
        candidates.sort_by(|a, b| b.0.total_cmp(&a.0));
        for (occupancy, place) in candidates {
            if !self.has_room(place.0, workload) {
                continue;
            }
            let shared = self.with(place, occupancy, workload, rate_rps);
            if let Some(node) = shared {
                self.change(place.0, |nodes| nodes[place.1] = node);
                return true;
            }
        }
        false
    }

    /// Returns the time of one batch of each member, in ms.
    fn busy_ms(&self, node: &Gpulet, factor: f64) -> f64 {
        let ms = |m: &GpuletWorkload| factor * self.latencies.ms(m.workload, node.part, m.batch);
        node.members.iter().map(ms).sum()
    }

    /// Returns a gpu-let with one more member, if all members are then in time.
    fn with(
        &self,
        place: GpuletPlace,
        occupancy: f64,
        workload: usize,
        rate_rps: f64,
    ) -> Option<Gpulet> {
        let node = &self.gpus[place.0][place.1];
        let factor = self.factor(place);
        let latencies: &GpuletLatencies = self.latencies;
        let slo_ms = latencies.slo_ms(workload);
        let in_cycle = |duty_ms: f64, rate_rps: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small")]
            let requests = (duty_ms * rate_rps / 1000.0 + 1e-9).floor() as u32;
            requests
        };
        let fits = |batch: u32, duty_ms: f64| {
            let ms = factor * latencies.ms(workload, node.part, batch);
            duty_ms + ms < slo_ms && ms / duty_ms < 1.0 - occupancy
        };
        let most = in_cycle(node.duty_ms, rate_rps).min(latencies.most_batch(workload));
        let duty = |batch: u32| (1000.0 * f64::from(batch) / rate_rps).min(node.duty_ms);
        let (batch, duty_ms) = match most {
            // Fewer than one request arrives per cycle.
            0 => fits(1, node.duty_ms).then_some((1, node.duty_ms))?,
            most => {
                (1..=most).rev().map(|b| (b, duty(b))).find(|&(b, duty_ms)| fits(b, duty_ms))?
            }
        };
        let mut members = node.members.clone();
        for member in &mut members {
            member.batch = in_cycle(duty_ms, member.rate_rps).clamp(1, member.batch.max(1));
        }
        members.push(GpuletWorkload { workload, batch, rate_rps, saturated: false });
        let shared = Gpulet { part: node.part, members, duty_ms };
        let busy_ms = self.busy_ms(&shared, factor);
        let holds = shared.members.iter().all(|member| {
            let serves = 1000.0 * f64::from(member.batch) >= busy_ms * member.rate_rps;
            busy_ms + duty_ms <= latencies.slo_ms(member.workload) && serves
        });
        (busy_ms <= duty_ms && holds).then_some(shared)
    }
}
