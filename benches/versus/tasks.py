"""Trains a small network of each task with `glassbox train` and with PyTorch, and scores Grad-CAM's maps of it.

    env/bin/python tasks.py --seeds 0 1 2

The pictures of pictures.py are trained on with the same network, batch size, schedule, optimiser and loss by both; each draws its
own first weights, from the same distributions, and its own order. Both are scored on the same test pictures. Then `glassbox
explain` explains those that show the target, by Grad-CAM, and the share of the map's positive values inside the true box or mask
is compared with the share of the picture's area that is inside, which is chance.
"""
import argparse, copy, json, platform, re, shutil, statistics, subprocess, tempfile
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import pictures
from train import PROGRAM, PyTorch, network, settings

COUNTS = {"train": 2000, "test": 500}
EXPLAINED = 150
PLAIN = {
    "network": {"architecture": "plain", "channels": [8, 16, 32, 48], "pool_after": [1, 2]},
    "training": {"epochs": 8, "batch_size": 50, "learning_rate": 0.1, "label_smoothing": 0.0},
    "output": {"film_every": 0},
}


def glassbox(*arguments):
    """What the program prints. It goes on after a picture in a folder that it can't explain, and fails at the end."""
    done = subprocess.run([str(part) for part in (PROGRAM, *arguments)], capture_output=True, text=True)
    if done.returncode and not ("can't be explained" in done.stderr and done.stdout):
        raise SystemExit(f"glassbox {' '.join(map(str, arguments[:3]))} … failed:\n{done.stderr}")
    return done.stdout


def initialized(model):
    """Weights drawn as Glassbox draws them."""
    for layer in model.modules():
        if isinstance(layer, torch.nn.Conv2d):
            torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        elif isinstance(layer, torch.nn.Linear):
            torch.nn.init.xavier_uniform_(layer.weight)
        else:
            continue
        if layer.bias is not None:
            torch.nn.init.zeros_(layer.bias)
    return model


def auroc(scores, present):
    """The share of the pairs of one with the label and one without in which the former has the higher score; ties are halves."""
    with_it, without = scores[present], scores[~present]
    return float(((with_it[:, None] > without).double() + (with_it[:, None] == without) / 2).mean())


class Task(PyTorch):
    """A task: its pictures, and a training of its network with PyTorch."""

    counts, settings, tensor = COUNTS, PLAIN, torch.float32
    # Of the layers that are explained; the program's choice by default.
    layers = [None]

    def __init__(self, config, made, seed):
        sets = []
        for part in ("train", "test"):
            sets.append(torch.from_numpy(np.stack(made[part].images)))
            sets.append(torch.from_numpy(np.array(made[part].truths)).to(self.tensor))
        super().__init__(config, sets, seed, torch.contiguous_format)

    def network(self):
        return initialized(network(self.config, self.outputs))

    def run(self):
        for _ in range(self.epochs):
            for places in self.batches():
                self.learn(places)
        return self.test()


class Labels(Task):
    """Two labels at once."""

    name, score, pictures, outputs = "labels `bag`, `boot`", "AUROC", pictures.labels, 2
    data, targets = {"csv": "labels.csv"}, {"bag": "bag", "boot": "boot"}

    def loss(self, scores, truths):
        return F.binary_cross_entropy_with_logits(scores, truths)

    def test(self):
        columns = zip(self.scores().T, self.ty.bool().T)
        return statistics.mean(auroc(scores, present) for scores, present in columns)

    @staticmethod
    def printed(text, *_):
        return float(re.search(r"Test AUROC ([\d.]+)", text)[1])


class Label(Labels):
    """One label."""

    name, outputs = "label `boot`", 1
    data, targets = {"csv": "boot.csv"}, {"boot": "boot"}

    def __init__(self, config, made, seed):
        made = copy.copy(made)
        for part, of in made.items():
            made[part] = copy.copy(of)
            made[part].truths = [truth[1:] for truth in of.truths]
        super().__init__(config, made, seed)


class Values(Task):
    """An angle."""

    name, score, pictures, outputs = "value `angle`", "MAE [degrees]", pictures.values, 1
    data, targets = {"csv": "values.csv"}, {"angle": "angle", "angle:lower": "angle"}
    settings = PLAIN | {"training": PLAIN["training"] | {"learning_rate": 0.05, "epochs": 12}}

    def __init__(self, config, made, seed):
        super().__init__(config, made, seed)
        self.middle, self.deviation = self.y.mean(), self.y.std(correction=0)

    def loss(self, scores, truths):
        return F.mse_loss(scores[:, 0], (truths - self.middle) / self.deviation)

    def test(self):
        return float((self.scores()[:, 0] * self.deviation + self.middle - self.ty).abs().mean())

    @staticmethod
    def printed(text, *_):
        return float(re.search(r"angle \[degrees\] +([\d.]+)", text)[1])


