import json
import subprocess
import sys

import pytest

import igniter

SCRIPT = """
import json, sys
request = json.load(sys.stdin)
json.dump(request, open({kept!r}, "w"))
names = [workload["name"] for workload in request["workloads"]]
json.dump({{"gpus": [{{"placements": [{{"workload": name, "batch": 4, "sm_pct": 50}} for name in names[i : i + 2]]}}
                     for i in range(0, len(names), 2)]}}, sys.stdout)
"""


def test_a_program_in_another_language_plans(tmp_path, docs):
    jsonschema = pytest.importorskip("jsonschema")
    script, kept, plan = tmp_path / "pairs.py", tmp_path / "request.json", tmp_path / "plan.json"
    script.write_text(SCRIPT.format(kept=str(kept)))
    command = [sys.executable, "-m", "igniter", "plan", "paper-12", "--strategy-command", f"{sys.executable} {script}", "-o", plan]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1, "the plan breaks promises, as `check` says"
    schema = json.loads((docs / "strategy-command.schema.json").read_text())
    request = json.loads(kept.read_text())
    jsonschema.validate(request, schema)
    made = json.loads(plan.read_text())
    assert made["strategy"] == "pairs" and made["gpu_count"] == 6
    jsonschema.validate(made, {**schema, "$ref": "#/$defs/plan"})
    # What it is told of a model alone is what the predictor says.
    (kind,) = request["kinds"]
    model = kind["models"][0]
    asked = model["alone"][len(model["alone"]) // 2]
    (alone,) = igniter.predict([(model["name"], asked["batch"], asked["sm_pct"])]).members
    assert alone.latency_ms == pytest.approx(asked["latency_ms"], rel=1e-12)
    compared = subprocess.run(
        [sys.executable, "-m", "igniter", "compare", "paper-12", "--strategy-command", f"{sys.executable} {script}", "--json"],
        capture_output=True, text=True,
    )
    strategies = [strategy["strategy"] for strategy in json.loads(compared.stdout)["strategies"]]
    assert strategies == ["igniter", "ffd", "pairs"]


def test_a_plan_document_of_python_fits_the_schema(short, docs):
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads((docs / "strategy-command.schema.json").read_text())
    jsonschema.validate(short.plan("igniter").to_dict(), {**schema, "$ref": "#/$defs/plan"})
