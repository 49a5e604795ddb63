//! Advice about settings of a scenario that make plans look worse than they are.

use super::Study;
use crate::arrivals::ArrivalSpec;
use crate::results::Advice;
use crate::scenario::ScenarioWorkload;

/// The queue delay of the servers in the iGniter paper, in ms.
const PAPER_DELAY_MS: f64 = 100.0;

impl Study {
    /// Returns the changes that let batches form as rule-based strategies (all but `queueing` and refined plans)
    /// assume: each is a sentence or two that names its workloads. Empty where nothing is unusual.
    #[must_use]
    pub fn advice(&self) -> Vec<String> {
        self.changes().into_iter().map(|advice| advice.text).collect()
    }

    /// Same as [`Study::advice`], together with the changes in the form that `--set` takes.
    pub(super) fn changes(&self) -> Vec<Advice> {
        let all = &self.scenario().workloads;
        let of = |is: &dyn Fn(&ScenarioWorkload) -> bool| {
            let names: Vec<&str> =
                all.iter().filter(|w| is(w)).map(|w| w.workload.name.as_str()).collect();
            (!names.is_empty()).then(|| listed(&names))
        };
        let delay_ms = |w: &ScenarioWorkload| w.batching.max_queue_delay.get();
        let even = |w: &ScenarioWorkload| matches!(w.arrival, ArrivalSpec::Constant);
        let mut advice = Vec::new();
        if let Some(names) = of(&|w| even(w) && delay_ms(w) <= 0.0) {
            let text = format!(
                "{names}: requests are evenly spaced and max_queue_delay_ms = 0, so a free server takes the one request \
                 that is there and does not wait for a batch. Batches stay smaller than planned, and servers fall behind. \
                 The iGniter paper's servers wait up to {PAPER_DELAY_MS} ms: write max_queue_delay_ms = {PAPER_DELAY_MS} \
                 under [batching]"
            );
            let set = format!("batching.max_queue_delay_ms={PAPER_DELAY_MS}");
            advice.push(Advice { text, set });
        }
        let half_ms = |w: &ScenarioWorkload| w.workload.slo.get() / 2.0;
        if let Some(names) = of(&|w| !even(w) && delay_ms(w) >= half_ms(w)) {
            let text = format!(
                "{names}: requests come at random times, and max_queue_delay_ms is half of the SLO or more. In a lull a \
                 request waits that long for its batch to fill. Write max_queue_delay_ms = 0 under [batching]"
            );
            advice.push(Advice { text, set: "batching.max_queue_delay_ms=0".to_owned() });
        }
        advice
    }
}

/// Lists at most a few names.
fn listed(names: &[&str]) -> String {
    const MOST: usize = 4;
    match names {
        [one] => (*one).to_owned(),
        few if few.len() <= MOST => few.join(", "),
        many => format!("{} and {} more", many[..MOST - 1].join(", "), many.len() - (MOST - 1)),
    }
}
