"""Answers, in the shape in which the embedded collection gives its own."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from .._errors import InvalidArgumentError
from .._inputs import NOT_A_TIME

_NO_ID = 2**64 - 1
_LONG_NAMES = ("query", "rank", "id", "score", "distance", "vector")

# The names of Arrow's types, as the embedded tables have them.
_ARROW = {
    "strings": "Utf8",
    "string_lists": "List(Utf8)",
    "ints": "Int64",
    "floats": "Float64",
    "bools": "Boolean",
    "timestamps": "Timestamp(Microsecond, UTC)",
}


class Column:
    """Values of one column: an array and what Arrow calls its type."""

    def __init__(self, kind: str, array: np.ndarray[Any, Any], nullable: bool = True) -> None:
        self.kind = kind
        self.array = array
        self.nullable = nullable


def ids(message: Any, id_type: str, places: np.ndarray[Any, Any], size: int) -> Column:
    """Return ids at their places; where there is none, the largest integer or None."""
    if id_type == "str":
        objects = np.full(size, None, object)
        objects[places] = np.array(message.str.values, object)
        return Column("Utf8", objects)
    numbers = np.full(size, _NO_ID, np.uint64)
    numbers[places] = np.fromiter(message.u64.values, np.uint64, len(message.u64.values))
    return Column("UInt64", numbers)


def column(message: Any, places: np.ndarray[Any, Any], size: int) -> Column:
    """Return a column's values at their places; where there is none, null."""
    which = message.WhichOneof("values")
    nulls = np.fromiter(message.nulls, np.int64, len(message.nulls))
    some_null = len(nulls) > 0 or len(places) < size
    kind = _ARROW.get(which or "", "Null")
    if which == "floats":
        floats = np.full(size, np.nan)
        given = np.array(message.floats.values, np.float64)
        given[nulls] = np.nan
        floats[places] = given
        return Column(kind, floats)
    if which == "timestamps":
        ticks = np.full(size, NOT_A_TIME, np.int64)
        moments = np.array(message.timestamps.microseconds, np.int64)
        moments[nulls] = NOT_A_TIME
        ticks[places] = moments
        return Column(kind, ticks.view("datetime64[us]"))
    if which in ("ints", "bools") and not some_null:
        values = message.ints.values if which == "ints" else message.bools.values
        whole: Any = np.empty(size, np.int64 if which == "ints" else np.bool_)
        whole[places] = np.array(values, whole.dtype)
        return Column(kind, whole)
    objects = np.full(size, None, object)
    if which is not None:
        list_of = getattr(message, which).values
        values = [list(each.values) for each in list_of] if which == "string_lists" else list_of
        given = np.empty(len(values), object)
        given[:] = values
        given[nulls] = None
        objects[places] = given
    return Column(kind, objects)


