"""Everything that may be passed as ids and vectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import nearfield as nf

VALUES = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
FLAT = pa.array(VALUES.ravel(), pa.float32())

INTEGER_IDS: dict[str, Any] = {
    "list": [7, 8, 9],
    "tuple": (7, 8, 9),
    "range": range(7, 10),
    "generator": (i for i in (7, 8, 9)),
    "numpy scalars": [np.int64(7), np.uint8(8), np.uint64(9)],
    "uint64": np.array([7, 8, 9], np.uint64),
    "int64": np.array([7, 8, 9], np.int64),
    "int16": np.array([7, 8, 9], np.int16),
    "uint32 strided": np.array([7, 0, 8, 0, 9, 0], np.uint32)[::2],
    "big endian": np.array([7, 8, 9], ">i8"),
    "object": np.array([7, 8, 9], object),
    "arrow": pa.array([7, 8, 9], pa.uint64()),
    "arrow int32": pa.array([7, 8, 9], pa.int32()),
    "arrow chunks": pa.chunked_array([[7], [8, 9]]),
    "arrow slice": pa.array([0, 7, 8, 9])[1:],
    "series": pd.Series([7, 8, 9]),
    "nullable series": pd.Series([7, 8, 9], dtype="Int64"),
    "index": pd.Index([7, 8, 9]),
    "polars": pl.Series([7, 8, 9]),
}
STRING_IDS: dict[str, Any] = {
    "list": ["x", "é", "z"],
    "numpy": np.array(["x", "é", "z"]),
    "object": np.array(["x", "é", "z"], object),
    "arrow": pa.array(["x", "é", "z"]),
    "large": pa.array(["x", "é", "z"], pa.large_string()),
    "view": pa.array(["x", "é", "z"], pa.string_view()),
    "dictionary": pa.array(["x", "é", "z"]).dictionary_encode(),
    "series": pd.Series(["x", "é", "z"]),
    "categorical": pd.Series(["x", "é", "z"], dtype="category"),
    "polars": pl.Series(["x", "é", "z"]),
}
VECTORS: dict[str, Any] = {
    "float32": VALUES.astype(np.float32),
    "float16": VALUES.astype(np.float16),
    "float64": VALUES,
    "big endian": VALUES.astype(">f4"),
    "fortran": np.asfortranarray(VALUES.astype(np.float32)),
    "strided": np.repeat(VALUES.astype(np.float32), 2, axis=1)[:, ::2],
    "reversed": VALUES.astype(np.float32)[::-1][::-1],
    "unaligned": np.frombuffer(b"x" + VALUES.astype("<f4").tobytes(), "<f4", 6, 1).reshape(3, 2),
    "read only": np.frombuffer(VALUES.astype("<f4").tobytes(), "<f4").reshape(3, 2),
    "lists": VALUES.tolist(),
    "lists of int": [[1, 2], [3, 4], [5, 6]],
    "tuples": tuple(map(tuple, VALUES)),
    "list of arrays": list(VALUES.astype(np.float32)),
    "object array": VALUES.astype(object),
    "series of arrays": pd.Series(list(VALUES.astype(np.float32))),
    "series of lists": pd.Series(VALUES.tolist()),
    "fixed lists": pa.FixedSizeListArray.from_arrays(FLAT, 2),
    "fixed lists of f16": pa.FixedSizeListArray.from_arrays(FLAT.cast(pa.float16()), 2),
    "fixed lists of f64": pa.FixedSizeListArray.from_arrays(FLAT.cast(pa.float64()), 2),
    "plain lists": pa.array(VALUES.tolist()),
    "large lists": pa.array(VALUES.tolist(), pa.large_list(pa.float32())),
    "slice": pa.array([[0.0, 0.0], *VALUES.tolist()])[1:],
    "slice of fixed": pa.array([[0.0, 0.0], *VALUES.tolist()], pa.list_(pa.float32(), 2))[1:],
    "chunks": pa.chunked_array([VALUES[:1].tolist(), VALUES[1:].tolist()]),
    "polars array": pl.Series(VALUES.tolist(), dtype=pl.Array(pl.Float32, 2)),
    "polars list": pl.Series(VALUES.tolist(), dtype=pl.List(pl.Float32)),
}


@pytest.mark.parametrize("ids", INTEGER_IDS.values(), ids=INTEGER_IDS)
def test_integer_ids(ids: Any) -> None:
    points = nf.create(dim=2, metric="l2")
    points.upsert(ids, VALUES)
    assert points.search([1.0, 2.0], k=3).ids.tolist() == [7, 8, 9]


@pytest.mark.parametrize("ids", STRING_IDS.values(), ids=STRING_IDS)
def test_string_ids(ids: Any) -> None:
    points = nf.create(dim=2, metric="l2", id_type="str")
    points.upsert(ids, VALUES)
    assert points.search([1.0, 2.0], k=3).ids.tolist() == ["x", "é", "z"]
    assert points.get(ids)["id"].tolist() == ["x", "é", "z"]
    assert points.search([1.0, 2.0], k=3, exclude=ids).counts == 0


@pytest.mark.parametrize("vectors", VECTORS.values(), ids=VECTORS)
def test_vectors(vectors: Any) -> None:
    points = nf.create(dim=2, metric="l2")
    points.upsert([0, 1, 2], vectors)
    np.testing.assert_array_equal(points.get([0, 1, 2])["vector"], VALUES)
    r = points.search(vectors, k=1)
    assert r.ids.tolist() == [[0], [1], [2]]


@pytest.mark.parametrize(
    "query",
    [[1.0, 2.0], (1, 2), np.array([1, 2], np.float16), np.array([1.0, 0, 2.0, 0])[::2]],
)
def test_one_query(query: Any) -> None:
    points = nf.create(dim=2, metric="l2")
    points.upsert([0, 1, 2], VALUES)
    assert points.search(query, k=1).ids.tolist() == [0]


@pytest.mark.parametrize(("dtype", "kind"), [("u8", np.uint8), ("i8", np.int8)])
def test_bytes(dtype: str, kind: type) -> None:
    points = nf.create(dim=2, metric="l2", dtype=dtype)
    points.upsert([0, 1, 2], VALUES.astype(kind))
    assert points.search(VALUES.astype(kind), k=1).ids.tolist() == [[0], [1], [2]]
    fixed = pa.FixedSizeListArray.from_arrays(FLAT.cast(pa.from_numpy_dtype(kind)), 2)
    assert points.search(fixed, k=1).ids.tolist() == [[0], [1], [2]]


@pytest.mark.parametrize("ids", [[], np.array([]), pa.array([], pa.uint64()), ()])
@pytest.mark.parametrize("vectors", [[], np.empty((0, 2), np.float32)])
def test_empty_calls(ids: Any, vectors: Any) -> None:
    points = nf.create(dim=2)
    points.upsert(ids, vectors)
    assert len(points) == 0
    assert len(points.get(ids)) == 0
    assert points.search(vectors, k=3).ids.shape == (0, 3)


def test_float32_is_not_copied_at_the_boundary(
    numbered: Callable[..., nf.Collection], monkeypatch: pytest.MonkeyPatch
) -> None:
    points = numbered(np.eye(4, dtype=np.float32))
    queries = np.eye(4, dtype=np.float32)
    seen = []
    from nearfield import _inputs

    matrix = _inputs.matrix

    def spy(*args: Any, **kwargs: Any) -> Any:
        seen.append(matrix(*args, **kwargs))
        return seen[-1]

    monkeypatch.setattr(_inputs, "matrix", spy)
    points.search(queries, k=1)
    assert seen[0][0] is queries
    arrow = pa.FixedSizeListArray.from_arrays(pa.array(queries.ravel()), 4)
    points.search(arrow, k=1)
    assert seen[1][0] is arrow


def test_relations_of_duckdb() -> None:
    duckdb = pytest.importorskip("duckdb")
    rows = "('x', [1.0, 2.0], 1), ('y', [3.0, 4.0], NULL), ('z', [5.0, 6.0], 3)"
    rel = duckdb.sql(f"SELECT id, v::FLOAT[] AS v, n FROM (VALUES {rows}) AS t(id, v, n)")
    points = nf.create(dim=2, metric="l2", id_type="str", schema={"n": "i64"})
    points.upsert(rel.select("id"), rel.select("v"), rel.select("n"))
    assert points.scan().to_arrow().to_pylist() == [
        {"id": "x", "n": 1, "vector": [1.0, 2.0]},
        {"id": "y", "n": None, "vector": [3.0, 4.0]},
        {"id": "z", "n": 3, "vector": [5.0, 6.0]},
    ]
    found = points.search(rel.select("v"), k=1)
    assert found.ids.tolist() == [["x"], ["y"], ["z"]]
    assert duckdb.from_arrow(found).fetchall()[0][:3] == (0, 0, "x")


def test_tables_of_one_column() -> None:
    table = pa.table({"id": [7, 8, 9], "v": pa.FixedSizeListArray.from_arrays(FLAT, 2)})
    points = nf.create(dim=2, metric="l2")
    points.upsert(table.select(["id"]), pl.from_arrow(table.select(["v"])))
    assert points.get([7, 8, 9])["vector"].tolist() == VALUES.tolist()
    with pytest.raises(nf.InvalidArgumentError, match="vectors: expected an Arrow array of lists"):
        points.upsert(table.select(["id"]), table)
