"""The files of whole networks, and how fast a machine could at best compute them."""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
CACHE = HERE / "cache"
DEFINED_BY = ("cases.py", "fill.py", "requirements.txt", "engines/net.py", "engines/nets.py", "engines/tokens.py")


class Networks:
    """Files of whole networks: written where there are none, or where what defines the networks has changed."""

    def __init__(self, names):
        if not names:
            return
        text = b"".join((HERE / name).read_bytes() for name in DEFINED_BY)
        self.folder = CACHE / f"nets-{hashlib.sha256(text).hexdigest()[:12]}"
        for old in CACHE.glob("nets-*"):
            if old != self.folder:
                shutil.rmtree(old)
        subprocess.run([sys.executable, HERE / "engines/nets.py", self.folder, *names], check=True)
        self.about = {name: json.loads((self.folder / f"{name}.json").read_text()) for name in names}

    def placed(self, case):
        """The case with its network's files."""
        if case["suite"] != "nets":
            return case
        about = self.about[case["case"]]
        files = {form: str(self.folder / about[form]) for form in ("prediction", "training")}
        return {**case, "folder": str(self.folder), **files}

    def flops(self, net):
        """FLOPs of the convolutions and products for one image, one number for each such layer."""
        return [2 * multiply_adds for multiply_adds, *_ in self.about[net]["layers"] if multiply_adds]

    def limit(self, net, n, gflops, gigabytes):
        """Seconds of a forward pass whose layers each take as long as their multiply–adds or their traffic with memory."""
        seconds = 0.0
        for multiply_adds, inputs, outputs, weights in self.about[net]["layers"]:
            traffic = 4 * (n * (inputs + outputs) + weights)
            seconds += max(2 * n * multiply_adds / gflops, traffic / gigabytes) / 1e9
        return seconds
