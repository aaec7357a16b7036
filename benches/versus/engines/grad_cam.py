"""pytorch-grad-cam on PyTorch's plain memory format, as its README uses it: `grad_cam.py THREADS`."""

import sys

import pytorch  # makes the folder above importable
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from cases import IMAGES
from fill import fill
from worker import Unsupported, serve


def prepare(case):
    if (case["suite"], case["pass"]) != ("explain", "grad-cam"):
        raise Unsupported("Grad-CAM alone")
    net = pytorch.Net(case).eval()
    x = pytorch.images(fill(IMAGES, [case["n"], *case["input"]]))
    cam = GradCAM(model=net, target_layers=[net.steps[net.pooling - 1]])
    targets = [ClassifierOutputTarget(0)] * case["n"]

    def run():
        return cam(input_tensor=x, targets=targets)

    return run, lambda: []  # its maps are enlarged and scaled to [0, 1]: nothing to compare


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    serve(prepare)
