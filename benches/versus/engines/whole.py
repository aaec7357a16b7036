"""PyTorch's part in the suite `nets`."""

import numpy as np
import torch

import passes
from cases import CHECKED_STEPS, IMAGES
from fill import fill
from nets import load
from worker import Unsupported


def images(case, dtype, memory_format):
    values = fill(IMAGES, [case["n"], *case["input"]]).transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(values)).to(dtype).contiguous(memory_format=memory_format)


def prepare(case, memory_format, dtype=torch.float32, compiled=False):
    if case["pass"] not in ("fwd", "step") if compiled else case["pass"] == "load":
        raise Unsupported("not measured")
    net = load(case["case"], case["folder"]).to(dtype=dtype, memory_format=memory_format).eval()
    x = images(case, dtype, memory_format)
    if case["pass"] == "step":
        return training(net, x, compiled)
    net.requires_grad_(False)
    match case["pass"]:
        case "fwd":
            forward = torch.inference_mode()(torch.compile(net) if compiled else net)
            run = lambda: forward(x)
            return run, lambda: run().numpy().ravel()
        case "grad-cam":
            run = passes.grad_cam(net, x)
            return run, lambda: run().numpy().ravel()
        case "guided":
            passes.guide(net)
    run = passes.gradient(net, x)
    return run, lambda: run().numpy().transpose(0, 2, 3, 1).ravel()


def training(net, x, compiled):
    """Checked is what the steps change of the scores."""
    step = passes.training(torch.compile(net.train()) if compiled else net.train(), x)

    @torch.no_grad()
    def scores():
        found = net.eval()(x).numpy()
        net.train()
        return found

    def result():
        before = scores()
        for _ in range(CHECKED_STEPS):
            step()
        return scores() - before

    return step, result
