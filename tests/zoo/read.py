"""What the program makes of an exported network."""

import json
import re
import subprocess
import tempfile
import time
from dataclasses import asdict, dataclass

import numpy as np

from maps import Maps

# Of the largest score. PyTorch's own error in single precision, times the second number, if that is more.
BOUND, TIMES = 2e-5, 20
TIMEOUT = 600


@dataclass
class Result:
    group: str
    network: str
    form: str
    # right, wrong, refused (the program gives a reason), failed (it doesn't), not exported (by PyTorch).
    outcome: str
    # The largest difference to PyTorch in double precision, relative to the largest score; and that of PyTorch in single.
    error: float | None = None
    own: float | None = None
    seconds: float | None = None
    reason: str | None = None
    maps: Maps | None = None

    def dictionary(self):
        return asdict(self)


def read(program, folder, form, group, network):
    """Compares the program's scores of both pictures with PyTorch's."""
    named = dict(group=group, network=network, form=form)
    failed = folder / f"{form}.failed"
    if failed.exists():
        return Result(**named, outcome="not exported", reason=first_line(failed.read_text()))
    if not (folder / "double.npy").exists():
        return Result(**named, outcome="not exported", reason="PyTorch gives no scores")
    double, single = np.load(folder / "double.npy"), np.load(folder / "single.npy")
    largest = np.abs(double).max()
    own = float(np.abs(single - double).max() / largest)
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as out:
        # The scores are printed whatever the method; the gradient needs no layer with positions.
        ask = [program, "explain", folder / "x0.npy", folder / "x1.npy", "--model", folder / f"{form}.onnx", "--task", "values",
               "--method", "gradient", "--json", "--quiet", "--threads", "1", "--out", out]
        try:
            run = subprocess.run(ask, capture_output=True, text=True, timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            return Result(**named, outcome="failed", own=own, reason=f"no answer in {TIMEOUT} seconds")
    seconds = time.monotonic() - began
    if run.returncode:
        outcome = "refused" if run.returncode == 1 else "failed"
        return Result(**named, outcome=outcome, own=own, seconds=seconds, reason=first_line(run.stderr, str(folder)))
    found = np.full_like(double, np.nan)
    for row, picture in zip(found, json.loads(run.stdout)["pictures"]):
        for score in picture["top"]:
            row[score["class"]] = score["value"]
    error = float(np.abs(found - double).max() / largest)
    right = error <= max(BOUND, TIMES * own)
    return Result(**named, outcome="right" if right else "wrong", error=error, own=own, seconds=seconds)


def first_line(message, folder=None):
    """The reason without the program's and the file's names."""
    line = next((line for line in message.splitlines() if line.strip()), "no message").strip()
    line = line.removeprefix("glassbox: ")
    return re.sub(rf"{re.escape(folder)}/\S+\.onnx: ", "", line) if folder else line


def capability(reason):
    """A reason without what differs from network to network: names of nodes and numbers."""
    text = re.sub(r"^node `[^`]*` \((\w+)\): ", r"\1: ", reason)
    text = re.sub(r"`[^`]*`", "…", text)
    text = re.sub(r"\[[^\]]*\d[^\]]*\]", "[…]", text)
    text = re.sub(r"\d+", "#", text)
    return text if len(text) <= 110 else text[:109] + "…"
