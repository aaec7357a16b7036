"""Writes made/*.onnx and made.json: small networks with random weights, written as exporters write them, and what ONNX
Runtime gives for each.

    python make.py          with torch, onnx, onnxscript and onnxruntime

The input of each is a wave: value i of an image [H, W, C] is sin(0.37·i). made.json has the image's shape, the size to ask
for if the file leaves it open, and the first 32 values of the output.
"""

import json
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from torch import nn

HERE = Path(__file__).parent / "made"
OPSET = 17
warnings.filterwarnings("ignore")

networks = {}


def wave(shape):
    return np.sin(0.37 * np.arange(np.prod(shape), dtype=np.float64)).astype(np.float32).reshape(shape)


def run(name, image, array, size=None):
    path = HERE / f"{name}.onnx"
    model = onnx.load(path)
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    output = session.run(None, {session.get_inputs()[0].name: array})[0]
    networks[name] = {"image": list(image), "size": size, "values": [round(float(v), 7) for v in output.ravel()[:32]]}
    operators = sorted({node.op_type for node in model.graph.node})
    print(f"{name:28} {path.stat().st_size:6} bytes  {' '.join(operators)}")


class Function(nn.Module):
    """A network whose forward pass is a function of its parts and the input."""

    def __init__(self, function, **parts):
        super().__init__()
        self.function = function
        for name, part in parts.items():
            self.register_buffer(name, part) if isinstance(part, torch.Tensor) else setattr(self, name, part)

    def forward(self, x):
        return self.function(self, x)


def export(name, module, image, layout="nchw", opset=OPSET, dynamo=False, dynamic=None, size=None, change=None):
    """Exports a module for an image [H, W, C], and runs it."""
    torch.manual_seed(len(networks) + 1)
    for parameter in module.parameters():
        nn.init.uniform_(parameter, -0.5, 0.5)
    module.eval()
    hwc = wave(image)[None]
    array = {"nhwc": hwc, "nchw": hwc.transpose(0, 3, 1, 2), "ncl": hwc.transpose(0, 3, 1, 2)[:, :, 0], "nlc": hwc[:, 0]}[layout]
    array = np.ascontiguousarray(array)
    path = HERE / f"{name}.onnx"
    x = torch.from_numpy(array)
    if dynamo:
        torch.onnx.export(module, (x,), path, dynamo=True, external_data=False, verbose=False)
    else:
        torch.onnx.export(
            module, (x,), path, dynamo=False, opset_version=opset, input_names=["x"], output_names=["y"],
            dynamic_axes=dynamic, do_constant_folding=False,
        )
    model = onnx.load(path)
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.value_info[:]
    model.doc_string = ""
    if change:
        change(model)
    onnx.save(model, path)
    run(name, image, array, size)


