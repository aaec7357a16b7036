"""What is measured: convolutions, fully connected layers, training steps, explanations. Plain data, sent as JSON."""

IMAGES, WEIGHTS, UPSTREAM, PARAMETERS = 1, 2, 3, 100  # streams of `fill`

# name: (H, W, Cin, Cout, kernel, stride, padding, groups, N)
CONVOLUTIONS = {
    "a": (224, 224, 3, 64, 7, 2, 3, 1, 16),
    "b": (56, 56, 64, 64, 3, 1, 1, 1, 16),
    "c": (28, 28, 128, 128, 3, 1, 1, 1, 16),
    "d": (14, 14, 256, 256, 3, 1, 1, 1, 16),
    "e": (7, 7, 512, 512, 3, 1, 1, 1, 16),
    "f": (56, 56, 64, 256, 1, 1, 0, 1, 16),
    "g": (14, 14, 1024, 256, 1, 1, 0, 1, 16),
    "h": (112, 112, 32, 32, 3, 1, 1, 32, 16),
    "i": (14, 14, 512, 512, 3, 1, 1, 512, 16),
    "j1": (28, 28, 1, 32, 3, 1, 1, 1, 32),
    "j2": (28, 28, 32, 64, 3, 1, 1, 1, 32),
    "j3": (32, 32, 3, 32, 3, 1, 1, 1, 32),
    "j4": (16, 16, 64, 128, 3, 1, 1, 1, 32),
}
PASSES = ("fwd", "dx", "dw")

# name: (in, out)
DENSE = {"512-1000": (512, 1000), "4096-4096": (4096, 4096)}
DENSE_BATCHES = (1, 16, 64)


def conv(out, kernel=3, stride=1, groups=1, bias=False, source=None):
    """It reads the layer before it, or the layer at place `source`."""
    return {"op": "conv", "out": out, "kernel": kernel, "stride": stride, "padding": kernel // 2, "groups": groups,
            "bias": bias, "from": source}


BN, RELU, RELU6, GAP = ({"op": op} for op in ("bn", "relu", "relu6", "gap"))


def linear(out):
    return {"op": "linear", "out": out}


def net_s():
    """Three convolutions with biases on 28×28 grey images."""
    return [conv(32, bias=True), RELU, conv(64, bias=True), RELU, {"op": "max-pool", "size": 2},
            conv(64, bias=True), RELU, GAP, linear(10)]


def net_m():
    """A stem and three stages of two conv–BN–ReLU on 32×32 colour images."""
    layers = [conv(32), BN, RELU]
    for out, stride in ((32, 1), (64, 2), (128, 2)):
        layers += [conv(out, stride=stride), BN, RELU, conv(out), BN, RELU]
    return layers + [GAP, linear(10)]


def resnet20():
    """ResNet-20 for 32×32 images (He et al., 2016, § 4.2), its shortcuts projected where the shape changes."""
    layers = [conv(16), BN, RELU]
    for out in (16, 32, 64):
        for block in range(3):
            source = len(layers) - 1
            stride = 2 if block == 0 and out > 16 else 1
            layers += [conv(out, stride=stride), BN, RELU, conv(out), BN]
            if stride == 2:
                residual = len(layers) - 1
                layers += [conv(out, 1, stride, source=source), BN, {"op": "add", "with": residual}, RELU]
            else:
                layers += [{"op": "add", "with": source}, RELU]
    return layers + [GAP, linear(10)]


def inverted_residuals(stages):
    """A stem, blocks and a head of MobileNet-v2 (Sandler et al., 2018, table 2). `add` sums the layer before it and the layer at
    place `with`. `stages`: (expansion, out, repeats, stride of the first, kernel)."""
    layers = [conv(32, stride=2), BN, RELU6]
    channels = 32
    for expansion, out, repeats, first_stride, kernel in stages:
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            source = len(layers) - 1
            hidden = channels * expansion
            if expansion > 1:
                layers += [conv(hidden, 1), BN, RELU6]
            layers += [conv(hidden, kernel, stride, hidden), BN, RELU6, conv(out, 1), BN]
            if stride == 1 and channels == out:
                layers.append({"op": "add", "with": source})
            channels = out
    return layers + [conv(1280, 1), BN, RELU6, GAP, linear(1000)]


def mobile():
    """MobileNet-v2."""
    return inverted_residuals([(1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 32, 3, 2, 3), (6, 64, 4, 2, 3), (6, 96, 3, 1, 3),
                               (6, 160, 3, 2, 3), (6, 320, 1, 1, 3)])


def lite0():
    """EfficientNet-Lite0 (Liu, 2020), with the same padding on all sides."""
    return inverted_residuals([(1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5),
                               (6, 192, 4, 2, 5), (6, 320, 1, 1, 3)])


# name: (input [H, W, C], layers)
NETS = {"S": ((28, 28, 1), net_s()), "M": ((32, 32, 3), net_m()), "resnet20": ((32, 32, 3), resnet20()),
        "mobile": ((224, 224, 3), mobile()), "lite0": ((224, 224, 3), lite0())}


# Whole networks: images of a training step. Those that aren't in NETS are torchvision's, for 224×224.
WHOLE = {"vgg16": 4, "resnet18": 16, "resnet50": 4, "mobilenet_v2": 16, "mobilenet_v3_large": 16, "efficientnet_b0": 16,
         "lite0": 16, "convnext_tiny": 4, "vit_tiny": 16, "swin_t": 4, "densenet121": 4, "squeezenet1_1": 16, "regnet_y_400mf": 4,
         "shufflenet_v2_x1_0": 16, "googlenet": 16, "resnet20": 16, "M": 16, "S": 16}
