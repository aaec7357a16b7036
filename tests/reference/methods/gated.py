#!/usr/bin/env python3
"""Computes relevance (LRP-ε) in small networks of torchvision's classes that have gates, gated activations and layer norms.

    python tests/reference/methods/gated.py

The networks are torchvision's MobileNetV3, EfficientNet and ConvNeXt with few channels and random weights, exported in float32 to
`NET.onnx`. Relevance is computed by automatic differentiation in float64, as the image times a gradient in which what counts as
constant is detached, and stored in `NET.safetensors` as `[N, H, W, C]`, with the images and the scores. Needs torch, torchvision,
onnx, numpy and safetensors; downloads nothing. Values were made with PyTorch 2.15.0 and torchvision 0.29.2.
"""

import copy
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models.convnext import CNBlockConfig, ConvNeXt
from torchvision.models.efficientnet import EfficientNet, MBConvConfig
from torchvision.models.mobilenetv3 import InvertedResidualConfig, MobileNetV3
from torchvision.ops import SqueezeExcitation

FOLDER = Path(__file__).parent
EPSILON = 1e-6
CLASSES = [1, 3]


def mobilenet():
    block = partial(InvertedResidualConfig, dilation=1, width_mult=1.0)
    settings = [block(8, 3, 8, 8, True, "RE", 2), block(8, 3, 16, 8, False, "HS", 1), block(8, 5, 16, 16, True, "HS", 2)]
    return MobileNetV3(settings, last_channel=24, num_classes=5)


def efficientnet():
    block = partial(MBConvConfig, width_mult=1.0, depth_mult=1.0)
    settings = [block(1, 3, 1, 8, 8, 1), block(2, 3, 2, 8, 8, 2), block(2, 5, 2, 8, 16, 1)]
    return EfficientNet(settings, dropout=0.2, num_classes=5, last_channel=24)


def convnext():
    settings = [CNBlockConfig(8, 12, 1), CNBlockConfig(12, 16, 1), CNBlockConfig(16, None, 1)]
    return ConvNeXt(settings, layer_scale=0.5, num_classes=5)


def stabilized(y):
    """The ε-rule: gradients times y / (y + ε·sign y)."""
    factor = (y / (y + EPSILON * torch.where(y < 0, -1.0, 1.0))).detach()
    return y * factor + (y - y * factor).detach()


def activation(f, x):
    """The identity rule: the factor f(x)/x is constant."""
    return x * (f(x) / x).detach()


def norm(x, axis, module):
    centred = x - x.mean(axis, keepdim=True)
    deviation = (centred.pow(2).mean(axis, keepdim=True) + module.eps).sqrt().detach()
    shape = [-1 if i == axis % x.dim() else 1 for i in range(x.dim())]
    return centred / deviation * module.weight.view(shape) + module.bias.view(shape)


def folded(model):
    """Each batch norm in the convolution before it."""
    for module in list(model.modules()):
        if isinstance(module, nn.Sequential):
            children = list(module.named_children())
            for (name, conv), (after, bn) in zip(children, children[1:]):
                if isinstance(conv, nn.Conv2d) and isinstance(bn, nn.BatchNorm2d):
                    setattr(module, name, fuse_conv_bn_eval(conv, bn))
                    setattr(module, after, nn.Identity())
    return model


def rewired(model):
    for module in folded(model).modules():
        kind = type(module).__name__
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.forward = lambda x, f=module.forward: stabilized(f(x))
        elif isinstance(module, (nn.SiLU, nn.Hardswish, nn.GELU)):
            f = {"SiLU": F.silu, "Hardswish": F.hardswish, "GELU": F.gelu}[kind]
            module.forward = lambda x, f=f: activation(f, x)
        elif isinstance(module, SqueezeExcitation):
            module.forward = lambda x, m=module: m._scale(x).detach() * x
        elif isinstance(module, nn.LayerNorm):
            axis = 1 if kind == "LayerNorm2d" else -1
            module.forward = lambda x, m=module, axis=axis: norm(x, axis, m)
    return model


class Single(nn.Module):
    """A hard sigmoid whose slope is a sixth in the decimals of single precision, as the ONNX file is read."""

    def forward(self, x):
        return (x * float(str(np.float32(1 / 6))) + 0.5).clamp(0, 1)


def main():
    for name, make in [("mobilenet", mobilenet), ("efficientnet", efficientnet), ("convnext", convnext)]:
        torch.manual_seed(1)
        model = make().eval()
        with torch.no_grad():
            for key, value in model.state_dict().items():
                if "running_var" in key:
                    value.copy_(0.5 + torch.rand_like(value))
                elif value.dim() and value.is_floating_point():
                    noise = torch.randn_like(value)
                    scale = 0.3 if value.dim() <= 1 else 2.0 / max(1, value[0].numel()) ** 0.5
                    value.copy_((value if value.dim() <= 1 or "layer_scale" in key else 0.0) + scale * noise)
        images = torch.randn(2, 3, 32, 32)
        torch.onnx.export(model, images[:1], FOLDER / f"{name}.onnx", dynamo=False, opset_version=17,
                          do_constant_folding=False, training=torch.onnx.TrainingMode.EVAL)
        model = model.double()
        for module in model.modules():
            if isinstance(module, SqueezeExcitation) and isinstance(module.scale_activation, nn.Hardsigmoid):
                module.scale_activation = Single()
        x = images.double().requires_grad_()
        scores, explained = model(x), rewired(copy.deepcopy(model))(x)
        assert torch.allclose(scores, explained, rtol=0, atol=1e-10)
        (gradient,) = torch.autograd.grad(explained[range(2), CLASSES].sum(), x)
        found = {"images": x.permute(0, 2, 3, 1), "scores": scores, "lrp.epsilon": (x * gradient).permute(0, 2, 3, 1)}
        arrays = {key: np.ascontiguousarray(value.detach().numpy()) for key, value in found.items()}
        save_file(arrays, FOLDER / f"{name}.safetensors")
        print(name, sum(p.numel() for p in model.parameters()), scores, arrays["lrp.epsilon"].sum((1, 2, 3)))


if __name__ == "__main__":
    main()
