"""Writes networks of keras.applications into the cache, as export.py does those of PyTorch; in double.npy and single.npy are
TensorFlow's scores. The forms are tf2onnx, and keras, which is model.export.

    python keras_export.py CACHE FORMS GROUP/NAME…

Needs the packages of requirements-keras.txt.
"""

import json
import os
import sys
import zlib
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import keras
import numpy as np
import tensorflow as tf

from keras_networks import CLASSES, KERAS


def pictures(count, side, generator):
    """Smooth random pictures [N, side, side, 3] of bytes."""
    coarse = tf.constant(generator.uniform(0, 255, (count, 6, 6, 3)), tf.float32)
    return np.clip(tf.image.resize(coarse, (side, side), "bicubic").numpy(), 0, 255).astype(np.float32)


def build(name, side, changed):
    # Without the softmax, so that the scores are the logits.
    make = getattr(keras.applications, name)
    return make(weights=None, input_shape=(side, side, 3), classes=CLASSES, classifier_activation=None, **changed)


def enliven(model, side, generator):
    """Draws constants anew and sets the statistics of batch norms from pictures, then shakes them."""
    layers = list(model._flatten_layers(include_self=False))
    norms = [layer for layer in layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in layers:
        if isinstance(layer, keras.layers.Normalization):
            continue
        for variable in layer.trainable_weights:
            value = variable.numpy()
            if value.size < 2 or not (value == value.flat[0]).all():
                continue
            first = abs(value.flat[0])
            if first > 1e-2:
                variable.assign(value * generator.uniform(0.75, 1.25, value.shape))
            elif first > 0:
                variable.assign(generator.uniform(0.1, 0.3, value.shape))
            else:
                variable.assign(0.1 * generator.standard_normal(value.shape))
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.3
    for _ in range(4 if norms else 0):
        model(pictures(4, side, generator), training=True)
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
        variance = norm.moving_variance.numpy()
        shake = 0.1 * np.sqrt(variance) * generator.standard_normal(variance.shape)
        norm.moving_mean.assign(norm.moving_mean.numpy() + shake)
        norm.moving_variance.assign(variance * generator.uniform(0.8, 1.2, variance.shape))


def write(model, form, side, path):
    signature = [tf.TensorSpec((None, side, side, 3), tf.float32, name="input")]
    if form == "tf2onnx":
        import tf2onnx

        tf2onnx.convert.from_function(
            tf.function(lambda input: model(input, training=False)), input_signature=signature, opset=17, output_path=str(path)
        )
    else:
        # The ending must be .onnx.
        model.export(str(path), format="onnx", verbose=False)


def export(name, side, changed, forms, folder):
    tried = lambda form: any((folder / f"{form}.{end}").exists() for end in ("onnx", "failed"))
    scored = (folder / "single.npy").exists()
    if scored and all(map(tried, forms)):
        return
    keras.utils.set_random_seed(zlib.crc32(name.encode()) % 2**31)
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    model = build(name, side, changed)
    enliven(model, side, generator)
    x = pictures(2, side, generator)
    for form in (form for form in forms if not tried(form)):
        part = folder / f"part-{form}.onnx"
        try:
            write(model, form, side, part)
            part.rename(folder / f"{form}.onnx")
        except Exception as error:
            part.unlink(missing_ok=True)
            (folder / f"{form}.failed").write_text(f"{type(error).__name__}: {error}")
    if scored:
        return
    for number, picture in enumerate(x):
        np.save(folder / f"x{number}.npy", picture)
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    try:
        double = build(name, side, changed)
        double.set_weights(model.get_weights())
        np.save(folder / "double.npy", double(x.astype(np.float64), training=False).numpy())
    finally:
        keras.config.set_floatx("float32")
        keras.config.set_dtype_policy("float32")
    np.save(folder / "single.npy", model(x, training=False).numpy())


def main(cache, forms, asked):
    known = {f"keras/{name}": (name, side, *(changed or [{}])) for name, side, *changed in KERAS}
    for name in asked:
        print(json.dumps({"begun": name}), flush=True)
        (cache / name).mkdir(parents=True, exist_ok=True)
        try:
            export(*known[name], forms, cache / name)
            error = None
        except Exception as failure:
            error = f"{type(failure).__name__}: {failure}"
            for form in forms:
                (cache / name / f"{form}.failed").write_text(error)
        print(json.dumps({"done": name, "error": error}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2].split(","), sys.argv[3:])
