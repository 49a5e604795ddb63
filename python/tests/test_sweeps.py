import concurrent.futures
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time

import pytest

import igniter
from test_own import Broken, Pairs

AXES = {"rate_scale": igniter.span(0.4, 1.0, 0.2), "plan.headroom_pct": [0, 10]}
TABLES = ("rows.csv", "rows.parquet", "points.csv")


def tables(folder):
    return {name: (pathlib.Path(folder) / name).read_bytes() for name in TABLES}


@pytest.fixture(scope="module")
def scenario():
    return igniter.Scenario("paper-12-poisson").with_(duration_s=1.5, warmup_s=0.25, cooldown_s=0.25)


@pytest.fixture(scope="module")
def alone(scenario, tmp_path_factory):
    """The tables of one thread here."""
    out = tmp_path_factory.mktemp("alone") / "out"
    igniter.sweep(scenario, AXES, strategies=["igniter", Pairs()], seeds=2, threads=1, progress=False, output=out)
    return tables(out)


def test_the_program_writes_the_same_bytes(scenario, tmp_path):
    (tmp_path / "short.toml").write_text(scenario.to_toml())
    (tmp_path / "sweep.toml").write_text(
        'version = 1\nscenario = "short.toml"\nstrategies = ["igniter", "gslice"]\n[seeds]\ncount = 2\n'
        '[[axis]]\npath = "rate_scale"\nrange = { from = 0.4, to = 1.0, step = 0.2 }\n'
        '[[axis]]\npath = "plan.headroom_pct"\nvalues = [0, 10]\n'
    )
    command = [sys.executable, "-m", "igniter", "sweep", tmp_path / "sweep.toml", "-o", tmp_path / "program", "--quiet"]
    subprocess.run(command, check=True)
    result = igniter.sweep(
        scenario, AXES, strategies=["igniter", "gslice"], seeds=2, progress=False, output=tmp_path / "python"
    )
    assert tables(tmp_path / "program") == tables(tmp_path / "python")
    igniter.sweep_file(tmp_path / "sweep.toml", output=tmp_path / "file", progress=False)
    assert tables(tmp_path / "file") == tables(tmp_path / "python")
    assert igniter.read_sweep(tmp_path / "program").rows.to_dict() == result.rows.to_dict()
    assert result.outcome["points"] == 8 and "8 points" in repr(result)
    figure = result.plot("attainment", x="rate_scale", log=True, format="pdf")
    assert [pathlib.Path(file).suffix for file in figure.files] == [".svg", ".png", ".pdf"]
    assert figure._repr_svg_() == pathlib.Path(figure.files[0]).read_text() and "<img" in figure._repr_html_()
    assert figure.png() == pathlib.Path(figure.files[1]).read_bytes()


def test_any_number_of_threads_gives_the_same_bytes(scenario, alone, tmp_path):
    igniter.sweep(scenario, AXES, strategies=["igniter", Pairs()], seeds=2, threads=3, progress=False, output=tmp_path / "o")
    assert tables(tmp_path / "o") == alone


def test_an_executor_gives_the_same_bytes(scenario, alone, tmp_path):
    for name, executor, shards in [
        ("threads", concurrent.futures.ThreadPoolExecutor(2), 3),
        ("processes", concurrent.futures.ProcessPoolExecutor(2), None),
    ]:
        with executor:
            igniter.sweep(
                scenario, AXES, strategies=["igniter", Pairs()], seeds=2, progress=False,
                output=tmp_path / name, executor=executor, shards=shards,
            )
        assert tables(tmp_path / name) == alone


class Losing(concurrent.futures.Executor):
    """Loses the first workers."""

    def __init__(self, lost):
        self.lost, self.begun, self._max_workers = lost, 0, 1
        self.pool = concurrent.futures.ThreadPoolExecutor(1)

    def submit(self, task, *arguments):
        self.begun += 1
        if self.begun <= self.lost:
            future = concurrent.futures.Future()
            future.set_exception(OSError("connection reset"))
            return future
        return self.pool.submit(task, *arguments)


@pytest.mark.parametrize("lost", [1, 4, 1000])
def test_a_lost_shard_is_done_again(scenario, alone, tmp_path, lost):
    executor = Losing(lost)
    with pytest.warns(UserWarning, match="was lost"):
        igniter.sweep(
            scenario, AXES, strategies=["igniter", Pairs()], seeds=2, progress=False,
            output=tmp_path / "o", executor=executor, shards=3,
        )
    assert tables(tmp_path / "o") == alone


def test_a_broken_pool_does_not_end_the_sweep(scenario, alone, tmp_path):
    pool = concurrent.futures.ProcessPoolExecutor(1)
    pool.submit(os._exit, 1)
    time.sleep(0.5)
    with pytest.warns(UserWarning):
        igniter.sweep(
            scenario, AXES, strategies=["igniter", Pairs()], seeds=2, progress=False,
            output=tmp_path / "o", executor=pool, shards=2,
        )
    assert tables(tmp_path / "o") == alone


