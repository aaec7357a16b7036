"""ONNX Runtime on the CPU, forward passes: `ort.py THREADS`. It keeps the weights prepared."""

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


def images(shape):
    """Drawn images, [N, C, H, W]."""
    return np.ascontiguousarray(fill(IMAGES, shape).transpose(0, 3, 1, 2))


def session(model):
    """Of a file's path or bytes, with all optimisations of the graph."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = THREADS, 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def prepare_conv(case):
    x = images(case["x"])
    w = np.ascontiguousarray(fill(WEIGHTS, case["w"]).transpose(3, 2, 0, 1))
    n, h, wide, c = case["y"]
    node = helper.make_node("Conv", ["x", "w"], ["y"], strides=[case["stride"]] * 2, pads=[case["padding"]] * 4,
                            group=case["groups"], kernel_shape=w.shape[2:])
    graph = helper.make_graph(
        [node], "conv", [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [n, c, h, wide])], [numpy_helper.from_array(w, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    run, output = bound(session(model.SerializeToString()), x, (n, c, h, wide))

    def result():
        run()
        return output.numpy().transpose(0, 2, 3, 1).ravel()

    return run, result


def prepare_net(case):
    x = images([case["n"], *case["input"]])
    if case["pass"] == "load":
        return lambda: session(case["prediction"]), lambda: []
    run, output = bound(session(case["prediction"]), x, (case["n"], case["classes"]))

    def result():
        run()
        return output.numpy()

    return run, result


def bound(session, x, shape):
    """A function that computes the output of this shape, and that output."""
    binding = session.io_binding()
    binding.bind_ortvalue_input(session.get_inputs()[0].name, onnxruntime.OrtValue.ortvalue_from_numpy(x))
    output = onnxruntime.OrtValue.ortvalue_from_numpy(np.empty(shape, np.float32))
    binding.bind_ortvalue_output(session.get_outputs()[0].name, output)
    return lambda: session.run_with_iobinding(binding), output


def prepare(case):
    match case["suite"], case["pass"]:
        case "conv", "fwd":
            return prepare_conv(case)
        case "nets", "fwd" | "load":
            return prepare_net(case)
        case _:
            raise Unsupported("forward passes alone")


if __name__ == "__main__":
    THREADS = int(sys.argv[1])
    serve(prepare)
