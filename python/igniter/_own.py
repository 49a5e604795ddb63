"""Names of strategies and predictors beside those of a user's own."""

from __future__ import annotations

import hashlib
from typing import Any, Iterable, List, Optional, Sequence, Tuple, Union

from . import _igniter
from ._foreign import name_of

StrategyLike = Any
"""The name of a strategy, or a strategy of your own."""
PredictorLike = Any
"""The name of a predictor, or a predictor of your own."""


class Own:
    """A user's strategies and predictors, collected while the arguments of a call are read."""

    def __init__(self) -> None:
        self._strategies: List[Tuple[str, Any]] = []
        self._predictors: List[Tuple[str, Optional[str], Any]] = []

    def strategies(self, given: Union[StrategyLike, Iterable[StrategyLike]]) -> List[str]:
        """The names of strategies; ``"all"`` names all but ``exact``, which takes few workloads."""
        if isinstance(given, str):
            given = [name.strip() for name in given.split(",")]
        elif callable(given) or hasattr(given, "plan"):
            given = [given]
        names: List[str] = []
        for strategy in given:
            if strategy == "all":
                names += [name for name in _igniter.STRATEGIES if name != "exact"]
            else:
                names.append(self.strategy(strategy))
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(f"strategy {twice[0]!r} is listed twice")
        return names

    def strategy(self, given: StrategyLike) -> str:
        """The name of a strategy."""
        if isinstance(given, str):
            return given
        if isinstance(given, type):
            given = given()
        if not callable(given) and not hasattr(given, "plan"):
            raise TypeError(f"{given!r} is no strategy: a name, an object with a method plan, or a function")
        name = _free(name_of(given), _igniter.STRATEGIES, "strategy")
        self._strategies.append((name, given))
        return name

    def predictor(self, given: Optional[PredictorLike]) -> Optional[str]:
        """The name of a predictor."""
        if given is None or isinstance(given, str):
            return given
        if hasattr(given, "__fspath__"):
            return str(given.__fspath__())
        if isinstance(given, type):
            given = given()
        if not hasattr(given, "predict"):
            raise TypeError(f"{given!r} is no predictor: a name, or an object with a method predict")
        name = _free(name_of(given), _igniter.PREDICTORS, "predictor")
        if all(known is not given for _, _, known in self._predictors):
            self._predictors.append((name, getattr(given, "base", None), given))
        return name

    @property
    def objects(self) -> Tuple[List[Any], List[Any]]:
        """The objects themselves, for other processes."""
        return [thing for _, thing in self._strategies], [thing for _, _, thing in self._predictors]

    def native(self) -> "_igniter.Own":
        """The same for the native half."""
        things = [thing for _, thing in self._strategies] + [thing for _, _, thing in self._predictors]
        return _igniter.Own(self._strategies, self._predictors, _fingerprint(things))


def _free(name: str, builtin: Sequence[str], what: str) -> str:
    if name in builtin:
        raise ValueError(f"{name!r} is the name of a built-in {what}; give yours another name")
    return name


def _fingerprint(things: Sequence[Any]) -> str:
    """What tells objects from others of the same names: their code and their state, as far as they can be seen."""
    if not things:
        return ""
    import inspect

    digest = hashlib.sha256()
    for thing in things:
        code = thing if inspect.isfunction(thing) else type(thing)
        try:
            text = inspect.getsource(code)
        except (OSError, TypeError):
            text = repr(code)
        state = sorted(getattr(thing, "__dict__", {}).items())
        digest.update(f"{name_of(thing)}\n{text}\n{state!r}\n".encode())
    return digest.hexdigest()
