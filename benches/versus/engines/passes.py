"""What PyTorch computes with a network that has `features` and `head`: functions that compute once."""

import torch
import torch.nn.functional as F
from torch import nn

import net  # makes the folder above importable
from cases import LEARNING_RATE, MOMENTUM
from worker import Unsupported


def training(net, x):
    """A step: forward, backward, SGD with momentum."""
    labels = torch.arange(len(x)) % 10
    optimizer = torch.optim.SGD(net.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)

    def step():
        optimizer.zero_grad()
        F.cross_entropy(net(x), labels).backward()
        optimizer.step()

    return step


def grad_cam(net, x):
    """The graph is cut at the last feature map: the cheapest Grad-CAM that PyTorch can be made to give."""

    def explain():
        with torch.no_grad():
            features = net.features(x)
        features.requires_grad_()
        scores = net.head(features)[:, 0].sum()
        (gradient,) = torch.autograd.grad(scores, features)
        with torch.no_grad():
            weights = gradient.mean((2, 3), keepdim=True)
            return (weights * features).sum(1).relu_()

    return explain


def gradient(net, x):
    """Of the score of class 0, at the images."""

    def explain():
        image = x.detach().requires_grad_()
        (found,) = torch.autograd.grad(net(image)[:, 0].sum(), image)
        return found

    return explain


class GuidedRelu(torch.autograd.Function):
    """Springenberg et al. (2015): what flows back is positive, and flowed through a positive input; of ReLU6, below 6."""

    @staticmethod
    def forward(ctx, x, bound):
        y = x.clamp(0, bound)
        ctx.save_for_backward(y)
        ctx.bound = bound
        return y

    @staticmethod
    def backward(ctx, upstream):
        (y,) = ctx.saved_tensors
        passes = y > 0 if ctx.bound is None else (y > 0) & (y < ctx.bound)
        return upstream.clamp(min=0) * passes, None


class Guided(nn.Module):
    """A ReLU with that backward pass."""

    def __init__(self, bound):
        super().__init__()
        self.bound = bound

    def forward(self, x):
        return GuidedRelu.apply(x, self.bound)


def guide(module):
    """Replaces all ReLUs, as guided backpropagation needs them."""
    for name, child in module.named_children():
        match child:
            case nn.ReLU6():
                setattr(module, name, Guided(6))
            case nn.ReLU():
                setattr(module, name, Guided(None))
            case nn.SiLU() | nn.Hardswish() | nn.Hardsigmoid() | nn.Sigmoid() | nn.GELU():
                raise Unsupported("guided backpropagation is defined for ReLUs")
            case _:
                guide(child)
