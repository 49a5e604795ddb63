"""What is refused, in which words, and as which exception."""

import concurrent.futures
import sys
import warnings

import pytest

import igniter
from test_own import Broken


def planned(answer):
    def mine(request):
        return answer

    return mine


@pytest.mark.parametrize(
    "answer, words",
    [
        (None, "is None; .* fix: end with a return"),
        (7, "the plan is 7; allowed: a list of GPUs"),
        ("W1", "the plan is 'W1'"),
        ([("W1", 4, 50)], r"gpus\[0\]\[0\] is 'W1'; allowed: \(workload, batch, sm_pct\)"),
        ([[("W1", 50)]], r"gpus\[0\]\[0\] is \('W1', 50\); allowed: \(workload, batch, sm_pct\)"),
        ([[("W1", 8.5, 50)]], "workload W1: batch = 8.5; allowed: a whole number, at least 1"),
        ([[("W1", True, 50)]], "batch = 'True'"),
        ([[("W1", 0, 50)]], "batch = 0"),
        ([[("W1", 8, "50")]], "sm_pct = '50'; allowed: above 0, at most 100"),
        ([[("W1", 8, 101)]], "sm_pct = 101"),
        ([[{"workload": "W1", "batch": 8}]], "without sm_pct"),
        ({"gpu": []}, "has no key gpus, but: gpu"),
        ({"gpus": [], "infeasible": ["W1"]}, "infeasible holds 'W1'; allowed: a dictionary of reasons"),
        ([[("W1", 8, 33)]], "sm_pct = 33: must be a multiple of 2.5 %"),
        ([[("W99", 8, 50)]], 'places "W99"; the workloads of the request are: W1'),
        ([[("W1", 64, 50)]], "64.*larger than the 32 that were measured"),
        ([[("W1", 8, 80), ("W2", 8, 80)]], "SM shares add up to 160 %"),
    ],
)
def test_a_plan_that_is_none_says_why(short, answer, words):
    with pytest.raises(igniter.PlanError, match=f"the plan of mine.*\n?.*{words}") as caught:
        short.simulate(planned(answer))
    (violation,) = caught.value.violations
    assert violation in str(caught.value)
    if answer is not None and not isinstance(answer, str):  # a text is the path of a plan
        with pytest.raises(igniter.PlanError) as caught:
            short.simulate(plan=answer)
        assert len(caught.value.violations) == 1


def test_whole_numbers_may_be_written_with_a_point(short):
    assert short.plan(planned([[("W1", 8.0, 50.0)]])).gpus[0].placements[0].batch == 8


def test_a_plan_file_may_not_go_beyond_what_was_measured(short, tmp_path):
    plan = short.plan("igniter")
    plan._document["gpus"][0]["placements"][0]["batch"] = 33
    plan.save(tmp_path / "plan.json")
    with pytest.raises(igniter.PlanError, match="a batch of 33 is larger than the 32 that were measured"):
        short.simulate(plan=tmp_path / "plan.json")


def test_predict_takes_anything_that_is_a_co_location(short):
    def asking(request):
        assert request.predict([("W1", 64.0, 80), ("vgg19", 8, 80)]).members[0].latency_ms > 0
        for wrong, words in [
            ([("W1", 4)], r"\('W1', 4\) is no member of a co-location; allowed: \(workload or model, batch, sm_pct\)"),
            ([("W1", 4.5, 50)], "W1: batch = 4.5"),
            ([("W1", 4, "50")], "is no member"),
            ([("W77", 4, 50)], "there is no workload or model 'W77'; the workloads are: W1, .*; the models: alexnet"),
            ([("W1", 4, 0)], "must be finite and > 0"),
        ]:
            with pytest.raises(igniter.IgniterError, match=words) as caught:
                request.predict(wrong)
            assert isinstance(caught.value, ValueError)
        return []

    short.plan(asking)
    with pytest.raises(igniter.IgniterError, match="is no member"):
        igniter.predict([("alexnet", 4)])


