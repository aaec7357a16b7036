"""What a run shows: a line for each case, a summary in ratios, the table as CSV, a picture."""

import csv
from math import exp, log
from statistics import mean

COLUMNS = ("suite", "case", "pass", "n", "threads", "engine", "rate", "unit", "share_of_peak")
OURS, PYTORCH = "glassbox", ("pytorch", "pytorch-channels-last")
LIMIT = "limit"  # among the engines of a whole network: what the machine allows
SMALLER_IS_BETTER = ("ms", "MiB")


def print_case(rows, errors, said):
    """All engines' rates at one case, each one's error beside PyTorch, and what ours says of the case."""
    for which in dict.fromkeys(row["pass"] for row in rows):
        some = [row for row in rows if row["pass"] == which]
        first = some[0]
        print(f"{title(first)} | " + "  ".join(f"{row['engine']} {row['rate']:.4g}" for row in some), first["unit"],
              flush=True)
    line = "  ".join(f"{name} {value:.1e}" for name, value in errors.items())
    notes = [f"error: {line}"] * bool(errors)
    if said.get("algorithm"):
        notes.append(f"{OURS} by {said['algorithm']}")
    if said.get("unsupported"):
        notes.append(f"{OURS} doesn't: {said['unsupported']}")
    if notes:
        print("    " + "; ".join(notes), flush=True)


def title(row):
    return f"{row['suite']:7} {row['case']:6} {row['pass']:8} N {row['n']:<3} {row['threads']} thr"


def write_csv(rows, path):
    with open(path, "w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        table.writeheader()
        for row in rows:
            share = row["share_of_peak"]
            table.writerow({**row, "rate": f"{row['rate']:.5g}", "share_of_peak": "" if share is None else f"{share:.3f}"})


def by_case(rows):
    """{(suite, case, pass, n, threads): {engine: row}}"""
    cases = {}
    for row in rows:
        cases.setdefault(tuple(row[column] for column in COLUMNS[:5]), {})[row["engine"]] = row
    return cases


def speed(row):
    return 1 / row["rate"] if row["unit"] in SMALLER_IS_BETTER else row["rate"]


def rival(engines):
    """PyTorch in its better memory format."""
    return max((engines[name] for name in PYTORCH if name in engines), key=speed, default=None)


def geometric_mean(values):
    return exp(mean(map(log, values)))


def print_summary(rows, machines):
    """Ours over PyTorch's better format for each case, and over each engine in the mean of a suite; of all but whole networks."""
    cases = by_case(rows)
    groups = {}
    lines = []
    for (suite, _, which, _, threads), engines in cases.items():
        ours, pytorch = engines.get(OURS), rival(engines)
        if suite == "nets" or ours is None or pytorch is None:
            continue
        ratio = speed(ours) / speed(pytorch)
        share = "".join(f"{100 * row['share_of_peak']:5.0f}" for row in (ours, pytorch) if row["share_of_peak"])
        lines.append(f"{title(ours)}  {ours['rate']:8.4g} {pytorch['rate']:8.4g} {ratio:6.2f} {share}")
        groups.setdefault((suite, which, threads, "pytorch, better format"), []).append(ratio)
        for name, row in engines.items():
            if name != OURS and name not in PYTORCH:
                groups.setdefault((suite, which, threads, name), []).append(speed(ours) / speed(row))
    if lines:
        print(f"\n{'':36}{'ours':>8} {'PyTorch':>8}  ratio  % of peak (ours, PyTorch)", *lines, sep="\n")
        print("\ngeometric mean of ours over …, and the least")
    for (suite, which, threads, name), ratios in groups.items():
        print(f"{suite:7} {which:8} {threads} thr  {name:24} {geometric_mean(ratios):6.2f} {min(ratios):6.2f}")
    for threads, machine in machines.items():
        print(f"peak, {threads} thr: {machine.gflops:.0f} GFLOP/s" + f", {machine.gigabytes:.1f} GB/s" * (machine.gigabytes > 0))


def draw(rows, path):
    """A panel for each suite, pass (down) and number of threads (across): speeds over PyTorch's better format."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot as plt

    panels = {}
    for (suite, case, which, n, threads), engines in by_case(rows).items():
        if rival(engines) is not None and not which.startswith("memory"):
            panels.setdefault((suite, which), {}).setdefault(threads, []).append((f"{case}, {n}", engines))
    if not panels:
        return
    names = list(dict.fromkeys(row["engine"] for row in rows if row["engine"] != LIMIT))
    colors = dict(zip(names, plt.get_cmap("tab10").colors))
    columns = list(dict.fromkeys(row["threads"] for row in rows))
    size = (2 + 7 * len(columns), 1 + 2.4 * len(panels))
    figure, axes = plt.subplots(len(panels), len(columns), figsize=size, squeeze=False, sharey="row",
                                layout="constrained")
    for line, ((suite, which), by_threads) in zip(axes, panels.items()):
        for axis, threads in zip(line, columns):
            draw_panel(axis, by_threads.get(threads, []), colors)
            axis.set_title(f"{suite}: {which}, {threads} thread{'s' * (threads > 1)}", loc="left", fontsize=10)
        line[0].set_ylabel("speed ÷ PyTorch")
    marks = [plt.Rectangle((0, 0), 1, 1, color=colors[name]) for name in names]
    figure.legend(marks, names, loc="outside upper center", ncols=4)
    figure.savefig(path)
    plt.close(figure)


def draw_panel(axis, cases, colors):
    """A group of bars for each case."""
    names = [name for name in colors if any(name in engines for _, engines in cases)]
    width = 0.8 / max(len(names), 1)
    for place, name in enumerate(names):
        bars = [(x + (place + 0.5) * width - 0.4, speed(engines[name]) / speed(rival(engines)))
                for x, (_, engines) in enumerate(cases) if name in engines]
        axis.bar(*zip(*bars), width, color=colors[name])
    axis.axhline(1, color="black", linewidth=0.8)
    axis.set_xticks(range(len(cases)), [label for label, _ in cases], fontsize=8,
                    rotation=90 if len(cases) > 13 else 0)
