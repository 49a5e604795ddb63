//! Notes for the user about the arrivals of a scenario, where no other output mentions the issue.

use super::Study;
use crate::arrivals::{ArrivalSpec, TraceFacts};
use crate::results::{ArrivalRow, formula_note};
use crate::units::Nanoseconds;

/// Factor by which a rate may differ from the planned one before a note reports it.
const OFF: f64 = 1.25;

impl Study {
    /// Returns a note about names that a spreadsheet would take for formulas.
    #[must_use]
    pub fn formula_note(&self) -> Option<String> {
        let workloads = self.scenario().workloads.iter().map(|entry| &entry.workload);
        formula_note(workloads.flat_map(|w| [w.name.as_str(), w.model.as_str()]))
    }

    /// Reads the traces of the scenario and returns notes about doubtful properties in its run. A trace that cannot be
    /// read gets no note: the code that prepares the run rejects it.
    #[must_use]
    pub fn trace_notes(&self) -> Vec<String> {
        let scenario = self.scenario();
        let mut notes = Vec::new();
        for entry in &scenario.workloads {
            let ArrivalSpec::Trace(spec) = &entry.arrival else { continue };
            let Ok(facts) = TraceFacts::read(spec, scenario.duration) else { continue };
            let name = &entry.workload.name;
            notes.extend(facts.notes.iter().map(|note| format!("workload {name}: {note}")));
            let Some(last) = facts.last.filter(|_| facts.requests > 0) else {
                notes.push(no_requests(name.as_str()));
                continue;
            };
            if last < scenario.duration && is_short(last, scenario.duration) {
                notes.push(format!(
                    "workload {name}: the trace ends at {:.1} s, and the run at {} s: the rest has no requests",
                    last.as_seconds(),
                    scenario.duration.as_seconds()
                ));
            }
            if let Some(rate) = facts.rate_rps(scenario.duration) {
                notes.extend(other_rate(name.as_str(), rate, entry.workload.rate.get()));
            }
        }
        notes
    }

    /// Same as [`Study::trace_notes`], as far as the arrivals of a run show it.
    #[must_use]
    pub fn arrival_notes(&self, arrived: &[ArrivalRow]) -> Vec<String> {
        let mut notes = Vec::new();
        for entry in &self.scenario().workloads {
            let name = &entry.workload.name;
            let row = arrived.iter().find(|row| row.workload == *name);
            let (ArrivalSpec::Trace(_), Some(row)) = (&entry.arrival, row) else { continue };
            if row.requests == 0 {
                notes.push(no_requests(name.as_str()));
            } else {
                notes.extend(other_rate(name.as_str(), row.rate_rps, entry.workload.rate.get()));
            }
        }
        notes
    }
}

fn no_requests(name: &str) -> String {
    format!(
        "workload {name}: no request of its trace falls into the run; check start_s, column and unit with `igniter trace inspect`"
    )
}

/// Returns whether a trace ends so early that this is hardly intended: the gap at the end is more than a tenth of the
/// run.
fn is_short(last: Nanoseconds, duration: Nanoseconds) -> bool {
    duration.saturating_sub(last).as_f64() > 0.1 * duration.as_f64()
}

fn other_rate(name: &str, rate: f64, planned: f64) -> Option<String> {
    let off = (rate / planned).max(planned / rate);
    (off > OFF).then(|| {
        format!(
            "workload {name}: its trace sends {rate:.3} requests/s in the run, and plans are made for rate_rps = \
             {planned}; rate_rps = \"trace\" takes that of the trace"
        )
    })
}
