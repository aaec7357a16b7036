"""Runs every engine on the same cases, interleaved, and writes `versus.csv` and `versus.svg`. See README.md."""

import argparse
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np

from cases import NETS, PARAMETERS, all_cases, forward_flops, step_flops
from fill import fill
from process import DOUBLE, ENGINES, OURS, Engine, takes_part
from networks import Networks
import against
import report
import report_nets

HERE = Path(__file__).resolve().parent
PAUSE = 0.05  # seconds, for the last engine's threads to stop spinning


def error(case, found, reference):
    """The largest difference over the largest value; for a training, over the largest step that a parameter made."""
    scale = np.abs(reference).max()
    if case["suite"] == "train":
        start = [fill(PARAMETERS + place, p["shape"]).ravel() * np.float32(p["scale"]) + np.float32(p["offset"])
                 for place, p in enumerate(case["parameters"])]
        scale = np.abs(reference - np.concatenate(start)).max()
    if found.shape != reference.shape:
        return float("inf")
    return float(np.abs(found - reference).max() / (scale or 1))  # a Grad-CAM may be zero everywhere


def result(engine, folder):
    """The numbers that an engine computes."""
    path = folder / f"{engine.name}.f32"
    engine.ask("result", path=str(path))
    found = np.fromfile(path, np.float32)
    path.unlink()
    return found


def reference_of(case, folder):
    """A whole network's result by PyTorch in double precision, computed once for all numbers of threads."""
    kept = folder / f"{case['case']}-{case['pass']}-{case['n']}.npy"
    if not kept.exists():
        (name,) = DOUBLE
        engine = Engine(name, 2)
        found = [] if "unsupported" in engine.ask("prepare", case=case) else result(engine, folder)
        engine.close()
        np.save(kept, found)
    return np.load(kept)


def compare(case, engines, folder):
    """Each engine's error beside the reference on the same inputs."""
    reference = reference_of(case, folder) if case["suite"] == "nets" else None
    errors = {}
    for engine in engines:
        found = result(engine, folder)
        if reference is None:
            reference = found
        elif found.size and reference.size:
            errors[engine.name] = error(case, found, reference)
    return errors


def rate(case, seconds):
    """(rate, unit): GFLOP/s of a layer, images a second of a training, milliseconds of everything else."""
    match case["suite"]:
        case "conv" | "fc":
            return case["flops"] / seconds / 1e9, "GFLOP/s"
        case "train":
            return case["n"] / seconds, "images/s"
        case _:
            return seconds * 1e3, "ms"


class Machine:
    """The most that the threads of this machine ever did in this run: multiply–adds on registers, traffic with memory."""

    def __init__(self, threads):
        self.engine, self.gflops, self.gigabytes = Engine(OURS, threads), 0.0, 0.0

    def measure(self):
        self.gflops = max(self.gflops, self.engine.ask("peak", seconds=0.01)["gflops"])

    def measure_memory(self):
        self.gigabytes = max(self.gigabytes, self.engine.ask("bandwidth", seconds=0.2)["gigabytes"])


def is_alone(case):
    """Whether each engine has a process of its own for the case, so that its peak of memory is that of this case."""
    return case["suite"] == "train" or case["suite"] == "nets" and case["pass"] in ("fwd", "step")


def memory_rows(case, key, engines):
    prefix = "memory" if case["suite"] == "train" else f"memory-{case['pass']}"
    for engine in engines:
        memory = engine.ask("memory")
        if memory["peak"]:  # Linux alone tells
            sizes = {prefix: memory["peak"], f"{prefix}-above-idle": memory["peak"] - memory["idle"]}
            for which, size in sizes.items():
                yield {**key, "pass": which, "engine": engine.name, "rate": size / 2**20, "unit": "MiB"}


def measure(case, threads, running, machine, settings, folder, checked):
    """One case: time in rounds, each engine in its turn, and compare. Gives rows, errors, and what engines said of it."""
    alone = is_alone(case)
    engines, said = [], {}
    for name in settings.engines:
        if not takes_part(name, case):
            continue
        engine = Engine(name, threads) if alone or name not in running else running[name]
        if not alone:
            running[name] = engine
        said[name] = engine.ask("prepare", case=case)
        if "unsupported" not in said[name]:
            engines.append(engine)
        elif alone:
            engine.close()
    best = {engine.name: float("inf") for engine in engines}
    least = 1 if case["suite"] == "nets" else 3
    for turn in range(settings.rounds):
        first = turn % max(len(engines), 1)
        for engine in engines[first:] + engines[:first]:
            time.sleep(PAUSE)
            seconds = engine.ask("run", seconds=settings.seconds, least=least)["seconds"]
            best[engine.name] = min(seconds, best[engine.name])
        machine.measure()
    if case["suite"] == "nets" and case["pass"] == "fwd":
        machine.measure_memory()
    key = {"suite": case["suite"], "case": case["case"], "pass": case["pass"], "n": case["n"], "threads": threads}
    rows = []
    for name, seconds in best.items():
        value, unit = rate(case, seconds)
        rows.append({**key, "engine": name, "rate": value, "unit": unit})
    if alone:
        rows += memory_rows(case, key, engines)
        for engine in engines if checked else []:
            engine.ask("prepare", case=case)  # from the first weights again
    errors = compare(case, engines, folder) if checked and case["pass"] != "load" else {}
    for engine in engines:
        if alone:
            engine.close()
        else:
            engine.ask("drop")
    return rows, errors, said.get(OURS, {})