def _calls(short):
    class Igniter(igniter.Strategy):
        name = "igniter"

    class Named(igniter.Strategy):
        name = 5

    one = lambda request: []  # noqa: E731
    other = lambda request: []  # noqa: E731
    yield lambda: short.compare([Igniter()]), ValueError, "built-in"
    yield lambda: short.compare([Named()]), TypeError, "must be a string"
    yield lambda: short.compare([3]), TypeError, "is no strategy"
    yield lambda: short.compare(3), TypeError, "is no strategy"
    yield lambda: short.compare([one, other]), ValueError, "listed twice; fix: .* attribute name"
    yield lambda: short.compare(predictor=object()), TypeError, "is no predictor"
    yield lambda: short.compare(seeds="two"), TypeError, "str"
    yield lambda: short.compare(seeds=-1), OverflowError, "negative"
    yield lambda: short.simulate(threads="all"), TypeError, "str"
    yield lambda: igniter.predict([("alexnet", 4, 50)], profile=3), TypeError, "int"
    yield lambda: short.with_(duration_s={1}), TypeError, "no value of a scenario"
    yield lambda: igniter.Scenario("paper-12", seed=3), TypeError, "with_"
    yield lambda: igniter.sweep(short, {"rate_scale": [1]}, seeds=[1, 3]), ValueError, "consecutive"
    yield lambda: short.compare().plot("p98"), KeyError, "^'p98'; the figures are: "
    yield lambda: short.compare().summary["p98"], KeyError, "^'p98'; the columns are: "
    yield lambda: short.compare().table("summry"), KeyError, "^'summry'; the tables are: summary"
    yield lambda: short.compare().requests["nobody"], KeyError, "the strategies are: igniter, ffd"
    yield lambda: igniter.fit("v100").save("numbers.txt"), ValueError, "ends in .json"


@pytest.mark.parametrize("which", range(18))
def test_every_refusal_is_an_igniter_error(short, which):
    call, _, words = list(_calls(short))[which]
    with pytest.raises(igniter.IgniterError, match=words):
        call()


@pytest.mark.parametrize("which", range(18))
def test_every_refusal_is_what_python_would_raise(short, which):
    call, kind, words = list(_calls(short))[which]
    # OverflowError is what the conversion of a number says; it arrives as a ValueError.
    with pytest.raises(ValueError if kind is OverflowError else kind, match=words):
        call()


def test_exceptions_of_own_code_arrive_as_they_are(short):
    def mine(request):
        return [int("x")]

    def calling(request, more):
        return []

    with pytest.raises(ValueError, match="invalid literal") as caught:
        short.compare([mine])
    assert type(caught.value) is ValueError
    with pytest.raises(igniter.IgniterError, match="missing 1 required positional argument: 'more'"):
        short.compare([calling])


def test_a_misspelt_parameter_is_a_type_error(short):
    with pytest.raises(TypeError, match="seedss"):
        short.compare(seedss=3)


def test_a_dictionary_has_no_lines():
    workload = {"name": "W1", "model": "alexnet", "slo_m": 15, "rate_rps": 500}
    wrong = igniter.Scenario(name="mine", duration_s=5, gpu="v100", workloads=[workload])
    for scenario in (wrong, wrong.with_(seed=3)):
        with pytest.raises(igniter.ScenarioError) as caught:
            scenario.check()
        assert "workload[0].slo_m: unknown key" in str(caught.value) and "scenario:" not in str(caught.value)
        assert [problem.line for problem in caught.value.problems] == [0, 0]


def test_workloads_without_a_place_are_told(short):
    def lazy(request):
        return [[(request.workloads[0].name, 4, 50)]] if request.workloads[0].rate_rps > 700 else [
            [(w.name, 4, 50)] for w in request.workloads
        ]

    assert "12 workloads miss their SLO (P99), 11 not placed" in repr(short.compare([lazy]))
    assert "not placed" not in repr(short.compare(["igniter"]))
    result = igniter.sweep(short, {"rate_scale": [0.5, 1, 1.5]}, strategies=["ffd", lazy], progress=False)
    infeasible = dict(zip(zip(result.rows["strategy"], result.rows["rate_scale"]), result.rows["infeasible"]))
    assert infeasible["lazy", 1] == 11
    assert result.left_out == sum(count > 0 for count in infeasible.values())
    words = f"{result.left_out} of 6 plans leave workloads without a place"
    assert words in repr(result) and words in result.plot().caption
    assert "without a place" not in repr(igniter.sweep(short, {"rate_scale": [0.5]}, strategies=["ffd"], progress=False))


