"""Exports torchvision's networks to ONNX, in a Triton repository as the iGniter artifact lays it out.

    python3 export.py FOLDER MODEL[,MODEL] OPSET WEIGHTS

FOLDER/<model>_dynamic/1/model.onnx with the input `actual_input_<model>`, the output `output_<model>` and an open batch.
WEIGHTS is `random` (seeded) or `pretrained` (torchvision downloads them). One JSON document on stdout.
"""

import json
import os
import sys

SIDES = {"alexnet": 224, "resnet50": 224, "vgg19": 224, "ssd": 300}


class RawHeads:
    """SSD300 up to its two heads, as one tensor: what comes after picks boxes and cannot have a batch of any size."""

    @staticmethod
    def of(torch, network):
        class Heads(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.backbone, self.head = network.backbone, network.head

            def forward(self, images):
                features = list(self.backbone(images).values())
                found = self.head(features)
                return torch.cat([found["bbox_regression"], found["cls_logits"]], dim=2)

        return Heads()


def network(torch, torchvision, model, weights):
    torch.manual_seed(1)
    chosen = "DEFAULT" if weights == "pretrained" else None
    if model == "ssd":
        made = torchvision.models.detection.ssd300_vgg16(weights=chosen, weights_backbone=None)
        return RawHeads.of(torch, made).eval()
    return getattr(torchvision.models, model)(weights=chosen).eval()


def main():
    folder, models, opset, weights = sys.argv[1:5]
    try:
        import torch
        import torchvision
    except ImportError as error:
        raise SystemExit(f"{error}: install torch, torchvision and onnx for this Python")
    done = []
    for model in models.split(","):
        side = SIDES[model]
        example = torch.zeros(2, 3, side, side)
        made = network(torch, torchvision, model, weights)
        name = f"{model}_dynamic"
        version = os.path.join(folder, name, "1")
        os.makedirs(version, exist_ok=True)
        path = os.path.join(version, "model.onnx")
        inputs, outputs = [f"actual_input_{model}"], [f"output_{model}"]
        options = {
            "input_names": inputs,
            "output_names": outputs,
            "opset_version": int(opset),
            "dynamic_axes": {inputs[0]: {0: "batch_size"}, outputs[0]: {0: "batch_size"}},
        }
        with torch.no_grad():
            shape = list(made(example).shape)[1:]
            try:
                # The exporter that is the default since 2.9 does not always honour open axes.
                torch.onnx.export(made, example, path + ".part", dynamo=False, **options)
            except TypeError:
                torch.onnx.export(made, example, path + ".part", **options)
        os.rename(path + ".part", path)
        done.append({
            "model": model, "name": name, "file": path, "input": inputs[0], "output": outputs[0],
            "input_dims": [3, side, side], "output_dims": shape,
        })
    versions = {"torch": torch.__version__, "torchvision": torchvision.__version__}
    print(json.dumps({"models": done, "versions": versions}))


main()