class UNet(torch.nn.Module):
    """The zoo's `u-net`."""

    def __init__(self, classes, channels=(16, 32, 64)):
        super().__init__()
        inputs = (1, *channels)
        self.down = torch.nn.ModuleList(self.twice(*pair) for pair in zip(inputs, channels))
        pairs = zip(channels, channels[1:])
        self.up = torch.nn.ModuleList(self.twice(fine + coarse, fine) for fine, coarse in pairs)
        self.last = torch.nn.Conv2d(channels[0], classes, 1)

    @staticmethod
    def twice(inputs, outputs):
        layers = []
        for width in (inputs, outputs):
            layers += [torch.nn.Conv2d(width, outputs, 3, padding=1, bias=False), torch.nn.BatchNorm2d(outputs), torch.nn.ReLU()]
        return torch.nn.Sequential(*layers)

    def forward(self, x):
        kept = []
        for number, down in enumerate(self.down):
            x = down(F.max_pool2d(x, 2) if number else x)
            kept.append(x)
        for fine, up in reversed(list(zip(kept, self.up))):
            x = F.interpolate(x, fine.shape[2:], mode="bilinear", align_corners=False)
            x = up(torch.cat([x, fine], 1))
        return self.last(x)


class Masks(Task):
    """A mask."""

    name, score, pictures, tensor = "mask of the garment", "mIoU", pictures.masks, torch.int64
    data, targets = {"folder": "pictures", "masks": "masks", "class_names": ["background", "garment"]}, {"garment": "garment"}
    counts = {"train": 400, "test": 200}
    settings = PLAIN | {
        "network": {"architecture": "u-net"},
        "training": PLAIN["training"] | {"epochs": 4, "batch_size": 10},
    }

    def network(self):
        return initialized(UNet(2))

    def loss(self, scores, truths):
        return F.cross_entropy(scores, truths)

    def test(self):
        found = self.scores().argmax(1)
        both = [((found == k) & (self.ty == k)).sum() / ((found == k) | (self.ty == k)).sum() for k in range(2)]
        return float(torch.stack(both).mean())

    @staticmethod
    def printed(text, *_):
        return float(re.search(r"Test mIoU ([\d.]+)", text)[1])


class Pairs(Task):
    """Whether two pictures are alike: a network of classes whose scores are taken for an embedding."""

    name, score, pictures, tensor, outputs = "pairs of one class", "AUROC", pictures.pairs, torch.int64, 5
    data = {"folder": "pictures"}
    # The first of the test pictures, one of each class, are those that the others are compared with.
    targets = {}

    def test(self):
        directions = F.normalize(self.scores())
        # As many digits as the program prints.
        alike = (directions @ directions[: self.outputs].T)[self.outputs :].mul(1000).round()
        same = self.ty[self.outputs :, None] == self.ty[: self.outputs]
        return auroc(alike.flatten(), same.flatten())

    @classmethod
    def printed(cls, _, model, made):
        """The score from the similarities that `explain --like` prints."""
        files, truths = made["test"].files, torch.tensor(made["test"].truths)
        columns = []
        for like in files[: cls.outputs]:
            text = explained(files[cls.outputs :], model, model.parent / "like", "--task", "embedding", "--like", like)
            columns.append([float(number) for number in re.findall(r"\(similarity (-?[\d.]+) to", text)])
        same = truths[cls.outputs :, None] == truths[: cls.outputs]
        return auroc(torch.tensor(columns).T.flatten(), same.flatten())


TASKS = {"label": Label, "labels": Labels, "values": Values, "masks": Masks, "pairs": Pairs}


def explained(files, model, out, *arguments):
    """What `glassbox explain` prints of these pictures. The maps are in the folder `out`."""
    return glassbox("explain", *files, "--model", model, "--method", "grad-cam", "--raw", "--out", out, *arguments)


