"""What users write for plans and co-locations, read with words of Python for what is wrong."""

from __future__ import annotations

from typing import Any, Dict, Iterable, List, Mapping, Sequence, Tuple

from ._errors import PlanError, UsageError, UsageTypeError

_PLAN = "a list of GPUs, each a list of (workload, batch, sm_pct); a dictionary with gpus; or a Plan"
_PLACEMENT = "(workload, batch, sm_pct)"
_FIELDS = ("workload", "batch", "sm_pct", "served_rps", "time_slot")
"""Those of a ``Placement``, in order."""


def _refuse(name: str, what: str) -> PlanError:
    return PlanError(f"the plan of {name}: {what}")


def plan_document(answer: Any, name: str = "given") -> Dict[str, Any]:
    """A plan that a user made, as a document; ``name`` is who made it."""
    to_dict = getattr(answer, "to_dict", None)
    document = to_dict() if callable(to_dict) else answer
    if document is None:
        raise _refuse(name, f"is None; allowed: {_PLAN}; fix: end with a return")
    if not isinstance(document, Mapping):
        document = {"gpus": document}
    elif "gpus" not in document and "infeasible" not in document:
        raise _refuse(name, f"has no key gpus, but: {', '.join(map(str, document))}; allowed: {_PLAN}")
    document = dict(document)
    name = str(document.get("strategy", name))
    gpus = _items(document.get("gpus", ()), name, "the plan", _PLAN)
    document["gpus"] = [_gpu(gpu, name, f"gpus[{index}]") for index, gpu in enumerate(gpus)]
    document["infeasible"] = _infeasible(document.get("infeasible", ()), name)
    for gone in ("violations", "seconds"):
        document.pop(gone, None)
    return document


def check_batches(document: Dict[str, Any], name: str, most: Mapping[str, int]) -> None:
    """Refuses batches beyond those that were measured of their model, by workload: nothing is known of them."""
    for index, gpu in enumerate(document["gpus"]):
        for placement in gpu["placements"]:
            workload, batch = placement["workload"], placement["batch"]
            if batch > most.get(workload, batch):
                what = f"batch = {batch} is larger than the {most[workload]} that were measured of its model"
                raise _refuse(name, f"gpus[{index}], workload {workload}: {what}")


def _items(given: Any, name: str, where: str, allowed: str) -> List[Any]:
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        raise _refuse(name, f"{where} is {given!r}; allowed: {allowed}")
    return list(given)


def _infeasible(given: Any, name: str) -> List[Dict[str, Any]]:
    if isinstance(given, Mapping):
        given = [{"workload": workload, "reason": reason} for workload, reason in given.items()]
    allowed = 'a dictionary of reasons, such as {"W3": "its SLO is too tight"}'
    entries = _items(given, name, "infeasible", allowed)
    for entry in entries:
        texts = isinstance(entry, Mapping) and [entry.get("workload"), entry.get("reason")]
        if not texts or not all(isinstance(text, str) for text in texts):
            raise _refuse(name, f"infeasible holds {entry!r}; allowed: {allowed}")
    return entries


def _gpu(gpu: Any, name: str, where: str) -> Dict[str, Any]:
    if hasattr(gpu, "_asdict"):
        # A tuple with names: a GPU of a Plan, or a placement that stands where a GPU should.
        gpu = gpu._asdict()
    if isinstance(gpu, Mapping) and "placements" not in gpu:
        raise _refuse(name, f"{where} is {dict(gpu)!r}; allowed: a list of {_PLACEMENT}, or a dictionary with placements")
    given = gpu["placements"] if isinstance(gpu, Mapping) else gpu
    placements = _items(given, name, where, f"a list of {_PLACEMENT}")
    rest = dict(gpu) if isinstance(gpu, Mapping) else {}
    return {**rest, "placements": [_placement(p, name, f"{where}[{i}]") for i, p in enumerate(placements)]}


def _placement(given: Any, name: str, where: str) -> Dict[str, Any]:
    placement = given._asdict() if hasattr(given, "_asdict") else given
    if not isinstance(placement, Mapping):
        # A text, too, has a length and items.
        if isinstance(placement, (str, bytes)) or not isinstance(placement, Sequence) or not 3 <= len(placement) <= 5:
            raise _refuse(name, f"{where} is {given!r}; allowed: {_PLACEMENT}, or a Placement")
        placement = dict(zip(_FIELDS, placement))
    placement = {key: plain_number(value) for key, value in placement.items() if value is not None}
    for key in ("workload", "batch", "sm_pct"):
        if key not in placement:
            raise _refuse(name, f"{where} is {given!r}, without {key}; allowed: {_PLACEMENT}")
    if not isinstance(placement["workload"], str):
        raise _refuse(name, f"{where}: workload = {placement['workload']!r}; allowed: the name of a workload")
    place = f"{where}, workload {placement['workload']}"
    placement["batch"] = whole(placement["batch"])
    if not isinstance(placement["batch"], int) or not 1 <= placement["batch"] < 2**32:
        raise _refuse(name, f"{place}: batch = {placement['batch']!r}; allowed: a whole number, at least 1")
    share = placement["sm_pct"]
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share <= 100:
        raise _refuse(name, f"{place}: sm_pct = {share!r}; allowed: above 0, at most 100")
    return placement


def member_of(given: Any) -> Tuple[str, int, float]:
    """A member of a co-location as a user writes it: ``(workload or model, batch, sm_pct)``."""
    allowed = "allowed: (workload or model, batch, sm_pct)"
    if isinstance(given, (str, bytes)) or not isinstance(given, Sequence) or len(given) < 3:
        raise UsageTypeError(f"{given!r} is no member of a co-location; {allowed}")
    name, batch, share = given[0], whole(plain_number(given[1])), plain_number(given[2])
    if not isinstance(name, str) or isinstance(share, bool) or not isinstance(share, (int, float)):
        raise UsageTypeError(f"{given!r} is no member of a co-location; {allowed}")
    if not isinstance(batch, int) or not 1 <= batch < 2**32:
        raise UsageError(f"{name}: batch = {batch!r}; allowed: a whole number, at least 1")
    return name, batch, share


def whole(value: Any) -> Any:
    """``8.0`` as 8; anything else as it is, but for truths, which are no numbers."""
    if isinstance(value, bool):
        return str(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def plain_number(value: Any) -> Any:
    """Numbers of NumPy as those of Python."""
    if value is None or isinstance(value, (str, int, float, Mapping, list, tuple)):
        return float(value) if isinstance(value, float) else value
    item = getattr(value, "item", None)
    if item is None:
        raise PlanError(f"a plan holds {value!r}, which is no number and no text")
    return item()
