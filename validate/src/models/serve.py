"""Serves model.onnx by Triton's Python backend, for servers without one for ONNX. Needs the package onnxruntime there."""

import json
import os

import numpy
import onnxruntime
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        self.input = config["input"][0]["name"]
        self.output = config["output"][0]["name"]
        options = onnxruntime.SessionOptions()
        # Servers share the processors: each takes as many as it is told.
        options.intra_op_num_threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
        known = onnxruntime.get_available_providers()
        wanted = [name for name in ("CUDAExecutionProvider", "CPUExecutionProvider") if name in known]
        path = os.path.join(args["model_repository"], args["model_version"], "model.onnx")
        self.session = onnxruntime.InferenceSession(path, options, providers=wanted)

    def execute(self, requests):
        inputs = [pb_utils.get_input_tensor_by_name(request, self.input).as_numpy() for request in requests]
        (outputs,) = self.session.run([self.output], {self.input: numpy.concatenate(inputs)})
        answers, first = [], 0
        for one in inputs:
            rows = outputs[first : first + len(one)]
            first += len(one)
            answers.append(pb_utils.InferenceResponse([pb_utils.Tensor(self.output, numpy.ascontiguousarray(rows))]))
        return answers
