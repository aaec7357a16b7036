#!/usr/bin/env python3
"""Computes the stored maps of small transformers: attention rollout, gradient-weighted attention and AttnLRP.

    python tests/reference/attention/make.py
    python tests/reference/attention/make.py --full

The networks are timm's classes with few channels and random weights, exported in float32 to NET.onnx. The maps are computed
by automatic differentiation in float64 from the same weights and stored in NET.safetensors, with the images and the scores.
With --full, the networks are timm's ViT-Tiny, DeiT-Tiny (distilled) and Swin-Tiny, and the files go to target/attention, where
`cargo test --test crossing -- --ignored` finds them. Needs torch, timm, onnx, numpy and safetensors; downloads nothing. Values were made with PyTorch 2.15.0 and timm 1.0.31.
"""

import sys
from pathlib import Path

import numpy as np
import timm
import torch
from safetensors.numpy import save_file
from torch import nn
from torch.nn import functional as F

FOLDER = Path(__file__).parent
FULL = FOLDER.parents[2] / "target/attention"
EPSILON = 1e-6


class Conserving(torch.autograd.Function):
    """The identity, with gradients multiplied by a factor."""

    @staticmethod
    def forward(ctx, x, factor):
        ctx.save_for_backward(factor)
        return x

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0], None


def times(x, factor):
    return Conserving.apply(x, torch.as_tensor(factor, dtype=x.dtype))


def stabilized(y):
    """The ε-rule: Rⱼ / (yⱼ + ε·sign yⱼ)."""
    y_ = y.detach()
    return times(y, y_ / (y_ + EPSILON * torch.where(y_ < 0, -1.0, 1.0)))


class AttnLRP:
    """Replaces the modules' functions by those whose gradient times input is the relevance (Achtibat et al. 2024)."""

    def linear(self, m, x):
        return stabilized(F.linear(x, m.weight, m.bias))

    def conv(self, m, x):
        return stabilized(F.conv2d(x, m.weight, m.bias, m.stride, m.padding))

    def norm(self, m, x):
        centred = x - x.mean(-1, keepdim=True)
        deviation = (centred.pow(2).mean(-1, keepdim=True) + m.eps).sqrt().detach()
        return centred / deviation * m.weight + m.bias

    def gelu(self, m, x):
        return times(x, (F.gelu(x) / x).detach()) + (F.gelu(x) - x).detach()

    def product(self, a, b):
        return times(a @ b, 0.5)


class Plain:
    def linear(self, m, x):
        return F.linear(x, m.weight, m.bias)

    def conv(self, m, x):
        return F.conv2d(x, m.weight, m.bias, m.stride, m.padding)

    def norm(self, m, x):
        return F.layer_norm(x, x.shape[-1:], m.weight, m.bias, m.eps)

    def gelu(self, m, x):
        return F.gelu(x)

    def product(self, a, b):
        return a @ b


def attention(module, rules, kept):
    """timm's Attention and WindowAttention, written out."""

    def forward(x, mask=None, **_):
        n, t, c = x.shape
        q, k, v = module.qkv(x).reshape(n, t, 3, module.num_heads, -1).permute(2, 0, 3, 1, 4)
        # As the file has the factor.
        e = rules.product(q * float(np.float32(module.scale)), k.transpose(-2, -1))
        if hasattr(module, "relative_position_bias_table"):
            e = e + module._get_rel_pos_bias()
            if mask is not None:
                e = (e.view(-1, mask.shape[0], module.num_heads, t, t) + mask.unsqueeze(1)).view(e.shape)
        a = e.softmax(-1)
        kept.append(a)
        return module.proj(rules.product(a, v).transpose(1, 2).reshape(n, t, c))

    return forward


def rewired(model, rules):
    """The model with written-out functions, and the list that collects the attention of each block."""
    kept = []
    for module in model.modules():
        name = type(module).__name__
        for kind, function in [
            (nn.Linear, rules.linear), (nn.Conv2d, rules.conv), (nn.LayerNorm, rules.norm), (nn.GELU, rules.gelu),
        ]:
            if isinstance(module, kind):
                module.forward = lambda x, f=function, m=module: f(m, x)
        if name in ("Attention", "WindowAttention"):
            module.forward = attention(module, rules, kept)
    return kept


