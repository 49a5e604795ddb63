#!/usr/bin/env python3
"""Queue policies on a real Triton server, and what the rules of its batcher say of the same arrivals.

    scripts/setup_triton.sh                               once: the server, for the CPU
    sudo scripts/triton_policies.py --real-time           a host whose threads are in time
    scripts/triton_policies.py                            this host as it is

Five policies at three loads of Poisson arrivals each, on a Python-backend model whose execution times are a table. A
row says for each arm how many requests failed, and the mean and P99 of the others. With --real-time the server runs
at real-time priority (SCHED_RR, which needs root): no thread of it waits for a processor, so no wake-up is lost.
`lost` is the share of the batches that were waited for although an instance was free: how often the server's batcher
slept through the end of the batch before (with a queue delay, waits for a batch to fill count as well). --check fails where the shares of failed requests differ by more than three
points or the means by more than 5 %, which only --real-time can promise.

Traces are off: Triton 24.10 crashes when a traced request times out. The model writes down its batches itself.
"""
import argparse
import ctypes
import heapq
import math
import os
import random
import selectors
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TABLE_MS = [12.0, 15.0, 18.0, 22.0, 26.0, 30.0, 35.0, 40.0]
CAPACITY_RPS = 200.0
LOADS = (0.6, 0.9, 1.1)
TICK = 500_000_000  # ns
PR_SET_TIMERSLACK = 29
# name: max_queue_size, timeout in ms, action, instances, queue delay in ms
POLICIES = {
    "queue 4": (4, 0, "REJECT", 1, 0),
    "timeout 30 ms, reject": (0, 30, "REJECT", 1, 0),
    "timeout 30 ms, delay": (0, 30, "DELAY", 1, 0),
    "queue 6, timeout 60 ms, 2 instances": (6, 60, "REJECT", 2, 0),
    "queue 16, queue delay 10 ms": (16, 0, "REJECT", 1, 10),
}

MODEL = '''
import ctypes, json, os, time
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])["parameters"]
        self.seconds = [float(ms) / 1e3 for ms in config["table_ms"]["string_value"].split(",")]
        name = args["model_instance_name"] + ".batches"
        self.log = open(os.path.join(config["log"]["string_value"], name), "w")
        ctypes.CDLL(None).prctl(29, 1, 0, 0, 0)

    def execute(self, requests):
        begin = time.monotonic_ns()
        end = time.perf_counter() + self.seconds[len(requests) - 1]
        inputs = [pb_utils.get_input_tensor_by_name(r, "IN").as_numpy() for r in requests]
        responses = [pb_utils.InferenceResponse([pb_utils.Tensor("OUT", x + 1)]) for x in inputs]
        time.sleep(max(0, end - time.perf_counter() - 0.0003))
        while time.perf_counter() < end:
            pass
        numbers = " ".join(str(int(x[0][0])) for x in inputs)
        self.log.write("%d %d %s\\n" % (begin, time.monotonic_ns(), numbers))
        self.log.flush()
        return responses
'''


