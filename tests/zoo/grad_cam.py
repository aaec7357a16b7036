"""Grad-CAM of networks of PyTorch, by autograd, at the last outputs of modules that have positions."""

import copy

import numpy as np
import torch

LAYERS = 12
# Class, distillation and register tokens stand before those of the patches.
PREFIX = 8


def explain(network, x):
    """What is stored as maps.npz: the class explained, the outputs' names and values, and their maps in both precisions.

    A map of a picture [1, C, H, W] is `maps`, that of the same values as [1, H, W, C] `lasts`; one of them is meaningless.
    A map of tokens [1, T, C] is a square of those that come from patches.
    """
    single, label = kept(network, x[:1], None)
    torch.set_default_dtype(torch.float64)
    try:
        double, _ = kept(copy.deepcopy(network).double(), x[:1].double(), label)
    finally:
        torch.set_default_dtype(torch.float32)
    stored = {"class": label}
    names = [name for name in single if name in double]
    for number, name in enumerate(chosen(names, single)):
        stored[f"{number}.name"] = name
        stored[f"{number}.features"] = single[name][0].numpy()
        for axis, kind in ((1, "maps"), (-1, "lasts")):
            if single[name][0].ndim == 3 and axis == 1:
                continue
            stored[f"{number}.{kind}.double"] = grad_cam(*double[name], axis)
            stored[f"{number}.{kind}.single"] = grad_cam(*single[name], axis)
    return stored


def kept(network, x, label):
    """The outputs with positions and the score's gradients there, by the module's name and call."""
    found = {}

    def keep(name):
        def hook(_module, _inputs, output):
            if torch.is_tensor(output) and output.requires_grad and positions(output.shape) > 1:
                found[f"{name}#{sum(each.startswith(name + '#') for each in found)}"] = output

        return hook

    hooks = [module.register_forward_hook(keep(name)) for name, module in network.named_modules()]
    scores = network(x)
    for hook in hooks:
        hook.remove()
    label = scores[0].argmax().item() if label is None else label
    gradients = torch.autograd.grad(scores[0, label], list(found.values()), allow_unused=True)
    pairs = zip(found.items(), gradients)
    return {name: (value.detach(), each) for (name, value), each in pairs if each is not None and each.abs().max() > 0}, label


def positions(shape):
    if len(shape) == 4:
        return min(shape[2] * shape[3], shape[1] * shape[2])
    return side(shape[1]) ** 2 if len(shape) == 3 else 0


def side(tokens):
    """Of the square of patches among so many tokens, or 0."""
    root = int(tokens**0.5)
    return root if tokens - root * root <= PREFIX else 0


def chosen(names, values):
    """The last of them, each value once."""
    taken = []
    for name in reversed(names):
        value = values[name][0]
        alike = (values[other][0] for other in taken)
        if not any(other.shape == value.shape and torch.equal(other, value) for other in alike):
            taken.append(name)
        if len(taken) == LAYERS:
            break
    return taken


def grad_cam(features, gradients, axis):
    """Σ_k α_k f_k, α being the gradient's mean over positions."""
    if features.ndim == 3:
        edge = side(features.shape[1])
        of_patches = lambda value: value[:, -edge * edge :].reshape(1, edge, edge, -1)
        features, gradients = of_patches(features), of_patches(gradients)
    over = (2, 3) if axis == 1 else (1, 2)
    weights = gradients.mean(over, keepdim=True)
    return np.asarray((weights * features).sum(axis)[0])
