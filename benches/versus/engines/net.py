"""The networks of `cases.py` as modules of PyTorch."""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from cases import PARAMETERS, walk
from fill import fill


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