class Server:
    """A Triton server with one model; it ends with this object's `stop`."""

    def __init__(self, policy, real_time):
        queue, timeout_ms, action, instances, delay_ms = policy
        self.folder = tempfile.mkdtemp()
        model = f"{self.folder}/models/m"
        os.makedirs(f"{model}/1")
        with open(f"{model}/1/model.py", "w", encoding="ascii") as file:
            file.write(MODEL)
        with open(f"{model}/config.pbtxt", "w", encoding="ascii") as file:
            file.write(f'''name: "m" backend: "python" max_batch_size: {len(TABLE_MS)}
input [{{ name: "IN", data_type: TYPE_FP32, dims: [4] }}]
output [{{ name: "OUT", data_type: TYPE_FP32, dims: [4] }}]
instance_group [{{ count: {instances}, kind: KIND_CPU }}]
dynamic_batching {{ max_queue_delay_microseconds: {delay_ms * 1000} default_queue_policy {{
    max_queue_size: {queue} default_timeout_microseconds: {timeout_ms * 1000} timeout_action: {action} }} }}
parameters {{ key: "table_ms", value: {{ string_value: "{",".join(map(str, TABLE_MS))}" }} }}
parameters {{ key: "log", value: {{ string_value: "{self.folder}" }} }}
''')
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = open(f"{self.folder}/log", "w", encoding="utf-8")
        command = [f"{ROOT}/.triton/tritonserver", f"--model-repository={self.folder}/models",
                   "--http-address=127.0.0.1", f"--http-port={self.port}", "--allow-grpc=false",
                   "--allow-metrics=false", "--disable-auto-complete-config", "--exit-timeout-secs=5"]
        before = ["chrt", "--rr", "20"] if real_time else []
        self.process = subprocess.Popen(before + command, stdout=self.log, stderr=self.log)
        for _ in range(900):
            try:
                with socket.create_connection(("127.0.0.1", self.port), 5) as ask:
                    ask.sendall(b"GET /v2/health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                    if b" 200 " in ask.recv(64):
                        return
            except OSError:
                pass
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.stop()
        raise SystemExit("the server does not start")

    def batches(self):
        """(begin, end, requests) of each batch, in ns of the monotonic clock, in order."""
        found = []
        for name in os.listdir(self.folder):
            if name.endswith(".batches"):
                with open(f"{self.folder}/{name}", encoding="ascii") as file:
                    rows = [[int(word) for word in line.split()] for line in file]
                found += [(row[0], row[1], row[2:]) for row in rows]
        return sorted(found)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def send_all(port, times):
    """Sends a request at each of the times (s), open loop. Gives the start in ns, and for each request when it was due
    and when it was answered (ns from the start), and `ok`, `queue` or `timeout`."""
    poll = selectors.DefaultSelector()
    free, waiting = [], 0

    def connect():
        link = socket.create_connection(("127.0.0.1", port))
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link.setblocking(False)
        state = {"link": link, "seen": b"", "request": None}
        poll.register(link, selectors.EVENT_READ, state)
        return state

    free += [connect() for _ in range(64)]
    start = time.monotonic_ns() + 50_000_000
    due = [start + round(at * 1e9) for at in times]
    answers, sent, deadline = [None] * len(due), 0, due[-1] + 30_000_000_000
    while (sent < len(due) or waiting) and time.monotonic_ns() < deadline:
        now = time.monotonic_ns()
        if sent < len(due) and now >= due[sent]:
            state = free.pop() if free else connect()
            body = b'{"inputs":[{"name":"IN","datatype":"FP32","shape":[1,4],"data":[%d,1,2,3]}]}' % sent
            state["request"], sent, waiting = sent, sent + 1, waiting + 1
            state["link"].sendall(
                b"POST /v2/models/m/infer HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
            continue
        left = (due[sent] - now) / 1e9 if sent < len(due) else 0.5
        for key, _ in poll.select(max(0.0, left - 0.0012)):
            state = key.data
            state["seen"] += state["link"].recv(65536)
            head, found, body = state["seen"].partition(b"\r\n\r\n")
            length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
            if not found or len(body) < int(length):
                continue
            ok = head.split(b" ", 2)[1] == b"200"
            why = "ok" if ok else "queue" if b"queue size" in body else "timeout"
            request = state["request"]
            answers[request] = (due[request] - start, time.monotonic_ns() - start, why)
            state["seen"], waiting = b"", waiting - 1
            free.append(state)
    for key in list(poll.get_map().values()):
        key.fileobj.close()
    return start, [answer for answer in answers if answer]


class Rules:
    """Triton's batcher without prefetching, for requests of one row: the rules of `tests/it/triton_rules/model.rs`."""

    def __init__(self, policy):
        self.most, self.timeout, action, self.parked, delay_ms = policy
        self.timeout *= 1_000_000
        self.delay, self.delays = delay_ms * 1_000_000, action == "DELAY"
        self.fresh, self.late, self.queued, self.payloads, self.current = [], [], 0, [], None
        self.saturated, self.preferred, self.sleep = False, 0, ("request", TICK)
        self.taken, self.failed = [], []

    def slot(self):
        return len(self.payloads) < self.parked

    def stale(self):
        return self.current is not None and all(p is not self.current for p in self.payloads)

    def arrive(self, now, request):
        self.queued += 1
        if self.most and len(self.fresh) + len(self.late) >= self.most:
            self.failed.append(request)
            return
        self.fresh.append((now, request))
        if self.slot() and (self.saturated or self.stale() or self.queued >= self.preferred):
            self.wake(now)

    def done(self, now):
        self.parked += 1
        self.take()
        self.wake(now)

    def timer(self, now):
        if self.sleep[0] == "slot" and not self.slot():
            self.expire(now, not self.delays, False)
            self.sleep = ("slot", now + TICK)
        else:
            self.wake(now)

    def expire(self, now, reject, counted):
        while self.timeout and self.fresh and now > self.fresh[0][0] + self.timeout and (reject or counted):
            request = self.fresh.pop(0)
            if self.delays:
                self.late.append(request)
            else:
                self.failed.append(request[1])
                self.queued -= counted

    def wake(self, now):
        while True:
            self.run(now)
            if not self.take():
                return

    def run(self, now):
        if self.sleep[0] == "slot" and not self.slot():
            return
        while True:
            if self.saturated or self.stale():
                self.current, self.saturated, self.preferred = None, False, 0
            if not self.fresh and not self.late:
                self.sleep = ("request", now + TICK)
                return
            if not self.slot():
                self.sleep = ("slot", now + TICK)
                return
            count, wait = self.scan(now)
            if wait:
                self.sleep = ("more", now + wait)
                return
            self.queued -= count
            moved = [(self.fresh or self.late).pop(0) for _ in range(count)]
            if count and self.current is None:
                self.current = []
                self.payloads.append(self.current)
            if count:
                self.current += moved

    def scan(self, now):
        self.expire(now, True, True)
        before, largest = len(self.current or []), len(TABLE_MS)
        room = largest - before
        pending = (self.fresh + self.late)[:room]
        count = len(pending)
        if not count:
            return 0, 0
        full = before + count >= largest
        age = now - min(at for at, _ in pending)
        if full or not self.delay or age >= self.delay:
            self.saturated |= full
            return count, 0
        self.preferred = largest - before
        if before and not self.saturated:
            return count, 0
        wait = self.delay - age
        if self.timeout and self.fresh:
            left = self.fresh[0][0] + self.timeout - now
            if left < wait:
                return (count, 0) if left < 1000 else (count, left + 1)
        return (count, 0) if wait < 1000 else (count, wait // 1000 * 1000)

    def take(self):
        if not self.parked or not self.payloads:
            return False
        self.parked -= 1
        self.taken.append([request for _, request in self.payloads.pop(0)])
        return True


def by_rules(times, policy, host):
    """Latency in ms of each request of the rules, or None where it fails."""
    rules, ends, latencies, arrivals = Rules(policy), [], [None] * len(times), list(enumerate(times))
    while arrivals or ends or rules.fresh or rules.late or rules.payloads:
        arrival = arrivals[0][1] if arrivals else math.inf
        end = ends[0] if ends else math.inf
        now = min(arrival, end, rules.sleep[1])
        if now == arrival:
            rules.arrive(now, arrivals.pop(0)[0])
        elif now == end:
            heapq.heappop(ends)
            rules.done(now)
        else:
            rules.timer(now)
        for batch in rules.taken:
            rows = len(batch)
            end = now + round((TABLE_MS[rows - 1] + host[0] + host[1] * rows) * 1e6)
            heapq.heappush(ends, end)
            for request in batch:
                latencies[request] = (end - times[request]) / 1e6 + host[2]
        rules.taken.clear()
    return latencies


def watch(batches, start, answers, instances):
    """What the host adds to the table (ms a batch, ms a row), and the share of lost wake-ups; one instance only."""
    if instances > 1:
        return None, None
    gaps, lost, waited = [], 0, 0
    gone = set()
    for (begin, end, requests), (after, _, _) in zip(batches, batches[1:]):
        gone.update(requests)
        # Requests that came well before the end and neither left nor failed before it.
        queue = any(start + due < end - 1_000_000 and i not in gone and start + done > end
                    for i, (due, done, _) in enumerate(answers))
        if not queue:
            continue
        waited += 1
        if after - end > 2_500_000:
            lost += 1
        else:
            gaps.append((len(requests), (after - begin) / 1e6 - TABLE_MS[len(requests) - 1]))
    rows, ms = zip(*gaps) if len(gaps) > 2 else ((1, 2), (0.8, 0.9))
    slope = statistics.linear_regression(rows, ms) if len(set(rows)) > 1 else (0.1, statistics.mean(ms) - 0.1)
    return (slope[1], slope[0]), lost / max(1, waited)


def summary(latencies):
    good = sorted(ms for ms in latencies if ms is not None)
    failed = 100 * (1 - len(good) / len(latencies))
    return failed, statistics.fmean(good), good[max(0, math.ceil(0.99 * len(good)) - 1)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0, help="length of a case (8)")
    parser.add_argument("--real-time", action="store_true", help="run server and client at real-time priority")
    parser.add_argument("--check", action="store_true", help="fail where the two arms differ too much")
    options = parser.parse_args()
    if not os.path.exists(f"{ROOT}/.triton/tritonserver"):
        raise SystemExit("no real Triton server here; scripts/setup_triton.sh installs it")
    if options.real_time:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(20))
    ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
    print("| policy | load | requests | failed % real / rules | mean ms real / rules | P99 ms real / rules | lost % |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    bad, host = [], (0.7, 0.1)
    for name, policy in POLICIES.items():
        for load in LOADS:
            draw, at, times = random.Random(round(100 * load)), 0.0, []
            while (at := at + draw.expovariate(load * CAPACITY_RPS * policy[3])) < options.seconds:
                times.append(at)
            server = Server(policy, options.real_time)
            try:
                send_all(server.port, [i / 10 for i in range(10)])
                warm = len(server.batches())
                start, answers = send_all(server.port, times)
                batches = server.batches()[warm:]
            finally:
                server.stop()
            own, lost = watch(batches, start, answers, policy[3])
            host = own or host
            real = [(done - due) / 1e6 if why == "ok" else None for due, done, why in answers]
            # What the client and the HTTP front end add.
            outside = 0.8
            rules = by_rules([round(at * 1e9) for at in times], policy, (*host, outside))
            a, b = summary(real), summary(rules)
            pairs = [f"{x:.1f} / {y:.1f}" for x, y in zip(a, b)]
            share = "" if lost is None else f"{100 * lost:.0f}"
            print(f"| {name} | {100 * load:.0f} % | {len(times)} | {' | '.join(pairs)} | {share} |", flush=True)
            if abs(a[0] - b[0]) > 3 or abs(a[1] / b[1] - 1) > 0.05:
                bad.append(f"{name}, {100 * load:.0f} %")
    if options.check and bad:
        raise SystemExit("too far apart: " + "; ".join(bad))


if __name__ == "__main__":
    main()
