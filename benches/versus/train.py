"""Trains the network of a file of settings with Glassbox and with PyTorch, side by side: accuracy and time of each, over seeds.

    env/bin/python train.py ../../crates/attribution/configs/fashion-mnist.toml --seeds 0 1 2

Both train the same network on the same data with the same schedule, batch size, optimiser, weight decay, label smoothing,
weight average and augmentation, and look at the test images after each epoch, one engine after the other; each draws its own
first weights, order and augmentation. PyTorch has whichever memory format makes its own steps faster. Timed is the training:
from data in memory to the end of the last epoch's test, in Glassbox with its log, checkpoints and pictures. Leave the machine
alone meanwhile.
"""
import argparse, copy, gzip, json, math, statistics, struct, subprocess, tempfile, time, tomllib
from pathlib import Path

import torch
import torch.nn.functional as F

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "target/release/glassbox"
TEMPLATE = ROOT / "crates/attribution/src/program/training/template.toml"
FORMATS = {"NCHW": torch.contiguous_format, "NHWC": torch.channels_last}


def settings(path):
    """The file's values over the template's; what PyTorch isn't told of here is refused."""
    config = tomllib.loads(TEMPLATE.read_text())
    for section, values in tomllib.loads(Path(path).read_text()).items():
        config[section] |= values
    data, training, augmentation = config["data"], config["training"], config["augmentation"]
    assert not data["balanced"] and not data["validation"] and training["loss"] == "fitting"
    assert training["optimizer"] == "sgd" and training["schedule"] == "cosine" and training["floor"] == 0
    assert not training["clip_norm"] and not training["patience"]
    assert not any(value for name, value in augmentation.items() if name not in ("rotation", "scale", "shift", "flip"))
    return config


def idx(path):
    data = (gzip.open if str(path).endswith(".gz") else open)(path, "rb").read()
    shape = struct.unpack(f">{data[3]}I", data[4 : 4 + 4 * data[3]])
    return torch.frombuffer(bytearray(data[4 + 4 * data[3] :]), dtype=torch.uint8).reshape(shape)


def network(config, classes):
    layers, channels = [], 1
    for number, width in enumerate(config["network"]["channels"], 1):
        layers += [torch.nn.Conv2d(channels, width, 3, padding=1, bias=False), torch.nn.BatchNorm2d(width), torch.nn.ReLU(True)]
        channels = width
        if number in config["network"]["pool_after"]:
            layers.append(torch.nn.MaxPool2d(2))
    layers += [torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten()]
    if config["network"]["dropout"]:
        layers.append(torch.nn.Dropout(config["network"]["dropout"]))
    return torch.nn.Sequential(*layers, torch.nn.Linear(channels, classes))


def factor(step, steps, warmup):
    """Linear rise, then half a cosine."""
    rise = math.floor(warmup * steps)
    return (step + 1) / (rise + 1) if step < rise else 0.5 * (1 + math.cos(math.pi * (step - rise) / (steps - rise)))


def augment(images, how):
    """Images [n, h, w] of bytes as floats, moved at random; black comes in. A shift and a flip are one look-up."""
    n, h, w = images.shape
    x = images.float()
    if how["rotation"] or how["scale"]:
        angle = (torch.rand(n) * 2 - 1) * math.radians(how["rotation"])
        size = torch.exp((torch.rand(n) * 2 - 1) * math.log(1 + how["scale"]))
        cos, sin, zero = angle.cos() / size, angle.sin() / size, torch.zeros(n)
        theta = torch.stack([torch.stack([cos, -sin, zero], 1), torch.stack([sin, cos, zero], 1)], 1)
        grid = F.affine_grid(theta, (n, 1, h, w), align_corners=False)
        x = F.grid_sample(x[:, None], grid, align_corners=False)[:, 0]
    if how["shift"] or how["flip"]:
        s = how["shift"]
        rows, columns = torch.arange(h).expand(n, h), torch.arange(w).expand(n, w)
        if how["flip"]:
            columns = torch.where(torch.rand(n, 1) < 0.5, columns.flip(1), columns)
        rows, columns = (places + torch.randint(0, 2 * s + 1, (n, 1)) for places in (rows, columns))
        x = F.pad(x, (s, s, s, s))[torch.arange(n)[:, None, None], rows[:, :, None], columns[:, None, :]]
    return x


