import pickle
import traceback

import pytest

import igniter


class Pairs(igniter.Strategy):
    """Two workloads on each GPU, each with half of it."""

    name = "pairs"

    def plan(self, request):
        names = [workload.name for workload in request.workloads]
        return [[(name, 4, 50) for name in names[i : i + 2]] for i in range(0, len(names), 2)]


class Broken(igniter.Strategy):
    def plan(self, request):
        raise LookupError("no idea", 42)


class Crowded(igniter.Predictor):
    name = "crowded"

    def predict(self, members):
        return [member.slowed(1 + 0.05 * (len(members) - 1)) for member in members.base.members]


def test_a_strategy_takes_part_everywhere(short):
    result = short.compare([Pairs(), "igniter"])
    assert result.strategies["strategy"] == ["pairs", "igniter"]
    assert result.strategies["gpu_count"][0] == 6
    assert result.plans["pairs"].gpus[0].placements[0][:3] == ("W1", 4, 50)
    assert short.plan(Pairs).gpu_count == 6
    assert short.simulate(Pairs()).plan.strategy == "pairs"
    swept = igniter.sweep(short, {"rate_scale": [0.5, 1]}, strategies=[Pairs(), "ffd"], progress=False)
    assert swept.outcome["failed"] == 0
    assert set(swept.rows["strategy"]) == {"pairs", "ffd"}
    (found,) = igniter.capacity(short, Pairs(), low=0.05, high=0.5, precision=0.2, least=2, most=2)
    assert found.strategy == "pairs"


def test_a_function_is_a_strategy(short):
    def alone(request):
        return [[(workload.name, 1, 100)] for workload in request.workloads]

    assert short.compare([alone]).strategies["gpu_count"] == [12]


def test_a_strategy_predicts_as_the_planner_does(short):
    seen = {}

    def asking(request):
        seen["request"] = request
        seen["prediction"] = request.predict([("W1", 4, 50), ("W2", 4, 50)])
        return Pairs().plan(request)

    plan = short.plan(asking)
    (first, _), *_ = plan.to_dict()["gpus"][0]["placements"], None
    assert seen["prediction"].members[0].latency_ms == pytest.approx(first["predicted_latency_ms"])
    kind = seen["request"].kind
    assert (kind.name, kind.units, kind.unit_pct) == ("v100", 40, 2.5) and "alexnet" in kind.models
    with pytest.raises(RuntimeError, match="was made already"):
        seen["request"].predict([("W1", 4, 50)])
    wrong = lambda request: request.predict([("W1", 4, 50), ("nobody", 4, 50)])  # noqa: E731
    wrong.name = "wrong"
    with pytest.raises(ValueError, match="nobody"):
        short.plan(wrong)


def test_exceptions_arrive_whole(short):
    for call in (short.compare, short.plan, short.simulate):
        with pytest.raises(LookupError) as caught:
            call(Broken())
        assert caught.value.args == ("no idea", 42)
        assert "in plan" in "".join(traceback.format_tb(caught.value.__traceback__))
    with pytest.raises(LookupError):
        igniter.sweep(short, {"rate_scale": [0.5, 1]}, strategies=[Broken()], progress=False)


@pytest.mark.parametrize(
    "answer, message",
    [
        ([[("W1", 4, 60), ("W2", 4, 60)]], "cannot run"),
        ([[("W1", 4, 33)]], "multiple of 2.5"),
        ([[("W99", 4, 50)]], "W99"),
        ([], "cannot run"),
        ({"gpus": [{"kind": "a100", "placements": []}]}, "a100"),
    ],
)
def test_plans_pass_the_same_check(short, answer, message):
    def mine(request):
        return answer

    with pytest.raises(igniter.PlanError, match=message):
        short.simulate(mine)


def test_workloads_may_be_left_out_with_a_reason(short):
    def lazy(request):
        first, *others = [w.name for w in request.workloads]
        return {"gpus": [[(first, 4, 50)]], "infeasible": {name: "too much work" for name in others}}

    result = short.compare([lazy])
    assert result.plans["lazy"].infeasible["W2"] == "too much work"
    assert result.summary["verdict"].count("not_served") == 11


def test_a_predictor_takes_part_everywhere(short):
    base, crowded = short.compare(["igniter"]), short.compare(["igniter"], predictor=Crowded())
    assert crowded.strategies["gpu_count"][0] > base.strategies["gpu_count"][0]
    members = [("alexnet", 4, 50), ("vgg19", 4, 50)]
    mine, theirs = igniter.predict(members, predictor=Crowded()), igniter.predict(members)
    assert mine.members[0].gpu_ms == pytest.approx(1.05 * theirs.members[0].gpu_ms)
    assert mine.power_w == theirs.power_w and mine.predictor == "crowded"
    # Planned by one and simulated with the other.
    worse = short.compare(["igniter"], truth=Crowded())
    assert worse.to_dict()["truth"]["simulated_with"] == "crowded"
    assert sum(worse.summary["p99_ms"]) > sum(base.summary["p99_ms"])
    swept = igniter.sweep(short, {"rate_scale": [0.5]}, predictors=["igniter", Crowded()], progress=False)
    assert set(swept.rows["predictor"]) == {"igniter", "crowded"} and swept.outcome["failed"] == 0
    three = igniter.Scenario("motivating-3").with_(duration_s=2, warmup_s=0.5, cooldown_s=0.5)
    assert three.plan(refine=99, predictor=Crowded()).gpu_count >= 1


def test_a_predictor_must_give_numbers(short):
    class Nonsense(igniter.Predictor):
        def predict(self, members):
            return [member._replace(gpu_ms=float("nan")) for member in members.base.members]

    class Failing(igniter.Predictor):
        def predict(self, members):
            if len(members) > 1:
                raise KeyError("together")
            return members.base

    with pytest.raises(igniter.FitError, match="(?i)nonsense"):
        short.compare(predictor=Nonsense())
    with pytest.raises(KeyError, match="together"):
        short.compare(predictor=Failing())


def test_names_of_built_in_ones_are_taken(short):
    class Igniter(igniter.Strategy):
        name = "igniter"

    with pytest.raises(ValueError, match="built-in"):
        short.compare([Igniter()])
    with pytest.raises(igniter.PlanError, match="did you mean \"igniter\""):
        short.compare(["ignitr"])


def test_own_strategies_can_be_pickled():
    assert pickle.loads(pickle.dumps(Pairs())).name == "pairs"
