"""Strategies and predictors of your own."""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from ._answers import check_batches, member_of, plan_document, plain_number
from ._errors import FitError, TooLateError, UsageError, UsageTypeError, refusing


class Workload(NamedTuple):
    """A workload, as strategies see it."""

    name: str
    model: str
    slo_ms: float
    """The SLO of its latency, in ms."""
    rate_rps: float
    """Requests/s."""


class Placement(NamedTuple):
    """A workload on a GPU."""

    workload: str
    batch: int
    """The largest batch that its server forms."""
    sm_pct: float
    """Its share of the SMs in percent, a multiple of ``kind.unit_pct``."""
    served_rps: Optional[float] = None
    """The part of the workload's rate, when several placements serve it."""
    time_slot: Optional[int] = None
    """Placements of one GPU with the same number take turns on the same SMs."""


class ModelFacts(NamedTuple):
    """What is known of a model on a GPU kind."""

    name: str
    max_batch: int
    """The largest batch that was measured."""
    memory_bytes: Optional[int]
    """Device memory of one process, where known."""


class GpuKind(NamedTuple):
    """A GPU kind."""

    name: str
    units: int
    """How many allocation units of SMs it has."""
    unit_pct: float
    """Shares are multiples of this, in percent."""
    memory_bytes: Optional[int]
    price_per_hour: float
    """US $."""
    power_cap_w: float
    idle_power_w: float
    max_clock_mhz: float
    models: Dict[str, ModelFacts]


class Member(NamedTuple):
    """A member of a co-location."""

    model: str
    batch: int
    sm_pct: float


class MemberPrediction(NamedTuple):
    """What is predicted of one member. Times are those of one full batch, in ms."""

    load_ms: float
    """Copy to the GPU."""
    gpu_ms: float
    """Execution."""
    feedback_ms: float
    """Copy back."""
    throughput_rps: float
    """Requests/s with full batches, back to back."""

    @property
    def latency_ms(self) -> float:
        """Load, execution and feedback."""
        return self.load_ms + self.gpu_ms + self.feedback_ms

    def slowed(self, factor: float) -> "MemberPrediction":
        """The same with an execution so many times as long, and the throughput that follows from it."""
        gpu_ms = self.gpu_ms * factor
        busy = self.gpu_ms + self.feedback_ms
        throughput = self.throughput_rps * busy / (gpu_ms + self.feedback_ms)
        return self._replace(gpu_ms=gpu_ms, throughput_rps=throughput)


class Prediction(NamedTuple):
    """What is predicted of a co-location."""

    members: List[MemberPrediction]
    power_w: float
    power_demand_w: float
    clock_mhz: float


Members = Iterable[Union[Member, Tuple[str, int, float]]]


class PlanRequest:
    """What a strategy is asked to plan.

    Nothing is added to what a strategy answers: one whose plans are compared with those of the built-in ones plans for
    ``rate_rps * (1 + options["headroom_pct"] / 100)``, and for latencies below half of the SLO, less ``margin_pct`` percent.
    """

    def __init__(self, document: Dict[str, Any], predictions: Any) -> None:
        (kind,) = document["kinds"]
        self.workloads: List[Workload] = [Workload(**workload) for workload in document["workloads"]]
        """The workloads, in the order of the scenario."""
        self.predictor: str = kind.pop("predictor")
        """The name of the predictor that is planned with."""
        models = {model["name"]: ModelFacts(**model) for model in kind.pop("models")}
        self.kind = GpuKind(models=models, **kind)
        """The GPU kind: every GPU of the plan is one of these."""
        self.options: Dict[str, Any] = document["options"]
        """What the scenario's ``[plan]`` asks for: ``headroom_pct``, ``margin_pct`` (or ``"predictor"``), ``process_limit``,
        ``replicas``, ``attainment_pct``, ``confidence_pct``, ``seed``."""
        self._predictions = predictions
        self._models = {workload.name: workload.model for workload in self.workloads}

    def predict(self, members: Members) -> Prediction:
        """Predicts a co-location of ``(workload or model, batch, sm_pct)``, as planners and engine do. It may be asked for
        anything, also for shares above 100 % together and batches above ``kind.models[…].max_batch``; a plan may hold neither."""
        asked = [member_of(member) for member in members]
        for name, _, _ in asked:
            if name not in self._models and name not in self.kind.models:
                known = f"the workloads are: {', '.join(self._models)}; the models: {', '.join(self.kind.models)}"
                raise UsageError(f"there is no workload or model {name!r}; {known}")
        return self._predict([(self._models.get(name, name), batch, sm_pct) for name, batch, sm_pct in asked])

    @refusing
    def _predict(self, asked: List[Tuple[str, int, float]]) -> Prediction:
        try:
            return _prediction(self._predictions.predict(asked))
        except RuntimeError as error:
            raise TooLateError(str(error)) from None

    def __repr__(self) -> str:
        return f"PlanRequest({len(self.workloads)} workloads on {self.kind.name})"


