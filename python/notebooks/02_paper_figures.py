# %% [markdown]
# # Reproduce the paper's figures
# Figures of "iGniter: Interference-Aware GPU Resource Provisioning for Predictable DNN Inference in the Cloud" (Xu et al.,
# IEEE TPDS 2022), from the same profile of a V100. `igniter reproduce` makes all of them; here are the two main ones by hand.

# %%
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

import igniter

STRATEGIES = ["igniter", "gpulets", "ffd", "gslice"]
comparison = igniter.compare("paper-12", STRATEGIES)
comparison.strategies.to_pandas()[["strategy", "gpu_count", "cost_per_hour", "missed"]]

# %% [markdown]
# ## P99 latency of each workload, as a part of its SLO
# Above 1 the SLO is missed. iGniter's bars stay below.

# %%
summary = comparison.summary.to_pandas()
summary["p99_of_slo"] = summary.p99_ms / summary.slo_ms
bars = summary.pivot(index="workload", columns="strategy", values="p99_of_slo")[STRATEGIES]
bars = bars.loc[[f"W{i}" for i in range(1, 13)]]
figure, axes = plt.subplots(figsize=(9, 3.5))
bars.plot.bar(ax=axes, logy=True, width=0.8)
axes.axhline(1, color="black", linewidth=0.8)
axes.set_ylabel("P99 / SLO")
figure

# %%
assert (bars["igniter"] <= 1).all(), "iGniter keeps every SLO"
assert (bars[["ffd", "gpulets"]] > 1).any().all(), "FFD+ and gpu-lets miss some"

# %% [markdown]
# ## Cost

# %%
strategies = comparison.strategies
figure, axes = plt.subplots(figsize=(5, 3))
axes.bar(strategies["strategy"], strategies["cost_per_hour"])
axes.set_ylabel("US $/h")
figure

# %% [markdown]
# ## How well is latency predicted?
# Four models share a GPU; each is slower than alone by what the model says.

# %%
members = [("alexnet", 8, 25), ("resnet50", 8, 25), ("vgg19", 4, 25), ("ssd", 2, 25)]
together = igniter.predict(members)
for (model, batch, share), prediction in zip(members, together.members):
    alone = igniter.predict([(model, batch, share)]).members[0]
    print(f"{model:>9}: alone {alone.latency_ms:6.2f} ms, together {prediction.latency_ms:6.2f} ms")
