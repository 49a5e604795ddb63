# %% [markdown]
# # Your trace, your GPU
# A scenario replays request traces and plans on GPU kinds that you measured.

# %%
import pathlib
import tempfile

import igniter

folder = pathlib.Path(tempfile.mkdtemp())

# %% [markdown]
# ## A trace
# Any of the formats that `igniter trace` reads; here a CSV with times in seconds. A burst comes every five seconds.

# %%
times = []
for second in range(20):
    rate = 900 if second % 5 == 0 else 300
    times += [second + i / rate for i in range(rate)]
trace = folder / "mine.csv"
trace.write_text("time_s\n" + "".join(f"{time:.6f}\n" for time in times))
igniter.read_trace(trace)

# %%
scenario = igniter.Scenario(
    name="mine",
    duration_s=20,
    gpu="v100",
    workloads=[
        dict(name="bursty", model="alexnet", slo_ms=25, rate_rps=len(times) / 20, arrival=dict(process="trace", path=str(trace))),
        dict(name="steady", model="resnet50", slo_ms=40, rate_rps=300, arrival=dict(process="poisson")),
    ],
)
comparison = scenario.compare(["igniter", "queueing"])
comparison

# %%
assert len(scenario.arrivals("bursty")) == len(times)
comparison.table("arrivals").to_pandas()[["strategy", "workload", "requests", "rate_rps", "peak_rps"]]

# %% [markdown]
# ## A GPU
# `igniter.GPU_KINDS` come with the package. Your own is a folder that `validate profile` measured (`docs/add-your-gpu.md`);
# whatever takes a profile takes its path. Its coefficients can be fitted once and kept in a file.

# %%
print(igniter.GPU_KINDS)
kind = igniter.profile("v100")
kind.solo.to_pandas().head()

# %%
coefficients = igniter.fit("v100", "contention")
file = coefficients.save(folder / "mine.json")
scenario.compare(["igniter"], profile=file)
