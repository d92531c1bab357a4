"""What the pictures share: colours, axes, and how they are dressed."""

from __future__ import annotations

from math import log10
from typing import Any

from .._table import _needs

# Distinct for most colour-blind readers.
COLOURS = ("#d62728", "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#7f7f7f")
GREY = "#b0b0b0"


def axes_of(ax: Any, size: tuple[float, float] = (7, 4.2)) -> Any:
    if ax is not None:
        return ax
    _needs("matplotlib")
    from matplotlib import pyplot

    return pyplot.subplots(figsize=size, layout="constrained")[1]


def dress(axes: Any, x: str, y: str, title: str) -> None:
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.set_title(title, loc="left", fontsize=11)
    axes.grid(visible=True, which="major", color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def near_one(recall: float) -> float:
    """-log10(1 - recall): 0.99 and 0.999 lie as far apart as 0.9 and 0.99."""
    return -log10(max(1 - recall, 10**-3.3))


def plain_numbers(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.set_minor_formatter(NullFormatter())
