"""What a search returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import _show
from ._table import Table

if TYPE_CHECKING:
    from functools import cached_property

    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from . import _core

else:

    class cached_property:  # noqa: N801
        """That of functools, whose lock in Python 3.11 costs more than what it guards here."""

        def __init__(self, function):
            self.function = function
            self.__doc__ = function.__doc__

        def __set_name__(self, owner, name):
            self.name = name

        def __get__(self, instance, owner=None):
            if instance is None:
                return self
            value = instance.__dict__[self.name] = self.function(instance)
            return value


Floats = np.ndarray[Any, np.dtype[np.float32]]


class SearchResult:
    """Hits of a search, best first.

    Arrays are of shape (n, k) for n queries and (k,) for one query that was given as a vector.
    A place without a hit (fewer than k points were eligible) holds id 2**64 - 1 or None, score
    and similarity -inf, distance +inf; `counts` says how many places of a row are hits.
    """

    def __init__(self, core: _core.SearchResults, *, one: bool, dim: int) -> None:
        self._core = core
        self._one = one
        self._dim = dim

    @property
    def k(self) -> int:
        """Places a query."""
        return self._core.k

    @cached_property
    def counts(self) -> int | np.ndarray[Any, np.dtype[np.int64]]:
        """Hits a query: int64 of shape (n,), or an int for one query."""
        counts = self._core.counts()
        return int(counts[0]) if self._one else counts

    @cached_property
    def ids(self) -> np.ndarray[Any, Any]:
        """Ids: uint64, or objects (str or None) if ids are strings."""
        return self._shaped(self._core.ids())

    @cached_property
    def scores(self) -> Floats:
        """What hits are ordered by, larger first: similarity plus what decay and boosts add."""
        return self._shaped(self._core.scores())

    @cached_property
    def similarities(self) -> Floats:
        """Larger is nearer: cosine, inner product, or minus the squared L2 distance; exact."""
        return self._shaped(self._core.similarities())

    @cached_property
    def distances(self) -> Floats:
        """Smaller is nearer: 1 - cosine, minus the inner product, or squared L2; exact."""
        return self._shaped(self._core.distances())

    @cached_property
    def attributes(self) -> dict[str, np.ndarray[Any, Any]]:
        """The columns asked for by `with_attributes`; null where there is no hit.

        Types and nulls are those of :class:`Table`.
        """
        columns = self._core.attributes()
        return {name: self._shaped(column) for name, column in columns.items()}

    @cached_property
    def vectors(self) -> Floats | None:
        """The hits' vectors if asked for: float32 of shape (n, k, dim), 0 where there is no hit."""
        vectors = self._core.vectors()
        return None if vectors is None else self._shaped(vectors, self._dim)

    @cached_property
    def explain(self) -> dict[str, Any] | list[dict[str, Any]] | None:
        """How each query was answered, if asked for: a list of dicts, or a dict for one query.

        ``plan`` names the way through the segment that has most to offer: ``graph``,
        ``filtered_graph``, ``codes``, ``exact`` or ``nothing``; ``why`` says why;
        ``fallback`` is the way that finished the job if the first could not fill the list;
        ``stable``, with decay or boosts, whether it is proven that nothing else scores higher. Then
        ``points`` alive, ``cardinality`` (how many of them can be results), ``selectivity`` (their
        share), ``skipped_by_filter``, ``skipped_by_exclusion``, ``skipped_by_cap``; what was done:
        ``hops``, ``peeks``, ``regions_scored``, ``codes_scored``, ``rows_refined``,
        ``rows_rescored``; ``microseconds`` by stage. ``segments`` has the same of each segment.
        See ``docs/explain.md``.
        """
        told = self._core.explain()
        if not told:
            return None if len(self) else []
        return told[0] if self._one else told

    def __len__(self) -> int:
        """Return the number of queries."""
        return self._core.queries

    def __repr__(self) -> str:
        columns, left_out = self._first()
        title = f"<nearfield.SearchResult of {self._title()}>"
        return f"{title}\n{_show.text_rows(columns, left_out)}" if columns["rank"] else title

    def _repr_html_(self) -> str:
        return _show.html_rows(self._title(), *self._first())

    def _title(self) -> str:
        queries = "one query" if self._one else f"{len(self):,} queries"
        return f"{queries}, k={self.k}, {int(np.sum(self.counts)):,} hits"

    def _first(self) -> tuple[dict[str, list[Any]], int]:
        """Return the first hits as columns, and how many hits are left out."""
        counts = [int(count) for count in np.atleast_1d(self.counts)]
        places: list[tuple[int, int]] = []
        for query, count in enumerate(counts):
            places += [(query, rank) for rank in range(min(count, _show.ROWS - len(places)))]
            if len(places) == _show.ROWS:
                break

        def taken(values: np.ndarray[Any, Any]) -> list[Any]:
            return [values[rank if self._one else (query, rank)] for query, rank in places]

        columns: dict[str, list[Any]] = {} if self._one else {"query": [p[0] for p in places]}
        columns["rank"] = [rank for _, rank in places]
        columns |= {"id": taken(self.ids), "score": taken(self.scores)}
        for name, values in self.attributes.items():
            columns[f"attribute_{name}" if name in columns else name] = taken(values)
        return columns, sum(counts) - len(places)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Export the hits as an Arrow C stream: the table of `to_arrow`."""
        return self._long.__arrow_c_stream__(requested_schema)

    def to_arrow(self) -> pa.Table:
        """Return one row a hit as a ``pyarrow.Table``.

        Columns are query (from 0), rank (from 0: ``ids[query, rank]``), id, score, distance, the
        attributes, and vector if vectors were asked for. Places without a hit are left out. An
        attribute called like one of these columns is named ``attribute_...``.

        Raises
        ------
        ImportError
            If pyarrow isn't installed.
        """
        return self._long.to_arrow()

    def to_pandas(self) -> pd.DataFrame:
        """Return one row a hit as a ``pandas.DataFrame``; columns as in `to_arrow`."""
        return self._long.to_pandas()

    def to_polars(self) -> pl.DataFrame:
        """Return one row a hit as a ``polars.DataFrame``; columns as in `to_arrow`."""
        return self._long.to_polars()

    @cached_property
    def _long(self) -> Table:
        return Table(self._core.long())

    def _shaped(self, flat: np.ndarray[Any, Any], *inner: int) -> np.ndarray[Any, Any]:
        if self._one:
            return flat.reshape(self.k, *inner) if inner else flat
        return flat.reshape(len(self), self.k, *inner)
