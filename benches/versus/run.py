"""Runs every engine on the same cases, interleaved, and writes `versus.csv` and `versus.svg`. See README.md."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from cases import PARAMETERS, all_cases, step_flops
from fill import fill
import report

HERE = Path(__file__).resolve().parent
PEERS = HERE / "peers" / "target" / "release"
PYTHON = [sys.executable]

# In the order in which they are printed. The first is the reference that the others' numbers are compared with.
ENGINES = {
    "pytorch": [*PYTHON, HERE / "engines/pytorch.py", "{threads}", "contiguous"],
    "pytorch-channels-last": [*PYTHON, HERE / "engines/pytorch.py", "{threads}", "channels-last"],
    "pytorch-grad-cam": [*PYTHON, HERE / "engines/grad_cam.py", "{threads}"],
    "onnxruntime": [*PYTHON, HERE / "engines/ort.py", "{threads}"],
    "burn": [PEERS / "burn"],
    "candle": [PEERS / "candle"],
    "glassbox": [PEERS / "glassbox"],
    "glassbox-fresh-weights": [PEERS / "glassbox", "fresh-weights"],
}
OURS = "glassbox"
ONLY = {"pytorch-grad-cam": ["explain"], "onnxruntime": ["conv"], "glassbox-fresh-weights": ["conv", "fc"],
        "burn": ["conv", "train"], "candle": ["conv", "train"]}  # suites, of engines that don't do all
PAUSE = 0.004  # seconds, for the last engine's threads to stop spinning


class Engine:
    """A process that answers a line for each line."""

    def __init__(self, name, threads):
        self.name = name
        command = [str(word).format(threads=threads) for word in ENGINES[name]]
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


def error(case, found, reference):
    """The largest difference over the largest value; for a training, over the largest step that a parameter made."""
    scale = np.abs(reference).max()
    if case["suite"] == "train":
        start = [fill(PARAMETERS + place, p["shape"]).ravel() * np.float32(p["scale"]) + np.float32(p["offset"])
                 for place, p in enumerate(case["parameters"])]
        scale = np.abs(reference - np.concatenate(start)).max()
    if found.shape != reference.shape:
        return float("inf")
    return float(np.abs(found - reference).max() / scale)


def compare(case, engines, folder):
    """Each engine's error beside the reference on the same inputs."""
    errors, reference = {}, None
    for engine in engines:
        path = folder / f"{engine.name}.f32"
        engine.ask("result", path=str(path))
        found = np.fromfile(path, np.float32)
        path.unlink()
        if reference is None:
            reference = found
        elif found.size:
            errors[engine.name] = error(case, found, reference)
    return errors


def rate(case, seconds):
    """(rate, unit): GFLOP/s of a layer, images a second of a training, milliseconds of an explanation."""
    match case["suite"]:
        case "conv" | "fc":
            return case["flops"] / seconds / 1e9, "GFLOP/s"
        case "train":
            return case["n"] / seconds, "images/s"
        case _:
            return seconds * 1e3, "ms"


def takes_part(name, case):
    """Whether to ask an engine at all, so that none is started for nothing."""
    return name not in ONLY or case["suite"] in ONLY[name]


class Peak:
    """Fused multiply–adds on registers, as fast as the threads of this machine ever did them in this run."""

    def __init__(self, threads):
        self.engine, self.best = Engine(OURS, threads), 0.0

    def measure(self):
        self.best = max(self.best, self.engine.ask("peak", seconds=0.01)["gflops"])


