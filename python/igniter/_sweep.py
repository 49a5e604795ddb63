"""Sweeps: a scenario at many points, here or on a cluster."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Union

from . import _igniter
from ._own import Own, PredictorLike, StrategyLike
from ._progress import progress_of
from ._scenario import ScenarioLike, scenario_of
from ._table import Table

if TYPE_CHECKING:
    from concurrent.futures import Executor

Progress = Union[bool, Callable[[int, int, int], None], None]
"""Whether a bar is drawn (by default on terminals and in notebooks), or a function of done points, all points and failed runs."""


def span(low: float, high: float, step: float) -> Dict[str, Any]:
    """Values from ``low`` to ``high`` in decimal steps, both ends included."""
    return {"range": {"from": low, "to": high, "step": step}}


def linear(low: float, high: float, count: int) -> Dict[str, Any]:
    """Evenly spaced values, both ends included."""
    return {"linear": {"from": low, "to": high, "count": count}}


def logarithmic(low: float, high: float, count: int) -> Dict[str, Any]:
    """Values with equal factors between them, both ends included."""
    return {"log": {"from": low, "to": high, "count": count}}


class SweepResult:
    """The tables of a sweep."""

    def __init__(self, folder: str, outcome: Dict[str, Any], keep: Any = None) -> None:
        self.folder = folder
        """Where its files are. Without ``output=`` they are removed with this object."""
        self.outcome = outcome
        """How many points, runs, failed runs and rows there are."""
        self._keep = keep
        self._tables: Dict[str, Table] = {}

    def _table(self, name: str) -> Table:
        if name not in self._tables:
            self._tables[name] = Table(_igniter.rows(self.folder, name))
        return self._tables[name]

    @property
    def rows(self) -> Table:
        """A row for each point, strategy, predictor, truth, seed and workload."""
        return self._table("rows")

    @property
    def points(self) -> Table:
        """A row for each point and strategy: means over seeds, with intervals."""
        return self._table("points")

    def plot(self, kind: str = "attainment", **options: Any) -> List[str]:
        """Draws a figure as ``igniter plot --kind KIND``, whose flags are the options (``x=``, ``y=``, ``format=``, ``output=``, …),
        and gives its files, one for each format."""
        from ._api import run_program

        arguments = ["plot", self.folder, "--kind", kind, "--json"]
        for key, value in options.items():
            arguments += [f"--{key.replace('_', '-')}", str(value)]
        folder = str(options.get("output", self.folder))
        return [os.path.join(folder, name) for name in json.loads(run_program(arguments))]

    def __repr__(self) -> str:
        o = self.outcome
        failed = f", {o['failed']} of them failed" if o["failed"] else ""
        return f"Sweep {o['sweep']}: {o['points']} points, {o['runs']} runs{failed}, {o['rows']} rows"

    def _repr_html_(self) -> str:
        return f"<p>{self!r}</p>{self.points._repr_html_()}"


def _axis(path: str, values: Any) -> Dict[str, Any]:
    if isinstance(values, Mapping):
        return {"path": path, **values}
    return {"path": path, "values": [v.item() if hasattr(v, "item") else v for v in values]}


def _seeds(seeds: Any) -> Optional[Dict[str, Any]]:
    if seeds is None or isinstance(seeds, Mapping):
        return seeds if seeds is None else dict(seeds)
    if isinstance(seeds, int):
        return {"count": seeds}
    listed = list(seeds)
    if not listed or listed != list(range(listed[0], listed[0] + len(listed))):
        raise ValueError(f"seeds={seeds!r}; allowed: a number of seeds, or consecutive ones such as range(1, 6)")
    return {"first": listed[0], "count": len(listed)}


def _several(given: Any) -> List[Any]:
    return [given] if isinstance(given, str) or hasattr(given, "predict") else list(given)


def sweep(
    scenario: ScenarioLike,
    axes: Union[Mapping[str, Any], Sequence[Mapping[str, Any]]],
    *,
    strategies: Union[StrategyLike, Iterable[StrategyLike]] = ("igniter", "ffd"),
    predictors: Union[PredictorLike, Iterable[PredictorLike]] = (),
    truths: Union[PredictorLike, Iterable[PredictorLike]] = (),
    seeds: Union[int, Iterable[int], Mapping[str, Any], None] = None,
    set: Optional[Mapping[str, Any]] = None,
    keep_plan: bool = False,
    prediction_error: bool = False,
    profile: Optional[str] = None,
    name: str = "sweep",
    output: Union[str, "os.PathLike[str]", None] = None,
    resume: bool = False,
    threads: Optional[int] = None,
    progress: Progress = None,
    executor: Optional["Executor"] = None,
    shards: Optional[int] = None,
    confirm: bool = False,
) -> SweepResult:
    """Runs a scenario at many points, on all cores, or on those of an executor.

    >>> igniter.sweep("paper-12", {"rate_scale": igniter.span(0.5, 1.5, 0.1), "plan.headroom_pct": [0, 10]}, seeds=5)

    :param axes: values by the path of what they change: a list, :func:`span`, :func:`linear`, :func:`logarithmic`; several
        axes form their product. Or a list of axes as in a sweep file, for those that are zipped or sampled.
    :param seeds: how many, or which; or a table as in a sweep file, for as many as are needed.
    :param set: values that are the same at every point.
    :param keep_plan: one plan, for the scenario without the axes, at all points.
    :param output: a folder for the tables, in which an interrupted sweep is continued by ``resume=True``.
    :param executor: any ``concurrent.futures.Executor``: processes, Dask's, mpi4py's, Ray's. The sweep is divided into
        ``shards``, which are its tasks; the tables have the same bytes. A shard whose worker is lost is done again.
    :param confirm: do more than ten million points.

    Ctrl-C ends it after the points that are being run.
    """
    own = Own()
    chosen = scenario_of(scenario)
    spec: Dict[str, Any] = {
        "version": 1,
        "name": name,
        "scenario": "scenario",
        "strategies": own.strategies(strategies),
        "predictors": [own.predictor(given) for given in _several(predictors)],
        "truths": [own.predictor(given) for given in _several(truths)],
        "prediction_error": prediction_error,
        "keep_plan": keep_plan,
        "profile": profile,
        "set": None if set is None else dict(set),
        "seeds": _seeds(seeds),
        "axis": [_axis(*item) for item in axes.items()] if isinstance(axes, Mapping) else [dict(a) for a in axes],
    }
    spec = {key: value for key, value in spec.items() if value not in (None, [])}
    text = json.dumps(spec)
    # Every path as from the root: the same text on every machine, and so the same sweep.
    scenario_text = chosen._document.to_toml(os.getcwd())
    document = _igniter.Document.of_text(scenario_text, "scenario")
    native = _igniter.Sweep(text, document, own.native())
    native.check_size(confirm)
    for note in native.notes:
        print(f"note: {note}", file=sys.stderr)
    keep = None
    if output is None:
        import tempfile

        keep = tempfile.TemporaryDirectory(prefix="igniter-sweep-")
    folder = os.path.join(keep.name, "results") if keep else os.fspath(output)  # type: ignore[arg-type]
    command = ["igniter", "sweep", name, f"(Python: {sys.argv[0]})"]
    with progress_of(progress) as told:
        if executor is None:
            outcome = native.run(folder, 0, 1, resume, threads, told, command)
        else:
            from ._shards import run_shards

            task = {"spec": text, "scenario": scenario_text, "own": own.objects, "threads": threads or 1}
            outcome = run_shards(native, task, folder, executor, shards, resume, told, command)
    return SweepResult(folder, json.loads(outcome), keep)


def sweep_file(
    path: Union[str, "os.PathLike[str]"],
    *,
    output: Union[str, "os.PathLike[str]"],
    resume: bool = False,
    threads: Optional[int] = None,
    progress: Progress = None,
    confirm: bool = False,
) -> SweepResult:
    """Does a sweep file, as ``igniter sweep`` does."""
    native = _igniter.Sweep.load(os.fspath(path))
    native.check_size(confirm)
    folder = os.fspath(output)
    command = ["igniter", "sweep", os.fspath(path), f"(Python: {sys.argv[0]})"]
    with progress_of(progress) as told:
        return SweepResult(folder, json.loads(native.run(folder, 0, 1, resume, threads, told, command)))


def read_sweep(folder: Union[str, "os.PathLike[str]"]) -> SweepResult:
    """The tables of a finished sweep, of the program or of this package."""
    folder = os.fspath(folder)
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
        facts = json.load(file).get("sweep")
    if not facts:
        from ._errors import SweepError

        raise SweepError(f"{folder} holds no finished sweep")
    outcome = {key: facts[key] for key in ("points", "runs", "failed", "rows")}
    return SweepResult(folder, {"sweep": facts["name"], **outcome})


__all__: List[str] = ["SweepResult", "linear", "logarithmic", "read_sweep", "span", "sweep", "sweep_file"]
