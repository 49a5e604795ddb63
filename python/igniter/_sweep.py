"""Sweeps: a scenario at many points, here or on a cluster."""

from __future__ import annotations

import csv
import json
import os
import sys
import warnings
from contextlib import contextmanager
from decimal import Decimal
from html import escape
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Union

from . import _igniter
from ._errors import OutputError, ScenarioError, SweepError, UsageError, note, refusing, without_lines
from ._own import Own, PredictorLike, StrategyLike
from ._progress import progress_of
from ._results import Figure
from ._scenario import ScenarioLike, scenario_of
from ._table import Table

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from ._identity import Identity

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
        self._left_out: Optional[int] = None

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

    @property
    def left_out(self) -> int:
        """How many rows of ``points`` are of plans that leave workloads without a place: their GPUs and their attainment are
        those of fewer workloads. Column ``infeasible`` of ``rows`` says of how many."""
        if self._left_out is None:
            key = ("point", "strategy", "predictor", "truth")
            self._left_out = len({tuple(row[k] for k in key) for row in self._lines() if row["infeasible"] not in ("", "0")})
        return self._left_out

    def _lines(self) -> Iterator[Dict[str, str]]:
        """The rows one by one, as texts: there may be more than fit into memory."""
        with open(os.path.join(self.folder, "rows.csv"), encoding="utf-8", newline="") as file:
            yield from csv.DictReader(file)

    def _words(self) -> str:
        return f"{self.left_out} of {len(self.points)} plans leave workloads without a place" if self.left_out else ""

    @refusing
    def plot(self, kind: str = "attainment", **options: Any) -> Figure:
        """Draws a figure as ``igniter plot --kind KIND``, whose flags are the options (``x=``, ``y=``, ``log=True``, ``output=``, …).
        A notebook shows it; ``.save`` writes it, and ``.files`` are those that the program wrote."""
        from ._api import run_program

        given = options.pop("format", "")
        names = given.split(",") if isinstance(given, str) else list(given)
        formats = [name for name in names if name not in ("", "svg", "png")]
        arguments = ["plot", self.folder, "--kind", kind, "--json", "--format", ",".join(["svg", "png", *formats])]
        for key, value in options.items():
            for one in value if isinstance(value, (list, tuple)) else [value]:
                flag = f"--{key.replace('_', '-')}"
                arguments += {True: [flag], False: []}[one] if isinstance(one, bool) else [flag, str(one)]
        folder = str(options.get("output", self.folder))
        files = [os.path.join(folder, name) for name in json.loads(run_program(arguments))]
        contents = {}
        for path in files:
            with open(path, "rb") as file:
                contents[os.path.splitext(path)[1]] = file.read()
        words = ". ".join(part for part in (f"{kind} of sweep {self.outcome['sweep']}", self._words()) if part)
        name = os.path.splitext(os.path.basename(files[0]))[0]
        return Figure(name, words, contents[".svg"].decode(), lambda: contents[".png"], files)

    def __repr__(self) -> str:
        o = self.outcome
        failed = f", {o['failed']} of them failed" if o["failed"] else ""
        words = self._words()
        return f"Sweep {o['sweep']}: {o['points']} points, {o['runs']} runs{failed}, {o['rows']} rows{words and '; '}{words}"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.points._repr_html_()}"


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
        raise UsageError(f"seeds={seeds!r}; allowed: a number of seeds, or consecutive ones such as range(1, 6)")
    return {"first": listed[0], "count": len(listed)}


def _several(given: Any) -> List[Any]:
    return [given] if isinstance(given, str) or hasattr(given, "predict") else list(given)


@refusing
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
    :param output: a folder for the tables, in which an interrupted sweep is continued by ``resume=True``. Strategies of your
        own must be the same then, and are compared by all code and values that they use. Where those cannot be read, an
        attribute ``version`` that you change with a strategy's answers says so. Files that one reads are not compared.
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
    # Nothing is continued without a folder: then own code need not be read.
    identity = own.unproven() if output is None else own.identity()
    # One that is not proven is never the same again.
    fingerprint = identity.digest + (os.urandom(16).hex() if identity.unproven else "")
    try:
        native = _igniter.Sweep(text, document, own.native(fingerprint))
    except SweepError as error:
        without_lines(error, "sweep")
        raise
    native.check_size(confirm)
    for words in native.notes:
        print(f"note: {words}", file=sys.stderr)
    keep = None
    if output is None:
        import tempfile

        keep = tempfile.TemporaryDirectory(prefix="igniter-sweep-")
    folder = os.path.join(keep.name, "results") if keep else os.fspath(output)  # type: ignore[arg-type]
    if resume and identity.unproven and _has_results(folder):
        raise SweepError(f"{folder}: cannot be resumed: what may have changed cannot be seen: {_fix(identity)}")
    if output is not None and identity.unproven:
        warnings.warn(f"resume=True will not continue this sweep: what may change cannot be seen: {_fix(identity)}", stacklevel=3)
    command = ["igniter", "sweep", name, f"(Python: {sys.argv[0]})"]
    with progress_of(progress) as told, _own_words(identity):
        if executor is None:
            with _AtPoint(told, spec["axis"], own) as counted:
                outcome = native.run(folder, 0, 1, resume, threads, counted, command)
        else:
            from ._shards import run_shards

            task = {"spec": text, "scenario": scenario_text, "own": own.objects, "threads": threads or 1}
            task.update(fingerprint=fingerprint, code=own.code(), python=sys.version_info[:2])
            outcome = run_shards(native, task, folder, executor, shards, resume, told, command)
    return _warned(SweepResult(folder, json.loads(outcome), keep))


