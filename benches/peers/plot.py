"""The curve of recall against QPS:  plot.py RESULTS_DIR...   writes curve.png into each (see report.py for the folders)."""
import json
import os
import sys
from math import log10

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: E402

from curve import frontier, load, points  # noqa: E402
from machine import line  # noqa: E402
from report import OURS, folders  # noqa: E402

LOW = 0.85
# Distinct on white and for most colour-blind readers.
COLOURS = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#8c564b", "#7f7f7f", "#bcbd22", "#5e3c99", "#1b9e77", "#a6761d"]
MARKS = "osD^vP*XphH"
VARIANTS = [("#ff7a5c", (0, (6, 1.5))), ("#8b0000", (0, (2, 1.2))), ("#e377a2", (0, (6, 1.5, 1.5, 1.5))), ("#a03020", (0, (1, 1)))]


def styles(names):
    """Ours thick and red, its variants dashed in other reds; each peer its own colour and mark."""
    out = {}
    ours = peers = 0
    for n in names:
        if n == OURS:
            out[n] = dict(color="#d62728", linewidth=2.8, marker="o", markersize=4, zorder=6)
        elif n.startswith(OURS):
            color, dashes = VARIANTS[ours % len(VARIANTS)]
            out[n] = dict(color=color, linestyle=dashes, linewidth=1.8, marker="o", markersize=3, zorder=5)
            ours += 1
        else:
            out[n] = dict(color=COLOURS[peers % len(COLOURS)], marker=MARKS[peers % len(MARKS)], markersize=4.5,
                          linewidth=1.3, zorder=3)
            peers += 1
    return out


def spread(places, gap):
    """Moves positions apart until neighbours are `gap` apart, in order."""
    order = sorted(range(len(places)), key=places.__getitem__)
    out = list(places)
    for _ in range(200):
        for a, b in zip(order, order[1:]):
            short = gap - (out[b] - out[a])
            if short > 1e-9:
                out[a] -= short / 2
                out[b] += short / 2
    return out


def panel(ax, results, key, title):
    """One axes: every curve from LOW to 1, its name beside its last point."""
    curves = {n: [p for p in frontier(points(r, key)) if p[0] >= LOW] for n, r in results.items()}
    curves = {n: c for n, c in curves.items() if c}
    for n, style in styles(list(curves)).items():
        ax.plot([near_one(r) for r, _ in curves[n]], [q for _, q in curves[n]], label=n, **style)
    ax.set_yscale("log")
    ticks = [0.85, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999]
    top = max((c[-1][0] for c in curves.values()), default=0.99)
    ticks = [t for t in ticks if t <= top]
    ax.set_xticks([near_one(t) for t in ticks], [f"{t:g}" for t in ticks])
    ax.set_xlim(near_one(LOW), near_one(top) + 0.05)
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.grid(True, which="major", color="#e4e4e4", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_xlabel("recall@10")
    ax.set_title(title, fontsize=11, loc="left")
    return curves


def near_one(recall):
    """The axis: -log10(1 - recall), so that 0.99 and 0.999 are as far apart as 0.9 and 0.99."""
    return -log10(max(1 - recall, 10 ** -3.3))


def label(ax, curves):
    """The names at the right of the axes, at the height of the ends of their curves, with a thin leader."""
    names = list(curves)
    style = styles(names)
    low, high = (log10(v) for v in ax.get_ylim())
    heights = spread([(log10(curves[n][-1][1]) - low) / (high - low) for n in names], 0.047)
    for n, y in zip(names, heights):
        rec, q = curves[n][-1]
        ax.annotate(n, (near_one(rec), q), (1.03, y), textcoords="axes fraction", va="center", fontsize=8.5,
                    color=style[n]["color"], weight="bold" if n == OURS else "normal", annotation_clip=False,
                    arrowprops=dict(arrowstyle="-", color=style[n]["color"], linewidth=0.6, alpha=0.55, shrinkA=1, shrinkB=3))


def picture(path, target):
    """Draws the results of a folder, with the machine's line below."""
    results = load(path)
    if not results:
        return
    one = next(iter(results.values()))
    fig, axes = plt.subplots(1, 2, figsize=(15, 6.2))
    for ax, key, title in ((axes[0], "st", "one query a call, one thread"), (axes[1], "mt", f"batches, {one['threads']} threads")):
        label(ax, panel(ax, results, key, title))
    axes[0].set_ylabel("queries a second (log)")
    fig.suptitle(f"{one['dataset']}: {one['n']:,} x {one.get('dim', '?')}. Up and to the right is better.", x=0.06, ha="left",
                 fontsize=13)
    bottom = 0.09
    if os.path.exists(f"{path}/machine.json"):
        with open(f"{path}/machine.json") as f:
            fig.text(0.06, 0.015, line(json.load(f)).replace("`", ""), fontsize=8, color="#555555")
        bottom = 0.13
    fig.subplots_adjust(left=0.06, right=0.87, top=0.87, bottom=bottom, wspace=0.42)
    fig.savefig(target, dpi=110)
    plt.close(fig)
    print(target)


if __name__ == "__main__":
    for f in folders(sys.argv[1:]):
        picture(f, f"{f}/curve.png")
