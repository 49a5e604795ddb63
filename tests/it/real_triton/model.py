"""A model that takes as long as a table says: parameter table_ms, one entry for each batch size."""

import ctypes
import json
import time

import triton_python_backend_utils as pb_utils

PR_SET_TIMERSLACK = 29
# Sleeping ends up to this much late; the rest of the time is spent looking at the clock.
SPIN_S = 0.0003


class TritonPythonModel:
    def initialize(self, args):
        table = json.loads(args["model_config"])["parameters"]["table_ms"]["string_value"]
        self.seconds = [float(ms) / 1e3 for ms in table.split(",")]
        ctypes.CDLL(None).prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)

    def execute(self, requests):
        end = time.perf_counter() + self.seconds[len(requests) - 1]
        inputs = [pb_utils.get_input_tensor_by_name(r, "IN").as_numpy() for r in requests]
        responses = [pb_utils.InferenceResponse([pb_utils.Tensor("OUT", x + 1)]) for x in inputs]
        left = end - time.perf_counter()
        if left > SPIN_S:
            time.sleep(left - SPIN_S)
        while time.perf_counter() < end:
            pass
        return responses
