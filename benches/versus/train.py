"""Trains the network of a file of settings with Glassbox and with PyTorch, side by side: accuracy and time of each, over seeds.

    env/bin/python train.py ../../crates/attribution/configs/fashion-mnist.toml --seeds 0 1 2

Both train the same network on the same data with the same schedule, batch size, optimiser, weight decay, label smoothing and
weight average, one after the other; each draws its own first weights, order and augmentation. Leave the machine alone meanwhile.
"""
import argparse, gzip, json, math, struct, subprocess, tempfile, time, tomllib
from pathlib import Path

import torch
import torch.nn.functional as F

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "target/release/glassbox"
TEMPLATE = ROOT / "crates/attribution/src/bin/glassbox/train/template.toml"


def settings(path):
    """The file's values over the template's."""
    config = tomllib.loads(TEMPLATE.read_text())
    for section, values in tomllib.loads(Path(path).read_text()).items():
        config[section] |= values
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


def augment(x, how):
    n, _, h, w = x.shape
    if how["rotation"] or how["scale"]:
        angle = (torch.rand(n) * 2 - 1) * math.radians(how["rotation"])
        size = torch.exp((torch.rand(n) * 2 - 1) * math.log(1 + how["scale"]))
        cos, sin, zero = angle.cos() / size, angle.sin() / size, torch.zeros(n)
        theta = torch.stack([torch.stack([cos, -sin, zero], 1), torch.stack([sin, cos, zero], 1)], 1)
        x = F.grid_sample(x, F.affine_grid(theta, x.shape, align_corners=False), align_corners=False)
    if s := how["shift"]:
        padded, at = F.pad(x, (s, s, s, s)), torch.randint(0, 2 * s + 1, (n, 2)).tolist()
        x = torch.stack([padded[i, :, y : y + h, z : z + w] for i, (y, z) in enumerate(at)])
    if how["flip"]:
        mirrored = torch.rand(n) < 0.5
        x = torch.where(mirrored[:, None, None, None], x.flip(3), x)
    return x


def pytorch(config, seed):
    t, d = config["training"], config["data"]
    assert t["optimizer"] == "sgd" and t["schedule"] == "cosine" and t["floor"] == 0, "what this script knows"
    torch.manual_seed(seed)
    x, y, tx, ty = (idx(d[key]) for key in ("images", "labels", "test_images", "test_labels"))
    y, ty = y.long(), ty.long()
    mean, std = (x / 255).mean(), (x / 255).std()
    model = network(config, int(y.max()) + 1).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(
        model.parameters(), t["learning_rate"], momentum=t["momentum"], weight_decay=t["weight_decay"], nesterov=t["nesterov"]
    )
    average, steps, step, began = None, t["epochs"] * math.ceil(len(x) / t["batch_size"]), 0, time.perf_counter()
    if t["weight_average"]:
        average = {k: v.clone() for k, v in model.state_dict().items()}
    for _ in range(t["epochs"]):
        for places in torch.randperm(len(x)).split(t["batch_size"]):
            for group in optimizer.param_groups:
                group["lr"] = t["learning_rate"] * factor(step, steps, t["warmup"])
            # Black comes in where an image is moved: it is augmented before it is normalised, as in Glassbox.
            images = (augment(x[places, None] / 255, config["augmentation"]) - mean) / std
            loss = F.cross_entropy(model(images.contiguous(memory_format=torch.channels_last)), y[places], label_smoothing=t["label_smoothing"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            if average:
                decay = min(t["weight_average"], (1 + step) / (10 + step))
                for key, value in model.state_dict().items():
                    if value.is_floating_point():
                        average[key].lerp_(value, 1 - decay)
    seconds = time.perf_counter() - began
    if average:
        model.load_state_dict(average)
    model.eval()
    with torch.no_grad():
        right = sum(int((model((tx[i : i + 500, None] / 255 - mean) / std).argmax(1) == ty[i : i + 500]).sum()) for i in range(0, len(tx), 500))
    return {"accuracy": right / len(tx), "seconds": seconds, "images_per_second": len(x) * t["epochs"] / seconds}


def glassbox(config, path, seed, threads):
    with tempfile.TemporaryDirectory() as folder:
        out, began = Path(folder) / "run", time.perf_counter()
        command = [PROGRAM, "--threads", str(threads), "train", "--config", path, "--seed", str(seed), "--out", out]
        printed = subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout
        seconds = time.perf_counter() - began
        accuracy = float(printed.split("Test accuracy ")[1].split()[0])
    images = len(idx(config["data"]["labels"])) * config["training"]["epochs"]
    return {"accuracy": accuracy, "seconds": seconds, "images_per_second": images / seconds}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--engines", nargs="+", default=["glassbox", "pytorch"])
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    config = settings(arguments.config)
    for seed in arguments.seeds:
        for engine in arguments.engines:
            run = glassbox(config, arguments.config, seed, arguments.threads) if engine == "glassbox" else pytorch(config, seed)
            print(json.dumps({"engine": engine, "seed": seed} | run), flush=True)


if __name__ == "__main__":
    main()
