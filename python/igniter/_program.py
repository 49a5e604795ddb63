"""The programs ``igniter`` and ``validate``, which come with the package."""

from __future__ import annotations

import os
import sys

from . import _igniter


def igniter() -> None:
    """Runs ``igniter`` on the command line of this process."""
    _end(_igniter.run_igniter(["igniter", *sys.argv[1:]]))


def validate() -> None:
    """Runs ``validate``. It starts itself again to guard the servers that it starts."""
    program = os.path.abspath(sys.argv[0])
    if not os.access(program, os.X_OK) or program.endswith(".py"):
        program = os.path.join(os.path.dirname(sys.executable), "validate")
    _end(_igniter.run_validate(["validate", *sys.argv[1:]], program))


def _end(code: int) -> None:
    # Not by sys.exit: the program has its own handlers of signals, and nothing of Python is left to do.
    sys.stdout.flush()
    os._exit(code)
