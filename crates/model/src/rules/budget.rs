//! The division of the SLO between waiting and executing.

use crate::units::Milliseconds;

/// Returns the part of the SLO that load, execution and feedback of a batch may take: one half.
///
/// iGniter's rule (TPDS 2022, §4): a request waits at most as long for its batch to fill as the batch
/// then takes, so each gets half of the SLO.
///
/// # Panics
/// Never: half of a duration is a duration.
#[must_use]
pub fn execution_budget(slo: Milliseconds) -> Milliseconds {
    Milliseconds::new(slo.get() / 2.0).expect("half of a duration is a duration")
}

/// Returns the SLO whose [`execution_budget`] is `budget`.
///
/// # Errors
/// When twice the budget is not a finite duration.
pub fn slo_of_budget(budget: Milliseconds) -> Result<Milliseconds, crate::units::UnitError> {
    Milliseconds::new(budget.get() * 2.0)
}