@pytest.mark.parametrize("progress", [False, lambda *now: None])
@pytest.mark.parametrize(
    "values, third",
    [
        ([0.5, 0.6, 1.5, 1.6], "1.5"),
        (igniter.span(0.5, 1.5, 0.5), "1.5"),
        (igniter.linear(0.5, 1.5, 3), "1.5"),
        (igniter.logarithmic(0.5, 2, 3), "2.0"),
    ],
)
def test_an_exception_in_a_sweep_says_at_which_point(short, values, third, progress):
    def half(request):
        if request.workloads[0].rate_rps > 1.1 * 1200 and request.options["headroom_pct"] == 10:
            raise LookupError("too much")
        return [[(w.name, 4, 50)] for w in request.workloads]

    axes = {"rate_scale": values, "plan.headroom_pct": [0, 10]}
    with pytest.raises(LookupError, match="too much") as caught:
        igniter.sweep(short.with_({"workload.W1.rate_rps": 1200}), axes, strategies=["ffd", half], progress=progress)
    said = "\n".join(caught.value.__notes__) if sys.version_info >= (3, 11) else str(caught.value.__cause__)
    assert said == f"at point 5: rate_scale = {third}, plan.headroom_pct = 10"


def test_an_exception_of_progress_is_of_no_point(short):
    def stop(*now):
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough") as caught:
        igniter.sweep(short, {"rate_scale": [0.5]}, strategies=[lambda request: []], progress=stop)
    assert not getattr(caught.value, "__notes__", None) and caught.value.__cause__ is None


def test_failed_runs_are_told(short):
    def wide(request):
        return [[(w.name, 4, 50) for w in request.workloads]]

    with pytest.warns(UserWarning, match="1 of 2 runs failed; the first, wide at point 0: .*cannot run: GPU 0: SM shares"):
        igniter.sweep(short, {"rate_scale": [0.5]}, strategies=["ffd", wide], progress=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        igniter.sweep(short, {"rate_scale": [0.5]}, strategies=["ffd"], progress=False)


def test_what_cannot_be_pickled_was_not_lost(short):
    with concurrent.futures.ProcessPoolExecutor(1) as pool:
        with pytest.raises(igniter.IgniterError, match="cannot be sent to other processes.*top of a module"):
            igniter.sweep(short, {"rate_scale": [0.5, 1]}, strategies=[lambda request: []], executor=pool, progress=False)


def test_a_folder_is_refused_in_words_of_python(short, tmp_path):
    options = dict(strategies=[Broken()], progress=False, output=tmp_path / "o")
    for _ in range(2):
        with pytest.raises((LookupError, igniter.SweepError)) as caught:
            igniter.sweep(short, {"rate_scale": [0.5]}, **options)
    assert "continue it with resume=True" in str(caught.value) and "--" not in str(caught.value)


def test_a_package_that_is_not_installed_is_named(short, monkeypatch):
    table = short.simulate().summary
    for name, call, fix in [
        ("pandas", table.to_pandas, r'pip install "igniter-sim\[pandas\]"'),
        ("polars", table.to_polars, "polars"),
        ("pyarrow", table.to_arrow, "pyarrow"),
    ]:
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(ModuleNotFoundError, match=fix) as caught:
            call()
        assert isinstance(caught.value, igniter.IgniterError) and caught.value.name == name


def test_figures_are_shown_as_drawings(short):
    figure = short.compare().plot("p99")
    assert figure._repr_svg_() == figure.svg and "<svg" in figure.svg