QUICK_WHOLE = ("resnet18", "mobilenet_v2", "squeezenet1_1")


def parameters(input_shape, layers):
    """(shape, scale, offset) of each parameter in order; its value is offset + scale · fill(PARAMETERS + place).

    Convolution weights are [Kh, Kw, Cin / groups, Cout] and drawn after He et al. (2015); linear ones are [in, out].
    """
    found = []
    for layer, (_, _, inputs), _ in walk(input_shape, layers):
        match layer["op"]:
            case "conv":
                fan_in = layer["kernel"] ** 2 * inputs // layer["groups"]
                shape = (layer["kernel"], layer["kernel"], inputs // layer["groups"], layer["out"])
                found.append((shape, (6 / fan_in) ** 0.5, 0.0))
                if layer["bias"]:
                    found.append(((layer["out"],), 0.1, 0.0))
            case "bn":
                found += [((inputs,), 0.1, 1.0), ((inputs,), 0.1, 0.0)]
            case "linear":
                found += [((inputs, layer["out"]), inputs**-0.5, 0.0), ((layer["out"],), 0.1, 0.0)]
    return found


def walk(input_shape, layers):
    """(layer, input [H, W, C], output [H, W, C]) of each layer."""
    outputs = []
    for layer in layers:
        before = outputs[-1] if outputs else tuple(input_shape)
        if layer.get("from") is not None:
            before = outputs[layer["from"]]
        h, w, channels = before
        match layer["op"]:
            case "conv":
                after = (*(-(-extent // layer["stride"]) for extent in (h, w)), layer["out"])
            case "max-pool":
                after = (h // layer["size"], w // layer["size"], channels)
            case "gap":
                after = (1, 1, channels)
            case "linear":
                after = (1, 1, layer["out"])
            case _:
                after = before
        outputs.append(after)
        yield layer, before, after


def forward_flops(input_shape, layers):
    """FLOPs of the convolutions and products for one image, one number for each such layer."""
    flops = []
    for layer, (_, _, inputs), (h, w, out) in walk(input_shape, layers):
        match layer["op"]:
            case "conv":
                flops.append(2 * h * w * out * inputs // layer["groups"] * layer["kernel"] ** 2)
            case "linear":
                flops.append(2 * inputs * out)
    return flops


def step_flops(flops):
    """FLOPs of a training step: forward, weight gradient, and input gradient but for the first layer."""
    return 3 * sum(flops) - flops[0]


def conv_case(name, n, which):
    h, w, cin, cout, kernel, stride, padding, groups, _ = CONVOLUTIONS[name]
    ho, wo = ((extent + 2 * padding - kernel) // stride + 1 for extent in (h, w))
    return {"suite": "conv", "case": name, "pass": which, "n": n, "x": [n, h, w, cin],
            "w": [kernel, kernel, cin // groups, cout], "y": [n, ho, wo, cout],
            "stride": stride, "padding": padding, "groups": groups,
            "flops": 2 * n * ho * wo * cout * (cin // groups) * kernel * kernel}


def dense_case(name, n, which):
    inputs, outputs = DENSE[name]
    return {"suite": "fc", "case": name, "pass": which, "n": n, "x": [n, inputs], "w": [inputs, outputs], "y": [n, outputs],
            "flops": 2 * n * inputs * outputs}


def net_case(suite, net, which, n):
    input_shape, layers = NETS[net]
    return {"suite": suite, "case": net, "pass": which, "n": n, "input": list(input_shape), "layers": layers,
            "parameters": [{"shape": list(shape), "scale": scale, "offset": offset}
                           for shape, scale, offset in parameters(input_shape, layers)]}


def whole_case(name, which, n):
    input_shape, layers = NETS.get(name, ((224, 224, 3), None))
    return {"suite": "nets", "case": name, "pass": which, "n": n, "input": list(input_shape),
            "classes": layers[-1]["out"] if layers else 1000}


def whole_cases(quick):
    for net in QUICK_WHOLE if quick else WHOLE:
        yield whole_case(net, "fwd", 1)
    if quick:
        return
    for net in WHOLE:
        yield whole_case(net, "fwd", 16)
    for which in ("grad-cam", "guided", "gradient"):
        for net in WHOLE:
            yield whole_case(net, which, 1)
    for net, n in WHOLE.items():
        yield whole_case(net, "step", n)
    for net in WHOLE:
        yield whole_case(net, "load", 1)


def all_cases(quick=False):
    """Every case in the order it is measured."""
    for name, (*_, usual) in CONVOLUTIONS.items():
        for n in (usual,) if quick else (1, usual):
            for which in PASSES:
                yield conv_case(name, n, which)
    for name in DENSE:
        for n in DENSE_BATCHES:
            for which in PASSES:
                yield dense_case(name, n, which)
    for net in ("S", "M"):
        for n in (32,) if quick else (32, 128):
            yield net_case("train", net, "step", n)
    yield net_case("train", "resnet20", "step", 16)
    for which in ("grad-cam", "guided"):
        for n in (1, 16):
            yield net_case("explain", "M", which, n)
    yield net_case("explain", "mobile", "grad-cam", 1)
    yield from whole_cases(quick)


LEARNING_RATE, MOMENTUM, CHECKED_STEPS = 0.01, 0.9, 2