def measure(case, threads, running, peak, settings, folder, checked):
    """One case: time in rounds, each engine in its turn, and compare. Gives rows, errors, and our algorithm."""
    fresh = case["suite"] == "train"  # in a process of its own, so that its peak of memory is that of this case
    engines, algorithms = [], {}
    for name in settings.engines:
        if not takes_part(name, case):
            continue
        engine = Engine(name, threads) if fresh or name not in running else running[name]
        if not fresh:
            running[name] = engine
        answer = engine.ask("prepare", case=case)
        if "unsupported" not in answer:
            engines.append(engine)
            algorithms[name] = answer.get("algorithm")
        elif fresh:
            engine.close()
    best = {engine.name: float("inf") for engine in engines}
    for turn in range(settings.rounds):
        first = turn % len(engines)
        for engine in engines[first:] + engines[:first]:
            time.sleep(PAUSE)
            seconds = engine.ask("run", seconds=settings.seconds)["seconds"]
            best[engine.name] = min(seconds, best[engine.name])
        peak.measure()
    key = {"suite": case["suite"], "case": case["case"], "pass": case["pass"], "n": case["n"], "threads": threads}
    rows = []
    for name, seconds in best.items():
        value, unit = rate(case, seconds)
        rows.append({**key, "engine": name, "rate": value, "unit": unit})
    if fresh:
        for engine in engines:
            memory = engine.ask("memory")
            if memory["peak"]:  # Linux alone tells
                sizes = {"memory": memory["peak"], "memory-above-idle": memory["peak"] - memory["idle"]}
                rows += [{**key, "pass": which, "engine": engine.name, "rate": size / 2**20, "unit": "MiB"}
                         for which, size in sizes.items()]
            if checked:
                engine.ask("prepare", case=case)  # from the first weights again
    errors = compare(case, engines, folder) if checked else {}
    for engine in engines:
        if fresh:
            engine.close()
        else:
            engine.ask("drop")
    return rows, errors, algorithms.get(OURS)


def add_share_of_peak(rows, peaks):
    """The direct computation's FLOPs a second over the peak; with Winograd's fewer multiplications it can pass 1."""
    for row in rows:
        match row["unit"]:
            case "GFLOP/s":
                gflops = row["rate"]
            case "images/s":
                gflops = row["rate"] * step_flops(row["case"]) / 1e9
            case _:
                gflops = None
        row["share_of_peak"] = gflops and gflops / peaks[row["threads"]]



def settings():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer cases and shorter rounds: a few minutes in all")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, help="times that every engine has its turn at a case")
    parser.add_argument("--seconds", type=float, help="how long a turn lasts")
    parser.add_argument("--engines", nargs="+", default=list(ENGINES), choices=ENGINES, metavar="ENGINE",
                        help="of " + ", ".join(ENGINES))
    parser.add_argument("--only", nargs="+", metavar="WORD",
                        help="cases whose suite, name and pass hold these words, as in `--only conv b`")
    parser.add_argument("--out", type=Path, default=HERE, help="the folder of versus.csv and versus.svg")
    found = parser.parse_args()
    rounds, seconds = (2, 0.02) if found.quick else (6, 0.05)
    found.rounds, found.seconds = found.rounds or rounds, found.seconds or seconds
    return found


def main():
    wanted = settings()
    subprocess.run(["cargo", "build", "--release"], cwd=HERE / "peers", check=True)
    cases = [case for case in all_cases(wanted.quick)
             if not wanted.only or set(wanted.only) <= {case["suite"], case["case"], case["pass"]}]
    rows, peaks = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for threads in wanted.threads:
            running, peak = {}, Peak(threads)
            checked = not wanted.quick or threads == wanted.threads[0]
            for case in cases:
                found, errors, algorithm = measure(case, threads, running, peak, wanted, Path(folder), checked)
                rows += found
                report.print_case(found, errors, algorithm)
            for engine in (*running.values(), peak.engine):
                engine.close()
            peaks[threads] = peak.best
            print(f"peak at {threads} threads: {peak.best:.0f} GFLOP/s")
    add_share_of_peak(rows, peaks)
    wanted.out.mkdir(parents=True, exist_ok=True)
    report.write_csv(rows, wanted.out / "versus.csv")
    report.print_summary(rows, peaks)
    report.draw(rows, wanted.out / "versus.svg")


if __name__ == "__main__":
    main()
