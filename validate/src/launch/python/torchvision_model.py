"""A network of torchvision with seeded random weights: alexnet, resnet50, vgg19 or ssd (SSD300).

Random weights take the same time as trained ones in networks without data-dependent work, and nothing has to
be downloaded. SSD300 ends before its post-processing: boxes and scores of all anchors are the outputs, as in a
TensorRT engine, since how long the filtering takes depends on what is in the picture.

Tensors go in and out by DLPack: no copy between Triton and PyTorch, and no NumPy, whose second version makes
older Tritons deliver empty tensors. Parameters: network, half (true/false), seed.
"""

import json
import os

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
        on_gpu = os.environ.get("IGNITER_CUDA") == "1"
        # The launcher shows each server one device only.
        self.device = torch.device("cuda:0" if on_gpu else "cpu")
        self.type = torch.float16 if parameters["half"] == "true" else torch.float32
        network = NETWORKS[parameters["network"]]()
        self.network = network.eval().to(self.device, self.type)
        more = {}
        if on_gpu:
            torch.backends.cudnn.benchmark = True
            properties = torch.cuda.get_device_properties(self.device)
            more["sm_torch"] = properties.multi_processor_count
            self.stream = torch.cuda.Stream()
        else:
            self.stream = None
        shape = config["input"][0]["dims"]
        # Every batch size once: kernels are chosen and memory is taken now, not under load.
        for batch in range(config["max_batch_size"], 0, -1):
            images = torch.zeros([batch, *map(int, shape)], dtype=self.type)
            for _ in range(3):
                self.run([images])
        igniter_instance.report(args, more)

    def run(self, inputs):
        with torch.inference_mode():
            if self.stream is None:
                return self.network(torch.cat(inputs).to(self.type))
            with torch.cuda.stream(self.stream):
                on_device = [one.to(self.device, non_blocking=True) for one in inputs]
                images = on_device[0] if len(on_device) == 1 else torch.cat(on_device)
                answers = self.network(images.to(self.type)).cpu()
            # Otherwise execution leaks into the time of the answer.
            self.stream.synchronize()
            return answers

    def execute(self, requests):
        inputs = [
            from_dlpack(pb_utils.get_input_tensor_by_name(request, "IN").to_dlpack())
            for request in requests
        ]
        answers = self.run(inputs).to(torch.float32)
        parts = torch.split(answers, [one.shape[0] for one in inputs])
        return [
            pb_utils.InferenceResponse([pb_utils.Tensor.from_dlpack("OUT", part.contiguous())])
            for part in parts
        ]
