"""Compares thirteen networks that are no plain classifiers with PyTorch: their outputs, and Grad-CAM of their own targets.

    cargo build --release && python tests/run_networks.py target/release/glassbox

Segmentation, embedding, regression and multi-label networks of torchvision and timm, with random weights, are exported to
ONNX. For each, the program's numbers are compared with PyTorch's in double precision, and its Grad-CAM map with one
computed by autograd, relative to their largest value. Fails if one differs by more than 1e-4. Needs the packages torch,
torchvision, timm, onnx and numpy; downloads nothing.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import timm
import torch
import torchvision.models as vision
import torchvision.models.segmentation as segmentation
from torch import nn
from torch.nn import functional as F

BOUND = 1e-4


class Take(nn.Module):
    """Segmentation networks of torchvision give a dictionary."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x)["out"]


class Normalized(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return F.normalize(self.network(x))


class UNet(nn.Module):
    """Two levels, one label at each pixel."""

    def __init__(self):
        super().__init__()
        block = lambda i, o: nn.Sequential(nn.Conv2d(i, o, 3, padding=1), nn.BatchNorm2d(o), nn.ReLU())
        self.down, self.deep = block(3, 12), block(12, 24)
        self.up, self.last = nn.ConvTranspose2d(24, 12, 2, stride=2), block(24, 12)
        self.head = nn.Conv2d(12, 1, 1)
        self.end = nn.Sigmoid()

    def forward(self, x):
        down = self.down(x)
        up = self.up(self.deep(F.max_pool2d(down, 2)))
        return self.end(self.head(self.last(torch.cat([up, down], 1))))


def with_sigmoid(network):
    return nn.Sequential(network, nn.Sigmoid())


# Name, network, side of the picture, the module whose output is explained, and the target.
NETWORKS = [
    ("fcn_resnet50", lambda: Take(segmentation.fcn_resnet50(weights=None, weights_backbone=None)), 96,
     "network.backbone.layer4", ("map", 5)),
    ("deeplabv3_mobilenet_v3", lambda: Take(segmentation.deeplabv3_mobilenet_v3_large(weights=None, weights_backbone=None)), 96,
     "network.backbone.16", ("map", 3)),
    ("lraspp_mobilenet_v3", lambda: Take(segmentation.lraspp_mobilenet_v3_large(weights=None, weights_backbone=None)), 96,
     "network.backbone.16", ("map", 7)),
    ("unet", UNet, 64, "deep", ("map", 0)),
    ("timm_resnet18_features", lambda: timm.create_model("resnet18", num_classes=0), 96, "layer4", ("like", None)),
    ("timm_regnetx_002_features", lambda: timm.create_model("regnetx_002", num_classes=0), 96, "s4", ("like", None)),
    ("resnet18_normalized", lambda: Normalized(vision.resnet18(num_classes=64)), 96, "network.layer4", ("like", None)),
    ("resnet34_age", lambda: vision.resnet34(num_classes=1), 96, "layer4", ("value", 0)),
    ("mobilenet_v2_values", lambda: vision.mobilenet_v2(num_classes=3), 96, "features", ("value", 2)),
    ("shufflenet_values", lambda: vision.shufflenet_v2_x1_0(num_classes=4), 96, "conv5", ("value", 1)),
    ("densenet121_findings", lambda: with_sigmoid(vision.densenet121(num_classes=14)), 96, "0.features.denseblock4",
     ("label", 11)),
    ("efficientnet_b0_labels", lambda: with_sigmoid(vision.efficientnet_b0(num_classes=5)), 96, "0.features", ("label", 3)),
    ("squeezenet_labels", lambda: with_sigmoid(vision.squeezenet1_1(num_classes=4)), 96, "0.features", ("label", 1)),
]


def grad_cam(network, module, picture, target, other):
    """The output in double precision, the score, and Σ_k α_k f_k of a module."""
    kept = {}
    handle = network.get_submodule(module).register_forward_hook(lambda _m, _i, output: kept.update(f=output))
    # The score is before a sigmoid.
    before = {}
    last = list(network.modules())[-1]
    ends = isinstance(last, nn.Sigmoid)
    hook = last.register_forward_pre_hook(lambda _m, inputs: before.update(y=inputs[0])) if ends else None
    output = network(picture)
    scores = before.get("y", output)
    kind, index = target
    if kind == "map":
        score = scores[:, index].sum()
    elif kind == "like":
        score = F.cosine_similarity(scores, other)[0]
    else:
        score = scores[0, index]
    (gradient,) = torch.autograd.grad(score, kept["f"])
    handle.remove()
    if hook:
        hook.remove()
    weights = gradient.mean((2, 3), keepdim=True)
    return output.detach(), score.item(), (weights * kept["f"]).sum(1)[0].detach().numpy(), kept["f"].detach()


def layer_of(path, picture, features):
    """The name of the ONNX node whose output is these features."""
    import onnx
    import onnxruntime

    model = onnx.load(path)
    shape = list(features.shape)
    names = {node.output[0]: node.name for node in model.graph.node}
    known = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    outputs = [output.name for output in session.get_outputs()]
    found = session.run(None, {session.get_inputs()[0].name: picture.numpy()})
    best = None
    for name, values in zip(outputs, found):
        if list(values.shape) == shape and np.abs(values - features.numpy()).max() < 1e-3 * np.abs(features.numpy()).max():
            best = names[name]
    return best


def main(program):
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for number, (name, make, side, module, target) in enumerate(NETWORKS):
            torch.manual_seed(number)
            network = make().eval()
            # Running statistics and scales that a trained network would have, so that activations keep their size.
            network.train()
            with torch.no_grad():
                for _ in range(3):
                    network(torch.randn(4, 3, side, side))
            network.eval()
            picture, other = torch.randn(1, 3, side, side), torch.randn(1, 3, side, side)
            path = folder / f"{name}.onnx"
            torch.onnx.export(network, (picture,), path, dynamo=False, opset_version=17)
            for file, values in (("x", picture), ("other", other)):
                np.save(folder / f"{file}.npy", values[0].permute(1, 2, 0).numpy())
            double = network.double()
            reference = double(other.double()).detach() if target[0] == "like" else None
            output, score, expected, features = grad_cam(double, module, picture.double(), target, reference)
            layer = layer_of(path, picture, features.float())
            ask = [program, "explain", "x.npy", "--model", path.name, "--method", "grad-cam", "--layer", layer, "--raw", "--json",
                   "--out", "out"]
            task = {"like": "embedding", "value": "values"}.get(target[0])
            ask += ["--task", task] if task else []
            ask += ["--like", "other.npy"] if target[0] == "like" else ["--target", str(target[1])]
            ask += ["--region", "all"] if target[0] == "map" else []
            # With one label alone, its classes are 0 for absent and 1 for present.
            if target[0] == "map" and output.shape[1] == 1:
                ask[ask.index("--target") + 1] = "1"
            run = subprocess.run(ask, cwd=folder, capture_output=True, text=True)
            if run.returncode:
                print(f"{name:28} FAILS: {run.stderr.strip()[-300:]}")
                worst = np.inf
                continue
            result = json.loads(run.stdout)["pictures"][0]
            found = np.load(folder / "out" / "x.grad-cam.npy")
            of_map = np.abs(found - expected).max() / np.abs(expected).max()
            of_output = difference(result, output, target)
            worst = max(worst, of_map, of_output or 0.0)
            outputs = "      -" if of_output is None else f"{of_output:.1e}"
            print(f"{name:28} {layer:44} outputs {outputs}  Grad-CAM {of_map:.1e}")
    sys.exit(f"a difference of {worst:.1e}, above {BOUND}" if worst > BOUND else 0)


def difference(result, output, target):
    """The largest difference between what the program prints and the network's output, relative to the largest number."""
    said = result["top"]
    output = output.numpy()
    if target[0] == "label":
        pairs = [(each["probability"], output[0, each["class"]]) for each in said]
    elif target[0] == "value":
        pairs = [(each["value"], output[0, each["class"]]) for each in said]
    elif target[0] == "map" and output.shape[1] == 1:
        pairs = [(each["share"], np.mean((output[0, 0] > 0.5) == bool(each["class"]))) for each in said]
    elif target[0] == "map":
        counts = np.bincount(output[0].argmax(0).ravel(), minlength=output.shape[1]) / output[0, 0].size
        pairs = [(each["share"], counts[each["class"]]) for each in said]
    else:
        # What is printed of an embedding is its length alone.
        return None
    scale = max(abs(expected) for _, expected in pairs)
    return max(abs(found - expected) for found, expected in pairs) / scale


if __name__ == "__main__":
    main(str(Path(sys.argv[1]).resolve()))
