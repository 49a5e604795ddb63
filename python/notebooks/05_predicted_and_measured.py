# %% [markdown]
# # Predicted against measured
# How far are predictions from measurements of co-located models? `igniter.accuracy` compares them with a CSV file of runs:
# `run,member,model,batch,sm_pct,latency_ms`. The numbers below are made up for this page: replace them by your own.

# %%
import pathlib
import random
import tempfile

import igniter

folder = pathlib.Path(tempfile.mkdtemp())
random.seed(1)
lines = ["run,member,model,batch,sm_pct,latency_ms"]
for run in range(12):
    members = [(model, random.choice([1, 2, 4, 8]), 50) for model in random.sample(["alexnet", "resnet50", "vgg19", "ssd"], 2)]
    for place, (member, prediction) in enumerate(zip(members, igniter.predict(members).members)):
        model, batch, share = member
        lines.append(f"{run},{place},{model},{batch},{share},{prediction.latency_ms * random.gauss(1.02, 0.05):.4f}")
measured = folder / "colocated.csv"
measured.write_text("\n".join(lines) + "\n")

# %%
accuracy = igniter.accuracy(measured)
accuracy

# %%
points = accuracy.points.to_pandas()
points[["run", "model", "batch", "predicted_ms", "measured_ms", "error_pct"]].head()

# %%
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

figure, axes = plt.subplots(figsize=(4, 4))
for model, group in points.groupby("model"):
    axes.scatter(group.measured_ms, group.predicted_ms, label=model)
axes.axline((0, 0), slope=1, color="black", linewidth=0.8)
axes.set_xlabel("measured (ms)")
axes.set_ylabel("predicted (ms)")
axes.legend()
figure

# %% [markdown]
# ## Each predictor

# %%
for predictor in igniter.PREDICTORS:
    report = igniter.accuracy(measured, predictor=predictor).report
    print(f"{predictor:>12}: mean |error| {report['mape_pct']:6.2f} %, bias {report['bias_pct']:+6.2f} %")

# %% [markdown]
# ## What if the GPU is off its prediction?
# A plan that holds with the predictor may not hold on the GPU. Draw an error of each model from the uncertainty of the
# predictor, and look whether the SLOs still hold.

# %%
paper = igniter.Scenario("paper-12").with_(duration_s=10)
missed = [
    paper.simulate("igniter", truth="contention", prediction_error=True, seed=seed).strategies["missed"][0]
    for seed in range(1, 4)
]
print("SLOs missed of 12, by seed:", missed)
