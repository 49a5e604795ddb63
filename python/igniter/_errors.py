"""What goes wrong, in the words of the program."""

from __future__ import annotations

import functools
import os
import re
import sys
from typing import Any, Callable, List, NamedTuple, Optional, TypeVar, cast


class Problem(NamedTuple):
    """One thing that is wrong with a scenario or a sweep."""

    file: Optional[str]
    """The file, where it is another one than was asked for."""
    line: int
    """The line, from 1; 0 for what stands in no file, such as a dictionary."""
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

    def __init__(self, *args: object, **more: object) -> None:
        super().__init__(*(_in_python(arg) if isinstance(arg, str) else arg for arg in args), **more)
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

    def __init__(self, *args: object, **more: object) -> None:
        # The native half names a strategy's plan as if it were a file.
        super().__init__(*(str(arg).replace("the plan of strategy/", "the plan of ", 1) for arg in args), **more)

    @property
    def violations(self) -> List[str]:
        """Why a plan cannot run. What is no plan of the scenario at all has one reason, its message."""
        if self._violations:
            return self._violations
        is_none = re.match(r"the plan of .*?: (.*)", str(self), re.DOTALL)
        return [is_none.group(1)] if is_none else []

    @violations.setter
    def violations(self, given: List[str]) -> None:
        self._violations = given


class UsageError(IgniterError, ValueError):
    """A function was called with what it does not take."""


class UsageTypeError(UsageError, TypeError):
    """The same, of another type than it takes."""


class UnknownNameError(UsageError, KeyError):
    """There is no strategy, figure, table or column of that name."""

    def __str__(self) -> str:
        # KeyError would show the text in quotes.
        return str(self.args[0])


class TooLateError(UsageError, RuntimeError):
    """A request was asked after its plan was made."""


class NotInstalledError(IgniterError, ModuleNotFoundError):
    """A package that this function hands its result to is not installed."""


class TraceError(IgniterError, ValueError):
    """A trace cannot be read."""


class SimulationError(IgniterError):
    """The engine refuses a run."""


class OutputError(IgniterError, OSError):
    """Results cannot be written."""


class FolderError(SweepError, FileExistsError):
    """A folder holds other results."""


class InternalError(IgniterError, RuntimeError):
    """A bug of igniter. The interpreter goes on."""


_FLAGS = (
    (r"with -o\b", "with output="),
    (r"with --resume\b", "with resume=True"),
    (r"with --shard I/\d+|with --shard I/N", "with resume=True"),
    (r"--predictor contention\b", "predictor='contention'"),
    (r"--refine simulate\b", "refine="),
    (r"--(profile|predictor|truth|target|confidence|least|most|format|sort)\b", r"\1="),
)
"""What the program's words name by flags, and a caller in Python by parameters."""


def _in_python(text: str) -> str:
    for flag, parameter in _FLAGS:
        text = re.sub(flag, parameter, text)
    return text


def without_lines(error: IgniterError, file: str) -> None:
    """Takes the lines out of an error on a text that nobody wrote."""
    error.args = tuple(re.sub(rf"^{file}:\d+: ", "", str(arg), flags=re.MULTILINE) for arg in error.args)
    error.problems = [problem._replace(line=0) for problem in error.problems]


def note(error: BaseException, text: str) -> None:
    """Adds a word to an exception of a user's own code."""
    if hasattr(error, "add_note"):
        error.add_note(text)
    elif error.__cause__ is None:  # before Python 3.11
        error.__cause__ = IgniterError(text)


_Function = TypeVar("_Function", bound=Callable[..., Any])
_OURS = os.path.dirname(os.path.abspath(__file__))


def refusing(function: _Function) -> _Function:
    """Turns what Python itself says of an argument, such as a text for a number, into an :class:`IgniterError`. Exceptions of
    a user's own strategies and predictors pass as they are: their last frame is not one of ours."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except IgniterError:
            raise
        except (TypeError, ValueError, OverflowError, IndexError) as error:
            trace = error.__traceback__
            while trace is not None and trace.tb_next is not None:
                trace = trace.tb_next
            last = None if trace is None else trace.tb_frame
            # In this frame: the call itself does not fit the function, as Python says it of every function.
            if last is None or last is sys._getframe() or os.path.dirname(last.f_code.co_filename) != _OURS:
                raise
            raise (UsageTypeError if isinstance(error, TypeError) else UsageError)(str(error)) from error

    return cast(_Function, called)
