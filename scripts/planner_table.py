#!/usr/bin/env python3
"""One Markdown table from the summaries that planner_tables.sh makes: every strategy under every arrival process.

    scripts/planner_table.py FOLDER
"""

import json
import pathlib
import sys

ARRIVALS = {"paper-12": "constant", "paper-12-poisson": "Poisson", "paper-12-bursty": "gamma, CV 4"}


def main(folder: pathlib.Path) -> None:
    rows: dict[str, dict[str, dict]] = {}
    for name in ARRIVALS:
        for suffix, label in (("", ""), ("-replicas", ", replicas")):
            summary = json.loads((folder / f"{name}{suffix}.json").read_text())
            for result in summary["strategies"]:
                rows.setdefault(result["strategy"] + label, {})[name] = result
    print("| strategy | GPUs | $/h | proven at least | predicted misses |", end="")
    print("".join(f" {arrivals}: misses | over SLO |" for arrivals in ARRIVALS.values()))
    print("|---|--:|--:|--:|--:|" + "--:|--:|" * len(ARRIVALS))
    for strategy, of in rows.items():
        first = next(iter(of.values()))
        gpus = [str(result["gpu_count"]) for result in of.values()]
        same = len(set(gpus)) == 1
        cost = [f"{result['cost_per_hour']:.2f}" for result in of.values()]
        bound = [str(result.get("gpu_bound", "–")) for result in of.values()]
        line = [
            strategy,
            gpus[0] if same else " / ".join(gpus),
            cost[0] if same else " / ".join(cost),
            bound[0] if len(set(bound)) == 1 else " / ".join(bound),
            # What half of the SLO promises is not what a refined plan goes by.
            "–" if strategy.startswith("refined") else f"{first['predicted_violations']} of {len(first['workloads'])}",
        ]
        for result in of.values():
            workloads = result["workloads"]
            misses = sum(w["verdict"] in ("missed", "not_served") for w in workloads)
            unserved = len(result["infeasible"])
            over = [w["slo_violation_pct"] for w in workloads if w["slo_violation_pct"] is not None]
            mean = sum(over) / len(over) if over else float("nan")
            line.append(f"{misses}" + (f" ({unserved} not placed)" if unserved else ""))
            line.append(f"{mean:.1f} %")
        print("| " + " | ".join(line) + " |")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
