#!/usr/bin/env python3
"""Computes maps of three small networks with the methods' original libraries, in float64.

    python tests/reference/methods/make.py

The networks are those of `tests/reference/small`, and a small residual network with random weights that is exported to
`resnet.onnx` beside this file. Maps are stored in `NET.safetensors` as `[N, H, W, C]`, with the images, their classes, and what was
drawn at random. Needs torch, captum, zennit, zennit-crp, grad-cam, scikit-learn,
onnx, numpy and safetensors; downloads nothing. Values were made with PyTorch 2.15.0, captum 0.9.0, zennit 0.5.1, zennit-crp
0.6.0, pytorch-grad-cam 1.5.7 and scikit-learn 1.9.1.
"""

import copy
from pathlib import Path
from unittest import mock

import numpy as np
import onnx
import torch
from captum.attr import DeepLift, GradientShap, ShapleyValues
from crp.attribution import CondAttribution
from onnx import numpy_helper
from pytorch_grad_cam import FinerCAM, GradCAM, RefineCAM, base_cam, refine_cam
from pytorch_grad_cam.feature_factorization import deep_feature_factorization
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget, FinerWeightedTarget
from safetensors.numpy import load_file, save_file
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from zennit import composites
from zennit.attribution import Gradient
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


class Apart(nn.Module):
    """The identity, as a tensor of its own."""

    def forward(self, x):
        return x.clone()


def deep_lift(model, images):
    """captum's hooks interfere if the output of an activation is itself the input of a max pooling, as its sums then show."""
    parts = [(Apart(), module) if isinstance(module, nn.MaxPool2d) else (module,) for module in model]
    model = nn.Sequential(*(module for part in parts for module in part))
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


def for_zennit(model):
    """With batch norms in the convolutions before them (zennit's own canonizer leaves their 1e-5 behind), and sums that are modules."""
    model = copy.deepcopy(model)
    for module in list(model.modules()):
        if isinstance(module, Block):
            module.sum = Sum()
        children = list(module.named_children())
        for (name, conv), (after, norm) in zip(children, children[1:]):
            if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(conv, norm))
                setattr(module, after, nn.Identity())
    return model


# Denominators that are zero are the only ones that zennit's stabilizer is to change.
STABLE = dict(stabilizer=1e-300)
LOW, HIGH = -3.5, 3.25


def presets():
    first = [(Convolution, WSquare(zero_params="bias", **STABLE))]
    return {
        "epsilon": composites.EpsilonPlus(**STABLE, layer_map=[(Convolution, Epsilon())]),
        "epsilon_plus": composites.EpsilonPlus(**STABLE),
        "epsilon_plus_flat": composites.EpsilonPlusFlat(**STABLE),
        "epsilon_gamma_box": composites.EpsilonGammaBox(LOW, HIGH, **STABLE),
        "epsilon_alpha2_beta1": composites.EpsilonAlpha2Beta1(**STABLE),
        "epsilon_alpha2_beta1_flat": composites.EpsilonAlpha2Beta1Flat(**STABLE),
        "epsilon_plus_w_square": composites.EpsilonPlusFlat(**STABLE, first_map=first),
    }


def relevance(model, images):
    model = for_zennit(model)
    scores = model(images).detach()
    seed = torch.zeros_like(scores)
    seed[range(len(images)), CLASSES] = scores[range(len(images)), CLASSES]
    found = {}
    for preset, composite in presets().items():
        with Gradient(model=model, composite=composite) as attributor:
            _, values = attributor(images, seed)
        found[f"lrp.{preset}"] = values.permute(0, 2, 3, 1)
    return found


def concept_relevance(name, model, images):
    """A channel of a layer for each image, by zennit-crp."""
    layer, channels = CONCEPTS[name]
    composite, attribution = presets()["epsilon_plus_flat"], CondAttribution(for_zennit(model))
    maps = []
    # The heat map is a sum over the colours; the gradient at the image isn't summed.
    attribution.heatmap_modifier = lambda data, on_device=None: data.grad.detach()
    for image, (c, channel) in enumerate(zip(CLASSES, channels)):
        x = images[image : image + 1].clone().requires_grad_()
        maps.append(attribution(x, [{"y": [c], layer: [channel]}], composite).heatmap)
    return {"crp": torch.cat(maps).permute(0, 2, 3, 1), "crp.channels": torch.tensor(channels)}


CONCEPTS = {"gapnet": ("3", [2, 7]), "flatnet": ("1", [0, 4]), "resnet": ("4.relu2", [1, 6])}
# An early and a later layer.
LAYERS = {"gapnet": ("1", "6"), "flatnet": ("1", "4"), "resnet": ("2", "5")}


def scaled(cams, size=None):
    """pytorch-grad-cam's `scale_cam_image` in double precision, without 1e-7 in its denominators, resized by PyTorch."""
    result = []
    for cam in cams:
        cam = cam - cam.min()
        cam = cam / cam.max()
        if size is not None:
            cam = torch.tensor(cam)[None, None]
            cam = nn.functional.interpolate(cam, size=tuple(size[::-1]), mode="bilinear", align_corners=False)[0, 0].numpy()
        result.append(cam)
    return np.stack(result)


