"""Writes networks and PyTorch's own scores into the cache: a folder for each network, with

    FORM.onnx       the network as exported: old, old-dyn, new, new-dyn
    x0.npy, x1.npy  two pictures [H, W, 3]
    double.npy      PyTorch's scores of both in double precision, [2, 5]
    single.npy      the same in single precision
    FORM.failed     instead of the file: why PyTorch doesn't export it
    maps.npz        Grad-CAM of the first picture, if maps is among the forms

    python export.py CACHE FORMS GROUP/NAME…
"""

import json
import shutil
import sys
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

import grad_cam
import networks
from pictures import enliven, pictures, seed_of


def write(network, form, x, path):
    example = (x if form.endswith("dyn") else x[:1],)
    is_dynamic = form.endswith("dyn")
    if form.startswith("new"):
        extra = dict(dynamo=True, external_data=False, verbose=False)
        if is_dynamic:
            extra["dynamic_shapes"] = ({0: torch.export.Dim("batch", min=1, max=64)},)
        attempts = [(True, extra), (False, extra)]
    else:
        extra = dict(dynamo=False, input_names=["input"], output_names=["scores"])
        if is_dynamic:
            extra["dynamic_axes"] = {"input": {0: "batch"}, "scores": {0: "batch"}}
        # Some operators came with opset 18.
        attempts = [(fused, extra | dict(opset_version=opset)) for fused, opset in ((True, 17), (False, 17), (True, 18))]
    for number, (is_fused, extra) in enumerate(attempts, 1):
        try:
            with attention(network, is_fused):
                torch.onnx.export(network, example, path, **extra)
            return
        except Exception:
            if number == len(attempts):
                raise


@contextmanager
def attention(network, is_fused):
    """Without PyTorch's fused attention, on some calls of which the exporters fail; timm and transformers can do without it."""
    timms = [module for module in network.modules() if getattr(module, "fused_attn", False) is True]
    configs = (getattr(module, "config", None) for module in network.modules())
    others = [config for config in configs if getattr(config, "_attn_implementation", None) == "sdpa"]
    try:
        if not is_fused:
            for module in timms:
                module.fused_attn = False
            for config in others:
                config._attn_implementation = "eager"
        yield
    finally:
        for module in timms:
            module.fused_attn = True
        for config in others:
            config._attn_implementation = "sdpa"


def export(network, forms, cache):
    """Adds what is missing of a network's folder."""
    folder = cache / network.group / network.name
    if not missing(folder, forms):
        return
    torch.manual_seed(seed_of(network.name))
    generator = torch.Generator().manual_seed(seed_of(network.name))
    module, side = networks.build(network)
    x = pictures(2, side, generator)
    single, double = enliven(module, x, side, generator)
    stored = folder / "single.npy"
    if stored.exists() and not np.allclose(np.load(stored), single, rtol=1e-3, atol=1e-3 * np.abs(single).max()):
        # Those of another version of this script or of a library.
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for form in missing(folder, forms):
        part = folder / f"{form}.part"
        try:
            if form == "maps":
                np.savez(folder / "maps.npz", **grad_cam.explain(module, x))
            else:
                write(module, form, x, part)
                part.rename(folder / f"{form}.onnx")
        except Exception as error:
            part.unlink(missing_ok=True)
            (folder / f"{form}.failed").write_text(f"{type(error).__name__}: {error}")
    if stored.exists():
        return
    for number, picture in enumerate(x):
        np.save(folder / f"x{number}.npy", picture.permute(1, 2, 0).contiguous().numpy())
    np.save(folder / "double.npy", double)
    np.save(stored, single)


def missing(folder, forms):
    """The forms that were not tried yet."""
    if not (folder / "single.npy").exists():
        return list(forms)
    return [form for form in forms if not any((folder / f"{form}.{end}").exists() for end in ("onnx", "npz", "failed"))]


def main(cache, forms, asked):
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    named = {f"{each.group}/{each.name}": each for group in networks.GROUPS.values() for each in group}
    for name in asked:
        print(json.dumps({"begun": name}), flush=True)
        (cache / name).mkdir(parents=True, exist_ok=True)
        try:
            export(named[name], forms, cache)
            error = None
        except Exception as failure:
            error = f"{type(failure).__name__}: {failure}"
            for form in missing(cache / name, forms):
                (cache / name / f"{form}.failed").write_text(error)
        print(json.dumps({"done": name, "error": error}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2].split(","), sys.argv[3:])
