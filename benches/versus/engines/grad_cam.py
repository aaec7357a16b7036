"""pytorch-grad-cam on PyTorch's plain memory format, as its README uses it: `grad_cam.py THREADS`."""

import sys

import pytorch  # makes the folder above importable
import torch
from pytorch_grad_cam import GradCAM, GuidedBackpropReLUModel
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import nn

from cases import IMAGES
from fill import fill
from net import Net
from worker import Unsupported, serve


def prepare(case):
    match case["suite"], case["pass"]:
        case "explain", "grad-cam":
            net = Net(case)
            layer = net.steps[net.pooling - 1]
        case "nets", "grad-cam" | "guided":
            import nets  # not before it is needed: it imports torchvision

            net = nets.load(case["case"], case["folder"])
            layer = net.features if isinstance(net.features, nn.Module) else net.steps[net.pooling - 1]
        case _:
            raise Unsupported("Grad-CAM and guided backpropagation alone")
    x = pytorch.images(fill(IMAGES, [case["n"], *case["input"]]))
    if case["pass"] == "guided":
        if any(isinstance(module, (nn.ReLU6, nn.SiLU, nn.Hardswish, nn.Sigmoid, nn.GELU)) for module in net.modules()):
            raise Unsupported("it knows ReLU alone")
        guided = GuidedBackpropReLUModel(net.eval())
        return lambda: guided(x.detach().clone(), 0), lambda: guided(x.detach().clone(), 0).ravel()
    cam = GradCAM(model=net.eval(), target_layers=[layer])
    targets = [ClassifierOutputTarget(0)] * case["n"]
    # Its maps are enlarged and scaled to [0, 1]: nothing to compare.
    return lambda: cam(input_tensor=x, targets=targets), lambda: []


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    serve(prepare)
