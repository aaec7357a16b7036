"""Measures how many real networks Glassbox reads from ONNX, and how exactly.

    cargo build --release && python tests/zoo.py

Networks of several libraries, with random weights, are exported by PyTorch's two exporters, with fixed and dynamic batch.
For each file the program's scores of two pictures are compared with PyTorch's in double precision, relative to the largest
score. A score is wrong if it differs by more than 2e-5 and 20 times what PyTorch differs in single precision. Fails if one
is wrong, or if the program ends without a reason. Downloads nothing.

The exported files and PyTorch's scores are kept in the cache, some 20 GB for all forms. Needs the packages of
tests/zoo/requirements.txt; for the group keras, another Python with those of tests/zoo/requirements-keras.txt, named by
--keras. Its old exporter is tf2onnx, its new one model.export, and its batch is always dynamic.
"""

import argparse
import fnmatch
import json
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "zoo"))

import networks  # noqa: E402
from maps import compare  # noqa: E402
from read import capability, read  # noqa: E402

ROOT = HERE.parent


def main():
    args = arguments()
    chosen = [each for group in args.group for each in networks.GROUPS[group] if fnmatch.fnmatch(each.name, args.only)]
    if not chosen:
        sys.exit(f"no network of {', '.join(args.group)} is named {args.only}")
    if not args.no_export:
        export([each for each in chosen if each.group != "keras"], [sys.executable, HERE / "zoo/export.py"], args)
        if args.keras:
            export([each for each in chosen if each.group == "keras"], [args.keras, HERE / "zoo/keras_export.py"], args)
    wanted = [(each, form) for each in chosen for form in forms(each.group, args)]
    asked = [(each, form) for each, form in wanted if tried(folder(each, args), form)]
    if len(asked) < len(wanted):
        print(f"{len(wanted) - len(asked)} of {len(wanted)} files are not in the cache: left out", file=sys.stderr)
    with ThreadPoolExecutor(args.jobs) as pool:
        results = list(pool.map(lambda pair: report(*pair, args), asked))
    summarize(results)
    if args.json:
        args.json.write_text(json.dumps([each.dictionary() for each in results], indent=1) + "\n")
    bad = [each for each in results if each.outcome in ("wrong", "failed")]
    sys.exit(f"{len(bad)} of {len(results)} files are wrong or failed" if bad else 0)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--group", action="append", choices=networks.GROUPS, help="only this group; may be repeated")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="only networks of such a name, as in 'vit_*'")
    parser.add_argument("--exporter", choices=("old", "new", "both"), default="old",
                        help="TorchScript's with opset 17, torch.export's, or both [default: old]")
    parser.add_argument("--dynamic", choices=("no", "yes", "both"), default="no", help="dynamic batch [default: no]")
    parser.add_argument("--jobs", type=int, default=1, help="networks at a time, one thread each [default: 1]")
    parser.add_argument("--glassbox", type=Path, default=ROOT / "target/release/glassbox", help="the program")
    parser.add_argument("--cache", type=Path, default=ROOT / "target/zoo", help="folder of the files [default: target/zoo]")
    parser.add_argument("--keras", metavar="PYTHON", help="a Python with TensorFlow; without it, keras isn't exported")
    parser.add_argument("--grad-cam", action="store_true", help="also compare Grad-CAM at the last layers that match a module")
    parser.add_argument("--no-export", action="store_true", help="only what is in the cache")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the results into this file")
    args = parser.parse_args()
    args.group = args.group or list(networks.GROUPS)
    args.exporter = ("old", "new") if args.exporter == "both" else (args.exporter,)
    args.batch = {"no": ("",), "yes": ("-dyn",), "both": ("", "-dyn")}[args.dynamic]
    return args


def forms(group, args):
    if group == "keras":
        return [{"old": "tf2onnx", "new": "keras"}[exporter] for exporter in args.exporter]
    return [exporter + ending for exporter in args.exporter for ending in args.batch]


def folder(network, args):
    return args.cache.resolve() / network.group / network.name