class RemoteTable:
    """Columns by name, as ``_core.Table`` has them."""

    def __init__(self, columns: dict[str, Column], rows: int) -> None:
        self._columns = columns
        self._rows = rows

    def __len__(self) -> int:
        return self._rows

    def columns(self) -> list[tuple[str, str]]:
        """Return names and Arrow types."""
        return [(name, column.kind) for name, column in self._columns.items()]

    def column(self, name: str) -> np.ndarray[Any, Any]:
        """Return a column."""
        if name not in self._columns:
            known = ", ".join(f'"{each}"' for each in self._columns)
            raise InvalidArgumentError(f'column: expected one of {known}, found "{name}"')
        return self._columns[name].array

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Export the rows through pyarrow."""
        try:
            pa = import_module("pyarrow")
        except ImportError as error:
            raise ImportError(
                "Arrow is spoken through pyarrow here; run `pip install pyarrow`", name="pyarrow"
            ) from error
        arrays = [_to_arrow(pa, column) for column in self._columns.values()]
        fields = [
            pa.field(name, array.type, nullable=column.nullable)
            for (name, column), array in zip(self._columns.items(), arrays, strict=True)
        ]
        return pa.table(arrays, schema=pa.schema(fields)).__arrow_c_stream__(requested_schema)


def _to_arrow(pa: Any, column: Column) -> Any:
    array = column.array
    if array.ndim == 2:
        missing = np.isnan(array).all(axis=1) if array.size else np.zeros(len(array), np.bool_)
        flat = pa.array(array.reshape(-1), pa.float32())
        mask = pa.array(missing) if missing.any() else None
        kind = pa.list_(
            pa.field("item", pa.float32(), nullable="non-null" not in column.kind), array.shape[1]
        )
        return pa.FixedSizeListArray.from_arrays(flat, type=kind, mask=mask)
    kinds = {
        "Utf8": pa.string(),
        "UInt64": pa.uint64(),
        "List(Utf8)": pa.list_(pa.string()),
        "Int64": pa.int64(),
        "Float64": pa.float64(),
        "Float32": pa.float32(),
        "Boolean": pa.bool_(),
        "Timestamp(Microsecond, UTC)": pa.timestamp("us", tz="UTC"),
        "Null": pa.null(),
    }
    if array.dtype.kind == "M":
        ticks = array.view(np.int64)
        return pa.array(ticks, pa.int64(), mask=ticks == NOT_A_TIME).cast(kinds[column.kind])
    values = array.tolist() if array.dtype == object else array
    return pa.array(values, kinds[column.kind], from_pandas=column.kind == "Float64")


class RemoteResults:
    """Hits of all queries, as ``_core.SearchResults`` has them."""

    def __init__(
        self, parts: Sequence[tuple[Any, Sequence[int]]], k: int, id_type: str, dim: int
    ) -> None:
        """Take the answers in the order of the queries: hits, and how many each query has."""
        self._dim = dim
        self._counts = np.array([count for _, counts in parts for count in counts], np.int64)
        self.queries = len(self._counts)
        self.k = k
        size = self.queries * k
        starts = np.arange(self.queries) * k
        places = [
            start + np.arange(count) for start, count in zip(starts, self._counts, strict=True)
        ]
        self._places = np.concatenate(places) if places else np.empty(0, np.int64)
        self._size = size
        self._hits = [hits for hits, _ in parts]
        self._id_type = id_type

    def _joined(self, name: str) -> np.ndarray[Any, np.dtype[np.float32]]:
        missing = np.inf if name == "distances" else -np.inf
        out = np.full(self._size, missing, np.float32)
        parts = [np.array(getattr(hits, name), np.float64) for hits in self._hits]
        if parts:
            out[self._places] = np.concatenate(parts)
        return out

    def counts(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Return hits a query."""
        return self._counts

    def _slices(self) -> list[tuple[Any, np.ndarray[Any, Any]]]:
        out, at = [], 0
        for hits in self._hits:
            many = len(hits.scores)
            out.append((hits, self._places[at : at + many]))
            at += many
        return out

    def _id_column(self) -> Column:
        whole: Column | None = None
        for hits, places in self._slices():
            part = ids(hits.ids, self._id_type, places, self._size)
            if whole is None:
                whole = part
            else:
                whole.array[places] = part.array[places]
        if whole is None:
            kind = "Utf8" if self._id_type == "str" else "UInt64"
            whole = Column(kind, np.empty(0, object if kind == "Utf8" else np.uint64))
        return whole

    def ids(self) -> np.ndarray[Any, Any]:
        """Return ids."""
        return self._id_column().array

    def scores(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Return scores."""
        return self._joined("scores")

    def similarities(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Return similarities."""
        return self._joined("similarities")

    def distances(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        """Return distances."""
        return self._joined("distances")

    def _columns(self) -> dict[str, Column]:
        names: list[str] = []
        for hits in self._hits:
            names.extend(c.name for c in hits.attributes.columns if c.name not in names)
        out: dict[str, Column] = {}
        slices = self._slices()
        for name in names:
            parts = []
            for hits, places in slices:
                of = next(c for c in hits.attributes.columns if c.name == name)
                parts.append((places, column(of, np.arange(len(places)), len(places))))
            out[name] = self._merged(parts)
        return out

    def _merged(self, parts: list[tuple[np.ndarray[Any, Any], Column]]) -> Column:
        """Put parts of a column into one, null where there is no hit."""
        kinds = {part.kind for _, part in parts}
        kind = next(iter(kinds - {"Null"}), "Null")
        plain = len(self._places) == self._size and all(p.array.dtype != object for _, p in parts)
        dtype: Any = parts[0][1].array.dtype
        if dtype.kind in "fM":
            whole = np.full(self._size, np.nan if dtype.kind == "f" else "NaT", dtype)
        else:
            whole = np.empty(self._size, dtype) if plain else np.full(self._size, None, object)
        for places, part in parts:
            whole[places] = part.array
        return Column(kind, whole)

    def attributes(self) -> dict[str, np.ndarray[Any, Any]]:
        """Return the columns asked for."""
        return {name: column.array for name, column in self._columns().items()}

    def vectors(self) -> np.ndarray[Any, np.dtype[np.float32]] | None:
        """Return the vectors, if asked for."""
        packed = [np.frombuffer(hits.vectors_f32_le, "<f4") for hits in self._hits]
        if not any(map(len, packed)):
            return None
        out = np.zeros((self._size, self._dim), np.float32)
        out[self._places] = np.concatenate(packed).reshape(-1, self._dim)
        return out.reshape(-1)

    def explain(self) -> list[dict[str, Any]]:
        """Return how each query was answered, if that was asked for."""
        return [_explained(told) for hits in self._hits for told in hits.explain]

    def long(self) -> RemoteTable:
        """Return one row a hit."""
        counts, places = self._counts, self._places
        ranks = [np.arange(count) for count in counts]
        columns = {
            "query": Column("Int64", np.repeat(np.arange(self.queries), counts)),
            "rank": Column("Int64", np.concatenate(ranks) if ranks else np.empty(0, np.int64)),
            "id": Column(self._id_column().kind, self.ids()[places]),
            "score": Column("Float32", self.scores()[places]),
            "distance": Column("Float32", self.distances()[places]),
        }
        for given, of in self._columns().items():
            name = given
            while name in _LONG_NAMES or name in columns:
                name = f"attribute_{name}"
            columns[name] = Column(of.kind, of.array[places])
        vectors = self.vectors()
        if vectors is not None:
            rows = vectors.reshape(-1, self._dim)[places]
            columns["vector"] = Column("FixedSizeList(non-null Float32)", rows)
        return RemoteTable(columns, len(places))


_COUNTS = (
    "points",
    "cardinality",
    "skipped_by_filter",
    "skipped_by_exclusion",
    "skipped_by_cap",
    "hops",
    "peeks",
    "regions_scored",
    "codes_scored",
    "rows_refined",
    "rows_rescored",
)


def _explained(message: Any) -> dict[str, Any]:
    """Return how a query was answered, in the words of the embedded collection."""
    segments = []
    for segment in message.segments:
        told: dict[str, Any] = {"name": segment.name, "rows": int(segment.rows)}
        if segment.HasField("interest"):
            told["interest"] = int(segment.interest)
        segments.append({**told, **_way(segment.way)})
    return {**_way(message.way), "segments": segments}


def _way(message: Any) -> dict[str, Any]:
    points = int(message.points)
    return {
        "plan": message.plan,
        "why": message.why,
        "fallback": message.fallback if message.HasField("fallback") else None,
        "stable": message.stable if message.HasField("stable") else None,
        **{name: int(getattr(message, name)) for name in _COUNTS},
        "selectivity": message.cardinality / points if points else 0.0,
        "microseconds": dict(message.microseconds),
    }


def points(
    message: Any, id_type: str, dim: int, with_vectors: bool
) -> tuple[RemoteTable, list[bool]]:
    """Return the answer to `get`: a table, and which rows are points."""
    found = list(message.found)
    rows = len(found)
    places = np.arange(rows)
    columns = {"id": ids(message.ids, id_type, places, rows)}
    columns["id"].nullable = False
    for each in message.attributes.columns:
        columns[each.name] = column(each, places, rows)
    if with_vectors:
        vectors = np.frombuffer(message.vectors_f32_le, "<f4").reshape(rows, dim).copy()
        vectors[~np.array(found, np.bool_)] = np.nan
        columns["vector"] = Column("FixedSizeList(Float32)", vectors)
    return RemoteTable(columns, rows), found
