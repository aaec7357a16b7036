"""Random networks whose scores differ between pictures, so that an error anywhere in them shows, and pictures for them."""

import copy
import zlib

import torch
from torch import nn
from torch.nn import functional as F

NORMS = (nn.modules.batchnorm._BatchNorm,)
WEIGHTS = (nn.Linear, nn.modules.conv._ConvNd)
# PyTorch's error in single precision that a network shall not exceed, of the largest score.
STEADY = 5e-6


def pictures(count, side, generator):
    """Smooth random pictures [N, 3, side, side] with some noise, in units of normalised pixels."""
    coarse = torch.randn(count, 3, 6, 6, generator=generator)
    smooth = F.interpolate(coarse, size=(side, side), mode="bicubic", align_corners=False)
    return smooth + 0.1 * torch.randn(count, 3, side, side, generator=generator)


def seed_of(name):
    return zlib.crc32(name.encode())


def enliven(network, x, side, generator):
    """Makes the network one whose scores depend on the picture, and gives its scores of x in single and double precision.

    A random network with the batch's own statistics amplifies every difference, rounding included, from layer to layer,
    until nothing can be compared. It does so the less, the less of the means is subtracted and the fewer values are negative.
    """
    draw(network, generator)
    norms = [each for each in network.modules() if isinstance(each, NORMS) and each.track_running_stats and each.affine]
    # The pictures compared are no outliers among these.
    usual = torch.cat([x, pictures(2, side, generator)])
    for share, lift in ((1.0, 0.0), (0.5, 1.0), (0.25, 0.5)) if norms else ((0.0, 0.0),):
        for norm in norms:
            norm.bias.data += lift
        set_statistics(network, norms, share, usual, generator)
        single, double = scores(network, x)
        if (single - double).abs().max() <= STEADY * double.abs().max():
            break
    return single.numpy(), double.numpy()


@torch.no_grad()
def scores(network, x):
    single = network(x)
    torch.set_default_dtype(torch.float64)
    try:
        return single, copy.deepcopy(network).double()(x.double())
    finally:
        torch.set_default_dtype(torch.float32)


@torch.no_grad()
def set_statistics(network, norms, share, x, generator):
    """Sets every batch norm's statistics, in the order of the layers: a share of the mean, and the mean square about it."""
    waiting = set(norms)

    def shake(norm, inputs):
        if norm not in waiting:
            return
        waiting.remove(norm)
        values = inputs[0].transpose(0, 1).flatten(1)
        variance, mean = torch.var_mean(values, 1, correction=0)
        square = variance + ((1 - share) * mean) ** 2
        # Not every channel of a random network says something.
        square = square.clamp(min=0.05 * square.mean().item())
        norm.running_mean = share * mean + 0.1 * square.sqrt() * torch.randn(mean.shape, generator=generator)
        norm.running_var = square * (0.8 + 0.4 * torch.rand(mean.shape, generator=generator))

    if not norms:
        return
    hooks = [norm.register_forward_pre_hook(shake) for norm in norms]
    network(x)
    for hook in hooks:
        hook.remove()


@torch.no_grad()
def draw(network, generator):
    """Draws anew what initialisation sets to a constant or makes tiny.

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
            elif name.endswith("weight") and value.abs().max() < 0.2:
                # Scales of norms that a library draws like those of convolutions.
                value.copy_(0.75 + 0.5 * uniform)
        elif abs(first) < 1e-2:
            # What scales a branch beside a skip connection is positive and small, so that the sum keeps its size.
            scale = first != 0.0 or name.endswith(("weight", "gamma", "scale"))
            value.copy_(0.1 + 0.2 * uniform if scale else 0.1 * normal)
        else:
            value.mul_(0.75 + 0.5 * uniform)
