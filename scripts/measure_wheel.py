#!/usr/bin/env python3
"""Measures what the Python package costs beside the program. Times are the least of several runs.

    scripts/measure_wheel.py target/release/igniter
"""

import gc
import pathlib
import subprocess
import sys
import time

import igniter


def least(work, times=7):
    """The shortest time that work takes, in ms."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        found.append(1e3 * (time.perf_counter() - start))
    return min(found)


def peak():
    """The most memory that this process had since the last reset, in MB."""
    (line,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1e3


def reset_peak():
    gc.collect()
    pathlib.Path("/proc/self/clear_refs").write_text("5")
    return peak()


def python(code):
    return lambda: subprocess.run([sys.executable, "-c", code], check=True)


bare = least(python("pass"), 15)
print(f"import igniter: {least(python('import igniter'), 15) - bare:.1f} ms beyond the interpreter's own {bare:.1f} ms")

program = sys.argv[1]
run = lambda: subprocess.run([program, "compare", "paper-12", "--quiet"], check=True)  # noqa: E731
start_up = least(lambda: subprocess.run([program, "--version"], check=True, stdout=subprocess.DEVNULL))
of_program = least(run)
of_python = least(lambda: igniter.compare("paper-12"))
print(
    f"compare paper-12: {of_python:.1f} ms, the program {of_program:.1f} ms (with {start_up:.1f} ms to start it): "
    f"{of_python / of_program:.3f} times"
)

paper = igniter.Scenario("paper-12")
none = lambda request: [[(workload.name, 1, 100)] for workload in request.workloads]  # noqa: E731
none.name = "none"
study = paper._study()
overhead = min(1e3 * (paper.plan(none).seconds) for _ in range(20))
print(f"a Python strategy that plans 12 workloads without thought: {overhead:.3f} ms")

igniter.simulate("motivating-3").requests.to_pandas()  # pandas and pyarrow are imported
requests = igniter.Scenario("paper-12").with_(duration_s=250).simulate("igniter").requests
rows, before = len(requests), reset_peak()
frame = requests.to_pandas()
rose = peak() - before
data = frame.memory_usage(deep=True).sum() / 1e6
took = least(requests.to_pandas, 5)
print(
    f"{rows} requests to pandas: {took:.0f} ms, {took * 1e6 / rows:.0f} ms for a million; the frame has {data:.0f} MB, "
    f"and the first one raised the peak by {rose:.0f} MB"
)
