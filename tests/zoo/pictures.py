"""Random networks whose scores differ between pictures, so that an error anywhere in them shows."""

import zlib

import torch
from torch import nn
from torch.nn import functional as F

NORMS = (nn.modules.batchnorm._BatchNorm,)
WEIGHTS = (nn.Linear, nn.modules.conv._ConvNd)


def pictures(count, side, generator):
    """Smooth random pictures [N, 3, side, side] with some noise, in units of normalised pixels."""
    coarse = torch.randn(count, 3, 6, 6, generator=generator)
    smooth = F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=False)
    return smooth + 0.1 * torch.randn(count, 3, side, side, generator=generator)


def seed_of(name):
    return zlib.crc32(name.encode())


@torch.no_grad()
def enliven(network, side, generator):
    """Draws anew what initialisation sets to a constant or makes tiny, and sets the batch norms' statistics from pictures.

    An untrained transformer's weights of 0.02 make every attention uniform, and layer scales of 1e-6 switch its blocks off.
    """
    weights = {id(module.weight) for module in network.modules() if isinstance(module, WEIGHTS)}
    seen = set()
    for name, value in network.named_parameters():
        if id(value) in seen or value.numel() == 0:
            continue
        seen.add(id(value))
        normal = torch.randn(value.shape, generator=generator)
        uniform = torch.rand(value.shape, generator=generator)
        first = value.flatten()[0].item()
        spread = 0.0 if (value == first).all() else value.std().item()
        if id(value) in weights or (value.ndim > 1 and name.endswith(("weight", "proj"))):
            # Of unit variance for an input of unit variance.
            unit = value[0].numel() ** -0.5
            if spread == 0.0:
                value.copy_(unit * normal)
            elif spread < unit:
                value.mul_(unit / spread)
        elif spread > 0.0:
            # Position embeddings, tables of relative biases, tokens.
            if value.ndim > 1 and spread < 0.2:
                value.mul_(0.3 / spread)
        elif abs(first) < 1e-2:
            # What scales a branch beside a skip connection is positive and small, so that the sum keeps its size.
            scale = first != 0.0 or name.endswith(("weight", "gamma", "scale"))
            value.copy_(0.1 + 0.2 * uniform if scale else 0.1 * normal)
        else:
            value.mul_(0.75 + 0.5 * uniform)
    set_statistics(network, side, generator)


def set_statistics(network, side, generator):
    norms = [module for module in network.modules() if isinstance(module, NORMS) and module.track_running_stats]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None
        norm.reset_running_stats()
    network.train()
    for _ in range(3):
        network(pictures(4, side, generator))
    network.eval()
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
        deviation = norm.running_var.sqrt()
        norm.running_mean += 0.1 * deviation * torch.randn(deviation.shape, generator=generator)
        norm.running_var *= 0.8 + 0.4 * torch.rand(deviation.shape, generator=generator)
