"""A model that keeps its instance busy for as long as a table says: parameter times_ms, by batch size from 1.

Its neighbours may change while it runs: a file times_ms beside the reports of the instances takes the place of
the table. It answers the first number of its input plus one, so that a client can see that its data arrived.
"""

import ctypes
import json
import os
import time

import igniter_instance
import numpy as np
import triton_python_backend_utils as pb_utils

PR_SET_TIMERSLACK = 29
# Sleeping ends up to this much late; the rest of the time is spent looking at the clock.
SPIN_S = 0.0003


def seconds(table):
    return [float(ms) / 1e3 for ms in table.split(",")]


class TritonPythonModel:
    def initialize(self, args):
        table = json.loads(args["model_config"])["parameters"]["times_ms"]["string_value"]
        self.seconds = seconds(table)
        self.path = os.path.join(os.environ.get("IGNITER_INSTANCES", ""), "times_ms")
        self.version = None
        ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)
        igniter_instance.report(args)

    def look_for_new_times(self):
        try:
            found = os.stat(self.path)
        except OSError:
            return
        # Files are replaced, never changed.
        version = (found.st_ino, found.st_mtime_ns)
        if version != self.version:
            with open(self.path) as file:
                self.seconds = seconds(file.read())
            self.version = version

    def execute(self, requests):
        start = time.perf_counter()
        self.look_for_new_times()
        responses, rows = [], 0
        for request in requests:
            data = pb_utils.get_input_tensor_by_name(request, "IN").as_numpy()
            answer = np.ascontiguousarray(data.reshape(data.shape[0], -1)[:, :1] + np.float32(1))
            responses.append(pb_utils.InferenceResponse([pb_utils.Tensor("OUT", answer)]))
            rows += data.shape[0]
        end = start + self.seconds[rows - 1]
        left = end - time.perf_counter()
        if left > SPIN_S:
            time.sleep(left - SPIN_S)
        while time.perf_counter() < end:
            pass
        return responses
