"""Writes cases.pb: the node tests that the `onnx` package generates for the operators that are read.

    python generate.py Add AveragePool …        all names that READS lists in src/onnx

cases.pb is a protobuf message: repeated Case cases = 1, with Case { string name = 1; ModelProto model = 2;
repeated TensorProto inputs = 3; repeated TensorProto outputs = 4 }. Left out, and counted: cases of more than 50 kB, and
those that aren't about arrays of numbers, or whose outputs are random (dropout in training).
"""

import sys
from pathlib import Path

import numpy as np
from onnx import numpy_helper
from onnx.backend.test.case.node import collect_testcases

LARGEST = 50_000


def field(tag: int, data: bytes) -> bytes:
    def varint(value: int) -> bytes:
        out = b""
        while value > 127:
            out += bytes([value & 127 | 128])
            value >>= 7
        return out + bytes([value])

    return varint(tag << 3 | 2) + varint(len(data)) + data


cases, left_out = {}, []
for case in collect_testcases():
    nodes = case.model.graph.node
    if len(nodes) != 1 or nodes[0].op_type not in sys.argv[1:] or nodes[0].domain not in ("", "ai.onnx"):
        continue
    if case.name.startswith("test_training_dropout"):
        left_out.append(case.name)
        continue
    inputs, outputs = case.data_sets[0]
    names = [value.name for value in case.model.graph.input], [value.name for value in case.model.graph.output]
    try:
        tensors = [
            [numpy_helper.from_array(np.asarray(array), name).SerializeToString() for name, array in zip(*pair)]
            for pair in ((names[0], inputs), (names[1], outputs))
        ]
    except (ValueError, KeyError, TypeError, NotImplementedError):
        left_out.append(case.name)
        continue
    body = field(1, case.name.encode()) + field(2, case.model.SerializeToString())
    body += b"".join(field(3, tensor) for tensor in tensors[0]) + b"".join(field(4, tensor) for tensor in tensors[1])
    if len(body) > LARGEST:
        left_out.append(case.name)
        continue
    cases[case.name] = body

Path(__file__).with_name("cases.pb").write_bytes(b"".join(field(1, cases[name]) for name in sorted(cases)))
print(f"{len(cases)} cases written; left out: {left_out}")
