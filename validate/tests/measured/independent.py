"""A client that shares nothing with ours: Python's own HTTP library, a thread for each connection.

    python3 independent.py URL MODEL RATE SECONDS constant|poisson

Prints mean and P99 latency in ms, from sending to the whole answer.
"""

import http.client
import json
import queue
import random
import sys
import threading
import time

url, model, rate, seconds, process = sys.argv[1:6]
host = url.split("//")[1]
rate, seconds = float(rate), float(seconds)
body = json.dumps({"inputs": [{"name": "IN", "datatype": "FP32", "shape": [1, 4], "data": [0, 1, 2, 3]}]})
due, latencies = queue.Queue(), []


def work():
    connection = http.client.HTTPConnection(host)
    connection.connect()
    while True:
        if due.get() is None:
            return
        sent = time.perf_counter()
        connection.request("POST", f"/v2/models/{model}/infer", body)
        answer = connection.getresponse()
        answer.read()
        latencies.append((time.perf_counter() - sent) * 1e3)
        if answer.status != 200:
            raise SystemExit(f"status {answer.status}")


workers = [threading.Thread(target=work) for _ in range(16)]
for worker in workers:
    worker.start()
draw = random.Random(7)
at, end = time.perf_counter() + 0.2, time.perf_counter() + 0.2 + seconds
while at < end:
    time.sleep(max(at - time.perf_counter(), 0))
    due.put(at)
    at += 1 / rate if process == "constant" else draw.expovariate(rate)
for worker in workers:
    due.put(None)
for worker in workers:
    worker.join()
latencies.sort()
print(sum(latencies) / len(latencies), latencies[max(-(-99 * len(latencies) // 100) - 1, 0)])
