"""What a collection is made of: segments, and bytes on disk and in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._collection import Collection
from .._table import _needs
from ._draw import COLOURS, GREY, axes_of, dress

if TYPE_CHECKING:
    import pandas as pd


def segments(collection: Collection, *, ax: Any = None) -> pd.DataFrame:
    """Draw the segments of a collection: points alive, dead rows, and whether there is an index.

    Parameters
    ----------
    collection : Collection
        Whose segments are drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    pandas.DataFrame
        A row a segment: ``name``, ``rows``, ``alive``, ``dead``, ``indexed``, ``bytes``.

    Raises
    ------
    ImportError
        If matplotlib or pandas isn't installed.
    """
    pandas = _needs("pandas")
    columns = ["name", "rows", "dead", "indexed", "bytes"]
    frame: pd.DataFrame = pandas.DataFrame(collection.stats().segments, columns=columns)
    frame.insert(2, "alive", frame["rows"] - frame["dead"])
    axes = axes_of(ax)
    for indexed, color, name in ((True, COLOURS[3], "indexed"), (False, COLOURS[5], "no index")):
        part = frame[frame["indexed"] == indexed]
        if len(part):
            axes.barh(part["name"], part["alive"], color=color, label=f"alive, {name}")
    if frame["dead"].any():
        axes.barh(frame["name"], frame["dead"], left=frame["alive"], color=GREY, label="dead")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.invert_yaxis()
    dress(axes, "rows", "", f"{len(frame)} segments")
    if len(frame):
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    return frame


def memory(collection: Collection, *, ax: Any = None) -> pd.DataFrame:
    """Draw what a collection takes: on disk by how often searches read it, and in memory now.

    Parameters
    ----------
    collection : Collection
        Whose bytes are drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    pandas.DataFrame
        A row a part: ``part``, ``bytes``, ``bytes_a_point``, ``meaning``.

    Raises
    ------
    ImportError
        If matplotlib or pandas isn't installed.
    """
    pandas = _needs("pandas")
    stats = collection.stats()
    meanings = {
        "hot": "codes and edges: every search",
        "warm": "refinement: the best of a search",
        "cold": "vectors, attributes: results",
        "resident": "in memory now",
        "disk": "all files",
    }
    values = [int(stats[f"bytes_{part}"]) for part in meanings]
    frame: pd.DataFrame = pandas.DataFrame(
        {
            "part": list(meanings),
            "bytes": values,
            "bytes_a_point": [value / max(1, stats.points) for value in values],
            "meaning": list(meanings.values()),
        }
    )
    axes = axes_of(ax)
    colors = [COLOURS[0], COLOURS[2], COLOURS[1], COLOURS[3], GREY]
    names = [f"{part}\n{meaning}" for part, meaning in meanings.items()]
    bars = axes.barh(names, [value / 2**20 for value in values], color=colors)
    each = [f" {bytes_:,.0f} B a point" for bytes_ in frame["bytes_a_point"]]
    axes.bar_label(bars, labels=each, fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.25)
    dress(axes, "MiB", "", f"{stats.points:,} points of {stats.dim} dimensions")
    return frame
