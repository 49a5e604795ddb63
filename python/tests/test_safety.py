import gc
import multiprocessing
import os
import subprocess
import sys

import pytest

import igniter
from igniter import _igniter


def test_a_fork_has_threads_of_its_own(short):
    short.compare()  # the parent's threads run now
    with multiprocessing.get_context("fork").Pool(2) as pool:
        results = pool.map(_compare, [short] * 2)
    assert results == [short.compare().to_dict()] * 2


def _compare(scenario):
    return scenario.compare().to_dict()


def test_a_strategy_may_simulate(short):
    def trying(request):
        """Calls back while it holds a thread of the pool."""
        best = min(("ffd", "igniter"), key=lambda name: short.simulate(name, threads=1).plan.gpu_count)
        return short.plan(best)

    result = short.compare([trying, "igniter", "ffd"], threads=1)
    assert result.strategies["gpu_count"][0] == min(result.strategies["gpu_count"][1:])


def test_a_panic_is_an_exception(short):
    for _ in range(100):
        with pytest.raises(igniter.InternalError, match="a bug of igniter: lost my way"):
            _igniter.panic_at_work("lost my way")
    assert short.compare().to_dict()["strategies"]  # and nothing is broken afterwards


def test_ctrl_c_ends_a_long_run():
    code = (
        "import igniter, signal, threading, time\n"
        "threading.Timer(0.5, signal.raise_signal, [signal.SIGINT]).start()\n"
        "start = time.monotonic()\n"
        "try:\n"
        "    igniter.simulate(igniter.Scenario('paper-12-poisson').with_(duration_s=36000))\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted', time.monotonic() - start < 30, flush=True)\n"
        "    import os; os._exit(0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert done.stdout == "interrupted True\n", done.stderr


def test_memory_stays_flat(short):
    quick = short.with_(duration_s=0.75, warmup_s=0.1, cooldown_s=0.1)
    resident = lambda: int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")  # noqa: E731

    def run(times):
        for _ in range(times):
            result = quick.simulate("igniter")
            len(result.requests)
            del result
        gc.collect()
        return resident()

    run(30)
    before = run(30)
    after = run(200)
    assert after - before < 20e6, f"{before} bytes became {after}"


def test_the_programs_come_along(tmp_path):
    for name in ("igniter", "validate"):
        program = os.path.join(os.path.dirname(sys.executable), name)
        if not os.path.exists(program):
            pytest.skip("the package was not installed by pip")
        version = subprocess.run([program, "--version"], capture_output=True, text=True)
        assert version.returncode == 0 and version.stdout.startswith(f"{name} {igniter.__version__}")
        wrong = subprocess.run([program, "--no-such-flag"], capture_output=True, text=True)
        assert wrong.returncode == 2 and "--no-such-flag" in wrong.stderr


def test_exit_codes_and_pipes_are_those_of_the_program(tmp_path):
    run = lambda *arguments, **options: subprocess.run(  # noqa: E731
        [sys.executable, "-m", "igniter", *arguments], capture_output=True, text=True, **options
    )
    assert run("plan", "motivating-3").returncode == 0
    assert run("plan", "nowhere.toml").returncode == 2
    piped = subprocess.run(
        f"{sys.executable} -m igniter schema | head -1", shell=True, capture_output=True, text=True
    )
    assert piped.stdout == "{\n" and piped.stderr == ""
    long = subprocess.Popen(
        [sys.executable, "-m", "igniter", "simulate", "paper-12-poisson", "--set", "duration_s=36000", "--quiet"],
        stderr=subprocess.PIPE,
    )
    import signal
    import time

    time.sleep(1.5)
    long.send_signal(signal.SIGINT)
    _, said = long.communicate(timeout=30)
    assert long.returncode == 130 and b"interrupted" in said


def test_stubs_name_what_there_is():
    import ast
    import pathlib

    from igniter import _igniter

    stub = ast.parse(pathlib.Path(igniter.__file__).with_name("_igniter.pyi").read_text())
    for node in stub.body:
        if isinstance(node, ast.FunctionDef):
            assert hasattr(_igniter, node.name), node.name
        if isinstance(node, ast.ClassDef):
            members = {n.name for n in node.body if isinstance(n, ast.FunctionDef)}
            real = getattr(_igniter, node.name)
            missing = {name for name in members if not hasattr(real, name)}
            assert not missing, (node.name, missing)
            public = {name for name in vars(real) if not name.startswith("_")} - members
            assert public <= {"tables"}, (node.name, public)
