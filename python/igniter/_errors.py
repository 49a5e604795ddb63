"""What goes wrong, in the words of the program."""

from __future__ import annotations

from typing import List, NamedTuple, Optional


class Problem(NamedTuple):
    """One thing that is wrong with a scenario or a sweep."""

    file: Optional[str]
    """The file, where it is another one than was asked for."""
    line: int
    """The line, from 1; 0 for what stands in no file."""
    key: str
    """The key, such as ``workload[2].slo_ms``."""
    what: str
    """What stands there."""
    allowed: str
    """What may stand there."""
    fix: str
    """What to do about it."""


class IgniterError(Exception):
    """The base of all errors of this package."""

    problems: List[Problem]
    """Everything that is wrong, where a text was read; else empty."""
    violations: List[str]
    """Why a plan cannot run; else empty."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)
        self.problems = []
        self.violations = []


class ScenarioError(IgniterError, ValueError):
    """A scenario cannot be used; ``problems`` lists what is wrong with it, with lines."""


class SweepError(IgniterError, ValueError):
    """A sweep cannot be done; ``problems`` lists what is wrong with it."""


class ProfileError(IgniterError, ValueError):
    """A profile cannot be read."""


class FitError(IgniterError, ValueError):
    """A predictor cannot be made, or its numbers are none."""


class PlanError(IgniterError, ValueError):
    """No plan can be made, or one cannot run; ``violations`` says why."""


class TraceError(IgniterError, ValueError):
    """A trace cannot be read."""


class SimulationError(IgniterError):
    """The engine refuses a run."""


class OutputError(IgniterError, OSError):
    """Results cannot be written."""


class InternalError(IgniterError, RuntimeError):
    """A bug of igniter. The interpreter goes on."""