def _has_results(folder: str) -> bool:
    return os.path.isdir(folder) and any(os.scandir(folder))


def _fix(identity: Identity) -> str:
    fix = 'fix: give it an attribute version, such as version = "1", which you change with its answers, or choose another folder with output='
    return f"{identity.unproven}; {fix}"


class _AtPoint:
    """Says at which point a user's own code raised. Points are done in their order: it is the first that was not."""

    def __init__(self, told: Any, axes: Sequence[Mapping[str, Any]], own: Own) -> None:
        self._told, self._axes, self._own = told, axes, own
        self._done: Optional[int] = None
        self._telling = False

    def __enter__(self) -> Any:
        return self if any(self._own.objects) else self._told

    def __call__(self, done: int, points: int, failed: int) -> None:
        self._done = done
        self._telling = True  # what is raised now is not of a strategy
        if self._told is not None:
            self._told(done, points, failed)
        self._telling = False

    def __exit__(self, kind: Any, error: Optional[BaseException], trace: Any) -> None:
        ours = (SweepError, OutputError, ScenarioError, UsageError)
        if self._done is not None and not self._telling and isinstance(error, Exception) and not isinstance(error, ours):
            values = _point(self._axes, self._done)
            note(error, f"at point {self._done}{values and ': '}{', '.join(values)}")


def _point(axes: Sequence[Mapping[str, Any]], index: int) -> List[str]:
    """The values of a point, the first axis varying slowest; none where axes move together."""
    shown: List[str] = []
    for axis in reversed(axes):
        if "values" in axis:
            values = list(axis["values"])
        elif "range" in axis:
            low, high, step = (Decimal(str(axis["range"][key])) for key in ("from", "to", "step"))
            values = [f"{low + i * step:f}" for i in range(int((high - low) / step) + 1)]
        elif "linear" in axis or "log" in axis:
            ends = axis.get("linear") or axis["log"]
            count, ratio = ends["count"], ends["to"] / ends["from"] if "log" in axis else 0
            parts = [i / max(count - 1, 1) for i in range(count)]
            values = [ends["from"] * ratio**p if ratio else ends["from"] + (ends["to"] - ends["from"]) * p for p in parts]
        else:
            return []
        index, place = divmod(index, len(values))
        shown.insert(0, f"{axis.get('path')} = {values[place]}")
    return shown


@contextmanager
def _own_words(identity: Identity) -> Iterator[None]:
    """Where another sweep is found, own strategies may be what makes it another one."""
    try:
        yield
    except SweepError as error:
        text = str(error)
        if identity.digest and "was changed since)" in text:
            text = text.replace("a profile was changed", "a profile, or a strategy or predictor of your own, was changed")
            more = f"; not seen to be the same: {_fix(identity)}" if identity.unproven else ""
            error.args = (text + more,)
        raise


def _warned(result: SweepResult) -> SweepResult:
    """Runs that failed are rows, not exceptions: say so, with the first reason."""
    failed = result.outcome["failed"]
    if failed:
        first = next((row for row in result._lines() if row["status"] != "ok"), {})
        reason = f"the first, {first.get('strategy')} at point {first.get('point')}: {first.get('error', '').replace(':;', ':')}"
        warnings.warn(f"{failed} of {result.outcome['runs']} runs failed; {reason}", stacklevel=4)
    return result


@refusing
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
        return _warned(SweepResult(folder, json.loads(native.run(folder, 0, 1, resume, threads, told, command))))


@refusing
def read_sweep(folder: Union[str, "os.PathLike[str]"]) -> SweepResult:
    """The tables of a finished sweep, of the program or of this package."""
    folder = os.fspath(folder)
    with open(os.path.join(folder, "manifest.json"), encoding="utf-8") as file:
        facts = json.load(file).get("sweep")
    if not facts:
        raise SweepError(f"{folder} holds no finished sweep")
    outcome = {key: facts[key] for key in ("points", "runs", "failed", "rows")}
    return SweepResult(folder, {"sweep": facts["name"], **outcome})


__all__: List[str] = ["SweepResult", "linear", "logarithmic", "read_sweep", "span", "sweep", "sweep_file"]
