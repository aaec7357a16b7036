"""The engines, each a process that answers commands line by line (`worker.py` describes them)."""

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEERS = HERE / "peers" / "target" / "release"
PYTHON = [sys.executable]

# In the order in which they are printed. The first is the reference that the others' numbers are compared with.
ENGINES = {
    "pytorch": [*PYTHON, HERE / "engines/pytorch.py", "{threads}", "contiguous"],
    "pytorch-channels-last": [*PYTHON, HERE / "engines/pytorch.py", "{threads}", "channels-last"],
    "pytorch-compiled": [*PYTHON, HERE / "engines/pytorch.py", "{threads}", "compiled"],
    "pytorch-grad-cam": [*PYTHON, HERE / "engines/grad_cam.py", "{threads}"],
    "onnxruntime": [*PYTHON, HERE / "engines/ort.py", "{threads}"],
    "burn": [PEERS / "burn"],
    "candle": [PEERS / "candle"],
    "glassbox": [PEERS / "glassbox"],
    "glassbox-fresh-weights": [PEERS / "glassbox", "fresh-weights"],
}
OURS = "glassbox"
# The reference of whole networks, which isn't timed.
DOUBLE = {"pytorch-double": [*PYTHON, HERE / "engines/pytorch.py", "{threads}", "double"]}
ONLY = {"pytorch-compiled": ["nets"], "pytorch-grad-cam": ["explain", "nets"], "onnxruntime": ["conv", "nets"],
        "glassbox-fresh-weights": ["conv", "fc"], "burn": ["conv", "train"],
        "candle": ["conv", "train"]}  # suites, of engines that don't do all


def takes_part(name, case):
    """Whether to ask an engine at all, so that none is started for nothing."""
    return name not in ONLY or case["suite"] in ONLY[name]


class Engine:
    """A process that answers a line for each line."""

    def __init__(self, name, threads):
        self.name = name
        command = [str(word).format(threads=threads) for word in (ENGINES | DOUBLE)[name]]
        # RAYON_NUM_THREADS rules the Rust engines; OMP and MKL are PyTorch's.
        limits = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "MKL", "RAYON")}
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        env={**os.environ, **limits})

    def ask(self, do, **arguments):
        try:
            print(json.dumps({"do": do, **arguments}), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            pass
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended with status {self.process.wait()}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()
