#!/usr/bin/env python3
"""What gpu_campaign.sh does with numbers; it needs nothing but Python 3.9. Called by that script.

    gpu_campaign.py kind LOG              name of the GPU kind, from the doctor's document
    gpu_campaign.py mps OUT               why MPS cannot be used there; nothing where it can
    gpu_campaign.py together OUT          how many servers fit into the GPU's memory
    gpu_campaign.py split OUT             co-locations for the fit and co-locations that it does not see
    gpu_campaign.py scenarios OUT MOST    scenarios that fill this GPU, at most MOST requests/s a workload
    gpu_campaign.py selftest OUT TRUTH    what the fit found against what was emulated
    gpu_campaign.py report OUT            README.md of the results
"""

import csv
import itertools
import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

IGNITER = os.environ.get("IGNITER", "igniter")
# Memory of a server of a large network with its batches and CUDA's own, in GiB.
SERVER_GIB = 4
SCENARIOS = {
    "gpu-constant": ("constant", 1.0),
    "gpu-poisson": ("poisson", 1.0),
    "gpu-constant-120": ("constant", 1.2),
    "gpu-poisson-120": ("poisson", 1.2),
}


def read_json(path):
    try:
        return json.loads(Path(path).read_text())
    except (OSError, ValueError):
        return None


def read_csv(path):
    try:
        with open(path, newline="") as file:
            return list(csv.DictReader(file))
    except OSError:
        return []


