"""Trains small networks in one process and in several, with Glassbox (MPI) and PyTorch (DistributedDataParallel over gloo).

    (cd ../.. && cargo build --release -p glassbox --features mpi)
    env/bin/python ranks.py --processes 2 --rounds 5

Each process has one thread. Engines and numbers of processes take turns, round after round; what counts is images a second in the
fastest training and in the median of all. Both train on the garments that Glassbox has built in, in batches of 128, with the same
network, schedule and optimiser; Glassbox in slots of 32, in one process too. PyTorch is timed from its second step on and has
whichever memory format is faster; Glassbox is timed from its first step to its last checkpoint, with its log. Leave the machine
alone meanwhile.
"""
import argparse, itertools, os, statistics, subprocess, tempfile, time
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from train import FORMATS, PROGRAM, ROOT, PyTorch, idx, settings

DATA = ROOT / "crates/nn/data/fashion-mnist"
IMAGES, LABELS = (DATA / f"fashion-train6000-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1"))
# name: (channels, pooled after, epochs of one training)
NETS = {"demo": ([16, 32, 32, 48], [1, 2], 6), "32–128": ([32, 64, 64, 128], [1, 3], 2)}
SLOT = 32


def described(net, folder):
    """A file of settings."""
    channels, pool_after, epochs = NETS[net]
    path = folder / "run.toml"
    path.write_text(f"""
        data = {{ source = "idx", images = "{IMAGES}", labels = "{LABELS}" }}
        network = {{ architecture = "plain", channels = {channels}, pool_after = {pool_after} }}
        training = {{ epochs = {epochs}, batch_size = 128, slot_size = {SLOT}, label_smoothing = 0.0 }}
        output = {{ folder = "{folder / 'out'}", film_every = 0 }}
    """)
    return path


def glassbox(path, processes):
    """Seconds of a training."""
    launcher = ["mpirun", "-n", str(processes)] if processes > 1 else []
    # Open MPI refuses the superuser unless it is told.
    allowed = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    command = [*launcher, str(PROGRAM), "--threads", "1", "train", "--config", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ | allowed)
    began = seconds = None
    for line in process.stdout:
        if "training images of" in line:
            began = time.perf_counter()
        elif line.startswith("Trained in"):
            seconds = time.perf_counter() - began
    if process.wait():
        raise SystemExit(f"{' '.join(command)} failed; run it by itself to see why")
    return seconds


class Rank(PyTorch):
    """A process of several that learn from a part of each batch each."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        if dist.get_world_size() > 1:
            self.model = self.average = torch.nn.parallel.DistributedDataParallel(
                self.model, forward_sync_buffers=False, gradient_as_bucket_view=True
            )

    def batches(self):
        return [places[dist.get_rank() :: dist.get_world_size()] for places in super().batches()]


def rank_of_pytorch(rank, processes, config, meeting, seconds):
    """What a process does; `seconds` are for each memory format."""
    torch.set_num_threads(1)
    if processes > 1 and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[rank % len(cores)]})
    dist.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=processes)
    images, labels = idx(IMAGES), idx(LABELS).long()
    for number, memory_format in enumerate(FORMATS.values()):
        run = Rank(config, (images, labels, None, None), 0, memory_format)
        run.learn(run.batches()[0])
        dist.barrier()
        began = time.perf_counter()
        for _ in range(run.epochs):
            for places in run.batches():
                run.learn(places)
        dist.barrier()
        if rank == 0:
            seconds[number] = time.perf_counter() - began
    dist.destroy_process_group()


def pytorch(path, processes):
    """Seconds of a training in the faster memory format."""
    seconds = mp.get_context("spawn").Array("d", len(FORMATS))
    meeting = path.with_name("meeting")
    mp.spawn(rank_of_pytorch, (processes, settings(path), meeting, seconds), nprocs=processes)
    meeting.unlink(missing_ok=True)
    return min(seconds)


ENGINES = {"Glassbox": glassbox, "PyTorch": pytorch}


def table(net, processes, rates):
    """`rates`: images a second of each training, by engine and number of processes."""
    for name, value in (("fastest", max), ("median", statistics.median)):
        alone, together = ({engine: value(rates[engine, count]) for engine in ENGINES} for count in (1, processes))
        for engine in ENGINES:
            share = together[engine] / alone[engine] / processes
            print(f"| {net} | {engine} | {name} | {alone[engine]:.0f} | {together[engine]:.0f} | {share:.2f} |")
        print(f"| {net} | Glassbox / PyTorch | {name} | {alone['Glassbox'] / alone['PyTorch']:.2f} |"
              f" {together['Glassbox'] / together['PyTorch']:.2f} | |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--nets", nargs="+", choices=NETS, default=list(NETS))
    arguments = parser.parse_args()
    print(f"| Network | Engine | | One process, images/s | {arguments.processes} processes | Share of {arguments.processes} × one |")
    print("| --- | --- | --- | ---: | ---: | ---: |")
    for net in arguments.nets:
        runs = list(itertools.product(ENGINES, (1, arguments.processes)))
        rates = {run: [] for run in runs}
        with tempfile.TemporaryDirectory() as folder:
            path = described(net, Path(folder))
            learnt = settings(path)["training"]["epochs"] * len(idx(LABELS))
            for _ in range(arguments.rounds):
                for engine, processes in runs:
                    rates[engine, processes].append(learnt / ENGINES[engine](path, processes))
        table(net, arguments.processes, rates)


if __name__ == "__main__":
    main()
