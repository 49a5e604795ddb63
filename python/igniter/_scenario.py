"""Scenarios: from a file, by name, of a dictionary, or built up."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Tuple, Union

from . import _igniter
from ._errors import IgniterError, UsageTypeError, refusing, without_lines
from ._foreign import Workload
from ._own import Own

if TYPE_CHECKING:
    from ._plan import Plan
    from ._results import Comparison, Simulation
    from ._sweep import SweepResult

ScenarioLike = Union["Scenario", str, "os.PathLike[str]", Mapping[str, Any]]
"""A scenario, the path of a file, the name of a shipped one, or a dictionary."""


class Scenario:
    """Workloads with their arrivals, the GPU kinds, and how long is simulated.

    >>> Scenario("paper-12")                                   # one that the package carries
    >>> Scenario("mine.toml")
    >>> Scenario({"duration_s": 30, "gpu": [{"kind": "v100"}], "workload": [...]})
    >>> Scenario(duration_s=30, gpu="v100", workloads=[
    ...     dict(name="W1", model="alexnet", slo_ms=15, rate_rps=500)])

    The keys are those of scenario files; ``version``, ``gpu`` and ``workload`` may be written in short, as above.
    """

    _written = True
    """Whether somebody wrote it as a text: lines of one that was made of a dictionary say nothing."""

    @refusing
    def __init__(self, source: Union[ScenarioLike, None] = None, **keys: Any) -> None:
        if source is not None and keys and not isinstance(source, Mapping):
            raise UsageTypeError("give a file or a name alone, and change it by .with_(...)")
        if isinstance(source, Scenario):
            self._document: "_igniter.Document" = source._document
            self._written = source._written
        elif source is None or isinstance(source, Mapping):
            self._written = False
            text = _igniter.Document.toml_of(json.dumps(_document({**(source or {}), **keys}), default=_plain))
            with self._lines():
                self._document = _igniter.Document.of_text(text, "scenario")
        else:
            self._document = _igniter.Document.load(os.fspath(source))

    @classmethod
    def _of(cls, document: "_igniter.Document", written: bool = True) -> "Scenario":
        scenario = cls.__new__(cls)
        scenario._document = document
        scenario._written = written
        return scenario

    @contextmanager
    def _lines(self) -> Iterator[None]:
        """Errors name lines only of what was written in lines."""
        try:
            yield
        except IgniterError as error:
            if not self._written:
                without_lines(error, "scenario")
            raise

    @classmethod
    def from_toml(cls, text: str, name: str = "scenario") -> "Scenario":
        """A scenario of the text of a file."""
        return cls._of(_igniter.Document.of_text(text, name))

    @refusing
    def with_(self, values: Optional[Mapping[str, Any]] = None, **keys: Any) -> "Scenario":
        """The same with values set, by their paths.

        >>> scenario.with_(rate_scale=1.2, duration_s=30)
        >>> scenario.with_({"workload.W1.slo_ms": 20, "workload.*.arrival.cv": 2, "gpu.price_per_hour": 2.5})
        """
        pairs = [(path, json.dumps(value, default=_plain)) for path, value in {**(values or {}), **keys}.items()]
        with self._lines():
            return self._of(self._document.with_values(pairs), self._written)

    def check(self) -> None:
        """Raises a :class:`ScenarioError` that lists everything that is wrong."""
        self._study()

    def to_toml(self) -> str:
        """The resolved scenario as the text of a file, with all defaults."""
        return self._resolved()[0]

    def _resolved(self) -> Tuple[str, str]:
        with self._lines():
            return self._document.resolved()

    def to_dict(self) -> Dict[str, Any]:
        """The resolved scenario as a dictionary, with all defaults."""
        resolved: Dict[str, Any] = json.loads(self._resolved()[1])
        return resolved

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.to_dict()["name"])

    @property
    def seed(self) -> int:
        """The seed of its random numbers."""
        return int(self.to_dict()["seed"])

    @property
    def workloads(self) -> List[Workload]:
        """Its workloads, with the SLOs in ms that they have on its first GPU kind."""
        return [
            Workload(w["name"], w["model"], w["slo_ms"], w["rate_rps"])
            for w in json.loads(self._study().json())["workload"]
        ]

    def _study(
        self,
        own: Optional[Own] = None,
        *,
        seed: Optional[int] = None,
        profile: Optional[str] = None,
        predictor: Any = None,
        truth: Any = None,
        prediction_error: bool = False,
    ) -> "_igniter.Study":
        own = own or Own()
        predictor, truth = own.predictor(predictor), own.predictor(truth)
        profile = None if profile is None else os.fspath(profile)
        with self._lines():
            return _igniter.Study(self._document, own.native(), seed, profile, predictor, truth, prediction_error)

    def advice(self) -> List[str]:
        """What makes plans of this scenario look worse than they are, in words."""
        return self._study().advice()

    def arrivals(self, workload: str) -> List[float]:
        """The times at which requests of a workload arrive, in s."""
        return _igniter.arrivals(self._study(), workload)

    def plan(self, strategy: Any = "igniter", **options: Any) -> "Plan":
        """As :func:`igniter.plan`."""
        from . import _api

        return _api.plan(self, strategy, **options)

    def simulate(self, strategy: Any = "igniter", **options: Any) -> "Simulation":
        """As :func:`igniter.simulate`."""
        from . import _api

        return _api.simulate(self, strategy, **options)

    def compare(self, strategies: Any = ("igniter", "ffd"), **options: Any) -> "Comparison":
        """As :func:`igniter.compare`."""
        from . import _api

        return _api.compare(self, strategies, **options)

    def sweep(self, axes: Any, **options: Any) -> "SweepResult":
        """As :func:`igniter.sweep`."""
        from ._sweep import sweep

        return sweep(self, axes, **options)

    def __reduce__(self) -> Tuple[Any, ...]:
        return Scenario.from_toml, (self._document.to_toml(os.getcwd()), "scenario")

    def __repr__(self) -> str:
        try:
            s = self.to_dict()
        except Exception as error:  # a scenario that is not complete yet can be shown, too
            return f"Scenario(not complete: {error})"
        kinds = ", ".join(gpu["kind"] for gpu in s["gpu"])
        count = len(s["workload"])
        plural = "" if count == 1 else "s"
        return f"Scenario({s['name']!r}: {count} workload{plural} on {kinds}, {s['duration_s']:g} s, seed {s['seed']})"


def _plain(value: Any) -> Any:
    """What JSON does not know: numbers of NumPy, tuples with names, paths."""
    if hasattr(value, "item"):
        return value.item()
    if hasattr(value, "__fspath__"):
        return value.__fspath__()
    raise UsageTypeError(f"{value!r} is no value of a scenario")


def _document(given: Mapping[str, Any]) -> Dict[str, Any]:
    """A dictionary with what was written in short."""
    keys = dict(given)
    keys.setdefault("version", 1)
    for short, key in (("workloads", "workload"), ("gpus", "gpu")):
        if short in keys:
            keys[key] = keys.pop(short)
    gpus = keys.get("gpu", "v100")
    gpus = [gpus] if isinstance(gpus, (str, Mapping)) else gpus
    keys["gpu"] = [{"kind": gpu} if isinstance(gpu, str) else dict(gpu) for gpu in gpus]
    workloads = keys.get("workload", ())
    keys["workload"] = [w._asdict() if hasattr(w, "_asdict") else dict(w) for w in workloads]
    return keys


def scenario_of(given: ScenarioLike) -> Scenario:
    """A scenario of whatever names one."""
    return given if isinstance(given, Scenario) else Scenario(given)