class PyTorch:
    """A training with PyTorch."""

    def __init__(self, config, data, seed, memory_format):
        torch.manual_seed(seed)
        self.config, self.training, self.memory_format = config, config["training"], memory_format
        self.x, self.y, self.tx, self.ty = data
        pixels = self.x.double()
        self.mean, self.std = float(pixels.mean()), float(pixels.std())
        self.model = self.network().to(memory_format=memory_format)
        t = self.training
        self.optimizer = torch.optim.SGD(
            self.model.parameters(), t["learning_rate"], momentum=t["momentum"], weight_decay=t["weight_decay"],
            nesterov=t["nesterov"], fused=True,
        )
        self.average = copy.deepcopy(self.model) if t["weight_average"] else self.model
        self.epochs, self.step = t["epochs"], 0
        self.steps = self.epochs * math.ceil(len(self.x) / t["batch_size"])

    def network(self):
        assert self.config["network"]["architecture"] == "plain"
        return network(self.config, int(self.y.max()) + 1)

    def loss(self, scores, truths):
        return F.cross_entropy(scores, truths, label_smoothing=self.training["label_smoothing"])

    def normalized(self, images):
        return images.sub_(self.mean).div_(self.std)[:, None].contiguous(memory_format=self.memory_format)

    def learn(self, places):
        t = self.training
        for group in self.optimizer.param_groups:
            group["lr"] = t["learning_rate"] * factor(self.step, self.steps, t["warmup"])
        images = self.normalized(augment(self.x[places], self.config["augmentation"]))
        loss = self.loss(self.model(images), self.y[places])
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.step += 1
        if self.average is not self.model:
            decay = min(t["weight_average"], (1 + self.step) / (10 + self.step))
            values = [
                [value for value in model.state_dict().values() if value.is_floating_point()]
                for model in (self.average, self.model)
            ]
            torch._foreach_lerp_(*values, 1 - decay)

    def batches(self):
        self.model.train()
        return torch.randperm(len(self.x)).split(self.training["batch_size"])

    def scores(self):
        """Those of the test images."""
        self.average.eval()
        with torch.inference_mode():
            return torch.cat([self.average(self.normalized(images.float())) for images in self.tx.split(500)])

    def test(self):
        return int((self.scores().argmax(1) == self.ty).sum()) / len(self.ty)


def pytorch(config, data, seed):
    def time_of_steps(memory_format):
        trial = PyTorch(config, data, seed, memory_format)
        batches = trial.batches()
        trial.learn(batches[0])
        began = time.perf_counter()
        for places in batches[1:21]:
            trial.learn(places)
        return time.perf_counter() - began

    memory_format = min(FORMATS, key=lambda name: time_of_steps(FORMATS[name]))
    run = PyTorch(config, data, seed, FORMATS[memory_format])
    began = time.perf_counter()
    for _ in range(run.epochs):
        for places in run.batches():
            run.learn(places)
        accuracy = run.test()
    return {"accuracy": accuracy, "seconds": time.perf_counter() - began, "memory_format": memory_format}


def glassbox(path, seed, threads):
    with tempfile.TemporaryDirectory() as folder:
        out = str(Path(folder) / "run")
        command = [PROGRAM, "--threads", threads, "train", "--config", path, "--seed", seed, "--out", out]
        process = subprocess.Popen(
            [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        for line in process.stdout:
            if "training images of" in line:
                began = time.perf_counter()
            elif line.startswith("Trained in"):
                seconds = time.perf_counter() - began
            elif line.startswith("Test accuracy"):
                accuracy = float(line.split()[2])
        if process.wait():
            raise SystemExit("glassbox train failed; run it by itself to see why")
    return {"accuracy": accuracy, "seconds": seconds}


def table(runs):
    """Mean, least and most of each engine's runs, and how the times compare."""
    print("\n| Engine | Test accuracy: mean (least to most) | Seconds: mean (least to most) |\n| --- | --- | --- |")
    for engine, of in runs.items():
        accuracies, seconds = ([run[what] for run in of] for what in ("accuracy", "seconds"))
        spread = lambda values, digits: (
            f"{statistics.mean(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"
        )
        print(f"| {engine} | {spread(accuracies, 4)} | {spread(seconds, 1)} |")
    if len(runs) == 2:
        ratio = [statistics.mean(run["seconds"] for run in of) for of in runs.values()]
        first, second = runs
        print(f"\nTime of {second} / {first}: {ratio[1] / ratio[0]:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--engines", nargs="+", choices=["glassbox", "pytorch"], default=["glassbox", "pytorch"])
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    config = settings(arguments.config)
    assert config["data"]["source"] == "idx" and config["data"]["test_images"]
    data = [idx(config["data"][key]) for key in ("images", "labels", "test_images", "test_labels")]
    data = [values.long() if values.dim() == 1 else values for values in data]
    runs = {engine: [] for engine in arguments.engines}
    for seed in arguments.seeds:
        for engine, of in runs.items():
            if engine == "glassbox":
                run = glassbox(arguments.config, seed, arguments.threads)
            else:
                run = pytorch(config, data, seed)
            of.append(run)
            print(json.dumps({"engine": engine, "seed": seed} | run), flush=True)
    table(runs)


if __name__ == "__main__":
    main()
