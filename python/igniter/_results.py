"""Results of simulations and comparisons."""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from html import escape
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence

from . import _igniter
from ._errors import UnknownNameError, refusing
from ._plan import Plan
from ._table import Table


class Figure:
    """A figure of the program."""

    def __init__(self, name: str, caption: str, svg: str, png: Callable[[], bytes], files: Sequence[str] = ()) -> None:
        self.name = name
        """Its name, such as ``p99``."""
        self.caption = caption
        """What it shows, in one sentence."""
        self.svg = svg
        """The figure as the text of an SVG file."""
        self.files = list(files)
        """Where it lies as a file already."""
        self._png = png

    def png(self) -> bytes:
        """The figure as a PNG file of 300 pixels per inch."""
        return self._png()

    def save(self, path: "os.PathLike[str] | str") -> None:
        """Writes it to a file: ``.png``, or SVG."""
        png = str(path).endswith(".png")
        with open(path, "wb") as file:
            file.write(self.png() if png else self.svg.encode())

    def _repr_svg_(self) -> str:
        return self.svg

    def _repr_html_(self) -> str:
        # An image of its own: styles and names of one figure do not reach another.
        import base64

        data = base64.b64encode(self.svg.encode()).decode()
        caption = escape(self.caption)
        return f'<figure><img alt="{caption}" src="data:image/svg+xml;base64,{data}"/><figcaption>{caption}</figcaption></figure>'

    def __repr__(self) -> str:
        return f"Figure({self.name!r}: {self.caption})"


class Figures(Sequence[Figure]):
    """Figures, in the order of a report; a notebook shows them."""

    def __init__(self, figures: List[Figure]) -> None:
        self._figures = figures

    def __len__(self) -> int:
        return len(self._figures)

    def __getitem__(self, which: Any) -> Any:
        if isinstance(which, str):
            for figure in self._figures:
                if figure.name == which:
                    return figure
            raise UnknownNameError(f"{which!r}; the figures are: {', '.join(f.name for f in self._figures)}")
        return self._figures[which]

    def _repr_html_(self) -> str:
        return "".join(figure._repr_html_() for figure in self._figures)

    def __repr__(self) -> str:
        return "\n".join(repr(figure) for figure in self._figures)


class _Requests(Mapping[str, Table]):
    """Every request of every strategy; each table is made when it is asked for."""

    def __init__(self, native: "_igniter.Comparison") -> None:
        self._native = native
        self._made: Dict[str, Table] = {}

    def __getitem__(self, strategy: str) -> Table:
        names = self._native.strategies
        if strategy not in names:
            raise UnknownNameError(f"{strategy!r}; the strategies are: {', '.join(names)}")
        if strategy not in self._made:
            self._made[strategy] = Table(self._native.requests(names.index(strategy)))
        return self._made[strategy]

    def __iter__(self) -> Iterator[str]:
        return iter(self._native.strategies)

    def __len__(self) -> int:
        return len(self._native)

    def __repr__(self) -> str:
        return f"requests of {', '.join(self)}"


class Comparison:
    """Strategies side by side on one scenario, with the same arrivals."""

    _command = "compare"

    def __init__(self, native: "_igniter.Comparison") -> None:
        self._native = native
        self._requests = _Requests(native)

    @property
    def scenario(self) -> str:
        """The name of the scenario."""
        return self._native.scenario

    @property
    def seed(self) -> int:
        """The seed of the arrivals."""
        return self._native.seed

    @property
    def strategies(self) -> Table:
        """A row for each strategy: GPUs, cost, missed SLOs, power."""
        return self.table("strategies")

    @property
    def summary(self) -> Table:
        """A row for each strategy and workload, with latencies and violations: ``summary.csv``."""
        return self.table("summary")

    @property
    def gpus(self) -> Table:
        """A row for each strategy and GPU: use, power, clock: ``gpus.csv``."""
        return self.table("gpus")

    @property
    def placements(self) -> Table:
        """A row for each placement: ``plan.csv``."""
        return self.table("placements")

    @property
    def requests(self) -> Any:
        """Every request, by strategy: the columns of ``requests.parquet``. The first look at it simulates once more."""
        return self._requests

    @property
    def plans(self) -> Dict[str, Plan]:
        """The plans, by strategy."""
        found = {}
        for place, name in enumerate(self._native.strategies):
            plan = self._native.plan(place)
            assert plan is not None
            found[name] = Plan(*plan)
        return found

    @refusing
    def table(self, name: str) -> Table:
        """One of the tables: ``summary``, ``gpus``, ``placements``, ``strategies``, ``cdf``, ``gpu_series``, … The names
        of all are ``Comparison.tables``."""
        if name not in self.tables:
            raise UnknownNameError(f"{name!r}; the tables are: {', '.join(self.tables)}")
        return Table(self._native.table(name))

    tables: List[str] = list(_igniter.Comparison.tables)
    """The names of all tables."""

    def to_dict(self) -> Dict[str, Any]:
        """All numbers, as ``--json`` prints them."""
        numbers: Dict[str, Any] = json.loads(self._native.json())
        return numbers

    def plot(self, name: Optional[str] = None) -> Any:
        """The figures of the program, or the one of a name, such as ``p99``. For figures of your own, take the tables:
        ``comparison.summary["p99_ms"]`` is a list."""
        drawn = []
        for stem, caption, svg in self._native.figures():
            png = partial(self._native.png, stem)
            drawn.append(Figure(stem.split("/")[-1], caption, svg, png))
        figures = Figures(drawn)
        return figures if name is None else figures[name]

    @refusing
    def save(self, folder: "os.PathLike[str] | str") -> None:
        """Writes tables, figures, report and manifest, as the program does with ``-o``."""
        command = ["igniter", self._command, self.scenario, f"(Python: {sys.argv[0]})"]
        self._native.save(os.fspath(folder), command)

    def __repr__(self) -> str:
        head = f"{type(self).__name__} on {self.scenario}, seed {self.seed}"
        left_out = [f", {count} not placed" if count else "" for count in self.strategies["infeasible"]]
        lines = (f"  {line}{more}" for line, more in zip(self._native.headlines, left_out))
        return "\n".join([head, *lines])

    def text(self) -> str:
        """What the program prints."""
        return self._native.text()

    def _repr_html_(self) -> str:
        return f"<p>{escape(self.scenario)}, seed {self.seed}</p>{self.strategies._repr_html_()}{self.summary._repr_html_()}"


class Simulation(Comparison):
    """One plan, simulated."""

    _command = "simulate"

    @property
    def plan(self) -> Plan:
        """The plan."""
        return next(iter(self.plans.values()))

    @property
    def requests(self) -> Table:
        """Every request: the columns of ``requests.parquet``. The first look at it simulates once more."""
        return self._requests[next(iter(self._requests))]
