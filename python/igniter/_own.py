"""Names of strategies and predictors beside those of a user's own."""

from __future__ import annotations

import os
import sys
import types
from typing import TYPE_CHECKING, Any, Dict, Iterable, List, Optional, Sequence, Tuple, Union

from . import _igniter
from ._errors import UsageError, UsageTypeError
from ._foreign import name_of

if TYPE_CHECKING:
    from ._identity import Identity

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
        elif not isinstance(given, Iterable):
            raise UsageTypeError(f"{given!r} is no strategy: a name, an object with a method plan, or a function")
        names: List[str] = []
        for strategy in given:
            if strategy == "all":
                names += [name for name in _igniter.STRATEGIES if name != "exact"]
            else:
                names.append(self.strategy(strategy))
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            words = f"strategy {twice[0]!r} is listed twice"
            raise UsageError(f"{words}; fix: list it once, or give each of your own its own name, by an attribute name")
        return names

    def strategy(self, given: StrategyLike) -> str:
        """The name of a strategy."""
        if isinstance(given, str):
            return given
        if isinstance(given, type):
            given = given()
        if not callable(given) and not hasattr(given, "plan"):
            raise UsageTypeError(f"{given!r} is no strategy: a name, an object with a method plan, or a function")
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
            raise UsageTypeError(f"{given!r} is no predictor: a name, or an object with a method predict")
        name = _free(name_of(given), _igniter.PREDICTORS, "predictor")
        if all(known is not given for _, _, known in self._predictors):
            self._predictors.append((name, getattr(given, "base", None), given))
        return name

    @property
    def objects(self) -> Tuple[List[Any], List[Any]]:
        """The objects themselves, for other processes."""
        return [thing for _, thing in self._strategies], [thing for _, _, thing in self._predictors]

    def native(self, fingerprint: str = "") -> "_igniter.Own":
        """The same for the native half; a sweep is told by the fingerprint from others with strategies of the same names."""
        return _igniter.Own(self._strategies, self._predictors, fingerprint)

    def _named(self) -> List[Tuple[str, Any]]:
        return self._strategies + [(name, thing) for name, _, thing in self._predictors]

    def identity(self) -> Identity:
        """What tells all of them from others of the same names."""
        # What reads code and packages is imported where it is needed: it takes longer than everything else.
        from ._identity import Identity, identity

        found = [(name, identity(thing, name)) for name, thing in self._named()]
        unproven = [f"{name} ({of.unproven})" for name, of in found if of.unproven]
        digests = "\n".join(f"{name} {of.digest}" for name, of in found)
        return Identity(digests, ", ".join(unproven) or None)

    def unproven(self) -> Identity:
        """For what nobody will continue: as different from any other as those that cannot be read."""
        from ._identity import Identity

        return Identity(os.urandom(16).hex() if self._named() else "", None)

    def code(self) -> Dict[str, Optional[str]]:
        """What those do that other processes import by their names, without their state."""
        from ._identity import code_digest

        return {name: code_digest(thing, name) for name, thing in self._named() if _is_importable(thing)}


def _is_importable(thing: Any) -> bool:
    named = thing if isinstance(thing, types.FunctionType) else type(thing)
    module = sys.modules.get(named.__module__)
    return named.__module__ not in ("__main__", "__mp_main__") and getattr(module, named.__qualname__, None) is named


def _free(name: str, builtin: Sequence[str], what: str) -> str:
    if name in builtin:
        raise UsageError(f"{name!r} is the name of a built-in {what}; give yours another name")
    return name
