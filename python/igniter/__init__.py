"""Compares strategies that share GPUs between DNN inference workloads.

>>> import igniter
>>> igniter.compare("paper-12")

==============================  ==================================================================
to …                            use
==============================  ==================================================================
describe workloads              :class:`Scenario`
make, simulate, compare plans   :func:`plan`, :func:`simulate`, :func:`compare`
run many points                 :func:`sweep`, with :func:`span`, :func:`linear`, :func:`logarithmic`
find limits                     :func:`capacity`, :func:`bound`
look at the performance model   :func:`predict`, :func:`fit`, :func:`profile`, :func:`accuracy`
bring your own                  :class:`Strategy`, :class:`Predictor`, :func:`read_trace`
==============================  ==================================================================
"""

from ._api import (
    Accuracy,
    Bound,
    Candidate,
    Capacity,
    Coefficients,
    CoLocationPrediction,
    Profile,
    accuracy,
    bound,
    capacity,
    compare,
    fit,
    plan,
    predict,
    profile,
    read_trace,
    simulate,
    study,
)
from ._errors import (
    FitError,
    FolderError,
    IgniterError,
    InternalError,
    NotInstalledError,
    OutputError,
    PlanError,
    Problem,
    ProfileError,
    ScenarioError,
    SimulationError,
    SweepError,
    TooLateError,
    TraceError,
    UnknownNameError,
    UsageError,
    UsageTypeError,
)
from ._foreign import (
    CoLocation,
    GpuKind,
    Member,
    MemberPrediction,
    ModelFacts,
    Placement,
    PlanRequest,
    Prediction,
    Predictor,
    Strategy,
    Workload,
)
from ._igniter import GPU_KINDS, PREDICTORS, SCENARIOS, STRATEGIES, __version__
from ._plan import Gpu, Plan
from ._results import Comparison, Figure, Figures, Simulation
from ._scenario import Scenario
from ._sweep import SweepResult, linear, logarithmic, read_sweep, span, sweep, sweep_file
from ._table import Table

__all__ = [
    "GPU_KINDS", "PREDICTORS", "SCENARIOS", "STRATEGIES", "Accuracy", "Bound", "Candidate", "Capacity",
    "CoLocation", "CoLocationPrediction", "Coefficients", "Comparison", "Figure", "Figures", "FitError",
    "FolderError", "Gpu", "GpuKind", "IgniterError", "InternalError", "Member", "MemberPrediction", "ModelFacts",
    "NotInstalledError", "OutputError", "Placement", "Plan", "PlanError", "PlanRequest", "Prediction", "Predictor",
    "Problem", "Profile", "ProfileError", "Scenario", "ScenarioError", "Simulation", "SimulationError", "Strategy",
    "SweepError", "SweepResult", "Table", "TooLateError", "TraceError", "UnknownNameError", "UsageError",
    "UsageTypeError", "Workload", "__version__", "accuracy", "bound", "capacity", "compare", "fit", "linear",
    "logarithmic", "plan", "predict", "profile", "read_sweep", "read_trace", "simulate", "span", "study", "sweep",
    "sweep_file",
]
