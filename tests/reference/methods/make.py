#!/usr/bin/env python3
"""Computes maps of three small networks with the methods' original libraries, in float64.

    python tests/reference/methods/make.py

The networks are those of `tests/reference/small`, and a small residual network with random weights that is exported to
`resnet.onnx` beside this file. Maps are stored in `NET.safetensors` as `[N, H, W, C]`, with the images, their classes, and what was
drawn at random. Needs torch, captum, zennit, onnx, numpy and safetensors; downloads nothing. Values were made with PyTorch
2.15.0, captum 0.9.0 and zennit 0.5.1.
"""

from pathlib import Path
from unittest import mock

import numpy as np
import onnx
import torch
from captum.attr import DeepLift, GradientShap
from onnx import numpy_helper
from safetensors.numpy import load_file, save_file
from torch import nn
from zennit import composites
from zennit.attribution import Gradient
from zennit.canonizers import NamedMergeBatchNorm
from zennit.layer import Sum
from zennit.rules import Epsilon, WSquare
from zennit.types import Convolution

FOLDER = Path(__file__).parent
SMALL = FOLDER.parent / "small"
# A class for each image.
CLASSES = [1, 3]
BASELINE = 0.25


def gapnet():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 12, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(12, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 5),
    )


def flatnet():
    return nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 10, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(250, 32), nn.ReLU(), nn.Linear(32, 10),
    )


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        conv = lambda i, o, size, step: nn.Conv2d(i, o, size, stride=step, padding=size // 2, bias=False)
        self.conv1, self.bn1, self.relu1 = conv(inputs, outputs, 3, stride), nn.BatchNorm2d(outputs), nn.ReLU()
        self.conv2, self.bn2, self.relu2 = conv(outputs, outputs, 3, 1), nn.BatchNorm2d(outputs), nn.ReLU()
        # zennit reads a sum only if it is a module.
        self.sum = None
        self.shortcut = nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs)) if stride > 1 else nn.Identity()

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        return self.relu2(self.sum(torch.stack([y, self.shortcut(x)], -1)) if self.sum else y + self.shortcut(x))


def resnet():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        Block(8, 8, 1), Block(8, 12, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 5),
    )


def with_stored_weights(name, model):
    """The weights of the network's ONNX file, which are in the order of its layers."""
    file = onnx.load(SMALL / name / f"{name}_torchscript.onnx")
    stored = [tensor for tensor in file.graph.initializer if tensor.name.endswith(("weight", "bias"))]
    state = model.state_dict()
    model.load_state_dict({key: torch.tensor(numpy_helper.to_array(t).copy()) for key, t in zip(state, stored, strict=True)})
    explained = load_file(SMALL / name / "explain.safetensors")
    images = torch.tensor(explained["input"]).double().permute(0, 3, 1, 2).contiguous()
    model = model.double().eval()
    assert torch.allclose(model(images), torch.tensor(explained["logits"]).double(), rtol=0, atol=1e-12)
    return model, images


def with_random_weights(model):
    with torch.no_grad():
        for name, value in model.state_dict().items():
            if "running_var" in name:
                value.copy_(0.5 + torch.rand_like(value))
            elif "running_mean" in name or name.endswith("bias"):
                value.copy_(0.3 * torch.randn_like(value))
            elif value.dim() == 1:
                value.copy_(1.0 + 0.3 * torch.randn_like(value))
    model.eval()
    images = torch.randn(2, 3, 16, 14)
    torch.onnx.export(model, images[:1], FOLDER / "resnet.onnx", dynamo=False, opset_version=17,
                      do_constant_folding=False, training=torch.onnx.TrainingMode.EVAL)
    return model.double(), images.double()


def one_by_one(images, explain):
    """Some of captum's rules read the first image of a batch alone."""
    maps = [explain(images[i : i + 1], CLASSES[i]).detach() for i in range(len(images))]
    return torch.cat(maps).permute(0, 2, 3, 1)


def deep_lift(model, images):
    return one_by_one(images, lambda x, c: DeepLift(model).attribute(x, torch.full_like(x, BASELINE), target=c))


def gradient_shap(model, images):
    """Without noise, of three baselines; the draws are chosen here and given to captum in place of its own."""
    generator = np.random.default_rng(7)
    samples = 24
    baselines = torch.tensor(generator.normal(size=(3, *images.shape[1:])))
    which, where = generator.integers(3, size=samples), generator.uniform(size=samples)
    with mock.patch("numpy.random.choice", lambda *_, **__: which), mock.patch("numpy.random.uniform", lambda *_, **__: where):
        maps = one_by_one(images, lambda x, c: GradientShap(model).attribute(
            x, baselines, n_samples=samples, stdevs=0.0, target=c))
    return {
        "gradient_shap": maps, "gradient_shap.baselines": baselines.permute(0, 2, 3, 1),
        "gradient_shap.which": torch.tensor(which), "gradient_shap.where": torch.tensor(where),
    }


def merged():
    """Each batch norm with the convolution before it."""
    pairs = [("0", "1")] + [(f"{b}.conv{i}", f"{b}.bn{i}") for b in (4, 5) for i in (1, 2)] + [("5.shortcut.0", "5.shortcut.1")]
    return [NamedMergeBatchNorm([([conv], norm) for conv, norm in pairs])]


# Denominators that are zero are the only ones that zennit's stabilizer is to change.
STABLE = dict(stabilizer=1e-300)
LOW, HIGH = -3.5, 3.25


def presets(canonizers):
    both = dict(STABLE, canonizers=canonizers)
    first = [(Convolution, WSquare(zero_params="bias", **STABLE))]
    return {
        "epsilon": composites.EpsilonPlus(**both, layer_map=[(Convolution, Epsilon())]),
        "epsilon_plus": composites.EpsilonPlus(**both),
        "epsilon_plus_flat": composites.EpsilonPlusFlat(**both),
        "epsilon_gamma_box": composites.EpsilonGammaBox(LOW, HIGH, **both),
        "epsilon_alpha2_beta1": composites.EpsilonAlpha2Beta1(**both),
        "epsilon_alpha2_beta1_flat": composites.EpsilonAlpha2Beta1Flat(**both),
        "epsilon_plus_w_square": composites.EpsilonPlusFlat(**both, first_map=first),
    }


def relevance(name, model, images):
    for module in model.modules():
        if isinstance(module, Block):
            module.sum = Sum()
    canonizers = merged() if name == "resnet" else []
    scores = model(images).detach()
    seed = torch.zeros_like(scores)
    seed[range(len(images)), CLASSES] = scores[range(len(images)), CLASSES]
    found = {}
    for preset, composite in presets(canonizers).items():
        with Gradient(model=model, composite=composite) as attributor:
            _, values = attributor(images, seed)
        found[f"lrp.{preset}"] = values.permute(0, 2, 3, 1)
    return found


def main():
    torch.manual_seed(1)
    networks = {name: with_stored_weights(name, make()) for name, make in [("gapnet", gapnet), ("flatnet", flatnet)]}
    networks["resnet"] = with_random_weights(resnet())
    for name, (model, images) in networks.items():
        found = {
            "images": images.permute(0, 2, 3, 1),
            "scores": model(images),
            "deep_lift": deep_lift(model, images),
            **gradient_shap(model, images),
            **relevance(name, model, images),
        }
        arrays = {key: np.ascontiguousarray(value.detach().numpy()) for key, value in found.items()}
        save_file(arrays, FOLDER / f"{name}.safetensors")
        print(name, sum(p.numel() for p in model.parameters()), {k: v.shape for k, v in arrays.items()})


if __name__ == "__main__":
    main()