def energy(file, where):
    """The share of a map's positive values inside `where`; None if it has none, or there is no map because no pixel is taken for
    the target."""
    if not file.exists():
        return None
    positive = torch.from_numpy(np.load(file)).clamp(min=0)[None, None]
    positive = F.interpolate(positive, where.shape, mode="bilinear", align_corners=False)[0, 0].double()
    return float(positive[torch.from_numpy(where)].sum() / positive.sum()) if positive.sum() > 0 else None


def inside(task, model, made):
    """For each target the energy inside the true box or mask of each picture that shows it, and chance."""
    test, out = made["test"], model.parent / "maps"
    questions = [(target, name, ["--target", target], range(len(test.files))) for target, name in task.targets.items()]
    if task is Pairs:
        names = ["bag", "boot", "sandal", "top", "trouser"]
        for number, name in enumerate(names):
            arguments = ["--task", "embedding", "--like", test.files[number]]
            questions.append(("--like", name, arguments, range(len(names), len(test.files))))
    found = {}
    for number, (target, name, arguments, of) in enumerate(questions):
        folder, maps = out / f"pictures-{number}", out / f"maps-{number}"
        folder.mkdir(parents=True)
        shown = [at for at in of if name in test.where[at]][: EXPLAINED if task is not Pairs else EXPLAINED // 5]
        for at in shown:
            shutil.copy(test.files[at], folder)
        explained([folder], model, maps, *arguments, "--json")
        shares, chances = found.setdefault(target, ([], []))
        for at in shown:
            shares.append(energy(maps / f"{test.files[at].stem}.grad-cam.npy", test.where[at][name]))
            chances.append(float(test.where[at][name].mean()))
    return found


def toml(settings):
    """Sections of settings. The values are written as in JSON."""
    lines = ([f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in of.items())] for name, of in settings.items())
    return "\n".join(line for section in lines for line in section)


def compare(task, seeds, folder):
    """The scores of both engines, and the energies."""
    folder.mkdir(parents=True, exist_ok=True)
    made = task.pictures(folder, task.counts)
    data = {"shape": [pictures.SIDE, pictures.SIDE, 1]} | task.data
    data |= {key: str(folder / data[key]) for key in ("csv", "folder", "masks") if key in data}
    file = folder / "settings.toml"
    file.write_text(toml(task.settings | {"data": data}))
    config, scores, energies = settings(file), {"glassbox": [], "pytorch": []}, {}
    for seed in seeds:
        out = folder / f"trained-{seed}"
        text = glassbox("--threads", torch.get_num_threads(), "train", "--config", file, "--seed", seed, "--out", out)
        model = out / "model.safetensors"
        scores["glassbox"].append(task.printed(text, model, made))
        scores["pytorch"].append(task(config, made, seed).run())
        print(task.name, task.score, {engine: of[-1] for engine, of in scores.items()}, flush=True)
        for target, (shares, chances) in inside(task, model, made).items():
            known = [share for share in shares if share is not None]
            print(f"  {target}: {np.mean(known):.3f}, chance {np.mean(chances):.3f}", flush=True)
            of = energies.setdefault(target, ([], [], []))
            of[0].append(np.mean(known)), of[1].append(np.mean(chances)), of[2].append(len(shares) - len(known))
    return scores, energies


def processor():
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.split(": ")[1] for line in lines if line.startswith("model name")), platform.processor())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="for the pictures, the networks and the maps; a temporary one by default")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    scored, inside_rows = [], []
    with tempfile.TemporaryDirectory() as temporary:
        for name in arguments.tasks:
            task, folder = TASKS[name], (arguments.folder or Path(temporary)) / name
            scores, energies = compare(task, arguments.seeds, folder)
            shown = [f"{statistics.mean(of):.4f} ± {statistics.stdev(of) if len(of) > 1 else 0:.4f}" for of in scores.values()]
            scored.append(f"| {task.name} | {task.score} | {' | '.join(shown)} |")
            for target, (shares, chances, empty) in energies.items():
                least, mean, chance = min(shares), statistics.mean(shares), statistics.mean(chances)
                inside_rows.append(f"| {task.name} | `{target}` | {mean:.3f} | {least:.3f} | {chance:.3f} | {sum(empty)} |")
    print(f"\n{processor()}, {arguments.threads} threads\n")
    print("| Task | Score of the test | Glassbox | PyTorch |\n| --- | --- | --- | --- |", *scored, sep="\n")
    heads = "| Task | Target | Energy inside | of the worst seed | Chance | Pictures without positive values |"
    print("", heads, "| --- | --- | --- | --- | --- | --- |", *inside_rows, sep="\n")


if __name__ == "__main__":
    main()
