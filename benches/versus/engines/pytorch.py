"""PyTorch on the CPU: `pytorch.py THREADS contiguous|channels-last|compiled|double`.

Eager in both memory formats; `compiled` and `double`, of whole networks alone, are torch.compile and the reference.
"""

import sys

import numpy as np
import torch
import torch.nn.functional as F

import passes
from net import Net  # makes the folder above importable
from cases import CHECKED_STEPS, IMAGES, UPSTREAM, WEIGHTS
from fill import fill
from worker import serve

FORMAT, DTYPE, COMPILED = torch.contiguous_format, torch.float32, False


def images(values):
    """NumPy [N, H, W, C] to a tensor [N, C, H, W] in the memory format."""
    return torch.from_numpy(np.ascontiguousarray(values.transpose(0, 3, 1, 2))).contiguous(memory_format=FORMAT)


def kernels(values):
    """NumPy [Kh, Kw, Cin, Cout] to a tensor [Cout, Cin, Kh, Kw] in the memory format."""
    return torch.from_numpy(np.ascontiguousarray(values.transpose(3, 2, 0, 1))).contiguous(memory_format=FORMAT)


def prepare_conv(case):
    x, dy = images(fill(IMAGES, case["x"])), images(fill(UPSTREAM, case["y"]))
    w = kernels(fill(WEIGHTS, case["w"]))
    stride, padding = [case["stride"]] * 2, [case["padding"]] * 2

    def forward():
        return F.conv2d(x, w, None, stride, padding, 1, case["groups"])

    def gradient(which):
        mask = [which == "dx", which == "dw", False]
        gradients = torch.ops.aten.convolution_backward(
            dy, x, w, None, stride, padding, [1, 1], False, [0, 0], case["groups"], mask)
        return gradients[mask.index(True)]

    run = forward if case["pass"] == "fwd" else lambda: gradient(case["pass"])
    order = (2, 3, 1, 0) if case["pass"] == "dw" else (0, 2, 3, 1)
    return no_grad(run), no_grad(lambda: run().numpy().transpose(order).ravel())


def prepare_dense(case):
    x, w, dy = (torch.from_numpy(fill(stream, case[name])) for stream, name in
                ((IMAGES, "x"), (WEIGHTS, "w"), (UPSTREAM, "y")))
    w = w.t().contiguous()  # [out, in], as nn.Linear has it
    # The products that its backward pass computes.
    run = {"fwd": lambda: F.linear(x, w), "dx": lambda: dy.mm(w), "dw": lambda: dy.t().mm(x)}[case["pass"]]
    result = (lambda: run().t()) if case["pass"] == "dw" else run
    return no_grad(run), no_grad(lambda: result().contiguous().numpy().ravel())


def no_grad(function):
    def run():
        with torch.no_grad():
            return function()
    return run


def prepare_train(case):
    net = Net(case).to(memory_format=FORMAT).train()
    step = passes.training(net, images(fill(IMAGES, [case["n"], *case["input"]])))

    def result():
        for _ in range(CHECKED_STEPS):
            step()
        return net.canonical_parameters()

    return step, result


def prepare_explain(case):
    net = Net(case).to(memory_format=FORMAT).eval().requires_grad_(False)
    x = images(fill(IMAGES, [case["n"], *case["input"]]))
    if case["pass"] == "grad-cam":
        run = passes.grad_cam(net, x)
        return run, lambda: run().numpy().ravel()
    passes.guide(net)
    run = passes.gradient(net, x)
    return run, lambda: run().numpy().transpose(0, 2, 3, 1).ravel()


def prepare_nets(case):
    import whole  # not before it is needed: it imports torchvision

    return whole.prepare(case, FORMAT, DTYPE, COMPILED)


PREPARE = {"conv": prepare_conv, "fc": prepare_dense, "train": prepare_train, "explain": prepare_explain,
           "nets": prepare_nets}

if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    match sys.argv[2]:
        case "channels-last":
            FORMAT = torch.channels_last
        case "compiled":
            FORMAT, COMPILED = torch.channels_last, True
        case "double":
            DTYPE = torch.float64
    serve(lambda case: PREPARE[case["suite"]](case))
