import csv
import io
import subprocess
import sys

import pytest

import igniter


def program(*arguments):
    done = subprocess.run([sys.executable, "-m", "igniter", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


@pytest.fixture
def file(short, tmp_path):
    path = tmp_path / "short.toml"
    path.write_text(short.to_toml())
    return path


def test_python_and_the_program_write_the_same_bytes(file, tmp_path):
    program("compare", file, "--strategies", "igniter,ffd,gslice", "--seeds", 3, "-o", tmp_path / "program", "--quiet")
    result = igniter.compare(file, ["igniter", "ffd", "gslice"], seeds=3, output=tmp_path / "python")
    names = sorted(p.relative_to(tmp_path / "program") for p in (tmp_path / "program").rglob("*") if p.is_file())
    assert names == sorted(p.relative_to(tmp_path / "python") for p in (tmp_path / "python").rglob("*") if p.is_file())
    assert len(names) > 15
    # The page shows the command line of the manifest; both are of one run.
    for name in names:
        if name.name not in ("manifest.json", "report.html"):
            assert (tmp_path / "program" / name).read_bytes() == (tmp_path / "python" / name).read_bytes(), name
    # And the tables in memory are those of the files.
    for table, name in [(result.summary, "summary.csv"), (result.gpus, "gpus.csv"), (result.placements, "plan.csv"),
                        (result.table("cdf"), "cdf.csv"), (result.table("seeds"), "seeds.csv"),
                        (result.table("gpu_series"), "gpu_series.csv"), (result.table("batches"), "batches.csv"),
                        (result.table("latency_series"), "latency_series.csv")]:
        rows = list(csv.DictReader(io.StringIO((tmp_path / "python" / name).read_text())))
        assert table.columns == list(rows[0]) and len(table) == len(rows), name
        for ours, theirs in zip(table.rows(), rows):
            assert {k: same(v) for k, v in ours.items()} == {k: same(v) for k, v in theirs.items()}, name


def same(value):
    """Numbers as numbers, whether they come from a text or not."""
    if value in (None, ""):
        return None
    if isinstance(value, bool) or value in ("true", "false"):
        return str(value).lower()
    try:
        return float(value)
    except ValueError:
        return value


def test_a_sweep_has_the_numbers_of_a_comparison(short):
    swept = igniter.sweep(short, {"rate_scale": [0.5, 1.0]}, strategies=["igniter", "ffd"], progress=False)
    for row in swept.rows:
        if row["rate_scale"] == 1.0:
            summary = short.compare([row["strategy"]]).summary.rows()
            (of_workload,) = [r for r in summary if r["workload"] == row["workload"]]
            for column in ("p99_ms", "mean_ms", "requests", "slo_violation_pct", "verdict"):
                assert row[column] == of_workload[column]


def test_threads_do_not_change_results(short):
    assert short.compare("all", threads=1).to_dict() == short.compare("all", threads=3).to_dict()


def test_results_can_be_read(short):
    result = short.compare()
    assert "igniter: " in repr(result) and "ffd: " in repr(result)
    assert "<table>" in result._repr_html_() and "p99_ms" in result.summary._repr_html_()
    assert "p99_ms" in repr(result.summary) and f"Table of {len(result.summary)} rows" in repr(result.summary)
    figures = result.plot()
    assert "<img" in figures._repr_html_() and len(figures) > 3
    assert result.plot("p99").png().startswith(b"\x89PNG") and result.plot("p99").svg.lstrip().startswith("<")
    with pytest.raises(KeyError, match="p99"):
        result.plot("p98")
    with pytest.raises(igniter.IgniterError, match="summary"):
        result.table("summry")


def test_requests_are_those_of_the_parquet_file(file, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    import pyarrow

    out = tmp_path / "out"
    program("simulate", file, "-s", "ffd", "-o", out, "--requests", "--requests-format", "parquet", "--quiet")
    theirs = parquet.read_table(out / "requests.parquet")
    ours = pyarrow.table(igniter.simulate(file, "ffd").requests)
    assert ours.column_names == theirs.column_names
    for name in ours.column_names:
        assert ours[name].to_pylist() == theirs[name].to_pylist(), name


def test_requests_that_fail_have_no_stages():
    result = igniter.Scenario("faults").simulate()
    requests = result.requests
    outcomes = requests["outcome"]
    failed = [i for i, outcome in enumerate(outcomes) if outcome != "completed"]
    assert failed, "the scenario of faults loses requests"
    for column in ("load_start_ns", "exec_end_ns", "batch", "batch_size"):
        values = requests[column]
        assert all(values[i] is None for i in failed)
        assert sum(value is None for value in values) == len(failed)


def test_data_frames_take_tables_without_copying(short):
    pyarrow = pytest.importorskip("pyarrow")
    result = short.simulate()
    requests = result.requests
    one, two = pyarrow.table(requests), pyarrow.table(requests)
    address = lambda table: table["arrival_ns"].chunks[0].buffers()[1].address  # noqa: E731
    assert address(one) == address(two), "both look at the same memory"
    frame = requests.to_pandas()
    assert len(frame) == len(requests) and frame.latency_ns.min() > 0
    assert frame.workload.nunique() == 12
    del result, requests  # what was handed over lives on
    assert one["arrival_ns"].to_pylist() == two["arrival_ns"].to_pylist()
    polars = pytest.importorskip("polars")
    assert short.simulate().summary.to_polars()["p99_ms"].max() > 0
    assert polars.DataFrame(short.simulate().requests).height == len(frame)


def test_plans_can_be_changed_and_simulated(short, tmp_path):
    plan = short.plan("igniter")
    assert plan.gpu_count == len(plan.gpus) and plan.violations == [] and "W1" in repr(plan)
    assert short.simulate(plan=plan).to_dict() == short.simulate("igniter").to_dict()
    plan.save(tmp_path / "plan.json")
    assert short.simulate(plan=tmp_path / "plan.json").summary.to_dict() == short.simulate().summary.to_dict()
    changed = plan.to_dict()
    changed["gpus"][0]["placements"][0]["sm_pct"] = 100
    with pytest.raises(igniter.PlanError) as caught:
        short.simulate(plan=changed)
    assert caught.value.violations and "cannot run" in str(caught.value)
    both = short.compare(["ffd"], plans=[plan])
    assert both.strategies["strategy"] == ["igniter", "ffd"]


def test_refined_plans_take_part(short):
    result = igniter.Scenario("motivating-3").with_(duration_s=2, warmup_s=0.5, cooldown_s=0.5).compare(refine=99)
    assert result.strategies["strategy"] == ["igniter", "ffd", "refined"]


def test_bounds_and_capacity():
    three = igniter.Scenario("motivating-3").with_(duration_s=1.5, warmup_s=0.25, cooldown_s=0.25)
    assert igniter.bound(three).gpus == 1
    (found,) = igniter.capacity(three, ["igniter"], low=1, high=3, precision=0.05, least=2, most=4, keep_plan=True, worst=True)
    assert found.best.met and not found.next.met and found.best.at >= 1
    with pytest.raises(igniter.IgniterError, match="rate, slo, gpus"):
        igniter.capacity(three, find="gpu")
