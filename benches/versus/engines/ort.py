"""ONNX Runtime on the CPU, the forward pass of a convolution: `ort.py THREADS`. It keeps the weights prepared."""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from cases import IMAGES, WEIGHTS
from fill import fill
from worker import Unsupported, serve


def prepare(case):
    if (case["suite"], case["pass"]) != ("conv", "fwd"):
        raise Unsupported("forward passes of convolutions alone")
    x = np.ascontiguousarray(fill(IMAGES, case["x"]).transpose(0, 3, 1, 2))
    w = np.ascontiguousarray(fill(WEIGHTS, case["w"]).transpose(3, 2, 0, 1))
    n, h, wide, c = case["y"]
    y = np.empty((n, c, h, wide), np.float32)
    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=[case["stride"]] * 2, pads=[case["padding"]] * 4,
                            group=case["groups"], kernel_shape=w.shape[2:])
    graph = helper.make_graph(
        [node], "conv", [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, y.shape)], [numpy_helper.from_array(w, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = THREADS, 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    binding = session.io_binding()
    binding.bind_ortvalue_input("x", onnxruntime.OrtValue.ortvalue_from_numpy(x))
    output = onnxruntime.OrtValue.ortvalue_from_numpy(y)
    binding.bind_ortvalue_output("y", output)

    def run():
        session.run_with_iobinding(binding)

    def result():
        run()
        return output.numpy().transpose(0, 2, 3, 1).ravel()

    return run, result


if __name__ == "__main__":
    THREADS = int(sys.argv[1])
    serve(prepare)
