"""Tables that pandas, Polars, DuckDB and pyarrow take without copying."""

from __future__ import annotations

import importlib
from html import escape
from types import ModuleType
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional

from ._errors import NotInstalledError, UnknownNameError

if TYPE_CHECKING:
    import pandas  # type: ignore[import-untyped, unused-ignore]
    import polars
    import pyarrow  # type: ignore[import-untyped, unused-ignore]

    from . import _igniter

_SHOWN = 10


def _installed(name: str, extra: str) -> ModuleType:
    """A package that is not ours; `extra` is what to install for it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise NotInstalledError(f'{name} is not installed; fix: pip install "{extra}"', name=name) from error


class Table:
    """A table in memory, in the layout of Apache Arrow.

    Whatever takes the Arrow PyCapsule interface takes it as it is: ``polars.DataFrame(table)``,
    ``pyarrow.table(table)``, ``duckdb.from_arrow(pyarrow.table(table))``, and ``table.to_pandas()``.

    ``table["p99_ms"]`` is a list, ready for matplotlib. Absent values are ``None``.
    """

    def __init__(self, native: "_igniter.Table") -> None:
        self._native = native

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._native.__arrow_c_stream__(requested_schema)

    def __arrow_c_schema__(self) -> object:
        return self._native.__arrow_c_schema__()

    @property
    def columns(self) -> List[str]:
        """The names of the columns."""
        return self._native.columns

    def __len__(self) -> int:
        return len(self._native)

    def _values(self, column: int, start: int, stop: int) -> List[Any]:
        return self._native.values(column, start, stop)

    def __getitem__(self, column: str) -> List[Any]:
        columns = self.columns
        if column not in columns:
            raise UnknownNameError(f"{column!r}; the columns are: {', '.join(columns)}")
        return self._values(columns.index(column), 0, len(self))

    def to_dict(self) -> Dict[str, List[Any]]:
        """Its columns as lists."""
        return {name: self._values(i, 0, len(self)) for i, name in enumerate(self.columns)}

    def rows(self, start: int = 0, stop: Optional[int] = None) -> List[Dict[str, Any]]:
        """Its rows as dictionaries."""
        stop = len(self) if stop is None else min(stop, len(self))
        columns = self.columns
        values = [self._values(i, start, stop) for i in range(len(columns))]
        return [dict(zip(columns, row)) for row in zip(*values)]

    def __iter__(self) -> Iterator[Dict[str, Any]]:
        return iter(self.rows())

    def to_arrow(self) -> "pyarrow.Table":
        """The same as a table of pyarrow, without copying."""
        return _installed("pyarrow", "pyarrow").table(self)

    def to_pandas(self) -> "pandas.DataFrame":
        """The same as a data frame of pandas. With pyarrow installed, nothing but pandas' own copy is made."""
        pandas = _installed("pandas", "igniter-sim[pandas]")
        try:
            import pyarrow
        except ImportError:
            return pandas.DataFrame(self.to_dict(), columns=self.columns)
        return pyarrow.table(self).to_pandas()

    def to_polars(self) -> "polars.DataFrame":
        """The same as a data frame of Polars, without copying."""
        return _installed("polars", "polars").DataFrame(self)

    def _cells(self) -> List[List[str]]:
        stop = min(len(self), _SHOWN)
        columns = [self._values(i, 0, stop) for i in range(len(self.columns))]
        return [[_shown(value) for value in row] for row in zip(*columns)]

    def _more(self) -> str:
        left = len(self) - _SHOWN
        return f"{left} more rows" if left > 0 else ""

    def __repr__(self) -> str:
        lines = [self.columns, *self._cells()]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.columns))]
        text = "\n".join(
            "  ".join(cell.rjust(width) for cell, width in zip(line, widths)) for line in lines
        )
        head = f"Table of {len(self)} rows and {len(self.columns)} columns"
        return "\n".join(part for part in (head, text, self._more()) if part)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in self._cells()
        )
        more = f"<p>{self._more()}</p>" if self._more() else ""
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:.0f}"
    return str(value)
