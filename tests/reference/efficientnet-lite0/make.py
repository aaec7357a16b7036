"""EfficientNet-Lite0 explained by PyTorch in double precision: what explain.safetensors holds.

    python make.py ../../../crates/attribution/pretrained/efficientnet-lite0/weights.safetensors \
        ../../../crates/attribution/tests/photos/chelsea.png explain.safetensors
"""

import sys

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors.numpy import load_file, save_file

STAGES = [(1, 3, 1), (2, 3, 2), (2, 5, 2), (3, 3, 2), (3, 5, 1), (4, 5, 2), (1, 3, 1)]  # blocks, kernel, first stride
EGYPTIAN_CAT = 285


class Relu6(torch.autograd.Function):
    """ReLU6, read backwards exactly or as guided backpropagation does."""

    @staticmethod
    def forward(context, x, guided):
        context.save_for_backward(x)
        context.guided = guided
        return x.clamp(0, 6)

    @staticmethod
    def backward(context, gradient):
        (x,) = context.saved_tensors
        gradient = gradient * ((x > 0) & (x < 6))
        return gradient.clamp(min=0) if context.guided else gradient, None


def convolved(weights, name, x, stride=1):
    w = weights[f"{name}.weight"].permute(3, 2, 0, 1)
    kernel, groups = w.shape[-1], x.shape[1] // w.shape[1]
    total = [max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[2:]]  # TensorFlow's SAME
    (rows, columns) = total
    x = F.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
    return F.conv2d(x, w, weights[f"{name}.bias"], stride, groups=groups)


def run(weights, image, guided):
    """Logits, and the activations at `head` and `b10`."""
    relu6 = lambda x: Relu6.apply(x, guided)
    kept = {}
    x = relu6(convolved(weights, "stem", image, 2))
    block = 0
    for blocks, _, first_stride in STAGES:
        for place in range(blocks):
            name, before = f"blocks.{block}", x
            if f"{name}.expand.weight" in weights:
                x = relu6(convolved(weights, f"{name}.expand", x))
            x = relu6(convolved(weights, f"{name}.dw", x, 1 if place else first_stride))
            x = convolved(weights, f"{name}.project", x)
            x = x + before if place else x
            kept[f"b{block}"] = x
            block += 1
    x = kept["head"] = relu6(convolved(weights, "head", x))
    return x.mean((2, 3)) @ weights["fc.weight"] + weights["fc.bias"], kept


def main(weights, photo, out):
    weights = {name: torch.tensor(w.astype(np.float64)) for name, w in load_file(weights).items()}
    pixels = np.asarray(Image.open(photo).convert("RGB"), dtype=np.float64)
    image = torch.tensor((pixels - 127) / 128).permute(2, 0, 1)[None].requires_grad_()

    logits, kept = run(weights, image, guided=False)
    found = {"logits": logits[0]}
    layers = {layer: kept[layer] for layer in ("head", "b10")}
    gradients = torch.autograd.grad(logits[0, EGYPTIAN_CAT], list(layers.values()))
    for (layer, f), g in zip(layers.items(), gradients):
        f, g = f[0], g[0]
        found[f"gradcam_{layer}_raw"] = (g.mean((1, 2), keepdim=True) * f).sum(0)
        found[f"layercam_{layer}_raw"] = (g.clamp(min=0) * f).sum(0)
        found[f"hirescam_{layer}_raw"] = (g * f).sum(0)
    found["cam_head_raw"] = torch.einsum("khw,k->hw", kept["head"][0], weights["fc.weight"][:, EGYPTIAN_CAT])
    logits, _ = run(weights, image, guided=True)
    (guided,) = torch.autograd.grad(logits[0, EGYPTIAN_CAT], image)
    found["guided_backprop"] = guided[0].permute(1, 2, 0)
    save_file({name: np.ascontiguousarray(a.detach().numpy().astype(np.float32)) for name, a in found.items()}, out)


if __name__ == "__main__":
    main(*sys.argv[1:])
