#!/usr/bin/env python3
"""Computes infidelity and max-sensitivity of three small networks with captum, in float64.

    python tests/reference/measures/make.py

The networks, images and classes are those of `tests/reference/methods`; `resnet` is read from its ONNX file. The maps are the
magnitudes of the DeepLIFT values there, summed over channels. Stored in `NET.safetensors`: captum's infidelity of each
image's map at the best scale (`normalize=True`), and that of an empty map, which is the mean square of the changes; gradients'
maps of each image and of five copies of it, in single precision, and captum's max-sensitivity of them. Needs what
`tests/reference/methods/make.py` needs; downloads nothing. Values were made with PyTorch 2.15.0 and captum 0.9.0.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
import torch
from captum.metrics import infidelity, sensitivity_max
from onnx import numpy_helper
from safetensors.numpy import load_file, save_file

FOLDER = Path(__file__).parent
METHODS = FOLDER.parent / "methods"
sys.path.insert(0, str(METHODS))
from make import CLASSES, flatnet, gapnet, resnet, with_stored_weights  # noqa: E402

# Top, left and side of the squares that the program covers in pictures of these sizes; its seed is 0.
SQUARES = {
    (30, 22): [
        (16, 10, 8), (12, 11, 6), (1, 3, 7), (12, 7, 10), (20, 14, 6), (9, 9, 11), (3, 5, 11), (19, 10, 10),
        (13, 10, 6), (1, 13, 5), (15, 0, 7), (27, 8, 3), (13, 8, 8), (12, 10, 10), (16, 1, 10), (18, 12, 7),
        (26, 11, 2), (19, 11, 11), (11, 7, 9), (15, 10, 8), (7, 6, 6), (21, 7, 5), (1, 14, 5), (1, 1, 11),
        (16, 9, 2), (17, 0, 6), (9, 5, 10), (22, 6, 6), (12, 0, 7), (15, 17, 4), (20, 3, 10), (11, 12, 4),
    ],
    (28, 28): [
        (13, 13, 10), (10, 14, 8), (1, 3, 9), (9, 8, 13), (18, 18, 7), (7, 12, 14), (2, 7, 13), (14, 12, 13),
        (11, 12, 8), (1, 16, 7), (12, 1, 9), (23, 10, 5), (11, 10, 10), (9, 13, 13), (12, 1, 13), (15, 15, 9),
        (23, 14, 3), (14, 14, 14), (9, 10, 11), (11, 12, 11), (6, 8, 7), (18, 8, 7), (1, 17, 7), (1, 2, 14),
        (14, 11, 3), (14, 0, 8), (6, 6, 13), (19, 8, 8), (9, 0, 10), (13, 20, 6), (15, 4, 13), (10, 14, 6),
    ],
    (16, 14): [
        (8, 7, 5), (6, 7, 4), (0, 2, 4), (5, 4, 7), (11, 9, 3), (4, 6, 7), (1, 3, 7), (9, 6, 7),
        (6, 6, 4), (0, 9, 3), (7, 0, 5), (14, 5, 2), (7, 5, 5), (5, 6, 7), (7, 0, 7), (10, 8, 4),
        (14, 7, 1), (9, 7, 7), (6, 5, 5), (7, 6, 5), (4, 4, 3), (11, 4, 3), (0, 9, 3), (0, 1, 7),
        (9, 6, 1), (8, 0, 4), (4, 3, 7), (11, 4, 4), (6, 0, 5), (7, 10, 3), (9, 2, 7), (6, 8, 2),
    ],
}
COPIES = 5


def from_onnx(model):
    """The residual network's weights, by their names in its file."""
    stored = {t.name: numpy_helper.to_array(t).copy() for t in onnx.load(METHODS / "resnet.onnx").graph.initializer}
    state = {key: torch.tensor(stored[key]) for key in model.state_dict() if key in stored}
    missing = model.load_state_dict(state, strict=False).missing_keys
    assert all(key.endswith("num_batches_tracked") for key in missing), missing
    return model.double().eval()


def of_squares(model, images, maps):
    """captum multiplies the map by what its function gives as the perturbation: here 1 where the square covers the image."""
    squares = SQUARES[tuple(images.shape[2:])]

    def cover(inputs):
        masks = torch.zeros_like(inputs)
        for index in range(len(inputs)):
            top, left, side = squares[index % len(squares)]
            masks[index, :, top : top + side, left : left + side] = 1
        return masks, inputs * (1 - masks)

    probability = lambda x: torch.softmax(model(x), -1)
    # A map has one value for all channels of a pixel.
    attributions = torch.zeros_like(images)
    attributions[:, 0] = maps
    measure = lambda of, normalize: infidelity(
        probability, cover, images, of, target=CLASSES, n_perturb_samples=len(squares), normalize=normalize)
    return {"infidelity": measure(attributions, True), "infidelity.of_nothing": measure(torch.zeros_like(images), False)}


def of_copies(model, images):
    generator = torch.Generator().manual_seed(5)

    def gradients(inputs):
        # captum gives the images as a tuple, and then expects one; the copies of one image come after those of the other.
        if isinstance(inputs, tuple):
            return (gradients(inputs[0]),)
        x = inputs.clone().requires_grad_()
        targets = [c for c in CLASSES for _ in range(len(x) // len(CLASSES))]
        with torch.enable_grad():
            scores = model(x)[range(len(x)), targets].sum()
        # Maps are in single precision.
        return torch.autograd.grad(scores, x)[0].abs().amax(1).float().double()

    copies = torch.cat([x + 0.2 * (2 * torch.rand(COPIES, *x.shape, generator=generator) - 1) for x in images])
    found = sensitivity_max(gradients, images, lambda inputs: copies, n_perturb_samples=COPIES)
    own, others = gradients(images).float(), gradients(copies).float()
    return {"maps": own, "maps.of_copies": others.unflatten(0, (len(images), COPIES)), "max_sensitivity": found}


def main():
    for name, make in [("gapnet", gapnet), ("flatnet", flatnet), ("resnet", resnet)]:
        stored = load_file(METHODS / f"{name}.safetensors")
        images = torch.tensor(stored["images"]).permute(0, 3, 1, 2).contiguous()
        model = from_onnx(make()) if name == "resnet" else with_stored_weights(name, make())[0]
        assert torch.allclose(model(images), torch.tensor(stored["scores"]), rtol=0, atol=1e-12)
        maps = torch.tensor(stored["deep_lift"]).sum(-1).abs()
        found = {**of_squares(model, images, maps), **of_copies(model, images)}
        arrays = {key: np.ascontiguousarray(value.detach().numpy()) for key, value in found.items()}
        save_file(arrays, FOLDER / f"{name}.safetensors")
        print(name, {key: value.tolist() for key, value in arrays.items() if value.size < 9})


if __name__ == "__main__":
    main()
