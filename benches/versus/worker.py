"""The process of one Python engine: commands on standard input, answers on standard output, a line of JSON each.

    {"do": "prepare", "case": …}     make the inputs ready; answers {"unsupported": why} where the engine can't
    {"do": "result", "path": …}      compute once, write the result's f32 in the canonical layout
    {"do": "run", "seconds": s, "least": r}
                                     compute again and again for s seconds, r times or more; answers the shortest time of one
    {"do": "memory"}                 the process's peak of resident memory and what it was before the first case, in bytes
    {"do": "peak", "seconds": s}     GFLOP/s of multiply–adds on registers (glassbox alone)
    {"do": "bandwidth", "seconds": s}
                                     GB/s between the processor and memory (glassbox alone)
    {"do": "drop"}                   forget the case

Canonical layouts: images [N, H, W, C], kernels [Kh, Kw, Cin / groups, Cout], parameters in the order of the layers.
"""

import json
import sys
import time

import numpy as np


class Unsupported(Exception):
    """This engine doesn't do this case."""


def status(field):
    """A size in bytes from what Linux tells of this process: VmRSS, now in memory; VmHWM, the most there ever was."""
    try:
        with open("/proc/self/status") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))
    except OSError:
        return None


def serve(prepare):
    """`prepare(case)` gives two functions: `run()` computes once, `result()` computes once and gives the numbers."""
    answers, sys.stdout = sys.stdout, sys.stderr
    run = result = idle = None
    for line in sys.stdin:
        command = json.loads(line)
        answer = {}
        match command["do"]:
            case "prepare":
                idle = idle or status("VmRSS")
                try:
                    run, result = prepare(command["case"])
                except Unsupported as why:
                    answer = {"unsupported": str(why)}
            case "result":
                np.asarray(result(), dtype=np.float32).tofile(command["path"])
            case "run":
                best, runs, end = float("inf"), 0, time.perf_counter() + command["seconds"]
                while runs < command["least"] or time.perf_counter() < end:
                    start = time.perf_counter()
                    run()
                    best = min(best, time.perf_counter() - start)
                    runs += 1
                answer = {"seconds": best, "runs": runs}
            case "memory":
                answer = {"peak": status("VmHWM"), "idle": idle}
            case "drop":
                run = result = None
        print(json.dumps(answer), file=answers, flush=True)