class Strategy:
    """The base of a strategy of your own.

    >>> class Halves(igniter.Strategy):
    ...     name = "halves"
    ...     def plan(self, request):
    ...         names = [w.name for w in request.workloads]
    ...         return [[(name, 4, 50) for name in names[i : i + 2]] for i in range(0, len(names), 2)]

    A plan is a list of GPUs, each a list of placements ``(workload, batch, sm_pct)``; or a dictionary with ``gpus``, and
    ``infeasible`` for workloads without a place, each with a reason; or a :class:`Plan`. The same request must give the
    same plan. Sweeps ask from several threads at once: keep nothing in ``self`` between calls. A function of a request does
    as well.
    """

    name: str = ""

    def plan(self, request: PlanRequest) -> Any:
        """Makes the plan."""
        raise NotImplementedError


class CoLocation(List[Member]):
    """The members of a co-location, with what the predictor beneath says of them."""

    base: Prediction
    kind: str


class Predictor:
    """The base of a predictor of your own: it corrects a built-in one, ``base``.

    >>> class Crowded(igniter.Predictor):
    ...     name = "crowded"
    ...     def predict(self, members):
    ...         slower = 1 + 0.05 * (len(members) - 1)
    ...         return [member.slowed(slower) for member in members.base.members]

    It must be pure: answers are kept, and each co-location is asked for once. Answer with a :class:`Prediction`, or with
    its members alone, each a :class:`MemberPrediction`.
    """

    name: str = ""
    base: str = "igniter"
    """The predictor beneath."""

    def predict(self, members: CoLocation) -> Union[Prediction, Sequence[MemberPrediction]]:
        """Predicts a co-location."""
        raise NotImplementedError


def _prediction(numbers: Tuple[List[Tuple[float, float, float, float]], float, float, float]) -> Prediction:
    members, *gpu = numbers
    return Prediction([MemberPrediction(*member) for member in members], *gpu)


def name_of(thing: Any) -> str:
    """The name of a strategy or predictor."""
    name = getattr(thing, "name", "") or getattr(thing, "__name__", "") or type(thing).__name__
    if not isinstance(name, str):
        raise UsageTypeError(f"the name of {thing!r} must be a string")
    return name


def ask_plan(strategy: Any, asked: str, predictions: Any) -> str:
    """Lets a user's strategy plan. Called by the native half."""
    plan: Callable[[PlanRequest], Any] = getattr(strategy, "plan", strategy)
    request = PlanRequest(json.loads(asked), predictions)
    document = plan_document(plan(request), name_of(strategy))
    models = request.kind.models
    most = {w.name: models[w.model].max_batch for w in request.workloads if w.model in models}
    check_batches(document, name_of(strategy), most)
    return json.dumps(document, default=plain_number)


def ask_prediction(
    predictor: Any,
    members: List[Tuple[str, int, float]],
    base: Tuple[List[Tuple[float, float, float, float]], float, float, float],
    kind: str,
) -> Tuple[List[Tuple[float, float, float, float]], Optional[float], Optional[float], Optional[float]]:
    """Lets a user's predictor predict. Called by the native half."""
    asked = CoLocation(Member(*member) for member in members)
    asked.base = _prediction(base)
    asked.kind = kind
    answer = predictor.predict(asked)
    power: Tuple[Optional[float], ...] = (None, None, None)
    if isinstance(answer, Prediction):
        answer, *power = answer  # type: ignore[assignment]
    try:
        answers = [MemberPrediction(**m) if isinstance(m, Mapping) else MemberPrediction(*m) for m in answer]
    except TypeError:
        allowed = "a Prediction, or a list of MemberPrediction, one for each member"
        raise FitError(f"{name_of(predictor)} answered {answer!r}; allowed: {allowed}; is a return missing?") from None
    if len(answers) != len(asked):
        raise FitError(f"{name_of(predictor)} predicted {len(answers)} members of {len(asked)}")
    numbers = [(float(m.load_ms), float(m.gpu_ms), float(m.feedback_ms), float(m.throughput_rps)) for m in answers]
    return (numbers, *power)  # type: ignore[return-value]
