import pickle

import pytest

import igniter
from igniter import Scenario, ScenarioError

WORKLOADS = [
    {"name": "W1", "model": "alexnet", "slo_ms": 15, "rate_rps": 500},
    {"name": "W2", "model": "resnet50", "slo_ms": 40, "rate_rps": 400},
]


def test_a_scenario_is_the_same_however_it_is_made(tmp_path):
    built = Scenario(name="two", duration_s=3, gpu="v100", workloads=WORKLOADS)
    of_dict = Scenario({"name": "two", "version": 1, "duration_s": 3, "gpu": [{"kind": "v100"}], "workload": WORKLOADS})
    file = tmp_path / "two.toml"
    file.write_text(built.to_toml())
    assert built.to_toml() == of_dict.to_toml() == Scenario(file).to_toml() == Scenario(str(file)).to_toml()
    assert repr(built) == "Scenario('two': 2 workloads on v100, 3 s, seed 1)"
    assert Scenario(built.to_dict()).to_toml() == built.to_toml()
    assert pickle.loads(pickle.dumps(built)).to_toml() == built.to_toml()


def test_every_shipped_scenario_is_there():
    assert "paper-12" in igniter.SCENARIOS
    for name in igniter.SCENARIOS:
        Scenario(name).check()


def test_with_changes_a_copy():
    paper = Scenario("paper-12")
    changed = paper.with_({"workload.W1.slo_ms": 99}, rate_scale=2, seed=7)
    assert (paper.seed, changed.seed) == (1, 7)
    before = {w.name: w for w in paper.workloads}
    after = {w.name: w for w in changed.workloads}
    assert after["W1"].slo_ms == 99 != before["W1"].slo_ms
    assert after["W2"].rate_rps == 2 * before["W2"].rate_rps


def test_numpy_numbers_are_numbers():
    numpy = pytest.importorskip("numpy")
    changed = Scenario("paper-12").with_(duration_s=numpy.float64(7), seed=numpy.int64(3))
    assert (changed.to_dict()["duration_s"], changed.seed) == (7, 3)


def test_problems_are_a_list_with_lines(tmp_path):
    text = Scenario(name="two", duration_s=3, gpu="v100", workloads=WORKLOADS).to_toml()
    lines = text.splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("slo_ms"))
    lines[place] = "slo_ms = -5"
    lines.insert(place, 'slo_m = 3')
    file = tmp_path / "wrong.toml"
    file.write_text("\n".join(lines))
    with pytest.raises(ScenarioError) as caught:
        Scenario(file).check()
    problems = sorted(caught.value.problems, key=lambda problem: problem.line)
    assert [problem.line for problem in problems] == [place + 1, place + 2]
    assert problems[0].key == "workload[0].slo_m" and "slo_ms" in problems[0].fix
    assert problems[1].what == "given -5" and problems[1].allowed and problems[1].fix
    assert f"{file}:{place + 2}" in str(caught.value)
    assert isinstance(caught.value, ValueError) and isinstance(caught.value, igniter.IgniterError)


def test_the_words_are_those_of_the_program(tmp_path):
    import subprocess
    import sys

    file = tmp_path / "wrong.toml"
    file.write_text("version = 1\nduration_s = 0\n")
    done = subprocess.run([sys.executable, "-m", "igniter", "compare", file], capture_output=True, text=True)
    with pytest.raises(ScenarioError) as caught:
        igniter.compare(file)
    assert done.returncode == 2 and done.stderr == f"igniter: {caught.value}\n"


def test_a_file_that_is_not_there_is_named():
    with pytest.raises(ScenarioError, match="nowhere.toml"):
        Scenario("nowhere.toml")
    with pytest.raises(ScenarioError, match="cannot set workload.W99.slo_ms"):
        Scenario("paper-12").with_({"workload.W99.slo_ms": 3})


def test_arrivals_are_those_of_the_run(short):
    times = short.arrivals("W1")
    assert times == sorted(times) and 0 <= times[0] and times[-1] < 1.5
    requests = short.simulate().requests
    of_w1 = sum(1 for name in requests["workload"] if name == "W1")
    assert of_w1 == len(times)
