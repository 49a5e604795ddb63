"""Plans: which workload runs where."""

from __future__ import annotations

import json
import os
from html import escape
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from ._foreign import Placement


class Gpu(NamedTuple):
    """A GPU of a plan."""

    kind: str
    placements: List[Placement]


class Plan:
    """A provisioning plan. It can be simulated, compared, changed (:meth:`to_dict`), and saved."""

    def __init__(self, document: str, violations: List[str], seconds: float, native: Any = None) -> None:
        self._document: Dict[str, Any] = json.loads(document)
        self._native = native
        self.violations = violations
        """What the predictor says is wrong with the plan: promises that it does not keep."""
        self.seconds = seconds
        """How long it took to make, in s."""

    @classmethod
    def _of(cls, native: Any) -> "Plan":
        return cls(native.json, native.violations, native.seconds, native)

    @property
    def strategy(self) -> str:
        """Who made it."""
        return str(self._document["strategy"])

    @property
    def gpus(self) -> List[Gpu]:
        """The GPUs with their placements."""
        return [
            Gpu(gpu["kind"], [Placement(*(p.get(key) for key in Placement._fields)) for p in gpu["placements"]])
            for gpu in self._document["gpus"]
        ]

    @property
    def gpu_count(self) -> int:
        """How many GPUs it uses."""
        return int(self._document["gpu_count"])

    @property
    def cost_per_hour(self) -> float:
        """What they cost, in US $ for an hour."""
        return float(self._document["cost_per_hour"])

    @property
    def infeasible(self) -> Dict[str, str]:
        """Workloads without a place, with the reason."""
        return {entry["workload"]: entry["reason"] for entry in self._document["infeasible"]}

    @property
    def bound(self) -> Optional[Dict[str, Any]]:
        """What is proven about every plan of the request, where the strategy proves something."""
        return self._document.get("bound")

    def to_dict(self) -> Dict[str, Any]:
        """The document that ``igniter plan`` writes; changed, it is a plan for :func:`igniter.simulate` again."""
        document: Dict[str, Any] = json.loads(json.dumps(self._document))
        return document

    def save(self, path: "os.PathLike[str] | str") -> None:
        """Writes it for ``--plan``."""
        with open(path, "w", encoding="utf-8") as file:
            json.dump(self._document, file, indent=2)
            file.write("\n")

    def _rows(self) -> List[Tuple[str, ...]]:
        rows = []
        for index, gpu in enumerate(self._document["gpus"]):
            for p in gpu["placements"]:
                latency = p.get("predicted_latency_ms")
                rows.append((
                    str(index),
                    gpu["kind"],
                    p["workload"],
                    p["model"],
                    str(p["batch"]),
                    f"{p['sm_pct']:g}",
                    "" if latency is None else f"{latency:.2f}",
                ))
        return rows

    _HEAD = ("GPU", "kind", "workload", "model", "batch", "SM %", "predicted ms")

    def _headline(self) -> str:
        count = self.gpu_count
        text = f"Plan of {self.strategy}: {count} GPU{'' if count == 1 else 's'}, {self.cost_per_hour:.2f} $/h"
        if self.infeasible:
            text += f", without a place: {', '.join(self.infeasible)}"
        return text

    def __repr__(self) -> str:
        lines = [self._HEAD, *self._rows()]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self._HEAD))]
        table = "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths)).rstrip() for line in lines)
        return f"{self._headline()}\n{table}"

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in self._HEAD)
        body = "".join("<tr>" + "".join(f"<td>{escape(c)}</td>" for c in row) + "</tr>" for row in self._rows())
        return f"<p>{escape(self._headline())}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
