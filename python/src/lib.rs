//! The native half of the Python package `igniter`. Its other half, in `python/igniter`, has the names that users see,
//! their documentation and types; here is what needs the library.
//!
//! Everything that takes time runs on a pool of threads, outside of the interpreter's lock (`job`). Tables are handed over
//! as Arrow streams (`table`); documents cross as JSON.

#![expect(
    clippy::too_many_arguments,
    reason = "the halves speak in plain arguments; the half that users see names them"
)]

mod capacity;
mod comparison;
mod extensions;
mod failure;
mod job;
mod model;
mod plan;
mod predictor;
mod program;
mod scenario;
mod strategy;
mod study;
mod sweep;
mod table;
mod traces;

use pyo3::prelude::*;

/// The native module.
#[pymodule]
fn _igniter(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("STRATEGIES", igniter::plan::STRATEGIES.to_vec())?;
    module.add("PREDICTORS", igniter::fit::PREDICTORS.to_vec())?;
    module.add("GPU_KINDS", igniter::profile::BUILTIN_KINDS.to_vec())?;
    module.add("SCENARIOS", igniter::scenario::shipped_scenarios().collect::<Vec<_>>())?;
    module.add_class::<scenario::PyDocument>()?;
    module.add_class::<extensions::Own>()?;
    module.add_class::<study::PyStudy>()?;
    module.add_class::<plan::PyPlan>()?;
    module.add_class::<comparison::PyComparison>()?;
    module.add_class::<table::ArrowTable>()?;
    module.add_class::<sweep::PySweep>()?;
    module.add_function(wrap_pyfunction!(capacity::capacity, module)?)?;
    module.add_function(wrap_pyfunction!(job::panic_at_work, module)?)?;
    module.add_function(wrap_pyfunction!(model::predict, module)?)?;
    module.add_function(wrap_pyfunction!(model::fit, module)?)?;
    module.add_function(wrap_pyfunction!(model::accuracy, module)?)?;
    module.add_function(wrap_pyfunction!(model::profile, module)?)?;
    module.add_function(wrap_pyfunction!(sweep::merge, module)?)?;
    module.add_function(wrap_pyfunction!(sweep::rows, module)?)?;
    module.add_function(wrap_pyfunction!(traces::arrivals, module)?)?;
    module.add_function(wrap_pyfunction!(traces::read_trace, module)?)?;
    module.add_function(wrap_pyfunction!(program::run_igniter, module)?)?;
    module.add_function(wrap_pyfunction!(program::run_validate, module)?)?;
    Ok(())
}
