"""The verbs: fit, predict, plan, simulate, compare, and what follows from them."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Union

from . import _igniter
from ._answers import member_of, plan_document
from ._errors import PlanError, UsageError, refusing
from ._foreign import GpuKind, Members, MemberPrediction, ModelFacts, name_of
from ._own import Own, PredictorLike, StrategyLike
from ._plan import Plan
from ._results import Comparison, Simulation
from ._scenario import ScenarioLike, scenario_of
from ._table import Table

PathLike = Union[str, "os.PathLike[str]"]
PlanLike = Union[Plan, PathLike, Mapping[str, Any], Sequence[Any]]
"""A plan, the path of a plan file, or what a strategy of your own answers."""


def _native_plan(study: "_igniter.Study", given: PlanLike) -> "_igniter.Plan":
    if isinstance(given, (str, os.PathLike)):
        name, native = os.fspath(given), study.read_plans([os.fspath(given)])
    else:
        document = plan_document(given)
        name = str(document.get("strategy", "given"))
        native = study.parse_plan(name, json.dumps(document))
    unmeasured = [words for words in native.violations if words.endswith("that were measured")]
    if unmeasured:
        # The program simulates such a plan, and `igniter check` says so; here it is a slip more often than a wish.
        error = PlanError(f"the plan of {name}: {'; '.join(unmeasured)}")
        error.violations = unmeasured
        raise error
    return native


@refusing
def plan(
    scenario: ScenarioLike,
    strategy: StrategyLike = "igniter",
    *,
    predictor: Optional[PredictorLike] = None,
    profile: Optional[str] = None,
    seed: Optional[int] = None,
    refine: Optional[float] = None,
    threads: Optional[int] = None,
) -> Plan:
    """Makes a plan.

    :param strategy: a name of :data:`igniter.STRATEGIES`, or a strategy of your own.
    :param predictor: a name of :data:`igniter.PREDICTORS`, or a predictor of your own, in place of the default.
    :param profile: a GPU kind, the folder of a profile, or a file of coefficients, in place of the scenario's.
    :param refine: find shares and batches by simulation, so that this percentage of the requests of each workload stays
        within its SLO; the strategy is not asked then.
    """
    own = Own()
    name = own.strategy(strategy)
    study = scenario_of(scenario)._study(own, seed=seed, profile=profile, predictor=predictor)
    return Plan._of(study.plan(name, refine, threads))


@refusing
def simulate(
    scenario: ScenarioLike,
    strategy: StrategyLike = "igniter",
    *,
    plan: Optional[PlanLike] = None,
    predictor: Optional[PredictorLike] = None,
    truth: Optional[PredictorLike] = None,
    prediction_error: bool = False,
    profile: Optional[str] = None,
    seed: Optional[int] = None,
    refine: Optional[float] = None,
    threads: Optional[int] = None,
    output: Optional[PathLike] = None,
) -> Simulation:
    """Simulates a plan: that of a strategy, or one that you give.

    :param truth: what is simulated, where that is not the predictor that plans.
    :param prediction_error: draw an error of each model from the uncertainty of the predictor.
    :param output: a folder for tables, figures and a report.

    The other parameters are those of :func:`plan`.
    """
    own = Own()
    name = own.strategy(strategy)
    study = scenario_of(scenario)._study(
        own, seed=seed, profile=profile, predictor=predictor, truth=truth, prediction_error=prediction_error
    )
    if plan is not None:
        native = study.compare([_native_plan(study, plan)], [], None, 1, threads)
    elif refine is not None:
        native = study.compare([], [], refine, 1, threads)
    else:
        native = study.compare([], [name], None, 1, threads)
    result = Simulation(native)
    if output is not None:
        result.save(output)
    return result


@refusing
def compare(
    scenario: ScenarioLike,
    strategies: Union[StrategyLike, Iterable[StrategyLike]] = ("igniter", "ffd"),
    *,
    plans: Iterable[PlanLike] = (),
    predictor: Optional[PredictorLike] = None,
    truth: Optional[PredictorLike] = None,
    prediction_error: bool = False,
    profile: Optional[str] = None,
    seed: Optional[int] = None,
    seeds: int = 1,
    refine: Optional[float] = None,
    threads: Optional[int] = None,
    output: Optional[PathLike] = None,
) -> Comparison:
    """Plans and simulates with several strategies, all with the same arrivals.

    :param strategies: names, strategies of your own, or ``"all"``.
    :param plans: plans that are compared with theirs.
    :param seeds: simulate every plan with so many seeds; table ``seeds`` has means with intervals.
    :param refine: also compare the plan that is found by simulation for this attainment in percent.

    The other parameters are those of :func:`simulate`.
    """
    own = Own()
    names = own.strategies(strategies)
    study = scenario_of(scenario)._study(
        own, seed=seed, profile=profile, predictor=predictor, truth=truth, prediction_error=prediction_error
    )
    given = [_native_plan(study, plan) for plan in plans]
    result = Comparison(study.compare(given, names, refine, seeds, threads))
    if output is not None:
        result.save(output)
    return result


class Bound(NamedTuple):
    """What is proven about every plan of a scenario."""

    gpus: int
    """No plan uses fewer."""
    fractional_gpus: float
    """The same before rounding up."""
    method: str
    least_cost_per_hour: Optional[float]
    note: str
    """What the proof rests on."""
    covers: str
    """The plans that it speaks of."""


@refusing
def bound(
    scenario: ScenarioLike, *, predictor: Optional[PredictorLike] = None, profile: Optional[str] = None
) -> Optional[Bound]:
    """The number of GPUs below which no plan can be; ``None`` where nothing is proven."""
    document = json.loads(scenario_of(scenario)._study(profile=profile, predictor=predictor).bound())
    return None if document is None else Bound(**document)


class Candidate(NamedTuple):
    """A plan at one factor."""

    strategy: str
    at: float
    gpu_count: int
    cost_per_hour: float
    infeasible: int
    attainment_pct: float
    low_pct: float
    high_pct: float
    seeds: int
    met: bool


class Capacity(NamedTuple):
    """What a search found for one strategy."""

    strategy: str
    best: Optional[Candidate]
    """The best candidate that meets the target; none where not even the easiest does."""
    at_the_end: bool
    """Whether the range ends there: the true answer may lie beyond."""
    next: Optional[Candidate]
    """The next one, which does not meet it."""
    judged: int
    """How many candidates were simulated."""


_RANGES = {"rate": (0.05, 2.0, 0.01), "slo": (0.5, 20.0, 0.05), "gpus": (0.0, 400.0, 10.0)}


@refusing
def capacity(
    scenario: ScenarioLike,
    strategies: Union[StrategyLike, Iterable[StrategyLike]] = ("igniter", "ffd"),
    *,
    find: str = "rate",
    low: Optional[float] = None,
    high: Optional[float] = None,
    precision: Optional[float] = None,
    target: float = 99.0,
    worst: bool = False,
    confidence: float = 0.95,
    least: int = 3,
    most: int = 20,
    keep_plan: bool = False,
    replicas: bool = False,
    predictor: Optional[PredictorLike] = None,
    profile: Optional[str] = None,
    seed: Optional[int] = None,
    threads: Optional[int] = None,
) -> List[Capacity]:
    """Searches the highest factor of all rates (``find="rate"``), the lowest of all SLOs (``"slo"``), or the headroom of
    the cheapest plan (``"gpus"``), with which ``target`` percent of the requests stay within their SLO.

    :param worst: every workload must reach the target.
    :param least: the fewest seeds of a candidate; ``most`` the most.
    :param keep_plan: make the plan once, for the scenario as it is.
    """
    own = Own()
    names = own.strategies(strategies)
    study = scenario_of(scenario)._study(own, seed=seed, profile=profile, predictor=predictor)
    defaults = _RANGES.get(find, (0.0, 0.0, 0.0))
    asked = (low, high, precision)
    search = tuple(default if value is None else value for value, default in zip(asked, defaults))
    found = json.loads(
        _igniter.capacity(
            study, names, find, search, target, worst, confidence, (least, most), keep_plan, replicas, threads
        )
    )
    for entry in found:
        for key in ("best", "next"):
            entry[key] = entry[key] and Candidate(**entry[key])
    return [Capacity(**entry) for entry in found]


class CoLocationPrediction(NamedTuple):
    """What is predicted of a co-location."""

    members: List[MemberPrediction]
    """In the order of the members."""
    power_w: float
    power_demand_w: float
    clock_mhz: float
    two_sided_pct: List[Optional[float]]
    """How far each latency may be off, in percent (95 %); none where the predictor does not say."""
    predictor: str
    assumed: List[str]
    """What was not measured on this GPU, although predictions rest on it."""


@refusing
def predict(
    members: Members, *, profile: PathLike = "v100", predictor: Optional[PredictorLike] = None
) -> CoLocationPrediction:
    """Predicts a co-location.

    >>> igniter.predict([("alexnet", 8, 25), ("vgg19", 4, 50)]).members[0].latency_ms
    """
    own = Own()
    name = own.predictor(predictor)
    asked = [member_of(member) for member in members]
    numbers, uncertain, used, assumed = _igniter.predict(asked, os.fspath(profile), name, own.native())
    predicted, power, demand, clock = numbers
    own_members = [MemberPrediction(*member) for member in predicted]
    return CoLocationPrediction(own_members, power, demand, clock, uncertain, used, assumed)


class Coefficients:
    """A fitted predictor: whatever takes a profile takes the file that :meth:`save` writes."""

    def __init__(self, document: str) -> None:
        self._text = document
        self.document: Dict[str, Any] = json.loads(document)
        """All coefficients, their residuals and where they are valid."""

    def save(self, path: PathLike) -> str:
        """Writes the file of coefficients; its name must end in ``.json``."""
        if not str(path).endswith(".json"):
            raise UsageError(f"{path}: allowed: a name that ends in .json, by which a file of coefficients is known")
        with open(path, "w", encoding="utf-8") as file:
            file.write(self._text)
        return os.fspath(path)

    def __repr__(self) -> str:
        return f"Coefficients({', '.join(self.document)})"


@refusing
def fit(
    profile: PathLike = "v100", predictor: str = "igniter", *, colocated: Optional[PathLike] = None
) -> Coefficients:
    """Fits a predictor to the measurements of a profile, and to measured co-locations of a CSV file in place of its own."""
    return Coefficients(
        _igniter.fit(os.fspath(profile), predictor, None if colocated is None else os.fspath(colocated))
    )


class Profile(NamedTuple):
    """What was measured of a GPU kind."""

    kind: GpuKind
    solo: Table
    """Each model alone."""


@refusing
def profile(name: PathLike = "v100") -> Profile:
    """Reads a profile: the name of a GPU kind that the package carries, or a folder."""
    document, solo = _igniter.profile(os.fspath(name))
    kind = json.loads(document)
    kind["models"] = {model: ModelFacts(model, 0, None) for model in kind["models"]}
    return Profile(GpuKind(**kind), Table(solo))


class Accuracy(NamedTuple):
    """Predictions beside measurements."""

    report: Dict[str, Any]
    """Errors over all, for each model and part, and of simpler ways to predict: as ``igniter accuracy --json``."""
    points: Table
    """Every latency."""

    def __repr__(self) -> str:
        r = self.report
        return (
            f"Accuracy of {r['predictor']}: {r['n']} latencies, mean |error| {r['mape_pct']:.2f} %, "
            f"P95 {r['p95_pct']:.2f} %, bias {r['bias_pct']:+.2f} %"
        )


@refusing
def accuracy(
    colocated: PathLike,
    *,
    solo: Optional[PathLike] = None,
    profile: PathLike = "v100",
    predictor: Optional[PredictorLike] = None,
) -> Accuracy:
    """Compares predictions with measured co-locations of a CSV file (run, member, model, batch, sm_pct, latency_ms)."""
    own = Own()
    name = own.predictor(predictor)
    report, points = _igniter.accuracy(
        os.fspath(colocated), None if solo is None else os.fspath(solo), os.fspath(profile), name, own.native()
    )
    return Accuracy(json.loads(report), Table(points))


@refusing
def read_trace(path: PathLike, *, format: Optional[str] = None, sort: bool = False) -> Table:
    """Reads a trace of requests of another program: columns ``key`` and ``time_s``. The format is recognised, or named as
    for ``igniter trace --format``."""
    return Table(_igniter.read_trace(os.fspath(path), format, sort))


@refusing
def study(*, output: Optional[PathLike] = None, **options: Any) -> Dict[str, Any]:
    """How well predictors do on runs that they were not fitted to: ``igniter study``, whose flags are the parameters, such
    as ``profile``, ``colocated``, ``repeats``. It runs in a process of its own."""
    arguments = ["study", "--json"]
    for key, value in {"output": output, **options}.items():
        if value is not None:
            arguments += [f"--{key.replace('_', '-')}", os.fspath(value) if hasattr(value, "__fspath__") else str(value)]
    return dict(json.loads(run_program(arguments)))


def run_program(arguments: Sequence[str]) -> str:
    """Runs the program ``igniter`` in a process of its own, and gives what it prints."""
    import subprocess

    from ._errors import IgniterError

    done = subprocess.run(
        [sys.executable, "-m", "igniter", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    # 1: done, but a check failed.
    if done.returncode not in (0, 1):
        raise IgniterError(done.stderr.strip())
    return done.stdout


__all__ = [
    "Accuracy", "Bound", "Candidate", "Capacity", "CoLocationPrediction", "Coefficients", "Profile", "accuracy", "bound",
    "capacity", "compare", "fit", "name_of", "plan", "predict", "profile", "read_trace", "run_program", "simulate", "study",
]