def raw(method):
    """A CAM before its ReLU, scaling and resizing."""
    def per_layer(x, targets, eigen_smooth):
        activations, gradients = method.activations_and_grads.activations[0], method.activations_and_grads.gradients[0]
        return method.get_cam_image(x, method.target_layers[0], targets, activations.numpy(), gradients.numpy(), eigen_smooth)
    method.compute_cam_per_layer, method.aggregate_multi_layers = per_layer, lambda cam: cam
    return method


class Finer(FinerWeightedTarget):
    """Without 1e-9 in its denominator."""

    def __call__(self, scores):
        own, others = scores[self.main_category], scores[self.comparison_categories]
        weights = torch.softmax(scores, -1)[self.comparison_categories]
        return (weights * (own - self.alpha * others)).sum() / weights.sum()


def finer(model, images, layer, alpha, count):
    method = FinerCAM(model, [layer])
    raw(method.base_cam)
    maps = []
    for image, c in enumerate(CLASSES):
        x = images[image : image + 1]
        with torch.no_grad():
            scores = model(x)[0]
        order = np.argsort(np.abs(scores.numpy() - scores[c].item()))
        assert order[0] == c
        original = FinerWeightedTarget(c, order[1 : count + 1].tolist(), alpha)
        target = Finer(c, order[1 : count + 1].tolist(), alpha)
        assert torch.isclose(original(scores), target(scores), rtol=1e-5)
        maps.append(method(x, [target]))
    return torch.tensor(np.concatenate(maps))


def cams(name, model, images):
    modules = dict(model.named_modules())
    early, late = (modules[layer] for layer in LAYERS[name])
    targets = [ClassifierOutputTarget(c) for c in CLASSES]
    found = {"finer_cam": finer(model, images, late, 1.0, 3), "finer_cam.early": finer(model, images, early, 0.6, 2)}
    with mock.patch.object(base_cam, "scale_cam_image", scaled), mock.patch.object(refine_cam, "scale_cam_image", scaled):
        found["refine_cam"] = torch.tensor(RefineCAM(model, [early, late])(images, targets))
    # The mean of the maps themselves, at a layer with a cell for each pixel.
    method = raw(GradCAM(model, [early]))
    copies = []
    for transform in method.tta_transforms:
        cam = torch.tensor(method(transform.augment_image(images), targets))
        copies.append(transform.deaugment_mask(cam[:, None])[:, 0])
    assert len(copies) == 6
    found["augmented"] = torch.stack(copies).mean(0)
    found |= factorization(model, images, late)
    return found


def factorization(model, images, layer):
    """The factors of the first image's features from a first guess that is chosen here."""
    method = deep_feature_factorization.DeepFeatureFactorization(model, layer)
    model(images[:1])
    method.activations_and_grads(images[:1])
    features = method.activations_and_grads.activations[0].detach().numpy()
    generator, (_, channels, h, w) = np.random.default_rng(3), features.shape
    first = [generator.uniform(size=shape) for shape in [(channels, 3), (3, h * w)]]
    original = deep_feature_factorization.NMF

    class Chosen(original):
        def __init__(self, n_components, **_):
            super().__init__(n_components, init="custom")

        def fit_transform(self, x):
            return super().fit_transform(x, W=first[0].copy(), H=first[1].copy())

    with mock.patch.object(deep_feature_factorization, "NMF", Chosen):
        concepts, maps = deep_feature_factorization.dff(features.copy(), 3)
    return {
        "dff.features": torch.tensor(features).permute(0, 2, 3, 1)[0],
        "dff.first.features": torch.tensor(first[0].T), "dff.first.maps": torch.tensor(first[1].reshape(3, h, w)).permute(1, 2, 0),
        # The program adds the least of each channel to the concepts.
        "dff.concepts": torch.tensor((concepts - features.min((0, 2, 3))[:, None]).T),
        "dff.maps": torch.tensor(maps[0]).permute(1, 2, 0),
    }


def shapley(model, images):
    """Two rows and two columns of patches, all orders."""
    h, w = images.shape[2:]
    patches = (torch.arange(h)[:, None] * 2 // h * 2 + torch.arange(w)[None] * 2 // w)[None, None]
    with torch.no_grad():
        return one_by_one(images, lambda x, c: ShapleyValues(model).attribute(
            x, BASELINE, target=c, feature_mask=patches.expand_as(x).contiguous(), perturbations_per_eval=64))[..., :1]


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
            "shapley": shapley(model, images),
            **cams(name, model, images),
            **relevance(model, images),
            **concept_relevance(name, model, images),
        }
        arrays = {key: np.ascontiguousarray(value.detach().numpy()) for key, value in found.items()}
        save_file(arrays, FOLDER / f"{name}.safetensors")
        print(name, sum(p.numel() for p in model.parameters()), {k: v.shape for k, v in arrays.items()})


if __name__ == "__main__":
    main()
