"""What a run shows of whole networks: for each pass and number of threads a table of times and ratios."""

from report import LIMIT, OURS, PYTORCH, by_case, geometric_mean

# The header of a column, and the engines of which the fastest counts.
RIVALS = {"PyTorch": PYTORCH, "compiled": ("pytorch-compiled",), "ONNX Rt": ("onnxruntime",), "grad-cam": ("pytorch-grad-cam",)}


def print_tables(rows):
    """The tables of all rows of whole networks."""
    tables = {}
    for (suite, net, which, n, threads), engines in by_case(rows).items():
        if suite == "nets" and OURS in engines and not which.endswith("above-idle"):
            # A training step has few images where the network is large; the other passes have the same number everywhere.
            tables.setdefault((which, None if which.endswith("step") else n, threads), {})[net, n] = engines
    for (which, n, threads), nets in tables.items():
        print_table(which, n, threads, nets)


def print_table(which, n, threads, nets):
    found = {engine for engines in nets.values() for engine in engines}
    others = RIVALS | {name: (name,) for name in sorted(found) if name.startswith(f"{OURS}@")}
    others = {title: names for title, names in others.items() if found & set(names)}
    unit = next(iter(nets.values()))[OURS]["unit"]
    quantity = "memory" if unit == "MiB" else "time"
    images = "" if n is None else f", N {n}"
    print(f"\nnets: {which}{images}, {threads} thr: ours in {unit}, and the {quantity} of … ÷ ours")
    share = "  % of limit" if LIMIT in found else ""
    print(f"{'':20}{'N':>3} {'ours':>9}" + "".join(f" {title[:16]:>9}" for title in others) + share)
    ratios = {title: [] for title in [*others, LIMIT]}
    for (net, images), engines in nets.items():
        ours = engines[OURS]["rate"]
        line = f"{net:20}{images:3} {ours:9.4g}"
        for title, names in others.items():
            rates = [engines[name]["rate"] for name in names if name in engines]
            ratios[title] += [min(rates) / ours] * bool(rates)
            line += f" {min(rates) / ours:9.2f}" if rates else f" {'':9}"
        if LIMIT in engines:
            ratios[LIMIT].append(engines[LIMIT]["rate"] / ours)
            line += f" {100 * ratios[LIMIT][-1]:11.0f}"
        print(line)
    means = "".join(f" {geometric_mean(ratios[title]):9.2f}" for title in others)
    share = f" {100 * geometric_mean(ratios[LIMIT]):11.0f}" if ratios[LIMIT] else ""
    print(f"{'geometric mean':33}{means}{share}")
