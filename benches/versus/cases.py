"""What is measured: convolutions, training steps, explanations. Plain data, sent to the engines as JSON."""

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
WINOGRAD_ROWS = ("b", "c", "d", "e", "j2", "j4")


def conv(out, kernel=3, stride=1, groups=1, bias=False):
    return {"op": "conv", "out": out, "kernel": kernel, "stride": stride, "padding": kernel // 2, "groups": groups,
            "bias": bias}


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


def mobile():
    """MobileNet-v2 (Sandler et al., 2018, table 2). `add` sums the layer before it and the layer at place `with`."""
    layers = [conv(32, stride=2), BN, RELU6]
    channels = 32
    for expansion, out, repeats, first_stride in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
                                                  (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for repeat in range(repeats):
            stride = first_stride if repeat == 0 else 1
            source = len(layers) - 1
            hidden = channels * expansion
            if expansion > 1:
                layers += [conv(hidden, 1), BN, RELU6]
            layers += [conv(hidden, stride=stride, groups=hidden), BN, RELU6, conv(out, 1), BN]
            if stride == 1 and channels == out:
                layers.append({"op": "add", "with": source})
            channels = out
    return layers + [conv(1280, 1), BN, RELU6, GAP, linear(1000)]


# name: (input [H, W, C], layers)
NETS = {"S": ((28, 28, 1), net_s()), "M": ((32, 32, 3), net_m()), "mobile": ((224, 224, 3), mobile())}


def parameters(input_shape, layers):
    """(shape, scale, offset) of each parameter in order; its value is offset + scale · fill(PARAMETERS + place).

    Convolution weights are [Kh, Kw, Cin / groups, Cout] and drawn after He et al. (2015); linear ones are [in, out].
    """
    found = []
    last = input_shape[2]
    for layer in layers:
        match layer["op"]:
            case "conv":
                fan_in = layer["kernel"] ** 2 * last // layer["groups"]
                shape = (layer["kernel"], layer["kernel"], last // layer["groups"], layer["out"])
                found.append((shape, (6 / fan_in) ** 0.5, 0.0))
                if layer["bias"]:
                    found.append(((layer["out"],), 0.1, 0.0))
                last = layer["out"]
            case "bn":
                found += [((last,), 0.1, 1.0), ((last,), 0.1, 0.0)]
            case "linear":
                found += [((last, layer["out"]), last**-0.5, 0.0), ((layer["out"],), 0.1, 0.0)]
                last = layer["out"]
    return found


def forward_flops(input_shape, layers):
    """FLOPs of the convolutions and products for one image, one number for each such layer."""
    h, w, last = input_shape
    flops = []
    for layer in layers:
        match layer["op"]:
            case "conv":
                h, w = (-(-extent // layer["stride"]) for extent in (h, w))
                flops.append(2 * h * w * layer["out"] * last // layer["groups"] * layer["kernel"] ** 2)
                last = layer["out"]
            case "max-pool":
                h, w = h // layer["size"], w // layer["size"]
            case "linear":
                flops.append(2 * last * layer["out"])
                last = layer["out"]
    return flops


def step_flops(net):
    """FLOPs of a training step for one image: forward, weight gradient, and input gradient but for the first layer."""
    flops = forward_flops(*NETS[net])
    return 3 * sum(flops) - flops[0]


def conv_case(name, n, which):
    h, w, cin, cout, kernel, stride, padding, groups, _ = CONVOLUTIONS[name]
    ho, wo = ((extent + 2 * padding - kernel) // stride + 1 for extent in (h, w))
    return {"suite": "conv", "case": name, "pass": which, "n": n, "x": [n, h, w, cin],
            "w": [kernel, kernel, cin // groups, cout], "y": [n, ho, wo, cout],
            "stride": stride, "padding": padding, "groups": groups,
            "flops": 2 * n * ho * wo * cout * (cin // groups) * kernel * kernel}


def net_case(suite, net, which, n):
    input_shape, layers = NETS[net]
    return {"suite": suite, "case": net, "pass": which, "n": n, "input": list(input_shape), "layers": layers,
            "parameters": [{"shape": list(shape), "scale": scale, "offset": offset}
                           for shape, scale, offset in parameters(input_shape, layers)]}


def all_cases(quick=False):
    """Every case in the order it is measured."""
    for name, (*_, usual) in CONVOLUTIONS.items():
        for n in (usual,) if quick else (1, usual):
            for which in PASSES:
                yield conv_case(name, n, which)
    for net in ("S", "M"):
        for n in (32,) if quick else (32, 128):
            yield net_case("train", net, "step", n)
    for which in ("grad-cam", "guided"):
        for n in (1, 16):
            yield net_case("explain", "M", which, n)
    yield net_case("explain", "mobile", "grad-cam", 1)


LEARNING_RATE, MOMENTUM, CHECKED_STEPS = 0.01, 0.9, 2
