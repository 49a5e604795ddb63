"""A model that takes as long as a table says: parameter table_ms, one entry for each batch size.

With a parameter log, the name of a folder, each instance writes down its batches there: start and end in ns of the monotonic
clock, and the first numbers of its inputs.
"""

import ctypes
import json
import os
import time

import triton_python_backend_utils as pb_utils

PR_SET_TIMERSLACK = 29
# Sleeping ends up to this much late; the rest of the time is spent looking at the clock.
SPIN_S = 0.0003


class TritonPythonModel:
    def initialize(self, args):
        parameters = json.loads(args["model_config"])["parameters"]
        table = parameters["table_ms"]["string_value"]
        self.seconds = [float(ms) / 1e3 for ms in table.split(",")]
        self.log = None
        if "log" in parameters:
            name = args["model_instance_name"] + ".batches"
            self.log = open(os.path.join(parameters["log"]["string_value"], name), "w", encoding="ascii")
        ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)

    def execute(self, requests):
        start = time.monotonic_ns()
        end = time.perf_counter() + self.seconds[len(requests) - 1]
        inputs = [pb_utils.get_input_tensor_by_name(r, "IN").as_numpy() for r in requests]
        responses = [pb_utils.InferenceResponse([pb_utils.Tensor("OUT", x + 1)]) for x in inputs]
        left = end - time.perf_counter()
        if left > SPIN_S:
            time.sleep(left - SPIN_S)
        while time.perf_counter() < end:
            pass
        if self.log:
            numbers = [int(x[0][0]) for x in inputs]
            self.log.write(" ".join(map(str, [start, time.monotonic_ns(), *numbers])) + "\n")
            self.log.flush()
        return responses
