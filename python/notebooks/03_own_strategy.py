# %% [markdown]
# # Write your own placement strategy
# A strategy gets the workloads and a GPU kind, may ask the predictor, and answers with a plan: a list of GPUs, each a list
# of `(workload, batch, SM percent)`. Shares are multiples of `request.kind.unit_pct`.

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
# keeps up with the rate, and first fit: a workload goes to the first GPU on which all members still meet theirs. The scenario may
# ask for a margin and for headroom; a strategy that ignores them is compared with others that give more.

# %%
class FirstFit(igniter.Strategy):
    """First fit that looks at interference. It keeps nothing between calls: a sweep asks it from several threads at once."""

    name = "first-fit"

    def plan(self, request):
        seats = [least(request, workload) for workload in request.workloads]
        gpus = []
        for seat in sorted(seats, key=lambda seat: -seat[2]):
            for gpu in gpus:
                if fits(request, gpu + [seat]):
                    gpu.append(seat)
                    break
            else:
                gpus.append([seat])
        return gpus


def least(request, workload):
    """The seat of a workload alone: the smallest share that is enough, with a little for neighbours."""
    kind = request.kind
    for units in range(1, kind.units + 1):
        for batch in range(1, kind.models[workload.model].max_batch + 1):
            if fits(request, [(workload.name, batch, units * kind.unit_pct)]):
                return (workload.name, batch, min(100.0, (units + 2) * kind.unit_pct))
    raise ValueError(f"{workload.name} fits on no GPU")


def fits(request, seats):
    """Whether everybody on a GPU meets half of its SLO, and keeps up with its rate, with what the scenario asks for beyond."""
    if sum(share for _, _, share in seats) > 100:
        return False
    rate = 1 + request.options["headroom_pct"] / 100
    budget = 0.5 * (1 - request.options["margin_pct"] / 100)
    workloads = {workload.name: workload for workload in request.workloads}
    for (name, _, _), prediction in zip(seats, request.predict(seats).members):
        workload = workloads[name]
        if prediction.latency_ms > workload.slo_ms * budget or prediction.throughput_rps < workload.rate_rps * rate:
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
def all_on_one(request):
    return [[(workload.name, 8, 50) for workload in request.workloads]]


try:
    paper.simulate(all_on_one)
except igniter.PlanError as error:
    print(error)

# %% [markdown]
# ## Does it hold elsewhere?
# Your strategy takes part in sweeps, capacity searches and studies of the predictor as the built-in ones do.

# %%
short = paper.with_(duration_s=4, warmup_s=1, cooldown_s=1)
axes = {"rate_scale": [0.6, 0.8], "plan.headroom_pct": [0, 25]}
swept = igniter.sweep(short, axes, strategies=[FirstFit(), "igniter"], progress=False)
swept.points.to_pandas()[["strategy", "rate_scale", "plan.headroom_pct", "gpu_count", "attainment_pct"]]

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
