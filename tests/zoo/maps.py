"""Compares the program's Grad-CAM with PyTorch's, at the layers that can be matched to a module by their values."""

import json
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

# Of the largest value: outputs that differ less are the same layer's.
ALIKE = 1e-3


@dataclass
class Maps:
    layers: int = 0
    # Layers at which the program refuses, and what it says of the first.
    refused: int = 0
    reason: str | None = None
    # The largest of the layers' errors, relative to the map's largest value, and where; and PyTorch's own there.
    worst: float | None = None
    at: str | None = None
    own: float | None = None


def compare(program, folder, form):
    stored = np.load(folder / "maps.npz")
    path = folder / f"{form}.onnx"
    run = subprocess.run([program, "inspect", path, "--task", "values", "--json"], capture_output=True, text=True)
    if run.returncode:
        return Maps(reason=run.stderr.strip())
    shapes = {layer["name"]: tuple(layer["output"]) for layer in json.loads(run.stdout)["layers"]}
    matched = match(path, np.load(folder / "x0.npy"), stored, shapes)
    if not matched:
        return Maps(reason="no layer is matched")
    result = Maps()
    with tempfile.TemporaryDirectory() as out:
        while matched:
            ask = [program, "explain", folder / "x0.npy", "--model", path, "--task", "values", "--method", "grad-cam", "--layer",
                   ",".join(matched), "--target", str(stored["class"]), "--raw", "--json", "--quiet", "--threads", "1", "--out", out]
            run = subprocess.run(ask, capture_output=True, text=True)
            if run.returncode == 0:
                break
            # A message names the layer that it is about; the others are asked for again.
            reason = run.stderr.strip()
            result.reason = result.reason or reason
            named = next((layer for layer in matched if f"`{layer}`" in reason.split(";")[0]), None)
            if named is None:
                return result
            del matched[named]
            result.refused += 1
        result.layers = len(matched)
        for layer, number in matched.items():
            alone = "" if len(matched) == 1 else "." + re.sub(r"[^A-Za-z0-9._-]", "_", layer)
            found = np.load(Path(out) / f"x0.grad-cam{alone}.npy")
            error, own = min(errors(found, stored, number), default=(np.inf, 0.0))
            if result.worst is None or error > result.worst:
                result.worst, result.at, result.own = error, layer, own
    return result


def errors(found, stored, number):
    """Of the layouts of this shape; the tokens of a picture that is one window stand row by row."""
    for kind in ("maps", "lasts"):
        if f"{number}.{kind}.double" not in stored:
            continue
        double, single = stored[f"{number}.{kind}.double"], stored[f"{number}.{kind}.single"]
        if double.size == found.size and 1 in double.shape:
            double, single = double.reshape(found.shape), single.reshape(found.shape)
        if double.shape == found.shape:
            yield relative(found, double), relative(single, double)


def relative(found, double):
    """The largest difference over the largest value. Tokens that the score doesn't read have a map of zeros."""
    difference, largest = np.abs(found - double).max(), np.abs(double).max()
    if largest == 0:
        return 0.0 if difference == 0 else np.inf
    return float(difference / largest)


def match(path, picture, stored, shapes):
    """The numbers of stored outputs by the name of the layer with the same values."""
    model = onnx.load(path)
    nodes = {node.output[0]: node.name for node in model.graph.node if len(shapes.get(node.name, ())) in (2, 3)}
    known = {value.name for value in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in nodes if name not in known)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    values = session.run(list(nodes), {given.name: np.ascontiguousarray(picture.transpose(2, 0, 1)[None])})
    matched = {}
    for key in (key for key in stored if key.endswith(".features")):
        features = stored[key]
        for value, layer in zip(values, nodes.values()):
            same = value.shape == features.shape and np.abs(value - features).max() <= ALIKE * np.abs(features).max()
            if same and layer not in matched:
                matched[layer] = int(key.split(".")[0])
                break
    return matched
