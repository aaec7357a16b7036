"""Runs the exported models of tests/reference/onnxruntime in ONNX Runtime, and stores its scores beside them.

    GLASSBOX_WRITE_ONNX=1 cargo test --test crossing onnx_runtime    writes the models anew; it may fail, the scores being old
    python tests/run_onnxruntime.py                                  computes the scores
    cargo test --test crossing onnx_runtime                        compares

Needs the packages onnx, onnxruntime, numpy and safetensors. Pictures and scores are stored as [N, H, W, C] and [N, classes].
"""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from safetensors.numpy import save_file

FOLDER = Path(__file__).parent / "reference" / "onnxruntime"

for path in sorted(FOLDER.glob("*.onnx")):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    _, channels, height, width = (dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim)
    generator = np.random.default_rng(0)
    pictures = generator.standard_normal((3, height, width, channels)).astype(np.float32)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (scores,) = session.run(None, {"input": np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))})
    save_file({"input": pictures, "scores": scores}, path.with_suffix(".safetensors"))
    print(f"{path.name}: {len(model.graph.node)} nodes, scores {scores.shape}, the first {scores[0]}")
