# %% [markdown]
# # Write your own placement strategy
# A strategy gets the workloads and a GPU kind, may ask the predictor, and answers with a plan: a list of GPUs, each a list
# of `(workload, batch, SM percent)`.

# %%
import igniter

paper = igniter.Scenario("paper-12")

# %% [markdown]
# ## A first try: two workloads on each GPU

# %%
class Pairs(igniter.Strategy):
    name = "pairs"

    def plan(self, request):
        names = [workload.name for workload in request.workloads]
        return [[(name, 8, 50) for name in names[i : i + 2]] for i in range(0, len(names), 2)]


paper.compare([Pairs(), "igniter"])

# %% [markdown]
# ## Ask the predictor
# The smallest share with which a workload meets half of its SLO alone (the other half is for waiting), the smallest batch that
# keeps up with the rate, and first fit: a workload goes to the first GPU on which all members still meet theirs.

# %%
class FirstFit(igniter.Strategy):
    """First fit that looks at interference."""

    name = "first-fit"

    def plan(self, request):
        self.request = request
        self.needs = {workload.name: workload for workload in request.workloads}
        gpus = []
        for workload in sorted(request.workloads, key=lambda w: -self.least(w)[2]):
            seat = self.least(workload)
            for gpu in gpus:
                if self.fits(gpu + [seat]):
                    gpu.append(seat)
                    break
            else:
                gpus.append([seat])
        return gpus

    def least(self, workload):
        """The seat of a workload alone: the smallest share that is enough, with a little for neighbours."""
        kind = self.request.kind
        for units in range(1, kind.units + 1):
            for batch in (1, 2, 4, 8, 16, 32):
                seat = (workload.name, batch, units * kind.unit_pct)
                if self.fits([seat]):
                    return (workload.name, batch, min(100.0, (units + 2) * kind.unit_pct))
        raise ValueError(f"{workload.name} fits on no GPU")

    def fits(self, seats):
        if sum(share for _, _, share in seats) > 100:
            return False
        for (name, _, _), prediction in zip(seats, self.request.predict(seats).members):
            workload = self.needs[name]
            if prediction.latency_ms > workload.slo_ms / 2 or prediction.throughput_rps < workload.rate_rps:
                return False
        return True


comparison = paper.compare([FirstFit(), Pairs(), "igniter"])
comparison

# %%
comparison.plans["first-fit"]

# %%
misses = dict(zip(comparison.strategies["strategy"], comparison.strategies["missed"]))
assert misses["first-fit"] <= misses["pairs"], "asking the predictor pays"

# %% [markdown]
# A plan is checked as those of all strategies are. One that cannot run is refused, with the reason.

# %%
def greedy(request):
    return [[(workload.name, 8, 50) for workload in request.workloads]]


try:
    paper.simulate(greedy)
except igniter.PlanError as error:
    print(error)

# %% [markdown]
# ## Does it hold elsewhere?
# Your strategy takes part in sweeps, capacity searches and studies of the predictor as the built-in ones do.

# %%
swept = igniter.sweep(
    paper.with_(duration_s=4), {"rate_scale": [0.6, 0.8, 1.0]}, strategies=[FirstFit(), "igniter"], progress=False
)
swept.points.to_pandas()[["strategy", "rate_scale", "gpu_count", "attainment_pct"]]

# %% [markdown]
# ## Your own predictor
# What if neighbours slow each other down more than the fitted model says?

# %%
class Crowded(igniter.Predictor):
    name = "crowded"

    def predict(self, members):
        slower = 1 + 0.05 * (len(members) - 1)
        return [member.slowed(slower) for member in members.base.members]


paper.compare(["igniter", FirstFit()], truth=Crowded())