def export(chosen, program, args):
    """Fills the cache in processes of their own, since an exporter may end the process or keep memory."""
    def complete(network):
        place = folder(network, args)
        mapped = not args.grad_cam or network.group == "keras" or any((place / f"maps.{end}").exists() for end in ("npz", "failed"))
        return mapped and all(tried(place, form) for form in forms(network.group, args))

    waiting = [each for each in chosen if not complete(each)]
    if not waiting:
        return
    wanted = ",".join(forms(waiting[0].group, args) + ["maps"] * (args.grad_cam and waiting[0].group != "keras"))

    args.cache.mkdir(parents=True, exist_ok=True)

    def run(names):
        while names:
            ask = [*program, args.cache.resolve(), wanted, *names]
            with open(args.cache / "export.log", "a") as log:
                process = subprocess.Popen(ask, stdout=subprocess.PIPE, stderr=log, text=True)
                begun = None
                for line in process.stdout:
                    if not line.startswith('{"'):
                        continue
                    said = json.loads(line)
                    begun = said.get("begun", begun)
                    if "done" in said:
                        names = [name for name in names if name != said["done"]]
                        print(f"exported {said['done']} {said['error'] or ''}", file=sys.stderr)
                ended = process.wait()
            if ended in (-signal.SIGTERM, -signal.SIGINT):
                sys.exit("the exporter was stopped")
            if ended and begun is None:
                sys.exit(f"the exporter doesn't start: see {args.cache / 'export.log'}")
            if ended:
                names = [name for name in names if name != begun]
                for form in wanted.split(","):
                    (args.cache / begun / f"{form}.failed").write_text(f"the exporter ended with {ended}")

    names = [f"{each.group}/{each.name}" for each in waiting]
    with ThreadPoolExecutor(args.jobs) as pool:
        list(pool.map(run, [names[start::args.jobs] for start in range(args.jobs)]))


def tried(folder, form):
    """Whether the exporter's work on this form is done, with or without success."""
    return (folder / f"{form}.failed").exists() or (folder / f"{form}.onnx").exists() and (folder / "single.npy").exists()


def report(network, form, args):
    result = read(args.glassbox.resolve(), folder(network, args), form, network.group, network.name)
    numbers = "" if result.error is None else f"error {result.error:.1e}, PyTorch's {result.own:.1e}, {result.seconds:.1f} s"
    print(f"{network.group:18} {network.name:34} {form:8} {result.outcome:12} {numbers}{(result.reason or '')[:200]}", flush=True)
    if args.grad_cam and result.outcome == "right" and (folder(network, args) / "maps.npz").exists():
        result.maps = compare(args.glassbox.resolve(), folder(network, args), form)
        print(f"{'':18} {describe(result.maps)}", flush=True)
    return result


def describe(maps):
    found = f"error {maps.worst:.1e}, PyTorch's {maps.own:.1e}, at {maps.at}" if maps.layers else ""
    refused = f"; {maps.refused} refused" if maps.refused else ""
    return f"Grad-CAM at {maps.layers} layers: {found}{refused}{'; ' + maps.reason[:200] if maps.reason else ''}"


def summarize(results):
    outcomes = ("right", "wrong", "refused", "failed", "not exported")
    forms = list(dict.fromkeys(each.form for each in results))
    print(f"\n{'group':18} {'form':8} " + " ".join(f"{outcome:>12}" for outcome in outcomes))
    for group in dict.fromkeys(each.group for each in results):
        for form in forms:
            counts = Counter(each.outcome for each in results if (each.group, each.form) == (group, form))
            print(f"{group:18} {form:8} " + " ".join(f"{counts[outcome]:12}" for outcome in outcomes))
        if len(forms) > 1:
            by_network = defaultdict(set)
            for each in results:
                if each.group == group and each.outcome != "not exported":
                    by_network[each.network].add(each.outcome)
            every = sum(found == {"right"} for found in by_network.values())
            print(f"{group:18} right in every form that is exported: {every} of {len(by_network)}")
    reasons = defaultdict(set)
    for each in results:
        if each.outcome in ("refused", "failed"):
            reasons[capability(each.reason)].add(f"{each.network} ({each.form})")
    if reasons:
        print("\nreasons, by the number of files")
    for reason, files in sorted(reasons.items(), key=lambda item: -len(item[1])):
        print(f"{len(files):4}  {reason}\n      {', '.join(sorted(files)[:6])}{' …' if len(files) > 6 else ''}")
    measured = [each.error / max(each.own, 1e-9) for each in results if each.error is not None]
    if measured:
        print(f"\nerror ÷ PyTorch's own: median {sorted(measured)[len(measured) // 2]:.2f}, largest {max(measured):.1f}")
    worst = sorted(each.maps.worst for each in results if each.maps and each.maps.worst is not None)
    if worst:
        print(f"Grad-CAM of {len(worst)} files, the worst layer's error: median {worst[len(worst) // 2]:.1e}, largest {worst[-1]:.1e}")


if __name__ == "__main__":
    main()