def test_finished_shards_are_not_done_again(scenario, alone, tmp_path):
    done = []

    class Counting(concurrent.futures.ThreadPoolExecutor):
        def submit(self, task, *arguments):
            done.append(arguments[1])
            if len(done) == 3:
                raise KeyboardInterrupt
            return super().submit(task, *arguments)

    options = dict(strategies=["igniter", Pairs()], seeds=2, progress=False, output=tmp_path / "o", shards=4)
    with pytest.raises(KeyboardInterrupt), Counting(1) as executor:
        # The third task is never handed out; those before it come back while the executor ends.
        igniter.sweep(scenario, AXES, executor=executor, **options)
    with Counting(1) as executor:
        done[:] = [None] * 10
        igniter.sweep(scenario, AXES, executor=executor, resume=True, **options)
        assert tables(tmp_path / "o") == alone
        done[:] = [None] * 10
        igniter.sweep(scenario, AXES, executor=executor, resume=True, **options)
        assert done == [None] * 10, "all shards were there"
        with pytest.raises(FileExistsError, match="resume=True"):
            igniter.sweep(scenario, AXES, executor=executor, **options)


def test_exceptions_of_shards_arrive(scenario):
    with concurrent.futures.ProcessPoolExecutor(1) as executor:
        with pytest.raises(LookupError, match="no idea") as caught:
            igniter.sweep(scenario, AXES, strategies=[Broken()], progress=False, executor=executor, shards=2)
    assert "in shard" in str(caught.value.__cause__) and "in plan" in str(caught.value.__cause__)


def test_a_dask_cluster_that_loses_a_worker(scenario, alone, tmp_path):
    distributed = pytest.importorskip("distributed")
    options = dict(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50)
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:
        workers = client.run(os.getpid)
        # One dies as soon as the first shard is back.
        def kill(done, points, failed):
            if done and workers:
                os.kill(workers.popitem()[1], signal.SIGKILL)
                workers.clear()

        igniter.sweep(
            scenario, AXES, strategies=["igniter", Pairs()], seeds=2, progress=kill,
            output=tmp_path / "o", executor=client.get_executor(), shards=6,
        )
        assert not workers, "a worker was killed"
    assert tables(tmp_path / "o") == alone


def test_progress_is_told(scenario):
    told = []
    igniter.sweep(scenario, {"rate_scale": [0.4, 0.6]}, progress=lambda *now: told.append(now))
    assert told[0] == (0, 2, 0) and told[-1] == (2, 2, 0)

    def stop(*now):
        raise StopIteration("enough")

    with pytest.raises(StopIteration, match="enough"):
        igniter.sweep(scenario, {"rate_scale": [0.4, 0.6]}, progress=stop)


def test_an_interrupted_sweep_is_continued(scenario, tmp_path):
    out = tmp_path / "o"
    axes = {"rate_scale": igniter.span(0.1, 1.0, 0.01)}

    def interrupt(done, points, failed):
        if done >= 3:
            signal.raise_signal(signal.SIGINT)

    # Where tests run in the background of a shell, Ctrl-C is ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            igniter.sweep(scenario, axes, strategies=["igniter"], progress=interrupt, output=out, threads=1)
    finally:
        signal.signal(signal.SIGINT, before)
    assert not (out / "rows.csv").exists()
    time.sleep(1)
    told = []
    result = igniter.sweep(
        scenario, axes, strategies=["igniter"], progress=lambda *now: told.append(now), output=out, resume=True
    )
    assert told[0][0] >= 3, "what was done is not done again"
    assert result.outcome["points"] == 91


def test_mistakes_are_told_before_anything_runs(scenario):
    with pytest.raises(igniter.SweepError) as caught:
        igniter.sweep(scenario, {"workload.W99.slo_ms": [1]})
    assert "W99" in str(caught.value)
    with pytest.raises(igniter.SweepError, match="^axis.*values") as caught:
        igniter.sweep(scenario, {"rate_scale": []})
    assert [problem.line for problem in caught.value.problems] == [0], "nobody wrote a line"
    with pytest.raises(ValueError, match="consecutive"):
        igniter.sweep(scenario, {"rate_scale": [1]}, seeds=[1, 3])


def test_a_sweep_leaves_the_interpreter_to_others(scenario):
    ticks = []
    stop = threading.Event()

    def tick():
        while not stop.wait(0.002):
            ticks.append(time.monotonic())

    ticker = threading.Thread(target=tick)
    ticker.start()
    igniter.sweep(scenario, AXES, strategies=["igniter", "ffd"], seeds=2, progress=False)
    stop.set()
    ticker.join()
    assert len(ticks) > 3
