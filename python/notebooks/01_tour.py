# %% [markdown]
# # A tour in ten minutes
# Twelve DNN inference workloads, each with a latency SLO, are to share GPUs. Which strategy needs the fewest GPUs and keeps
# the SLOs? The scenario is that of the iGniter paper; it comes with the package.

# %%
import igniter

paper = igniter.Scenario("paper-12")
paper

# %% [markdown]
# ## Compare strategies
# Every strategy plans the same workloads and then gets the same requests, in a simulation of NVIDIA Triton servers under MPS.

# %%
comparison = paper.compare(["igniter", "ffd", "gslice", "gpulets"])
comparison

# %% [markdown]
# A row for each strategy and workload. Tables go to pandas, Polars, DuckDB and pyarrow without copying.

# %%
summary = comparison.summary.to_pandas()
summary[["strategy", "workload", "p99_ms", "slo_ms", "verdict"]].head(12)

# %%
comparison.plot("p99")

# %% [markdown]
# ## A plan
# Which workload runs where, in what batches, with which share of the SMs.

# %%
plan = paper.plan("igniter")
plan

# %% [markdown]
# No plan can use fewer GPUs than this, and why:

# %%
print(igniter.bound(paper))

# %% [markdown]
# ## What does the performance model say?
# VGG-19 alone, and beside SSD:

# %%
alone = igniter.predict([("vgg19", 4, 50)])
beside = igniter.predict([("vgg19", 4, 50), ("ssd", 4, 50)])
print(f"alone {alone.members[0].latency_ms:.2f} ms, beside SSD {beside.members[0].latency_ms:.2f} ms")
assert beside.members[0].latency_ms > alone.members[0].latency_ms

# %% [markdown]
# ## Every request

# %%
run = paper.simulate(plan=plan)
requests = run.requests.to_pandas()
requests["latency_ms"] = requests.latency_ns / 1e6
requests.groupby("workload", observed=True).latency_ms.describe(percentiles=[0.5, 0.99]).round(2)

# %% [markdown]
# ## Change the scenario
# Requests that come at random times need more room than evenly spaced ones.

# %%
random = paper.with_(arrival={"process": "poisson"}, duration_s=20)
random.compare(["igniter", "queueing"])

# %% [markdown]
# ## Many points
# Each point of a sweep has intervals over its seeds.

# %%
swept = igniter.sweep(
    paper.with_(duration_s=5), {"rate_scale": igniter.span(0.6, 1.2, 0.2)}, strategies=["igniter", "ffd"], seeds=2
)
swept.points.to_pandas()[["strategy", "rate_scale", "gpu_count", "attainment_pct"]]
