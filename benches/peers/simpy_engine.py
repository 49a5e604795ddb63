"""The workloads of the peers benchmark in SimPy, in the leanest way that its interface offers: callbacks on timeouts, no processes.

    simpy_engine.py {alone|sharing} < arrivals.json

The arrivals of each stream, in ns, come on stdin; the outcome goes to stdout.
"""

import collections
import json
import sys
import time

import simpy

RATES = [1200, 400, 300, 150, 400, 600, 400, 50, 800, 200, 200, 300]
MAX_BATCH = 8
FIXED_S = 0.001
SLOWDOWN = 0.05


def alone(env, rate, arrivals, latencies):
    """A stream with its queue and a server that nobody slows."""
    waiting = collections.deque()
    service = [FIXED_S + 0.8 / rate * batch for batch in range(MAX_BATCH + 1)]
    coming = iter(arrivals)
    batch = []
    timeout = env.timeout

    def start():
        for _ in range(min(len(waiting), MAX_BATCH)):
            batch.append(waiting.popleft())
        timeout(service[len(batch)]).callbacks.append(end)

    def end(_):
        now = env.now
        for arrival in batch:
            latencies.append(now - arrival)
        batch.clear()
        if waiting:
            start()

    def arrive(event):
        waiting.append(event.value)
        if not batch:
            start()
        await_next()

    def await_next():
        arrival = next(coming, None)
        if arrival is not None:
            timeout(arrival - env.now, arrival).callbacks.append(arrive)

    await_next()


def sharing(env, rates, arrivals, latencies):
    """A GPU whose servers slow each other. One timeout for the first end; those that are overtaken are ignored."""
    servers = range(len(rates))
    waiting = [collections.deque() for _ in servers]
    batches = [[] for _ in servers]
    ends = [float("inf")] * len(rates)
    service = [[FIXED_S + 0.7 / rate * batch for batch in range(MAX_BATCH + 1)] for rate in rates]
    coming = [iter(own) for own in arrivals]
    slowdown = [1.0] + [1 + SLOWDOWN * busy for busy in servers]
    timeout = env.timeout
    valid = None
    busy = 0

    def start(server, now):
        nonlocal busy
        busy += 1
        batch, queue = batches[server], waiting[server]
        for _ in range(min(len(queue), MAX_BATCH)):
            batch.append(queue.popleft())
        ends[server] = now + service[server][len(batch)] * slowdown[busy]

    def changed(before, but, now):
        nonlocal valid
        if before != busy:
            ratio = slowdown[busy] / slowdown[before]
            for server in servers:
                if server != but and batches[server]:
                    ends[server] = now + (ends[server] - now) * ratio
        first = min(ends)
        if first == float("inf"):
            valid = None
        else:
            valid = timeout(max(first - now, 0.0))
            valid.callbacks.append(end)

    def end(event):
        nonlocal busy
        if event is not valid:
            return
        now, before = env.now, busy
        server = ends.index(min(ends))
        for arrival in batches[server]:
            latencies.append(now - arrival)
        batches[server].clear()
        ends[server] = float("inf")
        busy -= 1
        if waiting[server]:
            start(server, now)
        changed(before, server, now)

    def arrive(event):
        server, arrival = event.value
        waiting[server].append(arrival)
        if not batches[server]:
            before = busy
            start(server, env.now)
            changed(before, server, env.now)
        await_next(server)

    def await_next(server):
        arrival = next(coming[server], None)
        if arrival is not None:
            timeout(arrival - env.now, (server, arrival)).callbacks.append(arrive)

    for server in servers:
        await_next(server)


def main():
    streams = [[ns / 1e9 for ns in stream] for stream in json.load(sys.stdin)]
    env = simpy.Environment()
    latencies = []
    if sys.argv[1] == "sharing":
        for first in range(0, len(RATES), 4):
            sharing(env, RATES[first : first + 4], streams[first : first + 4], latencies)
    else:
        for rate, arrivals in zip(RATES, streams):
            alone(env, rate, arrivals, latencies)
    start = time.process_time()
    env.run()
    seconds = time.process_time() - start
    latencies.sort()
    count = len(latencies)
    outcome = {
        "name": "SimPy",
        "requests": count,
        "mean_ms": sum(latencies) / count * 1e3,
        "p99_ms": latencies[-(-99 * count // 100) - 1] * 1e3,
        "ns_per_request": seconds / count * 1e9,
    }
    print(json.dumps(outcome))


if __name__ == "__main__":
    main()