def flops(row, networks):
    """FLOPs of the direct computation, for all images of the row; `None` where they aren't counted."""
    match row["suite"], row["pass"], row["unit"]:
        case "train", "step", _:
            return row["n"] * step_flops(forward_flops(*NETS[row["case"]]))
        case "nets", "fwd", _:
            return row["n"] * sum(networks.flops(row["case"]))
        case "nets", "step", _:
            return row["n"] * step_flops(networks.flops(row["case"]))
    return None


def add_share_of_peak(rows, machines, networks):
    """The direct computation's FLOPs a second over the peak; with Winograd's fewer multiplications it can pass 1."""
    for row in rows:
        match row["unit"], flops(row, networks):
            case "GFLOP/s", _:
                gflops = row["rate"]
            case "images/s", count:
                gflops = row["rate"] * count / row["n"] / 1e9
            case "ms", count if count:
                gflops = count / row["rate"] / 1e6
            case _:
                gflops = None
        row["share_of_peak"] = gflops and gflops / machines[row["threads"]].gflops


def limits(rows, machines, networks):
    """A row of the limit for each forward pass of a whole network."""
    columns = ("suite", "case", "pass", "n", "threads")
    passes = {tuple(row[column] for column in columns) for row in rows if (row["suite"], row["pass"]) == ("nets", "fwd")}
    for key in sorted(passes):
        _, net, _, n, threads = key
        machine = machines[threads]
        seconds = networks.limit(net, n, machine.gflops, machine.gigabytes)
        yield {**dict(zip(columns, key)), "engine": "limit", "rate": seconds * 1e3, "unit": "ms"}


def build(peers, engines):
    """Builds the engines in Rust that are asked for; ours measures the peak in any case."""
    features = {OURS} | {"burn", "candle"} & set(engines)
    subprocess.run(["cargo", "build", "--release", "--no-default-features", "--features", ",".join(sorted(features))],
                   cwd=peers, check=True)


def settings():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer cases and shorter rounds: a few minutes in all")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, help="times that every engine has its turn at a case")
    parser.add_argument("--seconds", type=float, help="how long a turn lasts")
    usual = [name for name in ENGINES if name != "pytorch-compiled"]  # which compiles for longer than all else runs
    parser.add_argument("--engines", nargs="+", default=usual, choices=ENGINES, metavar="ENGINE",
                        help="of " + ", ".join(ENGINES))
    parser.add_argument("--against", metavar="REVISION", help="Glassbox of an earlier commit, too")
    parser.add_argument("--only", nargs="+", metavar="WORD",
                        help="cases whose suite, name and pass hold these words, as in `--only conv b`")
    parser.add_argument("--out", type=Path, default=HERE, help="the folder of versus.csv and versus.svg")
    found = parser.parse_args()
    rounds, seconds = (2, 0.02) if found.quick else (6, 0.05)
    found.rounds, found.seconds = found.rounds or rounds, found.seconds or seconds
    return found


def main():
    wanted = settings()
    build(HERE / "peers", wanted.engines)
    if wanted.against:
        wanted.engines = [*wanted.engines, against.add(wanted.against)]
    cases = [case for case in all_cases(wanted.quick)
             if not wanted.only or set(wanted.only) <= {case["suite"], case["case"], case["pass"]}]
    networks = Networks(list(dict.fromkeys(case["case"] for case in cases if case["suite"] == "nets")))
    rows, machines = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for threads in wanted.threads:
            running, machine = {}, Machine(threads)
            checked = not wanted.quick or threads == wanted.threads[0]
            for case in map(networks.placed, cases):
                found, errors, said = measure(case, threads, running, machine, wanted, Path(folder), checked)
                rows += found
                report.print_case(found, errors, said)
            for engine in (*running.values(), machine.engine):
                engine.close()
            machines[threads] = machine
    rows += limits(rows, machines, networks)
    add_share_of_peak(rows, machines, networks)
    wanted.out.mkdir(parents=True, exist_ok=True)
    report.write_csv(rows, wanted.out / "versus.csv")
    report.print_summary(rows, machines)
    report_nets.print_tables(rows)
    report.draw(rows, wanted.out / "versus.svg")


if __name__ == "__main__":
    main()