def igniter(*arguments):
    done = subprocess.run([IGNITER, *arguments, "--json"], capture_output=True, text=True)
    if done.returncode > 1:
        raise SystemExit(f"igniter {' '.join(arguments)}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def predict(profile, members):
    return igniter("predict", "--profile", str(profile), *(f"{m}:{b}:{s}" for m, b, s in members))


def write(path, text):
    part = Path(f"{path}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    part.write_text(text)
    part.rename(path)


def kind(log):
    """`NVIDIA H100 80GB HBM3` is h100."""
    found = re.search(r'"name": "(?:NVIDIA )?(?:Tesla |GeForce |RTX )*([A-Za-z0-9]+)', gpus_of(log))
    print(found.group(1).lower() if found else "gpu")


def gpus_of(log):
    document = read_json(log) or {}
    return json.dumps((document.get("gpus") or [{}])[0])


def mps(out):
    facts = (read_json(out / "facts/facts.json") or {}).get("facts")
    if facts is None:
        print("the step `facts` left no answer")
    elif facts["mps_error"] or not facts["shares"]:
        print(facts["mps_error"] or "no share could be asked for")
    elif all(share["attribute"] == facts["shares"][-1]["attribute"] for share in facts["shares"]):
        print("every percentage gives a client all SMs")


def together(out):
    memory = ((read_json(out / "facts/facts.json") or {}).get("gpu") or {}).get("memory_bytes")
    print(max(4, min(8, int((memory or 0) / 2**30 / SERVER_GIB))))


def runs_of(path):
    runs = {}
    for row in read_csv(path):
        runs.setdefault(row["run"], []).append(row)
    return list(runs.values())


def write_runs(path, runs):
    lines = ["run,member,model,batch,sm_pct,latency_ms,std_ms"]
    for number, run in enumerate(runs):
        for i, row in enumerate(run):
            values = [number, i, row["model"], row["batch"], row["sm_pct"], row["latency_ms"], row["std_ms"]]
            lines.append(",".join(map(str, values)))
    write(path, "\n".join(lines) + "\n")


def split(out):
    """Pairs of equal shares are for the fit; what it does not see are unequal pairs and all larger groups."""
    fitted, unseen = [], []
    for run in runs_of(out / "profile/colocated.csv"):
        equal = len(run) == 2 and run[0]["sm_pct"] == run[1]["sm_pct"]
        (fitted if equal else unseen).append(run)
    shutil.rmtree(out / "fit", ignore_errors=True)
    shutil.copytree(out / "profile", out / "fit/pairs", ignore=shutil.ignore_patterns("*.jsonl"))
    write_runs(out / "fit/pairs/colocated.csv", fitted)
    if unseen:
        write_runs(out / "fit/unseen.csv", unseen)
    print(f"{len(fitted)} co-locations for the fit, {len(unseen)} that it does not see")


def scenarios(out, most):
    """Four workloads that need about a quarter of the GPU each."""
    coefficients = out / "coefficients.json"
    document = read_json(coefficients)
    models = [m["solo"]["name"] for m in document["coefficients"]["models"]]
    # A model that is fast beside the others would only measure the server.
    share = 90 // len(models)
    found = predict(coefficients, [(model, 4, share) for model in models])["members"]
    for name, (process, load) in SCENARIOS.items():
        lines = [
            f"# {len(models)} workloads that need about {share} % of this GPU each, at {load} times the load that",
            "# their plan is made for. Made by gpu_campaign.py from the fitted coefficients.",
            "version = 1",
            f'name = "{name}"',
            "seed = 1",
            "duration_s = 35",
            "warmup_s = 4",
            "cooldown_s = 1",
            "",
            "[[gpu]]",
            'kind = "../coefficients.json"',
            "",
            "[plan]",
            "headroom_pct = 40             # random arrivals need room, and 1.2 times the load too",
            "",
            "[engine]",
            "overlap_load = false          # Triton's Python backend copies and executes one after the other",
        ]
        for i, member in enumerate(found):
            # Half of the SLO for the batch to form: the planners' rule; with some room for the server.
            slo = max(20.0, 2.5 * member["latency_ms"])
            rate = load * min(0.7 * member["throughput_rps"], most)
            lines += [
                "",
                "[[workload]]",
                f'name = "W{i + 1}"',
                f'model = "{member["model"]}"',
                f"slo_ms = {slo:.0f}",
                f"rate_rps = {rate:.1f}",
                f'arrival = {{ process = "{process}" }}',
            ]
        write(out / f"scenarios/{name}.toml", "\n".join(lines) + "\n")


def parameters(document):
    coefficients = document["coefficients"]
    found = {
        ("kappa", "1/W"): coefficients["clock"]["kappa_per_w"],
        ("delta", "ms per kernel"): coefficients["constants"]["delta_ms_per_kernel"],
    }
    for model in coefficients["models"]:
        solo, name = model["solo"], model["solo"]["name"]
        for label, unit, key in [
            ("a", "ms", "a_ms"),
            ("w", "ms %", "w_ms_pct"),
            ("g", "ms %", "g_ms_pct"),
            ("d", "ms", "d_ms"),
        ]:
            found[f"{label} {name}", unit] = solo["curve"][key]
        # Coefficients of version 0.1.0 called them energy_mj and gamma_per_w, and are read all the same.
        for i in (0, 1):
            found[f"e{i} {name}", "mJ"] = solo.get("load", solo.get("energy_mj"))[i]
        found[f"gamma {name}", "1/W"] = model.get("gamma", model.get("gamma_per_w"))
        found[f"pressure {name}", "1"] = model["pressure"]
    for coupling in coefficients["couplings"]:
        found[f"coupling {' + '.join(coupling['models'])}", "1"] = coupling["strength"]
    return found


def truth_rows(truth, groups):
    rows = []
    for run, group in enumerate(groups):
        for i, member in enumerate(predict(truth, group)["members"]):
            values = [run, i, member["model"], member["batch"], member["sm_pct"], member["latency_ms"]]
            rows.append(",".join(map(str, [*values, ""])))
    return rows


def selftest(out, truth):
    """The emulated GPU is known: parameters side by side, and predictions against what it would do."""
    fitted, known = (read_json(path) for path in (out / "coefficients.json", truth))
    models = [m["solo"]["name"] for m in fitted["coefficients"]["models"]]
    header = "run,member,model,batch,sm_pct,latency_ms,std_ms"
    alone = [[(m, b, s)] for m in models for b in (1, 2, 4, 8, 16, 32) for s in (10, 20, 35, 50, 100)]
    # A fixed choice of what may share a GPU: sizes 2 to 4, batches 2 to 16, shares that add up to 60 to 100 %.
    groups = []
    for size in (2, 3, 4):
        for i, chosen in enumerate(itertools.combinations_with_replacement(models, size)):
            share = (60 + 10 * (i % 5)) // size
            groups.append([(m, (2, 4, 8, 16)[(i + j) % 4], share) for j, m in enumerate(chosen)])
    document = {"parameters": [], "predictions": {}}
    for name, runs in [("alone", alone), ("together", groups)]:
        rows = truth_rows(truth, runs)
        write(out / f"selftest/{name}.csv", "\n".join([header, *rows]) + "\n")
        path = str(out / f"selftest/{name}.csv")
        for label, coefficients in [
            ("all", out / "coefficients.json"),
            ("pairs", out / "coefficients-pairs.json"),
        ]:
            if coefficients.exists():
                errors = igniter("accuracy", "--profile", str(coefficients), "--colocated", path)
                keep = {key: errors[key] for key in ("n", "mape_pct", "p95_pct", "max_pct", "bias_pct")}
                document["predictions"][f"{name}, fitted to {label}"] = keep
    found = parameters(fitted)
    for (name, unit), value in parameters(known).items():
        if (name, unit) not in found:
            continue
        got = found[name, unit]
        error = None if got is None or value == 0 else (got / value - 1) * 100
        row = {"term": name, "unit": unit, "emulated": value, "found": got, "error_pct": error}
        document["parameters"].append(row)
    write(out / "selftest/selftest.json", json.dumps(document, indent=2) + "\n")
    print(selftest_text(document))


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def number(value, digits=4):
    if value is None:
        return "–"
    return f"{value:.{digits}g}" if isinstance(value, float) else str(value)


def percent(value):
    return "–" if value is None else f"{value:+.1f}"


def selftest_text(document):
    rows = [
        [label, e["n"], f"{e['mape_pct']:.2f}", f"{e['p95_pct']:.2f}", f"{e['max_pct']:.1f}", percent(e["bias_pct"])]
        for label, e in document["predictions"].items()
    ]
    predictions = table(["predictions", "n", "mean %", "p95 %", "max %", "bias %"], rows)
    rows = [
        [p["term"], number(p["emulated"]), number(p["found"]), p["unit"], percent(p["error_pct"])]
        for p in document["parameters"]
    ]
    return predictions + "\n\n" + table(["term", "emulated", "found", "unit", "error %"], rows)


def facts_text(out):
    document = read_json(out / "facts/facts.json")
    if document is None:
        return ""
    gpu, facts = document["gpu"], document["facts"]
    lines = [
        f"{gpu['name']}, {gpu['sms']} SMs, driver {document['machine']['driver']}, power limit "
        f"{number(gpu['power_limit_w'])} W, highest SM clock {gpu['max_sm_clock_mhz']} MHz."
    ]
    if facts["mps_error"]:
        lines.append(f"MPS cannot be used: {facts['mps_error']}.")
    steps = {}
    for row in facts["shares"]:
        seen = row["touched"] or row["affinity"] or row["attribute"]
        steps.setdefault(seen, row["sm_pct"])
    if steps:
        sizes = sorted(steps)
        gaps = sorted({b - a for a, b in zip(sizes, sizes[1:])})
        lines.append(
            f"MPS: {len(facts['shares'])} percentages asked, {len(steps)} different numbers of SMs, from {sizes[0]} to "
            f"{sizes[-1]}, in steps of {', '.join(map(str, gaps)) or '–'} (facts/sm_table.csv)."
        )
    for row in facts["overlap"]:
        ratio = row["together_per_s"] / row["alone_per_s"]
        way = "with" if row["mps"] else "without"
        lines.append(f"Two processes {way} MPS run at {ratio:.2f} of their speed alone.")
    for fit in facts["transfer_fits"]:
        lines.append(
            f"Copies {fit['direction'].replace('_', ' ')}, {fit['memory']}: {fit['constant_ms'] * 1e3:.1f} µs + "
            f"{fit['bytes_per_ms'] / 1e6:.1f} GB/s."
        )
    lines += [f"Failed: {failure}." for failure in facts["failures"]]
    return "\n".join(f"- {line}" for line in lines)


def noise_text(out):
    groups = {}
    for row in read_csv(out / "profile/noise.csv"):
        key = (row["run"], row["member"], row["model"], row["batch"], row["sm_pct"])
        groups.setdefault(key, []).append(float(row["latency_ms"]))
    rows = []
    for (run, _, model, batch, share), values in groups.items():
        mean = sum(values) / len(values)
        spread = (max(values) - min(values)) / mean * 100
        label = f"{model} b{batch} {float(share):.1f} %"
        rows.append([run, label, len(values), f"{mean:.3f}", f"{spread:.2f}"])
    return rows and table(["run", "member", "times measured", "mean ms", "largest − smallest, %"], rows)


def accuracy_text(out):
    rows = []
    for label, folder in [
        ("fitted to equal pairs, on unequal pairs, triples and quadruples", "accuracy-unseen"),
        ("fitted to everything, on everything", "accuracy"),
    ]:
        report = read_json(out / folder / "accuracy.json")
        if report:
            errors = [f"{report[key]:.2f}" for key in ("mape_pct", "p95_pct", "max_pct")]
            rows.append([label, report["n"], *errors, percent(report["bias_pct"])])
    return rows and table(["predicted against measured latency", "n", "mean %", "p95 %", "max %", "bias %"], rows)


def served_text(out):
    rows, warnings = [], []
    for name in SCENARIOS:
        comparison = read_json(out / name / "comparison.json")
        if comparison is None:
            continue
        for row in comparison["rows"]:
            simulated, measured, errors = row["simulated"], row["measured"], row["errors"]
            if errors is None or measured is None:
                continue
            rows.append(
                [
                    name,
                    f"{row['workload']} {row['model']} b{row['batch']} {row['sm_pct']:.1f} %",
                    number(row["predicted_batch_ms"]),
                    number(row["measured_batch_ms"]),
                    number(simulated["mean_ms"]),
                    number(measured["mean_ms"]),
                    percent(errors["mean_pct"]),
                    number(simulated["p99_ms"]),
                    number(measured["p99_ms"]),
                    percent(errors["p99_pct"]),
                    f"{simulated['slo_violation_pct']:.2f}",
                    f"{measured['slo_violation_pct']:.2f}",
                    f"{measured['throughput_rps']:.1f}",
                    f"{simulated['verdict']} / {measured['verdict']}",
                ]
            )
        for warning in comparison["warnings"]:
            warnings.append(f"- {name}: {warning.get('kind')} {json.dumps(warning)}")
    header = "scenario,workload,batch ms predicted,measured,mean ms simulated,measured,error %,P99 ms simulated,"
    header += "measured,error %,late % simulated,measured,req/s,SLO simulated / measured"
    text = rows and table(header.split(","), rows)
    return text and text + ("\n\nWarnings:\n\n" + "\n".join(warnings) if warnings else "")


def power_text(out):
    rows = []
    for name in SCENARIOS:
        samples = read_csv(out / name / "gpus.csv")
        powers = [float(row["power_w"]) for row in samples if row["power_w"]]
        clocks = [float(row["sm_clock_mhz"]) for row in samples if row["sm_clock_mhz"]]
        if powers and clocks:
            mean = sum(powers) / len(powers)
            rows.append([name, f"{mean:.1f}", f"{min(clocks):.0f}", f"{max(clocks):.0f}"])
    return rows and table(["scenario", "mean power W", "lowest clock MHz", "highest clock MHz"], rows)


def profile_text(out):
    # The first line says what was measured.
    lines = (out / "profile/journal.jsonl").read_text().splitlines()[1:]
    entries = [json.loads(line) for line in lines]
    sizes = {}
    busy = []
    for entry in entries:
        if not entry["run"].get("repeat"):
            size = len(entry["run"]["members"])
            sizes[size] = sizes.get(size, 0) + 1
            busy += [m["busy_pct"] for m in entry["result"]["members"] if size > 1 and "busy_pct" in m]
    counts = ", ".join(f"{count} of {size}" for size, count in sorted(sizes.items()))
    lines = [f"Runs by number of members: {counts}; as measured in profile/journal.jsonl."]
    if busy:
        lines.append(
            f"While co-located, a batch was at its model {min(busy):.0f} to {max(busy):.0f} % of the time (mean "
            f"{sum(busy) / len(busy):.0f} %): the rest is Triton's and the client's, and neighbours feel so much less."
        )
    throttled = [e for e in entries if (e["result"].get("throttle") or 0) & 0xEC]
    if throttled:
        lines.append(f"The clock was held back by power or heat in {len(throttled)} of {len(entries)} runs.")
    return "\n".join(f"- {line}" for line in lines)


def report(out):
    machine = (out / "machine.txt").read_text() if (out / "machine.txt").exists() else ""
    log = (out / "campaign.log").read_text() if (out / "campaign.log").exists() else ""
    parts = [f"# Campaign on {(out / 'kind').read_text().strip()}", ""]
    if (out / "emulated").exists():
        parts += ["**No measurement: models and GPU were emulated, to try the campaign out.**", ""]
    sections = [
        ("The GPU", facts_text(out)),
        ("The profile", profile_text(out) if (out / "profile/journal.jsonl").exists() else ""),
        ("The noise floor", noise_text(out)),
        ("Predictions", accuracy_text(out)),
        ("Served", served_text(out)),
        ("Power and clock while serving", power_text(out)),
    ]
    document = read_json(out / "selftest/selftest.json")
    if document:
        sections.append(("What was emulated, and what was found", selftest_text(document)))
    for title, text in sections:
        parts += [f"## {title}", "", text or "Not measured.", ""]
    figures = sorted(path.relative_to(out) for path in out.glob("*/figures/*.svg"))
    if figures:
        parts += ["## Figures", ""] + [f"- [{path}]({path})" for path in figures] + [""]
    parts += ["## How", "", "```text", log.strip(), "```", "", "```text", machine.strip()[:6000], "```", ""]
    write(out / "README.md", "\n".join(parts))
    print(f"wrote {out / 'README.md'}")


def main():
    command, *arguments = sys.argv[1:]
    if command == "kind":
        kind(arguments[0])
    elif command == "scenarios":
        scenarios(Path(arguments[0]), float(arguments[1]))
    elif command == "selftest":
        selftest(Path(arguments[0]), Path(arguments[1]))
    else:
        {"mps": mps, "together": together, "split": split, "report": report}[command](Path(arguments[0]))


if __name__ == "__main__":
    main()