def written(name, nodes, image, input_shape, tensors, opset=OPSET, array=None, size=None):
    """Writes a graph as it is, and runs it."""
    graph = helper.make_graph(
        nodes, name, [helper.make_tensor_value_info("x", TensorProto.FLOAT, input_shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), key) for key, value in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(model, HERE / f"{name}.onnx")
    run(name, image, np.ascontiguousarray(wave(image)[None] if array is None else array), size)


def drawn(*shape, seed=0):
    return (np.random.default_rng(seed).random(shape, np.float32) - 0.5).astype(np.float32)


def ends(channels, classes=3):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def conv(inputs, outputs, kernel=3, **settings):
    return nn.Conv2d(inputs, outputs, kernel, **settings)


# Channels last.
export("last-standardized", Function(
    lambda m, x: m.end(F.relu(m.conv(((x / 127.5 - 1.0 - m.mean) / m.std).permute(0, 3, 1, 2)))),
    conv=conv(3, 5), end=ends(5), mean=torch.tensor([0.1, 0.2, 0.3]), std=torch.tensor([0.5, 0.6, 0.7]),
), (11, 9, 3), "nhwc")
export("last-bgr-padded", Function(
    lambda m, x: m.end(F.relu(m.conv(F.pad((x[..., [2, 1, 0]] - m.mean), (0, 0, 1, 2, 2, 1)).permute(0, 3, 1, 2)))),
    conv=conv(3, 4, stride=2), end=ends(4), mean=torch.tensor([0.4, 0.5, 0.6]),
), (10, 13, 3), "nhwc")
export("last-flattened", Function(
    lambda m, x: m.fc(F.max_pool2d(F.relu(m.conv(x.permute(0, 3, 1, 2))), 2).permute(0, 2, 3, 1).flatten(1)),
    conv=conv(2, 4), fc=nn.Linear(4 * 4 * 3, 5),
), (10, 8, 2), "nhwc")
written("last-one-channel", [
    helper.make_node("Mul", ["x", "scale"], ["scaled"]),
    helper.make_node("Reshape", ["scaled", "shape"], ["image"]),
    helper.make_node("Conv", ["image", "w"], ["c"], kernel_shape=[3, 3], auto_pad="SAME_UPPER", strides=[2, 2]),
    helper.make_node("Relu", ["c"], ["r"]),
    helper.make_node("Transpose", ["r"], ["last"], perm=[0, 2, 3, 1]),
    helper.make_node("ReduceMean", ["last"], ["m"], axes=[1, 2], keepdims=0),
    helper.make_node("MatMul", ["m", "fc"], ["y"]),
], (9, 7, 1), ["N", 9, 7, 1], {
    "scale": np.float32(0.5), "shape": np.array([-1, 1, 9, 7]), "w": drawn(4, 1, 3, 3), "fc": drawn(4, 3, seed=1),
})

# Height, width, channels and batch left open.
OPEN = {"x": {0: "n", 2: "h", 3: "w"}}
export("open-plain", nn.Sequential(conv(3, 4, stride=2), nn.ReLU(), conv(4, 6), nn.ReLU(), ends(6)), (13, 10, 3),
       dynamic=OPEN, size=[13, 10])
export("open-resized", Function(
    lambda m, x: m.end(m.a(x) + F.interpolate(m.b(F.max_pool2d(x, 2)), size=x.shape[2:], mode="bilinear")),
    a=conv(3, 4, 1), b=conv(3, 4, 1), end=ends(4),
), (8, 12, 3), dynamic=OPEN, size=[8, 12])
export("open-pooled", Function(
    lambda m, x: m.fc(F.relu(m.conv(x)).reshape(x.shape[0], 4, x.shape[2] * x.shape[3]).mean(2)),
    conv=conv(1, 4, padding=1), fc=nn.Linear(4, 2),
), (7, 7, 1), dynamic=OPEN, size=[7, 7])


def unordered(order):
    def change(model):
        nodes = list(model.graph.node)
        del model.graph.node[:]
        model.graph.node.extend(nodes[index] for index in order(len(nodes)))
    return change


# Nodes in any order. ONNX Runtime sorts them as well.
export("order-reversed", nn.Sequential(conv(3, 4), nn.ReLU(), conv(4, 4), nn.ReLU(), ends(4)), (9, 9, 3),
       change=unordered(lambda n: reversed(range(n))))
export("order-interleaved", Function(
    lambda m, x: m.end(torch.cat([F.relu(m.a(x)), torch.sigmoid(m.b(x))], 1)), a=conv(3, 3), b=conv(3, 3), end=ends(6),
), (8, 8, 3), change=unordered(lambda n: [*range(1, n, 2), *range(0, n, 2)]))
export("order-rotated", Function(
    lambda m, x: m.end(x.mean(1, keepdim=True) + m.a(x)), a=conv(3, 3, padding=1), end=ends(3),
), (6, 8, 3), change=unordered(lambda n: [*range(n // 2, n), *range(n // 2)]))

# Vectors of length one.
export("unit-embedding", Function(lambda m, x: F.normalize(m.body(x), dim=1), body=nn.Sequential(conv(3, 6), nn.ReLU(), ends(6, 8))),
       (8, 8, 3))
export("unit-pixels", Function(lambda m, x: m.end(F.normalize(F.relu(m.conv(x)), dim=1)), conv=conv(3, 5), end=ends(5)), (8, 7, 3))
export("unit-cosine-head", Function(
    lambda m, x: 16 * F.linear(F.normalize(m.body(x)), F.normalize(m.head.weight)),
    body=nn.Sequential(conv(3, 6), nn.ReLU(), ends(6, 8)), head=nn.Linear(8, 4, bias=False),
), (8, 8, 3))
export("unit-new-exporter", Function(lambda m, x: F.normalize(m.body(x), dim=1), body=nn.Sequential(conv(3, 6), nn.ReLU(), ends(6, 8))),
       (8, 8, 3), dynamo=True)
export("unit-square-root", Function(
    lambda m, x: (lambda v: v / (v * v).sum(1, keepdim=True).sqrt())(m.body(x)), body=nn.Sequential(conv(3, 6), nn.ReLU(), ends(6, 8)),
), (8, 8, 3))
written("unit-tensorflow", [
    helper.make_node("GlobalAveragePool", ["x"], ["p"]),
    helper.make_node("Flatten", ["p"], ["f"]),
    helper.make_node("Gemm", ["f", "w"], ["g"]),
    helper.make_node("Mul", ["g", "g"], ["square"]),
    helper.make_node("ReduceSum", ["square", "axes"], ["sum"]),
    helper.make_node("Max", ["sum", "epsilon"], ["least"]),
    helper.make_node("Sqrt", ["least"], ["root"]),
    helper.make_node("Reciprocal", ["root"], ["factor"]),
    helper.make_node("Mul", ["g", "factor"], ["y"]),
], (6, 5, 3), [1, 3, 6, 5], {"w": drawn(3, 7), "axes": np.array([1]), "epsilon": np.float32(1e-12)},
    array=wave((6, 5, 3)).transpose(2, 0, 1)[None])
written("unit-operator", [
    helper.make_node("Conv", ["x", "w"], ["c"], kernel_shape=[2, 2]),
    helper.make_node("LpNormalization", ["c"], ["n"], axis=1, p=2),
    helper.make_node("GlobalMaxPool", ["n"], ["p"]),
    helper.make_node("Flatten", ["p"], ["y"]),
], (6, 5, 3), [1, 3, 6, 5], {"w": drawn(5, 3, 2, 2)}, array=wave((6, 5, 3)).transpose(2, 0, 1)[None])

# Shapes that are computed, and values that are repeated.
export("repeat-grey", Function(lambda m, x: m.end(F.relu(m.conv(x.repeat(1, 3, 1, 1)))), conv=conv(3, 4), end=ends(4)), (8, 8, 1))
export("repeat-expanded", Function(
    lambda m, x: m.end(F.relu(m.conv(x * m.weight.view(1, 1, 3).expand(8, 6, 3).permute(2, 0, 1).unsqueeze(0)))),
    conv=conv(3, 4), end=ends(4), weight=torch.tensor([0.299, 0.587, 0.114]),
), (8, 6, 3), dynamic={"x": {0: "n"}})
export("repeat-pixels", Function(
    lambda m, x: m.end(m.conv(F.adaptive_avg_pool2d(F.relu(x), 1).expand(-1, -1, 5, 4)) + F.max_pool2d(x, 2)),
    conv=conv(3, 3, 1), end=ends(3),
), (10, 8, 3))

# One dimension.
export("line-pooled", nn.Sequential(
    nn.Conv1d(3, 6, 5, stride=2, padding=2), nn.BatchNorm1d(6), nn.ReLU(), nn.AvgPool1d(3, stride=2, padding=1),
    nn.Conv1d(6, 6, 3, dilation=2, groups=3), nn.ReLU(), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(6, 4),
), (1, 40, 3), "ncl")
export("line-attention", Function(
    lambda m, x: m.end((lambda y: y * torch.sigmoid(m.gate(y.mean(2, keepdim=True))))(F.relu(m.conv(x)))),
    conv=nn.Conv1d(2, 6, 3, padding=1), gate=nn.Conv1d(6, 6, 1), end=nn.Sequential(nn.Flatten(), nn.Linear(6 * 20, 3)),
), (1, 20, 2), "ncl")
export("line-new-exporter", nn.Sequential(
    nn.Conv1d(2, 5, 3), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(5, 5, 3), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(),
    nn.Linear(5, 4),
), (1, 32, 2), "ncl", dynamo=True)
export("line-last", Function(
    lambda m, x: m.end(F.relu(m.conv(x.transpose(1, 2)))), conv=nn.Conv1d(3, 4, 3),
    end=nn.Sequential(nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 2)),
), (1, 18, 3), "nlc")
export("line-transposed", nn.Sequential(
    nn.Conv1d(2, 4, 4, stride=2), nn.ReLU(), nn.ConvTranspose1d(4, 3, 4, stride=2, output_padding=1), nn.ReLU(), nn.Flatten(),
    nn.Linear(3 * 23, 3),
), (1, 22, 2), "ncl")

# Hard swishes and hard sigmoids, written out.
export("hard-operator", nn.Sequential(conv(3, 4), nn.Hardswish(), conv(4, 4), nn.ReLU(), ends(4)), (9, 9, 3))
export("hard-sigmoid-times", Function(
    lambda m, x: m.end(F.relu(m.b((lambda y: y * F.hardsigmoid(y))(8 * m.a(x))))), a=conv(3, 4), b=conv(4, 4), end=ends(4),
), (9, 9, 3))
export("hard-clip-last", Function(
    lambda m, x: m.end(F.relu(m.b((lambda y: y * F.relu6(y + 3) / 6)(8 * m.a(x))))), a=conv(3, 4), b=conv(4, 4), end=ends(4),
), (9, 9, 3))
export("hard-clip-gate", Function(
    lambda m, x: m.end(F.relu(m.b((lambda y: y * (F.relu6(y + 3) * (1 / 6)))(8 * m.a(x))))), a=conv(3, 4), b=conv(4, 4), end=ends(4),
), (9, 9, 3))
export("hard-clip-first", Function(
    lambda m, x: m.end(F.relu(m.b((lambda y: (y / 6) * F.relu6(y + 3))(8 * m.a(x))))), a=conv(3, 4), b=conv(4, 4), end=ends(4),
), (9, 9, 3))
export("hard-excitation", Function(
    lambda m, x: m.end((lambda y: y * (F.relu6(m.gate(y.mean((2, 3), keepdim=True)) + 3) / 6))(F.relu(m.conv(x)))),
    conv=conv(3, 5), gate=conv(5, 5, 1), end=ends(5),
), (9, 9, 3))

# Choices: softplus as the newer exporter writes it, and others.
export("choice-softplus", nn.Sequential(conv(3, 4), nn.Softplus(), ends(4)), (8, 8, 3), dynamo=True)
export("choice-softplus-beta", nn.Sequential(conv(3, 4), nn.Softplus(beta=2), ends(4)), (8, 8, 3), dynamo=True)
export("choice-leaky", Function(
    lambda m, x: m.end((lambda y: torch.where(y > 0, y, 0.1 * y))(m.conv(x))), conv=conv(3, 4), end=ends(4),
), (8, 8, 3))
export("choice-threshold", nn.Sequential(conv(3, 4), nn.Threshold(0.1, 0.0), ends(4)), (8, 8, 3), dynamo=True)
export("choice-masked", Function(
    lambda m, x: m.end((lambda y: y * (y.abs() >= 0.2).float())(m.conv(x))), conv=conv(3, 4), end=ends(4),
), (8, 8, 3))

# Functions of single values.
export("elementary", Function(
    lambda m, x: m.end(torch.log(1 + torch.exp(-m.conv(x).abs()))), conv=conv(3, 4), end=ends(4),
), (8, 8, 3))
export("elementary-max", Function(
    lambda m, x: m.end(torch.clamp(m.conv(x).clamp(min=0), max=0.5)), conv=conv(3, 4), end=ends(4),
), (8, 8, 3))

# Neighbouring channels, and pixels that become channels.
for size, channels in [(3, 6), (5, 5), (9, 4)]:
    written(f"neighbours-{size}", [
        helper.make_node("Conv", ["x", "w"], ["c"], kernel_shape=[2, 2]),
        helper.make_node("LRN", ["c"], ["n"], size=size, alpha=0.3, beta=0.6, bias=1.5),
        helper.make_node("GlobalMaxPool", ["n"], ["p"]),
        helper.make_node("Flatten", ["p"], ["y"]),
    ], (6, 5, 3), [1, 3, 6, 5], {"w": drawn(channels, 3, 2, 2)}, array=wave((6, 5, 3)).transpose(2, 0, 1)[None])
for mode in ["DCR", "CRD"]:
    written(f"blocks-{mode.lower()}", [
        helper.make_node("DepthToSpace", ["x"], ["d"], blocksize=2, mode=mode),
        helper.make_node("Conv", ["d", "w"], ["c"], kernel_shape=[3, 3], strides=[2, 1]),
        helper.make_node("SpaceToDepth", ["c"], ["s"], blocksize=2),
        helper.make_node("Mul", ["s", "weights"], ["m"]),
        helper.make_node("GlobalMaxPool", ["m"], ["p"]),
        helper.make_node("Flatten", ["p"], ["y"]),
    ], (5, 5, 8), [1, 8, 5, 5], {"w": drawn(3, 2, 3, 3), "weights": drawn(12, 1, 1, seed=1)},
        array=wave((5, 5, 8)).transpose(2, 0, 1)[None])
export("upsampled", nn.Sequential(conv(3, 4), nn.Upsample(scale_factor=2), conv(4, 4), nn.ReLU(), ends(4)), (8, 7, 3), opset=9)
export("shuffled-pixels", nn.Sequential(conv(3, 8), nn.PixelShuffle(2), conv(2, 4), nn.ReLU(), ends(4)), (8, 7, 3))
export("unshuffled-pixels", nn.Sequential(nn.PixelUnshuffle(2), conv(12, 4), nn.ReLU(), ends(4)), (8, 6, 3))
export("focus", Function(
    lambda m, x: m.end(F.relu(m.conv(torch.cat([x[..., ::2, ::2], x[..., 1::2, ::2], x[..., ::2, 1::2], x[..., 1::2, 1::2]], 1)))),
    conv=conv(12, 4), end=ends(4),
), (10, 8, 3))
export("circular", nn.Sequential(conv(3, 4, padding=1, padding_mode="circular"), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6 * 5, 3)), (6, 5, 3))
export("joined-rows", Function(
    lambda m, x: m.end(F.relu(m.conv(torch.cat([x, -x], 2)))), conv=conv(3, 4), end=nn.Sequential(nn.Flatten(), nn.Linear(4 * 8 * 4, 3)),
), (5, 6, 3))
written("normalized-weights", [
    helper.make_node("Reshape", ["w", "flat"], ["row"]),
    helper.make_node("BatchNormalization", ["row", "scale", "bias", "mean", "variance"], ["normalized"], epsilon=1e-5),
    helper.make_node("Reshape", ["normalized", "shape"], ["weight"]),
    helper.make_node("Conv", ["x", "weight"], ["c"], kernel_shape=[3, 3]),
    helper.make_node("GlobalAveragePool", ["c"], ["p"]),
    helper.make_node("Flatten", ["p"], ["y"]),
], (6, 5, 3), [1, 3, 6, 5], {
    "w": drawn(4, 3, 3, 3), "flat": np.array([1, 4, 27]), "shape": np.array([4, 3, 3, 3]), "scale": drawn(4, seed=2),
    "bias": drawn(4, seed=3), "mean": drawn(4, seed=4), "variance": drawn(4, seed=5) + 1,
}, array=wave((6, 5, 3)).transpose(2, 0, 1)[None])

# As in DeepLab, most of what a dilated kernel reads is padding.
export("atrous", nn.Sequential(conv(3, 200, 1), nn.ReLU(), conv(200, 4, dilation=36, padding=36), nn.ReLU(), ends(4)), (8, 8, 3))

export("pooled-context", Function(
    lambda m, x: m.end(F.relu(m.conv(torch.cat([x, F.interpolate(F.relu(m.pool(x)), size=x.shape[2:], mode="bilinear")], 1)))),
    conv=conv(6, 4), pool=nn.Sequential(nn.AdaptiveAvgPool2d(1), conv(3, 3, 1)), end=ends(4),
), (7, 6, 3))

# Tokens and attention.
class Attention(nn.Module):
    """Self-attention with a bias between positions, as vision transformers write it."""

    def __init__(self, channels, heads, written="fused", bias=None):
        super().__init__()
        self.heads, self.written, self.bias = heads, written, bias
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = nn.Linear(channels, channels)

    def forward(self, x):
        n, t, c = x.shape
        d = c // self.heads
        if self.written == "fused":
            q, k, v = self.qkv(x).reshape(n, t, 3, self.heads, d).permute(2, 0, 3, 1, 4).unbind(0)
        else:
            q, k, v = (part.view(n, t, self.heads, d).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1))
        if self.written == "einsum":
            scores = torch.einsum("bhid,bhjd->bhij", q, k) * d**-0.5
        else:
            scores = (q * d**-0.5) @ k.transpose(-2, -1)
        if self.bias is not None:
            scores = scores + self.bias
        scores = scores.softmax(-1)
        y = torch.einsum("bhij,bhjd->bhid", scores, v) if self.written == "einsum" else scores @ v
        return self.out(y.transpose(1, 2).reshape(n, t, c))


class Block(nn.Module):
    def __init__(self, channels, attention):
        super().__init__()
        self.norm1, self.attention, self.norm2 = nn.LayerNorm(channels), attention, nn.LayerNorm(channels)
        self.mlp = nn.Sequential(nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Vit(nn.Module):
    """Patches of 4×4, a class token or a mean over the tokens."""

    def __init__(self, blocks, channels=8, tokens=12, class_token=True):
        super().__init__()
        self.patches = conv(3, channels, 4, stride=4)
        self.token = nn.Parameter(torch.zeros(1, 1, channels)) if class_token else None
        self.places = nn.Parameter(torch.zeros(1, tokens + class_token, channels))
        self.blocks, self.norm, self.head = nn.Sequential(*blocks), nn.LayerNorm(channels), nn.Linear(channels, 3)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        if self.token is not None:
            x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)
        x = self.norm(self.blocks(x + self.places))
        return self.head(x[:, 0] if self.token is not None else x.mean(1))


def blocks(channels=8, **settings):
    return [Block(channels, Attention(channels, 2, **settings)) for _ in range(2)]


DYNAMIC = {"x": {0: "N"}, "y": {0: "N"}}
export("vit-class-token", Vit(blocks()), (12, 16, 3))
export("vit-dynamic", Vit(blocks(written="split")), (12, 16, 3), dynamic=DYNAMIC)
export("vit-einsum", Vit(blocks(written="einsum"), class_token=False), (12, 16, 3))
export("vit-relative", Vit(blocks(bias=torch.sin(torch.arange(2.0 * 12 * 12)).view(1, 2, 12, 12)), class_token=False), (12, 16, 3), dynamic=DYNAMIC)
export("vit-new-exporter", Vit(blocks()), (12, 16, 3), dynamo=True)
export("vit-encoder", Vit([nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True, norm_first=True)]), (12, 16, 3))
export("vit-encoder-sequence-first", Function(
    lambda m, x: m.head(m.layer(m.patches(x).flatten(2).permute(2, 0, 1)).mean(0)),
    patches=conv(3, 8, 4, stride=4), layer=nn.TransformerEncoderLayer(8, 2, 16), head=nn.Linear(8, 3),
), (12, 16, 3))


class Windows(nn.Module):
    """Attention within windows of 2×2 that are shifted by a pixel, as in Swin transformers."""

    def __init__(self, channels, size):
        super().__init__()
        self.attention, self.norm = Attention(channels, 2), nn.LayerNorm(channels)
        height, width = size
        image = torch.zeros(1, height, width, 1)
        for i, rows in enumerate((slice(0, -2), slice(-2, -1), slice(-1, None))):
            for j, columns in enumerate((slice(0, -2), slice(-2, -1), slice(-1, None))):
                image[:, rows, columns] = 3 * i + j
        windows = self.divided(image).squeeze(-1)
        mask = windows[:, None, :] != windows[:, :, None]
        self.register_buffer("mask", mask.float()[:, None] * -100.0)

    def divided(self, x):
        n, h, w, c = x.shape
        return x.view(n, h // 2, 2, w // 2, 2, c).permute(0, 1, 3, 2, 4, 5).reshape(-1, 4, c)

    def forward(self, x):
        n, h, w, c = x.shape
        windows = self.divided(torch.roll(self.norm(x), (-1, -1), (1, 2)))
        self.attention.bias = self.mask
        y = self.attention(windows).view(n, h // 2, w // 2, 2, 2, c).permute(0, 1, 3, 2, 4, 5).reshape(n, h, w, c)
        return x + torch.roll(y, (1, 1), (1, 2))


export("swin-windows", Function(
    lambda m, x: m.head(m.norm(m.windows(m.patches(x).permute(0, 2, 3, 1))).mean((1, 2))),
    patches=conv(3, 8, 2, stride=2), windows=Windows(8, (6, 8)), norm=nn.LayerNorm(8), head=nn.Linear(8, 3),
), (12, 16, 3))
export("swin-merged", Function(
    lambda m, x: m.head(m.merge(torch.cat([m.patches(x).permute(0, 2, 3, 1)[:, i::2, j::2] for j in (0, 1) for i in (0, 1)], -1)).mean((1, 2))),
    patches=conv(3, 3, 2, stride=2), merge=nn.Sequential(nn.LayerNorm(12), nn.Linear(12, 8)), head=nn.Linear(8, 3),
), (12, 16, 3))


class Mixer(nn.Module):
    def __init__(self, tokens, channels):
        super().__init__()
        self.norm, self.mix = nn.LayerNorm(channels), nn.Sequential(nn.Linear(tokens, 5), nn.GELU(), nn.Linear(5, tokens))

    def forward(self, x):
        return x + self.mix(self.norm(x).transpose(1, 2)).transpose(1, 2)


export("mixer", Vit([Mixer(12, 8), Mixer(12, 8)], class_token=False), (12, 16, 3))
export("channel-attention", Function(
    lambda m, x: m.end(x + (F.normalize(x.flatten(2), dim=-1) @ F.normalize(x.flatten(2), dim=-1).transpose(1, 2)).softmax(-1).matmul(x.flatten(2)).view_as(x)),
    end=ends(3),
), (6, 5, 3))
export("global-context", Function(
    lambda m, x: m.end(x + m.transform(torch.bmm(x.flatten(2), m.key(x).flatten(2).softmax(-1).transpose(1, 2)).unsqueeze(-1))),
    key=conv(3, 1, 1), transform=conv(3, 3, 1), end=ends(3),
), (6, 5, 3))

# Heads.
export("pooled-twice", Function(
    lambda m, x: m.fc(torch.cat([F.adaptive_max_pool2d(m.conv(x), 1), F.adaptive_avg_pool2d(m.conv(x), 1)], 1).flatten(1)),
    conv=conv(3, 5), fc=nn.Linear(10, 3),
), (8, 9, 3))
export("one-number", Function(lambda m, x: m.end(m.conv(x)).squeeze(-1), conv=conv(3, 4), end=ends(4, 1)), (6, 5, 3))
export("channels-last-memory", nn.Sequential(conv(3, 4), nn.ReLU(), ends(4)).to(memory_format=torch.channels_last), (6, 5, 3), dynamo=True)
export("norm-behind-pool", Function(
    lambda m, x: m.fc(m.norm(F.relu(m.conv(x)).mean((2, 3), keepdim=True).permute(0, 2, 3, 1)).permute(0, 3, 1, 2).flatten(1)),
    conv=conv(3, 4), norm=nn.LayerNorm(4), fc=nn.Linear(4, 3),
), (6, 5, 3))
export("padded-maximum", nn.Sequential(conv(3, 4), nn.ConstantPad2d((0, 1, 0, 1), float("-inf")), nn.MaxPool2d(3, 2), ends(4)), (8, 8, 3))
export("wide-average", nn.Sequential(conv(3, 4), nn.AvgPool2d(20, ceil_mode=True), nn.Flatten(), nn.Linear(4, 3)), (6, 6, 3))
export("split-attention", Function(
    lambda m, x: (lambda both: m.end((both * m.gate(both.sum(1).mean((2, 3))).view(-1, 2, 4, 1, 1).softmax(1)).sum(1)))(torch.stack([m.a(x), m.b(x)], 1)),
    a=conv(3, 4), b=conv(3, 4), gate=nn.Linear(4, 8), end=ends(4),
), (6, 5, 3))

(HERE.parent / "made.json").write_text(json.dumps(networks, indent=1, sort_keys=True) + "\n")
