"""PyTorch, eager, on the CPU: `pytorch.py THREADS contiguous|channels-last`."""

import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from cases import CHECKED_STEPS, IMAGES, LEARNING_RATE, MOMENTUM, PARAMETERS, UPSTREAM, WEIGHTS, walk
from fill import fill
from worker import serve

FORMAT = torch.contiguous_format


def images(values):
    """NumPy [N, H, W, C] to a tensor [N, C, H, W] in the memory format."""
    return torch.from_numpy(np.ascontiguousarray(values.transpose(0, 3, 1, 2))).contiguous(memory_format=FORMAT)


def kernels(values):
    """NumPy [Kh, Kw, Cin, Cout] to a tensor [Cout, Cin, Kh, Kw] in the memory format."""
    return torch.from_numpy(np.ascontiguousarray(values.transpose(3, 2, 0, 1))).contiguous(memory_format=FORMAT)


def prepare_conv(case):
    x, dy = images(fill(IMAGES, case["x"])), images(fill(UPSTREAM, case["y"]))
    w = kernels(fill(WEIGHTS, case["w"]))
    stride, padding = [case["stride"]] * 2, [case["padding"]] * 2

    def forward():
        return F.conv2d(x, w, None, stride, padding, 1, case["groups"])

    def gradient(which):
        mask = [which == "dx", which == "dw", False]
        gradients = torch.ops.aten.convolution_backward(
            dy, x, w, None, stride, padding, [1, 1], False, [0, 0], case["groups"], mask)
        return gradients[mask.index(True)]

    run = forward if case["pass"] == "fwd" else lambda: gradient(case["pass"])
    order = (2, 3, 1, 0) if case["pass"] == "dw" else (0, 2, 3, 1)
    return no_grad(run), no_grad(lambda: run().numpy().transpose(order).ravel())


def prepare_dense(case):
    x, w, dy = (torch.from_numpy(fill(stream, case[name])) for stream, name in
                ((IMAGES, "x"), (WEIGHTS, "w"), (UPSTREAM, "y")))
    w = w.t().contiguous()  # [out, in], as nn.Linear has it
    # The products that its backward pass computes.
    run = {"fwd": lambda: F.linear(x, w), "dx": lambda: dy.mm(w), "dw": lambda: dy.t().mm(x)}[case["pass"]]
    result = (lambda: run().t()) if case["pass"] == "dw" else run
    return no_grad(run), no_grad(lambda: result().contiguous().numpy().ravel())


def no_grad(function):
    def run():
        with torch.no_grad():
            return function()
    return run


class Net(nn.Module):
    """The layers of a case; `features` is everything before the global average pooling."""

    def __init__(self, case):
        super().__init__()
        self.spec, self.steps = case["layers"], nn.ModuleList()
        for layer, (_, _, inputs), _ in walk(case["input"], self.spec):
            match layer["op"]:
                case "conv":
                    step = nn.Conv2d(inputs, layer["out"], layer["kernel"], layer["stride"], layer["padding"],
                                     groups=layer["groups"], bias=layer["bias"])
                case "bn":
                    step = nn.BatchNorm2d(inputs)
                case "relu":
                    step = nn.ReLU(inplace=True)
                case "relu6":
                    step = nn.ReLU6(inplace=True)
                case "max-pool":
                    step = nn.MaxPool2d(layer["size"])
                case "gap":
                    step = nn.AdaptiveAvgPool2d(1)
                case "linear":
                    step = nn.Linear(inputs, layer["out"])
                case "add":
                    step = nn.Identity()
            self.steps.append(step)
        self.sources = {layer.get("with", layer.get("from")) for layer in self.spec}
        self.pooling = next(place for place, layer in enumerate(self.spec) if layer["op"] == "gap")
        with torch.no_grad():
            for place, (parameter, drawn) in enumerate(zip(self.parameters(), case["parameters"], strict=True)):
                values = fill(PARAMETERS + place, drawn["shape"]) * np.float32(drawn["scale"])
                values += np.float32(drawn["offset"])
                order = {4: (3, 2, 0, 1), 2: (1, 0), 1: (0,)}[values.ndim]
                parameter.copy_(torch.from_numpy(np.ascontiguousarray(values.transpose(order))))
        self.to(memory_format=FORMAT)

    def features(self, x):
        kept = {}
        for place, (layer, step) in enumerate(zip(self.spec[: self.pooling], self.steps)):
            if layer.get("from") is not None:
                x = kept.pop(layer["from"])
            x = x + kept.pop(layer["with"]) if layer["op"] == "add" else step(x)
            if place in self.sources:
                kept[place] = x
        return x

    def head(self, features):
        return self.steps[-1](self.steps[self.pooling](features).flatten(1))

    def forward(self, x):
        return self.head(self.features(x))

    def canonical_parameters(self):
        orders = {4: (2, 3, 1, 0), 2: (1, 0), 1: (0,)}
        arrays = (parameter.detach().numpy() for parameter in self.parameters())
        return np.concatenate([array.transpose(orders[array.ndim]).ravel() for array in arrays])


def prepare_train(case):
    net = Net(case).train()
    x = images(fill(IMAGES, [case["n"], *case["input"]]))
    labels = torch.arange(case["n"]) % 10
    optimizer = torch.optim.SGD(net.parameters(), lr=LEARNING_RATE, momentum=MOMENTUM)

    def step():
        optimizer.zero_grad()
        F.cross_entropy(net(x), labels).backward()
        optimizer.step()

    def result():
        for _ in range(CHECKED_STEPS):
            step()
        return net.canonical_parameters()

    return step, result


class GuidedRelu(torch.autograd.Function):
    """Springenberg et al. (2015): what flows back is positive, and flowed through a positive input."""

    @staticmethod
    def forward(ctx, x):
        y = x.clamp(min=0)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, upstream):
        (y,) = ctx.saved_tensors
        return upstream.clamp(min=0) * (y > 0)


def prepare_explain(case):
    net = Net(case).eval().requires_grad_(False)
    x = images(fill(IMAGES, [case["n"], *case["input"]]))

    def grad_cam():
        """The graph is cut at the last feature map: the cheapest Grad-CAM that PyTorch can be made to give."""
        with torch.no_grad():
            features = net.features(x)
        features.requires_grad_()
        scores = net.head(features)[:, 0].sum()
        (gradient,) = torch.autograd.grad(scores, features)
        with torch.no_grad():
            weights = gradient.mean((2, 3), keepdim=True)
            return (weights * features).sum(1).relu_()

    def guided():
        image = x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(net(image)[:, 0].sum(), image)
        return gradient

    if case["pass"] == "grad-cam":
        return grad_cam, lambda: grad_cam().numpy().ravel()
    for place, layer in enumerate(net.spec):
        if layer["op"] == "relu":
            net.steps[place] = nn.Module()
            net.steps[place].forward = GuidedRelu.apply
    return guided, lambda: guided().numpy().transpose(0, 2, 3, 1).ravel()


PREPARE = {"conv": prepare_conv, "fc": prepare_dense, "train": prepare_train, "explain": prepare_explain}

if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    FORMAT = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}[sys.argv[2]]
    serve(lambda case: PREPARE[case["suite"]](case))
