"""What a collection does on queries of yours: recall, speed, latency."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from . import _checks, _inputs, _show
from ._collection import Collection
from ._errors import InvalidArgumentError
from ._progress import bar
from ._recall import recall as recall_of
from ._request import K_MAX
from ._result import SearchResult
from ._table import _needs

if TYPE_CHECKING:
    import pandas as pd

Row: TypeAlias = dict[str, Any]

_DIALS = ("recall", "ef", "exact")
# Enough for a p99 that means something.
_SINGLES = 1_000
# Rounds are repeated so often, and so many seconds; at most so many seconds.
_ROUNDS = 3
_LEAST = 0.25
_SECONDS = 2.0


class Evaluation(Sequence[Row]):
    """What `evaluate` measured: one row a setting, as dicts.

    ``setting`` names it and ``recall``, ``qps``, ``batch_qps``, ``p50_us``, ``p99_us`` are what was
    measured: recall@k against the exact answer; queries a second, one a call on one thread; the
    same in one batch on all threads (both of the best of some rounds); microseconds that half and
    99 of 100 single calls took at most.
    """

    columns = ("setting", "recall", "qps", "batch_qps", "p50_us", "p99_us")

    def __init__(self, rows: Sequence[Row], k: int, queries: int) -> None:
        self._rows = list(rows)
        self.k = k
        self.queries = queries

    def __getitem__(self, row: Any) -> Any:
        """Return a row as a dict, or some of them."""
        return self._rows[row]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def __repr__(self) -> str:
        title = f"<nearfield.Evaluation of {self._title()}>"
        return f"{title}\n{_show.text_rows(self._shown(), 0)}"

    def _repr_html_(self) -> str:
        return _show.html_rows(self._title(), self._shown(), 0)

    def _title(self) -> str:
        return f"{self.queries:,} queries, k={self.k}"

    def _shown(self) -> dict[str, list[Any]]:
        digits = {"recall": 4}
        return {
            name: [
                row[name] if name == "setting" else round(row[name], digits.get(name))
                for row in self._rows
            ]
            for name in self.columns
        }

    def to_pandas(self) -> pd.DataFrame:
        """Return one row a setting as a ``pandas.DataFrame``.

        Raises
        ------
        ImportError
            If pandas isn't installed.
        """
        frame: pd.DataFrame = _needs("pandas").DataFrame(self._rows, columns=list(self.columns))
        return frame

    def plot(self, *, ax: Any = None) -> pd.DataFrame:
        """Draw queries a second against recall; `nearfield.viz.recall_curve` of this alone.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default into a new figure.

        Returns
        -------
        pandas.DataFrame
            What is drawn.

        Raises
        ------
        ImportError
            If matplotlib or pandas isn't installed.
        """
        from . import viz

        return viz.recall_curve(self, ax=ax)


def evaluate(
    collection: Collection,
    queries: Any,
    k: int = 10,
    *,
    recalls: Sequence[float] = (0.9, 0.95, 0.99),
    efs: Sequence[int] = (),
    truth: Any = None,
    progress: bool = False,
    **options: Any,
) -> Evaluation:
    """Measure what each setting of the dial does on queries of yours.

    The truth is an exact search, unless it is given. Recall is measured on all queries, latency on
    at most 1,000 of them, one a call.

    Parameters
    ----------
    collection : Collection
        Where to search.
    queries : array_like of shape (n, dim)
        Some hundreds of queries like those to come. Types as in `Collection.upsert`.
    k : int, default 10
        Results a query, 1 to 10,000.
    recalls : list of float
        Values of ``recall=`` to measure, each above 0 and below 1.
    efs : list of int
        Values of ``ef=`` to measure too.
    truth : SearchResult or array_like of shape (n, k), optional
        The true neighbours, if they are known.
    progress : bool
        Whether to show a tqdm bar.
    **options
        As in `Collection.search`, for every search: ``where``, ``exclude``, ``group_by`` and the
        like. Lists of n, one a query, aren't taken here.

    Returns
    -------
    Evaluation
        One row a setting, in the order given.

    Raises
    ------
    InvalidArgumentError
        If there are no queries or settings, or an argument can't be used.
    ClosedError
        If the handle was closed.

    Examples
    --------
    >>> import nearfield as nf, numpy as np
    >>> points = nf.create(dim=8, metric="l2")
    >>> vectors = np.random.default_rng(0).normal(size=(500, 8)).astype(np.float32)
    >>> points.upsert(np.arange(500), vectors)
    >>> nf.evaluate(points, vectors[:20], recalls=[0.9])[0]["recall"] >= 0.9
    True
    """
    if not isinstance(collection, Collection) and not hasattr(collection, "search"):
        raise TypeError(
            f"collection: expected a nearfield.Collection, found {_checks.shown(collection)}"
        )
    given = [name for name in _DIALS if name in options]
    if given:
        raise InvalidArgumentError(
            f"{given[0]}: expected no such option, as evaluate varies it; "
            "name the settings in recalls= and efs="
        )
    _checks.count(k, "k", K_MAX)
    settings = _settings(recalls, efs)
    rows = matrix_of(queries, collection.dim)
    if len(rows) == 0:
        raise InvalidArgumentError("queries: expected at least one, found none")
    with bar(_checks.flag(progress, "progress"), "evaluate") as tick:
        steps = len(settings) + 1
        if truth is None:
            truth = collection.search(rows, k, exact=True, **options)
        measured = []
        for done, (name, dial) in enumerate(settings, 1):
            if tick is not None:
                tick(done, steps)
            measured.append(
                {"setting": name, **_measure(collection, rows, k, truth, dial, options)}
            )
        if tick is not None:
            tick(steps, steps)
    return Evaluation(measured, k, len(rows))


def _measure(
    collection: Collection,
    rows: np.ndarray[Any, Any],
    k: int,
    truth: Any,
    dial: Mapping[str, Any],
    options: Mapping[str, Any],
) -> Row:
    found: SearchResult | None = None
    batches: list[float] = []
    while _go_on(batches):
        begun = time.perf_counter()
        found = collection.search(rows, k, **dial, **options)
        batches.append(time.perf_counter() - begun)
    rounds = single_calls(collection, rows, k, {**dial, **options})
    took = np.concatenate(rounds)
    return {
        "recall": recall_of(found, truth),
        # The best round: what the machine did beside is not what is measured.
        "qps": max(len(of) / float(of.sum()) for of in rounds),
        "batch_qps": len(rows) / min(batches),
        "p50_us": float(np.quantile(took, 0.5)) * 1e6,
        "p99_us": float(np.quantile(took, 0.99)) * 1e6,
    }


def single_calls(
    collection: Collection, rows: np.ndarray[Any, Any], k: int, options: Mapping[str, Any]
) -> list[np.ndarray[Any, np.dtype[np.float64]]]:
    """Return the seconds that each search took, one query a call; an array a round."""
    rounds: list[np.ndarray[Any, np.dtype[np.float64]]] = []
    deadline = time.perf_counter() + _SECONDS
    collection.search(rows[0], k, **options)
    while _go_on([float(of.sum()) for of in rounds]):
        took = []
        for row in rows[:_SINGLES]:
            begun = time.perf_counter()
            collection.search(row, k, **options)
            ended = time.perf_counter()
            took.append(ended - begun)
            if ended > deadline:
                break
        # A round that was cut short counts if there is no other: the first queries may be easy.
        if not rounds or len(took) == len(rounds[0]):
            rounds.append(np.array(took))
        else:
            break
    return rounds


def _go_on(rounds: Sequence[float]) -> bool:
    """Whether rounds that took so many seconds are too few to tell."""
    took = sum(rounds)
    return took < _SECONDS and (len(rounds) < _ROUNDS or took < _LEAST)


def _settings(recalls: Any, efs: Any) -> list[tuple[str, dict[str, Any]]]:
    settings: list[tuple[str, dict[str, Any]]] = []
    for value in _several(recalls, "recalls"):
        wanted = _checks.real(value, "recalls")
        if not 0 < wanted < 1:
            raise InvalidArgumentError(f"recalls: expected above 0 and below 1, found {wanted:g}")
        settings.append((f"recall={wanted:g}", {"recall": wanted}))
    for value in _several(efs, "efs"):
        ef = _checks.count(value, "efs")
        settings.append((f"ef={ef}", {"ef": ef}))
    if not settings:
        raise InvalidArgumentError(
            "recalls: expected at least one value here or in efs, found none"
        )
    return settings


def _several(value: Any, argument: str) -> list[Any]:
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if not isinstance(value, list | tuple):
        raise TypeError(f"{argument}: expected a list of numbers, found {_checks.shown(value)}")
    return list(value)


def matrix_of(queries: Any, dim: int) -> np.ndarray[Any, Any]:
    """Return the queries as a matrix whose rows can be taken one by one."""
    rows, _ = _inputs.matrix(queries, dim, "queries", one=True)
    if isinstance(rows, np.ndarray):
        return rows
    # Arrow: the library that made it knows its rows.
    plain = rows.to_pylist() if hasattr(rows, "to_pylist") else list(rows)
    return np.asarray(plain, np.float32)
