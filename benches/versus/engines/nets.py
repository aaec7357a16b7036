"""The whole networks of the suite `nets`, and the files from which the engines read them: `nets.py FOLDER NAME…`.

The weights are random. Batch norms' running statistics are those of a batch of the inputs, so that activations keep their size
through the network. There is neither dropout nor stochastic depth: every engine would draw masks of its own.

Files of a network: `NAME.onnx`, with batch norms; `NAME.folded.onnx`, as it is exported for evaluation, if it has batch norms;
`NAME.pt`, the same for PyTorch; `NAME.json`, what `limit.py` asks of its layers.
"""

import json
import math
import sys
import warnings
from collections import OrderedDict
from pathlib import Path

import torch
import torchvision
from torch import nn
from torchvision.models.googlenet import BasicConv2d
from torchvision.models.swin_transformer import ShiftedWindowAttention

from net import Net  # makes the folder above importable
from cases import IMAGES, NETS, net_case
from fill import fill
from tokens import Tokens


def pooled(*rest):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), *rest)


def stages(net, names):
    return nn.Sequential(OrderedDict((name, getattr(net, name)) for name in names.split()))


# For each network of torchvision what computes its last feature map, and what makes scores of that.
PARTS = {
    "vgg16": lambda net: (net.features, nn.Sequential(net.avgpool, nn.Flatten(), net.classifier)),
    "resnet18": lambda net: (stages(net, "conv1 bn1 relu maxpool layer1 layer2 layer3 layer4"), pooled(net.fc)),
    "mobilenet_v2": lambda net: (net.features, pooled(net.classifier)),
    "convnext_tiny": lambda net: (net.features, nn.Sequential(net.avgpool, net.classifier)),
    "densenet121": lambda net: (nn.Sequential(net.features, nn.ReLU()), pooled(net.classifier)),
    "squeezenet1_1": lambda net: (nn.Sequential(net.features, *net.classifier[1:3]), pooled()),
    "regnet_y_400mf": lambda net: (stages(net, "stem trunk_output"), pooled(net.fc)),
    "shufflenet_v2_x1_0": lambda net: (stages(net, "conv1 maxpool stage2 stage3 stage4 conv5"), pooled(net.fc)),
    "googlenet": lambda net: (stages(net, "conv1 maxpool1 conv2 conv3 maxpool2 inception3a inception3b maxpool3 inception4a "
                                          "inception4b inception4c inception4d inception4e maxpool4 inception5a inception5b"),
                              pooled(net.fc)),
}
PARTS["swin_t"] = lambda net: (nn.Sequential(net.features, net.norm, net.permute),
                               nn.Sequential(net.avgpool, net.flatten, net.head))
PARTS["resnet50"] = PARTS["resnet18"]
PARTS["mobilenet_v3_large"] = PARTS["efficientnet_b0"] = PARTS["mobilenet_v2"]


def vit_tiny():
    """ViT-Ti/16; torchvision starts its last layer at zero."""
    net = torchvision.models.VisionTransformer(224, 16, num_layers=12, num_heads=3, hidden_dim=192, mlp_dim=768)
    nn.init.trunc_normal_(net.heads.head.weight, std=0.02)
    return net


PARTS["vit_tiny"] = lambda net: (Tokens(net), pooled(net.heads.head))


def build(name):
    """A network with `features` and `head`, its weights as they are first drawn."""
    if name in NETS:
        return Net(net_case("nets", name, "", 1))
    options = {"aux_logits": False, "init_weights": True} if name == "googlenet" else {}
    whole = vit_tiny() if name == "vit_tiny" else getattr(torchvision.models, name)(weights=None, **options)
    features, head = PARTS[name](whole)
    net = nn.Sequential(OrderedDict(features=features, head=head))
    replace(net)
    return net


def replace(module):
    """Leaves out what draws masks, and makes a module of each ReLU."""
    for name, child in module.named_children():
        if isinstance(child, (nn.Dropout, torchvision.ops.StochasticDepth)):
            setattr(module, name, nn.Identity())
        elif isinstance(child, BasicConv2d):
            setattr(module, name, nn.Sequential(child.conv, child.bn, nn.ReLU(inplace=True)))
        else:
            replace(child)


def load(name, folder):
    """The network in its file."""
    return torch.load(Path(folder) / f"{name}.pt", weights_only=False)


def input_shape(name):
    return NETS[name][0] if name in NETS else (224, 224, 3)


def settle(norms, net, images):
    """Gives batch norms the statistics of these images."""
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None
    net.train()(images)
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum


def layers(net, shape):
    """[multiply–adds, values in, values out, weights] of the convolutions, fully connected layers, poolings and attentions, of
    one image."""
    found = []

    def note_attention(module, inputs, output):
        values, channels = inputs[0].numel(), inputs[0].shape[-1]
        together = math.prod(getattr(module, "window_size", inputs[0].shape[1:2]))
        weights = sum(p.numel() for p in module.parameters())
        found.append([values * (4 * channels + 2 * together), values, values, weights])

    def note(module, inputs, output):
        weights = getattr(module, "weight", None)
        fan_in = weights[0].numel() if weights is not None else 0
        found.append([output.numel() * fan_in, inputs[0].numel(), output.numel(), sum(p.numel() for p in module.parameters())])

    kinds = (nn.Conv2d, nn.Linear, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d)
    hooks = [module.register_forward_hook(note) for module in net.modules() if isinstance(module, kinds)]
    attentions = (nn.MultiheadAttention, ShiftedWindowAttention)
    hooks += [module.register_forward_hook(note_attention) for module in net.modules() if isinstance(module, attentions)]
    h, w, c = shape
    net(torch.zeros(1, c, h, w))
    for hook in hooks:
        hook.remove()
    return found


def export(net, shape, path, **options):
    h, w, c = shape
    torch.onnx.export(net, torch.zeros(1, c, h, w), path, opset_version=17, dynamo=False, input_names=["images"],
                      output_names=["scores"], dynamic_axes={"images": {0: "n"}, "scores": {0: "n"}}, **options)


@torch.no_grad()
def write(name, folder):
    torch.manual_seed(0)
    net, shape = build(name), input_shape(name)
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    settle(norms, net, torch.from_numpy(fill(IMAGES, [8, *shape]).transpose(0, 3, 1, 2).copy()))
    net.eval()
    torch.save(net, folder / f"{name}.pt")
    export(net, shape, folder / f"{name}.onnx", training=torch.onnx.TrainingMode.PRESERVE, do_constant_folding=False)
    if norms:
        export(net, shape, folder / f"{name}.folded.onnx")
    folded = f"{name}.folded.onnx" if norms else f"{name}.onnx"
    about = {"training": f"{name}.onnx", "prediction": folded, "layers": layers(net, shape)}
    (folder / f"{name}.json").write_text(json.dumps(about))  # the last: whoever finds it finds all


def main():
    warnings.filterwarnings("ignore")
    folder, *names = sys.argv[1:]
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        if not (folder / f"{name}.json").exists():
            print(f"writing {name}", flush=True)
            write(name, folder)


if __name__ == "__main__":
    main()
