"""A bar for sweeps: on a terminal, in a notebook, or none."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from typing import Any, Callable, Iterator, Optional

Told = Optional[Callable[[int, int, int], None]]


class _Bar:
    """A line that is written again and again, ten times a second at most."""

    def __init__(self, show: Callable[[str], None]) -> None:
        self._show = show
        self._start = time.monotonic()
        self._last = 0.0
        self.shown = False

    def __call__(self, done: int, points: int, failed: int) -> None:
        now = time.monotonic()
        if done < points and now - self._last < 0.1:
            return
        self._last, self.shown = now, True
        width = 30
        filled = width * done // max(points, 1)
        left = (now - self._start) / done * (points - done) if done else 0.0
        text = f"[{'#' * filled}{'.' * (width - filled)}] {done}/{points} points"
        if failed:
            text += f" ({failed} runs failed)"
        if left >= 1:
            text += f", {left:.0f} s left"
        self._show(text)


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"


@contextmanager
def progress_of(asked: Any) -> Iterator[Told]:
    """What hears of progress, as asked for."""
    if callable(asked):
        yield asked
    elif asked is False or (asked is None and not sys.stderr.isatty() and not _in_notebook()):
        yield None
    elif _in_notebook():
        from IPython.display import Pretty, display  # type: ignore[import-not-found]

        handle = display(Pretty(""), display_id=True)
        yield _Bar(lambda text: handle.update(Pretty(text)))
    else:
        bar = _Bar(lambda text: print(f"\r{text}\x1b[K", end="", file=sys.stderr, flush=True))
        try:
            yield bar
        finally:
            if bar.shown:
                print(file=sys.stderr)
