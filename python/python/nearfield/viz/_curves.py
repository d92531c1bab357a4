"""Curves: speed against recall, and latency against the share of points that pass a filter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _checks
from .._collection import Collection
from .._errors import InvalidArgumentError
from .._evaluate import Evaluation, matrix_of, single_calls
from .._recall import recall as recall_of
from .._table import _needs
from ._draw import COLOURS, GREY, axes_of, dress, near_one, plain_numbers

if TYPE_CHECKING:
    import pandas as pd

_SHARES = (1.0, 0.5, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
_TICKS = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)


def recall_curve(
    evaluations: Evaluation | pd.DataFrame | Mapping[str, Evaluation | pd.DataFrame],
    *,
    ax: Any = None,
) -> pd.DataFrame:
    """Draw queries a second (log) against recall, one line an evaluation.

    Parameters
    ----------
    evaluations : Evaluation or DataFrame, or dict of name to these
        What `evaluate` measured; a frame has the columns ``recall`` and ``qps``, so that other
        libraries can be drawn beside.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    pandas.DataFrame
        A row a point drawn: ``name``, ``recall``, ``qps``, and what else was measured.

    Raises
    ------
    InvalidArgumentError
        If there is nothing to draw.
    ImportError
        If matplotlib or pandas isn't installed.
    """
    pandas = _needs("pandas")
    named = evaluations if isinstance(evaluations, Mapping) else {"": evaluations}
    frames = [_measured(pandas, name, one) for name, one in named.items()]
    if not frames:
        raise InvalidArgumentError("evaluations: expected at least one, found none")
    axes = axes_of(ax)
    for number, frame in enumerate(frames):
        line = frame.sort_values("recall")
        color = COLOURS[number % len(COLOURS)]
        label = frame["name"].iloc[0] or None
        places = [near_one(recall) for recall in line["recall"]]
        axes.plot(places, line["qps"], marker="o", color=color, label=label)
        if len(frames) == 1 and "setting" in line:
            for place, row in zip(places, line.itertuples(), strict=True):
                axes.annotate(
                    row.setting, (place, row.qps), (4, 6), textcoords="offset points", fontsize=8
                )
    frame = pandas.concat(frames, ignore_index=True)
    low, high = frame["recall"].min(), frame["recall"].max()
    ticks = [t for t in _TICKS if low - 0.1 * (1 - low) <= t <= high + 0.3 * (1 - high)] or [low]
    axes.set_xticks([near_one(t) for t in ticks], [f"{t:g}" for t in ticks])
    axes.set_yscale("log")
    plain_numbers(axes.yaxis)
    axes.margins(x=0.12, y=0.15)
    dress(axes, "recall", "queries a second, one thread", "Up and to the right is better")
    if any(frame["name"]):
        axes.legend(frameon=False)
    return frame


def filter_curve(
    collection: Collection,
    queries: Any,
    *,
    filters: Sequence[str] | None = None,
    by: str | None = None,
    shares: Sequence[float] = _SHARES,
    k: int = 10,
    recall: float = 0.95,
    ax: Any = None,
) -> pd.DataFrame:
    """Draw latency and recall of filtered searches against the share of points that pass.

    Parameters
    ----------
    collection : Collection
        Where to search.
    queries : array_like of shape (n, dim)
        Queries to measure with, at most the first 200.
    filters : list of str, optional
        Conditions as of ``where=``.
    by : str, optional
        Instead of `filters`: an ``i64``, ``f64`` or ``timestamp`` column; a threshold on it is
        chosen for each of `shares`.
    shares : list of float
        Shares of the points that thresholds on `by` let pass, above 0 and at most 1.
    k : int, default 10
        Results a query.
    recall : float, default 0.95
        As in `Collection.search`.
    ax : matplotlib.axes.Axes, optional
        Where to draw.

    Returns
    -------
    pandas.DataFrame
        A row a filter, the largest share first: ``where``, ``share`` (measured), ``recall``,
        ``p50_us``, ``p99_us`` (of single calls) and ``plan``, the way that the search went.

    Raises
    ------
    InvalidArgumentError, FilterError
        If not one of `filters` and `by` is given, or one of them can't be used.
    ImportError
        If matplotlib or pandas isn't installed.
    """
    pandas = _needs("pandas")
    if (filters is None) == (by is None):
        found = "neither" if filters is None else "both"
        raise InvalidArgumentError(f"filter_curve: expected filters or by, found {found}")
    rows = matrix_of(queries, collection.dim)[:200]
    if len(rows) == 0:
        raise InvalidArgumentError("queries: expected at least one, found none")
    if by is not None:
        wheres = _thresholds(collection, _checks.text(by, "by"), shares)
    else:
        wheres = _checks.texts(filters, "filters")
    measured = []
    for where in wheres:
        options: dict[str, Any] = {"where": where, "recall": recall}
        truth = collection.search(rows, k, where=where, exact=True)
        told: Any = collection.search(rows[:1], k, explain=True, **options).explain
        took = np.concatenate(single_calls(collection, rows, k, options))
        measured.append(
            {
                "where": where,
                "share": told[0]["selectivity"],
                "recall": recall_of(collection.search(rows, k, **options), truth),
                "p50_us": float(np.quantile(took, 0.5)) * 1e6,
                "p99_us": float(np.quantile(took, 0.99)) * 1e6,
                "plan": told[0]["plan"],
            }
        )
    if not measured:
        raise InvalidArgumentError("filters: expected at least one, found none")
    frame: pd.DataFrame = pandas.DataFrame(measured).sort_values("share", ascending=False)
    frame = frame.reset_index(drop=True)
    drawn = frame[frame["share"] > 0]
    axes = axes_of(ax)
    axes.plot(drawn["share"], drawn["p50_us"], marker="o", color=COLOURS[0], label="p50")
    axes.plot(drawn["share"], drawn["p99_us"], marker="o", color=GREY, label="p99")
    axes.set_xscale("log")
    axes.invert_xaxis()
    axes.set_yscale("log")
    plain_numbers(axes.yaxis)
    axes.margins(y=0.2)
    axes.xaxis.set_major_formatter(lambda share, _: f"{share * 100:g} %")
    dress(
        axes, "points that pass", "microseconds a search", f"Filtered searches, recall={recall:g}"
    )
    for row in drawn.itertuples():
        axes.annotate(
            f"{row.recall:.3f}\n{row.plan}",
            (row.share, row.p50_us),
            (0, 8),
            textcoords="offset points",
            ha="center",
            fontsize=7,
        )
    axes.legend(frameon=False)
    return frame


def _measured(pandas: Any, name: str, one: Any) -> pd.DataFrame:
    frame: pd.DataFrame = one.to_pandas() if isinstance(one, Evaluation) else pandas.DataFrame(one)
    missing = [column for column in ("recall", "qps") if column not in frame]
    if missing or frame.empty:
        found = f"no column {missing[0]!r}" if missing else "no rows"
        raise InvalidArgumentError(
            f"evaluations: expected rows with the columns recall and qps, found {found}"
        )
    return frame.assign(name=name)[["name", *(c for c in frame.columns if c != "name")]]


def _thresholds(collection: Collection, column: str, shares: Sequence[float]) -> list[str]:
    """Return conditions on a column that so large shares of the points pass."""
    kind = collection.schema.get(column)
    if kind not in ("i64", "f64", "timestamp"):
        raise InvalidArgumentError(
            f"by: expected a column of type i64, f64 or timestamp, found {column!r} "
            f"({kind or 'no such column'})"
        )
    parts, after = [], None
    while len(part := collection.scan(after, 100_000, with_vectors=False)):
        parts.append(part[column])
        after = part["id"][-1]
    values = np.concatenate(parts) if parts else np.empty(0)
    alive = len(values)
    if values.dtype == object:
        values = np.array([value for value in values if value is not None], np.int64)
    values = np.sort(values[~np.isnan(values)])[::-1]
    wheres = []
    for share in shares:
        if not 0 < _checks.real(share, "shares") <= 1:
            raise InvalidArgumentError(f"shares: expected above 0 and at most 1, found {share:g}")
        place = min(len(values), max(1, round(share * alive))) - 1
        if place < 0:
            raise InvalidArgumentError(f"by: expected values in column {column!r}, found none")
        value = values[place]
        bound = f"TIMESTAMP '{value}'" if kind == "timestamp" else repr(value.item())
        wheres.append(f'"{column}" >= {bound}')
    return list(dict.fromkeys(wheres))
