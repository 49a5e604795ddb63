"""The workload of the peers benchmark in SimPy; the arrivals of each stream, in ns, come on stdin."""

import collections
import json
import sys
import time

import simpy

RATES = [1200, 400, 300, 150, 400, 600, 400, 50, 800, 200, 200, 300]
MAX_BATCH = 8


def source(env, arrivals, waiting, server):
    for arrival in arrivals:
        yield env.timeout(arrival - env.now)
        waiting.append(env.now)
        if server["idle"] is not None:
            server["idle"].succeed()
            server["idle"] = None


def serve(env, rate, waiting, server, latencies):
    while True:
        if not waiting:
            server["idle"] = env.event()
            yield server["idle"]
        batch = [waiting.popleft() for _ in range(min(len(waiting), MAX_BATCH))]
        yield env.timeout(0.001 + 0.8 / rate * len(batch))
        now = env.now
        latencies.extend(now - arrival for arrival in batch)


def main():
    streams = [[ns / 1e9 for ns in stream] for stream in json.load(sys.stdin)]
    env = simpy.Environment()
    latencies = []
    for rate, arrivals in zip(RATES, streams):
        waiting, server = collections.deque(), {"idle": None}
        env.process(source(env, arrivals, waiting, server))
        env.process(serve(env, rate, waiting, server, latencies))
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
