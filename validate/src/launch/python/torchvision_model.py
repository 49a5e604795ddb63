"""A network of torchvision with seeded random weights: alexnet, resnet50, vgg19 or ssd (SSD300).

Random weights take the same time as trained ones in networks without data-dependent work, and nothing has to
be downloaded. SSD300 ends before its post-processing: boxes and scores of all anchors are the outputs, as in a
TensorRT engine, since how long the filtering takes depends on what is in the picture.

Tensors go in and out by DLPack: no copy between Triton and PyTorch, and no NumPy, whose second version makes
older Tritons deliver empty tensors. Parameters: network, half (true/false), seed.
"""

import json
import os
import time

import igniter_instance  # first: it says where the others are
import torch
import torchvision
import triton_python_backend_utils as pb_utils
from torch.utils.dlpack import from_dlpack


class Ssd300(torch.nn.Module):
    """SSD300 (VGG16) without normalisation and without post-processing."""

    def __init__(self):
        super().__init__()
        whole = torchvision.models.detection.ssd300_vgg16(
            weights=None, weights_backbone=None, num_classes=81
        )
        self.backbone, self.head = whole.backbone, whole.head

    def forward(self, images):
        found = self.head(list(self.backbone(images).values()))
        return torch.cat([found["bbox_regression"], found["cls_logits"]], dim=2).flatten(1)


NETWORKS = {
    "alexnet": lambda: torchvision.models.alexnet(weights=None),
    "resnet50": lambda: torchvision.models.resnet50(weights=None),
    "vgg19": lambda: torchvision.models.vgg19(weights=None),
    "ssd": Ssd300,
}


class TritonPythonModel:
    def initialize(self, args):
        config = json.loads(args["model_config"])
        parameters = {key: value["string_value"] for key, value in config["parameters"].items()}
        torch.set_num_threads(1)
        torch.manual_seed(int(parameters["seed"]))
        self.on_gpu = os.environ.get("IGNITER_CUDA") == "1"
        # The launcher shows each server one device only.
        self.device = torch.device("cuda:0" if self.on_gpu else "cpu")
        self.type = torch.float16 if parameters["half"] == "true" else torch.float32
        network = NETWORKS[parameters["network"]]()
        self.network = network.eval().to(self.device, self.type)
        shape = [int(size) for size in config["input"][0]["dims"]]
        largest = config["max_batch_size"]
        more = {}
        if self.on_gpu:
            # Kernels by cuDNN's rules, not by a race beside whoever else runs: the same in every server.
            torch.backends.cudnn.benchmark = False
            properties = torch.cuda.get_device_properties(self.device)
            more["sm_torch"] = properties.multi_processor_count
            self.stream = torch.cuda.Stream()
            self.images = torch.zeros([largest, *shape], dtype=self.type, device=self.device)
            self.graphs = {}
            more["graphs"] = self.prepare(largest)
        else:
            with torch.inference_mode():
                for batch in (1, largest):
                    self.network(torch.zeros([batch, *shape], dtype=self.type))
        self.stages = igniter_instance.Stages()
        igniter_instance.report(args, more)

    def prepare(self, largest):
        """Every batch size once: kernels are chosen and memory is taken now, not under load.

        The kernels of a batch are recorded and later launched at once. Otherwise small batches take as long as
        Python needs to launch their kernels, whatever SMs there are: no property of the GPU. Returns why that
        cannot be done here, or "recorded".
        """
        said = "recorded"
        pool = None
        with torch.inference_mode(), torch.cuda.stream(self.stream):
            for batch in range(largest, 0, -1):
                images = self.images[:batch]
                for _ in range(2):
                    self.network(images)
                if said != "recorded":
                    continue
                self.stream.synchronize()
                try:
                    graph = torch.cuda.CUDAGraph()
                    # Other processes may use CUDA meanwhile, other threads of this one do not.
                    with torch.cuda.graph(graph, pool=pool, stream=self.stream):
                        answers = self.network(images)
                except RuntimeError as error:
                    said = f"not recorded: {str(error).splitlines()[0]}"
                    self.graphs = {}
                    continue
                pool = graph.pool()
                self.graphs[batch] = (graph, answers)
            self.stream.synchronize()
        return said

    def run(self, inputs):
        rows = sum(one.shape[0] for one in inputs)
        marks = []
        with torch.inference_mode():
            if self.on_gpu:
                answers = self.run_on_gpu(inputs, rows, marks)
                times = [first.elapsed_time(then) for first, then in zip(marks, marks[1:])]
            else:
                marks.append(time.perf_counter())
                images = torch.cat(inputs).to(self.type)
                marks.append(time.perf_counter())
                answers = self.network(images)
                marks.append(time.perf_counter())
                answers = answers.to(torch.float32)
                marks.append(time.perf_counter())
                times = [(then - first) * 1e3 for first, then in zip(marks, marks[1:])]
        self.stages.add(rows, times)
        return answers

    def run_on_gpu(self, inputs, rows, marks):
        def mark():
            marks.append(torch.cuda.Event(enable_timing=True))
            marks[-1].record(self.stream)

        with torch.cuda.stream(self.stream):
            mark()
            row = 0
            for one in inputs:
                self.images[row : row + one.shape[0]].copy_(one, non_blocking=True)
                row += one.shape[0]
            mark()
            if rows in self.graphs:
                graph, answers = self.graphs[rows]
                graph.replay()
            else:
                answers = self.network(self.images[:rows])
            mark()
            answers = answers.to(torch.float32).cpu()
            mark()
            # Otherwise execution leaks into the time of the answer.
            self.stream.synchronize()
        return answers

    def execute(self, requests):
        inputs = [
            from_dlpack(pb_utils.get_input_tensor_by_name(request, "IN").to_dlpack())
            for request in requests
        ]
        answers = self.run(inputs)
        parts = torch.split(answers, [one.shape[0] for one in inputs])
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor.from_dlpack("OUT", part.contiguous())])
            for part in parts
        ]