def maps(make, state, images, first, classes):
    """For each class: rollout, gradient-weighted attention (None if attention is within windows), AttnLRP."""
    result = {}
    model = make().double().eval()
    model.load_state_dict(state)
    kept = rewired(model, Plain())
    scores = model(images)
    result["scores"] = scores
    blocks = list(kept)
    side = int(round((blocks[0].shape[-1] - first) ** 0.5)) if first is not None else 0
    for c in range(classes if first is not None else 0):
        gradients = torch.autograd.grad(scores[:, c].sum(), blocks, retain_graph=True)
        n, _, t, _ = blocks[0].shape
        r = rollout = torch.eye(t, dtype=torch.float64).expand(n, t, t)
        for a, g in zip(blocks, gradients):
            r = r + (a * g).clamp(min=0).mean(1) @ r
            mixed = 0.5 * a.mean(1) + 0.5 * torch.eye(t, dtype=torch.float64)
            rollout = mixed / mixed.sum(-1, keepdim=True) @ rollout
        # The rows of the tokens that the scores are computed from: the special ones, or the mean of all.
        rows = slice(0, first) if first else slice(None)
        row = lambda m: m[:, rows].mean(1)[:, first:].reshape(n, side, side)
        result[f"chefer.{c}"] = row(r - torch.eye(t, dtype=torch.float64))
        result["rollout"] = row(rollout)
    model = make().double().eval()
    model.load_state_dict(state)
    rewired(model, AttnLRP())
    x = images.clone().requires_grad_()
    scores_again = model(x)
    assert torch.allclose(scores_again, scores, rtol=0, atol=1e-12)
    for c in range(classes):
        (g,) = torch.autograd.grad(scores_again[:, c].sum(), x, retain_graph=True)
        result[f"lrp.{c}"] = (x * g).permute(0, 2, 3, 1)
    return result


def small():
    """Name, constructor, number of special tokens (None: attention is within windows), side, noise added to the weights."""
    small = dict(img_size=32, num_classes=3)
    # The factors 1/√d are powers of two, which single precision holds exactly.
    vit = dict(small, patch_size=8, embed_dim=32, depth=3, num_heads=2)
    deit = timm.models.deit.VisionTransformerDistilled
    noise = lambda parameter: 0.15
    return [
        ("vit", lambda: timm.models.VisionTransformer(**vit), 1, 32, noise),
        ("vit_mean", lambda: timm.models.VisionTransformer(**vit, class_token=False, global_pool="avg"), 0, 32, noise),
        ("deit_distilled", lambda: deit(**vit), 2, 32, noise),
        ("swin", lambda: timm.models.SwinTransformer(
            **small, patch_size=2, embed_dim=8, depths=(2, 2), num_heads=(2, 4), window_size=4), None, 32, noise),
    ]


def full():
    make = lambda name: lambda: timm.create_model(name, num_classes=3)
    # As much for an output as in the small networks, whatever the number of inputs.
    noise = lambda parameter: 0.15 if parameter.ndim < 2 else 0.85 * parameter[0].numel() ** -0.5
    return [
        ("vit_tiny", make("vit_tiny_patch16_224"), 1, 224, noise),
        ("deit_tiny_distilled", make("deit_tiny_distilled_patch16_224"), 2, 224, noise),
        ("swin_tiny", make("swin_tiny_patch4_window7_224"), None, 224, noise),
    ]


def main():
    is_full = sys.argv[1:] == ["--full"]
    folder = FULL if is_full else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    timm.layers.set_fused_attn(False)
    for name, make, first, side, noise in full() if is_full else small():
        torch.manual_seed(1)
        model = make().eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += noise(parameter) * torch.randn_like(parameter)
        images = torch.randn(2, 3, side, side)
        torch.onnx.export(model, images[:1], folder / f"{name}.onnx", dynamo=False, opset_version=17)
        state = {key: value.double() for key, value in model.state_dict().items()}
        found = maps(make, state, images.double(), first, 3)
        assert torch.allclose(found["scores"].float(), model(images), atol=1e-4 * float(found["scores"].abs().max()))
        found["images"] = images.double().permute(0, 2, 3, 1)
        arrays = {key: np.ascontiguousarray(value.detach().numpy()) for key, value in found.items()}
        save_file(arrays, folder / f"{name}.safetensors")
        print(name, sum(p.numel() for p in model.parameters()), {k: v.shape for k, v in arrays.items()})


if __name__ == "__main__":
    main()
